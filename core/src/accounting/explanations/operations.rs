//! What takes the processor itself more than a cycle.

use paravane_cpu::timing::Operation;

/// What an operation is, and when it is charged, in one or two sentences.
pub const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::PageWalkReference => {
            "The processor reads one entry of the page tables after a miss in the TLB. A walk takes \
             up to four in 64-bit mode."
        }
        Operation::TlbFlush => {
            "All, or all non-global, translations are dropped: the guest loaded CR3, or changed how \
             paging works. The misses that follow cost their own walks."
        }
        Operation::PageInvalidation => "INVLPG drops the translation of one page.",
        Operation::Exception => {
            "The processor delivers an exception: it reads the interrupt descriptor table and \
             writes a frame on the stack."
        }
        Operation::Interrupt => {
            "The processor delivers an external interrupt or NMI, as it delivers an exception."
        }
        Operation::SoftwareInterrupt => {
            "The processor delivers INT n, INT3, INTO or INT1, which old kernels use for system \
             calls."
        }
        Operation::InterruptReturn => "IRET returns from a handler.",
        Operation::FastCall => {
            "SYSCALL or SYSENTER enters the kernel. They read no tables: all is in registers."
        }
        Operation::FastReturn => "SYSRET or SYSEXIT returns from a system call.",
        Operation::FarTransfer => "A jump, call or return to another segment.",
        Operation::SegmentLoad => {
            "A segment register is loaded: the processor reads and checks a descriptor."
        }
        Operation::ControlWrite => "MOV to a control or debug register, LMSW or CLTS.",
        Operation::ModelSpecificAccess => "RDMSR or WRMSR.",
        Operation::Cpuid => "CPUID, which also waits until all before it is done.",
        Operation::TimeStampRead => "RDTSC or RDTSCP.",
        Operation::PortAccess => {
            "One access to an I/O port. Devices behind an old bus take about a microsecond to \
             answer."
        }
    }
}
