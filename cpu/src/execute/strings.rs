//! String instructions with their repeat prefixes.
//!
//! A repeated instruction works off whole iterations: after each one the registers are as the
//! architecture says, so a fault, an interrupt or the end of the budget between two of them can be
//! taken and the instruction started again.

use crate::cpu::Cpu;
use crate::decode::op::{Op, Repeat};
use crate::exit::{Step, Stop};
use crate::state::flags::Rflags;
use crate::state::registers::{RAX, RCX, RDI, RSI};
use crate::state::segments::SegmentName;
use crate::word::Word;

impl Cpu {
    /// Moves a string pointer by one `W`, up or down as DF says.
    #[inline(always)]
    pub(crate) fn advance_pointer<W: Word>(&mut self, register: u8, op: &Op) {
        let step = if self.flags.system().contains(Rflags::DF) {
            W::BYTES.wrapping_neg()
        } else {
            W::BYTES
        };
        let value = self.registers.get(register).wrapping_add(step);
        self.registers.write_masked(register, value, op.address_mask);
    }

    fn string_offset(&self, register: u8, op: &Op) -> u64 {
        self.registers.get(register) & op.address_mask
    }
}

/// Does `iteration` once, or as often as the repeat prefix says. `compares`: ZF ends the loop.
#[inline(always)]
pub(crate) fn repeat(
    cpu: &mut Cpu,
    op: &Op,
    compares: bool,
    iteration: impl Fn(&mut Cpu) -> Step,
) -> Step {
    if op.repeat == Repeat::Never {
        return iteration(cpu);
    }
    loop {
        let count = cpu.registers.get(RCX) & op.address_mask;
        if count == 0 {
            return Ok(());
        }
        iteration(cpu)?;
        cpu.device.finish();
        cpu.cycles += 1;
        cpu.iterations += 1;
        cpu.registers.write_masked(RCX, count - 1, op.address_mask);
        let ended = compares && cpu.flags.zero() != (op.repeat == Repeat::WhileEqual);
        if count == 1 || ended {
            return Ok(());
        }
        // Order matters: only here, since an iteration that talks to the board starts several
        // times, and page walks may use up the budget in the middle of it.
        let single_step = cpu.flags.system().contains(Rflags::TF);
        if cpu.attention || single_step || cpu.cycles >= cpu.deadline {
            return Err(Stop::Unfinished);
        }
    }
}

/// As [`repeat`] for instructions that set flags: until the last iteration is done, flags show
/// what they were before the first (SDM vol. 2, "REP": a fault restores them).
fn repeat_comparing(cpu: &mut Cpu, op: &Op, iteration: impl Fn(&mut Cpu) -> Step) -> Step {
    let before = cpu.flags.clone();
    repeat(cpu, op, true, iteration).inspect_err(|_| cpu.flags = before)
}

/// MOVS.
pub(crate) fn copy<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    repeat(cpu, op, false, |cpu| {
        let value: W = cpu.load(op.segment, cpu.string_offset(RSI, op))?;
        cpu.store(SegmentName::Es, cpu.string_offset(RDI, op), value)?;
        cpu.advance_pointer::<W>(RSI, op);
        cpu.advance_pointer::<W>(RDI, op);
        Ok(())
    })
}

/// STOS.
pub(crate) fn fill<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    repeat(cpu, op, false, |cpu| {
        let value: W = cpu.registers.read(RAX);
        cpu.store(SegmentName::Es, cpu.string_offset(RDI, op), value)?;
        cpu.advance_pointer::<W>(RDI, op);
        Ok(())
    })
}

/// LODS.
pub(crate) fn load<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    repeat(cpu, op, false, |cpu| {
        let value: W = cpu.load(op.segment, cpu.string_offset(RSI, op))?;
        cpu.registers.write(RAX, value);
        cpu.advance_pointer::<W>(RSI, op);
        Ok(())
    })
}

/// CMPS.
pub(crate) fn compare<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    repeat_comparing(cpu, op, |cpu| {
        // Order matters: where both operands fault, processors report the destination.
        let b: W = cpu.load(SegmentName::Es, cpu.string_offset(RDI, op))?;
        let a: W = cpu.load(op.segment, cpu.string_offset(RSI, op))?;
        set_flags(cpu, a, b);
        cpu.advance_pointer::<W>(RSI, op);
        cpu.advance_pointer::<W>(RDI, op);
        Ok(())
    })
}

/// SCAS.
pub(crate) fn scan<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    repeat_comparing(cpu, op, |cpu| {
        let a: W = cpu.registers.read(RAX);
        let b: W = cpu.load(SegmentName::Es, cpu.string_offset(RDI, op))?;
        set_flags(cpu, a, b);
        cpu.advance_pointer::<W>(RDI, op);
        Ok(())
    })
}

fn set_flags<W: Word>(cpu: &mut Cpu, a: W, b: W) {
    let difference = a.zero_extend().wrapping_sub(b.zero_extend());
    cpu.flags.after_subtract(a, b, W::truncate(difference));
}
