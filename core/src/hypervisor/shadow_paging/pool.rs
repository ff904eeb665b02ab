//! The pool of shadow tables: making, linking and dropping them.

use paravane_cpu::paging::PageEntry;

use super::table::{Key, Table};
use super::{GuestMap, Host, ShadowPaging, Slot, read_entry, set_traced, write_entry};
use crate::accounting::{Cause, Primitive};
use crate::hypervisor::frames::FrameNumber;

impl ShadowPaging {
    /// The frame of a shadow table, made if it is missing. Tables in `keep` are not evicted for
    /// it. `None` if the machine has no frame left.
    pub(super) fn obtain(
        &mut self,
        host: &mut Host,
        map: &GuestMap,
        cause: Cause,
        key: Key,
        keep: &[Key],
    ) -> Option<FrameNumber> {
        if let Some(table) = self.tables.get(&key) {
            return Some(table.frame);
        }
        while self.tables.len() >= self.limit && self.evict(host, map, cause, keep) {}
        let frame = loop {
            match host.allocate_cleared() {
                Some(frame) => break frame,
                None if self.evict(host, map, cause, keep) => {}
                None => return None,
            }
        };
        host.charge(cause, Primitive::ShadowTable, 1);
        let number = self.next_number;
        self.next_number += 1;
        self.order.insert(number, key);
        self.keys.insert(frame, key);
        let table = Table {
            frame,
            number,
            writes_unwalked: 0,
            parents: Default::default(),
            children: Default::default(),
            mapped: Default::default(),
            pointers: [0; 4],
        };
        self.tables.insert(key, table);
        if let Some(guest_frame) = key.traced_frame() {
            self.trace(host, map, cause, guest_frame, key);
        }
        Some(frame)
    }

    /// Write-protects the guest frame that a shadow table is made from.
    fn trace(&mut self, host: &mut Host, map: &GuestMap, cause: Cause, guest_frame: u64, key: Key) {
        let keys = self.traced.entry(guest_frame).or_default();
        keys.insert(key);
        let first = keys.len() == 1;
        if first && !self.pinned.contains(&guest_frame) {
            self.protect(host, map, cause, guest_frame);
        }
    }

    /// Takes all rights to write from a guest frame.
    pub(super) fn protect(
        &mut self,
        host: &mut Host,
        map: &GuestMap,
        cause: Cause,
        guest_frame: u64,
    ) {
        set_traced(host, map, guest_frame, true);
        host.charge(cause, Primitive::WriteProtect, 1);
        let Some(slots) = self.writable.remove(&guest_frame) else { return };
        for slot in slots {
            let entry = read_entry(host, slot);
            write_entry(host, slot, entry & !PageEntry::WRITE.bits());
            host.charge(cause, Primitive::ShadowEntry, 1);
        }
        // Order matters: from here on no translation may allow a write to the page.
        host.cpu.drop_translations();
        host.charge(cause, Primitive::TlbFlush, 1);
    }

    /// Frees the oldest table that need not be kept. Returns whether there was one.
    fn evict(&mut self, host: &mut Host, map: &GuestMap, cause: Cause, keep: &[Key]) -> bool {
        let oldest = self.order.values().find(|key| !keep.contains(key)).copied();
        let Some(key) = oldest else { return false };
        self.free(host, map, cause, key);
        self.evictions += 1;
        host.cpu.drop_translations();
        host.charge(cause, Primitive::TlbFlush, 1);
        true
    }

    /// Frees a table, and drops the entries that point to it.
    pub(super) fn free(&mut self, host: &mut Host, map: &GuestMap, cause: Cause, key: Key) {
        let Some(table) = self.tables.remove(&key) else { return };
        self.order.remove(&table.number);
        self.keys.remove(&table.frame);
        for slot in table.parents {
            if let Some(parent) = self.table_in(slot.0) {
                parent.children.remove(&slot.1);
            }
            write_entry(host, slot, 0);
        }
        for (index, child) in table.children {
            if let Some(child) = self.table_in(child) {
                child.parents.remove(&(table.frame, index));
            }
        }
        for (index, guest_frame) in table.mapped {
            self.forget_writable(guest_frame, (table.frame, index));
        }
        if let Some(guest_frame) = key.traced_frame()
            && let Some(keys) = self.traced.get_mut(&guest_frame)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.traced.remove(&guest_frame);
                set_traced(host, map, guest_frame, self.pinned.contains(&guest_frame));
            }
        }
        host.frames.release(table.frame);
        host.charge(cause, Primitive::ShadowTableFreed, 1);
    }

    /// Points an entry to another shadow table.
    pub(super) fn set_link(
        &mut self,
        host: &mut Host,
        cause: Cause,
        slot: Slot,
        child: FrameNumber,
        entry: u64,
    ) {
        if read_entry(host, slot) == entry {
            return;
        }
        self.clear(host, slot);
        if let Some(parent) = self.table_in(slot.0) {
            parent.children.insert(slot.1, child);
        }
        if let Some(child) = self.table_in(child) {
            child.parents.insert(slot);
        }
        write_entry(host, slot, entry);
        self.entries_written += 1;
        host.charge(cause, Primitive::ShadowEntry, 1);
    }

    /// Drops one entry. Returns whether it was present.
    pub(super) fn clear(&mut self, host: &mut Host, slot: Slot) -> bool {
        if read_entry(host, slot) == 0 {
            return false;
        }
        let Some(table) = self.table_in(slot.0) else { return false };
        let child = table.children.remove(&slot.1);
        let mapped = table.mapped.remove(&slot.1);
        if let Some(child) = child.and_then(|frame| self.table_in(frame)) {
            child.parents.remove(&slot);
        }
        if let Some(guest_frame) = mapped {
            self.forget_writable(guest_frame, slot);
        }
        write_entry(host, slot, 0);
        true
    }

    fn forget_writable(&mut self, guest_frame: u64, slot: Slot) {
        if let Some(slots) = self.writable.get_mut(&guest_frame) {
            slots.remove(&slot);
            if slots.is_empty() {
                self.writable.remove(&guest_frame);
            }
        }
    }

    fn table_in(&mut self, frame: FrameNumber) -> Option<&mut Table> {
        let key = self.keys.get(&frame)?;
        self.tables.get_mut(key)
    }
}
