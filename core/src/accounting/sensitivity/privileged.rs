//! Instructions that trap outside ring 0. (Intel SDM vol. 3, "Privileged Instructions"; for IN,
//! OUT, CLI and STI vol. 1, "I/O Privilege Level".)

use paravane_cpu::{Sensitive, Vector};

use super::row::InWorld::{Faults, Replaced};
use super::row::Kind::{BehaviourByMode, BehaviourByResource, Control};
use super::row::SensitiveInstruction as Row;

/// What the condition of CLI, STI, IN and OUT depends on.
const IO_PRIVILEGE: &str = "not if the ring is at most IOPL";
const IO_BITMAP: &str = "not if the ring is at most IOPL, or the I/O permission bitmap allows it";

pub(super) const RDPMC: Row = Row::privileged(
    Sensitive::Rdpmc,
    &[BehaviourByResource],
    Faults,
    "Reads a performance counter of the processor. The hypervisor answers for a processor that \
     has none.",
)
.on_condition("not if CR4.PCE is set");

pub(super) const HLT: Row = Row::privileged(
    Sensitive::Hlt,
    &[Control],
    Replaced("calls sched_op(block), which sleeps until an event comes"),
    "Stops the processor until an interrupt comes. A guest must stop only itself: the hypervisor \
     puts the virtual CPU to sleep and may run something else.",
);

pub(super) const INVLPG: Row = Row::privileged(
    Sensitive::Invlpg,
    &[Control],
    Replaced("calls mmuext_op(INVLPG_LOCAL), or asks for it in update_va_mapping"),
    "Drops the translation of one page. With shadow page tables the hypervisor brings the shadow \
     entry up to date as well, because the guest tells here that it changed its own.",
);

pub(super) const WBINVD: Row = Row::privileged(
    Sensitive::Wbinvd,
    &[Control],
    Replaced("calls mmuext_op(FLUSH_CACHE), if it drives a device at all"),
    "Writes back (WBINVD) or throws away (INVD) all caches: INVD of a guest would lose the \
     hypervisor's own data.",
);

pub(super) const READ_CONTROL: Row = Row::privileged(
    Sensitive::ReadControl,
    &[BehaviourByResource],
    Faults,
    "Reads CR0, CR2, CR3, CR4 or CR8. The real CR3 names the hypervisor's tables; the guest must \
     see the one that it wrote itself.",
);

pub(super) const WRITE_CONTROL: Row = Row::privileged(
    Sensitive::WriteControl,
    &[Control],
    Replaced("calls mmuext_op(NEW_BASEPTR) for CR3; Xen emulates the few bits of CR0 and CR4"),
    "Changes the address space (CR3), paging and protection (CR0, CR4) or the interrupt priority \
     (CR8). With shadow page tables every change of the address space is an exit: this is what \
     context switches cost.",
);

pub(super) const READ_DEBUG: Row = Row::privileged(
    Sensitive::ReadDebug,
    &[BehaviourByResource],
    Replaced("calls get_debugreg"),
    "Reads a breakpoint or the debug status.",
)
.on_condition("#DB first, if DR7.GD is set");

pub(super) const WRITE_DEBUG: Row = Row::privileged(
    Sensitive::WriteDebug,
    &[Control],
    Replaced("calls set_debugreg"),
    "Sets a breakpoint. One on an address of the hypervisor would stop the hypervisor.",
)
.on_condition("#DB first, if DR7.GD is set");

pub(super) const RDMSR: Row = Row::privileged(
    Sensitive::Rdmsr,
    &[BehaviourByResource],
    Faults,
    "Reads a model-specific register. Under Xen a ported kernel may still use it: it faults, and \
     Xen answers for the few that matter.",
);

pub(super) const WRMSR: Row = Row::privileged(
    Sensitive::Wrmsr,
    &[Control],
    Replaced("calls set_segment_base and callback_op for those that matter; Xen emulates others"),
    "Writes a model-specific register, such as the entry point of SYSCALL or the base of GS.",
);

pub(super) const CLTS: Row = Row::privileged(
    Sensitive::Clts,
    &[Control],
    Replaced("calls fpu_taskswitch(0)"),
    "Clears CR0.TS: the floating-point registers belong to the current task again.",
);

pub(super) const LMSW: Row = Row::privileged(
    Sensitive::Lmsw,
    &[Control],
    Faults,
    "Loads the lower bits of CR0, as on the 286. Its counterpart SMSW is not privileged.",
);

pub(super) const LGDT: Row = Row::privileged(
    Sensitive::Lgdt,
    &[Control],
    Replaced("calls set_gdt with the frames of its table"),
    "Says where the global descriptor table is. The hypervisor keeps the real one and copies the \
     guest's descriptors into it, with their privilege lowered.",
);

pub(super) const LIDT: Row = Row::privileged(
    Sensitive::Lidt,
    &[Control],
    Replaced("calls set_trap_table with its handlers"),
    "Says where the interrupt descriptor table is. The real one is the hypervisor's: that every \
     exception goes there is the foundation of all the rest.",
);

pub(super) const LLDT: Row = Row::privileged(
    Sensitive::Lldt,
    &[Control],
    Replaced("calls mmuext_op(SET_LDT)"),
    "Loads the local descriptor table.",
);

pub(super) const LTR: Row = Row::privileged(
    Sensitive::Ltr,
    &[Control],
    Replaced("calls stack_switch: the kernel's stack is all that the task state is needed for"),
    "Loads the task register. The task-state segment says which stack an exception switches to: \
     the real one must name the hypervisor's.",
);

pub(super) const CLI: Row = Row::privileged(
    Sensitive::Cli,
    &[Control],
    Replaced("sets a byte in a page that it shares with Xen: no exit at all"),
    "Disables interrupts. The hypervisor clears a virtual interrupt flag; the real one stays set, \
     or a guest could keep the processor for itself.",
)
.on_condition(IO_PRIVILEGE);

pub(super) const STI: Row = Row::privileged(
    Sensitive::Sti,
    &[Control],
    Replaced("clears a byte in a page that it shares with Xen, and calls only if an event waits"),
    "Enables interrupts. The hypervisor sets the virtual interrupt flag and delivers what waits.",
)
.on_condition(IO_PRIVILEGE);

pub(super) const SYSRET: Row = Row::privileged(
    Sensitive::Sysret,
    &[Control],
    Replaced("calls iret with a flag that says that it ends a system call"),
    "Returns from a system call to ring 3. For a kernel that runs in ring 3 itself, this is \
     another change of address space and of the virtual ring: an exit.",
);

pub(super) const SYSEXIT: Row = Row::privileged(
    Sensitive::Sysexit,
    &[Control],
    Replaced("is not used: 64-bit kernels return by the iret hypercall"),
    "Returns from a SYSENTER to ring 3.",
);

pub(super) const SWAPGS: Row = Row::privileged(
    Sensitive::Swapgs,
    &[Control],
    Replaced("is not needed: Xen exchanges the bases when it enters the kernel"),
    "Exchanges the bases of GS of the kernel and the program, at each entry of a 64-bit kernel and \
     at each return: two more exits per system call. Not on a CPU of 1998.",
);

pub(super) const IN: Row = Row::privileged(
    Sensitive::In,
    &[BehaviourByResource],
    Replaced("is not needed for console, timer and interrupts, which have hypercalls"),
    "Reads an I/O port (also INS). The hypervisor asks its model of the device.",
)
.on_condition(IO_BITMAP);

pub(super) const OUT: Row = Row::privileged(
    Sensitive::Out,
    &[Control],
    Replaced("is not needed for console, timer and interrupts, which have hypercalls"),
    "Writes an I/O port (also OUTS). One exit for each byte that an old device takes: \
     paravirtual devices hand over whole buffers instead.",
)
.on_condition(IO_BITMAP);

pub(super) const ACCESS_CONTROL: Row = Row::privileged(
    Sensitive::AccessControl,
    &[Control],
    Replaced("is not used: CPUID hides SMAP"),
    "STAC and CLAC allow and forbid the kernel to touch pages of programs. Not on a CPU of 1998.",
)
.raising(Vector::InvalidOpcode);

pub(super) const MONITOR: Row = Row::privileged(
    Sensitive::Monitor,
    &[Control],
    Replaced("is not used: CPUID hides it"),
    "Names the memory that MWAIT waits for. This CPU doesn't have it, and says so in CPUID. Not on \
     a CPU of 1998.",
)
.raising(Vector::InvalidOpcode);

pub(super) const MWAIT: Row = Row::privileged(
    Sensitive::Mwait,
    &[Control, BehaviourByMode],
    Replaced("is not used: CPUID hides it"),
    "Sleeps until memory is written. This CPU doesn't have it, and says so in CPUID. Not on a CPU \
     of 1998.",
)
.raising(Vector::InvalidOpcode);
