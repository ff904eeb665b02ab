//! Runs small programs in ring 0 until they halt, in one piece and in slices of one cycle.

use paravane_cpu::Exit;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::RIP;

use crate::paged_machine::{PAGE, PagedMachine, Width, rights};

/// Two pages of code.
pub const CODE: u64 = 0x1000_0000;
/// Both pages once more.
pub const ALIAS: u64 = 0x1800_0000;
/// A page for a stack.
pub const STACK: u64 = 0x2000_0000;
/// The initial stack pointer.
pub const TOP: u64 = STACK + 0x800;
/// How a run is cut: in one piece, and in single instructions.
pub const SLICES: [u64; 2] = [1000, 1];

/// A machine with code, its alias, and a stack.
pub fn machine(width: Width) -> PagedMachine {
    let mut machine = PagedMachine::new(width);
    for page in [CODE, CODE + PAGE, STACK] {
        machine.add_page(page, rights::ALL);
    }
    for offset in [0, PAGE] {
        let frame = machine.frame(CODE + offset);
        machine.map(ALIAS + offset, frame, rights::ALL);
    }
    machine
}

/// Executes from `start` until HLT. Registers that are not given keep their values.
pub fn run(machine: &mut PagedMachine, start: u64, registers: &[(u8, u64)], slice: u64) {
    for (index, value) in registers {
        machine.cpu.registers.set(*index, *value);
    }
    machine.cpu.registers.set(4, TOP);
    machine.cpu.registers.set(RIP, start);
    machine.cpu.flags.set_all(Rflags::FIXED);
    machine.cpu.activity = paravane_cpu::Activity::Running;
    let end = machine.cpu.cycles + 2000;
    loop {
        match machine.cpu.run(&mut machine.bus, &machine.intercepts, slice) {
            Exit::Budget if machine.cpu.cycles < end => {}
            Exit::Halted => return,
            other => panic!("{other:?} at {:#x}", machine.cpu.rip()),
        }
    }
}

/// A general register.
pub fn get(machine: &PagedMachine, index: u8) -> u64 {
    machine.cpu.registers.get(index)
}

/// Calls `test` for both kinds of code and both ways to run it.
pub fn everywhere(test: impl Fn(PagedMachine, u64)) {
    for width in [Width::Long, Width::Protected] {
        for slice in SLICES {
            test(machine(width), slice);
        }
    }
}
