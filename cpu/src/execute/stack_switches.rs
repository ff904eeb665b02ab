//! The way into a handler or a called procedure: its stack, what is pushed there, its code.
//!
//! ```text
//!             ring 3                       ring 0
//!   SS:ESP ─► ┌──────┐        TSS ───────► ┌─────────┐ SS0:ESP0
//!             │ ...  │                     │ SS      │
//!             └──────┘                     │ ESP     │
//!                                          │ ...     │ ◄─ new SS:ESP
//! ```

use super::descriptor_tables::blame;
use crate::cpu::Cpu;
use crate::exception::{Exception, Vector};
use crate::exit::{Step, Stop};
use crate::memory::paging::is_canonical;
use crate::state::mode::CodeSize;
use crate::state::registers::{RIP, RSP};
use crate::state::segments::{Segment, SegmentName, Selector, system_type};
use crate::word::Word;

/// Where control goes.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) code: Segment,
    pub(crate) rip: u64,
    /// The privilege level there.
    pub(crate) ring: u8,
}

/// A stack to switch to.
#[derive(Clone, Copy)]
pub(crate) struct Stack {
    /// A new stack segment, if the ring changes.
    pub(crate) segment: Option<Segment>,
    pub(crate) pointer: u64,
}

impl Cpu {
    /// The stack that the TSS holds for `ring` (SDM vol. 3, "Task-State Segment").
    pub(crate) fn inner_stack(&mut self, ring: u8) -> Result<Stack, Stop> {
        let ring_number = u64::from(ring);
        if self.mode().is_long() {
            let pointer = self.read_tss(ring_number * 8 + 4, 8)?;
            // A null selector, whose privilege level is the new one.
            let segment = Some(Segment::null(Selector(ring.into())));
            return Ok(Stack { segment, pointer });
        }
        let kind = self.segments.tr.attributes.kind();
        let (pointer, selector) = if matches!(kind, system_type::TSS16 | system_type::TSS16_BUSY) {
            let both = self.read_tss(ring_number * 4 + 2, 4)?;
            (both & 0xffff, both >> 16)
        } else {
            let both = self.read_tss(ring_number * 8 + 4, 6)?;
            (both & 0xffff_ffff, both >> 32)
        };
        let selector = Selector(selector as u16);
        let segment = Some(self.stack_segment(selector, ring, Vector::InvalidTss)?);
        Ok(Stack { segment, pointer })
    }

    /// The stack pointer that an entry of the interrupt stack table holds, 1 to 7.
    pub(crate) fn interrupt_stack(&mut self, entry: u8) -> Result<u64, Stop> {
        self.read_tss(u64::from(entry) * 8 + 28, 8)
    }

    /// Reads up to 8 bytes of the TSS. Raises #TS if they lie outside its limit.
    fn read_tss(&mut self, offset: u64, bytes: u64) -> Result<u64, Stop> {
        let tss = self.segments.tr;
        if offset + bytes - 1 > u64::from(tss.limit) {
            return Err(blame(Vector::InvalidTss, tss.selector));
        }
        let address = tss.base.wrapping_add(offset);
        match bytes {
            4 => Ok(self.read_system::<u32>(address)?.into()),
            6 => {
                let low: u32 = self.read_system(address)?;
                let high: u16 = self.read_system(address.wrapping_add(4))?;
                Ok(u64::from(low) | u64::from(high) << 32)
            }
            _ => self.read_system(address),
        }
    }

    /// Raises #SS(0) unless `count` values of `W` fit below the top of the stack.
    pub(crate) fn check_stack_room<W: Word>(&self, count: usize) -> Step {
        let stack = self.segments.get(SegmentName::Ss);
        let mask = self.stack_mask();
        let fits = (1..=count as u64).all(|number| {
            let offset = self.rsp().wrapping_sub(number * W::BYTES) & mask;
            if self.code_size == CodeSize::Bits64 {
                is_canonical(offset)
            } else {
                stack.allows_write::<W>(offset)
            }
        });
        if fits { Ok(()) } else { Err(Exception::with_code(Vector::StackFault, 0).into()) }
    }

    /// Pushes all values, the first one highest, or none.
    pub(crate) fn push_frame<W: Word>(&mut self, frame: &[u64]) -> Step {
        self.probe_pushes::<W>(frame.len() as u64)?;
        frame.iter().try_for_each(|value| self.push(W::truncate(*value)))
    }

    /// Goes to `target`.
    pub(crate) fn transfer(&mut self, target: Target) {
        self.cpl = target.ring;
        self.segments.set(SegmentName::Cs, target.code);
        self.registers.set(RIP, target.rip);
        self.mode_changed();
    }

    /// Switches to `stack`, pushes `frame` there with the new privilege, and goes to `target`.
    /// On an error nothing changes but memory below the new stack's top.
    pub(crate) fn enter<W: Word>(&mut self, target: Target, stack: Stack, frame: &[u64]) -> Step {
        let code = *self.segments.get(SegmentName::Cs);
        let old_stack = *self.segments.get(SegmentName::Ss);
        let (ring, rip, rsp) = (self.cpl, self.rip(), self.rsp());

        // The new state decides how the stack is addressed and with which rights.
        self.transfer(target);
        self.registers.set(RSP, stack.pointer);
        if let Some(segment) = stack.segment {
            self.segments.set(SegmentName::Ss, segment);
        }
        // Order matters: no room is #SS, then a bad target is #GP, then pages may be missing.
        let entered = self
            .check_stack_room::<W>(frame.len())
            .and_then(|()| self.check_code_offset(&target.code, target.rip))
            .and_then(|()| self.push_frame::<W>(frame));

        entered.map_err(|stop| {
            self.segments.set(SegmentName::Cs, code);
            self.segments.set(SegmentName::Ss, old_stack);
            self.registers.set(RSP, rsp);
            self.registers.set(RIP, rip);
            self.cpl = ring;
            self.mode_changed();
            stack.name_in(stop)
        })
    }
}

impl Stack {
    /// #SS on a stack that is being switched to names its segment.
    fn name_in(&self, stop: Stop) -> Stop {
        match (stop, self.segment) {
            (Stop::Exception(Exception { vector: Vector::StackFault, .. }), Some(segment)) => {
                blame(Vector::StackFault, segment.selector)
            }
            _ => stop,
        }
    }
}
