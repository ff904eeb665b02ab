//! What a form is run with: registers and memory that make it do something worth comparing.

use iced_x86::{Mnemonic, OpKind, Register};

use crate::forms::Form;
use crate::memory_operand::MemoryOperand;
use crate::operand_values::{count, counter, rflags, value};
use crate::random::Random;
use crate::state::{Mode, RSP, State, flags};
use crate::windows::{CODE_START, CODE_WINDOW_START, RESERVED_END, STACK_SIZE, STACK_START, Scratch};

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

    /// Where a branch may go: to an `int3` outside the instruction, or to nothing.
    fn branch_target(&mut self) -> u64 {
        match self.random.below(8) {
            0 => RESERVED_END - 0x1000 + self.random.below(0x1000),
            1..=3 => CODE_WINDOW_START + self.random.below(0x700),
            _ => CODE_START + 0x20 + self.random.below(0x700),
        }
    }

    fn prepare_registers(&mut self) {
        use Mnemonic as M;
        let instruction = &self.form.instruction;
        match instruction.mnemonic() {
            M::Rol | M::Ror | M::Rcl | M::Rcr | M::Shl | M::Sal | M::Shr | M::Sar | M::Shld | M::Shrd => {
                self.state.gpr[1] = count(self.random);
            }
            M::Loop | M::Loope | M::Loopne | M::Jcxz | M::Jecxz | M::Jrcxz => {
                self.state.gpr[1] = counter(self.random);
            }
            M::Jmp | M::Call if instruction.op0_kind() == OpKind::Register => {
                let register = instruction.op0_register().number();
                self.state.gpr[register] = self.branch_target();
            }
            M::Ret => {
                let target = self.branch_target();
                self.patch(self.state.gpr[RSP], &target.to_le_bytes()[..self.form.mode.bitness() as usize / 8]);
            }
            M::Enter | M::Leave => {
                self.state.gpr[5] = STACK_START + 0x900 + (self.random.below(0x600) & !7);
                if self.random.one_in(32) {
                    self.state.gpr[5] = STACK_START + STACK_SIZE as u64 + self.random.below(8) - 4;
                }
            }
            _ if self.form.code.is_string_instruction() => self.prepare_string(),
            _ => {}
        }
    }

    fn prepare_string(&mut self) {
        let instruction = &self.form.instruction;
        let size = instruction.memory_size().size() as u64;
        let address_size = instruction
            .op_kinds()
            .find_map(|kind| match kind {
                OpKind::MemorySegSI | OpKind::MemoryESDI => Some(16),
                OpKind::MemorySegESI | OpKind::MemoryESEDI => Some(32),
                OpKind::MemorySegRSI | OpKind::MemoryESRDI => Some(64),
                _ => None,
            })
            .unwrap_or(64);
        let repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
        let source = MemoryOperand::string_address(self.random, size);
        let destination = match self.random.below(4) {
            0 => source.wrapping_add(self.random.below(16)).wrapping_sub(8),
            _ => MemoryOperand::string_address(self.random, size),
        };
        let iterations = match self.random.below(16) {
            0 => self.random.below(0x1800),
            1..=3 => 0,
            _ => self.random.below(20),
        };
        let garbage = |random: &mut Random, value: u64| match address_size {
            64 => value,
            _ if random.one_in(2) => value,
            _ => value | random.next() << address_size,
        };
        if repeated {
            self.state.gpr[1] = garbage(self.random, iterations);
        }
        // 16-bit addresses reach no window: they stay random, and fault unless there's nothing to do.
        if address_size > 16 {
            self.state.gpr[6] = garbage(self.random, source);
            self.state.gpr[7] = garbage(self.random, destination);
        }
        // Comparisons need something equal to get past the first element.
        let downwards = self.state.rflags & flags::DF != 0;
        let start = |address: u64| if downwards { address.wrapping_add(size).wrapping_sub(16) } else { address };
        let accumulator = self.state.gpr[0].to_le_bytes();
        let compares_accumulator = matches!(
            instruction.mnemonic(),
            Mnemonic::Scasb | Mnemonic::Scasw | Mnemonic::Scasd | Mnemonic::Scasq
        );
        let mut same = [0; 16];
        for (index, byte) in same.iter_mut().enumerate() {
            *byte = accumulator[index % (size as usize).clamp(1, 8)];
        }
        if self.random.one_in(3) {
            let at = self.random.below(16) as usize;
            same[at] ^= 1 << self.random.below(8);
        }
        if !compares_accumulator {
            self.patch(start(source), &same);
            if self.random.one_in(3) {
                let at = self.random.below(16) as usize;
                same[at] ^= 1 << self.random.below(8);
            }
        }
        self.patch(start(destination), &same);
    }

    /// Sets up what depends on the memory operand's contents, now that it has some.
    fn prepare_values(&mut self, memory: Option<Patch>) {
        use Mnemonic as M;
        let instruction = &self.form.instruction;
        match instruction.mnemonic() {
            M::Cmpxchg if self.random.one_in(2) => {
                let value = self.operand(0, memory);
                self.state.gpr[0] = value;
            }
            M::Cmpxchg8b | M::Cmpxchg16b if self.random.one_in(2) => {
                let Some(memory) = memory else { return };
                let half = memory.length / 2;
                self.state.gpr[0] = number(&memory.bytes[..half]);
                self.state.gpr[2] = number(&memory.bytes[half..memory.length]);
            }
            M::Jmp | M::Call => {
                if let Some(memory) = memory {
                    let target = self.branch_target();
                    self.patch(memory.address, &target.to_le_bytes()[..memory.length.min(8)]);
                }
            }
            M::Div | M::Idiv => self.prepare_division(memory),
            M::Bound => {
                let (Some(memory), register) = (memory, instruction.op0_register()) else { return };
                let half = memory.length / 2;
                let index = self.state.gpr[register.number()];
                let margin = self.random.below(3);
                let lower = index.wrapping_sub(margin).wrapping_add(self.random.below(2));
                let upper = index.wrapping_add(self.random.below(3)).wrapping_sub(margin);
                if self.random.one_in(2) {
                    self.patch(memory.address, &lower.to_le_bytes()[..half]);
                    self.patch(memory.address + half as u64, &upper.to_le_bytes()[..half]);
                }
            }
            _ => {}
        }
    }

    /// Most random dividends overflow, so half of them are made to fit.
    fn prepare_division(&mut self, memory: Option<Patch>) {
        let divisor_register = self.form.instruction.op0_register().full_register();
        if self.random.one_in(3) || divisor_register == Register::RAX || divisor_register == Register::RDX {
            return;
        }
        let size = memory.map_or(self.form.instruction.op0_register().size(), |patch| patch.length);
        let bits = size as u32 * 8;
        let mask = u64::MAX >> (64 - bits);
        let divisor = self.operand(0, memory) & mask;
        let low = value(self.random) & mask;
        let high = if self.form.code.mnemonic() == Mnemonic::Div {
            self.random.below(divisor)
        } else {
            let negative = self.random.one_in(2);
            let magnitude = if divisor >> (bits - 1) == 0 { divisor } else { divisor.wrapping_neg() & mask };
            let high = self.random.below(magnitude / 2 + 1);
            if negative { !high & mask } else { high }
        };
        if size == 1 {
            self.state.gpr[0] = self.state.gpr[0] & !0xffff | high << 8 | low;
        } else {
            self.state.gpr[0] = self.state.gpr[0] & !mask | low;
            self.state.gpr[2] = self.state.gpr[2] & !mask | high;
        }
    }

    fn operand(&self, operand: u32, memory: Option<Patch>) -> u64 {
        match (self.form.instruction.op_kind(operand), memory) {
            (OpKind::Register, _) => register_value(&self.state, self.form.instruction.op_register(operand)),
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

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
