//! Descriptor tables: the guest owns the frames, Xen checks every descriptor and maps them.
//!
//! Source: `xen/arch/x86/pv/descriptor-tables.c`.

use paravane_core::accounting::Primitive;
use paravane_core::hypervisor::paravirt::Services;
use paravane_cpu::state::segments::{Attributes, Descriptor, Segment, Selector, TableRegister};

use super::Xen;
use super::errors::{Answer, Errno};
use super::frame_types::FrameType;
use super::layout::{
    DESCRIPTOR_TABLE, DESCRIPTOR_TABLE_LIMIT, FIRST_LOCAL_PAGE, GUEST_DESCRIPTOR_PAGES,
    GUEST_DESCRIPTORS, LOCAL_DESCRIPTOR_PAGES, LOCAL_DESCRIPTOR_TABLE,
};
use super::page_tables::entry;

const SEGMENT: u64 = 1 << 44;
const PRESENT: u64 = 1 << 47;
const LEVEL: u64 = 3 << 45;
const TYPE: u64 = 0xf << 40;
const CALL_GATE: u64 = 0xc << 40;
/// A local descriptor table, present.
const LOCAL_TABLE: Attributes = Attributes(0x82);

/// What a descriptor becomes in the guest's table, if it may be there (`check_descriptor`).
pub fn checked(descriptor: u64) -> Option<u64> {
    if descriptor & PRESENT == 0 {
        return Some(descriptor);
    }
    // Nothing may belong to a ring inside the guest's own.
    let mut checked = descriptor | LEVEL;
    if descriptor & SEGMENT != 0 || descriptor & TYPE == 0 {
        return Some(checked);
    }
    if descriptor & TYPE != CALL_GATE {
        return None;
    }
    let selector = (descriptor >> 16) as u16;
    let allowed = selector & 4 != 0
        || u64::from(selector >> 3) < GUEST_DESCRIPTORS
        || matches!(selector | 3, super::layout::KERNEL_CODE | super::layout::CODE_32);
    // No ring can use it: Xen gets to see the #GP and emulates the call.
    checked &= !LEVEL;
    allowed.then_some(checked)
}

impl Xen {
    /// Checks a frame of descriptors and puts the checked ones in it.
    pub(super) fn validate_descriptors(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
    ) -> Result<(), Errno> {
        services.charge(Primitive::Descriptor, 512);
        for index in 0..512 {
            checked(services.read_word(frame, index)).ok_or(Errno::Invalid)?;
        }
        for index in 0..512 {
            let old = services.read_word(frame, index);
            if let Some(new) = checked(old).filter(|new| *new != old) {
                services.write_word(frame, index, new);
            }
        }
        Ok(())
    }

    /// set_gdt(frames, entries).
    pub(super) fn set_gdt(
        &mut self,
        services: &mut dyn Services,
        [list, entries, ..]: [u64; 5],
    ) -> Answer {
        let entries = u64::from(entries as u32);
        if entries > GUEST_DESCRIPTORS {
            return Err(Errno::Invalid.into());
        }
        let mut frames = Vec::new();
        for index in 0..entries.div_ceil(512) {
            let [frame] = self.read_words::<1>(services, list.wrapping_add(8 * index))?;
            frames.push(frame);
        }
        let mut taken = Vec::new();
        for frame in &frames {
            if self.get_frame_as(services, *frame, FrameType::Descriptors).is_err() {
                for frame in taken {
                    self.put_frame_and_type(services, frame);
                }
                return Err(Errno::Invalid.into());
            }
            taken.push(*frame);
        }
        for frame in std::mem::take(&mut self.vcpu.descriptor_frames) {
            self.put_frame_and_type(services, frame);
        }
        for page in 0..GUEST_DESCRIPTOR_PAGES {
            self.own.map_descriptors(services, page, frames.get(page).copied());
        }
        self.vcpu.descriptors = entries;
        self.vcpu.descriptor_frames = frames;
        self.flush(services);
        Ok(0)
    }

    /// update_descriptor(machine address, descriptor).
    pub(super) fn update_descriptor(
        &mut self,
        services: &mut dyn Services,
        [address, descriptor, ..]: [u64; 5],
    ) -> Answer {
        services.charge(Primitive::Descriptor, 1);
        let new = checked(descriptor).filter(|_| address & 7 == 0).ok_or(Errno::Invalid)?;
        let frame = address >> 12;
        let kind = match self.frames.get(frame).kind {
            FrameType::Descriptors => FrameType::Descriptors,
            _ => FrameType::Writable,
        };
        self.get_frame_as(services, frame, kind)?;
        services.write_word(frame, (address >> 3) as usize & 511, new);
        self.put_frame_and_type(services, frame);
        Ok(0)
    }

    /// Loads the local descriptor table; its pages are mapped when they are first used.
    pub(super) fn load_ldt(&mut self, services: &mut dyn Services, linear: u64, entries: u16) {
        if self.vcpu.local_table != (linear, entries) {
            if self.forget_ldt_pages(services) {
                self.flush(services);
            }
            self.vcpu.local_table = (linear, entries);
        }
        self.load_table_registers(services);
    }

    /// Loads GDTR and LDTR.
    pub(super) fn load_table_registers(&self, services: &mut dyn Services) {
        let global = TableRegister { base: DESCRIPTOR_TABLE, limit: DESCRIPTOR_TABLE_LIMIT };
        let (_, entries) = self.vcpu.local_table;
        let local = if entries == 0 {
            Segment::null(Selector(0))
        } else {
            let limit = u32::from(entries) * 8 - 1;
            Segment::new(Selector(0xe050), LOCAL_DESCRIPTOR_TABLE, limit, LOCAL_TABLE)
        };
        services.set_descriptor_tables(global, local);
    }

    /// Unmaps all pages of the local table. Returns whether there were any.
    pub(super) fn forget_ldt_pages(&mut self, services: &mut dyn Services) -> bool {
        let mut any = false;
        for page in 0..LOCAL_DESCRIPTOR_PAGES {
            let frame = std::mem::take(&mut self.vcpu.local_pages[page]);
            if frame != 0 {
                self.own.unmap_descriptors(services, FIRST_LOCAL_PAGE + page);
                self.put_frame_and_type(services, frame);
                any = true;
            }
        }
        any
    }

    /// Maps the page of the local table that holds byte `offset`. Returns whether it is there.
    pub(super) fn map_ldt_page(&mut self, services: &mut dyn Services, offset: u64) -> bool {
        let (linear, entries) = self.vcpu.local_table;
        let page = (offset >> 12) as usize;
        if offset >= u64::from(entries) * 8 {
            return false;
        }
        if self.vcpu.local_pages.get(page).is_some_and(|frame| *frame != 0) {
            return true;
        }
        let Some((table, index)) = self.leaf_of(services, linear.wrapping_add(offset)) else {
            return false;
        };
        let value = services.read_word(table, index);
        let frame = entry::frame(value);
        if value & entry::PRESENT == 0
            || self.get_frame_as(services, frame, FrameType::Descriptors).is_err()
        {
            return false;
        }
        if let Some(slot) = self.vcpu.local_pages.get_mut(page) {
            *slot = frame;
        }
        self.own.map_descriptors(services, FIRST_LOCAL_PAGE + page, Some(frame));
        services.drop_translation(LOCAL_DESCRIPTOR_TABLE + (page as u64) * 4096);
        true
    }

    /// The segment that a selector names in the guest's tables, loaded.
    pub(super) fn find_segment(
        &mut self,
        services: &mut dyn Services,
        selector: u16,
    ) -> Option<Segment> {
        let selector = Selector(selector);
        if selector.is_null() {
            return None;
        }
        let index = selector.offset() >> 3;
        let word = index as usize & 511;
        let page = (index >> 9) as usize;
        let bits = if selector.is_local() {
            if !self.map_ldt_page(services, selector.offset()) {
                return None;
            }
            services.read_word(*self.vcpu.local_pages.get(page)?, word)
        } else if page == GUEST_DESCRIPTOR_PAGES {
            self.own.reserved_descriptor(services, word)
        } else {
            services.read_word(*self.vcpu.descriptor_frames.get(page)?, word)
        };
        Some(Descriptor(bits).segment(selector))
    }
}
