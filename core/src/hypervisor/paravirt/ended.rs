//! Why a run of a paravirtual guest ended.

use std::fmt;

use paravane_cpu::{Exception, Unimplemented};

use super::Stop;
use crate::board::Request;

/// Why [`super::ParavirtualMachine::run`] returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The budget is used up; the guest can go on.
    Budget,
    /// The guest waits for an event that only console input can cause.
    Idle,
    /// The guest came to an end.
    Stopped(Stop),
    /// The guest wrote this value to the exit port 0xF4.
    Exit(u32),
    /// A device asked for the power to be turned off.
    PowerOff,
    /// A device asked for a reset.
    Reset,
    /// A triple fault, which must not happen under a hypervisor.
    TripleFault([Exception; 3]),
    /// The guest needs something that this CPU does not have.
    Unimplemented(Unimplemented),
}

impl Ended {
    /// Whether the guest can't go on.
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Budget | Self::Idle)
    }

    /// Whether it is the end of a guest that went wrong.
    pub const fn is_crash(&self) -> bool {
        matches!(
            self,
            Self::Stopped(Stop::Crash | Stop::Crashed(_))
                | Self::TripleFault(_)
                | Self::Unimplemented(_)
        )
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget => f.write_str("the limit was reached"),
            Self::Idle => f.write_str("the guest waits for console input"),
            Self::Stopped(stop) => stop.fmt(f),
            Self::Exit(value) => write!(f, "the guest exited with value {value}"),
            Self::PowerOff => f.write_str("the guest turned the power off"),
            Self::Reset => f.write_str("the guest asked for a reset"),
            Self::TripleFault([first, second, third]) => {
                write!(f, "triple fault: {first}, then {second}, then {third}")
            }
            Self::Unimplemented(Unimplemented::TaskSwitch(selector)) => {
                write!(f, "hardware task switch to selector {selector:#06x}: not implemented")
            }
        }
    }
}

impl From<Request> for Ended {
    fn from(request: Request) -> Self {
        match request {
            Request::Exit(value) => Self::Exit(value),
            Request::PowerOff => Self::PowerOff,
            Request::Reset => Self::Reset,
        }
    }
}
