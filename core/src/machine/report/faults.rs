//! Exceptions in words.

use paravane_cpu::{Cpu, Exception, Vector, page_fault_code, selector_code};

/// An exception and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub exception: Exception,
    /// What its error code says, in words.
    pub explanation: String,
}

/// The exceptions of a triple fault.
pub fn explain(cpu: &Cpu, exceptions: [Exception; 3]) -> Vec<Fault> {
    // The address of the last page fault is known; CR2 has that of the last one whose handler
    // was looked for, which is the first of the chain.
    let last_page_fault =
        exceptions.iter().rposition(|exception| exception.vector == Vector::PageFault);
    let fault = |(index, exception): (usize, &Exception)| {
        let address =
            if Some(index) == last_page_fault { cpu.fault_address } else { cpu.control.cr2 };
        Fault { exception: *exception, explanation: explain_one(*exception, address) }
    };
    exceptions.iter().enumerate().map(fault).collect()
}

/// What an exception means. `address` is that of a page fault.
pub fn explain_one(exception: Exception, address: u64) -> String {
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
            let text = explain_one(exception, 0x1000);
            assert!(text.ends_with(end), "{text:?} does not end with {end:?}");
        }
    }
}
