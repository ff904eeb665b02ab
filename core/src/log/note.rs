//! What the hypervisor did about an exit: a few numbers, from which a sentence can be made.

use std::fmt;

use crate::accounting::Cause;

/// What the hypervisor did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Note {
    /// What it always does for this cause.
    #[default]
    Usual,
    /// It set or cleared the virtual interrupt flag.
    InterruptFlag(bool),
    /// It put the virtual CPU to sleep.
    Halted,
    /// It read a port of the board.
    PortRead {
        /// The port.
        port: u16,
        /// What the device answered.
        value: u32,
    },
    /// It wrote to a port of the board.
    PortWritten {
        /// The port.
        port: u16,
        /// What was written.
        value: u32,
    },
    /// It read or wrote memory of a device.
    DeviceMemory {
        /// The guest-physical address.
        address: u64,
    },
    /// It changed a control register of the virtual CPU.
    Control {
        /// Its number.
        register: u8,
        /// Its new value.
        value: u64,
    },
    /// It changed a model-specific register of the virtual CPU.
    ModelSpecific {
        /// Its number.
        register: u32,
        /// Its new value.
        value: u64,
    },
    /// It gave an exception or interrupt to the guest's handler.
    Delivered {
        /// The vector.
        vector: u8,
        /// The handler's address.
        handler: u64,
    },
    /// It filled shadow entries.
    ShadowFilled {
        /// The linear address that the guest touched.
        linear: u64,
        /// How many entries were written.
        entries: u8,
    },
    /// It performed a write to a watched page.
    WatchedWrite {
        /// The guest-physical address.
        address: u64,
    },
    /// It worked off a call.
    Answered {
        /// What the guest got: an error if negative.
        result: i64,
        /// How many requests the call had; 0 if it was none with a list.
        requests: u32,
    },
    /// It called a callback of the guest's kernel.
    Called {
        /// The callback's address.
        handler: u64,
    },
}

impl Note {
    /// Writes what the hypervisor did, after "the hypervisor ".
    pub(super) fn write(self, f: &mut fmt::Formatter<'_>, cause: Cause) -> fmt::Result {
        match self {
            Self::Usual => f.write_str(usual(cause)),
            Self::InterruptFlag(true) => f.write_str("set the virtual IF"),
            Self::InterruptFlag(false) => f.write_str("cleared the virtual IF"),
            Self::Halted => f.write_str("put the virtual CPU to sleep"),
            Self::PortRead { port, value } => {
                write!(f, "read {value:#x} from port {port:#x} of the board")
            }
            Self::PortWritten { port, value } => {
                write!(f, "wrote {value:#x} to port {port:#x} of the board")
            }
            Self::DeviceMemory { address } => {
                write!(f, "asked the board for guest-physical address {address:#x}")
            }
            Self::Control { register, value } => {
                write!(f, "set the virtual CR{register} to {value:#x}")
            }
            Self::ModelSpecific { register, value } => {
                write!(f, "set the virtual register {register:#x} to {value:#x}")
            }
            Self::Delivered { vector, handler } => {
                write!(f, "gave vector {vector} to the guest's handler at {handler:#x}")
            }
            Self::ShadowFilled { linear, entries: 1 } => {
                write!(f, "filled a shadow entry for {linear:#x}")
            }
            Self::ShadowFilled { linear, entries } => {
                write!(f, "filled {entries} shadow entries for {linear:#x}")
            }
            Self::WatchedWrite { address } => {
                write!(f, "performed the write to guest-physical address {address:#x}")
            }
            Self::Answered { result, requests } => {
                match requests {
                    0 => f.write_str("did it")?,
                    1 => f.write_str("did its one request")?,
                    many => write!(f, "did its {many} requests")?,
                }
                write!(f, ", answered {result}")
            }
            Self::Called { handler } => write!(f, "called the guest's kernel at {handler:#x}"),
        }
    }
}

/// What the hypervisor does if there is nothing to add.
const fn usual(cause: Cause) -> &'static str {
    match cause {
        Cause::Instruction(_) | Cause::UnsupportedMode => "performed it on the virtual CPU",
        Cause::Exception(_) | Cause::SoftwareInterrupt => "gave it to the guest's handler",
        Cause::HiddenPageFault => "filled the shadow table",
        Cause::PageTableWrite => "performed the write, brought the shadow table up to date",
        Cause::TracedWrite => "performed the write, brought its copy up to date",
        Cause::DeviceMemory => "asked the board",
        Cause::ExternalInterrupt => "took the interrupt",
        Cause::Hypercall { .. } => "did it",
        Cause::BouncedSystemCall => "passed it on to the guest's kernel",
        Cause::EventUpcall => "called the guest's kernel",
    }
}
