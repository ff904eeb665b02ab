//! Repeated string instructions: a fault stops them between two iterations, and what was done
//! stays done.

use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RCX, RIP};
use paravane_cpu::{Exception, Exit, Vector, page_fault_code};
use paravane_host_referee::Form;

use super::placement::{self, OPERAND, SECOND, START, WINDOW_PAGES};
use super::tested_forms::{self, StringPointers};
use super::trial::{Trial, background};
use crate::paged_machine::{PAGE, PagedMachine, Snapshot, Width, rights};

const RSI: usize = 6;
const RDI: usize = 7;
/// Iterations in all.
const COUNT: u64 = 5;

/// One way in which a page may be missing.
#[derive(Clone, Copy, Debug)]
struct Scene {
    /// The pointer that meets the missing page: RSI or RDI.
    pointer: usize,
    /// Iterations before that.
    done: u64,
    /// The element that faults begins in the page before.
    straddles: bool,
    /// From higher to lower addresses.
    downwards: bool,
}

impl Scene {
    fn all() -> impl Iterator<Item = Self> {
        let flags = [false, true];
        [RSI, RDI].into_iter().flat_map(move |pointer| {
            [0, 1, COUNT - 1].into_iter().flat_map(move |done| {
                flags.into_iter().flat_map(move |straddles| {
                    flags.map(|downwards| Self { pointer, done, straddles, downwards })
                })
            })
        })
    }

    fn window(self, narrow: bool) -> u64 {
        let windows = if self.pointer == RSI { OPERAND } else { SECOND };
        windows[usize::from(narrow)]
    }

    /// The page that is missing.
    fn page(self, narrow: bool) -> u64 {
        self.window(narrow) + if self.downwards { 0 } else { PAGE }
    }

    /// Where the element lies that faults.
    fn faulting_element(self, narrow: bool, size: u64) -> u64 {
        let boundary = self.window(narrow) + PAGE;
        match (self.downwards, self.straddles) {
            (_, true) => boundary - size / 2,
            (false, false) => boundary,
            (true, false) => boundary - size,
        }
    }
}

/// Sets the machine up for `count` iterations.
fn load(trial: &mut Trial<'_>, memory: &[u8], downwards: bool, count: u64) {
    trial.registers[1] = count;
    trial.load(memory, &[]);
    trial.machine.cpu.flags.set_system(Rflags::DF, downwards);
    trial.machine.bus.port_values = (1..=COUNT as u32).map(|n| n * 0x0101_0101).collect();
}

/// General registers for a scene. `None` if the instruction can't be in it.
fn registers(form: &Form, used: &StringPointers, scene: Scene) -> Option<[u64; 16]> {
    let size = form.instruction.memory_size().size() as u64;
    if !used.pointers.contains(&scene.pointer) || scene.straddles && size == 1 {
        return None;
    }
    let mut registers = [0; 16];
    registers[0] = u64::from_le_bytes([if continues_while_equal(form) { 0x20 } else { 0x21 }; 8]);
    for (pointer, windows) in [(RSI, OPERAND), (RDI, SECOND)] {
        registers[pointer] = windows[usize::from(used.narrow)] + 0x800;
    }
    let element = scene.faulting_element(used.narrow, size);
    let distance = scene.done * size;
    registers[scene.pointer] =
        if scene.downwards { element + distance } else { element - distance };
    Some(registers)
}

/// REPE goes on while elements are equal, REPNE while they differ.
fn continues_while_equal(form: &Form) -> bool {
    !form.instruction.has_repne_prefix()
}

/// Memory with elements that let comparisons go on.
fn memory(trial: &mut Trial<'_>) -> Vec<u8> {
    trial.memory();
    let second = if continues_while_equal(trial.form) { 0x20 } else { 0x22 };
    for (windows, byte) in [(OPERAND, 0x20), (SECOND, second)] {
        for window in windows {
            trial.machine.write(window, &[byte; (WINDOW_PAGES * PAGE) as usize]);
        }
    }
    trial.machine.memory().to_vec()
}

/// Executes an instruction that completes.
fn complete(trial: &mut Trial<'_>, what: &str) -> (Snapshot, Vec<u8>) {
    assert_eq!(trial.machine.execute_one(), Exit::Budget, "{what}");
    trial.state()
}

/// Tries one scene; `false` if the instruction can't be in it.
fn check(
    machine: &mut PagedMachine,
    background: &[u8],
    form: &Form,
    ring: u8,
    scene: Scene,
) -> bool {
    let Some(used) = tested_forms::string_pointers(&form.instruction) else { return false };
    let Some(registers) = registers(form, &used, scene) else { return false };
    let what = format!("{} in ring {ring}, {scene:?}", form.description());
    let mut trial = Trial { machine, form, ring, registers, background };
    let memory = memory(&mut trial);

    load(&mut trial, &memory, scene.downwards, COUNT);
    let start = Snapshot::of(&trial.machine.cpu);
    let whole = complete(&mut trial, &what);
    let ports = trial.machine.bus.clone();

    // What must be there at the fault: as many iterations as a counter of that many does.
    load(&mut trial, &memory, scene.downwards, scene.done);
    let (begun, written) = complete(&mut trial, &what);
    let begun = begun
        .with_register(RCX, COUNT - scene.done)
        .with_register(RIP, START)
        .with_flags_of(&start);

    load(&mut trial, &memory, scene.downwards, COUNT);
    let page = scene.page(used.narrow);
    trial.machine.protect(page, rights::ABSENT);
    trial.machine.cpu.refresh();
    let mut code = 0;
    if used.writes && scene.pointer == RDI {
        code |= page_fault_code::WRITE;
    }
    if ring == 3 {
        code |= page_fault_code::USER;
    }
    let fault = Exit::Exception(Exception::with_code(Vector::PageFault, code));
    assert_eq!(trial.machine.execute_one(), fault, "{what}");
    let size = form.instruction.memory_size().size() as u64;
    let element = scene.faulting_element(used.narrow, size);
    assert_eq!(trial.machine.cpu.fault_address, element.max(page), "{what}: address");
    same(&trial.state(), &(begun, written), &what);

    trial.machine.protect(page, rights::ALL);
    same(&complete(&mut trial, &what), &whole, &what);
    // No port was read or written twice.
    let bus = &trial.machine.bus;
    assert_eq!(bus.port_values, ports.port_values, "{what}: port reads");
    assert_eq!(bus.port_writes, ports.port_writes, "{what}: port writes");
    true
}

fn same(ours: &(Snapshot, Vec<u8>), expected: &(Snapshot, Vec<u8>), what: &str) {
    assert!(ours.0 == expected.0, "{what}: {}", ours.0.difference(&expected.0));
    assert!(ours.1 == expected.1, "{what}: memory differs");
}

fn check_all(width: Width) {
    let mut machine = placement::machine(width);
    let background = background(&machine);
    let (mut forms, mut faults) = (0, 0);
    for form in tested_forms::forms(width) {
        if !tested_forms::is_repeated(&form.instruction) {
            continue;
        }
        forms += 1;
        for ring in [0, 3] {
            for scene in Scene::all() {
                faults += usize::from(check(&mut machine, &background, &form, ring, scene));
            }
        }
    }
    println!("{width:?}: {forms} repeated forms, {faults} faults");
    assert!(forms > 100, "only {forms} forms");
}

#[test]
fn in_64_bit_mode_a_fault_leaves_whole_iterations_and_the_rest_follows() {
    check_all(Width::Long);
}

#[test]
fn in_paged_32_bit_mode_a_fault_leaves_whole_iterations_and_the_rest_follows() {
    check_all(Width::Protected);
}
