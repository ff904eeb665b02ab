//! Shadow page tables: what the processor really walks while a guest believes that it walks its
//! own tables.
//!
//! A shadow table is made from one table of the guest, entry by entry, when a fault asks for it
//! (a *hidden* fault: the guest never sees it). The guest's table is then write-protected, or
//! *traced*: a write to it faults, is emulated, and drops the shadow entries that were made from
//! what it overwrote.
//!
//! ```text
//!   guest CR3 ─► guest tables (guest-physical) ─► guest frame
//!                      │ read on a hidden fault        │ GuestMap
//!                      ▼                               ▼
//!   real CR3  ─► shadow tables (machine frames) ─► machine frame
//! ```
//!
//! Shadow tables always have four levels, as the processor always is in long mode; the guest's
//! format may be any, or none. They are cached by what they were made from, so switching back to
//! an address space finds it as it was left. The guest's kernel and its programs have separate
//! trees: both run in rings that paging calls user, so the kernel's tree opens supervisor pages.

mod path;
mod pool;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use paravane_cpu::paging::{PageEntry, Translation, WalkedEntry};
use paravane_cpu::state::control::{Control, Cr0, Cr4};
use paravane_cpu::{PAGE_SHIFT, PAGE_SIZE, Rights, Watch};

use super::frames::{FrameNumber, GuestMap};
use super::host::Host;
use crate::accounting::{Cause, Primitive};
pub use path::Format;
use path::Path;
use table::{Key, Table};

/// How the guest's rights are to be shadowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role {
    /// For the guest's programs: supervisor pages are out of reach.
    pub user: bool,
    /// The kernel may not write to read-only pages (CR0.WP).
    pub write_protect: bool,
    /// The kernel may not execute user pages (CR4.SMEP).
    pub no_user_execution: bool,
    /// The kernel may not touch user pages (CR4.SMAP, and AC is clear).
    pub no_user_access: bool,
}

impl Role {
    /// The role for a privilege under the guest's control registers.
    pub fn of(control: &Control, user: bool, smap_override: bool) -> Self {
        let paging = control.cr0.contains(Cr0::PG);
        let kernel_has = |feature| paging && !user && control.cr4.contains(feature);
        Self {
            user,
            write_protect: user || control.cr0.contains(Cr0::WP),
            no_user_execution: kernel_has(Cr4::SMEP),
            no_user_access: kernel_has(Cr4::SMAP) && !smap_override,
        }
    }
}

/// Writes to a table without a walk through it, after which its shadows are freed.
const FLOOD: u32 = 4;

/// A place in a shadow table: its frame, and the number of the entry.
type Slot = (FrameNumber, u16);

/// All shadow tables of one guest.
#[derive(Clone, Debug)]
pub struct ShadowPaging {
    tables: BTreeMap<Key, Table>,
    keys: BTreeMap<FrameNumber, Key>,
    /// In the order of their creation: the first is evicted first.
    order: BTreeMap<u64, Key>,
    next_number: u64,
    /// Guest frames that hold tables, and the shadow tables made from them.
    traced: BTreeMap<u64, BTreeSet<Key>>,
    /// Guest frames that are write-protected although no shadow table is made from them.
    pinned: BTreeSet<u64>,
    /// Writable leaf entries by the guest frame that they map.
    writable: BTreeMap<u64, BTreeSet<Slot>>,
    /// Most shadow tables that may exist.
    limit: usize,
    /// Shadow entries that were written.
    pub entries_written: u64,
    /// Shadow tables freed because the guest wrote to their page without using it as a table.
    pub floods: u64,
    /// Shadow tables evicted because the pool was exhausted.
    pub evictions: u64,
}

/// What became of a hidden fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The processor can go on.
    Mapped,
    /// The write goes to a traced page: it must be emulated.
    Traced,
    /// There is no RAM at the guest-physical address: the access must be emulated.
    NotRam,
}

impl ShadowPaging {
    /// No shadow tables yet; at most `limit` of them, but never fewer than one path needs.
    pub fn new(limit: usize) -> Self {
        Self {
            tables: BTreeMap::new(),
            keys: BTreeMap::new(),
            order: BTreeMap::new(),
            next_number: 0,
            traced: BTreeMap::new(),
            pinned: BTreeSet::new(),
            writable: BTreeMap::new(),
            limit: limit.max(8),
            entries_written: 0,
            floods: 0,
            evictions: 0,
        }
    }

    /// Number of shadow tables.
    pub fn table_count(&self) -> usize {
        self.tables.len()
    }

    /// Whether a guest frame is write-protected because a shadow table was made from it.
    pub fn is_traced(&self, guest_frame: u64) -> bool {
        self.traced.contains_key(&guest_frame) || self.pinned.contains(&guest_frame)
    }

    /// Write-protects these guest frames, and no longer those that were pinned before.
    pub fn pin(
        &mut self,
        host: &mut Host,
        map: &GuestMap,
        cause: Cause,
        guest_frames: BTreeSet<u64>,
    ) {
        let old = std::mem::replace(&mut self.pinned, guest_frames.clone());
        for guest_frame in old.difference(&guest_frames) {
            if !self.is_traced(*guest_frame) {
                set_traced(host, map, *guest_frame, false);
            }
        }
        for guest_frame in guest_frames.difference(&old) {
            self.protect(host, map, cause, *guest_frame);
        }
    }

    /// Whether a guest frame is one of those pinned.
    pub fn is_pinned(&self, guest_frame: u64) -> bool {
        self.pinned.contains(&guest_frame)
    }

    /// Clears an entry of every root, so that something else can have it.
    pub fn clear_in_roots(&mut self, host: &mut Host, index: u16) {
        let roots: Vec<_> = self
            .tables
            .iter()
            .filter(|(key, _)| key.level == 4)
            .map(|(_, table)| table.frame)
            .collect();
        for root in roots {
            self.clear(host, (root, index));
        }
    }

    /// The frame of the root for an address space.
    pub fn root(
        &mut self,
        host: &mut Host,
        map: &GuestMap,
        cause: Cause,
        control: &Control,
        role: Role,
    ) -> Option<FrameNumber> {
        let key = Path::root(control, role);
        self.obtain(host, map, cause, key, &[key])
    }

    /// Maps what a hidden fault asks for. `translation` and `walked` are the result of the walk of
    /// the guest's own tables, which allowed the access.
    #[allow(clippy::too_many_arguments, reason = "one walk, taken apart")]
    pub fn fill(
        &mut self,
        host: &mut Host,
        map: &GuestMap,
        cause: Cause,
        control: &Control,
        role: Role,
        linear: u64,
        write: bool,
        translation: Translation,
        walked: &[WalkedEntry],
    ) -> Filled {
        let guest_frame = translation.physical >> PAGE_SHIFT;
        let Some(machine_frame) = map.machine_frame(guest_frame) else { return Filled::NotRam };
        if write && self.is_traced(guest_frame) {
            return Filled::Traced;
        }
        let path = Path::new(control, role, linear, translation, walked);
        let keys = path.keys();
        for key in &keys {
            if let Some(table) = self.tables.get_mut(key) {
                table.writes_unwalked = 0;
            }
        }
        for (step, below) in path.steps.iter().zip(&keys[1..]) {
            let Some(child) = self.obtain(host, map, cause, *below, &keys) else {
                return Filled::NotRam;
            };
            // To write-protect a page that has become a table may have dropped entries above.
            let Some(parent) = self.tables.get(&step.key).map(|table| table.frame) else {
                return Filled::NotRam;
            };
            let entry = child << PAGE_SHIFT | step.rights;
            self.set_link(host, cause, (parent, step.index), child, entry);
        }
        if write && self.is_traced(guest_frame) {
            return Filled::Traced;
        }
        let leaf = path.leaf;
        let Some(parent) = self.tables.get(&leaf.key).map(|table| table.frame) else {
            return Filled::NotRam;
        };
        let mut entry = machine_frame << PAGE_SHIFT | leaf.rights;
        if self.is_traced(guest_frame) {
            entry &= !PageEntry::WRITE.bits();
        }
        let slot = (parent, leaf.index);
        self.clear(host, slot);
        if entry & PageEntry::WRITE.bits() != 0 {
            self.writable.entry(guest_frame).or_default().insert(slot);
        }
        if let Some(table) = self.tables.get_mut(&leaf.key) {
            table.mapped.insert(leaf.index, guest_frame);
        }
        write_entry(host, slot, entry);
        self.entries_written += 1;
        host.charge(cause, Primitive::ShadowEntry, 1);
        Filled::Mapped
    }

    /// The guest wrote at an address in one of its tables: what was made from the entries there
    /// is dropped. The write may reach seven bytes further.
    ///
    /// A table that is written again and again without being walked is none any more, or is being
    /// rebuilt: its shadows are freed, so that the guest may write to it without faults.
    pub fn guest_wrote(
        &mut self,
        host: &mut Host,
        map: &GuestMap,
        cause: Cause,
        guest_physical: u64,
    ) {
        self.note_flood(host, map, cause, guest_physical >> PAGE_SHIFT);
        for address in [guest_physical, guest_physical.saturating_add(7)] {
            let (frame, offset) = (address >> PAGE_SHIFT, address & (PAGE_SIZE - 1));
            let keys: Vec<_> = self.traced.get(&frame).into_iter().flatten().copied().collect();
            for key in keys {
                let Some(table) = self.tables.get(&key) else { continue };
                let parent = table.frame;
                for index in key.entries_from(offset) {
                    if self.clear(host, (parent, index)) {
                        host.charge(cause, Primitive::ShadowEntry, 1);
                    }
                }
            }
        }
    }

    fn note_flood(&mut self, host: &mut Host, map: &GuestMap, cause: Cause, guest_frame: u64) {
        let keys: Vec<_> = self.traced.get(&guest_frame).into_iter().flatten().copied().collect();
        for key in keys {
            let Some(table) = self.tables.get_mut(&key) else { continue };
            table.writes_unwalked += 1;
            let in_use = host.cpu.control.cr3 >> PAGE_SHIFT == table.frame;
            if table.writes_unwalked >= FLOOD && !in_use {
                self.free(host, map, cause, key);
                self.floods += 1;
            }
        }
    }

    /// Drops the entries of a root that its page-directory-pointer entries no longer support.
    pub fn check_pointers(&mut self, host: &mut Host, control: &Control, role: Role) {
        if Format::of(control) != Format::Pae {
            return;
        }
        let key = Path::pointer_table(control, role);
        let Some(table) = self.tables.get_mut(&key) else { return };
        let stale: Vec<u16> = (0..4u16)
            .filter(|i| table.pointers[usize::from(*i)] != control.pdptes[usize::from(*i)])
            .collect();
        table.pointers = control.pdptes;
        let frame = table.frame;
        for index in stale {
            self.clear(host, (frame, index));
        }
    }

    /// Drops every shadow table: what a hypervisor without a cache does at each CR3 load.
    pub fn drop_all(&mut self, host: &mut Host, map: &GuestMap, cause: Cause) {
        let keys: Vec<_> = self.tables.keys().copied().collect();
        for key in keys {
            self.free(host, map, cause, key);
        }
    }
}

/// Writes an entry of a shadow table.
fn write_entry(host: &mut Host, (frame, index): Slot, entry: u64) {
    host.cpu.ram.write((frame << PAGE_SHIFT) | (u64::from(index) * 8), entry);
}

fn read_entry(host: &Host, (frame, index): Slot) -> u64 {
    host.cpu.ram.read((frame << PAGE_SHIFT) | (u64::from(index) * 8)).unwrap_or(0)
}

/// The bits of a shadow entry for these rights.
fn entry_bits(write: bool, user: bool, execute: bool) -> u64 {
    let mut bits = PageEntry::PRESENT | PageEntry::ACCESSED | PageEntry::DIRTY;
    bits.set(PageEntry::WRITE, write);
    bits.set(PageEntry::USER, user);
    bits.set(PageEntry::NO_EXECUTE, !execute);
    bits.bits()
}

/// Marks the machine frame behind a guest frame as traced, or no longer.
fn set_traced(host: &mut Host, map: &GuestMap, guest_frame: u64, on: bool) {
    if let Some(machine) = map.machine_frame(guest_frame) {
        host.cpu.ram.set_watch(machine << PAGE_SHIFT, Watch::TRACED, on);
    }
}

/// Whether the walk's result lets the page be written without another walk.
fn is_dirty(translation: &Translation) -> bool {
    translation.rights.contains(Rights::DIRTY)
}
