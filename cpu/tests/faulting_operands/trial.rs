//! One form at one ring with its operands in place, ready to be executed again and again.

use iced_x86::{Instruction, OpKind};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::RIP;
use paravane_host_referee::Form;

use super::contents::{self, FILL};
use super::placement::START;
use super::tested_forms;
use crate::paged_machine::{PAGE, PagedMachine, SYSTEM_PAGES, Snapshot, rights};

/// One form at one ring in one placement.
pub struct Trial<'a> {
    pub machine: &'a mut PagedMachine,
    pub form: &'a Form,
    pub ring: u8,
    pub registers: [u64; 16],
    /// Memory as [`background`] made it.
    pub background: &'a [u8],
}

/// Memory before any instruction is put there.
pub fn background(machine: &PagedMachine) -> Vec<u8> {
    let (system, rest) = machine.memory().split_at(SYSTEM_PAGES * PAGE as usize);
    let fill = FILL.iter().cycle().take(rest.len());
    system.iter().chain(fill).copied().collect()
}

impl Trial<'_> {
    /// Puts the machine back to the start, with all pages mapped.
    pub fn load(&mut self, memory: &[u8], pages: &[u64]) {
        self.machine.set_memory(memory);
        for page in pages {
            self.machine.protect(*page, rights::ALL);
        }
        self.machine.reset(self.ring);
        for (index, value) in (0..).zip(self.registers) {
            self.machine.cpu.registers.set(index, value);
        }
        self.machine.cpu.registers.set(RIP, START);
        // Ring 3 may use ports, and there is a carry for what looks at one.
        self.machine.cpu.flags.set_all(Rflags::FIXED | Rflags::IOPL | Rflags::CF);
        self.machine.cpu.state_changed();
    }

    /// The CPU and memory as they are now.
    pub fn state(&self) -> (Snapshot, Vec<u8>) {
        (Snapshot::of(&self.machine.cpu), self.machine.memory().to_vec())
    }

    /// Memory with the instruction and all that it wants to find.
    pub fn memory(&mut self) -> Vec<u8> {
        self.machine.set_memory(self.background);
        self.machine.write(START, &self.form.bytes);
        let instruction = &self.form.instruction;
        let stack = contents::stack(self.machine, self.ring, instruction);
        self.machine.write(self.registers[4], &stack);
        let operand = contents::operand(self.machine, self.ring, instruction);
        if let Some(address) = operand_address(instruction, &self.registers)
            && !operand.is_empty()
        {
            self.machine.write(address, &operand);
        }
        self.machine.memory().to_vec()
    }
}

fn operand_address(instruction: &Instruction, registers: &[u64; 16]) -> Option<u64> {
    let operand = (0..instruction.op_count())
        .find(|operand| instruction.op_kind(*operand) == OpKind::Memory)?;
    instruction.virtual_address(operand, 0, |name, _, _| tested_forms::value(name, registers))
}
