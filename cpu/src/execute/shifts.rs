//! Shifts and rotates.
//!
//! Counts are taken modulo 32, or 64 for 64-bit operands; a count of zero changes no flag. Where
//! the manual leaves OF undefined for counts above 1, it gets the value that the rule for 1 gives.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::{Dest, Source};
use crate::exit::{Step, Stop};
use crate::word::Word;

fn count<W: Word, C: Source>(cpu: &mut Cpu, op: &Op) -> Result<u32, Stop> {
    let mask = if W::BITS == 64 { 63 } else { 31 };
    Ok(u32::from(C::load::<u8>(cpu, op)?) & mask)
}

fn sign<W: Word>(value: u64) -> bool {
    value & W::SIGN != 0
}

fn bit(value: u64, number: u32) -> bool {
    value.checked_shr(number).unwrap_or(0) & 1 != 0
}

/// Replaces the operand by what `f` makes of it: result, carry and overflow from the zero-extended
/// operand and the count. `None` if the count is zero; the operand is written all the same.
#[inline(always)]
fn replace<W: Word, D: Dest, C: Source>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(u64, u32) -> (u64, bool, bool),
) -> Result<Option<(W, bool, bool)>, Stop> {
    let count = count::<W, C>(cpu, op)?;
    let mut carry = false;
    let mut overflow = false;
    let (_, result) = D::update(cpu, op, |a: W| {
        if count == 0 {
            return a;
        }
        let result;
        (result, carry, overflow) = f(a.zero_extend(), count);
        W::truncate(result)
    })?;
    Ok((count != 0).then_some((result, carry, overflow)))
}

/// Applies a shift.
#[inline(always)]
fn shift<W: Word, D: Dest, C: Source>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(u64, u32) -> (u64, bool, bool),
) -> Step {
    if let Some((result, carry, overflow)) = replace::<W, D, C>(cpu, op, f)? {
        cpu.flags.after_result(result, carry, overflow);
    }
    Ok(())
}

/// Applies a rotate: SF, ZF, AF and PF stay.
#[inline(always)]
fn rotate<W: Word, D: Dest, C: Source>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(u64, u32) -> (u64, bool, bool),
) -> Step {
    if let Some((_, carry, overflow)) = replace::<W, D, C>(cpu, op, f)? {
        cpu.flags.set_carry_and_overflow(carry, overflow);
    }
    Ok(())
}

/// SHL.
pub(crate) fn left<W: Word, D: Dest, C: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    shift::<W, D, C>(cpu, op, |a, count| {
        let result = a << count;
        let carry = count <= W::BITS && bit(a, W::BITS - count);
        (result, carry, sign::<W>(result) != carry)
    })
}

/// SHR.
pub(crate) fn right<W: Word, D: Dest, C: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    shift::<W, D, C>(cpu, op, |a, count| (a >> count, bit(a, count - 1), sign::<W>(a)))
}

/// SAR.
pub(crate) fn arithmetic_right<W: Word, D: Dest, C: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    shift::<W, D, C>(cpu, op, |a, count| {
        let signed = W::truncate(a).sign_extend() as i64;
        ((signed >> count) as u64, signed >> (count - 1) & 1 != 0, false)
    })
}

/// ROL.
pub(crate) fn rotate_left<W: Word, D: Dest, C: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    rotate::<W, D, C>(cpu, op, |a, count| {
        let result = rotated::<W>(a, count);
        let carry = bit(result, 0);
        (result, carry, sign::<W>(result) != carry)
    })
}

/// ROR.
pub(crate) fn rotate_right<W: Word, D: Dest, C: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    rotate::<W, D, C>(cpu, op, |a, count| {
        let result = rotated::<W>(a, W::BITS - count % W::BITS);
        let carry = sign::<W>(result);
        (result, carry, carry != bit(result, W::BITS - 2))
    })
}

/// `a` rotated left in `W` bits.
fn rotated<W: Word>(a: u64, count: u32) -> u64 {
    let count = count % W::BITS;
    (a << count | a.checked_shr(W::BITS - count).unwrap_or(0)) & W::MASK
}

/// RCL.
pub(crate) fn rotate_left_through_carry<W: Word, D: Dest, C: Source>(
    cpu: &mut Cpu,
    op: &Op,
) -> Step {
    let carry = cpu.flags.carry();
    rotate::<W, D, C>(cpu, op, |a, count| {
        let (result, carry) = rotated_through_carry::<W>(a, carry, count);
        (result, carry, sign::<W>(result) != carry)
    })
}

/// RCR.
pub(crate) fn rotate_right_through_carry<W: Word, D: Dest, C: Source>(
    cpu: &mut Cpu,
    op: &Op,
) -> Step {
    let carry = cpu.flags.carry();
    rotate::<W, D, C>(cpu, op, |a, count| {
        let length = W::BITS + 1;
        let (result, carry) = rotated_through_carry::<W>(a, carry, length - count % length);
        (result, carry, sign::<W>(result) != bit(result, W::BITS - 2))
    })
}

/// `carry:a` rotated left in `W::BITS + 1` bits.
fn rotated_through_carry<W: Word>(a: u64, carry: bool, count: u32) -> (u64, bool) {
    let length = W::BITS + 1;
    let count = count % length;
    let whole = u128::from(carry) << W::BITS | u128::from(a);
    let rotated = whole << count | whole >> (length - count);
    (rotated as u64 & W::MASK, rotated >> W::BITS & 1 != 0)
}

/// SHLD: the bits that come in at the right are the source's upper ones.
pub(crate) fn double_left<W: Word, D: Dest, C: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let source = u128::from(cpu.registers.read::<W>(op.source).zero_extend());
    shift::<W, D, C>(cpu, op, |a, count| {
        // For 16 bits, counts above 16 are undefined: the destination follows the source again.
        let whole = u128::from(a) << W::BITS | source;
        let whole = if count > W::BITS { whole << W::BITS | u128::from(a) } else { whole };
        let width = if count > W::BITS { 2 * W::BITS } else { W::BITS };
        let result = (whole << count >> width) as u64 & W::MASK;
        let carry = whole >> (width + W::BITS - count) & 1 != 0;
        (result, carry, sign::<W>(result) != sign::<W>(a))
    })
}

/// SHRD: the bits that come in at the left are the source's lower ones.
pub(crate) fn double_right<W: Word, D: Dest, C: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let source = u128::from(cpu.registers.read::<W>(op.source).zero_extend());
    shift::<W, D, C>(cpu, op, |a, count| {
        let low = u128::from(a) | source << W::BITS;
        let whole = if count > W::BITS { low | u128::from(a) << (2 * W::BITS) } else { low };
        let result = (whole >> count) as u64 & W::MASK;
        let carry = whole >> (count - 1) & 1 != 0;
        (result, carry, sign::<W>(result) != sign::<W>(a))
    })
}

/// SHLX: no flags.
pub(crate) fn left_without_flags<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    shift_without_flags::<W, S>(cpu, op, |a, count| a << count)
}

/// SHRX: no flags.
pub(crate) fn right_without_flags<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    shift_without_flags::<W, S>(cpu, op, |a, count| a >> count)
}

/// SARX: no flags.
pub(crate) fn arithmetic_right_without_flags<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    shift_without_flags::<W, S>(cpu, op, |a, count| {
        (W::truncate(a).sign_extend() as i64 >> count) as u64
    })
}

fn shift_without_flags<W: Word, S: Source>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(u64, u32) -> u64,
) -> Step {
    let a = S::load::<W>(cpu, op)?.zero_extend();
    let count = cpu.registers.get(op.third) as u32 & (W::BITS - 1);
    cpu.registers.write(op.dest, W::truncate(f(a, count)));
    Ok(())
}

/// RORX: no flags.
pub(crate) fn rotate_right_without_flags<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let a = S::load::<W>(cpu, op)?.zero_extend();
    let count = op.immediate as u32 & (W::BITS - 1);
    cpu.registers.write(op.dest, W::truncate(rotated::<W>(a, W::BITS - count)));
    Ok(())
}
