//! Concrete operands for an instruction code: which registers, which immediate, which branch target.

use iced_x86::{Code, Instruction, OpCodeOperandKind as Kind, OpKind, Register};

use crate::addressing::{Addressing, FIXED};
use crate::encodings::sized;
use crate::state::Mode;
use crate::windows::{CODE_START, RESERVED_END};

/// One combination of operands; see [`Choice::instruction`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice<'a> {
    /// Which registers.
    pub profile: usize,
    /// Which immediate.
    pub immediate: usize,
    /// Which branch target.
    pub branch: usize,
    /// The memory operand, where a memory operand is possible; else a register.
    pub memory: Option<&'a Addressing>,
    /// The smaller address size, for operands whose address is implied.
    pub narrow_address: bool,
}

/// The widths of register operands that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 8 bits, with AH … BH.
    Byte,
    /// 16 bits.
    Word,
    /// 32 bits.
    Doubleword,
    /// 64 bits.
    Quadword,
}

/// How many register combinations there are for two operands.
pub const REGISTER_PAIRS: usize = PAIRS.len();
/// How many immediates are tried, at most.
pub const IMMEDIATES: usize = BYTES.len();
/// How many branch targets are tried.
pub const BRANCHES: usize = TARGETS.len();

/// Distinct, equal, low, high, stack and frame pointer, mixed. Numbers beyond the mode's registers wrap around.
const PAIRS: [(usize, usize); 14] = [
    (3, 6),
    (0, 1),
    (1, 0),
    (2, 2),
    (6, 3),
    (0, 0),
    (4, 5),
    (5, 4),
    (8, 15),
    (15, 1),
    (7, 12),
    (13, 13),
    (1, 2),
    (10, 0),
];
/// The same for byte registers: 4 … 7 are AH … BH, 8 … 11 SPL … DIL, 12 and up R8L ….
const BYTE_PAIRS: [(usize, usize); 14] = [
    (3, 1),
    (0, 1),
    (1, 0),
    (4, 0),
    (0, 4),
    (0, 0),
    (7, 6),
    (5, 5),
    (8, 9),
    (11, 13),
    (19, 0),
    (12, 12),
    (6, 2),
    (5, 3),
];
const BYTES: [u8; 18] = [1, 0, 0xff, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 63, 64, 65, 0x7f, 0x80];
const WIDE: [i64; 8] =
    [0x1234_5678_9abc_def0, 0, -1, 1, 0x7fff_ffff, -0x8000_0000, i64::MIN, 0x8000];
const ENTER_BYTES: [u16; 5] = [16, 0, 8, 0x100, 0xffff];
const ENTER_LEVELS: [u8; 7] = [0, 1, 2, 3, 31, 32, 33];
/// Where branches go. None is inside the instruction itself, so that every program stops after one step.
const TARGETS: [u64; 6] = [
    CODE_START + 0x40,
    CODE_START - 0x30,
    CODE_START + 0x7f,
    CODE_START - 0x78,
    CODE_START + 0x700,
    RESERVED_END - 0x100,
];

/// The width of a register operand that can be chosen (also if memory is the alternative).
pub fn register_class(kind: Kind) -> Option<Class> {
    match kind {
        Kind::r8_or_mem | Kind::r8_reg | Kind::r8_opcode => Some(Class::Byte),
        Kind::r16_or_mem | Kind::r16_reg | Kind::r16_reg_mem | Kind::r16_rm | Kind::r16_opcode => {
            Some(Class::Word)
        }
        Kind::r32_or_mem
        | Kind::r32_reg
        | Kind::r32_reg_mem
        | Kind::r32_rm
        | Kind::r32_opcode
        | Kind::r32_vvvv => Some(Class::Doubleword),
        Kind::r64_or_mem
        | Kind::r64_reg
        | Kind::r64_reg_mem
        | Kind::r64_rm
        | Kind::r64_opcode
        | Kind::r64_vvvv => Some(Class::Quadword),
        _ => None,
    }
}

/// Whether an operand is an immediate with a choice.
pub fn is_immediate(kind: Kind) -> bool {
    immediate_kind(kind).is_some_and(|_| kind != Kind::imm8_const_1)
}

fn immediate_kind(kind: Kind) -> Option<OpKind> {
    Some(match kind {
        Kind::imm8 | Kind::imm8_const_1 => OpKind::Immediate8,
        Kind::imm8sex16 => OpKind::Immediate8to16,
        Kind::imm8sex32 => OpKind::Immediate8to32,
        Kind::imm8sex64 => OpKind::Immediate8to64,
        Kind::imm16 => OpKind::Immediate16,
        Kind::imm32 => OpKind::Immediate32,
        Kind::imm32sex64 => OpKind::Immediate32to64,
        Kind::imm64 => OpKind::Immediate64,
        _ => return None,
    })
}

fn fixed_register(kind: Kind) -> Option<Register> {
    Some(match kind {
        Kind::al => Register::AL,
        Kind::cl => Register::CL,
        Kind::ax => Register::AX,
        Kind::dx => Register::DX,
        Kind::eax => Register::EAX,
        Kind::rax => Register::RAX,
        Kind::es => Register::ES,
        Kind::cs => Register::CS,
        Kind::ss => Register::SS,
        Kind::ds => Register::DS,
        Kind::fs => Register::FS,
        Kind::gs => Register::GS,
        _ => return None,
    })
}

impl Choice<'_> {
    /// The instruction with these operands, or `None` if it can't have them.
    pub fn instruction(&self, code: Code, mode: Mode) -> Option<Instruction> {
        let kinds = code.op_code().op_kinds();
        let has_memory_operand = kinds.iter().any(|kind| takes_memory(*kind));
        if self.memory.is_some() && !has_memory_operand {
            return None;
        }
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        if matches!(
            code,
            Code::Enterw_imm16_imm8 | Code::Enterd_imm16_imm8 | Code::Enterq_imm16_imm8
        ) {
            instruction.set_op_kind(0, OpKind::Immediate16);
            instruction.set_immediate16(ENTER_BYTES[self.immediate % ENTER_BYTES.len()]);
            instruction.set_op_kind(1, OpKind::Immediate8_2nd);
            instruction.set_immediate8_2nd(ENTER_LEVELS[self.immediate % ENTER_LEVELS.len()]);
            return Some(instruction);
        }
        let mut registers_so_far = 0;
        for (operand, kind) in (0..).zip(kinds) {
            match (self.memory, register_class(*kind)) {
                (Some(addressing), _) if takes_memory(*kind) => {
                    addressing.apply(&mut instruction, operand)
                }
                (_, Some(class)) => {
                    let register = self.register(class, registers_so_far, mode);
                    registers_so_far += 1;
                    instruction.set_op_kind(operand, OpKind::Register);
                    instruction.set_op_register(operand, register);
                }
                _ => self.set_other(&mut instruction, operand, *kind, mode)?,
            }
        }
        Some(instruction)
    }

    fn register(&self, class: Class, position: usize, mode: Mode) -> Register {
        let pairs = if class == Class::Byte { BYTE_PAIRS } else { PAIRS };
        // The first operand runs through all registers once the pairs are used up.
        let (first, second) =
            pairs.get(self.profile).copied().unwrap_or((self.profile, self.profile + 1));
        let number = match position {
            0 => first,
            1 => second,
            _ => first + second + 2,
        };
        // iced numbers the byte registers AL … BH, SPL … DIL, R8L … R15L, and the others in the architecture's order.
        let (start, count) = match (class, mode) {
            (Class::Byte, Mode::Long64) => (Register::AL, 20),
            (Class::Byte, Mode::Compat32) => (Register::AL, 8),
            (Class::Word, _) => (Register::AX, mode.register_count()),
            (Class::Doubleword, _) => (Register::EAX, mode.register_count()),
            (Class::Quadword, _) => (Register::RAX, mode.register_count()),
        };
        start + (number % count) as u32
    }

    fn set_other(
        &self,
        instruction: &mut Instruction,
        operand: u32,
        kind: Kind,
        mode: Mode,
    ) -> Option<()> {
        use Register::{BX, DI, EBX, EDI, ESI, RBX, RDI, RSI, SI};
        let target = TARGETS[self.branch % TARGETS.len()];
        if let Some(register) = fixed_register(kind) {
            instruction.set_op_kind(operand, OpKind::Register);
            instruction.set_op_register(operand, register);
            return Some(());
        }
        if let Some(op_kind) = immediate_kind(kind) {
            let byte = i64::from(BYTES[self.immediate % BYTES.len()] as i8);
            instruction.set_op_kind(operand, op_kind);
            match op_kind {
                OpKind::Immediate8 if kind == Kind::imm8_const_1 => instruction.set_immediate8(1),
                OpKind::Immediate8 => instruction.set_immediate8(byte as u8),
                OpKind::Immediate8to16 | OpKind::Immediate8to32 | OpKind::Immediate8to64 => {
                    instruction.set_immediate_i64(operand, byte);
                }
                OpKind::Immediate32to64 => {
                    let wide = WIDE[self.immediate % WIDE.len()] as i32;
                    instruction.set_immediate32to64(i64::from(wide));
                }
                _ => instruction.set_immediate_i64(operand, WIDE[self.immediate % WIDE.len()]),
            }
            return Some(());
        }
        match kind {
            Kind::seg_reg => {
                instruction.set_op_kind(operand, OpKind::Register);
                instruction.set_op_register(operand, Register::ES + (self.profile % 6) as u32);
            }
            Kind::seg_rSI => instruction.set_op_kind(
                operand,
                match sized(mode, self.narrow_address, [RSI, ESI, SI]) {
                    RSI => OpKind::MemorySegRSI,
                    ESI => OpKind::MemorySegESI,
                    _ => OpKind::MemorySegSI,
                },
            ),
            Kind::es_rDI => instruction.set_op_kind(
                operand,
                match sized(mode, self.narrow_address, [RDI, EDI, DI]) {
                    RDI => OpKind::MemoryESRDI,
                    EDI => OpKind::MemoryESEDI,
                    _ => OpKind::MemoryESDI,
                },
            ),
            Kind::seg_rBX_al => {
                instruction.set_op_kind(operand, OpKind::Memory);
                instruction.set_memory_base(sized(mode, self.narrow_address, [RBX, EBX, BX]));
                instruction.set_memory_index(Register::AL);
            }
            Kind::mem_offs => {
                instruction.set_op_kind(operand, OpKind::Memory);
                instruction.set_memory_displ_size(match (mode, self.narrow_address) {
                    (Mode::Long64, false) => 8,
                    (Mode::Long64, true) | (Mode::Compat32, false) => 4,
                    (Mode::Compat32, true) => 2,
                });
                let narrow = mode == Mode::Compat32 && self.narrow_address;
                instruction.set_memory_displacement64(if narrow { 0x1234 } else { FIXED });
            }
            Kind::br16_1 | Kind::br16_2 => {
                instruction.set_op_kind(operand, OpKind::NearBranch16);
                instruction.set_near_branch16(target as u16);
            }
            Kind::br32_1 | Kind::br32_4 => {
                instruction.set_op_kind(operand, OpKind::NearBranch32);
                instruction.set_near_branch32(target as u32);
            }
            Kind::br64_1 | Kind::br64_4 => {
                instruction.set_op_kind(operand, OpKind::NearBranch64);
                instruction.set_near_branch64(target);
            }
            _ => return None,
        }
        Some(())
    }
}

fn takes_memory(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::mem | Kind::r8_or_mem | Kind::r16_or_mem | Kind::r32_or_mem | Kind::r64_or_mem
    )
}
