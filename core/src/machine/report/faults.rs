//! Exceptions in words.

use paravane_cpu::{
    Cpu, DeliveryKind, Exception, FailedDelivery, Vector, page_fault_code, selector_code,
};

use super::super::Stopped;

/// An event that the CPU could not give to the guest's handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the CPU noted.
    pub failed: FailedDelivery,
    /// The event, by its mnemonic or number.
    pub name: String,
    /// What it was, in words.
    pub explanation: String,
    /// What its delivery raised, in words.
    pub obstacle: String,
}

/// The events that could not be delivered: of a triple fault those that led to it, else the last
/// ones that there were.
pub fn chain(cpu: &Cpu, stopped: Stopped) -> Vec<Fault> {
    let is_part = |failed: &FailedDelivery| match stopped {
        // No time passes between them.
        Stopped::TripleFault(_) => failed.cycles == cpu.cycles,
        _ => true,
    };
    cpu.failed_deliveries.iter().filter(is_part).map(Fault::of).collect()
}

impl Fault {
    fn of(failed: FailedDelivery) -> Self {
        let FailedDelivery { vector, kind, error_code, cr2, raised, raised_address, .. } = failed;
        Self {
            failed,
            name: event_name(vector, kind, error_code),
            explanation: explain_event(vector, kind, error_code, cr2),
            obstacle: explain(raised, raised_address),
        }
    }
}

/// A short name of an event: the manual's mnemonic with the error code, or the number of the
/// interrupt.
pub fn event_name(vector: u8, kind: DeliveryKind, error_code: Option<u16>) -> String {
    match (kind, Vector::from_number(vector)) {
        (DeliveryKind::Software, _) => format!("int {vector:#x}"),
        (DeliveryKind::External, Some(Vector::NonMaskableInterrupt)) => "NMI".into(),
        (DeliveryKind::Exception, Some(vector)) => Exception { vector, error_code }.to_string(),
        _ => format!("interrupt {vector:#x}"),
    }
}

/// What an event was. `address` is that of a page fault.
pub fn explain_event(
    vector: u8,
    kind: DeliveryKind,
    error_code: Option<u16>,
    address: u64,
) -> String {
    match (kind, Vector::from_number(vector)) {
        (DeliveryKind::Exception, Some(vector)) => {
            explain(Exception { vector, error_code }, address)
        }
        (DeliveryKind::Software, _) => "software interrupt".into(),
        _ => "interrupt from outside".into(),
    }
}

/// What an exception means. `address` is that of a page fault.
pub fn explain(exception: Exception, address: u64) -> String {
    let code = exception.error_code;
    match (exception.vector, code) {
        (Vector::PageFault, Some(code)) => explain_page_fault(code, address),
        (
            Vector::InvalidTss
            | Vector::SegmentNotPresent
            | Vector::StackFault
            | Vector::GeneralProtection,
            Some(code),
        ) => {
            format!("{}{}", name(exception.vector), explain_selector(code))
        }
        (vector, _) => name(vector).into(),
    }
}

fn explain_page_fault(code: u16, address: u64) -> String {
    let has = |bit| code & bit != 0;
    let access = match (has(page_fault_code::FETCH), has(page_fault_code::WRITE)) {
        (true, _) => "instruction fetch from",
        (_, true) => "write to",
        _ => "read of",
    };
    let reason = match (has(page_fault_code::RESERVED), has(page_fault_code::PRESENT)) {
        (true, _) => "whose page-table entry has a reserved bit set",
        (_, true) => "whose page does not allow it",
        _ => "which is not mapped",
    };
    let ring = if has(page_fault_code::USER) { "in ring 3" } else { "by the supervisor" };
    format!("page fault: {access} {address:#x} {ring}, {reason}")
}

fn explain_selector(code: u16) -> String {
    let during =
        if code & selector_code::EXTERNAL != 0 { " while an event was delivered" } else { "" };
    let index = code >> 3;
    match code & !selector_code::EXTERNAL {
        0 => during.into(),
        code if code & selector_code::IDT != 0 => {
            format!(": entry {index} of the interrupt descriptor table{during}")
        }
        code if code & 4 != 0 => format!(": selector {code:#x}, in the local table{during}"),
        code => format!(": selector {code:#x}{during}"),
    }
}

/// The manual's name of an exception.
fn name(vector: Vector) -> &'static str {
    match vector {
        Vector::DivideError => "divide error",
        Vector::Debug => "debug exception",
        Vector::NonMaskableInterrupt => "non-maskable interrupt",
        Vector::Breakpoint => "breakpoint",
        Vector::Overflow => "overflow",
        Vector::BoundRange => "bound range exceeded",
        Vector::InvalidOpcode => "invalid opcode",
        Vector::DeviceNotAvailable => "device not available (x87 or SIMD)",
        Vector::DoubleFault => "double fault",
        Vector::InvalidTss => "invalid TSS",
        Vector::SegmentNotPresent => "segment not present",
        Vector::StackFault => "stack fault",
        Vector::GeneralProtection => "general protection",
        Vector::PageFault => "page fault",
        Vector::FloatingPoint => "x87 floating-point error",
        Vector::AlignmentCheck => "alignment check",
        Vector::MachineCheck => "machine check",
        Vector::SimdFloatingPoint => "SIMD floating-point exception",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_told_in_words() {
        let cases = [
            (
                Exception::with_code(Vector::PageFault, 0x2),
                "write to 0x1000 by the supervisor, which is not mapped",
            ),
            (
                Exception::with_code(Vector::PageFault, 0x5),
                "read of 0x1000 in ring 3, whose page does not allow it",
            ),
            (
                Exception::with_code(Vector::PageFault, 0x15),
                "instruction fetch from 0x1000 in ring 3, whose page does not allow it",
            ),
            (
                Exception::with_code(Vector::PageFault, 0x9),
                "read of 0x1000 by the supervisor, whose page-table entry has a reserved bit set",
            ),
            (
                Exception::general_protection(0x6b),
                "entry 13 of the interrupt descriptor table while an event was delivered",
            ),
            (Exception::general_protection(0x18), "selector 0x18"),
            (Exception::general_protection(0x1c), "selector 0x1c, in the local table"),
            (Exception::GENERAL_PROTECTION, "general protection"),
            (Exception::INVALID_OPCODE, "invalid opcode"),
        ];
        for (exception, end) in cases {
            let text = explain(exception, 0x1000);
            assert!(text.ends_with(end), "{text:?} does not end with {end:?}");
        }
    }
}
