//! The paravirtual world: a guest that knows its hypervisor, and calls it.
//!
//! A hypercall ABI (a *personality*) decides what such calls mean. It implements
//! [`ParavirtAbi`] and keeps its own state; it sees the machine only as [`Services`]: the virtual
//! processor, the guest's frames, time, console. [`ParavirtualMachine`] is the loop around both:
//! run the guest in ring 3 on the unchanged CPU until something leaves, ask the personality,
//! charge the ledger, resume.

mod ended;
mod host_services;
mod machine;
mod own_devices;
mod services;

use std::fmt;

use paravane_cpu::Exit;
use thiserror::Error;

use crate::accounting::Cause;
use crate::guest_image::{GuestImage, LoadOptions};
use crate::inspection::Inspection;

pub use ended::Ended;
pub use machine::ParavirtualMachine;
pub use services::{GuestFault, Services};

/// One hypercall ABI.
pub trait ParavirtAbi {
    /// Its name, as the ledger shows it.
    fn name(&self) -> &'static str;

    /// Machine frames that it needs beside the guest's own, for a machine that has `frames`.
    fn frames_needed(&self, frames: u64) -> u64;

    /// Puts the guest into its memory and the virtual processor at the guest's first instruction.
    /// `frames` are the machine frames that are the guest's.
    ///
    /// # Errors
    /// The image can't be started by this ABI, or does not fit.
    fn build_domain(
        &mut self,
        image: &GuestImage,
        options: &LoadOptions,
        frames: &[u64],
        services: &mut dyn Services,
    ) -> Result<(), BuildError>;

    /// Whether it wants to handle this exit.
    fn claims(&self, exit: &Exit) -> bool;

    /// Handles an exit that it claims.
    fn handle(&mut self, exit: Exit, services: &mut dyn Services) -> Handled;

    /// Called each time before the guest is entered after an exit, a sleep or a timer: delivers
    /// one event if there is one and the guest accepts it. The loop calls again until there is
    /// none.
    fn before_entry(&mut self, services: &mut dyn Services) -> Option<Handled>;

    /// Whether the guest waits for an event.
    fn is_waiting(&self) -> bool;

    /// The cycle at which [`ParavirtAbi::timer`] must be called; `u64::MAX` for never.
    fn next_timer(&self) -> u64;

    /// Timers that are due fire.
    fn timer(&mut self, services: &mut dyn Services);

    /// The console has input.
    fn console_input(&mut self, services: &mut dyn Services);

    /// Whether the guest's kernel is executing, as opposed to one of its programs.
    fn in_kernel(&self) -> bool;

    /// What a hypercall is: for explanations.
    fn describe_call(&self, number: u32) -> Option<CallDescription>;

    /// Its state, for panels.
    fn inspect(&self) -> Inspection;

    /// Checks its own books, for tests.
    ///
    /// # Errors
    /// What is wrong: a bug of the personality.
    fn verify(&self, services: &dyn Services) -> Result<(), String>;

    /// A copy, as a machine's keyframe needs it.
    fn clone_box(&self) -> Box<dyn ParavirtAbi>;
}

/// What became of an exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// How the ledger files it.
    pub cause: Cause,
    /// What happens now.
    pub next: Next,
}

impl Handled {
    /// The guest goes on.
    pub const fn resume(cause: Cause) -> Self {
        Self { cause, next: Next::Resume }
    }
}

/// What happens after an exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The guest goes on.
    Resume,
    /// It has come to an end.
    Stop(Stop),
}

/// How a paravirtual guest comes to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It turned itself off.
    PowerOff,
    /// It asked to be started again.
    Reboot,
    /// It suspended itself, and nobody can resume it.
    Suspend,
    /// It says that it has crashed.
    Crash,
    /// It asks to be restarted by a watchdog, or gives a reason that this ABI doesn't know.
    Other(u32),
    /// The hypervisor had to end it: why.
    Crashed(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff => f.write_str("the guest turned itself off"),
            Self::Reboot => f.write_str("the guest asked for a reboot"),
            Self::Suspend => f.write_str("the guest suspended itself"),
            Self::Crash => f.write_str("the guest reported that it has crashed"),
            Self::Other(reason) => write!(f, "the guest shut down with reason {reason}"),
            Self::Crashed(why) => write!(f, "the guest was ended: {why}"),
        }
    }
}

/// A hypercall in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallDescription {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// The names of its arguments, in order.
    pub arguments: &'static [&'static str],
    /// What it does: a sentence or two.
    pub meaning: &'static str,
}

/// Why a guest can't be started in a paravirtual world.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// The image lacks what the ABI needs.
    #[error("{name}: can't start as a paravirtual guest: {missing}")]
    Missing {
        /// The image's name.
        name: String,
        /// What is absent, and the remedy.
        missing: String,
    },
    /// Something does not fit into the guest's memory.
    #[error("{name}: {what} does not fit into the guest's memory: give it more")]
    NoRoom {
        /// The image's name.
        name: String,
        /// What has no place.
        what: &'static str,
    },
    /// An address in the image makes no sense.
    #[error("{name}: {what} is {address:#x}, which is outside the image's initial mapping")]
    Address {
        /// The image's name.
        name: String,
        /// Which address.
        what: &'static str,
        /// Its value.
        address: u64,
    },
}
