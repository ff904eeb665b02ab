//! One instruction, one bad page, at most one access per slot: the matrix itself.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::Code;
use paravane_cpu::state::control::Cr0;
use paravane_cpu::{Exception, Exit, Vector, page_fault_code};

use super::placement::{self, Placement};
use super::tested_forms::{self, Access};
use super::trial::{Trial, background};
use crate::paged_machine::{PAGE, PagedMachine, Snapshot, Width, rights};

/// What was tried.
#[derive(Default)]
pub struct Tally {
    /// Forms that completed at least once.
    pub forms: usize,
    /// Forms that never completed: not implemented, LOCK where it is illegal, a write to a code
    /// segment, a register that would have to be both an address and a bit number.
    pub without_completion: usize,
    /// Faults that were raised and checked.
    pub faults: usize,
    /// Runs of instructions that only name an address.
    pub without_access: usize,
    /// For each code that never completed, the last exception.
    pub never_completed: BTreeMap<Code, Exception>,
    /// Codes that completed.
    pub completed: BTreeSet<Code>,
    /// What went wrong.
    pub failures: Vec<String>,
}

/// A page that is not as the instruction wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BadPage {
    page: u64,
    rights: u64,
}

/// The pages that an access touches.
fn pages_of(access: &Access) -> impl Iterator<Item = u64> + use<> {
    let first = access.address & !(PAGE - 1);
    let last = access.address.wrapping_add(access.size.max(1) - 1) & !(PAGE - 1);
    (first..=last).step_by(PAGE as usize)
}

/// Tries every form in one mode.
pub fn run(width: Width) -> Tally {
    let mut machine = placement::machine(width);
    let background = background(&machine);
    let mut tally = Tally::default();
    for form in tested_forms::forms(width) {
        if tested_forms::is_repeated(&form.instruction) {
            continue;
        }
        let mut completed = false;
        for ring in [0, 3] {
            for placement in Placement::ALL {
                let Some(registers) = placement::registers(&form, placement) else { continue };
                let background = &background;
                let trial =
                    Trial { machine: &mut machine, form: &form, ring, registers, background };
                completed |= try_placement(trial, placement, &mut tally);
            }
        }
        if completed {
            tally.forms += 1;
            tally.completed.insert(form.code);
        } else {
            tally.without_completion += 1;
        }
    }
    let completed = &tally.completed;
    tally.never_completed.retain(|code, _| !completed.contains(code));
    tally
}

/// Whether the form completes at all with these registers, and if so, that each of its pages may
/// be missing for a while.
fn try_placement(mut trial: Trial<'_>, placement: Placement, tally: &mut Tally) -> bool {
    let accesses = tested_forms::accesses(&trial.form.instruction, &trial.registers);
    let crosses = accesses.iter().any(|access| pages_of(access).count() > 1);
    let useless = placement != Placement::Inside && !crosses;
    if useless || placement.is_deep() && accesses.len() < 2 {
        return false;
    }
    let known: BTreeSet<u64> = windows().collect();
    let pages: BTreeSet<u64> = accesses.iter().flat_map(pages_of).collect();
    if !pages.is_subset(&known) {
        return false;
    }
    let all: Vec<u64> = known.into_iter().collect();
    let memory = trial.memory();
    trial.load(&memory, &all);
    match trial.machine.execute_one() {
        Exit::Budget => {}
        Exit::Exception(exception) => {
            if trial.ring == 0 {
                tally.never_completed.insert(trial.form.code, exception);
            }
            return false;
        }
        other => panic!("{}: {other:?}", trial.form.description()),
    }
    let after = trial.state();
    if accesses.is_empty() {
        let bad: Vec<BadPage> =
            all.iter().map(|page| BadPage { page: *page, rights: rights::ABSENT }).collect();
        trial.load(&memory, &all);
        tally.without_access += 1;
        let result = completes_despite(&mut trial, &bad, &after);
        note(tally, &trial, placement, &bad, result);
        return true;
    }
    for page in pages {
        let written = accesses.iter().any(|a| a.writes && pages_of(a).any(|p| p == page));
        let kinds: &[u64] = match (written, trial.ring) {
            (false, _) => &[rights::ABSENT],
            (true, _) => &[rights::ABSENT, rights::READ_ONLY],
        };
        for rights in kinds {
            let bad = BadPage { page, rights: *rights };
            trial.load(&memory, &all);
            tally.faults += 1;
            let result = faults_then_completes(&mut trial, bad, &accesses, &memory, &after);
            note(tally, &trial, placement, &[bad], result);
        }
        if written && trial.ring == 0 {
            let bad = [BadPage { page, rights: rights::READ_ONLY }];
            trial.load(&memory, &all);
            trial.machine.cpu.control.cr0.remove(Cr0::WP);
            trial.machine.cpu.refresh();
            let result = completes_despite(&mut trial, &bad, &after);
            note(tally, &trial, placement, &bad, result);
        }
    }
    true
}

fn note(
    tally: &mut Tally,
    trial: &Trial<'_>,
    placement: Placement,
    bad: &[BadPage],
    result: Result<(), String>,
) {
    if let Err(problem) = result {
        let (text, ring) = (trial.form.description(), trial.ring);
        tally.failures.push(format!("{text} in ring {ring}, {placement:?}, {bad:x?}: {problem}"));
    }
}

/// All pages that operands may touch.
fn windows() -> impl Iterator<Item = u64> {
    placement::OPERAND
        .into_iter()
        .chain(placement::SECOND)
        .chain([placement::STACK, placement::FRAME])
        .flat_map(|window| (0..placement::WINDOW_PAGES).map(move |page| window + page * PAGE))
}

fn completes_despite(
    trial: &mut Trial<'_>,
    bad: &[BadPage],
    after: &(Snapshot, Vec<u8>),
) -> Result<(), String> {
    for BadPage { page, rights } in bad {
        trial.machine.protect(*page, *rights);
    }
    match trial.machine.execute_one() {
        Exit::Budget => {}
        other => return Err(format!("{other:?} instead of completing")),
    }
    if !trial.machine.cpu.control.cr0.contains(Cr0::WP) {
        trial.machine.cpu.control.cr0.insert(Cr0::WP);
    }
    same(trial.machine, (&after.0, &after.1), "completed")
}

/// The faults that a bad page may cause, by address: the error code of the first access there
/// that the page stops.
fn expected(bad: BadPage, accesses: &[Access], ring: u8) -> BTreeMap<u64, u16> {
    let read_only = bad.rights == rights::READ_ONLY;
    let mut faults = BTreeMap::new();
    for access in accesses {
        if (read_only && !access.writes) || pages_of(access).all(|page| page != bad.page) {
            continue;
        }
        let mut code = if read_only { page_fault_code::PRESENT } else { 0 };
        if access.writes {
            code |= page_fault_code::WRITE;
        }
        if ring == 3 {
            code |= page_fault_code::USER;
        }
        faults.entry(access.address.max(bad.page)).or_insert(code);
    }
    faults
}

fn faults_then_completes(
    trial: &mut Trial<'_>,
    bad: BadPage,
    accesses: &[Access],
    memory: &[u8],
    after: &(Snapshot, Vec<u8>),
) -> Result<(), String> {
    trial.machine.protect(bad.page, bad.rights);
    let before = Snapshot::of(&trial.machine.cpu);
    let retired = trial.machine.cpu.instructions;
    let exit = trial.machine.execute_one();
    let Exit::Exception(Exception { vector: Vector::PageFault, error_code: Some(code) }) = exit
    else {
        return Err(format!("{exit:?} instead of a page fault"));
    };
    let address = trial.machine.cpu.fault_address;
    let expected = expected(bad, accesses, trial.ring);
    if expected.get(&address) != Some(&code) {
        return Err(format!("fault {code:#x} at {address:#x}, expected one of {expected:x?}"));
    }
    if trial.machine.cpu.instructions != retired {
        return Err("the instruction counts as retired".into());
    }
    same(trial.machine, (&before, memory), "faulted")?;
    trial.machine.protect(bad.page, rights::ALL);
    match trial.machine.execute_one() {
        Exit::Budget => same(trial.machine, (&after.0, &after.1), "completed"),
        other => Err(format!("{other:?} with the page mapped")),
    }
}

fn same(machine: &PagedMachine, expected: (&Snapshot, &[u8]), when: &str) -> Result<(), String> {
    let now = Snapshot::of(&machine.cpu);
    if now != *expected.0 {
        return Err(format!("{when}: {}", now.difference(expected.0)));
    }
    if machine.memory() == expected.1 {
        return Ok(());
    }
    let pairs = machine.memory().iter().zip(expected.1);
    let offset = pairs.take_while(|(ours, theirs)| ours == theirs).count();
    Err(format!("{when}: memory differs at offset {offset:#x}"))
}

fn check(width: Width, forms: usize, faults: usize) {
    let tally = run(width);
    println!(
        "{width:?}: {} forms of {} codes ({} more never complete), {} faults, {} runs without an access",
        tally.forms,
        tally.completed.len(),
        tally.without_completion,
        tally.faults,
        tally.without_access,
    );
    let unknown: Vec<_> = tally
        .never_completed
        .iter()
        .filter(|(_, exception)| exception.vector != Vector::InvalidOpcode)
        .collect();
    let shown = tally.failures.iter().take(40).map(|line| format!("\n{line}"));
    assert!(
        tally.failures.is_empty(),
        "{} failures:{}",
        tally.failures.len(),
        shown.collect::<String>()
    );
    assert!(unknown.is_empty(), "no form of these completes: {unknown:?}");
    assert!(tally.forms >= forms && tally.faults >= faults, "the matrix has shrunk");
}

#[test]
fn every_form_in_64_bit_mode_faults_without_a_trace_and_then_completes() {
    check(Width::Long, 20_000, 200_000);
}

#[test]
fn every_form_in_paged_32_bit_mode_faults_without_a_trace_and_then_completes() {
    check(Width::Protected, 13_000, 120_000);
}
