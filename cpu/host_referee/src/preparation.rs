//! What single mnemonics need beyond random operands: counts, branch targets, strings that are equal for a while,
//! quotients that fit.

use iced_x86::{Mnemonic, OpKind, Register};

use crate::cases::{Builder, Patch, number};
use crate::memory_operand::MemoryOperand;
use crate::operand_values::{count, counter, value};
use crate::random::Random;
use crate::state::{RSP, flags};
use crate::windows::{CODE_START, CODE_WINDOW_START, RESERVED_END, STACK_SIZE, STACK_START};

impl Builder<'_> {
    /// Puts into registers and on the stack what the operation wants to find there.
    pub fn prepare_registers(&mut self) {
        use Mnemonic as M;
        let instruction = &self.form.instruction;
        match instruction.mnemonic() {
            M::Rol
            | M::Ror
            | M::Rcl
            | M::Rcr
            | M::Shl
            | M::Sal
            | M::Shr
            | M::Sar
            | M::Shld
            | M::Shrd => {
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
                self.patch(
                    self.state.gpr[RSP],
                    &target.to_le_bytes()[..self.form.mode.bitness() as usize / 8],
                );
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
        let start = |address: u64| {
            if downwards { address.wrapping_add(size).wrapping_sub(16) } else { address }
        };
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
    pub fn prepare_values(&mut self, memory: Option<Patch>) {
        use Mnemonic as M;
        let instruction = &self.form.instruction;
        // Whatever addresses memory stays: another value would send the operand anywhere.
        let addresses =
            [instruction.memory_base(), instruction.memory_index()].map(Register::full_register);
        let uses_accumulator =
            addresses.iter().any(|used| matches!(used, Register::RAX | Register::RDX));
        match instruction.mnemonic() {
            M::Cmpxchg | M::Cmpxchg8b | M::Cmpxchg16b | M::Div | M::Idiv if uses_accumulator => {}
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
                let (Some(memory), register) = (memory, instruction.op0_register()) else {
                    return;
                };
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
        if self.random.one_in(3)
            || divisor_register == Register::RAX
            || divisor_register == Register::RDX
        {
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
            let magnitude =
                if divisor >> (bits - 1) == 0 { divisor } else { divisor.wrapping_neg() & mask };
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

    /// Where a branch may go: to an `int3` outside the instruction, or to nothing.
    fn branch_target(&mut self) -> u64 {
        match self.random.below(8) {
            0 => RESERVED_END - 0x1000 + self.random.below(0x1000),
            1..=3 => CODE_WINDOW_START + self.random.below(0x700),
            _ => CODE_START + 0x20 + self.random.below(0x700),
        }
    }
}
