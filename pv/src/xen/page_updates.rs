//! `mmu_update` and `update_va_mapping`: the guest asks for new page-table entries.
//!
//! Source: `do_mmu_update`, `mod_l1_entry` and their kin in `xen/arch/x86/mm.c`.

use paravane_core::accounting::Primitive;
use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::{Answer, Errno, Refusal};
use super::frame_types::FrameType;
use super::layout::{XEN_SLOTS, is_guest_address, is_guest_array};
use super::page_tables::{adjusted, entry};

/// DOMID_SELF.
pub const DOMAIN_SELF: u64 = 0x7ff0;
/// MMU_UPDATE_PREEMPTED: the call goes on.
const PREEMPTED: u32 = 1 << 31;
/// List elements that one execution of a call works off.
pub const BATCH: u32 = 1024;
/// Entries that one execution of a call may check before it pauses.
pub const WORK: u64 = 64 * 512;

/// MMU_NORMAL_PT_UPDATE.
const NORMAL: u64 = 0;
/// MMU_MACHPHYS_UPDATE.
const MACHINE_TO_PHYSICAL: u64 = 1;
/// MMU_PT_UPDATE_PRESERVE_AD.
const PRESERVE_ACCESSED_DIRTY: u64 = 2;
/// MMU_PT_UPDATE_NO_TRANSLATE.
const NO_TRANSLATE: u64 = 3;

/// Flags whose change needs no other reference (`FASTPATH_FLAG_WHITELIST`).
const HARMLESS: u64 = entry::NO_EXECUTE
    | entry::AVAILABLE
    | entry::GLOBAL
    | entry::DIRTY
    | entry::ACCESSED
    | entry::USER;

/// UVMF_FLUSHTYPE_MASK and its values.
const FLUSH_TYPE: u64 = 3;
const FLUSH_ALL: u64 = 1;
const FLUSH_PAGE: u64 = 2;

/// Bookkeeping of a list that may take several executions.
pub struct Batch {
    /// Elements that are left.
    pub count: u32,
    /// Elements that earlier executions did.
    pub done: u32,
}

impl Xen {
    /// The start of a list call: its count, and what was done before if it goes on.
    pub(super) fn batch(&mut self, services: &mut dyn Services, count: u64, done: u64) -> Batch {
        let count = count as u32;
        let mut bytes = [0; 4];
        let resumed = count & PREEMPTED != 0 && done != 0;
        if resumed && self.read_guest(services, done, &mut bytes).is_err() {
            bytes = [0; 4];
        }
        Batch { count: count & !PREEMPTED, done: u32::from_le_bytes(bytes) }
    }

    /// The end of one: writes how many elements were done, and answers.
    #[expect(clippy::too_many_arguments, reason = "they are the call's own arguments")]
    pub(super) fn finish_batch(
        &mut self,
        services: &mut dyn Services,
        batch: &Batch,
        worked: u32,
        list: u64,
        done: u64,
        domain: u64,
        result: Result<(), Errno>,
    ) -> Answer {
        if done != 0 {
            let total = batch.done.wrapping_add(worked);
            let _ = self.write_guest(services, done, &total.to_le_bytes());
        }
        result?;
        if worked < batch.count {
            let left = u64::from((batch.count - worked) | PREEMPTED);
            return Err(Refusal::Again([list, left, done, domain, 0]));
        }
        Ok(0)
    }

    /// Whether a call names this domain, by number or as DOMID_SELF.
    pub(super) fn require_self(&self, domain: u64) -> Result<(), Errno> {
        match domain & 0xffff {
            DOMAIN_SELF => Ok(()),
            number if number == u64::from(self.domain.number) => Ok(()),
            _ => Err(Errno::NoSuchDomain),
        }
    }

    /// mmu_update(requests, count, done, domain).
    pub(super) fn mmu_update(
        &mut self,
        services: &mut dyn Services,
        [list, count, done, domain, _]: [u64; 5],
    ) -> Answer {
        let batch = self.batch(services, count, done);
        if !is_guest_array(list, batch.count.into(), 16) {
            return Err(Errno::Fault.into());
        }
        if domain as u32 >> 16 != 0 {
            self.require_self((domain as u32 >> 16) as u64 - 1)?;
        }
        self.require_self(domain)?;
        let start = self.work;
        let mut worked = 0;
        let mut at = list;
        let mut result = Ok(());
        while worked < batch.count && worked < BATCH && self.work - start < WORK {
            result = self.one_update(services, at);
            if result.is_err() {
                break;
            }
            worked += 1;
            at = at.wrapping_add(16);
        }
        self.finish_batch(services, &batch, worked, at, done, domain, result)
    }

    fn one_update(&mut self, services: &mut dyn Services, at: u64) -> Result<(), Errno> {
        services.charge(Primitive::BatchEntry, 1);
        let [pointer, value] = self.read_words::<2>(services, at)?;
        let command = pointer & 7;
        let frame = pointer >> 12;
        match command {
            NORMAL | PRESERVE_ACCESSED_DIRTY | NO_TRANSLATE => {
                let index = (pointer >> 3) as usize & 511;
                self.update_entry(services, frame, index, value, command != NORMAL)
            }
            MACHINE_TO_PHYSICAL => {
                if !self.frames.is_guest(frame) {
                    return Err(Errno::Invalid);
                }
                self.set_machine_to_physical(services, frame, value);
                Ok(())
            }
            _ => Err(Errno::NotImplemented),
        }
    }

    /// Writes a word of a frame, as the frame's type allows.
    fn update_entry(
        &mut self,
        services: &mut dyn Services,
        frame: u64,
        index: usize,
        value: u64,
        preserve: bool,
    ) -> Result<(), Errno> {
        let info = self.frames.get(frame);
        if !info.owned {
            return Err(Errno::Invalid);
        }
        let preserve = preserve && info.kind != FrameType::Writable;
        match info.kind {
            FrameType::Table(level) if info.type_count > 0 => {
                self.modify(services, level, frame, index, value, preserve)
            }
            FrameType::Descriptors if info.type_count > 0 => Err(Errno::Invalid),
            _ => {
                // Plain memory: no table is there yet.
                self.get_frame_as(services, frame, FrameType::Writable)?;
                services.write_word(frame, index, value);
                self.put_frame_and_type(services, frame);
                Ok(())
            }
        }
    }

    /// Replaces an entry of a table that is in use: `mod_l1_entry` to `mod_l4_entry`.
    pub(super) fn modify(
        &mut self,
        services: &mut dyn Services,
        level: u8,
        frame: u64,
        index: usize,
        new: u64,
        preserve: bool,
    ) -> Result<(), Errno> {
        self.work += 1;
        services.charge(Primitive::EntryValidated, 1);
        if level == 4 && XEN_SLOTS.contains(&index) {
            return Err(Errno::Invalid);
        }
        let old = services.read_word(frame, index);
        let kept = if preserve { old & (entry::ACCESSED | entry::DIRTY) } else { 0 };
        if new & entry::PRESENT != 0 {
            let allowed = if level == 1 { entry::GLOBAL } else { 0 };
            if new & entry::DISALLOWED & !allowed != 0 {
                return Err(Errno::Invalid);
            }
            if old & entry::PRESENT != 0 && (old ^ new) & !HARMLESS == 0 {
                services.write_word(frame, index, adjusted(level, new) | kept);
                return Ok(());
            }
            self.get_entry(services, level, new, frame)?;
        }
        services.write_word(frame, index, adjusted(level, new) | kept);
        self.put_entry(services, level, old, frame);
        Ok(())
    }

    /// The level 1 table, and the index in it, that map a linear address now.
    pub(super) fn leaf_of(&self, services: &dyn Services, linear: u64) -> Option<(u64, usize)> {
        let mut table = self.current_root();
        for level in [4u32, 3, 2] {
            let index = (linear >> (12 + 9 * (level - 1))) as usize & 511;
            let value = services.read_word(table, index);
            if value & entry::PRESENT == 0 {
                return None;
            }
            table = entry::frame(value);
            if !self.frames.is_guest(table) {
                return None;
            }
        }
        Some((table, (linear >> 12) as usize & 511))
    }

    /// update_va_mapping(linear, entry, flags).
    pub(super) fn update_va_mapping(
        &mut self,
        services: &mut dyn Services,
        [linear, value, flags, ..]: [u64; 5],
    ) -> Answer {
        if !is_guest_address(linear) {
            return Err(Errno::Invalid.into());
        }
        services.charge(Primitive::GuestTableReference, 4);
        let result = match self.leaf_of(services, linear) {
            Some((table, index)) => {
                let info = self.frames.get(table);
                if info.kind == FrameType::Table(1) && info.validated && info.type_count > 0 {
                    self.modify(services, 1, table, index, value, false)
                } else {
                    Err(Errno::Invalid)
                }
            }
            None => Err(Errno::Invalid),
        };
        match flags & FLUSH_TYPE {
            FLUSH_ALL => self.flush(services),
            FLUSH_PAGE => services.drop_translation(linear),
            _ => {}
        }
        result?;
        Ok(0)
    }

    /// update_va_mapping_otherdomain(linear, entry, flags, domain): only this one.
    pub(super) fn update_va_mapping_otherdomain(
        &mut self,
        services: &mut dyn Services,
        [linear, value, flags, domain, _]: [u64; 5],
    ) -> Answer {
        self.require_self(domain)?;
        self.update_va_mapping(services, [linear, value, flags, 0, 0])
    }
}
