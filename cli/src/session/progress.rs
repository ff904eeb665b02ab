//! A line that shows how far a long run is, on standard error if that is a terminal.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use paravane_core::workbench::Workbench;

use super::Screen;
use super::pace::guest_time;
use crate::numbers::{Grouped, Span};
use crate::output::Diagnostics;

/// Shorter runs show nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two changes of the line.
const INTERVAL: Duration = Duration::from_millis(200);
/// Carriage return, and "erase to the end of the line".
const ERASE: &str = "\r\x1b[K";

/// The line.
pub struct Progress {
    is_terminal: bool,
    /// When there was last something to see.
    quiet_since: Instant,
    /// When the line was last drawn, if it is there.
    drawn: Option<Instant>,
    /// Where the speed was last measured.
    measured: (Instant, u64),
    /// The guest's console is on the same terminal, as a rule.
    shares_terminal: bool,
}

impl Progress {
    /// Nothing to show yet.
    pub fn new(screen: &Screen) -> Self {
        let now = Instant::now();
        Self {
            is_terminal: io::stderr().is_terminal(),
            quiet_since: now,
            drawn: None,
            measured: (now, 0),
            shares_terminal: screen.is_on_terminal(),
        }
    }

    /// Shows the line if it is time for it.
    pub fn update(&mut self, workbench: &Workbench, screen: &Screen) {
        if !self.is_terminal || self.quiet_since.elapsed() < PATIENCE {
            return;
        }
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL);
        if !due || !screen.is_out_of_the_way() {
            return;
        }
        let instructions = workbench.instructions();
        let (instant, before) = self.measured;
        let seconds = instant.elapsed().as_secs_f64().max(1e-9);
        let speed = instructions.saturating_sub(before) as f64 / seconds / 1e6;
        self.measured = (Instant::now(), instructions);
        let millions = Grouped(instructions / 1_000_000);
        let time = Span(guest_time(workbench.cycles()));
        Diagnostics::write(format!(
            "{ERASE}{millions} million instructions, {speed:.0} MIPS, guest time {time}"
        ));
        self.drawn = Some(Instant::now());
    }

    /// Takes the line away: the guest, or Paravane, has something to show.
    pub fn erase(&mut self) {
        if self.drawn.take().is_some() {
            Diagnostics::write(ERASE);
        }
        if self.shares_terminal {
            self.quiet_since = Instant::now();
        }
    }
}
