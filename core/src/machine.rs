//! A machine: the CPU on its board. Alone it is the bare world, with no hypervisor.

mod listening_bus;
pub mod report;
pub(crate) mod start;

pub use listening_bus::PortAccess;

use std::fmt;

use paravane_cpu::{Activity, Bus, Cpu, Exception, Exit, Intercepts, Unimplemented};

use crate::accounting::{Costs, Ledger};
use crate::board::{Board, Request};
use crate::guest_image::{self, GuestImage, LoadError, LoadOptions, Start};
use crate::hypervisor::paravirt::{Ended, Stop};
use listening_bus::ListeningBus;

/// Most RAM that a machine can have, in bytes: above lie the windows of a PC's devices.
pub const MAX_MEMORY: u64 = 3 << 30;
/// Least RAM that a machine can have, in bytes.
pub const MIN_MEMORY: u64 = 2 << 20;
/// RAM if nobody says otherwise, in bytes.
pub const DEFAULT_MEMORY: u64 = 128 << 20;

/// A CPU with RAM, and its board.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The CPU, which holds the RAM.
    pub cpu: Cpu,
    /// The devices.
    pub board: Board,
    /// The prices.
    pub costs: Costs,
    /// Cycles in which the guest slept.
    pub idle: u64,
}

/// Why [`Machine::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The budget is used up; the guest can go on.
    Budget,
    /// The guest waits for an interrupt that only console input (or an NMI) can cause.
    Idle,
    /// The guest wrote this value to the exit port 0xF4.
    Exit(u32),
    /// The guest turned the power off.
    PowerOff,
    /// The guest asked the board for a reset.
    Reset,
    /// The guest halted with interrupts off: nothing but an NMI could wake it.
    HaltedForever,
    /// A triple fault: the exceptions that led to it, the first one first.
    TripleFault([Exception; 3]),
    /// The guest needs something that this CPU does not have.
    Unimplemented(Unimplemented),
    /// A paravirtual guest says that it crashed, or its hypervisor had to end it.
    Crashed,
    /// A paravirtual guest shut down with a reason of its own.
    Shutdown(u32),
}

impl From<Request> for Stopped {
    fn from(request: Request) -> Self {
        match request {
            Request::Exit(value) => Self::Exit(value),
            Request::PowerOff => Self::PowerOff,
            Request::Reset => Self::Reset,
        }
    }
}

impl From<&Ended> for Stopped {
    fn from(ended: &Ended) -> Self {
        match ended {
            Ended::Budget => Self::Budget,
            Ended::Idle => Self::Idle,
            Ended::Exit(value) => Self::Exit(*value),
            Ended::PowerOff | Ended::Stopped(Stop::PowerOff) => Self::PowerOff,
            Ended::Reset | Ended::Stopped(Stop::Reboot) => Self::Reset,
            Ended::Stopped(Stop::Suspend) => Self::Shutdown(2),
            Ended::Stopped(Stop::Other(reason)) => Self::Shutdown(*reason),
            Ended::Stopped(Stop::Crash | Stop::Crashed(_)) => Self::Crashed,
            Ended::TripleFault(exceptions) => Self::TripleFault(*exceptions),
            Ended::Unimplemented(what) => Self::Unimplemented(*what),
        }
    }
}

impl Stopped {
    /// Whether the guest can't go on.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Budget | Self::Idle)
    }

    /// Whether it is the end of a guest that went wrong.
    pub const fn is_crash(self) -> bool {
        matches!(
            self,
            Self::HaltedForever | Self::TripleFault(_) | Self::Unimplemented(_) | Self::Crashed
        )
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget => f.write_str("the limit was reached"),
            Self::Idle => f.write_str("the guest waits for console input"),
            Self::Exit(value) => write!(f, "the guest exited with value {value}"),
            Self::PowerOff => f.write_str("the guest turned the power off"),
            Self::Reset => f.write_str("the guest asked for a reset"),
            Self::Crashed => f.write_str("the paravirtual guest crashed"),
            Self::Shutdown(reason) => write!(f, "the guest shut down with reason {reason}"),
            Self::HaltedForever => f.write_str("the guest halted with interrupts disabled"),
            Self::TripleFault([first, second, third]) => {
                write!(f, "triple fault: {first}, then {second}, then {third}")
            }
            Self::Unimplemented(Unimplemented::TaskSwitch(selector)) => {
                write!(f, "hardware task switch to selector {selector:#06x}: not implemented")
            }
        }
    }
}

impl Machine {
    /// A machine after reset, with zeroed RAM of `memory` bytes, which must lie between
    /// [`MIN_MEMORY`] and [`MAX_MEMORY`]; the nearest size is taken.
    pub fn new(memory: u64) -> Self {
        Self::with_costs(memory, Costs::free())
    }

    /// The same, where the processor's operations have a price.
    pub fn with_costs(memory: u64, costs: Costs) -> Self {
        let memory = memory.clamp(MIN_MEMORY, MAX_MEMORY);
        let mut cpu = Cpu::new(memory);
        cpu.timing = costs.timing().clone();
        Self { cpu, board: Board::new(memory), costs, idle: 0 }
    }

    /// The books: with no hypervisor, all that the guest itself used.
    pub fn ledger(&self) -> Ledger {
        let [guest_kernel, guest_user] = self.cpu.counts();
        Ledger::without_hypervisor(guest_kernel, guest_user, self.idle)
    }

    /// Loads an image and sets the CPU up as its start method says.
    ///
    /// # Errors
    /// The image can't be started on a bare machine, or does not fit.
    pub fn load(&mut self, image: &GuestImage, options: &LoadOptions) -> Result<Start, LoadError> {
        let start = guest_image::load(&mut self.cpu.ram, image, options)?;
        self.cpu.forget_decoded_code();
        start::set_up(&mut self.cpu, start);
        Ok(start)
    }

    /// Runs for at most `budget` cycles of guest time.
    pub fn run(&mut self, budget: u64) -> Stopped {
        self.run_with(budget, |cpu, board, budget| cpu.run(board, &Intercepts::NONE, budget))
    }

    /// Runs one instruction, or what happens in its place, and appends the port accesses that it
    /// made to `accesses`. A CPU that sleeps sleeps on to the next event of a device.
    pub fn step(&mut self, accesses: &mut Vec<PortAccess>) -> Stopped {
        let slept = self.cpu.activity == Activity::Halted;
        let stopped = self.run_with(1, |cpu, board, budget| {
            cpu.run(&mut ListeningBus { board, accesses }, &Intercepts::NONE, budget)
        });
        // Nothing was pending that could have woken it.
        if slept && stopped == Stopped::Budget && self.cpu.activity == Activity::Halted {
            return self.sleep(u64::MAX).unwrap_or(stopped);
        }
        stopped
    }

    fn run_with(
        &mut self,
        budget: u64,
        mut execute: impl FnMut(&mut Cpu, &mut Board, u64) -> Exit,
    ) -> Stopped {
        let end = self.cpu.cycles.saturating_add(budget);
        loop {
            let left = end.saturating_sub(self.cpu.cycles);
            match execute(&mut self.cpu, &mut self.board, left) {
                Exit::Budget => return Stopped::Budget,
                Exit::Halted => {
                    if let Some(stopped) = self.sleep(end) {
                        return stopped;
                    }
                }
                Exit::Bus => {
                    if let Some(request) = self.board.take_request() {
                        return request.into();
                    }
                }
                Exit::TripleFault(exceptions) => return Stopped::TripleFault(exceptions),
                Exit::Unimplemented(what) => return Stopped::Unimplemented(what),
                Exit::Exception(_)
                | Exit::SoftwareInterrupt { .. }
                | Exit::Instruction { .. }
                | Exit::ExternalInterrupt
                | Exit::NonMaskableInterrupt => {
                    unreachable!("nothing is intercepted on bare metal")
                }
            }
        }
    }

    /// The CPU is halted: time skips ahead to the next event of a device, but not beyond `end`.
    fn sleep(&mut self, end: u64) -> Option<Stopped> {
        if !self.cpu.interrupts_enabled() {
            return Some(Stopped::HaltedForever);
        }
        let event = self.board.next_event();
        if event == u64::MAX {
            return Some(Stopped::Idle);
        }
        let slept = event.min(end).saturating_sub(self.cpu.cycles);
        self.cpu.cycles += slept;
        self.idle += slept;
        None
    }
}
