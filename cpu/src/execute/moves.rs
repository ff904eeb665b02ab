//! Moves between registers and memory, and the conversions on the way.

use super::conditions;
use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::{Dest, Source};
use crate::exit::Step;
use crate::state::registers::{RAX, RBX, RDX};
use crate::word::Word;

/// MOV.
pub(crate) fn mov<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?;
    D::store(cpu, op, value)
}

/// MOVZX.
pub(crate) fn move_zero_extended<W: Word, N: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<N>(cpu, op)?.zero_extend();
    cpu.registers.write(op.dest, W::truncate(value));
    Ok(())
}

/// MOVSX, MOVSXD.
pub(crate) fn move_sign_extended<W: Word, N: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<N>(cpu, op)?.sign_extend();
    cpu.registers.write(op.dest, W::truncate(value));
    Ok(())
}

/// MOVSXD with a 16-bit operand: a plain move.
pub(crate) fn move_narrow<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?;
    cpu.registers.write(op.dest, value);
    Ok(())
}

/// MOVBE.
pub(crate) fn move_swapped<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?;
    D::store(cpu, op, swapped(value))
}

/// BSWAP. Of a 16-bit register, which the manual leaves undefined, it clears the register.
pub(crate) fn byte_swap<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let value: W = cpu.registers.read(op.dest);
    let result = if W::BITS == 16 { W::default() } else { swapped(value) };
    cpu.registers.write(op.dest, result);
    Ok(())
}

fn swapped<W: Word>(value: W) -> W {
    W::truncate(value.zero_extend().swap_bytes() >> (64 - W::BITS))
}

/// XCHG.
pub(crate) fn exchange<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    let new: W = cpu.registers.read(op.source);
    let (old, _) = D::update(cpu, op, |_| new)?;
    cpu.registers.write(op.source, old);
    Ok(())
}

/// LEA.
pub(crate) fn load_address<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let offset = op.offset(cpu);
    cpu.registers.write(op.dest, W::truncate(offset));
    Ok(())
}

/// CMOVcc. The source is read, and the upper half of a 64-bit register cleared, in any case.
pub(crate) fn move_if<const CODE: u8, W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let source = S::load::<W>(cpu, op)?;
    let old = cpu.registers.read(op.dest);
    let value = if conditions::holds::<CODE>(&cpu.flags) { source } else { old };
    cpu.registers.write(op.dest, value);
    Ok(())
}

/// SETcc.
pub(crate) fn set_if<const CODE: u8, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = u8::from(conditions::holds::<CODE>(&cpu.flags));
    D::store(cpu, op, value)
}

/// XLAT: AL ← [rBX + AL].
pub(crate) fn translate_byte(cpu: &mut Cpu, op: &Op) -> Step {
    let index: u8 = cpu.registers.read(RAX);
    let offset = cpu.registers.get(RBX).wrapping_add(u64::from(index)) & op.address_mask;
    let value: u8 = cpu.load(op.segment, offset)?;
    cpu.registers.write(RAX, value);
    Ok(())
}

/// CBW, CWDE, CDQE: widens the accumulator from `N` to `W`.
pub(crate) fn extend_accumulator<W: Word, N: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    let value: N = cpu.registers.read(RAX);
    cpu.registers.write(RAX, W::truncate(value.sign_extend()));
    Ok(())
}

/// CWD, CDQ, CQO: fills rDX with the sign of rAX.
pub(crate) fn extend_sign<W: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    let value: W = cpu.registers.read(RAX);
    let sign = (value.sign_extend() as i64 >> 63) as u64;
    cpu.registers.write(RDX, W::truncate(sign));
    Ok(())
}

/// NOP in all its forms, PREFETCH, and hints that this CPU ignores.
pub(crate) fn nothing(_: &mut Cpu, _: &Op) -> Step {
    Ok(())
}
