//! [`Services`] on the real machine: the CPU's own registers, the machine's frames, the board.

use paravane_cpu::paging::{Access, AccessKind};
use paravane_cpu::state::control::{Cr0, Cr4, Efer};
use paravane_cpu::state::debug::{Debug, Dr6};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::Registers;
use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, Selector, TableRegister};
use paravane_cpu::{AccessWidth, Bus, Features, PAGE_SHIFT, PAGE_SIZE};

use super::own_devices::SERIAL;
use super::services::{GuestFault, Services};
use crate::accounting::{Cause, Primitive};
use crate::board::clock::CYCLES_PER_SECOND;
use crate::hypervisor::frames::{FrameNumber, Owner};
use crate::hypervisor::host::Host;

const SERIAL_LINE_STATUS: u16 = SERIAL + 5;
const DATA_READY: u32 = 1;
/// A busy TSS, present.
const TASK: u16 = 0x8b;

/// Work that waits for the cause of its exit.
#[derive(Clone, Debug)]
pub struct PendingCharges {
    counts: [u64; Primitive::COUNT],
}

impl Default for PendingCharges {
    fn default() -> Self {
        Self { counts: [0; Primitive::COUNT] }
    }
}

impl PendingCharges {
    /// Charges all of it to a cause.
    pub fn settle(&mut self, host: &mut Host, cause: Cause) {
        for (primitive, count) in Primitive::ALL.iter().zip(&mut self.counts) {
            if *count > 0 {
                host.charge(cause, *primitive, std::mem::take(count));
            }
        }
    }
}

/// The host as a personality sees it during one exit.
pub struct HostServices<'a> {
    pub host: &'a mut Host,
    pub pending: &'a mut PendingCharges,
}

impl HostServices<'_> {
    /// The physical address of a frame, which must be somebody's.
    fn address(&self, frame: FrameNumber) -> u64 {
        let owner = self.host.frames.owner(frame);
        assert!(
            matches!(owner, Some(Owner::Guest | Owner::Hypervisor)),
            "a personality touched machine frame {frame:#x}, which is nobody's"
        );
        frame << PAGE_SHIFT
    }

    /// Calls `each` for the parts of a linear range that lie in one page: physical address, and
    /// the range of bytes.
    fn each_part(
        &mut self,
        linear: u64,
        length: usize,
        kind: AccessKind,
        mut each: impl FnMut(&mut Host, u64, std::ops::Range<usize>),
    ) -> Result<(), GuestFault> {
        let access = Access { kind, user: true, smap_override: false };
        let mut done = 0;
        while done < length {
            let address = linear.wrapping_add(done as u64);
            let in_page = (PAGE_SIZE - (address & (PAGE_SIZE - 1))) as usize;
            let end = length.min(done + in_page);
            let physical = self
                .host
                .cpu
                .translate_from_outside(address, access)
                .map_err(|error_code| GuestFault { address, error_code })?;
            each(self.host, physical, done..end);
            done = end;
        }
        Ok(())
    }
}

impl Services for HostServices<'_> {
    fn registers(&mut self) -> &mut Registers {
        &mut self.host.cpu.registers
    }

    fn flags(&self) -> Rflags {
        self.host.cpu.flags.all()
    }

    fn set_flags(&mut self, flags: Rflags) {
        self.host.cpu.flags.set_all(flags);
    }

    fn segment(&self, name: SegmentName) -> Segment {
        *self.host.cpu.segments.get(name)
    }

    fn set_segment(&mut self, name: SegmentName, segment: Segment) {
        self.host.cpu.segments.set(name, segment);
    }

    fn shadow_gs_base(&self) -> u64 {
        self.host.cpu.msr.kernel_gs_base
    }

    fn set_shadow_gs_base(&mut self, base: u64) {
        self.host.cpu.msr.kernel_gs_base = base;
    }

    fn set_descriptor_tables(&mut self, global: TableRegister, local: Segment) {
        self.host.cpu.segments.gdtr = global;
        self.host.cpu.segments.ldtr = local;
    }

    fn debug(&mut self) -> &mut Debug {
        &mut self.host.cpu.debug
    }

    fn debug_conditions(&self) -> Dr6 {
        self.host.cpu.debug_conditions
    }

    fn fault_address(&self) -> u64 {
        self.host.cpu.fault_address
    }

    fn task_switched(&self) -> bool {
        self.host.cpu.control.cr0.contains(Cr0::TS)
    }

    fn set_task_switched(&mut self, on: bool) {
        self.host.cpu.control.cr0.set(Cr0::TS, on);
    }

    fn features(&self) -> &Features {
        &self.host.cpu.features
    }

    fn enter_long_mode(&mut self) {
        let cpu = &mut self.host.cpu;
        cpu.control.cr0 = Cr0::PE | Cr0::MP | Cr0::ET | Cr0::NE | Cr0::WP | Cr0::AM | Cr0::PG;
        cpu.control.cr4 = Cr4::PSE | Cr4::PAE | Cr4::PGE | Cr4::DE | Cr4::FSGSBASE;
        cpu.control.efer = Efer::SCE | Efer::LME | Efer::LMA | Efer::NXE;
        // Not null, so that SYSENTER gets as far as its intercept.
        cpu.msr.sysenter_cs = 8;
        // Without an I/O permission map, so that no port is open to ring 3.
        cpu.segments.tr = Segment::new(Selector(0), 0, 0, Attributes(TASK));
        cpu.cpl = 3;
        cpu.refresh();
    }

    fn root(&self) -> FrameNumber {
        self.host.cpu.control.cr3 >> PAGE_SHIFT
    }

    fn set_root(&mut self, frame: FrameNumber, drop_global: bool) {
        self.host.cpu.control.cr3 = self.address(frame);
        if drop_global {
            self.host.cpu.drop_translations();
        } else {
            self.host.cpu.drop_non_global_translations();
        }
        self.charge(Primitive::TlbFlush, 1);
    }

    fn drop_translations(&mut self) {
        self.host.cpu.drop_translations();
        self.charge(Primitive::TlbFlush, 1);
    }

    fn drop_translation(&mut self, linear: u64) {
        self.host.cpu.drop_translation(linear);
        self.charge(Primitive::PageInvalidation, 1);
    }

    fn read_linear(&mut self, linear: u64, bytes: &mut [u8]) -> Result<(), GuestFault> {
        self.charge(Primitive::GuestCopy, bytes.len().div_ceil(64) as u64);
        self.each_part(linear, bytes.len(), AccessKind::Read, |host, physical, range| {
            let length = range.len() as u64;
            if let Some(part) = bytes.get_mut(range) {
                match host.cpu.ram.slice(physical, length) {
                    Some(source) => part.copy_from_slice(source),
                    None => part.fill(0xff),
                }
            }
        })
    }

    fn write_linear(&mut self, linear: u64, bytes: &[u8]) -> Result<(), GuestFault> {
        self.charge(Primitive::GuestCopy, bytes.len().div_ceil(64) as u64);
        self.each_part(linear, bytes.len(), AccessKind::Write, |host, physical, range| {
            if let Some(part) = bytes.get(range) {
                host.cpu.write_ram(physical, part);
            }
        })
    }

    fn frame_count(&self) -> u64 {
        self.host.frames.count()
    }

    fn owner(&self, frame: FrameNumber) -> Option<Owner> {
        self.host.frames.owner(frame)
    }

    fn allocate(&mut self, owner: Owner) -> Option<FrameNumber> {
        let frame = self.host.frames.allocate(owner)?;
        self.host.cpu.write_ram(frame << PAGE_SHIFT, &[0; PAGE_SIZE as usize]);
        Some(frame)
    }

    fn release(&mut self, frame: FrameNumber) {
        self.host.frames.release(frame);
    }

    fn read_word(&self, frame: FrameNumber, index: usize) -> u64 {
        let address = self.address(frame) + (index as u64 & 511) * 8;
        self.host.cpu.ram.read(address).unwrap_or(u64::MAX)
    }

    fn write_word(&mut self, frame: FrameNumber, index: usize, value: u64) {
        let address = self.address(frame) + (index as u64 & 511) * 8;
        self.host.cpu.write_ram(address, &value.to_le_bytes());
    }

    fn read_frame(&self, frame: FrameNumber, offset: u64, bytes: &mut [u8]) {
        let address = self.address(frame);
        bytes.fill(0);
        let length = PAGE_SIZE.saturating_sub(offset).min(bytes.len() as u64);
        let source = self.host.cpu.ram.slice(address + offset.min(PAGE_SIZE), length);
        if let (Some(part), Some(source)) = (bytes.get_mut(..length as usize), source) {
            part.copy_from_slice(source);
        }
    }

    fn write_frame(&mut self, frame: FrameNumber, offset: u64, bytes: &[u8]) {
        let address = self.address(frame);
        let length = PAGE_SIZE.saturating_sub(offset).min(bytes.len() as u64) as usize;
        if length > 0 {
            let part = bytes.get(..length).unwrap_or_default();
            self.host.cpu.write_ram(address + offset, part);
        }
    }

    fn now(&self) -> u64 {
        self.host.cpu.cycles
    }

    fn cycles_per_second(&self) -> u64 {
        CYCLES_PER_SECOND
    }

    fn time_stamp_offset(&self) -> u64 {
        self.host.cpu.msr.tsc_adjust
    }

    fn console_write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_port(SERIAL, AccessWidth::Byte, u32::from(*byte));
        }
    }

    fn console_read(&mut self, bytes: &mut [u8]) -> usize {
        let mut count = 0;
        for byte in bytes {
            if self.read_port(SERIAL_LINE_STATUS, AccessWidth::Byte) & DATA_READY == 0 {
                break;
            }
            *byte = self.read_port(SERIAL, AccessWidth::Byte) as u8;
            count += 1;
        }
        count
    }

    fn read_port(&mut self, port: u16, width: AccessWidth) -> u32 {
        self.charge(Primitive::DeviceAccess, 1);
        self.host.board.read_port(self.host.cpu.cycles, port, width)
    }

    fn write_port(&mut self, port: u16, width: AccessWidth, value: u32) {
        self.charge(Primitive::DeviceAccess, 1);
        self.host.board.write_port(self.host.cpu.cycles, port, width, value);
    }

    fn charge(&mut self, primitive: Primitive, times: u64) {
        if let Some(count) = self.pending.counts.get_mut(primitive as usize) {
            *count += times;
        }
    }
}
