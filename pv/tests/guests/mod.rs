//! The sample guests in the paravirtual world, for tests.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use paravane_core::accounting::Costs;
use paravane_core::guest_image::{GuestImage, LoadOptions};
use paravane_core::hypervisor::paravirt::{Ended, ParavirtualMachine};
use paravane_pv::Xen;
use paravane_sample_guests::{GUESTS, SampleGuest};
use serde::Deserialize;

/// What a test needs of a `guest.toml`.
#[derive(Deserialize)]
pub struct Manifest {
    /// Worlds where the guest runs.
    pub worlds: Vec<String>,
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

/// The guests that run in this world.
pub fn guests() -> impl Iterator<Item = &'static SampleGuest> {
    GUESTS.iter().filter(|guest| manifest(guest).worlds.iter().any(|world| world == "pv"))
}

/// More cycles than any sample guest needs.
const LIMIT: u64 = 200_000_000_000;

/// A machine with the guest loaded.
pub fn load(guest: &SampleGuest, costs: Costs) -> ParavirtualMachine {
    let manifest = manifest(guest);
    let image = GuestImage::parse(guest.elf, guest.name).unwrap();
    let options = LoadOptions { command_line: manifest.append, ..LoadOptions::default() };
    let memory = manifest.memory_mib << 20;
    ParavirtualMachine::new(Box::new(Xen::default()), &image, &options, memory, costs).unwrap()
}

/// Types `input` and runs the machine to its end in slices of `slice` cycles. Returns the console
/// text and why it ended. Input is offered every million cycles, whatever the slices.
pub fn run(machine: &mut ParavirtualMachine, input: &str, slice: u64) -> (String, Ended) {
    const ROUND: u64 = 1_000_000;
    let mut console = Vec::new();
    let mut typed = 0;
    for round in 1..LIMIT / ROUND {
        typed += machine.host.board.console_input(&input.as_bytes()[typed..]);
        while machine.host.cpu.cycles < round * ROUND {
            let left = round * ROUND - machine.host.cpu.cycles;
            let ended = machine.run(slice.min(left));
            console.extend(machine.host.board.take_console_output());
            let over = match ended {
                Ended::Idle => typed == input.len(),
                ref other => other.is_final(),
            };
            if over {
                return (String::from_utf8_lossy(&console).into_owned(), ended);
            }
            if ended == Ended::Idle {
                break;
            }
        }
    }
    (String::from_utf8_lossy(&console).into_owned(), Ended::Budget)
}
