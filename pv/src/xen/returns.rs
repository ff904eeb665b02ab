//! The hypercall `iret`: the guest's kernel goes back to what it interrupted.
//!
//! ```text
//!   RSP ─► RAX │ R11 │ RCX │ flags │ RIP │ CS │ RFLAGS │ RSP │ SS
//! ```
//!
//! Source: `do_iret` in `xen/arch/x86/pv/iret.c`, `struct iret_context`.

use paravane_core::hypervisor::paravirt::Services;
use paravane_cpu::paging::is_canonical;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{R11, RAX, RCX, RIP, RSP};
use paravane_cpu::state::segments::{Segment, SegmentName, Selector};

use super::Xen;
use super::traps::Bounce;
use super::vcpu::callback;

/// VGCF_in_syscall: RCX and R11 need no restoring.
const IN_SYSCALL: u64 = 1 << 8;

impl Xen {
    /// Returns to what the frame on the stack says.
    pub(super) fn iret(&mut self, services: &mut dyn Services) {
        let stack = services.registers().get(RSP);
        let Ok([rax, r11, rcx, flags, rip, code, rflags, rsp]) =
            self.read_words::<8>(services, stack)
        else {
            return self.crash(format!("iret: its frame at {stack:#x} can't be read"));
        };
        let Ok([stack_segment]) = self.read_words::<1>(services, stack.wrapping_add(64)) else {
            return self.crash(format!("iret: its frame at {stack:#x} can't be read"));
        };
        if code & 3 == 3 {
            if self.vcpu.user_root == 0 {
                let why = "iret to a program, but there is no root table for programs";
                return self.crash(why.into());
            }
            self.toggle_mode(services);
        }
        if self.has_assist(super::version::ASSIST_ARCHITECTURAL_IOPL) {
            self.vcpu.io_privilege = (rflags >> 12) as u8 & 3;
        }
        let returned = Rflags::from_bits_truncate(rflags);
        services.set_flags((returned - Rflags::IOPL - Rflags::VM) | Rflags::IF | Rflags::FIXED);
        self.mask_events(services, !returned.contains(Rflags::IF));
        let registers = services.registers();
        registers.set(RAX, rax);
        registers.set(RIP, rip);
        registers.set(RSP, rsp);
        if flags & IN_SYSCALL == 0 {
            registers.set(R11, r11);
            registers.set(RCX, rcx);
        } else {
            // SYSRET leaves these values.
            registers.set(R11, rflags);
            registers.set(RCX, rip);
        }
        let code = code as u16 | 3;
        let stack_segment = stack_segment as u16 | 3;
        match self.return_segments(services, code, stack_segment, rip) {
            Some((code, stack)) => {
                services.set_segment(SegmentName::Cs, code);
                services.set_segment(SegmentName::Ss, stack);
            }
            None => self.failsafe(services, code, stack_segment),
        }
    }

    /// The segments that the processor's own IRET would load, if it loaded them.
    fn return_segments(
        &mut self,
        services: &mut dyn Services,
        code: u16,
        stack: u16,
        rip: u64,
    ) -> Option<(Segment, Segment)> {
        let code = self.find_segment(services, code)?;
        let stack = self.find_segment(services, stack)?;
        let (c, s) = (code.attributes, stack.attributes);
        let code_fits = c.is_code()
            && c.is_present()
            && (c.is_conforming() || c.dpl() == 3)
            && !(c.is_long() && c.is_big());
        let stack_fits = s.is_writable() && s.is_present() && s.dpl() == 3;
        let target = if c.is_long() { is_canonical(rip) } else { rip <= code.limit.into() };
        (code_fits && stack_fits && target).then_some((code, stack))
    }

    /// The frame could not be returned to: the guest's failsafe handler gets the selectors too.
    fn failsafe(&mut self, services: &mut dyn Services, code: u16, stack: u16) {
        let to = self.vcpu.callbacks[callback::FAILSAFE];
        let cs = services.segment(SegmentName::Cs);
        let ss = services.segment(SegmentName::Ss);
        let named =
            |selector, s: Segment| Segment::new(Selector(selector), s.base, s.limit, s.attributes);
        services.set_segment(SegmentName::Cs, named(code, cs));
        services.set_segment(SegmentName::Ss, named(stack, ss));
        self.bounce(services, &Bounce { to, error_code: None, what: "a return that failed" });
        if self.stop.is_some() {
            return;
        }
        let names = [SegmentName::Ds, SegmentName::Es, SegmentName::Fs, SegmentName::Gs];
        let selectors = names.map(|name| u64::from(services.segment(name).selector.0));
        // They lie between RCX, R11 and the rest of the frame.
        let bottom = services.registers().get(RSP);
        let Ok([rcx, r11]) = self.read_words::<2>(services, bottom) else { return };
        let bottom = bottom.wrapping_sub(32);
        let mut words = vec![rcx, r11];
        words.extend(selectors);
        if self.write_words(services, bottom, &words).is_err() {
            return self.crash("its kernel's stack can't be written".into());
        }
        services.registers().set(RSP, bottom);
    }
}
