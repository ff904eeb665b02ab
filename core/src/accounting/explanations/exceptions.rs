//! Exceptions that belong to the guest.

use paravane_cpu::Vector;

use super::Explanation;

const WHY: &str = "Every exception enters the hypervisor, whose table of handlers is the real one. \
                   This one was the guest's own, and was given to the guest's handler.";
const UNAVOIDABLE: &str = "Nothing, without hardware assistance; with VT-x such exceptions go \
                           straight to the guest.";
const RARE: &str = "It is rare; nothing needs to avoid it.";
const READ_ON: &str = "Intel SDM vol. 3, \"Exception and Interrupt Reference\"";

/// Explains an exception that was given to the guest.
pub(super) const fn exception(vector: Vector) -> Explanation {
    let (what, avoided_by) = match vector {
        Vector::DivideError => ("A division by zero, or with a quotient too large.", UNAVOIDABLE),
        Vector::Debug => ("A breakpoint of the debug registers, or a single step.", UNAVOIDABLE),
        Vector::NonMaskableInterrupt => ("An interrupt that CLI can't hold back.", RARE),
        Vector::Breakpoint => ("INT3, a debugger's breakpoint.", UNAVOIDABLE),
        Vector::Overflow => ("INTO after an overflow.", UNAVOIDABLE),
        Vector::BoundRange => ("BOUND with an index out of range.", UNAVOIDABLE),
        Vector::InvalidOpcode => (
            "An instruction that doesn't exist, or not in this mode.",
            "A guest that asks CPUID before it uses what may not be there.",
        ),
        Vector::DeviceNotAvailable => (
            "The first floating-point instruction of a task after a change of tasks: the kernel \
             now exchanges the floating-point registers.",
            "Exchanging the registers at every change of tasks, as kernels do since about 2015.",
        ),
        Vector::DoubleFault => ("An exception in the delivery of another one.", RARE),
        Vector::InvalidTss => ("A task-state segment, or a stack in it, that can't be used.", RARE),
        Vector::SegmentNotPresent => ("A segment whose descriptor says that it isn't there.", RARE),
        Vector::StackFault => ("An access beyond the stack segment, or not canonical.", RARE),
        Vector::GeneralProtection => (
            "A violation of protection that has no exception of its own; a privileged instruction \
             of a program is one.",
            UNAVOIDABLE,
        ),
        Vector::PageFault => (
            "A page fault that the guest's own tables call for: a page not present, or not to be \
             used so. The guest's kernel handles it as on bare metal.",
            "Nested page tables, under which such faults don't leave the guest; otherwise a kernel \
             that maps several pages at once.",
        ),
        Vector::FloatingPoint => {
            ("An error of a floating-point instruction of the x87.", UNAVOIDABLE)
        }
        Vector::AlignmentCheck => ("An access that isn't aligned, in a program that asked.", RARE),
        Vector::MachineCheck => ("An error of the hardware itself.", RARE),
        Vector::SimdFloatingPoint => {
            ("An error of a floating-point instruction of SSE.", UNAVOIDABLE)
        }
    };
    Explanation { what, why: WHY, avoided_by, read_on: READ_ON }
}
