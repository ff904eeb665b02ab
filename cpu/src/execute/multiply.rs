//! Multiplication and division.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::Source;
use crate::exception::Exception;
use crate::exit::Step;
use crate::state::registers::{RAX, RDX};
use crate::word::Word;

/// Writes a double-width value: AX for bytes, else rDX:rAX.
fn write_pair<W: Word>(cpu: &mut Cpu, value: u128) {
    if W::BITS == 8 {
        cpu.registers.write(RAX, value as u16);
    } else {
        cpu.registers.write(RAX, W::truncate(value as u64));
        cpu.registers.write(RDX, W::truncate((value >> W::BITS) as u64));
    }
}

/// Reads a double-width value, zero-extended.
fn read_pair<W: Word>(cpu: &Cpu) -> u128 {
    if W::BITS == 8 {
        u128::from(cpu.registers.read::<u16>(RAX))
    } else {
        let low: W = cpu.registers.read(RAX);
        let high: W = cpu.registers.read(RDX);
        u128::from(high.zero_extend()) << W::BITS | u128::from(low.zero_extend())
    }
}

fn signed<W: Word>(value: W) -> i128 {
    i128::from(value.sign_extend() as i64)
}

/// The product's flags: CF and OF say that the upper half matters.
fn set_flags<W: Word>(cpu: &mut Cpu, product: u64, overflow: bool) {
    cpu.flags.after_result(W::truncate(product), overflow, overflow);
}

/// MUL.
pub(crate) fn unsigned<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let a: W = cpu.registers.read(RAX);
    let product = u128::from(a.zero_extend()) * u128::from(b.zero_extend());
    write_pair::<W>(cpu, product);
    set_flags::<W>(cpu, product as u64, product >> W::BITS != 0);
    Ok(())
}

/// IMUL with one operand.
pub(crate) fn signed_double<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let a: W = cpu.registers.read(RAX);
    let product = signed(a) * signed(b);
    write_pair::<W>(cpu, product as u128);
    let overflow = product != signed(W::truncate(product as u64));
    set_flags::<W>(cpu, product as u64, overflow);
    Ok(())
}

/// IMUL with two operands.
pub(crate) fn signed_register<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let a: W = cpu.registers.read(op.dest);
    store_product(cpu, op, a, b)
}

/// IMUL with three operands: destination, source, immediate.
pub(crate) fn signed_immediate<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let a = S::load::<W>(cpu, op)?;
    store_product(cpu, op, a, W::truncate(op.immediate))
}

fn store_product<W: Word>(cpu: &mut Cpu, op: &Op, a: W, b: W) -> Step {
    let product = signed(a) * signed(b);
    let result = W::truncate(product as u64);
    cpu.registers.write(op.dest, result);
    set_flags::<W>(cpu, product as u64, product != signed(result));
    Ok(())
}

/// MULX: no flags. Destinations: upper half `dest`, lower half `third`.
pub(crate) fn unsigned_without_flags<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let a: W = cpu.registers.read(RDX);
    let product = u128::from(a.zero_extend()) * u128::from(b.zero_extend());
    cpu.registers.write(op.third, W::truncate(product as u64));
    cpu.registers.write(op.dest, W::truncate((product >> W::BITS) as u64));
    Ok(())
}

/// Writes quotient and remainder: AL and AH for bytes, else rAX and rDX.
fn write_quotient<W: Word>(cpu: &mut Cpu, quotient: u64, remainder: u64) {
    if W::BITS == 8 {
        cpu.registers.write(RAX, (quotient & 0xff | (remainder & 0xff) << 8) as u16);
    } else {
        cpu.registers.write(RAX, W::truncate(quotient));
        cpu.registers.write(RDX, W::truncate(remainder));
    }
}

/// DIV: #DE if the divisor is zero or the quotient does not fit. Flags, undefined, stay.
pub(crate) fn divide_unsigned<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let divisor = u128::from(S::load::<W>(cpu, op)?.zero_extend());
    let dividend = read_pair::<W>(cpu);
    match (dividend.checked_div(divisor), dividend.checked_rem(divisor)) {
        (Some(quotient), Some(remainder)) if quotient <= u128::from(W::MASK) => {
            write_quotient::<W>(cpu, quotient as u64, remainder as u64);
            Ok(())
        }
        _ => Err(Exception::DIVIDE_ERROR.into()),
    }
}

/// IDIV: #DE if the divisor is zero or the quotient does not fit. Flags, undefined, stay.
pub(crate) fn divide_signed<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let divisor = signed(S::load::<W>(cpu, op)?);
    let unused = 128 - 2 * W::BITS;
    let dividend = (read_pair::<W>(cpu) << unused) as i128 >> unused;
    match (dividend.checked_div(divisor), dividend.checked_rem(divisor)) {
        (Some(quotient), Some(remainder)) if quotient == signed(W::truncate(quotient as u64)) => {
            write_quotient::<W>(cpu, quotient as u64, remainder as u64);
            Ok(())
        }
        _ => Err(Exception::DIVIDE_ERROR.into()),
    }
}
