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
use paravane_cpu::{Exception, Vector};

use super::Xen;

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
            Ok((code, stack)) => {
                services.set_segment(SegmentName::Cs, code);
                services.set_segment(SegmentName::Ss, stack);
            }
            Err(exception) => {
                // As if the guest had executed it there: its kernel gets the exception, with the
                // selectors in the frame.
                self.name_segment(services, SegmentName::Cs, code);
                self.name_segment(services, SegmentName::Ss, stack_segment);
                let error_code = exception.error_code.map(u64::from);
                self.bounce_exception(services, exception.vector as u8, error_code);
            }
        }
    }

    fn name_segment(&self, services: &mut dyn Services, name: SegmentName, selector: u16) {
        let old = services.segment(name);
        let segment = Segment::new(Selector(selector), old.base, old.limit, old.attributes);
        services.set_segment(name, segment);
    }

    /// The segments that the processor's own IRET would load, or the exception that it would
    /// raise (SDM vol. 2, "IRET").
    fn return_segments(
        &mut self,
        services: &mut dyn Services,
        code: u16,
        stack: u16,
        rip: u64,
    ) -> Result<(Segment, Segment), Exception> {
        let refuse = |vector, selector| Exception::with_code(vector, selector & !3);
        let protection = Vector::GeneralProtection;
        let segment = self.find_segment(services, code).ok_or(refuse(protection, code))?;
        let attributes = segment.attributes;
        let reachable = attributes.is_conforming() || attributes.dpl() == 3;
        if !attributes.is_code() || !reachable || attributes.is_long() && attributes.is_big() {
            return Err(refuse(protection, code));
        }
        if !attributes.is_present() {
            return Err(refuse(Vector::SegmentNotPresent, code));
        }
        let stack_segment = self.find_segment(services, stack).ok_or(refuse(protection, stack))?;
        let attributes = stack_segment.attributes;
        if !attributes.is_writable() || attributes.dpl() != 3 {
            return Err(refuse(protection, stack));
        }
        if !attributes.is_present() {
            return Err(refuse(Vector::StackFault, stack));
        }
        let long = segment.attributes.is_long();
        let inside = if long { is_canonical(rip) } else { rip <= segment.limit.into() };
        if !inside {
            return Err(Exception::GENERAL_PROTECTION);
        }
        Ok((segment, stack_segment))
    }
}
