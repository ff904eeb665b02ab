//! Every sample guest in the paravirtual world: what it prints is what QEMU printed on bare
//! metal, and the books balance.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

mod guests;

use paravane_core::accounting::Costs;
use paravane_core::hypervisor::paravirt::{Ended, ParavirtualMachine, Stop};
use paravane_sample_guests::{SampleGuest, comparable_lines};

const PRESETS: [&str; 2] = ["teaching", "p4-2005"];

fn teaching() -> Costs {
    Costs::preset("teaching").unwrap()
}

fn check_end(guest: &SampleGuest, console: &str, ended: &Ended) {
    let code = guests::manifest(guest).exit_code;
    let expected = if code == 0 { Stop::PowerOff } else { Stop::Crash };
    assert_eq!(*ended, Ended::Stopped(expected), "{}\n{console}", guest.name);
}

fn check_books(machine: &ParavirtualMachine) {
    let host = &machine.host;
    assert_eq!(host.ledger.cycles(&host.costs), host.cpu.cycles, "the ledger's sum");
}

#[test]
fn every_sample_guest_prints_what_it_prints_on_bare_metal() {
    let mut count = 0;
    for guest in guests::guests() {
        let mut machine = guests::load(guest, teaching());
        let input = guests::manifest(guest).input;
        let (console, ended) = guests::run(&mut machine, &input, u64::MAX);
        check_end(guest, &console, &ended);
        let expected: Vec<_> = comparable_lines(guest.expected).collect();
        let printed: Vec<_> = comparable_lines(&console).collect();
        assert_eq!(printed, expected, "{}", guest.name);
        check_books(&machine);
        count += 1;
    }
    assert!(count >= 5, "only {count} sample guests run in the paravirtual world");
}

#[test]
fn the_ledger_adds_up_at_any_time_and_under_any_prices() {
    let presets = PRESETS.into_iter().filter_map(|name| Costs::preset(name).ok());
    for costs in presets.chain([Costs::free()]) {
        for guest in guests::guests() {
            let mut machine = guests::load(guest, costs.clone());
            for slice in 1..200 {
                if machine.run(slice * 37).is_final() {
                    break;
                }
                check_books(&machine);
            }
        }
    }
}

#[test]
fn two_runs_are_identical() {
    for guest in guests::guests() {
        let input = guests::manifest(guest).input;
        let mut first = guests::load(guest, teaching());
        let mut second = guests::load(guest, teaching());
        let result = guests::run(&mut first, &input, u64::MAX);
        assert_eq!(guests::run(&mut second, &input, u64::MAX), result);
        assert_same(guest, &first, &second);
    }
}

#[test]
fn slices_of_any_length_make_no_difference() {
    for guest in guests::guests() {
        let input = guests::manifest(guest).input;
        let mut whole = guests::load(guest, teaching());
        let result = guests::run(&mut whole, &input, u64::MAX);
        let short = whole.host.cpu.instructions < 2_000_000;
        for slice in [1, 7, 1000] {
            if slice < 1000 && !short {
                continue;
            }
            let mut sliced = guests::load(guest, teaching());
            assert_eq!(guests::run(&mut sliced, &input, slice), result, "{}", guest.name);
            assert_same(guest, &sliced, &whole);
        }
    }
}

#[test]
fn a_copy_of_a_running_machine_goes_on_alike() {
    for guest in guests::guests() {
        let input = guests::manifest(guest).input;
        let mut machine = guests::load(guest, teaching());
        if machine.run(300_000).is_final() {
            continue;
        }
        let mut copy = machine.clone();
        let result = guests::run(&mut machine, &input, u64::MAX);
        assert_eq!(guests::run(&mut copy, &input, u64::MAX), result);
        assert_same(guest, &machine, &copy);
    }
}

fn assert_same(guest: &SampleGuest, one: &ParavirtualMachine, other: &ParavirtualMachine) {
    let (one, other) = (&one.host, &other.host);
    assert_eq!(one.cpu.cycles, other.cpu.cycles, "{}", guest.name);
    assert_eq!(one.cpu.registers, other.cpu.registers, "{}", guest.name);
    assert_eq!(one.ledger, other.ledger, "{}", guest.name);
    let size = one.cpu.ram.size();
    assert!(one.cpu.ram.slice(0, size) == other.cpu.ram.slice(0, size), "RAM differs");
}
