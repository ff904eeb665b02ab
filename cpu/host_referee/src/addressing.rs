//! The memory operands that every form with a memory operand is tried with.

use iced_x86::{Instruction, OpKind, Register};

use crate::state::Mode;
use crate::windows::{DATA_SIZE, DATA_START};

/// One way to address memory.
#[derive(Clone, Copy, Debug)]
pub struct Addressing {
    base: Register,
    index: Register,
    scale: u32,
    displacement: i64,
    /// Bytes in the encoded displacement: 0 for none, 1 if the encoder may choose.
    displacement_size: u32,
}

const NONE: Register = Register::None;
/// A fixed address in the middle of the data window, for operands without registers.
pub const FIXED: u64 = DATA_START + DATA_SIZE as u64 / 2 + 0x40;

const fn at(
    base: Register,
    index: Register,
    scale: u32,
    displacement: i64,
    displacement_size: u32,
) -> Addressing {
    Addressing { base, index, scale, displacement, displacement_size }
}

use Register::{
    BP, BX, DI, EAX, EBP, EBX, ECX, EDI, EDX, EIP, ESI, ESP, R8, R9, R10D, R12, R13, R14, R15, RAX,
    RBP, RBX, RCX, RDI, RDX, RIP, RSI, RSP, SI,
};

/// 64-bit mode: 64-bit addresses, then 32-bit ones with the 67 prefix.
const LONG: [Addressing; 22] = [
    at(RBX, NONE, 1, 0, 0),
    at(RSI, NONE, 1, 0x21, 1),
    at(RDI, NONE, 1, -0x1234, 8),
    at(RBP, R9, 4, -0x20, 1),
    at(RSP, NONE, 1, 0x10, 1),
    at(R12, NONE, 1, 8, 1),
    at(R13, NONE, 1, 0, 1),
    at(R15, R8, 1, 0x7fff_fff0, 8),
    at(RBX, RSI, 8, 0x1000, 8),
    at(NONE, R14, 2, 0x400, 8),
    at(NONE, RBP, 8, -0x8000, 8),
    at(RBX, RBX, 2, 0, 0),
    at(RAX, RDX, 1, 0, 0),
    at(RCX, RAX, 4, 0x7f, 1),
    at(RSP, RDI, 2, -8, 1),
    at(RIP, NONE, 1, FIXED as i64, 8),
    at(NONE, NONE, 1, FIXED as i64, 8),
    at(EBX, ESI, 2, 0x10, 1),
    at(R10D, NONE, 1, 0, 0),
    at(EBP, NONE, 1, -0x80, 1),
    at(NONE, EDI, 4, 0x100, 4),
    at(EIP, NONE, 1, FIXED as i64, 4),
];

/// 32-bit mode: 32-bit addresses, then 16-bit ones with the 67 prefix. The latter reach nothing that's mapped: what's
/// compared is the address of the page fault, and LEA.
const COMPAT: [Addressing; 18] = [
    at(EBX, NONE, 1, 0, 0),
    at(ESI, NONE, 1, 0x21, 1),
    at(EDI, NONE, 1, -0x1234, 4),
    at(EBP, ECX, 4, 8, 1),
    at(ESP, NONE, 1, 0x10, 1),
    at(ESP, EDI, 2, -8, 1),
    at(NONE, EBX, 8, 0x100, 4),
    at(EAX, EDX, 1, 0, 0),
    at(ECX, EAX, 4, 0x7fff_fff0, 4),
    at(EBX, EBX, 2, 0, 0),
    at(NONE, NONE, 1, FIXED as i64, 4),
    at(BX, SI, 1, 0, 0),
    at(BP, DI, 1, 0x21, 1),
    at(BX, DI, 1, -0x1234, 2),
    at(BP, NONE, 1, -1, 1),
    at(SI, NONE, 1, 0x7fff, 2),
    at(DI, NONE, 1, 0, 0),
    at(NONE, NONE, 1, 0x1234, 2),
];

impl Addressing {
    /// Every way to address memory in `mode`.
    pub fn all(mode: Mode) -> &'static [Addressing] {
        match mode {
            Mode::Long64 => &LONG,
            Mode::Compat32 => &COMPAT,
        }
    }

    /// Makes operand number `operand` a memory operand of this kind.
    pub fn apply(&self, instruction: &mut Instruction, operand: u32) {
        instruction.set_op_kind(operand, OpKind::Memory);
        instruction.set_memory_base(self.base);
        instruction.set_memory_index(self.index);
        instruction.set_memory_index_scale(self.scale);
        instruction.set_memory_displ_size(self.displacement_size);
        let address_size =
            [self.base, self.index].iter().map(|register| register.size()).max().unwrap_or(0);
        instruction.set_memory_displacement64(
            match address_size.max(self.displacement_size as usize) {
                1 | 8 => self.displacement as u64,
                2 => u64::from(self.displacement as u16),
                _ => u64::from(self.displacement as u32),
            },
        );
    }
}
