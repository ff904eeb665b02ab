//! The translation lookaside buffer.
//!
//! Geometry: 2048 entries for 4 KiB pages, direct-mapped by a hash of the page number; larger
//! pages take one entry for each 4 KiB touched. It is part of the modelled machine: its misses
//! are counted and, with a cost preset, charged.
//!
//! It also is what makes memory access fast. An entry's tag holds the page number and, in the
//! low twelve bits that a page number leaves free, one *denied* bit per kind of access:
//!
//! ```text
//!  63 ……………………………… 12 │ 11 │ … │ 7   6 │ 5   4 │ 3   2 │ 1   0
//!  linear page number  │ 1  │ 0 │ fetch │ user  │ supervisor write/read
//!                      │    │   │ u   s │ w   r │ AC=1  │ AC=0
//! ```
//!
//! One masked compare of tag and address then checks page, right and page crossing at once. A
//! page that is watched has its write bits denied here though its rights allow writing, so the
//! slow path gets to see the write. Non-canonical addresses never match.
//!
//! Beside it stands an instruction TLB of a single entry, the page that code executes in. It is
//! looked up when control gets to another page or anything is flushed, so that data which
//! compete for that page's entry cost no walk for each instruction, and a run costs the same in
//! however many slices it is made.

use bitflags::bitflags;

use super::ram::PAGE_SHIFT;

/// Number of entries.
pub const ENTRIES: usize = 2048;

/// The bits of an address that name its page.
pub(crate) const PAGE_MASK: u64 = !0xfff;

bitflags! {
    /// What a page's translation allows, and its state.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Rights: u16 {
        /// All levels are writable.
        const WRITE = 1 << 0;
        /// All levels are user.
        const USER = 1 << 1;
        /// No level forbids execution.
        const EXECUTE = 1 << 2;
        /// The dirty bit is set, so that a write needs no walk.
        const DIRTY = 1 << 3;
        /// Survives a CR3 load.
        const GLOBAL = 1 << 4;
        /// Part of a 2 MiB, 4 MiB or 1 GiB page.
        const LARGE = 1 << 5;
    }

    /// The denied bits of a tag. The mask of an access holds the one bit that it needs clear.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Denied: u64 {
        const SUPERVISOR_READ = 1 << 0;
        const SUPERVISOR_WRITE = 1 << 1;
        const OVERRIDE_READ = 1 << 2;
        const OVERRIDE_WRITE = 1 << 3;
        const USER_READ = 1 << 4;
        const USER_WRITE = 1 << 5;
        const SUPERVISOR_FETCH = 1 << 6;
        const USER_FETCH = 1 << 7;
        /// Set in every tag: an access with this bit in its mask always takes the slow path.
        const ALWAYS = 1 << 11;
    }
}

impl Denied {
    pub(crate) const WRITES: Self =
        Self::SUPERVISOR_WRITE.union(Self::OVERRIDE_WRITE).union(Self::USER_WRITE);
}

/// One translation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    tag: u64,
    /// Physical minus linear address.
    addend: u64,
    pub(crate) rights: Rights,
    /// log2 of the size of the page that it is part of.
    pub(crate) size_shift: u8,
    filled: bool,
}

impl Entry {
    const EMPTY: Self =
        Self { tag: u64::MAX, addend: 0, rights: Rights::empty(), size_shift: 0, filled: false };

    /// Whether a fast access whose last byte is at `last` may go ahead under `mask`.
    #[inline(always)]
    pub(crate) fn allows(&self, last: u64, mask: u64) -> bool {
        (self.tag ^ last & PAGE_MASK) & mask == 0
    }

    /// The physical address of a linear one in this page.
    #[inline(always)]
    pub(crate) fn physical(&self, linear: u64) -> u64 {
        linear.wrapping_add(self.addend)
    }

    fn page(&self) -> u64 {
        self.tag & PAGE_MASK
    }
}

/// Counters of the TLB, since the CPU was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlbStatistics {
    /// Page walks, with paging on.
    pub walks: u64,
    /// Paging-structure entries that the walks read.
    pub walk_references: u64,
    /// Flushes of all or all non-global entries.
    pub flushes: u64,
}

/// The TLB.
#[derive(Clone)]
pub(crate) struct Tlb {
    entries: Box<[Entry; ENTRIES]>,
    filled: Vec<u16>,
    any_large: bool,
    /// The linear page that code executes in, or [`NO_PAGE`].
    code_page: u64,
    /// Its physical minus its linear address.
    code_addend: u64,
    pub(crate) statistics: TlbStatistics,
}

/// No page begins here.
const NO_PAGE: u64 = u64::MAX;

impl Default for Tlb {
    fn default() -> Self {
        Self {
            entries: Box::new([Entry::EMPTY; ENTRIES]),
            filled: Vec::new(),
            any_large: false,
            code_page: NO_PAGE,
            code_addend: 0,
            statistics: TlbStatistics::default(),
        }
    }
}

impl Tlb {
    /// The slot of a linear address. Folding higher bits in keeps buffers that are a power of two
    /// apart from evicting each other.
    #[inline(always)]
    fn slot(linear: u64) -> usize {
        let page = linear >> PAGE_SHIFT;
        (page ^ page >> 11 ^ page >> 22) as usize % ENTRIES
    }

    /// The entry where a linear address would be.
    #[inline(always)]
    pub(crate) fn entry(&self, linear: u64) -> &Entry {
        &self.entries[Self::slot(linear)]
    }

    /// The entry that holds the page of a linear address, whatever it allows.
    pub(crate) fn find(&self, linear: u64) -> Option<Entry> {
        let entry = self.entry(linear);
        (entry.filled && entry.page() == linear & PAGE_MASK).then_some(*entry)
    }

    /// The physical address of code, if it is in the page that code executed in last.
    #[inline(always)]
    pub(crate) fn code(&self, linear: u64) -> Option<u64> {
        (linear & PAGE_MASK == self.code_page).then(|| linear.wrapping_add(self.code_addend))
    }

    /// Control has got to this page.
    pub(crate) fn set_code(&mut self, linear: u64, physical: u64) {
        self.code_page = linear & PAGE_MASK;
        self.code_addend = physical.wrapping_sub(linear);
    }

    /// The next fetch looks its page up again: rights may have changed.
    pub(crate) fn forget_code(&mut self) {
        self.code_page = NO_PAGE;
    }

    /// Enters a translation.
    pub(crate) fn fill(
        &mut self,
        linear: u64,
        physical: u64,
        rights: Rights,
        size_shift: u8,
        denied: Denied,
    ) {
        let slot = Self::slot(linear);
        if !self.entries[slot].filled {
            self.filled.push(slot as u16);
        }
        if rights.contains(Rights::LARGE) {
            self.any_large = true;
        }
        self.entries[slot] = Entry {
            tag: linear & PAGE_MASK | (denied | Denied::ALWAYS).bits(),
            addend: (physical & PAGE_MASK).wrapping_sub(linear & PAGE_MASK),
            rights,
            size_shift,
            filled: true,
        };
    }

    /// Works the denied bits of every entry out again: a control register changed what rights
    /// mean. `denied` gets the rights and the physical page.
    pub(crate) fn derive(&mut self, denied: impl Fn(Rights, u64) -> Denied) {
        self.forget_code();
        for slot in &self.filled {
            let entry = &mut self.entries[usize::from(*slot)];
            let page = entry.page();
            let bits = denied(entry.rights, entry.physical(page)) | Denied::ALWAYS;
            entry.tag = page | bits.bits();
        }
    }

    /// Takes the fast write path from every mapping of a physical page.
    pub(crate) fn deny_writes(&mut self, physical: u64) {
        for slot in &self.filled {
            let entry = &mut self.entries[usize::from(*slot)];
            if entry.physical(entry.page()) == physical & PAGE_MASK {
                entry.tag |= Denied::WRITES.bits();
            }
        }
    }

    /// Drops all entries.
    pub(crate) fn flush_all(&mut self) {
        self.forget_code();
        self.statistics.flushes += 1;
        for slot in self.filled.drain(..) {
            self.entries[usize::from(slot)] = Entry::EMPTY;
        }
        self.any_large = false;
    }

    /// Drops all entries but global ones.
    pub(crate) fn flush_non_global(&mut self) {
        self.forget_code();
        self.statistics.flushes += 1;
        let entries = &mut self.entries;
        self.filled.retain(|slot| {
            let entry = &mut entries[usize::from(*slot)];
            let keep = entry.rights.contains(Rights::GLOBAL);
            if !keep {
                *entry = Entry::EMPTY;
            }
            keep
        });
    }

    /// Drops the page of a linear address, global or not. Of a large page, all of it.
    pub(crate) fn flush_page(&mut self, linear: u64) {
        self.forget_code();
        let slot = Self::slot(linear);
        if !self.any_large {
            if self.entries[slot].page() == linear & PAGE_MASK {
                self.drop_where(|candidate, _| candidate == slot);
            }
            return;
        }
        self.drop_where(|_, entry| {
            let shift = u32::from(entry.size_shift).max(PAGE_SHIFT);
            entry.page() >> shift == linear >> shift
        });
    }

    fn drop_where(&mut self, drop: impl Fn(usize, &Entry) -> bool) {
        let entries = &mut self.entries;
        self.filled.retain(|slot| {
            let slot = usize::from(*slot);
            let dropped = drop(slot, &entries[slot]);
            if dropped {
                entries[slot] = Entry::EMPTY;
            }
            !dropped
        });
    }

    /// Number of translations held.
    pub(crate) fn len(&self) -> usize {
        self.filled.len()
    }
}
