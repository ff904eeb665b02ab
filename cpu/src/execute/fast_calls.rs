//! SYSCALL, SYSRET, SYSENTER and SYSEXIT: ring changes without a look at any table.
//!
//! Selectors come from model-specific registers, hidden parts are fixed: flat segments. The
//! operating system promises that its descriptor table agrees.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::Exception;
use crate::exit::{Step, Stop};
use crate::intercepts::Sensitive;
use crate::memory::paging::is_canonical;
use crate::state::control::{Cr0, Efer};
use crate::state::debug::Dr6;
use crate::state::flags::Rflags;
use crate::state::mode::Mode;
use crate::state::registers::{R11, RCX, RDX, RIP, RSP};
use crate::state::segments::{Attributes, Segment, SegmentName, Selector};
use crate::timing::Operation;
use crate::word::Word;

/// Flags that SYSRET takes from R11: all but RF and VM.
const SYSRET_FLAGS: u64 = 0x3c_7fd7;

/// Granularity and L, or granularity and D.
const LONG_CODE: Attributes = Attributes(Attributes::CODE.0 | 0xa000);
const BIG_CODE: Attributes = Attributes(Attributes::CODE.0 | 0xc000);
const BIG_DATA: Attributes = Attributes(Attributes::DATA.0 | 0xc000);

/// A segment that covers everything.
fn flat(selector: u16, attributes: Attributes, ring: u8) -> Segment {
    Segment::new(Selector(selector), 0, u32::MAX, attributes.with_dpl(ring))
}

impl Cpu {
    /// Switches to flat segments in `ring`.
    fn enter_flat(&mut self, code: u16, stack: u16, long: bool, ring: u8) {
        let attributes = if long { LONG_CODE } else { BIG_CODE };
        self.segments.set(SegmentName::Cs, flat(code, attributes, ring));
        self.segments.set(SegmentName::Ss, flat(stack, BIG_DATA, ring));
        self.cpl = ring;
        self.mode_changed();
    }

    /// SYSCALL and SYSRET step if TF is set after them, whatever it was before.
    fn step_at_end(&mut self) {
        self.steps_at_end = true;
        if self.flags.system().contains(Rflags::TF) {
            self.pending_debug |= Dr6::BS;
        }
    }

    /// SYSCALL and SYSRET exist in 64-bit mode only, with EFER.SCE set.
    fn require_system_call(&self) -> Step {
        if self.mode() != Mode::Long64 || !self.control.efer.contains(Efer::SCE) {
            return Err(Exception::INVALID_OPCODE.into());
        }
        Ok(())
    }

    /// The selector in IA32_SYSENTER_CS, which must not be null.
    fn system_enter_selector(&self) -> Result<u16, Stop> {
        let selector = self.msr.sysenter_cs as u16;
        if !self.control.cr0.contains(Cr0::PE) || Selector(selector).is_null() {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        Ok(selector)
    }
}

/// SYSCALL.
pub(crate) fn syscall(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_system_call()?;
    cpu.intercept(Sensitive::Syscall)?;
    let flags = cpu.flags.all() - Rflags::RF;
    cpu.registers.set(RCX, cpu.rip());
    cpu.registers.set(R11, flags.bits());
    cpu.registers.set(RIP, cpu.msr.lstar);
    cpu.flags.set_all(flags - Rflags::from_bits_truncate(cpu.msr.fmask));
    let selector = (cpu.msr.star >> 32) as u16;
    cpu.enter_flat(selector & !3, selector.wrapping_add(8), true, 0);
    cpu.step_at_end();
    cpu.charge(Operation::FastCall);
    Ok(())
}

/// SYSRET, to 64-bit code if `W` has 64 bits.
pub(crate) fn sysret<W: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_system_call()?;
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Sysret)?;
    let long = W::BITS == 64;
    let target = cpu.registers.read::<W>(RCX).zero_extend();
    // The famous one: it is raised here, in ring 0.
    if !is_canonical(target) {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    let flags = cpu.registers.get(R11) & SYSRET_FLAGS;
    cpu.flags.set_all(Rflags::from_bits_truncate(flags));
    cpu.registers.set(RIP, target);
    let selector = (cpu.msr.star >> 48) as u16;
    let code = selector.wrapping_add(if long { 16 } else { 0 });
    cpu.enter_flat(code | 3, selector.wrapping_add(8) | 3, long, 3);
    cpu.step_at_end();
    cpu.charge(Operation::FastReturn);
    Ok(())
}

/// SYSENTER.
pub(crate) fn sysenter(cpu: &mut Cpu, _: &Op) -> Step {
    let selector = cpu.system_enter_selector()? & !3;
    cpu.intercept(Sensitive::Sysenter)?;
    let long = cpu.mode().is_long();
    let mask = if long { u64::MAX } else { u32::MAX.into() };
    cpu.flags.set_system(Rflags::VM | Rflags::IF | Rflags::RF, false);
    cpu.registers.set(RSP, cpu.msr.sysenter_esp & mask);
    cpu.registers.set(RIP, cpu.msr.sysenter_eip & mask);
    cpu.enter_flat(selector, selector.wrapping_add(8), long, 0);
    cpu.charge(Operation::FastCall);
    Ok(())
}

/// SYSEXIT, to 64-bit code if `W` has 64 bits.
pub(crate) fn sysexit<W: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    let selector = cpu.system_enter_selector()?;
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Sysexit)?;
    let long = W::BITS == 64;
    let stack = cpu.registers.read::<W>(RCX).zero_extend();
    let target = cpu.registers.read::<W>(RDX).zero_extend();
    if !is_canonical(stack) || !is_canonical(target) {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    cpu.registers.set(RSP, stack);
    cpu.registers.set(RIP, target);
    let code = selector.wrapping_add(if long { 32 } else { 16 }) | 3;
    cpu.enter_flat(code, code.wrapping_add(8), long, 3);
    cpu.charge(Operation::FastReturn);
    Ok(())
}
