//! SWAPGS, RDFSBASE and its kin: 64-bit mode only.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::Exception;
use crate::exit::Step;
use crate::intercepts::Sensitive;
use crate::memory::paging::is_canonical;
use crate::state::control::Cr4;
use crate::state::mode::CodeSize;
use crate::state::segments::SegmentName;
use crate::word::Word;

/// SWAPGS: exchanges the base of GS and KERNEL_GS_BASE.
pub(crate) fn swapgs(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.code_size != CodeSize::Bits64 {
        return Err(Exception::INVALID_OPCODE.into());
    }
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Swapgs)?;
    let base = cpu.segments.get(SegmentName::Gs).base;
    cpu.set_segment_base(SegmentName::Gs, cpu.msr.kernel_gs_base);
    cpu.msr.kernel_gs_base = base;
    Ok(())
}

/// RDFSBASE.
pub(crate) fn read_fs_base<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    read_base::<W>(cpu, op, SegmentName::Fs)
}

/// RDGSBASE.
pub(crate) fn read_gs_base<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    read_base::<W>(cpu, op, SegmentName::Gs)
}

/// WRFSBASE.
pub(crate) fn write_fs_base<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    write_base::<W>(cpu, op, SegmentName::Fs)
}

/// WRGSBASE.
pub(crate) fn write_gs_base<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    write_base::<W>(cpu, op, SegmentName::Gs)
}

fn read_base<W: Word>(cpu: &mut Cpu, op: &Op, name: SegmentName) -> Step {
    require_base_access(cpu)?;
    cpu.intercept(Sensitive::ReadBase)?;
    let base = cpu.segments.get(name).base;
    cpu.registers.write(op.dest, W::truncate(base));
    Ok(())
}

fn write_base<W: Word>(cpu: &mut Cpu, op: &Op, name: SegmentName) -> Step {
    require_base_access(cpu)?;
    cpu.intercept(Sensitive::WriteBase)?;
    let base = cpu.registers.read::<W>(op.dest).zero_extend();
    if !is_canonical(base) {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    cpu.set_segment_base(name, base);
    Ok(())
}

/// Raises #UD outside 64-bit mode or without CR4.FSGSBASE.
fn require_base_access(cpu: &Cpu) -> Step {
    let allowed = cpu.code_size == CodeSize::Bits64 && cpu.control.cr4.contains(Cr4::FSGSBASE);
    if !allowed {
        return Err(Exception::INVALID_OPCODE.into());
    }
    Ok(())
}
