//! Trap-and-emulate: every sample guest prints what it prints on bare metal, and the books add up.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod samples;

use paravane_core::accounting::costs::PRESETS;
use paravane_core::accounting::{Cause, Costs};
use paravane_core::guest_image::{GuestImage, LoadOptions};
use paravane_core::hypervisor::virtual_machine::DEFAULT_POOL;
use paravane_core::hypervisor::{Processor, ShadowPolicy, VirtualMachine};
use paravane_core::machine::Stopped;
use paravane_cpu::Sensitive;
use paravane_sample_guests::{GUESTS, SampleGuest, comparable_lines};

fn bare_guests() -> impl Iterator<Item = &'static SampleGuest> {
    GUESTS.iter().filter(|guest| samples::manifest(guest).worlds.iter().any(|w| w == "bare"))
}

fn load(guest: &SampleGuest, preset: &str, pool: u64, policy: ShadowPolicy) -> VirtualMachine {
    load_on(Processor::Ideal, guest, preset, pool, policy)
}

fn load_on(
    processor: Processor,
    guest: &SampleGuest,
    preset: &str,
    pool: u64,
    policy: ShadowPolicy,
) -> VirtualMachine {
    let manifest = samples::manifest(guest);
    let image = GuestImage::parse(guest.elf, guest.name).unwrap();
    let costs = Costs::preset(preset).unwrap();
    let mut machine =
        VirtualMachine::new(processor, manifest.memory_mib << 20, pool, costs, policy);
    let options = LoadOptions { command_line: manifest.append, ..LoadOptions::default() };
    machine.load(&image, &options).unwrap();
    machine
}

/// Checks a finished run: console, exit value, and that the parts add up to the whole.
fn check(guest: &SampleGuest, machine: &VirtualMachine, console: &str, stopped: Stopped) {
    let manifest = samples::manifest(guest);
    assert_eq!(stopped, Stopped::Exit(manifest.exit_code), "{}\n{console}", guest.name);
    let expected: Vec<_> = comparable_lines(guest.expected).collect();
    let printed: Vec<_> = comparable_lines(console).collect();
    assert_eq!(printed, expected, "{}", guest.name);
    let host = &machine.host;
    assert_eq!(host.ledger.cycles(&host.costs), host.cpu.cycles, "{}: the sum", guest.name);
}

#[test]
fn every_guest_prints_the_same_under_every_preset() {
    for guest in bare_guests() {
        for (preset, _) in PRESETS {
            let mut machine = load(guest, preset, DEFAULT_POOL, ShadowPolicy::Cached);
            let (console, stopped) =
                samples::run(&mut machine, &samples::manifest(guest).input, u64::MAX);
            check(guest, &machine, &console, stopped);
        }
    }
}

#[test]
fn neither_a_tiny_pool_nor_no_cache_changes_what_a_guest_sees() {
    for guest in bare_guests() {
        for (pool, policy) in
            [(64 << 12, ShadowPolicy::Cached), (DEFAULT_POOL, ShadowPolicy::Naive)]
        {
            let mut machine = load(guest, "teaching", pool, policy);
            let (console, stopped) =
                samples::run(&mut machine, &samples::manifest(guest).input, u64::MAX);
            check(guest, &machine, &console, stopped);
        }
    }
}

#[test]
fn slices_of_any_length_and_a_second_run_make_no_difference() {
    for guest in
        bare_guests().filter(|guest| ["hello", "exceptions", "shell"].contains(&guest.name))
    {
        let input = samples::manifest(guest).input;
        let mut whole = load(guest, "teaching", DEFAULT_POOL, ShadowPolicy::Cached);
        let ended = samples::run(&mut whole, &input, u64::MAX);
        for slice in [1, 7, 1000, u64::MAX] {
            let mut again = load(guest, "teaching", DEFAULT_POOL, ShadowPolicy::Cached);
            assert_eq!(samples::run(&mut again, &input, slice), ended, "{} by {slice}", guest.name);
            assert_eq!(again.host.ledger, whole.host.ledger, "{} by {slice}", guest.name);
            assert_eq!(again.virtual_cpu.registers, whole.virtual_cpu.registers);
        }
    }
}

#[test]
fn throwing_shadow_tables_away_costs_hidden_faults() {
    let guest = paravane_sample_guests::find("usermode").unwrap();
    let hidden = |policy| {
        let mut machine = load(guest, "teaching", DEFAULT_POOL, policy);
        samples::run(&mut machine, "", u64::MAX);
        machine.host.ledger.row(Cause::HiddenPageFault).unwrap().exits
    };
    let (cached, naive) = (hidden(ShadowPolicy::Cached), hidden(ShadowPolicy::Naive));
    assert!(naive > 2 * cached, "cached {cached}, naive {naive}");
}

#[test]
fn guests_that_need_no_silent_instruction_run_on_a_cpu_of_1998() {
    let mut count = 0;
    for guest in GUESTS {
        let manifest = samples::manifest(guest);
        let named = |worlds: &[String]| worlds.iter().any(|world| world == "trap-x86");
        if !named(&manifest.worlds) || named(&manifest.differs_in) {
            continue;
        }
        let mut machine =
            load_on(Processor::X86, guest, "p4-2005", DEFAULT_POOL, ShadowPolicy::Cached);
        let (console, stopped) = samples::run(&mut machine, &manifest.input, u64::MAX);
        check(guest, &machine, &console, stopped);
        count += 1;
    }
    assert!(count >= 10, "only {count} guests");
}

#[test]
fn a_cpu_of_1998_lies_about_the_interrupt_flag_and_the_ideal_one_does_not() {
    let guest = paravane_sample_guests::find("silent").unwrap();
    let lies = |processor| {
        let mut machine = load_on(processor, guest, "teaching", DEFAULT_POOL, ShadowPolicy::Cached);
        samples::run(&mut machine, "", u64::MAX);
        machine.lies().clone()
    };
    let told = lies(Processor::X86);
    for instruction in [Sensitive::Pushf, Sensitive::Popf, Sensitive::Sgdt, Sensitive::Sidt] {
        assert!(told.iter().any(|(_, lied, _)| lied == instruction), "{instruction:?}");
    }
    assert_eq!(lies(Processor::Ideal).total(), 0);
}
