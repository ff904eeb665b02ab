//! What the CPU did last: instructions, and between them the events that it delivered.

use paravane_cpu::{BlockStart, Cpu, Delivery, DeliveryKind, Exception, PAGE_SIZE, Vector};

use super::faults;
use crate::disassembly::{Disassembler, Line, MAX_INSTRUCTION_LENGTH};
use crate::guest_image::GuestImage;
use crate::places::Place;

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
        /// How often the block that begins here had run directly before.
        repeats: u32,
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
        Self {
            delivery,
            from: Place::of(image, delivery.from),
            to: Place::of(image, delivery.to),
            explanation: explain(delivery),
        }
    }

    /// A short name: the manual's mnemonic with the error code, or the number of the interrupt.
    pub fn name(&self) -> String {
        let Delivery { vector, kind, error_code, .. } = self.delivery;
        match (kind, Vector::from_number(vector)) {
            (DeliveryKind::Software, _) => format!("int {vector:#x}"),
            (DeliveryKind::External, Some(Vector::NonMaskableInterrupt)) => "NMI".into(),
            (DeliveryKind::Exception, Some(vector)) => Exception { vector, error_code }.to_string(),
            _ => format!("interrupt {vector:#x}"),
        }
    }
}

fn explain(delivery: Delivery) -> String {
    let Delivery { vector, kind, error_code, cr2, .. } = delivery;
    match (kind, Vector::from_number(vector)) {
        (DeliveryKind::Exception, Some(vector)) => {
            faults::explain_one(Exception { vector, error_code }, cr2)
        }
        (DeliveryKind::Software, _) => "software interrupt".into(),
        _ => "interrupt from outside".into(),
    }
}

/// The last exceptions that handlers were given, the oldest first.
pub fn last_exceptions(cpu: &Cpu, image: &GuestImage) -> Vec<DeliveredEvent> {
    let exceptions = cpu.deliveries.iter().filter(|d| d.kind == DeliveryKind::Exception);
    exceptions.map(|delivery| DeliveredEvent::of(delivery, image)).collect()
}

/// The last steps, the oldest first.
pub fn last_steps(cpu: &Cpu, image: &GuestImage, disassembler: &mut Disassembler<'_>) -> Vec<Step> {
    let blocks: Vec<_> = cpu.recent.iter().collect();
    let oldest = blocks.first().map_or(cpu.instructions, |block| block.instructions);
    let mut deliveries =
        cpu.deliveries.iter().filter(|delivery| delivery.instructions > oldest).peekable();
    let mut steps = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let next = blocks.get(index + 1).map_or(cpu.instructions, |next| next.instructions);
        let retired = next.saturating_sub(block.instructions).min(BLOCK_INSTRUCTIONS);
        for (number, line) in (block.instructions..).zip(lines(cpu, block, retired, disassembler)) {
            while let Some(delivery) = deliveries.next_if(|d| d.instructions <= number) {
                steps.push(Step::Delivery(DeliveredEvent::of(delivery, image)));
            }
            let repeats = if number == block.instructions { block.repeats } else { 0 };
            let place = Place::of(image, line.address);
            steps.push(Step::Instruction { place, cpl: block.cpl, line, repeats });
        }
    }
    steps.extend(deliveries.map(|delivery| Step::Delivery(DeliveredEvent::of(delivery, image))));
    steps.split_off(steps.len().saturating_sub(STEPS))
}

/// The first `count` instructions of a block.
fn lines(
    cpu: &Cpu,
    block: &BlockStart,
    count: u64,
    disassembler: &mut Disassembler<'_>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut inside = 0;
    while (lines.len() as u64) < count {
        let address = block.linear.wrapping_add(inside);
        let bytes = instruction_bytes(cpu, address, block.physical.saturating_add(inside));
        let Some(line) = disassembler.line(&bytes, address, block.code_size) else { break };
        inside += line.bytes.len() as u64;
        lines.push(line);
    }
    lines
}

/// From the place in RAM, which is right even if the mapping is gone; beyond the end of the page
/// from wherever that is mapped now.
fn instruction_bytes(cpu: &Cpu, linear: u64, physical: u64) -> Vec<u8> {
    let in_page = (PAGE_SIZE - physical % PAGE_SIZE).min(MAX_INSTRUCTION_LENGTH as u64);
    let mut bytes = cpu.ram.slice(physical, in_page).unwrap_or_default().to_vec();
    let missing = MAX_INSTRUCTION_LENGTH - bytes.len();
    bytes.extend(cpu.peek(linear.wrapping_add(bytes.len() as u64), missing));
    bytes
}
