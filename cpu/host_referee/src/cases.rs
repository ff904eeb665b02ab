//! What a form is run with: registers and memory that make it do something worth comparing.

use iced_x86::{OpKind, Register};

use crate::forms::Form;
use crate::memory_operand::MemoryOperand;
use crate::operand_values::{rflags, value};
use crate::random::Random;
use crate::state::{Mode, RSP, State};
use crate::windows::{STACK_SIZE, STACK_START, Scratch};

/// The state of the machine before one run.
#[derive(Clone, Debug)]
pub struct Case {
    /// The registers.
    pub before: State,
    /// What to write over the background before the run, in this order.
    pub patches: Vec<Patch>,
}

/// Bytes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The linear address.
    pub address: u64,
    /// The bytes, of which `length` count.
    pub bytes: [u8; 16],
    /// How many.
    pub length: usize,
}

impl Case {
    /// Writes the patches over `scratch`.
    pub fn apply(&self, scratch: &mut Scratch) {
        for patch in &self.patches {
            scratch.patch(patch.address, &patch.bytes[..patch.length]);
        }
    }
}

impl Form {
    /// `count` cases. Equal seeds give equal cases.
    pub fn cases(&self, seed: u64, count: usize) -> Vec<Case> {
        let mut random = Random::new(seed);
        (0..count).map(|_| Builder::new(self, &mut random).build()).collect()
    }
}

/// A case in the making.
#[derive(Debug)]
pub struct Builder<'a> {
    /// The form.
    pub form: &'a Form,
    /// The source of chance.
    pub random: &'a mut Random,
    /// The registers so far.
    pub state: State,
    /// The memory so far.
    pub patches: Vec<Patch>,
}

impl<'a> Builder<'a> {
    fn new(form: &'a Form, random: &'a mut Random) -> Builder<'a> {
        Builder { form, random, state: State::RESET, patches: Vec::new() }
    }

    fn build(mut self) -> Case {
        for index in 0..16 {
            self.state.gpr[index] = value(self.random);
        }
        if self.random.one_in(4) {
            let (from, to) = (self.random.below(16) as usize, self.random.below(16) as usize);
            self.state.gpr[to] = self.state.gpr[from];
        }
        let is_string = self.form.code.is_string_instruction();
        self.state.rflags = rflags(self.random, if is_string { 2 } else { 8 });
        self.state.gpr[RSP] = self.stack_pointer();
        let top = self.state.gpr[RSP];
        let on_top = value(self.random);
        self.patch(top, &on_top.to_le_bytes());

        // Order matters: registers that address memory win over what the operation would like to find in them.
        self.prepare_registers();
        let memory = MemoryOperand::of(self.form).map(|operand| operand.place(&mut self));
        self.prepare_values(memory);
        Case { before: self.state.truncated(self.form.mode), patches: self.patches }
    }

    /// Writes up to 16 bytes of memory.
    pub fn patch(&mut self, address: u64, content: &[u8]) {
        let mut bytes = [0; 16];
        let length = content.len().min(16);
        bytes[..length].copy_from_slice(&content[..length]);
        self.patches.push(Patch { address, bytes, length });
    }

    fn stack_pointer(&mut self) -> u64 {
        let end = STACK_START + STACK_SIZE as u64;
        match self.random.below(48) {
            0 => STACK_START + self.random.below(20),
            1 => end - self.random.below(20),
            2 => end + 0x1000 + self.random.below(0x1000),
            3..=7 => STACK_START + 0x600 + self.random.below(0x400),
            _ => STACK_START + 0x600 + (self.random.below(0x400) & !7),
        }
    }

    /// What an operand will hold: a register, or the memory operand as placed.
    pub fn operand(&self, operand: u32, memory: Option<Patch>) -> u64 {
        match (self.form.instruction.op_kind(operand), memory) {
            (OpKind::Register, _) => {
                register_value(&self.state, self.form.instruction.op_register(operand))
            }
            (_, Some(memory)) => number(&memory.bytes[..memory.length.min(8)]),
            _ => 0,
        }
    }

    /// The bits of an address or register above 32 in 64-bit mode, which a 32-bit operand must not care about.
    pub fn garbage_above(&mut self, size: usize) -> u64 {
        if self.form.mode == Mode::Long64 && size == 4 { self.random.next() << 32 } else { 0 }
    }
}

/// What a general-purpose register of any width holds.
pub fn register_value(state: &State, register: Register) -> u64 {
    let whole = state.gpr[register.full_register().number() & 15];
    match register {
        Register::AH | Register::CH | Register::DH | Register::BH => whole >> 8 & 0xff,
        _ => whole & u64::MAX >> (64 - 8 * register.size().clamp(1, 8)),
    }
}

/// A little-endian number of up to eight bytes.
pub fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
