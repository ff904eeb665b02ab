//! What is to be said of a guest that went wrong: state, the way there, faults and stack.
//!
//! A [`Report`] is data that doesn't change with the machine; its `Display` is the text that
//! people read. Whatever state the guest is in, making one never fails: what can't be read is
//! absent.

mod faults;
mod history;
mod stack;
mod text;

pub use faults::Fault;
pub use history::{DeliveredEvent, Step};
pub use stack::{ReturnAddress, Stack};

use paravane_cpu::Activity;
use paravane_cpu::state::control::Control;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::mode::{CodeSize, Mode};
use paravane_cpu::state::registers::Registers;
use paravane_cpu::state::segments::Segments;

use super::Stopped;
use crate::disassembly::{Disassembler, Line, MAX_INSTRUCTION_LENGTH};
use crate::guest_image::GuestImage;
use crate::places::Place;
use crate::workbench::Workbench;

/// The state of a stopped guest, and how it came there.
#[derive(Clone, Debug)]
pub struct Report {
    /// Why it stopped.
    pub stopped: Stopped,
    /// Events that could not be delivered, the first one first: the way to a triple fault.
    pub faults: Vec<Fault>,
    /// The operating mode.
    pub mode: Mode,
    /// How the code at RIP is decoded.
    pub code_size: CodeSize,
    /// The privilege level.
    pub cpl: u8,
    /// Whether the CPU is halted; RIP is then behind the HLT.
    pub halted: bool,
    /// Guest time in cycles.
    pub cycles: u64,
    /// Instructions retired.
    pub instructions: u64,
    /// General registers and RIP.
    pub registers: Registers,
    /// RFLAGS.
    pub flags: Rflags,
    /// Segment and table registers.
    pub segments: Segments,
    /// Control registers and EFER.
    pub control: Control,
    /// Linear address of RIP.
    pub place: Place,
    /// The instruction there; `None` if no RAM is mapped there.
    pub instruction: Option<Line>,
    /// What the CPU did last, the oldest first.
    pub history: Vec<Step>,
    /// The last exceptions that the guest's handlers were given, the oldest first.
    pub exceptions: Vec<DeliveredEvent>,
    /// Who called whom, as far as the stack tells.
    pub stack: Stack,
}

impl Report {
    /// Gathers what there is to know of a stopped guest that was started from `image`. In a world
    /// with a hypervisor, the state is what the guest believes; the last instructions are those
    /// that the real CPU executed.
    pub fn of(workbench: &Workbench, image: &GuestImage, stopped: Stopped) -> Self {
        let guest = workbench.guest();
        let cpu = guest.cpu;
        let mut disassembler = Disassembler::new(image);
        let linear = cpu.instruction_address();
        let bytes = guest.peek(linear, MAX_INSTRUCTION_LENGTH);
        Self {
            stopped,
            faults: faults::chain(cpu, stopped),
            mode: cpu.mode(),
            code_size: cpu.code_size(),
            cpl: cpu.cpl,
            halted: cpu.activity == Activity::Halted,
            cycles: workbench.cycles(),
            instructions: workbench.instructions(),
            registers: cpu.registers.clone(),
            flags: cpu.flags.all(),
            segments: cpu.segments.clone(),
            control: cpu.control.clone(),
            place: Place::of(image, linear),
            instruction: disassembler.line(&bytes, linear, cpu.code_size()),
            history: history::last_steps(workbench, image, &mut disassembler),
            exceptions: history::last_exceptions(cpu, image),
            stack: Stack::of(guest, image),
        }
    }
}
