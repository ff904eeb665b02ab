//! Why a guest left the CPU: how the hypervisor files each exit.

use std::borrow::Cow;
use std::fmt;

use paravane_cpu::{Sensitive, Vector};

/// The cause of an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A privileged or sensitive instruction, emulated on the virtual CPU.
    Instruction(Sensitive),
    /// An exception that belongs to the guest, given to its own handler.
    Exception(Vector),
    /// INT n, INT3, INTO or INT1 of the guest.
    SoftwareInterrupt,
    /// A page fault that the guest must not see: a shadow entry was missing.
    HiddenPageFault,
    /// The guest wrote to one of its page tables, which are write-protected.
    PageTableWrite,
    /// A write to another write-protected page of the guest, such as its descriptor table.
    TracedWrite,
    /// An access to a guest-physical address without RAM behind it.
    DeviceMemory,
    /// A device asked for attention.
    ExternalInterrupt,
    /// An instruction that had to be emulated because the guest is in a mode that can't run
    /// deprivileged (real mode).
    UnsupportedMode,
    /// A hypercall of a personality, by its number.
    Hypercall {
        /// The personality's name.
        personality: &'static str,
        /// The number that the guest passed.
        number: u32,
        /// The call's name, `"unknown"` if there is none.
        name: &'static str,
    },
    /// A system call of a paravirtual guest's program, passed on to its kernel.
    BouncedSystemCall,
    /// An event (a virtual interrupt) delivered to a paravirtual guest.
    EventUpcall,
}

impl Cause {
    /// A short name for tables: unique, lower case.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Instruction(instruction) => instruction.name().into(),
            Self::Exception(vector) => vector.mnemonic().into(),
            Self::SoftwareInterrupt => "software interrupt".into(),
            Self::HiddenPageFault => "hidden page fault".into(),
            Self::PageTableWrite => "page-table write".into(),
            Self::TracedWrite => "traced write".into(),
            Self::DeviceMemory => "device memory".into(),
            Self::ExternalInterrupt => "external interrupt".into(),
            Self::UnsupportedMode => "unsupported mode".into(),
            Self::Hypercall { personality, number, name: "unknown" } => {
                format!("{personality} hypercall {number}").into()
            }
            Self::Hypercall { name, .. } if is_instruction(name) => {
                format!("{name} hypercall").into()
            }
            Self::Hypercall { name, .. } => (*name).into(),
            Self::BouncedSystemCall => "system call".into(),
            Self::EventUpcall => "event upcall".into(),
        }
    }
}

/// Whether an instruction has this name: Xen calls one of its hypercalls `iret`.
fn is_instruction(name: &str) -> bool {
    Sensitive::ALL.iter().any(|instruction| instruction.name() == name)
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
