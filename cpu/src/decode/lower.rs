//! Lowering: from bytes, through iced's decoder, to an [`Op`].

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register as Name};

use super::op::{Op, Repeat};
use super::table;
use crate::cpu::Cpu;
use crate::exception::Exception;
use crate::execute::{floating_point, system};
use crate::exit::Step;
use crate::state::mode::CodeSize;
use crate::state::registers::{HIGH_BYTE, RIP, ZERO};
use crate::state::segments::SegmentName;

/// The longest that an instruction may be, in bytes.
pub(crate) const MAX_LENGTH: usize = 15;

/// Where an operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    None,
    Register,
    Memory,
    Immediate,
}

/// What the table needs to know of an instruction's operands to choose a handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Width of the first operand in bits, or 0.
    pub(crate) bits: u32,
    /// Width of the second operand in bits, or 0.
    pub(crate) source_bits: u32,
    pub(crate) dest: Kind,
    pub(crate) source: Kind,
    pub(crate) third: Kind,
}

/// A lowered instruction.
#[derive(Clone, Copy)]
pub(crate) enum Lowered {
    /// Ready to execute. `ends_block`: control may go elsewhere.
    Op { op: Op, ends_block: bool },
    /// The bytes end in the middle of the instruction.
    NeedsMoreBytes,
}

/// Lowers the first instruction of `bytes`.
pub(crate) fn lower(bytes: &[u8], size: CodeSize) -> Lowered {
    // Decoded at address 0, so that everything RIP-relative comes out relative.
    let mut decoder = Decoder::with_ip(size.bits(), bytes, 0, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if instruction.code() == Code::INVALID {
        if bytes.len() < MAX_LENGTH && decoder.last_error() == iced_x86::DecoderError::NoMoreBytes {
            return Lowered::NeedsMoreBytes;
        }
        let too_long = instruction.len() >= MAX_LENGTH;
        let handler = match prefixes(bytes).opcode {
            _ if too_long => raise_too_long,
            Some(0xd8..=0xdf) => floating_point::escape,
            _ => system::undefined,
        };
        return Lowered::Op { op: Op::new(handler, instruction.len() as u8), ends_block: true };
    }
    let shape = shape(&instruction);
    let prefixes = prefixes(bytes);
    let handler = table::handler(&instruction, &shape).unwrap_or(match prefixes.opcode {
        Some(0xd8..=0xdf) => floating_point::escape,
        _ => system::undefined,
    });
    let mut op = Op::new(handler, instruction.len() as u8);
    set_operands(&mut op, &instruction);
    set_address(&mut op, &instruction, size, prefixes.address_size);
    op.repeat = if instruction.has_repne_prefix() {
        Repeat::WhileNotEqual
    } else if instruction.has_rep_prefix() {
        Repeat::WhileEqual
    } else {
        Repeat::Never
    };
    let ends_block = instruction.flow_control() != iced_x86::FlowControl::Next;
    Lowered::Op { op, ends_block }
}

/// An instruction of more than 15 bytes.
fn raise_too_long(_: &mut Cpu, _: &Op) -> Step {
    Err(Exception::GENERAL_PROTECTION.into())
}

struct Prefixes {
    /// An address-size prefix is there.
    address_size: bool,
    /// The first byte that is not a prefix.
    opcode: Option<u8>,
}

fn prefixes(bytes: &[u8]) -> Prefixes {
    let is_prefix =
        |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3);
    let count = bytes.iter().take_while(|byte| is_prefix(byte)).count();
    let (legacy, rest) = bytes.split_at(count);
    // A REX prefix can only be met here in 64-bit code, where 40–4f is no opcode; elsewhere
    // those are INC and DEC, which need nothing from this function.
    let rex = matches!(rest.first(), Some(0x40..=0x4f));
    Prefixes { address_size: legacy.contains(&0x67), opcode: rest.get(usize::from(rex)).copied() }
}

/// The register number as [`Op`] wants it.
fn register_index(name: Name) -> u8 {
    match name {
        Name::AH => HIGH_BYTE,
        Name::CH => HIGH_BYTE | 1,
        Name::DH => HIGH_BYTE | 2,
        Name::BH => HIGH_BYTE | 3,
        other => other.full_register().number() as u8,
    }
}

fn kind(instruction: &Instruction, operand: u32) -> Kind {
    if operand >= instruction.op_count() {
        return Kind::None;
    }
    match instruction.op_kind(operand) {
        OpKind::Register => Kind::Register,
        OpKind::Memory
        | OpKind::MemorySegSI
        | OpKind::MemorySegESI
        | OpKind::MemorySegRSI
        | OpKind::MemorySegDI
        | OpKind::MemorySegEDI
        | OpKind::MemorySegRDI
        | OpKind::MemoryESDI
        | OpKind::MemoryESEDI
        | OpKind::MemoryESRDI => Kind::Memory,
        _ => Kind::Immediate,
    }
}

fn bits(instruction: &Instruction, operand: u32) -> u32 {
    match kind(instruction, operand) {
        Kind::Register => instruction.op_register(operand).size() as u32 * 8,
        Kind::Memory => instruction.memory_size().size() as u32 * 8,
        Kind::None => 0,
        Kind::Immediate => match instruction.op_kind(operand) {
            OpKind::NearBranch16 | OpKind::FarBranch16 => 16,
            OpKind::NearBranch32 | OpKind::FarBranch32 => 32,
            OpKind::NearBranch64 => 64,
            _ => 8,
        },
    }
}

pub(crate) fn shape(instruction: &Instruction) -> Shape {
    Shape {
        bits: bits(instruction, 0),
        source_bits: bits(instruction, 1),
        dest: kind(instruction, 0),
        source: kind(instruction, 1),
        third: kind(instruction, 2),
    }
}

fn set_operands(op: &mut Op, instruction: &Instruction) {
    let next = instruction.len() as u64;
    for operand in 0..instruction.op_count() {
        match instruction.op_kind(operand) {
            OpKind::Register => {
                let index = register_index(instruction.op_register(operand));
                match operand {
                    0 => op.dest = index,
                    1 => op.source = index,
                    _ => op.third = index,
                }
            }
            OpKind::NearBranch16 => {
                op.immediate = u64::from(instruction.near_branch16()).wrapping_sub(next)
            }
            OpKind::NearBranch32 => {
                op.immediate = u64::from(instruction.near_branch32()).wrapping_sub(next)
            }
            OpKind::NearBranch64 => op.immediate = instruction.near_branch64().wrapping_sub(next),
            OpKind::FarBranch16 => {
                op.immediate = instruction.far_branch16().into();
                op.selector = instruction.far_branch_selector();
            }
            OpKind::FarBranch32 => {
                op.immediate = instruction.far_branch32().into();
                op.selector = instruction.far_branch_selector();
            }
            OpKind::Immediate8_2nd => op.third = instruction.immediate8_2nd(),
            _ => {
                if let Ok(value) = instruction.try_immediate(operand) {
                    op.immediate = value;
                }
            }
        }
    }
    if instruction.op_count() == 1 {
        op.source = op.dest;
    }
    match instruction.mnemonic() {
        // The VEX.vvvv operand stands in the middle; the r/m operand is always the source.
        Mnemonic::Andn | Mnemonic::Pdep | Mnemonic::Pext | Mnemonic::Mulx => {
            std::mem::swap(&mut op.source, &mut op.third);
        }
        Mnemonic::Les => op.third = SegmentName::Es as u8,
        Mnemonic::Lds => op.third = SegmentName::Ds as u8,
        Mnemonic::Lss => op.third = SegmentName::Ss as u8,
        Mnemonic::Lfs => op.third = SegmentName::Fs as u8,
        Mnemonic::Lgs => op.third = SegmentName::Gs as u8,
        _ => {}
    }
}

const fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

fn set_address(op: &mut Op, instruction: &Instruction, size: CodeSize, other_size: bool) {
    // What instructions with implied address registers use: LOOP, string instructions, MONITOR.
    op.address_mask = mask(match (size, other_size) {
        (CodeSize::Bits16, false) | (CodeSize::Bits32, true) => 16,
        (CodeSize::Bits64, false) => 64,
        _ => 32,
    });
    op.segment = match instruction.memory_segment() {
        Name::ES => SegmentName::Es,
        Name::CS => SegmentName::Cs,
        Name::SS => SegmentName::Ss,
        Name::FS => SegmentName::Fs,
        Name::GS => SegmentName::Gs,
        _ => SegmentName::Ds,
    };
    let explicit =
        (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory);
    if !explicit {
        return;
    }
    op.displacement = instruction.memory_displacement64();
    let base = instruction.memory_base();
    op.base = match base {
        Name::None => ZERO,
        Name::RIP | Name::EIP => {
            op.displacement = op.displacement.wrapping_sub(instruction.len() as u64);
            RIP
        }
        other => register_index(other),
    };
    // 64-bit mode ignores the other prefixes; what is left of the stack segment is that a
    // non-canonical address relative to rSP or rBP raises #SS.
    if size == CodeSize::Bits64 && op.segment < SegmentName::Fs {
        let stack = matches!(base, Name::RSP | Name::RBP | Name::ESP | Name::EBP);
        op.segment = if stack { SegmentName::Ss } else { SegmentName::Ds };
    }
    let index = instruction.memory_index();
    op.index = if index == Name::None { ZERO } else { register_index(index) };
    op.scale = instruction.memory_index_scale().trailing_zeros() as u8;
}
