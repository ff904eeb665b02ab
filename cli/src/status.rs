//! What the exit status of `paravane` tells scripts.

use std::process::ExitCode;

use paravane_core::machine::Stopped;

use crate::session::Outcome;

/// The table for `--help`.
pub const HELP: &str = "\
Exit status:
    0        the guest exited with value 0, or turned the power off
    1        Paravane could not do it: a file can't be read, is no guest, or does not fit
    2        the command line is wrong
    4        the guest asked for a reset (it is not started again)
    6        the guest waits for input, and there is no more
    124      the limit of instructions was reached
    130      interrupted: Ctrl-C, or a signal that asks to end
    134      the guest crashed: triple fault, halted for ever, or something not implemented
    3 to 255, odd
             the guest exited with value v > 0: the status is 2 v + 1, as from QEMU's
             isa-debug-exit, and 255 for every v above 126";

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// All went well.
    pub const SUCCESS: Self = Self(0);
    /// Paravane could not do what it was asked for.
    pub const FAILURE: Self = Self(1);
    /// The command line is wrong. It is clap's status, too.
    pub const USAGE: Self = Self(2);
    /// The guest asked for a reset.
    pub const RESET: Self = Self(4);
    /// The guest waits for input that won't come.
    pub const NO_INPUT: Self = Self(6);
    /// The limit was reached: the status of timeout(1).
    pub const LIMIT: Self = Self(124);
    /// Interrupted: what shells call a process that SIGINT ended.
    pub const INTERRUPTED: Self = Self(130);
    /// The guest crashed: what shells call a process that aborted.
    pub const CRASH: Self = Self(134);

    /// The status for the end of a run.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Guest(Stopped::Exit(0) | Stopped::PowerOff) => Self::SUCCESS,
            Outcome::Guest(Stopped::Exit(value)) => Self::of_exit_value(value),
            Outcome::Guest(Stopped::Reset) => Self::RESET,
            Outcome::Guest(Stopped::Shutdown(reason)) => Self::of_exit_value(reason),
            Outcome::Guest(
                Stopped::TripleFault(_)
                | Stopped::HaltedForever
                | Stopped::Unimplemented(_)
                | Stopped::Crashed,
            ) => Self::CRASH,
            Outcome::Guest(Stopped::Budget) | Outcome::Limit => Self::LIMIT,
            Outcome::Guest(Stopped::Idle) | Outcome::NoInput => Self::NO_INPUT,
            Outcome::Interrupted => Self::INTERRUPTED,
        }
    }

    fn of_exit_value(value: u32) -> Self {
        Self(value.checked_mul(2).and_then(|twice| u8::try_from(twice).ok()).unwrap_or(254) | 1)
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        status.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_values_become_odd_numbers_as_under_qemu() {
        for (value, status) in [(0, 0), (1, 3), (16, 33), (126, 253), (127, 255), (128, 255)] {
            assert_eq!(Status::of(Outcome::Guest(Stopped::Exit(value))), Status(status));
        }
        assert_eq!(Status::of(Outcome::Guest(Stopped::Exit(u32::MAX))), Status(255));
    }
}
