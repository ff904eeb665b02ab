//! Steers a memory operand to a chosen address by choosing the registers that address it.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use crate::cases::{Builder, Patch};
use crate::forms::Form;
use crate::operand_values::value;
use crate::random::Random;
use crate::state::{Mode, RSP};
use crate::windows::{DATA_SIZE, DATA_START, PAGE, STACK_START};

const DATA_END: u64 = DATA_START + DATA_SIZE as u64;
/// Canonical neither with 48 nor with 57 address bits.
const NOT_CANONICAL: u64 = 0x4000_0000_0000_0000;

/// A form's memory operand.
#[derive(Clone, Copy, Debug)]
pub struct MemoryOperand<'a> {
    instruction: &'a Instruction,
    mode: Mode,
    size: u64,
    /// LOCK, or XCHG. Such operands never cross a cache line: a split lock stops the whole host for milliseconds.
    locked: bool,
    /// The register with the bit offset of BT, BTS, BTR, BTC.
    bit_offset: Option<Register>,
}

impl<'a> MemoryOperand<'a> {
    /// The operand, if there is one that a ModRM byte or an absolute address encodes.
    pub fn of(form: &'a Form) -> Option<MemoryOperand<'a>> {
        let instruction = &form.instruction;
        let has_memory = instruction.op_kinds().any(|kind| kind == OpKind::Memory);
        let is_bit_test = matches!(
            instruction.mnemonic(),
            Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc
        );
        let by_register = is_bit_test && instruction.op1_kind() == OpKind::Register;
        has_memory.then(|| MemoryOperand {
            instruction,
            mode: form.mode,
            size: instruction.memory_size().size() as u64,
            locked: instruction.has_lock_prefix() || instruction.mnemonic() == Mnemonic::Xchg,
            bit_offset: by_register.then(|| instruction.op1_register()),
        })
    }

    /// An address for a string instruction: inside the data window, sometimes near its ends.
    pub fn string_address(random: &mut Random, size: u64) -> u64 {
        match random.below(24) {
            0 => DATA_END - random.below(8 * size + 1),
            1 => DATA_START + random.below(8 * size + 1),
            2 => DATA_START + PAGE - random.below(8 * size + 1),
            3 => DATA_END + 0x1000,
            4..=8 => DATA_START + 0x400 + random.below(0x1800),
            _ => DATA_START + 0x400 + (random.below(0x1800) & !7),
        }
    }

    /// Chooses the registers, writes something to where they point, and returns what and where.
    pub fn place(&self, builder: &mut Builder<'_>) -> Patch {
        let before_operand = builder.patches.len();
        if let Some(register) = self.bit_offset {
            builder.state.gpr[register.number()] = self.choose_bit_offset(builder.random, register);
        }
        let address = self.point(builder);
        // Sixteen bytes at most, as two numbers.
        let size = self.size.min(16) as usize;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&value(builder.random).to_le_bytes());
        bytes[8..].copy_from_slice(&value(builder.random).to_le_bytes());
        builder.patch(address, &bytes[..size]);
        let patch = builder.patches[before_operand];
        if let Some(register) = self.bit_offset {
            // The bits that are tested, too: they can be far from the operand's address.
            let offset = builder.state.gpr[register.number()] as i64 >> 3;
            let near = value(builder.random).to_le_bytes();
            builder.patch(address.wrapping_add_signed(offset & !7), &near);
        }
        patch
    }

    fn choose_bit_offset(&self, random: &mut Random, register: Register) -> u64 {
        let bits = register.size() as u64 * 8;
        let noise = if bits == 64 { 0 } else { random.next() << bits };
        let low = u64::MAX >> (64 - bits);
        if self.locked {
            // Whole cache lines away, so that the operand stays inside one.
            let lines = random.below(9).wrapping_sub(4).wrapping_mul(512);
            return (random.below(bits).wrapping_add(lines) & low) | noise;
        }
        let offset = match random.below(16) {
            0 => random.below(1 << 28).wrapping_sub(1 << 27),
            1..=4 => random.below(bits),
            _ => random.below(1 << 14).wrapping_sub(1 << 13),
        };
        (offset & low) | noise
    }

    fn choose_target(&self, random: &mut Random) -> u64 {
        let size = self.size.max(1);
        if self.bit_offset.is_some() && !self.locked {
            return DATA_START + 0xc00 + random.below(0x800);
        }
        if self.locked || self.size == 16 {
            let line = DATA_START + 64 * (4 + random.below(100));
            let aligned = random.below(3) * 16;
            let offset =
                if random.one_in(6) || self.size == 8 { 8 + random.below(33) } else { aligned };
            return match random.below(24) {
                0 => DATA_END + 64,
                _ => line + offset,
            };
        }
        match random.below(32) {
            0 => DATA_START + PAGE - random.below(size + 1),
            1 => DATA_END - random.below(size + 1),
            2 => DATA_START - random.below(size + 1),
            3 if random.one_in(2) => DATA_END + random.below(0x1000),
            4..=11 => DATA_START + 0x400 + random.below(0x1800),
            _ => DATA_START + 0x400 + (random.below(0x1800) & !15),
        }
    }

    /// Makes the operand's registers point somewhere useful, and returns the address.
    fn point(&self, builder: &mut Builder<'_>) -> u64 {
        let (base, index) = (self.instruction.memory_base(), self.instruction.memory_index());
        let scale = u64::from(self.instruction.memory_index_scale());
        let displacement = self.instruction.memory_displacement64();
        let address_size = base.size().max(index.size());
        if base.is_ip() || address_size == 0 {
            return displacement;
        }
        let mask = u64::MAX >> (64 - 8 * address_size.clamp(1, 8));
        let is_lea = self.instruction.mnemonic() == Mnemonic::Lea;
        if address_size == 8 || address_size == 4 {
            let mut target = self.choose_target(builder.random);
            if address_size == 8
                && self.bit_offset.is_none()
                && !self.locked
                && builder.random.one_in(64)
            {
                target = NOT_CANONICAL | builder.random.below(1 << 40);
            }
            if self.bit_offset.is_some() && index != Register::None {
                // The bit offset may share a register with the address: keep both small.
                builder.state.gpr[index.number()] &= 0xfff;
            }
            if !is_lea || builder.random.one_in(2) {
                self.solve(builder, target, mask);
            }
        }
        let part = |register: Register| match register {
            Register::None => 0,
            Register::AL => builder.state.gpr[0] & 0xff,
            _ => builder.state.gpr[register.number()] & mask,
        };
        part(base).wrapping_add(part(index).wrapping_mul(scale)).wrapping_add(displacement) & mask
    }

    fn solve(&self, builder: &mut Builder<'_>, target: u64, mask: u64) {
        let (base, index) = (self.instruction.memory_base(), self.instruction.memory_index());
        let scale = u64::from(self.instruction.memory_index_scale()).max(1);
        let displacement = self.instruction.memory_displacement64();
        let wanted = target.wrapping_sub(displacement);
        let garbage = builder.garbage_above(base.size().max(index.size()));
        let gpr = &mut builder.state.gpr;
        if base == Register::RSP || base == Register::ESP {
            if self.locked || self.size == 16 {
                gpr[RSP] &= !15;
            }
            // The stack pointer stays where it is; the index, if any, makes the operand land in the same window.
            if index != Register::None {
                let near = (STACK_START + 0xa00).wrapping_sub(gpr[RSP]).wrapping_sub(displacement);
                gpr[index.number()] = (near as i64 / scale as i64) as u64;
            }
        } else if base == index {
            gpr[base.number()] = ((wanted & mask) / (1 + scale)) & !15 | garbage;
        } else if base == Register::None {
            // The multiplication shifts the highest bits out: they may hold anything.
            let low = mask / scale;
            let high = if self.mode == Mode::Long64 { builder.random.next() & !low } else { 0 };
            gpr[index.number()] = ((wanted & mask) / scale) | high;
        } else {
            let indexed = match index {
                Register::None => 0,
                Register::AL => gpr[0] & 0xff,
                _ => (gpr[index.number()] & mask).wrapping_mul(scale),
            };
            gpr[base.number()] = wanted.wrapping_sub(indexed) & mask | garbage;
        }
    }
}
