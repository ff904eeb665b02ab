//! Operand kinds as types: a handler is written once and compiled for each kind.

use super::op::Op;
use crate::cpu::Cpu;
use crate::exit::{Step, Stop};
use crate::word::Word;

/// An operand that can be read.
pub(crate) trait Source {
    fn load<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<W, Stop>;
}

/// An operand that can be read and written.
pub(crate) trait Dest: Source {
    fn store<W: Word>(cpu: &mut Cpu, op: &Op, value: W) -> Step;

    /// Reads, changes and writes the operand, translated once, for writing. Returns the old and
    /// the new value.
    fn update<W: Word>(cpu: &mut Cpu, op: &Op, change: impl FnOnce(W) -> W)
    -> Result<(W, W), Stop>;
}

/// The register in `op.dest`.
pub(crate) struct Register;
/// The register in `op.source`.
pub(crate) struct SourceRegister;
/// The register in `op.third`.
pub(crate) struct ThirdRegister;
/// The memory operand.
pub(crate) struct Memory;
/// The immediate.
pub(crate) struct Immediate;

impl Source for Register {
    #[inline(always)]
    fn load<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<W, Stop> {
        Ok(cpu.registers.read(op.dest))
    }
}

impl Dest for Register {
    #[inline(always)]
    fn store<W: Word>(cpu: &mut Cpu, op: &Op, value: W) -> Step {
        cpu.registers.write(op.dest, value);
        Ok(())
    }

    #[inline(always)]
    fn update<W: Word>(
        cpu: &mut Cpu,
        op: &Op,
        change: impl FnOnce(W) -> W,
    ) -> Result<(W, W), Stop> {
        let old = cpu.registers.read(op.dest);
        let new = change(old);
        cpu.registers.write(op.dest, new);
        Ok((old, new))
    }
}

impl Source for SourceRegister {
    #[inline(always)]
    fn load<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<W, Stop> {
        Ok(cpu.registers.read(op.source))
    }
}

impl Source for ThirdRegister {
    #[inline(always)]
    fn load<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<W, Stop> {
        Ok(cpu.registers.read(op.third))
    }
}

impl Source for Immediate {
    #[inline(always)]
    fn load<W: Word>(_: &mut Cpu, op: &Op) -> Result<W, Stop> {
        Ok(W::truncate(op.immediate))
    }
}

impl Source for Memory {
    #[inline(always)]
    fn load<W: Word>(cpu: &mut Cpu, op: &Op) -> Result<W, Stop> {
        cpu.load(op.segment, op.offset(cpu))
    }
}

impl Dest for Memory {
    #[inline(always)]
    fn store<W: Word>(cpu: &mut Cpu, op: &Op, value: W) -> Step {
        cpu.store(op.segment, op.offset(cpu), value)
    }

    #[inline(always)]
    fn update<W: Word>(
        cpu: &mut Cpu,
        op: &Op,
        change: impl FnOnce(W) -> W,
    ) -> Result<(W, W), Stop> {
        cpu.update(op.segment, op.offset(cpu), change)
    }
}
