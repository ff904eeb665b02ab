//! The rest of the system instructions, and what doesn't exist. The larger groups have files of
//! their own, which the decode table reaches through this one.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::Exception;
use crate::exit::{Step, Stop};
use crate::intercepts::Sensitive;
use crate::state::flags::Rflags;

pub(crate) use super::caches::{clflush, invd, invlpg, wbinvd};
pub(crate) use super::control_registers::{clts, lmsw, read_control, smsw, write_control};
pub(crate) use super::debug_registers::{read_debug, write_debug};
pub(crate) use super::segment_bases::{
    read_fs_base, read_gs_base, swapgs, write_fs_base, write_gs_base,
};
pub(crate) use super::timekeeping::{rdpmc, rdtsc, rdtscp};

/// HLT.
pub(crate) fn hlt(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Hlt)?;
    Err(Stop::Halt)
}

/// STAC: lets the kernel touch user pages under SMAP.
pub(crate) fn stac(cpu: &mut Cpu, _: &Op) -> Step {
    set_access_override(cpu, true)
}

/// CLAC.
pub(crate) fn clac(cpu: &mut Cpu, _: &Op) -> Step {
    set_access_override(cpu, false)
}

/// Outside ring 0 both raise #UD, not #GP.
fn set_access_override(cpu: &mut Cpu, on: bool) -> Step {
    if cpu.cpl != 0 {
        return Err(Exception::INVALID_OPCODE.into());
    }
    cpu.intercept(Sensitive::AccessControl)?;
    cpu.flags.set_system(Rflags::AC, on);
    cpu.access_changed();
    Ok(())
}

/// PAUSE.
pub(crate) fn pause(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.intercept(Sensitive::Pause)
}

/// VMCALL: for a hypervisor, at any ring; without one it doesn't exist.
pub(crate) fn vmcall(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::Vmcall)?;
    undefined(cpu, op)
}

/// VMMCALL: AMD's VMCALL.
pub(crate) fn vmmcall(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::Vmmcall)?;
    undefined(cpu, op)
}

/// MONITOR: CPUID says that it isn't there.
pub(crate) fn monitor(cpu: &mut Cpu, op: &Op) -> Step {
    undefined(cpu, op)
}

/// MWAIT: CPUID says that it isn't there.
pub(crate) fn mwait(cpu: &mut Cpu, op: &Op) -> Step {
    undefined(cpu, op)
}

/// UD0, UD1, UD2, and everything that this CPU doesn't know: SIMD, XGETBV, VMX.
pub(crate) fn undefined(_: &mut Cpu, _: &Op) -> Step {
    Err(Exception::INVALID_OPCODE.into())
}
