//! The CPU as an emulator's workhorse: one instruction or one event at a time.
//!
//! A hypervisor keeps a second [`Cpu`] that holds what its guest believes. To emulate a privileged
//! instruction it lends that CPU the machine's RAM and has it perform the instruction, with the
//! same functions that execute it on the processor. So there is one implementation of each.

use std::mem;

use crate::bus::Bus;
use crate::cpu::{Activity, Cpu, InterruptShadow};
use crate::decode::blocks::Blocks;
use crate::exception::Exception;
use crate::exit::{Exit, Stop};
use crate::intercepts::Intercepts;
use crate::state::debug::Dr6;
use crate::timing::Operation;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// The instruction retired, or, of a repeated one, some iterations are done.
    Retired,
    /// The instruction raised an exception, or an event was due: a handler is called.
    Delivered,
    /// It can't be handled here: a triple fault, or something unimplemented.
    Left(Exit),
}

impl Cpu {
    /// Performs the instruction at RIP, or delivers the exception that it raises. A repeated
    /// string instruction goes on until `deadline`. Nothing that was decoded or translated before
    /// is used.
    pub fn perform_one(&mut self, bus: &mut dyn Bus, deadline: u64) -> Stepped {
        self.perform_one_with(bus, &Intercepts::NONE, deadline)
    }

    /// The same, with intercepts: what leaves has changed nothing.
    pub fn perform_one_with(
        &mut self,
        bus: &mut dyn Bus,
        intercepts: &Intercepts,
        deadline: u64,
    ) -> Stepped {
        self.forget();
        self.intercepts = *intercepts;
        self.deadline = deadline.max(self.cycles.saturating_add(1));
        self.attention = false;
        let deliveries = self.deliveries();
        let mut blocks = Blocks::detached();
        match self.step(bus, &mut blocks) {
            Ok(()) => Stepped::Retired,
            Err(Stop::Halt) => {
                self.activity = Activity::Halted;
                Stepped::Retired
            }
            Err(stop) => match self.resolve(stop, bus, &mut blocks) {
                Some(exit) => Stepped::Left(exit),
                None if self.deliveries() != deliveries => Stepped::Delivered,
                None => Stepped::Retired,
            },
        }
    }

    /// Delivers what is due before the next instruction: a debug trap, an NMI, an interrupt.
    /// `None` if nothing is.
    pub fn deliver_due(&mut self, bus: &mut dyn Bus) -> Option<Stepped> {
        self.forget();
        match self.due(bus) {
            Ok(()) => None,
            Err(None) => Some(Stepped::Delivered),
            Err(Some(exit)) => Some(Stepped::Left(exit)),
        }
    }

    /// Delivers an exception that was raised elsewhere on this CPU's behalf.
    pub fn deliver_exception(&mut self, bus: &mut dyn Bus, exception: Exception) -> Stepped {
        self.forget();
        self.raise(bus, exception).map_or(Stepped::Delivered, Stepped::Left)
    }

    /// Notes debug conditions: they are delivered as a trap by [`Cpu::deliver_due`].
    pub fn note_debug_conditions(&mut self, conditions: Dr6) {
        self.pending_debug |= conditions;
    }

    /// Takes over from another CPU what no register shows: the addresses and conditions of its
    /// last faults, and whether it is between two iterations of a string instruction.
    pub fn take_over_position(&mut self, other: &Self) {
        self.debug_conditions = other.debug_conditions;
        self.fault_address = other.fault_address;
        self.repeating = other.repeating;
    }

    /// Whether a debug trap is due before the next instruction.
    pub fn has_debug_trap(&self) -> bool {
        !self.pending_debug.is_empty() && self.shadow != InterruptShadow::MovSs
    }

    /// Forgets debug conditions that are not delivered yet.
    pub fn discard_debug_trap(&mut self) {
        self.pending_debug = Dr6::empty();
    }

    /// Whether an interrupt could be delivered now.
    pub fn accepts_interrupts(&self) -> bool {
        self.interrupts_enabled() && self.shadow == InterruptShadow::None
    }

    /// The machine addresses in traced pages that this CPU has written since the last call. An
    /// access may have reached up to seven bytes further.
    pub fn take_traced_writes(&mut self) -> Vec<u64> {
        mem::take(&mut self.traced_writes)
    }

    /// The frames with decoded code that this CPU has written since the last call: the CPU that
    /// holds the code must forget it, by [`Cpu::code_written`].
    pub fn take_written_code(&mut self) -> Vec<u64> {
        mem::take(&mut self.written_code)
    }

    /// Frames with decoded code were written by somebody else.
    pub fn code_written(&mut self, frames: &[u64]) {
        self.written_code.extend_from_slice(frames);
    }

    /// Drops the translation of one page, as INVLPG does.
    pub fn drop_translation(&mut self, linear: u64) {
        self.tlb.flush_page(linear);
    }

    /// Drops all translations.
    pub fn drop_translations(&mut self) {
        self.tlb.flush_all();
    }

    fn forget(&mut self) {
        self.intercepts = Intercepts::NONE;
        self.tlb.flush_all();
    }

    fn deliveries(&self) -> u64 {
        let counts = self.counts();
        let of = |operation| counts[0].of(operation) + counts[1].of(operation);
        of(Operation::Exception) + of(Operation::Interrupt) + of(Operation::SoftwareInterrupt)
    }
}
