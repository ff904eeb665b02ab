//! The general registers and the instruction pointer.
//!
//! One array holds them all, with two extra slots that make addressing uniform: the instruction
//! pointer can be the base of a RIP-relative address, and an always-zero register stands in for
//! a missing base or index.

use crate::word::Word;

/// Index of RAX, EAX or AX.
pub const RAX: u8 = 0;
/// Index of RCX.
pub const RCX: u8 = 1;
/// Index of RDX.
pub const RDX: u8 = 2;
/// Index of RBX.
pub const RBX: u8 = 3;
/// Index of RSP.
pub const RSP: u8 = 4;
/// Index of RBP.
pub const RBP: u8 = 5;
/// Index of RSI.
pub const RSI: u8 = 6;
/// Index of RDI.
pub const RDI: u8 = 7;
/// Index of R8.
pub const R8: u8 = 8;
/// Index of R11.
pub const R11: u8 = 11;
/// Index of the instruction pointer.
pub const RIP: u8 = 16;
/// Index of the register that always reads zero.
pub const ZERO: u8 = 17;

/// Added to an index 0–3 to name AH, CH, DH or BH.
pub const HIGH_BYTE: u8 = 32;

const SLOTS: usize = 32;

/// Names of the sixteen general registers, in the order of their numbers.
pub const NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// The register file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    slots: [u64; SLOTS],
}

impl Default for Registers {
    fn default() -> Self {
        Self { slots: [0; SLOTS] }
    }
}

impl Registers {
    /// All 64 bits of a register.
    #[inline(always)]
    pub fn get(&self, index: u8) -> u64 {
        self.slots[index as usize % SLOTS]
    }

    /// Sets all 64 bits of a register.
    #[inline(always)]
    pub fn set(&mut self, index: u8, value: u64) {
        self.slots[index as usize % SLOTS] = value;
    }

    /// The low bits of a register, or bits 15–8 for an index with [`HIGH_BYTE`].
    #[inline(always)]
    pub fn read<W: Word>(&self, index: u8) -> W {
        let slot = self.slots[index as usize % SLOTS];
        if W::BITS == 8 { W::truncate(slot >> (index >> 5 << 3)) } else { W::truncate(slot) }
    }

    /// Writes an operand: 8 and 16 bits leave the rest alone, 32 bits clear the upper half.
    #[inline(always)]
    pub fn write<W: Word>(&mut self, index: u8, value: W) {
        let slot = &mut self.slots[index as usize % SLOTS];
        let value = value.zero_extend();
        match W::BITS {
            8 => {
                let shift = index >> 5 << 3;
                *slot = *slot & !(0xff << shift) | value << shift;
            }
            16 => *slot = *slot & !0xffff | value,
            _ => *slot = value,
        }
    }

    /// Changes the bits under `mask`: how an address register of 16, 32 or 64 bits is written.
    /// A 32-bit mask clears the upper half.
    #[inline(always)]
    pub fn write_masked(&mut self, index: u8, value: u64, mask: u64) {
        let slot = &mut self.slots[index as usize % SLOTS];
        *slot = if mask == 0xffff { *slot & !0xffff | value & 0xffff } else { value & mask };
    }

    /// The sixteen general registers, in the order of their numbers.
    pub fn general(&self) -> &[u64] {
        &self.slots[..16]
    }
}
