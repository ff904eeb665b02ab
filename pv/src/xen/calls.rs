//! The table of hypercalls: number, name, arguments, and what each is for.
//!
//! Source: `xen/include/public/xen.h`, "HYPERCALLS".

use paravane_core::hypervisor::paravirt::{CallDescription, Services};

use super::Xen;
use super::errors::{Answer, Errno};

const fn call(
    number: u32,
    name: &'static str,
    arguments: &'static [&'static str],
    meaning: &'static str,
) -> CallDescription {
    CallDescription { number, name, arguments, meaning }
}

/// The number of the call that returns from a handler.
pub const IRET: u32 = 23;

/// All hypercalls that Xen knows here, by number.
#[rustfmt::skip]
pub const CALLS: &[CallDescription] = &[
    call(0, "set_trap_table", &["table"], "Names the kernel's handlers of exceptions and software interrupts: what LIDT and the gates are on bare metal."),
    call(1, "mmu_update", &["requests", "count", "done", "domain"], "Writes a list of page-table entries. Xen checks that each refers only to frames of the guest, and never makes a page table writable."),
    call(2, "set_gdt", &["frames", "entries"], "Loads the global descriptor table from frames of the guest, after a check of every descriptor: what LGDT is on bare metal."),
    call(3, "stack_switch", &["selector", "pointer"], "Says where the kernel's stack begins when a program is interrupted: what RSP0 in the TSS is on bare metal."),
    call(4, "set_callbacks", &["event", "failsafe", "syscall"], "The old form of callback_op: names the kernel's entry points for events, failed returns and system calls."),
    call(5, "fpu_taskswitch", &["set"], "Sets or clears CR0.TS, so that the next floating-point instruction raises #NM."),
    call(6, "sched_op_compat", &["command", "argument"], "The old form of sched_op."),
    call(7, "platform_op", &["operation"], "Controls the physical machine: for privileged domains only."),
    call(8, "set_debugreg", &["register", "value"], "Writes a debug register. Breakpoints in Xen itself are refused."),
    call(9, "get_debugreg", &["register"], "Reads a debug register."),
    call(10, "update_descriptor", &["address", "descriptor"], "Writes one descriptor into a descriptor table, after a check."),
    call(12, "memory_op", &["command", "argument"], "Asks how much memory there is and where, and exchanges frames with Xen."),
    call(13, "multicall", &["list", "count"], "Performs a list of hypercalls for the price of one way into Xen and back."),
    call(14, "update_va_mapping", &["linear", "entry", "flags"], "Replaces the lowest page-table entry of a linear address, and drops its translation if asked to: a checked write and INVLPG in one."),
    call(15, "set_timer_op", &["timeout"], "Sets the one-shot timer to a system time; 0 stops it."),
    call(16, "event_channel_op_compat", &["operation"], "The old form of event_channel_op."),
    call(17, "xen_version", &["command", "argument"], "Tells Xen's version and features. As any hypercall it delivers waiting events on the way out, for which kernels also use it."),
    call(18, "console_io", &["command", "count", "buffer"], "Writes to, or reads from, Xen's own console."),
    call(19, "physdev_op_compat", &["operation"], "The old form of physdev_op."),
    call(20, "grant_table_op", &["command", "operations", "count"], "Shares memory with other domains."),
    call(21, "vm_assist", &["command", "type"], "Turns a convenience on or off, such as page tables that seem writable."),
    call(22, "update_va_mapping_otherdomain", &["linear", "entry", "flags", "domain"], "As update_va_mapping, for frames of another domain."),
    call(IRET, "iret", &[], "Returns from a handler of the kernel: Xen restores the frame on the stack, the event mask, and the program's address space."),
    call(24, "vcpu_op", &["command", "vcpu", "argument"], "Timers, run state and information area of a virtual CPU."),
    call(25, "set_segment_base", &["which", "base"], "Writes the base of FS or GS: what WRMSR of FS_BASE, GS_BASE and KERNEL_GS_BASE is on bare metal."),
    call(26, "mmuext_op", &["operations", "count", "done", "domain"], "Changes the address space, pins and unpins page tables, flushes translations, loads the local descriptor table."),
    call(27, "xsm_op", &["operation"], "Controls security modules, which are not there."),
    call(28, "nmi_op", &["command", "argument"], "Names the kernel's handler of NMIs."),
    call(29, "sched_op", &["command", "argument"], "Gives up the processor: yields, waits for an event, polls ports, or shuts the domain down."),
    call(30, "callback_op", &["command", "argument"], "Names one of the kernel's entry points: events, failed returns, system calls."),
    call(31, "xenoprof_op", &["command", "argument"], "Profiles the whole machine: not offered."),
    call(32, "event_channel_op", &["command", "argument"], "Binds, sends, masks and closes event channels: what the interrupt controller is on bare metal."),
    call(33, "physdev_op", &["command", "argument"], "I/O privilege, and interrupts of physical devices."),
    call(34, "hvm_op", &["command", "argument"], "Parameters of hardware-assisted domains."),
    call(35, "sysctl", &["operation"], "Controls Xen: for privileged domains only."),
    call(36, "domctl", &["operation"], "Controls other domains: for privileged domains only."),
    call(37, "kexec_op", &["command", "argument"], "Starts another kernel in place of Xen: for privileged domains only."),
    call(38, "tmem_op", &["operation"], "Transcendent memory, which Xen has given up."),
    call(39, "argo_op", &["command", "first", "second", "third", "fourth"], "Messages between domains: not offered."),
    call(40, "xenpmu_op", &["command", "argument"], "Performance counters: not offered."),
    call(41, "dm_op", &["domain", "count", "buffers"], "Emulates devices of other domains: for privileged domains only."),
];

/// The description of a hypercall.
pub fn find(number: u32) -> Option<&'static CallDescription> {
    CALLS.iter().find(|call| call.number == number)
}

impl Xen {
    /// Performs a hypercall, but for `iret`, which is no call that returns.
    pub(super) fn call(
        &mut self,
        services: &mut dyn Services,
        number: u32,
        arguments: [u64; 5],
    ) -> Answer {
        match number {
            0 => self.set_trap_table(services, arguments),
            1 => self.mmu_update(services, arguments),
            2 => self.set_gdt(services, arguments),
            3 => self.stack_switch(arguments),
            4 => self.set_callbacks(arguments),
            5 => self.fpu_taskswitch(services, arguments),
            6 => self.sched_op_compat(services, arguments),
            8 => self.set_debugreg(services, arguments),
            9 => self.get_debugreg(services, arguments),
            10 => self.update_descriptor(services, arguments),
            12 => self.memory_op(services, arguments),
            13 => self.multicall(services, arguments),
            14 => self.update_va_mapping(services, arguments),
            15 => self.set_timer_op(services, arguments),
            16 => self.event_channel_op_compat(services, arguments),
            17 => self.xen_version(services, arguments),
            18 => self.console_io(services, arguments),
            20 => self.grant_table_op(services, arguments),
            21 => self.vm_assist(arguments),
            22 => self.update_va_mapping_otherdomain(services, arguments),
            24 => self.vcpu_op(services, arguments),
            25 => self.set_segment_base(services, arguments),
            26 => self.mmuext_op(services, arguments),
            28 => self.nmi_op(services, arguments),
            29 => self.sched_op(services, arguments),
            30 => self.callback_op(services, arguments),
            32 => self.event_channel_op(services, arguments),
            33 => self.physdev_op(services, arguments),
            // platform_op, sysctl, domctl, kexec_op, dm_op: not for this domain.
            7 | 35 | 36 | 37 | 41 => Err(Errno::NotPermitted.into()),
            // xenpmu_op.
            40 => Err(Errno::NotSupported.into()),
            _ => Err(Errno::NotImplemented.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_explains_every_call() {
        assert!(CALLS.is_sorted_by_key(|call| call.number));
        for pair in CALLS.windows(2) {
            assert_ne!(pair[0].number, pair[1].number);
        }
        for call in CALLS {
            assert!(call.meaning.ends_with('.') && call.meaning.len() > 20, "{}", call.name);
            assert_eq!(find(call.number), Some(call));
        }
    }
}
