//! Every sample guest on bare metal: what it prints is what QEMU printed, however it is run.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and speak")]

mod samples;

use paravane_core::machine::Stopped;
use paravane_sample_guests::{GUESTS, SampleGuest, comparable_lines};

fn bare_guests() -> impl Iterator<Item = &'static SampleGuest> {
    GUESTS.iter().filter(|guest| samples::manifest(guest).worlds.iter().any(|w| w == "bare"))
}

#[test]
fn every_sample_guest_prints_what_qemu_recorded() {
    let mut count = 0;
    for guest in bare_guests() {
        let manifest = samples::manifest(guest);
        let mut machine = samples::load(guest);
        let (console, stopped) = samples::run(&mut machine, &manifest.input, u64::MAX);
        assert_eq!(stopped, Stopped::Exit(manifest.exit_code), "{}\n{console}", guest.name);
        let expected: Vec<_> = comparable_lines(guest.expected).collect();
        let printed: Vec<_> = comparable_lines(&console).collect();
        assert_eq!(printed, expected, "{}", guest.name);
        assert_eq!(machine.ledger().cycles(&machine.costs), machine.cpu.cycles, "{}", guest.name);
        count += 1;
    }
    assert!(count >= 6, "only {count} sample guests run on bare metal");
}

#[test]
fn slices_of_any_length_make_no_difference() {
    for guest in
        bare_guests().filter(|guest| ["hello", "exceptions", "shell"].contains(&guest.name))
    {
        let input = samples::manifest(guest).input;
        let mut whole = samples::load(guest);
        let (console, stopped) = samples::run(&mut whole, &input, u64::MAX);
        for slice in [1, 7, 1000] {
            let mut sliced = samples::load(guest);
            assert_eq!(samples::run(&mut sliced, &input, slice), (console.clone(), stopped));
            assert_eq!(sliced.cpu.cycles, whole.cpu.cycles, "{} by {slice}", guest.name);
            assert_eq!(sliced.cpu.instructions, whole.cpu.instructions);
            assert_eq!(sliced.cpu.registers, whole.cpu.registers);
            assert_eq!(sliced.cpu.flags, whole.cpu.flags);
            let size = whole.cpu.ram.size();
            assert!(sliced.cpu.ram.slice(0, size) == whole.cpu.ram.slice(0, size), "RAM differs");
        }
    }
}
