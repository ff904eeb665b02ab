//! Repeated string instructions: a fault stops them between two iterations, and what was done
//! stays done.

use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::RCX;
use paravane_cpu::{Exception, Exit, Vector, page_fault_code};
use paravane_host_referee::Form;

use super::matrix::{Trial, background};
use super::placement::{self, OPERAND, SECOND};
use super::tested_forms;
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

fn check(machine: &mut PagedMachine, background: &[u8], form: &Form, ring: u8, scene: Scene) -> bool {
    let instruction = &form.instruction;
    let size = instruction.memory_size().size() as u64;
    let Some(used) = tested_forms::string_pointers(instruction) else { return false };
    if !used.pointers.contains(&scene.pointer) || scene.straddles && size == 1 {
        return false;
    }
    let mut registers = [0; 16];
    // REPE goes on while elements are equal, REPNE while they differ.
    let equal = !instruction.has_repne_prefix();
    registers[0] = u64::from_le_bytes([if equal { 0x20 } else { 0x21 }; 8]);
    for (pointer, windows) in [(RSI, OPERAND), (RDI, SECOND)] {
        registers[pointer] = windows[usize::from(used.narrow)] + 0x800;
    }
    let element = scene.faulting_element(used.narrow, size);
    let before_it = scene.done * size;
    registers[scene.pointer] =
        if scene.downwards { element + before_it } else { element - before_it };

    let mut trial = Trial { machine, form, ring, registers, background };
    let mut memory = trial.memory();
    let second = memory.len() - 8 * PAGE as usize;
    for (offset, byte) in memory.iter_mut().enumerate() {
        let in_second = (second..second + 4 * PAGE as usize).contains(&offset);
        if offset >= second - 4 * PAGE as usize && offset < second + 4 * PAGE as usize {
            *byte = if in_second && !equal { 0x22 } else { 0x20 };
        }
    }

    load(&mut trial, &memory, scene.downwards, COUNT);
    assert_eq!(trial.machine.execute_one(), Exit::Budget, "{}", form.description());
    let whole = (Snapshot::of(&trial.machine.cpu), trial.machine.memory().to_vec());
    let ports = (trial.machine.bus.port_values.clone(), trial.machine.bus.port_writes.clone());

    // What must be there at the fault: as many iterations as a counter of that many does.
    load(&mut trial, &memory, scene.downwards, COUNT);
    let start = Snapshot::of(&trial.machine.cpu);
    load(&mut trial, &memory, scene.downwards, scene.done);
    assert_eq!(trial.machine.execute_one(), Exit::Budget);
    let begun = Snapshot::of(&trial.machine.cpu)
        .with_register(RCX, COUNT - scene.done)
        .with_register(paravane_cpu::state::registers::RIP, placement::START)
        .with_flags_of(&start);
    let begun = (begun, trial.machine.memory().to_vec());

    load(&mut trial, &memory, scene.downwards, COUNT);
    let page = scene.page(used.narrow);
    trial.machine.protect(page, rights::ABSENT);
    trial.machine.cpu.refresh();
    let writes = used.writes && scene.pointer == RDI;
    let mut code = if writes { page_fault_code::WRITE } else { 0 };
    if ring == 3 {
        code |= page_fault_code::USER;
    }
    let what = format!("{} in ring {ring}, {scene:?}", form.description());
    let fault = Exit::Exception(Exception::with_code(Vector::PageFault, code));
    assert_eq!(trial.machine.execute_one(), fault, "{what}");
    let address = if scene.straddles && !scene.downwards { page } else { element };
    assert_eq!(trial.machine.cpu.fault_address, address, "{what}: address");
    same(trial.machine, &begun, &what);

    trial.machine.protect(page, rights::ALL);
    assert_eq!(trial.machine.execute_one(), Exit::Budget, "{what}: again");
    same(trial.machine, &whole, &what);
    let bus = &trial.machine.bus;
    assert_eq!((&bus.port_values, &bus.port_writes), (&ports.0, &ports.1), "{what}: ports");
    true
}

fn same(machine: &PagedMachine, expected: &(Snapshot, Vec<u8>), what: &str) {
    let now = Snapshot::of(&machine.cpu);
    assert!(now == expected.0, "{what}: {}", now.difference(&expected.0));
    assert!(machine.memory() == expected.1, "{what}: memory differs");
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
