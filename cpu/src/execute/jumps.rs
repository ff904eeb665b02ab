//! Near jumps, calls and returns.

use super::conditions;
use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::Source;
use crate::exception::Exception;
use crate::exit::{Step, Stop};
use crate::memory::paging;
use crate::state::mode::CodeSize;
use crate::state::registers::{RCX, RIP};
use crate::state::segments::SegmentName;
use crate::word::Word;

impl Cpu {
    /// #GP(0) unless a branch may go to this offset in the current code segment.
    #[inline(always)]
    pub(crate) fn check_target(&self, target: u64) -> Step {
        let good = if self.code_size == CodeSize::Bits64 {
            paging::is_canonical(target)
        } else {
            target <= u64::from(self.segments.get(SegmentName::Cs).limit)
        };
        if good { Ok(()) } else { Err(Exception::GENERAL_PROTECTION.into()) }
    }

    #[inline(always)]
    fn jump_to(&mut self, target: u64) -> Step {
        self.check_target(target)?;
        self.registers.set(RIP, target);
        Ok(())
    }

    /// The target of a relative branch with operand size `W`.
    #[inline(always)]
    fn relative_target<W: Word>(&self, op: &Op) -> u64 {
        self.rip().wrapping_add(op.immediate) & W::MASK
    }
}

/// JMP rel.
pub(crate) fn jump<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let target = cpu.relative_target::<W>(op);
    cpu.jump_to(target)
}

/// JMP r/m.
pub(crate) fn jump_indirect<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let target = S::load::<W>(cpu, op)?.zero_extend();
    cpu.jump_to(target)
}

/// Jcc.
pub(crate) fn jump_if<const CODE: u8, W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    if conditions::holds::<CODE>(&cpu.flags) { jump::<W>(cpu, op) } else { Ok(()) }
}

/// CALL rel.
pub(crate) fn call<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let target = cpu.relative_target::<W>(op);
    call_to::<W>(cpu, target)
}

/// CALL r/m.
pub(crate) fn call_indirect<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let target = S::load::<W>(cpu, op)?.zero_extend();
    call_to::<W>(cpu, target)
}

#[inline(always)]
fn call_to<W: Word>(cpu: &mut Cpu, target: u64) -> Step {
    cpu.check_target(target)?;
    cpu.push(W::truncate(cpu.rip()))?;
    cpu.registers.set(RIP, target);
    Ok(())
}

/// RET, which also releases `immediate` bytes.
pub(crate) fn ret<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let target = cpu.peek_stack::<W>(0)?.zero_extend();
    cpu.jump_to(target)?;
    cpu.drop_stack(W::BYTES + (op.immediate & 0xffff));
    Ok(())
}

/// Counts rCX down, as wide as an address, and says whether it is still not zero.
fn count_down(cpu: &Cpu, op: &Op) -> (u64, bool) {
    let count = cpu.registers.get(RCX).wrapping_sub(1) & op.address_mask;
    (count, count != 0)
}

fn finish_loop<W: Word>(cpu: &mut Cpu, op: &Op, count: u64, taken: bool) -> Result<(), Stop> {
    if taken {
        jump::<W>(cpu, op)?;
    }
    cpu.registers.write_masked(RCX, count, op.address_mask);
    Ok(())
}

/// LOOP.
pub(crate) fn count_loop<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let (count, more) = count_down(cpu, op);
    finish_loop::<W>(cpu, op, count, more)
}

/// LOOPE.
pub(crate) fn loop_while_equal<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let (count, more) = count_down(cpu, op);
    finish_loop::<W>(cpu, op, count, more && cpu.flags.zero())
}

/// LOOPNE.
pub(crate) fn loop_while_not_equal<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let (count, more) = count_down(cpu, op);
    finish_loop::<W>(cpu, op, count, more && !cpu.flags.zero())
}

/// JCXZ, JECXZ, JRCXZ.
pub(crate) fn jump_if_counter_zero<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    if cpu.registers.get(RCX) & op.address_mask == 0 { jump::<W>(cpu, op) } else { Ok(()) }
}
