//! IN, OUT, INS and OUTS, and who may use which port.

use super::strings::repeat;
use crate::bus::AccessWidth;
use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::Source;
use crate::exception::Exception;
use crate::exit::{DeviceAccess, Step, Stop};
use crate::intercepts::Sensitive;
use crate::state::control::{Cr0, Cr4};
use crate::state::debug::Condition;
use crate::state::flags::Rflags;
use crate::state::registers::{RAX, RDI, RDX, RSI};
use crate::state::segments::{SegmentName, system_type};
use crate::timing::Operation;
use crate::word::Word;

/// Offset, in a 32-bit or 64-bit TSS, of the offset of the I/O permission bitmap.
const BITMAP_POINTER: u64 = 0x66;

impl Cpu {
    /// Raises #GP(0) unless the ring may access `bytes` bytes of ports from `port` (Intel SDM
    /// vol. 1, "I/O Permission Bit Map").
    fn require_port(&mut self, port: u16, bytes: u64) -> Step {
        let virtual_8086 = self.flags.system().contains(Rflags::VM);
        let privileged = self.cpl <= self.flags.io_privilege_level() && !virtual_8086;
        if privileged || !self.control.cr0.contains(Cr0::PE) {
            return Ok(());
        }
        if self.bitmap_allows(port, bytes)? {
            return Ok(());
        }
        Err(Exception::GENERAL_PROTECTION.into())
    }

    /// Whether all bits of the access are clear in the bitmap. Two bytes of it are always read,
    /// so that an access may cross a byte; both must lie within the TSS.
    fn bitmap_allows(&mut self, port: u16, bytes: u64) -> Result<bool, Stop> {
        let tss = self.segments.tr;
        let limit = u64::from(tss.limit);
        let has_bitmap = tss.is_usable()
            && !tss.attributes.is_code_or_data()
            && matches!(tss.attributes.kind(), system_type::TSS | system_type::TSS_BUSY)
            && BITMAP_POINTER < limit;
        if !has_bitmap {
            return Ok(false);
        }
        let bitmap: u16 = self.read_system(tss.base.wrapping_add(BITMAP_POINTER))?;
        let offset = u64::from(bitmap) + u64::from(port / 8);
        if offset >= limit {
            return Ok(false);
        }
        let bits: u16 = self.read_system(tss.base.wrapping_add(offset))?;
        let accessed = (1 << bytes) - 1;
        Ok(bits >> (port % 8) & accessed == 0)
    }

    fn read_port<W: Word>(&mut self, port: u16) -> Result<W, Stop> {
        let value = self.device.access(DeviceAccess::ReadPort { port, width: width::<W>() })?;
        self.note_port_access(port, W::BYTES);
        Ok(W::truncate(value))
    }

    fn write_port<W: Word>(&mut self, port: u16, value: W) -> Step {
        let value = value.zero_extend() as u32;
        self.device.access(DeviceAccess::WritePort { port, width: width::<W>(), value })?;
        self.note_port_access(port, W::BYTES);
        Ok(())
    }

    /// After an access: notes port breakpoints, and that the board may have changed. That also
    /// makes a repeated instruction pause, so that the run loop looks for interrupts.
    fn note_port_access(&mut self, port: u16, bytes: u64) {
        self.attention = true;
        self.charge(Operation::PortAccess);
        if self.control.cr4.contains(Cr4::DE) && self.debug.any_enabled() {
            let hits = self.debug.matching(|breakpoint| {
                breakpoint.condition == Condition::Port && breakpoint.covers(port.into(), bytes)
            });
            self.pending_debug |= hits;
        }
    }
}

fn width<W: Word>() -> AccessWidth {
    AccessWidth::of(W::BYTES).unwrap_or(AccessWidth::Byte)
}

/// IN AL/AX/EAX, imm8 or DX.
pub(crate) fn input<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let port = S::load(cpu, op)?;
    cpu.require_port(port, W::BYTES)?;
    cpu.intercept(Sensitive::In)?;
    let value: W = cpu.read_port(port)?;
    cpu.registers.write(RAX, value);
    Ok(())
}

/// OUT imm8 or DX, AL/AX/EAX.
pub(crate) fn output<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let port = S::load(cpu, op)?;
    cpu.require_port(port, W::BYTES)?;
    cpu.intercept(Sensitive::Out)?;
    let value: W = cpu.registers.read(RAX);
    cpu.write_port(port, value)
}

/// INS: ES:rDI ← port DX.
pub(crate) fn ins<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    repeat(cpu, op, false, |cpu| {
        let port = cpu.registers.read(RDX);
        cpu.require_port(port, W::BYTES)?;
        cpu.intercept(Sensitive::In)?;
        let offset = cpu.registers.get(RDI) & op.address_mask;
        // Order matters: a port that was read can't be read again after a page fault.
        cpu.probe_write::<W>(SegmentName::Es, offset)?;
        let value: W = cpu.read_port(port)?;
        cpu.store(SegmentName::Es, offset, value)?;
        cpu.advance_pointer::<W>(RDI, op);
        Ok(())
    })
}

/// OUTS: port DX ← segment:rSI.
pub(crate) fn outs<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    repeat(cpu, op, false, |cpu| {
        let port = cpu.registers.read(RDX);
        cpu.require_port(port, W::BYTES)?;
        cpu.intercept(Sensitive::Out)?;
        let offset = cpu.registers.get(RSI) & op.address_mask;
        let value: W = cpu.load(op.segment, offset)?;
        cpu.write_port(port, value)?;
        cpu.advance_pointer::<W>(RSI, op);
        Ok(())
    })
}
