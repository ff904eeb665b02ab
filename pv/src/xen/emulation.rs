//! Privileged instructions that a paravirtual kernel still executes: they raise #GP in ring 3,
//! and Xen performs them on the virtual CPU.
//!
//! Source: `xen/arch/x86/pv/emul-priv-op.c`.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use paravane_core::accounting::{Cause, Primitive};
use paravane_core::hypervisor::paravirt::Services;
use paravane_cpu::paging::is_canonical;
use paravane_cpu::state::control::{Cr0, Efer};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::msr::address;
use paravane_cpu::state::registers::{RAX, RCX, RDX, RIP};
use paravane_cpu::state::segments::SegmentName;
use paravane_cpu::{AccessWidth, Sensitive, Vector};

use super::Xen;
use super::layout::vcpu_info;

/// The longest instruction.
const LONGEST: usize = 15;

/// Ports that are Xen's own: interrupt controllers, timer, console.
const OWN_PORTS: &[std::ops::RangeInclusive<u16>] =
    &[0x20..=0x21, 0x40..=0x43, 0x61..=0x61, 0xa0..=0xa1, 0x3f8..=0x3ff, 0x4d0..=0x4d1];
/// PCI configuration: no device is the domain's.
const PCI_PORTS: std::ops::RangeInclusive<u16> = 0xcf8..=0xcff;

/// The page attribute table that Xen gives its guests.
const PAT: u64 = 0x0000_0501_0007_0406;

/// CR0 as the guest sees it, but for TS.
const CONTROL_0: Cr0 = Cr0::PE
    .union(Cr0::MP)
    .union(Cr0::ET)
    .union(Cr0::NE)
    .union(Cr0::WP)
    .union(Cr0::AM)
    .union(Cr0::PG);

impl Xen {
    /// The instruction at RIP.
    pub(super) fn decode(&mut self, services: &mut dyn Services) -> Option<Instruction> {
        let rip = services.registers().get(RIP);
        let code = services.segment(SegmentName::Cs);
        let long = code.attributes.is_long();
        let linear = if long { rip } else { code.base.wrapping_add(rip) & 0xffff_ffff };
        let mut bytes = [0; LONGEST];
        // The last instruction of a page may be shorter than what a read takes.
        let in_page = (0x1000 - (linear & 0xfff)).min(LONGEST as u64) as usize;
        let mut length = LONGEST;
        if self.read_guest(services, linear, &mut bytes).is_err() {
            length = in_page;
            self.read_guest(services, linear, bytes.get_mut(..in_page)?).ok()?;
        }
        services.charge(Primitive::DecodeAndEmulate, 1);
        let bits = if long { 64 } else { 32 };
        let bytes = bytes.get(..length)?;
        let instruction = Decoder::with_ip(bits, bytes, rip, DecoderOptions::NONE).decode();
        (!instruction.is_invalid()).then_some(instruction)
    }

    /// Emulates the instruction that raised #GP(0), if Xen emulates it. `None`: the exception is
    /// the guest's.
    pub(super) fn emulate_privileged(&mut self, services: &mut dyn Services) -> Option<Cause> {
        let instruction = self.decode(services)?;
        let kernel = self.vcpu.kernel_mode;
        let what = match instruction.mnemonic() {
            Mnemonic::In | Mnemonic::Out => self.emulate_port(services, &instruction)?,
            Mnemonic::Cli | Mnemonic::Sti => {
                if !self.may_use_ports() {
                    return None;
                }
                let masked = instruction.mnemonic() == Mnemonic::Cli;
                self.mask_events(services, masked);
                if masked { Sensitive::Cli } else { Sensitive::Sti }
            }
            _ if !kernel => return None,
            Mnemonic::Rdmsr => self.emulate_rdmsr(services)?,
            Mnemonic::Wrmsr => self.emulate_wrmsr(services)?,
            Mnemonic::Mov => self.emulate_move(services, &instruction)?,
            Mnemonic::Clts => {
                services.set_task_switched(false);
                Sensitive::Clts
            }
            Mnemonic::Hlt => {
                self.block(services);
                Sensitive::Hlt
            }
            Mnemonic::Wbinvd | Mnemonic::Invd => Sensitive::Wbinvd,
            _ => return None,
        };
        services.registers().set(RIP, instruction.next_ip());
        let flags = services.flags();
        services.set_flags(flags - Rflags::RF);
        if flags.contains(Rflags::TF) {
            services.debug().dr6 |= 1 << 14;
            self.bounce_exception(services, Vector::Debug as u8, None);
        }
        Some(Cause::Instruction(what))
    }

    /// Whether the virtual I/O privilege level allows IN, OUT, CLI and STI (`iopl_ok`).
    fn may_use_ports(&self) -> bool {
        let architectural = self.has_assist(super::version::ASSIST_ARCHITECTURAL_IOPL);
        let ring = match (self.vcpu.kernel_mode, architectural) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 3,
        };
        self.vcpu.io_privilege >= ring
    }

    /// IN and OUT, if the virtual I/O privilege level allows them.
    fn emulate_port(
        &mut self,
        services: &mut dyn Services,
        instruction: &Instruction,
    ) -> Option<Sensitive> {
        if !self.may_use_ports() {
            return None;
        }
        let input = instruction.mnemonic() == Mnemonic::In;
        let (data, port) = if input { (0, 1) } else { (1, 0) };
        let width = AccessWidth::of(instruction.op_register(data).size() as u64)?;
        let port = match instruction.op_kind(port) {
            OpKind::Immediate8 => u16::from(instruction.immediate8()),
            _ => services.registers().get(RDX) as u16,
        };
        let last = port.saturating_add(width.bytes() as u16 - 1);
        let hidden = OWN_PORTS.iter().chain([&PCI_PORTS]);
        let hidden = hidden.clone().any(|own| port <= *own.end() && last >= *own.start());
        if input {
            let value = if hidden { u32::MAX } else { services.read_port(port, width) };
            let registers = services.registers();
            match width {
                AccessWidth::Byte => registers.write(RAX, value as u8),
                AccessWidth::Word => registers.write(RAX, value as u16),
                _ => registers.write(RAX, value),
            }
            return Some(Sensitive::In);
        }
        if !hidden {
            let value = services.registers().get(RAX) & width.mask();
            services.write_port(port, width, value as u32);
        }
        Some(Sensitive::Out)
    }

    fn emulate_rdmsr(&mut self, services: &mut dyn Services) -> Option<Sensitive> {
        let register = services.registers().get(RCX) as u32;
        let value = match register {
            address::TIME_STAMP_COUNTER => {
                services.now().wrapping_add(services.time_stamp_offset())
            }
            address::PLATFORM_ID | address::MICROCODE_REVISION => 0,
            // Fast strings; neither branch trace storage nor sampling.
            address::MISC_ENABLE => 1 | 3 << 11,
            address::PAT => PAT,
            address::EFER => (Efer::SCE | Efer::LME | Efer::LMA | Efer::NXE).bits(),
            address::FS_BASE => services.segment(SegmentName::Fs).base,
            address::GS_BASE => services.segment(SegmentName::Gs).base,
            address::KERNEL_GS_BASE => services.shadow_gs_base(),
            _ => return None,
        };
        services.registers().set(RAX, value & 0xffff_ffff);
        services.registers().set(RDX, value >> 32);
        Some(Sensitive::Rdmsr)
    }

    fn emulate_wrmsr(&mut self, services: &mut dyn Services) -> Option<Sensitive> {
        let register = services.registers().get(RCX) as u32;
        let low = services.registers().get(RAX) & 0xffff_ffff;
        let value = low | services.registers().get(RDX) << 32;
        match register {
            address::FS_BASE | address::GS_BASE if is_canonical(value) => {
                let fs = register == address::FS_BASE;
                let name = if fs { SegmentName::Fs } else { SegmentName::Gs };
                let segment = services.segment(name).with_base(value);
                services.set_segment(name, segment);
            }
            address::KERNEL_GS_BASE if is_canonical(value) => services.set_shadow_gs_base(value),
            address::EFER if value == (Efer::SCE | Efer::LME | Efer::LMA | Efer::NXE).bits() => {}
            _ => return None,
        }
        Some(Sensitive::Wrmsr)
    }

    /// MOV from and to control and debug registers.
    fn emulate_move(
        &mut self,
        services: &mut dyn Services,
        instruction: &Instruction,
    ) -> Option<Sensitive> {
        let (to, from) = (instruction.op0_register(), instruction.op1_register());
        if from.is_cr() {
            let value = self.read_control(services, from)?;
            services.registers().set(to.full_register().number() as u8, value);
            return Some(Sensitive::ReadControl);
        }
        if to.is_cr() {
            let value = services.registers().get(from.full_register().number() as u8);
            self.write_control(services, to, value)?;
            return Some(Sensitive::WriteControl);
        }
        if from.is_dr() {
            let value = self.read_debug(services, from.number() as u64)?;
            services.registers().set(to.full_register().number() as u8, value);
            return Some(Sensitive::ReadDebug);
        }
        if to.is_dr() {
            let value = services.registers().get(from.full_register().number() as u8);
            self.write_debug(services, to.number() as u64, value).ok()?;
            return Some(Sensitive::WriteDebug);
        }
        None
    }

    fn read_control(&mut self, services: &mut dyn Services, register: Register) -> Option<u64> {
        match register {
            Register::CR0 => {
                let mut value = CONTROL_0;
                value.set(Cr0::TS, services.task_switched());
                Some(value.bits())
            }
            Register::CR2 => {
                let (frame, offset) = self.vcpu.info;
                let mut bytes = [0; 8];
                services.read_frame(frame, offset + vcpu_info::FAULT_ADDRESS, &mut bytes);
                Some(u64::from_le_bytes(bytes))
            }
            Register::CR3 => Some(self.vcpu.root << 12),
            Register::CR4 => Some(self.vcpu.control_4),
            _ => None,
        }
    }

    fn write_control(
        &mut self,
        services: &mut dyn Services,
        register: Register,
        value: u64,
    ) -> Option<()> {
        match register {
            Register::CR0 => {
                // Only TS can change.
                if (value ^ CONTROL_0.bits()) & !Cr0::TS.bits() != 0 {
                    return None;
                }
                services.set_task_switched(value & Cr0::TS.bits() != 0);
            }
            Register::CR2 => {
                self.write_info(services, vcpu_info::FAULT_ADDRESS, &value.to_le_bytes());
            }
            Register::CR3 => self.new_root(services, value >> 12).ok()?,
            Register::CR4 => self.vcpu.control_4 = super::virtual_registers::fixed_cr4(value),
            _ => return None,
        }
        Some(())
    }
}
