//! Hypercalls for single registers: segment bases, the task-switched flag, debug registers; and
//! CPUID as Xen shows it.
//!
//! Source: `xen/arch/x86/pv/misc-hypercalls.c`.

use paravane_core::hypervisor::paravirt::Services;
use paravane_cpu::paging::is_canonical;
use paravane_cpu::state::control::Cr4;
use paravane_cpu::state::debug::{DR6_FIXED, DR7_FIXED};
use paravane_cpu::state::registers::{RAX, RBX, RCX, RDX};
use paravane_cpu::state::segments::{Segment, SegmentName, Selector};

use super::Xen;
use super::errors::{Answer, Errno};
use super::layout::is_guest_address;

/// Bits of CR4 that a guest may change as it likes, without effect on the processor.
const CONTROL_4_FREE: u64 = Cr4::TSD.bits() | Cr4::DE.bits() | Cr4::FSGSBASE.bits();
/// Bits of CR4 that it sees set.
const CONTROL_4_SET: u64 = Cr4::PSE.bits() | Cr4::PAE.bits();

/// CR4 as the guest sees it after it has written a value.
pub fn fixed_cr4(value: u64) -> u64 {
    value & CONTROL_4_FREE | CONTROL_4_SET
}

impl Xen {
    /// set_segment_base(which, base).
    pub(super) fn set_segment_base(
        &mut self,
        services: &mut dyn Services,
        [which, base, ..]: [u64; 5],
    ) -> Answer {
        if which as u32 != 3 && !is_canonical(base) {
            return Err(Errno::Invalid.into());
        }
        let set = |services: &mut dyn Services, name| {
            let segment = services.segment(name).with_base(base);
            services.set_segment(name, segment);
        };
        match which as u32 {
            // SEGBASE_FS.
            0 => set(services, SegmentName::Fs),
            // SEGBASE_GS_USER: hypercalls come from the kernel, so it is the other one.
            1 => services.set_shadow_gs_base(base),
            // SEGBASE_GS_KERNEL.
            2 => set(services, SegmentName::Gs),
            // SEGBASE_GS_USER_SEL.
            3 => {
                let selector = base as u16;
                let segment = self.find_segment(services, selector).filter(|segment| {
                    let attributes = segment.attributes;
                    attributes.is_readable() && attributes.is_present() && attributes.dpl() == 3
                });
                match segment {
                    Some(segment) => {
                        let gs = services.segment(SegmentName::Gs);
                        let kernel_base = gs.base;
                        services.set_shadow_gs_base(segment.base);
                        services.set_segment(SegmentName::Gs, segment.with_base(kernel_base));
                    }
                    None => {
                        let gs = services.segment(SegmentName::Gs);
                        let null = Segment::null(Selector(0)).with_base(gs.base);
                        services.set_shadow_gs_base(0);
                        services.set_segment(SegmentName::Gs, null);
                    }
                }
            }
            _ => return Err(Errno::Invalid.into()),
        }
        Ok(0)
    }

    /// fpu_taskswitch(set).
    pub(super) fn fpu_taskswitch(
        &mut self,
        services: &mut dyn Services,
        [set, ..]: [u64; 5],
    ) -> Answer {
        services.set_task_switched(set as u32 != 0);
        Ok(0)
    }

    /// set_debugreg(register, value).
    pub(super) fn set_debugreg(
        &mut self,
        services: &mut dyn Services,
        [register, value, ..]: [u64; 5],
    ) -> Answer {
        self.write_debug(services, u64::from(register as u32), value)?;
        Ok(0)
    }

    /// get_debugreg(register).
    pub(super) fn get_debugreg(
        &mut self,
        services: &mut dyn Services,
        [register, ..]: [u64; 5],
    ) -> Answer {
        self.read_debug(services, u64::from(register as u32)).ok_or(Errno::NoDevice.into())
    }

    /// Writes a debug register of the virtual CPU.
    pub(super) fn write_debug(
        &mut self,
        services: &mut dyn Services,
        register: u64,
        value: u64,
    ) -> Result<(), Errno> {
        match register {
            0..=3 => {
                // A breakpoint in Xen would stop Xen.
                if !is_guest_address(value) {
                    return Err(Errno::NotPermitted);
                }
                if let Some(slot) = services.debug().addresses.get_mut(register as usize) {
                    *slot = value;
                }
            }
            4 | 6 => services.debug().dr6 = DR6_FIXED | value & 0xe00f,
            5 | 7 => {
                // Bits that must be 0, general detect, and breakpoints on ports.
                let value = value & !0xffff_ffff_0000_d000 & !(1 << 13);
                let port = (0..4).any(|n| value >> (16 + 4 * n) & 3 == 2);
                if port {
                    return Err(Errno::NotPermitted);
                }
                services.debug().dr7 = value | DR7_FIXED;
            }
            _ => return Err(Errno::NoDevice),
        }
        Ok(())
    }

    /// Reads a debug register of the virtual CPU.
    pub(super) fn read_debug(&self, services: &mut dyn Services, register: u64) -> Option<u64> {
        let debug = services.debug();
        match register {
            0..=3 => debug.addresses.get(register as usize).copied(),
            4 | 6 => Some(debug.dr6),
            5 | 7 => Some(debug.dr7),
            _ => None,
        }
    }

    /// CPUID, with Xen's leaves from 0x40000000.
    pub(super) fn emulate_cpuid(&mut self, services: &mut dyn Services) {
        let leaf = services.registers().get(RAX) as u32;
        let subleaf = services.registers().get(RCX) as u32;
        let words = match leaf {
            0x4000_0000 => [0x4000_0005, word(b"XenV"), word(b"MMXe"), word(b"nVMM")],
            0x4000_0001 => [super::version::VERSION, 0, 0, 0],
            // No hypercall pages by MSR; features: XENFEAT_mmu_pt_update_preserve_ad's bit.
            0x4000_0002 => [0, 0x4000_0000, 1, 0],
            0x4000_0003 => self.time_leaf(services, subleaf),
            0x4000_0005 => [0, 0, 0, 0],
            _ => {
                let answer = services.features().leaf(leaf, subleaf, true);
                let mut words = [answer.eax, answer.ebx, answer.ecx, answer.edx];
                if leaf == 1 {
                    // There is a hypervisor.
                    words[2] |= 1 << 31;
                }
                words
            }
        };
        for (register, value) in [RAX, RBX, RCX, RDX].into_iter().zip(words) {
            services.registers().set(register, value.into());
        }
    }

    /// Leaf 3: how time-stamp counter and system time are related.
    fn time_leaf(&self, services: &dyn Services, subleaf: u32) -> [u32; 4] {
        let hertz = services.cycles_per_second();
        match subleaf {
            // Native TSC; its frequency in kHz.
            0 => [0, 0, u32::try_from(hertz / 1000).unwrap_or(u32::MAX), 0],
            1 => {
                let (multiplier, shift) = super::timers::scale(hertz);
                let offset = services.time_stamp_offset();
                [offset as u32, (offset >> 32) as u32, multiplier, shift as u8 as u32]
            }
            2 => [u32::try_from(hertz / 1000).unwrap_or(u32::MAX), 0, 0, 0],
            _ => [0; 4],
        }
    }
}

const fn word(text: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*text)
}
