//! One exit, as the log keeps it.

use std::fmt;

use super::note::Note;
use crate::accounting::Cause;
use crate::accounting::sensitivity::{self, Answer, Class};

/// One exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Guest time at which the guest left the CPU.
    pub cycle: u64,
    /// Why.
    pub cause: Cause,
    /// Linear address of the guest's instruction.
    pub address: u64,
    /// Who ran.
    pub from: Privilege,
    /// Cycles from the exit until the guest ran on, without sleeping.
    pub cost: u64,
    /// Cycles that the guest slept before it ran on.
    pub slept: u64,
    /// What the hypervisor did about it.
    pub note: Note,
}

/// Which part of a guest ran, by what the guest believes: in every world the same, whatever the
/// real ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// A program, in ring 3.
    User,
    /// The kernel.
    Kernel,
}

impl Privilege {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Kernel => "kernel",
        }
    }
}

impl Entry {
    /// When the guest ran on.
    pub fn end(&self) -> u64 {
        self.cycle.saturating_add(self.cost).saturating_add(self.slept)
    }

    /// One sentence: what happened, and what the hypervisor did about it. It has no full stop.
    pub fn explanation(&self) -> impl fmt::Display {
        Explanation(*self)
    }
}

struct Explanation(Entry);

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { cause, note, slept, .. } = self.0;
        write_reason(f, cause)?;
        f.write_str("; the hypervisor ")?;
        note.write(f, cause)?;
        match slept {
            0 => f.write_str(" and resumed"),
            slept => write!(f, " and resumed {slept} cycles later"),
        }
    }
}

/// Why the guest left.
fn write_reason(f: &mut fmt::Formatter<'_>, cause: Cause) -> fmt::Result {
    match cause {
        Cause::Instruction(instruction) => {
            let row = sensitivity::of(instruction);
            let name = instruction.name();
            match (row.class, row.faults_outside_ring_0) {
                (Class::Privileged, Answer::Faults(vector)) => {
                    write!(f, "{name} outside ring 0 raised {}", vector.mnemonic())
                }
                (Class::Doorway, _) => write!(f, "{name} entered the hypervisor"),
                _ => write!(f, "{name} left the CPU"),
            }
        }
        Cause::Exception(vector) => write!(f, "the guest raised {}", vector.mnemonic()),
        Cause::SoftwareInterrupt => f.write_str("a software interrupt entered the hypervisor"),
        Cause::HiddenPageFault => {
            f.write_str("the guest touched a page that its shadow table did not map")
        }
        Cause::PageTableWrite => f.write_str("the guest wrote to a page table of its own"),
        Cause::TracedWrite => f.write_str("the guest wrote to a page that is watched"),
        Cause::DeviceMemory => f.write_str("the guest touched an address without memory"),
        Cause::ExternalInterrupt => f.write_str("a device asked for attention"),
        Cause::UnsupportedMode => {
            f.write_str("the guest is in a mode that can't run outside ring 0")
        }
        Cause::Hypercall { .. } => write!(f, "the kernel called {}", cause.name()),
        Cause::BouncedSystemCall => f.write_str("a program made a system call"),
        Cause::EventUpcall => f.write_str("an event was pending"),
    }
}
