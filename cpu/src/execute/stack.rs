//! PUSH, POP and their kin, and the stack accesses that other families share.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::{Dest, Source};
use crate::exit::{Step, Stop};
use crate::state::mode::CodeSize;
use crate::state::registers::{RBP, RSP};
use crate::state::segments::SegmentName;
use crate::word::Word;

impl Cpu {
    /// The bits of RSP that address the stack: 64-bit mode uses all, else SS.B says 32 or 16.
    #[inline(always)]
    pub(crate) fn stack_mask(&self) -> u64 {
        if self.code_size == CodeSize::Bits64 {
            u64::MAX
        } else if self.segments.get(SegmentName::Ss).attributes.is_big() {
            0xffff_ffff
        } else {
            0xffff
        }
    }

    /// Sets the bits of RSP that address the stack.
    #[inline(always)]
    pub(crate) fn set_stack_pointer(&mut self, value: u64) {
        let mask = self.stack_mask();
        self.registers.write_masked(RSP, value, mask);
    }

    /// Pushes one value.
    #[inline(always)]
    pub(crate) fn push<W: Word>(&mut self, value: W) -> Step {
        let top = self.rsp().wrapping_sub(W::BYTES) & self.stack_mask();
        self.store(SegmentName::Ss, top, value)?;
        self.set_stack_pointer(top);
        Ok(())
    }

    /// Checks that `count` values can be pushed, and changes nothing.
    pub(crate) fn probe_pushes<W: Word>(&mut self, count: u64) -> Step {
        let (top, mask) = (self.rsp(), self.stack_mask());
        (1..=count).try_for_each(|number| {
            self.probe_write::<W>(SegmentName::Ss, top.wrapping_sub(number * W::BYTES) & mask)
        })
    }

    /// Reads the value `bytes` above the top of the stack.
    #[inline(always)]
    pub(crate) fn peek_stack<W: Word>(&mut self, bytes: u64) -> Result<W, Stop> {
        let offset = self.rsp().wrapping_add(bytes) & self.stack_mask();
        self.load(SegmentName::Ss, offset)
    }

    /// Moves the stack pointer up (or, wrapping, down).
    #[inline(always)]
    pub(crate) fn drop_stack(&mut self, bytes: u64) {
        self.set_stack_pointer(self.rsp().wrapping_add(bytes));
    }
}

/// PUSH.
pub(crate) fn push<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?;
    cpu.push(value)
}

/// POP. A memory operand is addressed with the stack pointer after the pop.
pub(crate) fn pop<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = cpu.peek_stack::<W>(0)?;
    let before = cpu.rsp();
    cpu.drop_stack(W::BYTES);
    D::store(cpu, op, value).inspect_err(|_| cpu.registers.set(RSP, before))
}

/// PUSHA, PUSHAD.
pub(crate) fn push_all<W: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.probe_pushes::<W>(8)?;
    let top = cpu.rsp();
    let mask = cpu.stack_mask();
    for register in 0..8 {
        let offset = top.wrapping_sub(W::BYTES * (u64::from(register) + 1)) & mask;
        let value: W = cpu.registers.read(register);
        cpu.store(SegmentName::Ss, offset, value)?;
    }
    cpu.set_stack_pointer(top.wrapping_sub(8 * W::BYTES));
    Ok(())
}

/// POPA, POPAD. The stored stack pointer is skipped.
pub(crate) fn pop_all<W: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    let mut values = [W::default(); 8];
    for (slot, value) in (0..).zip(&mut values) {
        *value = cpu.peek_stack(slot * W::BYTES)?;
    }
    for (register, value) in (0..8u8).rev().zip(values) {
        if register != RSP {
            cpu.registers.write(register, value);
        }
    }
    cpu.drop_stack(8 * W::BYTES);
    Ok(())
}

/// ENTER with `immediate` bytes of locals and a nesting level of `third`, modulo 32.
pub(crate) fn enter<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let level = u64::from(op.third % 32);
    let mask = cpu.stack_mask();
    let frame = cpu.rsp().wrapping_sub(W::BYTES);
    let outer = cpu.registers.get(RBP);
    let slot = |base: u64, number: u64| base.wrapping_sub(number * W::BYTES) & mask;
    let top = frame.wrapping_sub(level * W::BYTES).wrapping_sub(op.immediate & 0xffff);

    // All that can fail, in the order of the pushes. The new top must be writable, too.
    cpu.probe_write::<W>(SegmentName::Ss, frame & mask)?;
    for number in 1..=level {
        if number < level {
            cpu.load::<W>(SegmentName::Ss, slot(outer, number))?;
        }
        cpu.probe_write::<W>(SegmentName::Ss, slot(frame, number))?;
    }
    cpu.probe_write::<W>(SegmentName::Ss, top & mask)?;

    cpu.store(SegmentName::Ss, frame & mask, W::truncate(outer))?;
    for number in 1..=level {
        let value = if number < level {
            cpu.load(SegmentName::Ss, slot(outer, number))?
        } else {
            W::truncate(frame)
        };
        cpu.store(SegmentName::Ss, slot(frame, number), value)?;
    }
    cpu.registers.write(RBP, W::truncate(frame));
    cpu.set_stack_pointer(top);
    Ok(())
}

/// LEAVE.
pub(crate) fn leave<W: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    let frame = cpu.registers.get(RBP) & cpu.stack_mask();
    let value: W = cpu.load(SegmentName::Ss, frame)?;
    cpu.set_stack_pointer(frame.wrapping_add(W::BYTES));
    cpu.registers.write(RBP, value);
    Ok(())
}
