//! `mmuext_op`: pins tables, changes roots, flushes, and loads the local descriptor table.
//!
//! Source: `do_mmuext_op` in `xen/arch/x86/mm.c`, `struct mmuext_op` in `xen/include/public/xen.h`.

use paravane_core::accounting::Primitive;
use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::{Answer, Errno};
use super::frame_types::FrameType;
use super::layout::{is_guest_address, is_guest_array};
use super::page_updates::{BATCH, WORK};

/// Commands (`MMUEXT_*`).
mod command {
    pub const PIN_L4: u32 = 3;
    pub const UNPIN: u32 = 4;
    pub const NEW_BASEPTR: u32 = 5;
    pub const TLB_FLUSH_LOCAL: u32 = 6;
    pub const INVLPG_LOCAL: u32 = 7;
    pub const TLB_FLUSH_MULTI: u32 = 8;
    pub const INVLPG_MULTI: u32 = 9;
    pub const TLB_FLUSH_ALL: u32 = 10;
    pub const INVLPG_ALL: u32 = 11;
    pub const FLUSH_CACHE: u32 = 12;
    pub const SET_LDT: u32 = 13;
    pub const NEW_USER_BASEPTR: u32 = 15;
    pub const CLEAR_PAGE: u32 = 16;
    pub const COPY_PAGE: u32 = 17;
    pub const FLUSH_CACHE_GLOBAL: u32 = 18;
    pub const MARK_SUPER: u32 = 19;
    pub const UNMARK_SUPER: u32 = 20;
}

/// Most descriptors of a local table.
const MOST_LOCAL_DESCRIPTORS: u64 = 8192;

impl Xen {
    /// mmuext_op(operations, count, done, domain).
    pub(super) fn mmuext_op(
        &mut self,
        services: &mut dyn Services,
        [list, count, done, domain, _]: [u64; 5],
    ) -> Answer {
        let batch = self.batch(services, count, done);
        if !is_guest_array(list, batch.count.into(), 24) {
            return Err(Errno::Fault.into());
        }
        self.require_self(domain)?;
        let start = self.work;
        let mut worked = 0;
        let mut at = list;
        let mut result = Ok(());
        while worked < batch.count && worked < BATCH && self.work - start < WORK {
            result = self.one_extended(services, at);
            if result.is_err() {
                break;
            }
            worked += 1;
            at = at.wrapping_add(24);
        }
        self.finish_batch(services, &batch, worked, at, done, domain, result)
    }

    fn one_extended(&mut self, services: &mut dyn Services, at: u64) -> Result<(), Errno> {
        services.charge(Primitive::BatchEntry, 1);
        let [number, first, second] = self.read_words::<3>(services, at)?;
        self.work += 1;
        match number as u32 {
            pin @ 0..=command::PIN_L4 => self.pin(services, first, pin as u8 + 1),
            command::UNPIN => self.unpin(services, first),
            command::NEW_BASEPTR => self.new_root(services, first),
            command::NEW_USER_BASEPTR => self.new_user_root(services, first),
            command::TLB_FLUSH_LOCAL | command::TLB_FLUSH_ALL => {
                self.flush(services);
                Ok(())
            }
            command::INVLPG_LOCAL | command::INVLPG_ALL => {
                self.invalidate(services, first);
                Ok(())
            }
            command::TLB_FLUSH_MULTI => {
                if self.names_this_processor(services, second)? {
                    self.flush(services);
                }
                Ok(())
            }
            command::INVLPG_MULTI => {
                if self.names_this_processor(services, second)? {
                    self.invalidate(services, first);
                }
                Ok(())
            }
            // A domain without devices has nothing to flush caches for.
            command::FLUSH_CACHE => Err(Errno::AccessDenied),
            command::FLUSH_CACHE_GLOBAL => Err(Errno::Invalid),
            command::SET_LDT => self.set_ldt(services, first, second & 0xffff_ffff),
            command::CLEAR_PAGE => self.write_page(services, first, None),
            command::COPY_PAGE => {
                if !self.frames.is_guest(second) {
                    return Err(Errno::Invalid);
                }
                self.write_page(services, first, Some(second))
            }
            command::MARK_SUPER | command::UNMARK_SUPER => Err(Errno::NotSupported),
            _ => Err(Errno::NotImplemented),
        }
    }

    fn invalidate(&mut self, services: &mut dyn Services, linear: u64) {
        if is_guest_address(linear) {
            services.drop_translation(linear);
        }
    }

    /// Whether a set of vCPUs in guest memory has the only one.
    fn names_this_processor(
        &mut self,
        services: &mut dyn Services,
        mask: u64,
    ) -> Result<bool, Errno> {
        let mut byte = [0];
        self.read_guest(services, mask, &mut byte).map_err(|_| Errno::Invalid)?;
        Ok(byte[0] & 1 != 0)
    }

    /// Pins a table: it stays checked while nothing else refers to it.
    pub(super) fn pin(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
        level: u8,
    ) -> Result<(), Errno> {
        self.work += 512;
        self.get_frame_as(services, frame, FrameType::Table(level))?;
        let pinned = match self.frames.guest(frame) {
            Some(info) => std::mem::replace(&mut info.pinned, true),
            None => true,
        };
        if pinned {
            self.put_frame_and_type(services, frame);
            return Err(Errno::Invalid);
        }
        Ok(())
    }

    fn unpin(&mut self, services: &mut dyn Services, frame: u64) -> Result<(), Errno> {
        self.work += 512;
        let info = self.frames.guest(frame).filter(|info| info.pinned).ok_or(Errno::Invalid)?;
        info.pinned = false;
        self.put_frame_and_type(services, frame);
        Ok(())
    }

    /// The kernel's address space: the one that is in use now.
    pub(super) fn new_root(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
    ) -> Result<(), Errno> {
        let old = self.vcpu.root;
        if frame != old {
            self.get_frame_as(services, frame, FrameType::Table(4))?;
            self.forget_ldt_pages(services);
            self.vcpu.root = frame;
        }
        self.frames.flushes += 1;
        services.set_root(frame, true);
        if frame != old {
            self.put_frame_and_type(services, old);
        }
        Ok(())
    }

    /// The address space of the guest's programs; frame 0 means none.
    fn new_user_root(&mut self, services: &mut dyn Services, frame: u64) -> Result<(), Errno> {
        let old = self.vcpu.user_root;
        if frame == old {
            return Ok(());
        }
        if frame != 0 {
            self.get_frame_as(services, frame, FrameType::Table(4))?;
        }
        self.vcpu.user_root = frame;
        if old != 0 {
            // Order matters: translations of the old space must not outlive its tables.
            self.put_frame_and_type(services, old);
        }
        Ok(())
    }

    fn set_ldt(
        &mut self,
        services: &mut dyn Services,
        linear: u64,
        entries: u64,
    ) -> Result<(), Errno> {
        let linear = if entries == 0 { 0 } else { linear };
        if linear & 0xfff != 0 || !is_guest_address(linear) || entries > MOST_LOCAL_DESCRIPTORS {
            return Err(Errno::Invalid);
        }
        self.load_ldt(services, linear, entries as u16);
        Ok(())
    }

    /// Clears a page of plain memory, or copies another one to it.
    fn write_page(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
        source: Option<u64>,
    ) -> Result<(), Errno> {
        self.get_frame_as(services, frame, FrameType::Writable)?;
        let mut page = [0; 4096];
        if let Some(source) = source {
            services.read_frame(source, 0, &mut page);
        }
        services.write_frame(frame, 0, &page);
        services.charge(Primitive::GuestCopy, 64);
        self.put_frame_and_type(services, frame);
        Ok(())
    }
}
