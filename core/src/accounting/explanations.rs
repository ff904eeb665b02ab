//! Why guests leave the CPU, and what the hypervisor then does, in plain sentences: for every
//! [`Cause`], every [`Primitive`](super::Primitive) and every operation of the processor. Nothing
//! here is computed; the matches are exhaustive, so that a new cause doesn't compile without a text.

mod exceptions;
mod operations;
mod primitives;

use paravane_cpu::Sensitive;

use super::causes::Cause;
use super::sensitivity::{self, Class};

pub use operations::operation;
pub use primitives::primitive;

/// What is to be said about a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it is.
    pub what: &'static str,
    /// Why it leaves the CPU.
    pub why: &'static str,
    /// What would avoid it.
    pub avoided_by: &'static str,
    /// Where to read on: a section of a manual, or a paper.
    pub read_on: &'static str,
}

/// Explains a cause.
pub const fn cause(cause: Cause) -> Explanation {
    match cause {
        Cause::Instruction(instruction) => instruction_cause(instruction),
        Cause::Exception(vector) => exceptions::exception(vector),
        Cause::SoftwareInterrupt => Explanation {
            what: "The guest executed INT n, INT3, INTO or INT1, mostly for a system call.",
            why: "The real interrupt descriptor table is the hypervisor's, which passes the \
                  interrupt on to the guest's own handler.",
            avoided_by: "Under 32-bit Xen a gate may lead from a program straight to the guest's \
                         kernel; otherwise SYSCALL, which is cheaper anyway.",
            read_on: "Intel SDM vol. 3, \"Interrupt and Exception Handling\"",
        },
        Cause::HiddenPageFault => Explanation {
            what: "The guest touched a page that its own tables map, but for which the shadow table \
                   had no entry yet. The guest never learns of it.",
            why: "The real page tables are the shadow ones, which are filled on demand: the fault \
                  is how the hypervisor learns that an entry is needed.",
            avoided_by: "Keeping shadow tables over changes of CR3; direct paging as under Xen, or \
                         nested page tables, which need no shadow.",
            read_on: "Adams & Agesen, ASPLOS 2006, on hidden and true page faults",
        },
        Cause::PageTableWrite => Explanation {
            what: "The guest wrote to one of its page tables.",
            why: "Page tables that have a shadow are write-protected, so that the shadow stays in \
                  step; the hypervisor performs the write and corrects the shadow.",
            avoided_by: "A hypercall that takes many changes at once (mmu_update, multicall), or \
                         nested page tables, which the guest may write as it likes.",
            read_on: "Barham et al., SOSP 2003, section 3.3.3, on page tables",
        },
        Cause::TracedWrite => Explanation {
            what: "The guest wrote to a page that the hypervisor watches, such as its descriptor \
                   table.",
            why: "The hypervisor keeps a copy with lowered privilege, and must see every change.",
            avoided_by: "A hypercall for the change, such as update_descriptor.",
            read_on: "Adams & Agesen, ASPLOS 2006, on tracing of primary structures",
        },
        Cause::DeviceMemory => Explanation {
            what: "The guest accessed an address where a device is, or nothing, but no memory.",
            why: "Such pages are not mapped; the hypervisor asks its model of the device.",
            avoided_by: "Paravirtual devices, which share memory with the guest.",
            read_on: "Intel SDM vol. 1, \"Memory-Mapped I/O\"",
        },
        Cause::ExternalInterrupt => Explanation {
            what: "A device asked for attention while the guest ran.",
            why: "Real interrupts are the hypervisor's. It decides whether a virtual one follows, \
                  and delivers it when the guest's interrupt flag allows it.",
            avoided_by: "Fewer interrupts: a lower timer rate, or a timer that ticks only when it \
                         is needed.",
            read_on: "Intel SDM vol. 3, \"Interrupt and Exception Handling\"",
        },
        Cause::UnsupportedMode => Explanation {
            what: "One instruction of a guest in real mode, or between two modes.",
            why: "There is no ring to lower in real mode: the hypervisor emulates every \
                  instruction until protected mode is there.",
            avoided_by: "Starting the guest in protected mode (PVH) or in 64-bit mode (Xen).",
            read_on: "Intel SDM vol. 3, \"8086 Emulation\"",
        },
        Cause::Hypercall { .. } => Explanation {
            what: "The guest's kernel called the hypervisor.",
            why: "On purpose: it is a trap, too, but nothing must be decoded or guessed, and one \
                  call can do the work of many exits.",
            avoided_by: "Putting several calls into one multicall; pages that guest and hypervisor \
                         share, for which no call is needed.",
            read_on: "Barham et al., SOSP 2003; Xen's public headers, xen.h",
        },
        Cause::BouncedSystemCall => Explanation {
            what: "A program of a paravirtual guest made a system call.",
            why: "In 64-bit mode kernel and programs both run in ring 3, and SYSCALL enters ring 0: \
                  the hypervisor changes the page tables and passes the call on.",
            avoided_by: "A 32-bit guest, whose kernel has ring 1 and a gate of its own; or hardware \
                         assistance, which gives the kernel its ring 0 back.",
            read_on: "Xen's public headers, arch-x86/xen-x86_64.h and callback.h",
        },
        Cause::EventUpcall => Explanation {
            what: "A virtual interrupt was delivered to a paravirtual guest.",
            why: "An event channel became pending while events were not masked; the kernel's \
                  callback is called.",
            avoided_by: "Fewer events: requests to devices in batches, and timers only when needed.",
            read_on: "Xen's public headers, event_channel.h and vcpu_info in xen.h",
        },
    }
}

const fn instruction_cause(instruction: Sensitive) -> Explanation {
    let row = sensitivity::of(instruction);
    let (why, avoided_by, read_on) = match row.class {
        Class::Privileged => (
            "It is privileged: outside ring 0 it raises an exception, and the real table of \
             handlers is the hypervisor's.",
            OTHER_WAYS,
            "Intel SDM vol. 3, \"Privileged Instructions\"; Popek & Goldberg, CACM 1974",
        ),
        Class::Silent => (
            "It is sensitive, but an x86 of 1998 doesn't trap it. The ideal CPU of this world does.",
            OTHER_WAYS,
            "Robin & Irvine, USENIX Security 2000; Popek & Goldberg, CACM 1974",
        ),
        Class::Doorway => (
            "The tables and registers that say where it goes are the hypervisor's.",
            "Hardware assistance: with VT-x it goes straight to the guest's kernel.",
            "Intel SDM vol. 2, the instruction's page",
        ),
        Class::Innocuous => (
            "The hypervisor asks for it, to show the guest its own virtual processor; it could let \
             it run.",
            "Not intercepting it.",
            "Intel SDM vol. 2, the instruction's page",
        ),
    };
    Explanation { what: row.text, why, avoided_by, read_on }
}

/// The three ways out that the history of virtualization took.
const OTHER_WAYS: &str = "A ported kernel, which does something else in its place; a binary \
                          translator, which rewrites it; or hardware assistance, which gives the \
                          guest a second copy of the state that it touches.";
