//! The sample guests for tests: manifests, and runs on our machine.

#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "shared by several tests")]

use paravane_core::board::Board;
use paravane_core::guest_image::{GuestImage, LoadOptions};
use paravane_core::hypervisor::VirtualMachine;
use paravane_core::machine::{Machine, Stopped};
use paravane_sample_guests::SampleGuest;
use serde::Deserialize;

/// What a test needs of a `guest.toml`.
#[derive(Deserialize)]
pub struct Manifest {
    /// Worlds where the guest runs.
    pub worlds: Vec<String>,
    /// Worlds where it runs and prints something else.
    #[serde(default)]
    pub differs_in: Vec<String>,
    /// RAM in MiB.
    pub memory_mib: u64,
    /// The command line.
    pub append: String,
    /// What is typed on the console.
    #[serde(default)]
    pub input: String,
    /// The exit value to expect.
    pub exit_code: u32,
}

/// The manifest of a sample guest.
pub fn manifest(guest: &SampleGuest) -> Manifest {
    toml::from_str(guest.manifest).unwrap_or_else(|error| panic!("{}: {error}", guest.name))
}

/// More cycles than any sample guest needs.
const LIMIT: u64 = 20_000_000_000;

/// A machine with the guest loaded.
pub fn load(guest: &SampleGuest) -> Machine {
    let manifest = manifest(guest);
    let image = GuestImage::parse(guest.elf, guest.name).unwrap();
    let mut machine = Machine::new(manifest.memory_mib << 20);
    let options = LoadOptions { command_line: manifest.append, ..LoadOptions::default() };
    machine.load(&image, &options).unwrap();
    machine
}

/// A machine of any world, for [`run`].
pub trait Runs {
    /// Runs for at most `budget` cycles.
    fn run(&mut self, budget: u64) -> Stopped;
    /// Guest time.
    fn cycles(&self) -> u64;
    /// The devices.
    fn board(&mut self) -> &mut Board;
}

impl Runs for Machine {
    fn run(&mut self, budget: u64) -> Stopped {
        Self::run(self, budget)
    }

    fn cycles(&self) -> u64 {
        self.cpu.cycles
    }

    fn board(&mut self) -> &mut Board {
        &mut self.board
    }
}

impl Runs for VirtualMachine {
    fn run(&mut self, budget: u64) -> Stopped {
        Self::run(self, budget)
    }

    fn cycles(&self) -> u64 {
        self.host.cpu.cycles
    }

    fn board(&mut self) -> &mut Board {
        &mut self.host.board
    }
}

/// Types `input` and runs the machine to its end in slices of `slice` cycles. Returns the console
/// text and why it ended.
///
/// Input is offered every million cycles, whatever the slices, so that it arrives at the same
/// cycles.
pub fn run(machine: &mut impl Runs, input: &str, slice: u64) -> (String, Stopped) {
    const ROUND: u64 = 1_000_000;
    let mut console = Vec::new();
    let mut typed = 0;
    for round in 1..LIMIT / ROUND {
        typed += machine.board().console_input(&input.as_bytes()[typed..]);
        while machine.cycles() < round * ROUND {
            let left = round * ROUND - machine.cycles();
            let stopped = machine.run(slice.min(left));
            console.extend(machine.board().take_console_output());
            let ended = match stopped {
                Stopped::Idle => typed == input.len(),
                other => other.is_final(),
            };
            if ended {
                return (String::from_utf8(console).unwrap(), stopped);
            }
            if stopped == Stopped::Idle {
                break;
            }
        }
    }
    (String::from_utf8_lossy(&console).into_owned(), Stopped::Budget)
}
