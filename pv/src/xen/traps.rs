//! The guest's entry points, and how Xen calls them: exceptions, system calls and events.
//!
//! ```text
//!   SS │ RSP │ RFLAGS │ CS, event mask << 32 │ RIP │ [error code] │ R11 │ RCX   ◄─ RSP
//! ```
//!
//! Source: `create_bounce_frame` in `xen/arch/x86/x86_64/entry.S`, `xen/arch/x86/pv/callback.c`.

use paravane_core::accounting::Primitive;
use paravane_core::hypervisor::paravirt::Services;
use paravane_cpu::paging::is_canonical;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{R11, RCX, RIP, RSP};
use paravane_cpu::state::segments::SegmentName;

use super::Xen;
use super::errors::{Answer, Errno, Refusal};
use super::layout::{KERNEL_CODE, KERNEL_STACK, is_guest_address};
use super::vcpu::{Callback, Trap, callback};

/// Flags that no handler starts with.
const CLEARED: Rflags =
    Rflags::AC.union(Rflags::VM).union(Rflags::RF).union(Rflags::NT).union(Rflags::TF);
/// Traps that one execution of `set_trap_table` takes.
const TRAPS_AT_ONCE: usize = 256;
/// CALLBACKF_mask_events.
const MASK_EVENTS: u16 = 1;

/// A call of one of the guest's entry points.
pub struct Bounce {
    /// The entry point.
    pub to: Callback,
    /// The error code, for exceptions that have one.
    pub error_code: Option<u64>,
    /// What it is, for the report if it can't be delivered.
    pub what: &'static str,
}

impl Xen {
    /// Builds the frame on the kernel's stack and puts the vCPU at the entry point. A guest that
    /// can't be told is ended.
    pub(super) fn bounce(&mut self, services: &mut dyn Services, bounce: &Bounce) {
        services.charge(Primitive::EventInjection, 1);
        let rip = services.registers().get(RIP);
        if bounce.to.address == 0 {
            let what = bounce.what;
            self.crash(format!("{what} at {rip:#x}, for which its kernel has no handler"));
            return;
        }
        let old_stack = services.registers().get(RSP);
        let old_segment = services.segment(SegmentName::Ss).selector.0;
        let mut code = services.segment(SegmentName::Cs).selector.0;
        let stack = if self.vcpu.kernel_mode {
            code &= !3;
            old_stack
        } else {
            self.toggle_mode(services);
            self.vcpu.kernel_stack
        };
        let masked = self.events_masked(services);
        let mut flags = services.flags();
        flags.set(Rflags::IF, !masked);
        let flags = flags.bits() | self.visible_io_privilege();
        let (r11, rcx) = (services.registers().get(R11), services.registers().get(RCX));
        let mut frame = vec![rcx, r11];
        frame.extend(bounce.error_code);
        let code = u64::from(code) | u64::from(masked) << 32;
        frame.extend([rip, code, flags, old_stack, old_segment.into()]);

        let size = 8 * frame.len() as u64;
        let bottom = (stack & !15).wrapping_sub(size);
        let fits = is_guest_address(bottom) && is_guest_address(stack & !15);
        if !fits || self.write_words(services, bottom, &frame).is_err() {
            let what = bounce.what;
            let why =
                format!("{what} at {rip:#x}: its kernel's stack at {bottom:#x} can't be written");
            self.crash(why);
            return;
        }
        if bounce.to.mask_events {
            self.mask_events(services, true);
        }
        let flags = (services.flags() - CLEARED) | Rflags::IF;
        services.set_flags(flags);
        self.load_flat_segments(services);
        services.registers().set(RSP, bottom);
        services.registers().set(RIP, bounce.to.address);
    }

    /// The flat segments of ring 3 that kernels run on.
    pub(super) fn load_flat_segments(&mut self, services: &mut dyn Services) {
        for (name, selector) in [(SegmentName::Cs, KERNEL_CODE), (SegmentName::Ss, KERNEL_STACK)] {
            if let Some(segment) = self.find_segment(services, selector) {
                services.set_segment(name, segment);
            }
        }
    }

    /// The I/O privilege bits that a guest which asked for them sees in its flags.
    fn visible_io_privilege(&self) -> u64 {
        if self.has_assist(super::version::ASSIST_ARCHITECTURAL_IOPL) {
            u64::from(self.vcpu.io_privilege) << 12
        } else {
            0
        }
    }

    /// Calls the guest's handler of an exception.
    pub(super) fn bounce_exception(
        &mut self,
        services: &mut dyn Services,
        vector: u8,
        error_code: Option<u64>,
    ) {
        let trap = self.vcpu.traps.get(usize::from(vector)).copied().unwrap_or_default();
        let to = Callback { address: trap.address, mask_events: trap.mask_events };
        let what = paravane_cpu::Vector::from_number(vector)
            .map_or("a software interrupt", paravane_cpu::Vector::mnemonic);
        self.bounce(services, &Bounce { to, error_code, what });
    }

    /// Passes a SYSCALL of a program on to the guest's kernel.
    pub(super) fn bounce_system_call(&mut self, services: &mut dyn Services) {
        let to = self.vcpu.callbacks[callback::SYSCALL];
        if to.address == 0 {
            // As a CPU without SYSCALL: the instruction is undefined.
            let rip = services.registers().get(RIP);
            services.registers().set(RIP, rip.wrapping_sub(2));
            return self.bounce_exception(services, 6, None);
        }
        self.bounce(services, &Bounce { to, error_code: None, what: "a system call" });
    }

    /// set_trap_table(table): entries up to one with address 0. No table: no handlers.
    pub(super) fn set_trap_table(
        &mut self,
        services: &mut dyn Services,
        [table, ..]: [u64; 5],
    ) -> Answer {
        if table == 0 {
            self.vcpu.traps.fill(Trap::default());
            return Ok(0);
        }
        let mut at = table;
        for _ in 0..TRAPS_AT_ONCE {
            let [head, address] = self.read_words::<2>(services, at)?;
            if address == 0 {
                return Ok(0);
            }
            if !is_canonical(address) {
                return Err(Errno::Invalid.into());
            }
            let flags = (head >> 8) as u8;
            let trap = Trap {
                address,
                selector: (head >> 16) as u16 | 3,
                ring: flags & 3,
                mask_events: flags & 4 != 0,
            };
            if let Some(slot) = self.vcpu.traps.get_mut(usize::from(head as u8)) {
                *slot = trap;
            }
            at = at.wrapping_add(16);
        }
        Err(Refusal::Again([at, 0, 0, 0, 0]))
    }

    /// set_callbacks(event, failsafe, syscall): the old form of `callback_op`.
    pub(super) fn set_callbacks(&mut self, [event, failsafe, syscall, ..]: [u64; 5]) -> Answer {
        let kinds = [callback::EVENT, callback::FAILSAFE, callback::SYSCALL];
        for (kind, address) in kinds.into_iter().zip([event, failsafe, syscall]) {
            self.register_callback(kind, address, 0)?;
        }
        Ok(0)
    }

    fn register_callback(&mut self, kind: usize, address: u64, flags: u16) -> Result<(), Errno> {
        if !is_canonical(address) {
            return Err(Errno::Invalid);
        }
        // Event upcalls always mask events.
        let mask_events = kind == callback::EVENT || flags & MASK_EVENTS != 0;
        match self.vcpu.callbacks.get_mut(kind) {
            Some(slot) if !matches!(kind, 3 | 6) => *slot = Callback { address, mask_events },
            _ => return Err(Errno::NotImplemented),
        }
        Ok(())
    }

    /// callback_op(command, argument).
    pub(super) fn callback_op(
        &mut self,
        services: &mut dyn Services,
        [command, argument, ..]: [u64; 5],
    ) -> Answer {
        match command as u32 {
            // CALLBACKOP_register.
            0 => {
                let [head, address] = self.read_words::<2>(services, argument)?;
                let kind = usize::from(head as u16);
                self.register_callback(kind, address, (head >> 16) as u16)?;
                Ok(0)
            }
            // CALLBACKOP_unregister: only of NMIs.
            1 => {
                let mut bytes = [0; 4];
                self.read_guest(services, argument, &mut bytes)?;
                match usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) {
                    callback::NMI => {
                        self.vcpu.callbacks[callback::NMI] = Callback::default();
                        Ok(0)
                    }
                    0..=2 | callback::SYSENTER | callback::SYSCALL32 => Err(Errno::Invalid.into()),
                    _ => Err(Errno::NotImplemented.into()),
                }
            }
            _ => Err(Errno::NotImplemented.into()),
        }
    }

    /// nmi_op(command, argument).
    pub(super) fn nmi_op(
        &mut self,
        services: &mut dyn Services,
        [command, argument, ..]: [u64; 5],
    ) -> Answer {
        match command as u32 {
            // XENNMI_register_callback.
            0 => {
                let [address, _] = self.read_words::<2>(services, argument)?;
                self.register_callback(callback::NMI, address, 0)?;
                Ok(0)
            }
            // XENNMI_unregister_callback.
            1 => {
                self.vcpu.callbacks[callback::NMI] = Callback::default();
                Ok(0)
            }
            _ => Err(Errno::NotImplemented.into()),
        }
    }

    /// stack_switch(selector, pointer): the kernel's stack for what interrupts programs.
    pub(super) fn stack_switch(&mut self, [_selector, pointer, ..]: [u64; 5]) -> Answer {
        self.vcpu.kernel_stack = pointer;
        Ok(0)
    }
}
