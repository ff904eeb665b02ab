//! What the CPU did last: instructions, and between them the events that it delivered.

use paravane_cpu::{BlockStart, Cpu, Delivery, DeliveryKind, PAGE_SIZE};

use super::faults;
use crate::disassembly::{Disassembler, Line, MAX_INSTRUCTION_LENGTH};
use crate::guest_image::GuestImage;
use crate::places::Place;
use crate::workbench::{GuestView, Workbench};

/// Most steps that a report has.
const STEPS: usize = 40;
/// Most instructions that one block can have.
const BLOCK_INSTRUCTIONS: u64 = 64;

/// One step of the CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It retired an instruction.
    Instruction {
        /// Where it is.
        place: Place,
        /// The privilege level.
        cpl: u8,
        /// The instruction, as it is in memory now.
        line: Line,
        /// If a run of instructions begins here: how often it was executed in a row. Else 0.
        times: u64,
    },
    /// It gave an event to the guest's handler.
    Delivery(DeliveredEvent),
}

/// An event that was given to the guest's handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredEvent {
    /// What the CPU noted.
    pub delivery: Delivery,
    /// Where it hit.
    pub from: Place,
    /// Where its handler begins.
    pub to: Place,
    /// What it was, in words.
    pub explanation: String,
}

impl DeliveredEvent {
    /// Explains what the CPU noted.
    pub fn of(delivery: Delivery, image: &GuestImage) -> Self {
        let Delivery { vector, kind, error_code, cr2, .. } = delivery;
        Self {
            delivery,
            from: Place::of(image, delivery.from),
            to: Place::of(image, delivery.to),
            explanation: faults::explain_event(vector, kind, error_code, cr2),
        }
    }

    /// A short name: the manual's mnemonic with the error code, or the number of the interrupt.
    pub fn name(&self) -> String {
        let Delivery { vector, kind, error_code, .. } = self.delivery;
        faults::event_name(vector, kind, error_code)
    }
}

/// The last exceptions that handlers were given, the oldest first.
pub fn last_exceptions(cpu: &Cpu, image: &GuestImage) -> Vec<DeliveredEvent> {
    let exceptions = cpu.deliveries.iter().filter(|d| d.kind == DeliveryKind::Exception);
    exceptions.map(|delivery| DeliveredEvent::of(delivery, image)).collect()
}

/// A run of instructions without a branch in it, and how often it was executed in a row.
struct Run {
    start: BlockStart,
    retired: u64,
    times: u64,
}

/// The last runs, the oldest first. The CPU notes one start for each; an instruction that had to
/// begin again, because the board or a handler came between, has none retired in the first.
fn last_runs(cpu: &Cpu) -> Vec<Run> {
    let starts: Vec<_> = cpu.recent.iter().collect();
    let mut runs = Vec::<Run>::new();
    for (index, &start) in starts.iter().enumerate() {
        let next = starts.get(index + 1).map_or(cpu.instructions, |next| next.instructions);
        let retired = next.saturating_sub(start.instructions).min(BLOCK_INSTRUCTIONS);
        match runs.last_mut() {
            _ if retired == 0 => {}
            Some(last)
                if (last.start.physical, last.start.linear, last.retired)
                    == (start.physical, start.linear, retired) =>
            {
                *last = Run { start, retired, times: last.times + 1 };
            }
            _ => runs.push(Run { start, retired, times: 1 }),
        }
    }
    runs
}

/// The last steps, the oldest first.
pub fn last_steps(
    workbench: &Workbench,
    image: &GuestImage,
    disassembler: &mut Disassembler<'_>,
) -> Vec<Step> {
    let (cpu, guest) = (workbench.real_cpu(), workbench.guest());
    let runs = last_runs(cpu);
    let oldest = runs.first().map_or(cpu.instructions, |run| run.start.instructions);
    let mut deliveries =
        cpu.deliveries.iter().filter(|delivery| delivery.instructions > oldest).peekable();
    let mut steps = Vec::new();
    for Run { start, retired, times } in runs {
        let lines = lines(guest, &start, retired, disassembler);
        for (number, line) in (start.instructions..).zip(lines) {
            while let Some(delivery) = deliveries.next_if(|d| d.instructions <= number) {
                steps.push(Step::Delivery(DeliveredEvent::of(delivery, image)));
            }
            let times = if number == start.instructions { times } else { 0 };
            let place = Place::of(image, line.address);
            steps.push(Step::Instruction { place, cpl: start.cpl, line, times });
        }
    }
    steps.extend(deliveries.map(|delivery| Step::Delivery(DeliveredEvent::of(delivery, image))));
    steps.split_off(steps.len().saturating_sub(STEPS))
}

/// The first `count` instructions of a block.
fn lines(
    guest: GuestView<'_>,
    block: &BlockStart,
    count: u64,
    disassembler: &mut Disassembler<'_>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut inside = 0;
    while (lines.len() as u64) < count {
        let address = block.linear.wrapping_add(inside);
        let bytes = instruction_bytes(guest, address, block.physical.saturating_add(inside));
        let Some(line) = disassembler.line(&bytes, address, block.code_size) else { break };
        inside += line.bytes.len() as u64;
        lines.push(line);
    }
    lines
}

/// From the place in RAM, which is right even if the mapping is gone; beyond the end of the page
/// from wherever that is mapped now.
fn instruction_bytes(guest: GuestView<'_>, linear: u64, physical: u64) -> Vec<u8> {
    let in_page = (PAGE_SIZE - physical % PAGE_SIZE).min(MAX_INSTRUCTION_LENGTH as u64);
    let mut bytes = guest.ram.slice(physical, in_page).unwrap_or_default().to_vec();
    let missing = MAX_INSTRUCTION_LENGTH - bytes.len();
    bytes.extend(guest.peek(linear.wrapping_add(bytes.len() as u64), missing));
    bytes
}
