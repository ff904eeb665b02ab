//! AND, OR, XOR, NOT, TEST.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::{Dest, Source};
use crate::exit::Step;
use crate::word::Word;

#[inline(always)]
fn combine<W: Word, D: Dest, S: Source>(
    cpu: &mut Cpu,
    op: &Op,
    f: impl FnOnce(u64, u64) -> u64,
) -> Step {
    let b = S::load::<W>(cpu, op)?.zero_extend();
    let (_, result) = D::update(cpu, op, |a: W| W::truncate(f(a.zero_extend(), b)))?;
    cpu.flags.after_logic(result);
    Ok(())
}

/// AND.
pub(crate) fn and<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    combine::<W, D, S>(cpu, op, |a, b| a & b)
}

/// OR.
pub(crate) fn or<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    combine::<W, D, S>(cpu, op, |a, b| a | b)
}

/// XOR.
pub(crate) fn xor<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    combine::<W, D, S>(cpu, op, |a, b| a ^ b)
}

/// TEST.
pub(crate) fn test<W: Word, D: Source, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?.zero_extend();
    let a = D::load::<W>(cpu, op)?.zero_extend();
    cpu.flags.after_logic(W::truncate(a & b));
    Ok(())
}

/// NOT: no flags.
pub(crate) fn not<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    D::update(cpu, op, |a: W| W::truncate(!a.zero_extend())).map(drop)
}
