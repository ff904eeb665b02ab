//! The paragraph at the end of a run.

use std::fmt;

use super::pace::guest_time;
use super::{Ended, Outcome};
use crate::numbers::{Grouped, Span};

/// How a run went.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// The guest's name.
    pub name: &'a str,
    /// Why it ended, and how long it took.
    pub ended: Ended,
    /// Instructions retired.
    pub instructions: u64,
    /// Guest time.
    pub cycles: u64,
}

impl Summary<'_> {
    /// Guest time in seconds.
    pub fn guest_seconds(&self) -> f64 {
        guest_time(self.cycles).as_secs_f64()
    }

    /// Millions of instructions per second of host time in which the guest did not wait.
    pub fn mips(&self) -> f64 {
        let seconds = self.ended.busy.as_secs_f64();
        if seconds > 0.0 { self.instructions as f64 / seconds / 1e6 } else { 0.0 }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}, after {} instructions and {} of guest time, in {} of host time ({:.1} MIPS).",
            self.name,
            self.ended.outcome,
            Grouped(self.instructions),
            Span(guest_time(self.cycles)),
            Span(self.ended.host),
            self.mips(),
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest(stopped) => stopped.fmt(f),
            Self::Limit => f.write_str("the limit of instructions was reached"),
            Self::NoInput => f.write_str("the guest waits for console input, and there is no more"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}
