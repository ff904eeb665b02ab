//! One run of a guest, from its start to the reason why it ended.
//!
//! The guest runs in slices of guest time. Between two slices its console output is written and
//! input is fed, so the state of the guest never depends on how fast the host is. Only the time
//! at which input from a terminal or pipe arrives does; input from a file is all there from the
//! start.

mod input;
mod pace;
mod progress;
mod screen;
mod summary;
mod terminal;
mod trace;

pub use input::Input;
pub use screen::{Captured, Screen};
pub use summary::Summary;
pub use terminal::RawTerminal;
pub use trace::{Topic, Tracer};

use std::time::{Duration, Instant};

use paravane_core::board::clock::CYCLES_PER_SECOND;
use paravane_core::machine::{PortAccess, Stopped};
use paravane_core::workbench::Workbench;
use paravane_cpu::Activity;

use pace::Pace;
use progress::Progress;

/// Guest time between two looks at the console, in cycles.
const SLICE: u64 = 4_000_000;
/// The same when every instruction is traced.
const TRACED_SLICE: u64 = 20_000;
/// A guest that only lets its timer tick for as long as this waits for input. In cycles.
const PATIENCE: u64 = 600 * CYCLES_PER_SECOND;
/// Of this many cycles, such a guest executes fewer than one.
const IDLE_RATIO: u64 = 50;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest ended it.
    Guest(Stopped),
    /// The limit of instructions was reached.
    Limit,
    /// The guest waits, and nothing will come.
    NoInput,
    /// The user, or a signal, ended it.
    Interrupted,
}

/// A guest that runs, and what is connected to it.
pub struct Session<'a> {
    /// The guest in its world.
    pub workbench: Workbench,
    /// What comes from standard input.
    input: Input,
    /// Where its console goes.
    screen: Screen,
    /// What writes a trace.
    tracer: Option<Tracer<'a>>,
    /// How many instructions it may execute.
    limit: Option<u64>,
    /// Host time in which it ran, and did not wait.
    busy: Duration,
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub outcome: Outcome,
    /// Host time from the start.
    pub host: Duration,
    /// Host time in which the guest ran, and did not wait.
    pub busy: Duration,
}

/// When the guest last did something that somebody could notice.
#[derive(Clone, Copy, Debug, Default)]
struct LastSign {
    cycles: u64,
    instructions: u64,
}

impl<'a> Session<'a> {
    /// A session with a guest that was started.
    pub fn new(workbench: Workbench, input: Input, screen: Screen) -> Self {
        Self { workbench, input, screen, tracer: None, limit: None, busy: Duration::ZERO }
    }

    /// The same with a trace.
    pub fn with_tracer(self, tracer: Option<Tracer<'a>>) -> Self {
        Self { tracer, ..self }
    }

    /// The same with a limit of instructions.
    pub fn with_limit(self, limit: Option<u64>) -> Self {
        Self { limit, ..self }
    }

    /// Runs the guest to the end.
    ///
    /// # Errors
    /// Output can't be written.
    pub fn run(&mut self) -> anyhow::Result<Ended> {
        let started = Instant::now();
        let mut progress = Progress::new(&self.screen);
        let outcome = self.run_slices(&mut progress);
        progress.erase();
        // What the guest has sent is shown whatever the end was.
        let flushed = self.show(&mut progress).and_then(|_| self.screen.finish());
        if let Some(tracer) = &mut self.tracer {
            tracer.finish()?;
        }
        let outcome = outcome?;
        flushed?;
        Ok(Ended { outcome, host: started.elapsed(), busy: self.busy })
    }

    /// Takes what the screen kept for JSON.
    pub fn take_captured(&mut self) -> Captured {
        self.screen.take_captured()
    }

    fn run_slices(&mut self, progress: &mut Progress) -> anyhow::Result<Outcome> {
        let mut pace = Pace::default();
        let mut sign = LastSign::default();
        loop {
            let fed = self.input.feed(self.workbench.board_mut());
            if self.input.interrupted() {
                return Ok(Outcome::Interrupted);
            }
            if self.limit.is_some_and(|limit| self.workbench.instructions() >= limit) {
                return Ok(Outcome::Limit);
            }
            let began = Instant::now();
            let stopped = self.slice()?;
            self.busy += began.elapsed();
            let shown = self.show(progress)?;
            match stopped {
                Stopped::Budget => {}
                Stopped::Idle => {
                    if let Some(outcome) = self.wait(progress)? {
                        return Ok(outcome);
                    }
                }
                end => return Ok(Outcome::Guest(end)),
            }
            let now = LastSign::of(&self.workbench);
            if fed || shown {
                sign = now;
            }
            let waits = sign.only_ticks_until(now);
            if waits && self.input.is_over() {
                return Ok(Outcome::NoInput);
            }
            if let Some(ahead) = pace.ahead(now.cycles, waits || self.input.is_interactive()) {
                self.input.wait(Some(ahead));
            }
            progress.update(&self.workbench, &self.screen);
        }
    }

    /// Runs one slice.
    fn slice(&mut self) -> anyhow::Result<Stopped> {
        let workbench = &mut self.workbench;
        let executed = workbench.instructions();
        let left = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(executed));
        let mut accesses = Vec::new();
        if let Some(tracer) = &mut self.tracer {
            if executed >= tracer.after() {
                return tracer.run(workbench, TRACED_SLICE, left);
            }
            let until_trace = tracer.after() - executed;
            return Ok(run_exactly(workbench, until_trace.min(left), &mut accesses));
        }
        Ok(run_exactly(workbench, left, &mut accesses))
    }

    /// Passes on what the guest has sent. Returns whether it was anything.
    fn show(&mut self, progress: &mut Progress) -> anyhow::Result<bool> {
        let console = self.workbench.board_mut().take_console_output();
        let debug = self.workbench.board_mut().take_debug_output();
        if console.is_empty() && debug.is_empty() {
            return Ok(false);
        }
        progress.erase();
        self.screen.show_console(&console)?;
        self.screen.show_debug(&debug);
        Ok(true)
    }

    /// The guest is idle: waits for input, or says why none will come.
    fn wait(&mut self, progress: &mut Progress) -> anyhow::Result<Option<Outcome>> {
        progress.erase();
        loop {
            if self.input.feed(self.workbench.board_mut()) {
                return Ok(None);
            }
            if self.input.interrupted() {
                return Ok(Some(Outcome::Interrupted));
            }
            if self.input.is_over() || self.input.is_stuck() {
                return Ok(Some(Outcome::NoInput));
            }
            self.input.wait(None);
        }
    }
}

/// Runs a slice that executes at most `instructions`. An instruction takes a cycle or more, so a
/// budget of as many cycles can't execute more; a CPU that sleeps would use it up without
/// executing any, and so is taken to the end of its sleep.
fn run_exactly(
    workbench: &mut Workbench,
    instructions: u64,
    accesses: &mut Vec<PortAccess>,
) -> Stopped {
    if instructions < SLICE && workbench.guest().cpu.activity == Activity::Halted {
        workbench.step(accesses)
    } else {
        workbench.run(instructions.min(SLICE))
    }
}

impl LastSign {
    fn of(workbench: &Workbench) -> Self {
        Self { cycles: workbench.cycles(), instructions: workbench.instructions() }
    }

    /// Whether a long time has passed in which the guest did next to nothing.
    fn only_ticks_until(self, now: Self) -> bool {
        let cycles = now.cycles.saturating_sub(self.cycles);
        let instructions = now.instructions.saturating_sub(self.instructions);
        cycles >= PATIENCE && instructions < cycles / IDLE_RATIO
    }
}
