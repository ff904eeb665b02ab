//! Addition and subtraction.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::{Dest, Source};
use crate::exit::Step;
use crate::state::flags::Rflags;
use crate::word::Word;

#[inline(always)]
fn sum<W: Word>(a: W, b: W, carry: u64) -> W {
    W::truncate(a.zero_extend().wrapping_add(b.zero_extend()).wrapping_add(carry))
}

#[inline(always)]
fn difference<W: Word>(a: W, b: W, borrow: u64) -> W {
    W::truncate(a.zero_extend().wrapping_sub(b.zero_extend()).wrapping_sub(borrow))
}

/// ADD.
pub(crate) fn add<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let (a, result) = D::update(cpu, op, |a| sum(a, b, 0))?;
    cpu.flags.after_add(a, b, result);
    Ok(())
}

/// ADC.
pub(crate) fn add_with_carry<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let carry = u64::from(cpu.flags.carry());
    let (a, result) = D::update(cpu, op, |a| sum(a, b, carry))?;
    cpu.flags.after_add(a, b, result);
    Ok(())
}

/// SUB.
pub(crate) fn subtract<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let (a, result) = D::update(cpu, op, |a| difference(a, b, 0))?;
    cpu.flags.after_subtract(a, b, result);
    Ok(())
}

/// SBB.
pub(crate) fn subtract_with_borrow<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let borrow = u64::from(cpu.flags.carry());
    let (a, result) = D::update(cpu, op, |a| difference(a, b, borrow))?;
    cpu.flags.after_subtract(a, b, result);
    Ok(())
}

/// CMP.
pub(crate) fn compare<W: Word, D: Source, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let a = D::load::<W>(cpu, op)?;
    cpu.flags.after_subtract(a, b, difference(a, b, 0));
    Ok(())
}

/// INC.
pub(crate) fn increment<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    let (a, result) = D::update(cpu, op, |a: W| sum(a, W::truncate(1), 0))?;
    cpu.flags.after_increment(a, result);
    Ok(())
}

/// DEC.
pub(crate) fn decrement<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    let (a, result) = D::update(cpu, op, |a: W| difference(a, W::truncate(1), 0))?;
    cpu.flags.after_decrement(a, result);
    Ok(())
}

/// NEG.
pub(crate) fn negate<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    let (a, result) = D::update(cpu, op, |a: W| difference(W::default(), a, 0))?;
    cpu.flags.after_subtract(W::default(), a, result);
    Ok(())
}

/// ADCX: adds with CF alone.
pub(crate) fn add_carry_flag<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    add_through::<W, S>(cpu, op, Rflags::CF)
}

/// ADOX: adds with OF as the carry.
pub(crate) fn add_overflow_flag<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    add_through::<W, S>(cpu, op, Rflags::OF)
}

fn add_through<W: Word, S: Source>(cpu: &mut Cpu, op: &Op, flag: Rflags) -> Step {
    let b = S::load::<W>(cpu, op)?;
    let carry = cpu.flags.all().contains(flag);
    let a: W = cpu.registers.read(op.dest);
    let total = u128::from(a.zero_extend()) + u128::from(b.zero_extend()) + u128::from(carry);
    let result = W::truncate(total as u64);
    cpu.registers.write(op.dest, result);
    let carry_out = total >> W::BITS != 0;
    cpu.flags.change(flag, if carry_out { flag } else { Rflags::empty() });
    Ok(())
}
