//! Page walks: 2-level, PAE and 4-level paging (Intel SDM vol. 3, "Paging").

use bitflags::bitflags;

use super::frame_map::FrameMap;
use super::ram::{PAGE_SHIFT, Ram};
use super::tlb::Rights;
use crate::exception::page_fault_code as code;
use crate::state::control::{Control, Cr0, Cr4, Efer};

/// Width of a physical address in bits; the bits above it are reserved in every entry.
pub const PHYSICAL_ADDRESS_BITS: u32 = 40;
/// Width of a linear address in 4-level paging.
pub const LINEAR_ADDRESS_BITS: u32 = 48;

bitflags! {
    /// Bits of a paging-structure entry.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PageEntry: u64 {
        /// Present.
        const PRESENT = 1 << 0;
        /// Writable.
        const WRITE = 1 << 1;
        /// User.
        const USER = 1 << 2;
        /// Page-level write-through.
        const PWT = 1 << 3;
        /// Page-level cache disable.
        const PCD = 1 << 4;
        /// Accessed.
        const ACCESSED = 1 << 5;
        /// Dirty (leaf).
        const DIRTY = 1 << 6;
        /// Page size: a leaf above the last level.
        const LARGE = 1 << 7;
        /// Global (leaf).
        const GLOBAL = 1 << 8;
        /// No execute.
        const NO_EXECUTE = 1 << 63;
        const _ = !0;
    }
}

/// The paging format in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Paging off: linear addresses are physical.
    None,
    /// 32-bit entries, two levels.
    TwoLevel,
    /// 64-bit entries, three levels, 32-bit linear addresses.
    Pae,
    /// 64-bit entries, four levels.
    FourLevel,
}

impl Format {
    /// What the control registers select.
    pub fn of(control: &Control) -> Self {
        if !control.cr0.contains(Cr0::PG) {
            Self::None
        } else if control.efer.contains(Efer::LMA) {
            Self::FourLevel
        } else if control.cr4.contains(Cr4::PAE) {
            Self::Pae
        } else {
            Self::TwoLevel
        }
    }

    /// Number of levels whose entries are in memory at each walk.
    pub const fn levels(self) -> u8 {
        match self {
            Self::None => 0,
            Self::TwoLevel | Self::Pae => 2,
            Self::FourLevel => 4,
        }
    }

    /// log2 of the bytes that one entry of `level` (1 is the page table) maps.
    pub const fn shift(self, level: u8) -> u32 {
        let bits = if matches!(self, Self::TwoLevel) { 10 } else { 9 };
        PAGE_SHIFT + bits * (level as u32 - 1)
    }

    const fn entry_bytes(self) -> u64 {
        if matches!(self, Self::TwoLevel) { 4 } else { 8 }
    }
}

/// What an access wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// A data read.
    Read,
    /// A data write.
    Write,
    /// An instruction fetch.
    Fetch,
}

/// An access for the purpose of paging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What it does.
    pub kind: AccessKind,
    /// Made at ring 3, and not an implicit one to a system structure.
    pub user: bool,
    /// A supervisor access that SMAP lets through: explicit, with EFLAGS.AC set.
    pub smap_override: bool,
}

impl Access {
    /// An implicit supervisor access, such as that to a descriptor table.
    pub const fn system(kind: AccessKind) -> Self {
        Self { kind, user: false, smap_override: false }
    }
}

/// Result of a walk that allowed the access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Physical address of the byte that was asked for.
    pub physical: u64,
    /// Rights of the page.
    pub rights: Rights,
    /// log2 of the page's size.
    pub size_shift: u8,
}

/// Reads and writes of paging-structure entries.
pub(crate) trait EntryMemory {
    fn read(&mut self, address: u64, bytes: u64) -> u64;
    fn write(&mut self, address: u64, bytes: u64, value: u64);
}

/// One entry that a walk met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkedEntry {
    /// 4 is the root of 4-level paging, 1 the page table.
    pub level: u8,
    /// Physical address of the entry.
    pub address: u64,
    /// Its value.
    pub value: u64,
}

/// Entry bits that must be zero.
fn reserved_bits(format: Format, control: &Control, level: u8, entry: PageEntry) -> u64 {
    if format == Format::TwoLevel {
        // PSE-36: bits 20–13 of a 4 MiB page's entry are address bits 39–32; bit 21 is reserved.
        let large =
            level == 2 && entry.contains(PageEntry::LARGE) && control.cr4.contains(Cr4::PSE);
        return if large { 1 << 21 } else { 0 };
    }
    let above_width = !0 << PHYSICAL_ADDRESS_BITS & 0x000f_ffff_ffff_ffff;
    let mut reserved = above_width;
    if !control.efer.contains(Efer::NXE) {
        reserved |= PageEntry::NO_EXECUTE.bits();
    }
    if format == Format::Pae {
        reserved |= 0x7ff0_0000_0000_0000;
    }
    if entry.contains(PageEntry::LARGE) {
        match level {
            4 => reserved |= PageEntry::LARGE.bits(),
            3 => reserved |= 0x3fff_e000,
            2 => reserved |= 0x001f_e000,
            _ => {}
        }
    }
    reserved
}

/// Whether the rights forbid an access.
fn violation(control: &Control, rights: Rights, access: Access) -> bool {
    if !control.cr0.contains(Cr0::PG) {
        return false;
    }
    let user_page = rights.contains(Rights::USER);
    if access.user && !user_page {
        return true;
    }
    match access.kind {
        AccessKind::Fetch => {
            !rights.contains(Rights::EXECUTE)
                || !access.user && user_page && control.cr4.contains(Cr4::SMEP)
        }
        kind => {
            let smap = !access.user
                && user_page
                && !access.smap_override
                && control.cr4.contains(Cr4::SMAP);
            let read_only = kind == AccessKind::Write
                && !rights.contains(Rights::WRITE)
                && (access.user || control.cr0.contains(Cr0::WP));
            smap || read_only
        }
    }
}

/// Whether cached rights allow an access without a walk: a first write must set the dirty bit.
pub(crate) fn allowed(control: &Control, rights: Rights, access: Access) -> bool {
    !violation(control, rights, access)
        && (access.kind != AccessKind::Write || rights.contains(Rights::DIRTY))
}

/// The bits of the error code that describe the access.
fn access_code(control: &Control, access: Access) -> u16 {
    let mut bits = 0;
    if access.kind == AccessKind::Write {
        bits |= code::WRITE;
    }
    if access.user {
        bits |= code::USER;
    }
    let tells_fetch = control.cr4.contains(Cr4::SMEP)
        || control.efer.contains(Efer::NXE) && control.cr4.contains(Cr4::PAE);
    if access.kind == AccessKind::Fetch && tells_fetch {
        bits |= code::FETCH;
    }
    bits
}

/// Walks the tables with the control registers' format, setting accessed and dirty bits. Calls
/// `visit` for each entry read. The error is the page fault's error code.
pub(crate) fn walk(
    control: &Control,
    memory: &mut dyn EntryMemory,
    linear: u64,
    access: Access,
    visit: &mut dyn FnMut(WalkedEntry),
) -> Result<Translation, u16> {
    let format = Format::of(control);
    if format == Format::None {
        let rights = Rights::WRITE | Rights::USER | Rights::EXECUTE | Rights::DIRTY;
        return Ok(Translation { physical: linear, rights, size_shift: PAGE_SHIFT as u8 });
    }
    let bytes = format.entry_bytes();
    let index_mask = 0x1000 / bytes - 1;
    let fault = |present: u16| Err(present | access_code(control, access));

    let mut table = match format {
        Format::FourLevel => control.cr3 & 0x000f_ffff_ffff_f000,
        Format::Pae => {
            let pdpte = control.pdptes[(linear >> 30 & 3) as usize];
            if pdpte & 1 == 0 {
                return fault(0);
            }
            pdpte & 0x000f_ffff_ffff_f000
        }
        _ => control.cr3 & 0xffff_f000,
    };
    let mut rights = Rights::WRITE | Rights::USER | Rights::EXECUTE;
    let mut level = format.levels();
    loop {
        let shift = format.shift(level);
        let address = table + (linear >> shift & index_mask) * bytes;
        let value = memory.read(address, bytes);
        visit(WalkedEntry { level, address, value });
        let entry = PageEntry::from_bits_retain(value);
        if !entry.contains(PageEntry::PRESENT) {
            return fault(0);
        }
        if value & reserved_bits(format, control, level, entry) != 0 {
            return fault(code::PRESENT | code::RESERVED);
        }
        if !entry.contains(PageEntry::WRITE) {
            rights.remove(Rights::WRITE);
        }
        if !entry.contains(PageEntry::USER) {
            rights.remove(Rights::USER);
        }
        if format != Format::TwoLevel && entry.contains(PageEntry::NO_EXECUTE) {
            rights.remove(Rights::EXECUTE);
        }
        let large_allowed = match format {
            Format::TwoLevel => control.cr4.contains(Cr4::PSE),
            _ => level <= 3,
        };
        let leaf = level == 1 || entry.contains(PageEntry::LARGE) && large_allowed;
        if !leaf {
            if !entry.contains(PageEntry::ACCESSED) {
                memory.write(address, bytes, value | PageEntry::ACCESSED.bits());
            }
            table = value & 0x000f_ffff_ffff_f000;
            level -= 1;
            continue;
        }
        if violation(control, rights, access) {
            return fault(code::PRESENT);
        }
        let mut updated = entry | PageEntry::ACCESSED;
        if access.kind == AccessKind::Write {
            updated |= PageEntry::DIRTY;
        }
        if updated != entry {
            memory.write(address, bytes, updated.bits());
        }
        rights.set(Rights::DIRTY, updated.contains(PageEntry::DIRTY));
        let global = entry.contains(PageEntry::GLOBAL) && control.cr4.contains(Cr4::PGE);
        rights.set(Rights::GLOBAL, global);
        rights.set(Rights::LARGE, level > 1);
        let offset_mask = (1 << shift) - 1;
        let frame = match (format, level) {
            (Format::TwoLevel, 2) => value & 0xffc0_0000 | (value & 0x001f_e000) << 19,
            _ => value & 0x000f_ffff_ffff_f000 & !offset_mask,
        };
        return Ok(Translation {
            physical: frame | linear & offset_mask,
            rights,
            size_shift: shift as u8,
        });
    }
}

/// The page-directory-pointer entries that CR3 names, or `None` if one has a reserved bit set:
/// the MOV to CR3 or CR0 then raises #GP.
pub(crate) fn load_pdptes(ram: &Ram, frames: &FrameMap, cr3: u64) -> Option<[u64; 4]> {
    let mut pdptes = [0; 4];
    let above_width = !0 << PHYSICAL_ADDRESS_BITS;
    for (entry, address) in pdptes.iter_mut().zip((cr3 & 0xffff_ffe0..).step_by(8)) {
        *entry = ram.read::<u64>(frames.machine_address(address)).unwrap_or(u64::MAX);
        if *entry & 1 != 0 && *entry & (above_width | 0x1e6) != 0 {
            return None;
        }
    }
    Some(pdptes)
}

/// Whether bits 63–47 of a linear address are all alike.
#[inline(always)]
pub const fn is_canonical(linear: u64) -> bool {
    let unused = 64 - LINEAR_ADDRESS_BITS;
    ((linear << unused) as i64 >> unused) as u64 == linear
}
