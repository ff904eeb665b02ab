//! INT and its kin, BOUND, and IRET, the way back from every handler.

use super::stack_switches::Target;
use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::{Exception, Vector};
use crate::exit::{SoftwareInterrupt, Step, Stop, Unimplemented};
use crate::intercepts::Sensitive;
use crate::state::flags::Rflags;
use crate::state::mode::Mode;
use crate::state::registers::RSP;
use crate::state::segments::{Segment, SegmentName, Selector};
use crate::timing::Operation;
use crate::word::Word;

// The INT instructions don't ask about intercepts: the run loop, which delivers them, does.

/// INT with the vector `immediate`.
pub(crate) fn int(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.require_virtual_8086_privilege()?;
    Err(Stop::SoftwareInterrupt(SoftwareInterrupt::Int(op.immediate as u8)))
}

/// INT3.
pub(crate) fn int3(_: &mut Cpu, _: &Op) -> Step {
    Err(Stop::SoftwareInterrupt(SoftwareInterrupt::Breakpoint))
}

/// INTO: only after an overflow.
pub(crate) fn into(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.mode() == Mode::Long64 {
        return Err(Exception::INVALID_OPCODE.into());
    }
    if !cpu.flags.overflow() {
        return Ok(());
    }
    Err(Stop::SoftwareInterrupt(SoftwareInterrupt::Overflow))
}

/// INT1: a debug exception that no privilege check stops.
pub(crate) fn int1(_: &mut Cpu, _: &Op) -> Step {
    Err(Stop::SoftwareInterrupt(SoftwareInterrupt::Debug))
}

/// BOUND: #BR unless the register `dest` lies between the two signed values in memory.
pub(crate) fn bound<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let index = cpu.registers.read::<W>(op.dest).sign_extend() as i64;
    let out_of_range = Err(Exception::new(Vector::BoundRange).into());
    // Order matters: below the lower bound, processors don't look at the upper one.
    let lower: W = cpu.load(op.segment, op.offset(cpu))?;
    if index < lower.sign_extend() as i64 {
        return out_of_range;
    }
    let upper: W = cpu.load(op.segment, op.offset_plus(cpu, W::BYTES))?;
    if index > upper.sign_extend() as i64 { out_of_range } else { Ok(()) }
}

impl Cpu {
    /// Raises #GP(0) in virtual-8086 mode with an IOPL below 3.
    fn require_virtual_8086_privilege(&self) -> Step {
        if self.mode() == Mode::Virtual8086 && self.flags.io_privilege_level() < 3 {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        Ok(())
    }

    /// The flags that IRET takes from an image of `W` in protected and long mode.
    fn returned_flags<W: Word>(&self) -> Rflags {
        let mut mask = Rflags::ARITHMETIC | Rflags::TF | Rflags::DF | Rflags::NT;
        let wide = W::BITS > 16;
        if wide {
            mask |= Rflags::RF | Rflags::AC | Rflags::ID;
        }
        if self.cpl <= self.flags.io_privilege_level() {
            mask |= Rflags::IF;
        }
        if self.cpl == 0 {
            mask |= Rflags::IOPL;
            if wide {
                mask |= Rflags::VIF | Rflags::VIP;
            }
        }
        mask
    }

    fn return_flags(&mut self, mask: Rflags, image: u64) {
        self.flags.change(mask, Rflags::from_bits_truncate(image));
        // AC may have changed, and interrupts and single-stepping may begin.
        self.access_changed();
        self.attention = true;
    }
}

/// What IRET finds on top of the stack.
struct Frame {
    rip: u64,
    code: Selector,
    flags: u64,
}

/// IRET.
pub(crate) fn iret<W: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    return_from_interrupt::<W>(cpu)?;
    cpu.charge(Operation::InterruptReturn);
    Ok(())
}

fn return_from_interrupt<W: Word>(cpu: &mut Cpu) -> Step {
    let privilege = cpu.require_virtual_8086_privilege();
    if privilege.is_ok() {
        cpu.intercept(Sensitive::Iret)?;
    }
    // NMIs are unblocked even if IRET raises an exception.
    cpu.nmi_blocked = false;
    cpu.attention = true;
    privilege?;

    let mode = cpu.mode();
    if mode.has_descriptors() && cpu.flags.system().contains(Rflags::NT) {
        return Err(return_to_task(cpu)?);
    }
    let frame = Frame {
        rip: cpu.peek_stack::<W>(0)?.zero_extend(),
        code: Selector(cpu.peek_stack::<W>(W::BYTES)?.zero_extend() as u16),
        flags: cpu.peek_stack::<W>(2 * W::BYTES)?.zero_extend(),
    };
    if !mode.has_descriptors() {
        return return_real::<W>(cpu, &frame);
    }
    let image = Rflags::from_bits_truncate(frame.flags);
    if mode == Mode::Protected && cpu.cpl == 0 && image.contains(Rflags::VM) {
        return return_to_virtual_8086(cpu, &frame);
    }
    return_protected::<W>(cpu, &frame)
}

/// With NT set, IRET goes back to the task that the current TSS links to.
fn return_to_task(cpu: &mut Cpu) -> Result<Stop, Stop> {
    if cpu.mode().is_long() {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    let link: u16 = cpu.read_system(cpu.segments.tr.base)?;
    Ok(Stop::Unimplemented(Unimplemented::TaskSwitch(link)))
}

/// In real and virtual-8086 mode.
fn return_real<W: Word>(cpu: &mut Cpu, frame: &Frame) -> Step {
    if frame.rip > 0xffff {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    let mut mask = Rflags::ALL - Rflags::VM - Rflags::VIF - Rflags::VIP;
    if cpu.mode() == Mode::Virtual8086 {
        mask.remove(Rflags::IOPL);
    }
    if W::BITS == 16 {
        mask &= Rflags::from_bits_truncate(0xffff);
    }
    let code = cpu.real_mode_code(frame.code);
    cpu.drop_stack(3 * W::BYTES);
    cpu.transfer(Target { code, rip: frame.rip, ring: cpu.cpl });
    cpu.return_flags(mask, frame.flags);
    Ok(())
}

/// From ring 0 to a virtual-8086 task, whose frame holds all segments.
fn return_to_virtual_8086(cpu: &mut Cpu, frame: &Frame) -> Step {
    if frame.rip > 0xffff {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    let pointer: u32 = cpu.peek_stack(12)?;
    const ORDER: [SegmentName; 5] =
        [SegmentName::Ss, SegmentName::Es, SegmentName::Ds, SegmentName::Fs, SegmentName::Gs];
    let mut selectors = [Selector(0); 5];
    for (slot, selector) in (4..).zip(&mut selectors) {
        *selector = Selector(cpu.peek_stack::<u32>(slot * 4)? as u16);
    }
    for (name, selector) in ORDER.into_iter().zip(selectors) {
        cpu.segments.set(name, Segment::virtual_8086(selector));
    }
    cpu.registers.set(RSP, pointer.into());
    let code = Segment::virtual_8086(frame.code);
    cpu.transfer(Target { code, rip: frame.rip, ring: 3 });
    cpu.return_flags(Rflags::ALL, frame.flags);
    Ok(())
}

/// To the same ring or an outer one. 64-bit mode always takes a stack from the frame.
fn return_protected<W: Word>(cpu: &mut Cpu, frame: &Frame) -> Step {
    let code = cpu.return_code(frame.code)?;
    let target = Target { code, rip: frame.rip, ring: frame.code.rpl() };
    // Order matters: the ring that IRET leaves decides about IF and IOPL.
    let mask = cpu.returned_flags::<W>();
    if target.ring > cpu.cpl || cpu.mode() == Mode::Long64 {
        let pointer = cpu.peek_stack::<W>(3 * W::BYTES)?.zero_extend();
        let selector = cpu.peek_stack::<W>(4 * W::BYTES)?.zero_extend() as u16;
        let stack = cpu.return_stack(Selector(selector), &code)?;
        cpu.check_code_offset(&code, frame.rip)?;
        cpu.return_to_stack(target, stack, pointer, 0);
    } else {
        cpu.check_code_offset(&code, frame.rip)?;
        cpu.drop_stack(3 * W::BYTES);
        cpu.transfer(target);
    }
    cpu.return_flags(mask, frame.flags);
    Ok(())
}
