//! The header by which a kernel asks for Multiboot 1.
//!
//! Source: Multiboot Specification version 0.6.96, "OS image format".

use super::file::{File, read_u32};

/// The header is within this many bytes from the start of the file, on a multiple of 4.
const SEARCH_LIMIT: usize = 8192;
const MAGIC: u32 = 0x1BAD_B002;

/// Flag 16: the address fields are valid.
const HAS_ADDRESSES: u32 = 1 << 16;
/// A loader must know all of the flags 0 to 15 that are set. Of
/// those, 0 to 2 exist; the video mode that 2 asks for may be refused.
const UNKNOWN_REQUIREMENTS: u32 = 0xFFF8;

/// The Multiboot header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultibootHeader {
    /// Where it is in the file, in bytes.
    pub offset: u64,
    /// What it asks for.
    pub flags: u32,
    /// Where to load what, if it doesn't leave that to ELF (the "a.out kludge").
    pub addresses: Option<LoadAddresses>,
}

/// The address fields: physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadAddresses {
    /// Where the header itself will be.
    pub header: u32,
    /// Where the first loaded byte will be.
    pub load: u32,
    /// End of what is loaded from the file; 0: all of it.
    pub load_end: u32,
    /// End of the zeroed memory behind it; 0: there is none.
    pub bss_end: u32,
    /// The entry point.
    pub entry: u32,
}

impl MultibootHeader {
    /// Looks for a header with a valid checksum.
    pub fn find(file: File<'_>) -> Option<Self> {
        let searched = file.bytes.get(..SEARCH_LIMIT).unwrap_or(file.bytes);
        let last = searched.len().checked_sub(12)?;
        let is_header = |&at: &usize| {
            let word = |index: usize| read_u32(searched, at + 4 * index);
            word(0) == MAGIC && word(0).wrapping_add(word(1)).wrapping_add(word(2)) == 0
        };
        let offset = (0..=last).step_by(4).find(is_header)?;
        let word = |index: usize| read_u32(file.bytes, offset + 4 * index);
        let addresses = LoadAddresses {
            header: word(3),
            load: word(4),
            load_end: word(5),
            bss_end: word(6),
            entry: word(7),
        };
        let has_addresses = word(1) & HAS_ADDRESSES != 0;
        Some(Self {
            offset: offset as u64,
            flags: word(1),
            addresses: has_addresses.then_some(addresses),
        })
    }

    /// Flags that a loader must refuse because it doesn't know what they ask for.
    pub fn unknown_requirements(&self) -> u32 {
        self.flags & UNKNOWN_REQUIREMENTS
    }
}
