//! The time-stamp counter and the (absent) performance counters.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::Exception;
use crate::exit::Step;
use crate::intercepts::Sensitive;
use crate::state::control::Cr4;
use crate::state::registers::RCX;
use crate::timing::Operation;

/// Raises #GP(0) outside ring 0 if CR4.TSD is set.
fn require_time_stamp_access(cpu: &Cpu) -> Step {
    if cpu.control.cr4.contains(Cr4::TSD) {
        return cpu.require_ring_0();
    }
    Ok(())
}

/// RDTSC: EDX:EAX ← time-stamp counter.
pub(crate) fn rdtsc(cpu: &mut Cpu, _: &Op) -> Step {
    require_time_stamp_access(cpu)?;
    cpu.intercept(Sensitive::Rdtsc)?;
    cpu.write_edx_eax(cpu.time_stamp());
    cpu.charge(Operation::TimeStampRead);
    Ok(())
}

/// RDTSCP: RDTSC, and ECX ← TSC_AUX.
pub(crate) fn rdtscp(cpu: &mut Cpu, _: &Op) -> Step {
    require_time_stamp_access(cpu)?;
    cpu.intercept(Sensitive::Rdtscp)?;
    cpu.write_edx_eax(cpu.time_stamp());
    cpu.registers.write(RCX, cpu.msr.tsc_aux);
    cpu.charge(Operation::TimeStampRead);
    Ok(())
}

/// RDPMC: no counter exists, so that every ECX names a wrong one.
pub(crate) fn rdpmc(cpu: &mut Cpu, _: &Op) -> Step {
    if !cpu.control.cr4.contains(Cr4::PCE) {
        cpu.require_ring_0()?;
    }
    cpu.intercept(Sensitive::Rdpmc)?;
    Err(Exception::GENERAL_PROTECTION.into())
}
