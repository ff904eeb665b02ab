//! RDMSR, WRMSR, and the model-specific registers behind them.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::Exception;
use crate::exit::Step;
use crate::intercepts::Sensitive;
use crate::memory::paging::is_canonical;
use crate::state::control::{Cr0, Efer};
use crate::state::msr::address;
use crate::state::registers::{RAX, RCX, RDX};
use crate::state::segments::SegmentName;
use crate::timing::Operation;

/// MISC_ENABLE: fast strings, the one bit of it that software may change here.
const FAST_STRINGS: u64 = 1 << 0;
/// MISC_ENABLE: neither branch trace storage nor event-based sampling is there.
const NO_TRACING: u64 = 1 << 11 | 1 << 12;

/// RDMSR: EDX:EAX ← the register that ECX names.
pub(crate) fn rdmsr(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Rdmsr)?;
    let value = cpu.read_msr(cpu.registers.read(RCX)).ok_or(Exception::GENERAL_PROTECTION)?;
    cpu.write_edx_eax(value);
    cpu.charge(Operation::ModelSpecificAccess);
    Ok(())
}

/// WRMSR: the register that ECX names ← EDX:EAX.
pub(crate) fn wrmsr(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::Wrmsr)?;
    let low: u32 = cpu.registers.read(RAX);
    let high: u32 = cpu.registers.read(RDX);
    let value = u64::from(high) << 32 | u64::from(low);
    cpu.write_msr(cpu.registers.read(RCX), value).ok_or(Exception::GENERAL_PROTECTION)?;
    cpu.charge(Operation::ModelSpecificAccess);
    Ok(())
}

impl Cpu {
    /// Splits a value over EDX and EAX, clearing the upper halves of both registers.
    pub(crate) fn write_edx_eax(&mut self, value: u64) {
        self.registers.write(RAX, value as u32);
        self.registers.write(RDX, (value >> 32) as u32);
    }

    /// The value of a model-specific register, or `None` if it doesn't exist.
    pub fn read_msr(&self, register: u32) -> Option<u64> {
        Some(match register {
            address::TIME_STAMP_COUNTER => self.time_stamp(),
            address::PLATFORM_ID | address::MICROCODE_REVISION => 0,
            address::TSC_ADJUST => self.msr.tsc_adjust,
            address::SYSENTER_CS => self.msr.sysenter_cs,
            address::SYSENTER_ESP => self.msr.sysenter_esp,
            address::SYSENTER_EIP => self.msr.sysenter_eip,
            address::MISC_ENABLE => self.msr.misc_enable | NO_TRACING,
            address::PAT => self.msr.pat,
            address::EFER => self.control.efer.bits(),
            address::STAR => self.msr.star,
            address::LSTAR => self.msr.lstar,
            address::CSTAR => self.msr.cstar,
            address::FMASK => self.msr.fmask,
            address::FS_BASE => self.segments.get(SegmentName::Fs).base,
            address::GS_BASE => self.segments.get(SegmentName::Gs).base,
            address::KERNEL_GS_BASE => self.msr.kernel_gs_base,
            address::TSC_AUX => u64::from(self.msr.tsc_aux),
            _ => return None,
        })
    }

    /// Writes a model-specific register, or changes nothing and returns `None` where WRMSR
    /// raises #GP(0) (Intel SDM vol. 2, "WRMSR", and vol. 4, "Architectural MSRs").
    pub(crate) fn write_msr(&mut self, register: u32, value: u64) -> Option<()> {
        match register {
            address::TIME_STAMP_COUNTER => self.msr.tsc_adjust = value.wrapping_sub(self.cycles),
            address::TSC_ADJUST => self.msr.tsc_adjust = value,
            // Software writes zero before CPUID fills in the revision, which is zero.
            address::MICROCODE_REVISION if value == 0 => {}
            // Bits 63–32 can't be set, and writing them raises nothing.
            address::SYSENTER_CS => self.msr.sysenter_cs = value & 0xffff_ffff,
            address::SYSENTER_ESP => self.msr.sysenter_esp = canonical(value)?,
            address::SYSENTER_EIP => self.msr.sysenter_eip = canonical(value)?,
            address::MISC_ENABLE => {
                let now = self.read_msr(register)?;
                if (value ^ now) & !FAST_STRINGS != 0 {
                    return None;
                }
                self.msr.misc_enable = value & FAST_STRINGS;
            }
            address::PAT => self.msr.pat = memory_types(value)?,
            address::EFER => self.write_efer(value)?,
            address::STAR => self.msr.star = value,
            address::LSTAR => self.msr.lstar = canonical(value)?,
            address::CSTAR => self.msr.cstar = canonical(value)?,
            address::FMASK => self.msr.fmask = u64::from(u32::try_from(value).ok()?),
            address::FS_BASE => self.set_segment_base(SegmentName::Fs, canonical(value)?),
            address::GS_BASE => self.set_segment_base(SegmentName::Gs, canonical(value)?),
            address::KERNEL_GS_BASE => self.msr.kernel_gs_base = canonical(value)?,
            address::TSC_AUX => self.msr.tsc_aux = u32::try_from(value).ok()?,
            _ => return None,
        }
        Some(())
    }

    /// LMA keeps its value: only MOV to CR0 changes it. LME can't change while paging is on.
    fn write_efer(&mut self, value: u64) -> Option<()> {
        let before = self.control.efer;
        let written = Efer::from_bits(value)?;
        if !self.features.efer_mask().contains(written) {
            return None;
        }
        let after = written & !Efer::LMA | before & Efer::LMA;
        let changed = before ^ after;
        if changed.contains(Efer::LME) && self.control.cr0.contains(Cr0::PG) {
            return None;
        }
        self.control.efer = after;
        if changed.contains(Efer::NXE) {
            self.derive_tlb();
        }
        self.mode_changed();
        Some(())
    }

    /// Replaces the base of a segment register and leaves the rest of it alone.
    pub(crate) fn set_segment_base(&mut self, name: SegmentName, base: u64) {
        let segment = self.segments.get(name).with_base(base);
        self.segments.set(name, segment);
    }
}

fn canonical(value: u64) -> Option<u64> {
    is_canonical(value).then_some(value)
}

/// A page attribute table whose eight entries all are memory types: 2, 3 and 8 to 255 are not.
fn memory_types(value: u64) -> Option<u64> {
    let valid = value.to_le_bytes().iter().all(|kind| matches!(kind, 0 | 1 | 4..=7));
    valid.then_some(value)
}
