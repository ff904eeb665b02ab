//! Machine RAM: bytes from physical address 0 upwards, and one watch mark per page.

use bitflags::bitflags;

use crate::word::Word;

/// Bytes in a page.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;
/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;

bitflags! {
    /// Why a page must be noticed when it is written (or, for [`Watch::DEVICE`], touched at all).
    ///
    /// A watched page has no fast entry in the TLB, so ordinary stores test nothing.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Watch: u8 {
        /// Decoded blocks were made from this page.
        const CODE = 1 << 0;
        /// The page is not RAM but a window of the board.
        const DEVICE = 1 << 1;
        /// The page has not been written since somebody last looked.
        const CLEAN = 1 << 2;
        /// A hypervisor keeps something in step with the page's content: see
        /// [`crate::Cpu::take_traced_writes`].
        const TRACED = 1 << 3;
    }
}

/// Machine memory. It starts zeroed.
#[derive(Clone)]
pub struct Ram {
    bytes: Vec<u8>,
    watches: Vec<Watch>,
}

impl Ram {
    /// RAM of `size` bytes, rounded down to whole pages.
    pub fn new(size: u64) -> Self {
        let pages = (size >> PAGE_SHIFT) as usize;
        Self { bytes: vec![0; pages << PAGE_SHIFT], watches: vec![Watch::empty(); pages] }
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether all `length` bytes from `address` are RAM.
    pub fn contains(&self, address: u64, length: u64) -> bool {
        address.checked_add(length).is_some_and(|end| end <= self.size())
    }

    /// The bytes of a range, if all of it is RAM.
    pub fn slice(&self, address: u64, length: u64) -> Option<&[u8]> {
        let start = usize::try_from(address).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    }

    /// The bytes of a range for writing, if all of it is RAM.
    ///
    /// This goes past the watch marks: use it before the CPU runs, or follow it with
    /// [`crate::Cpu::forget_decoded_code`].
    pub fn slice_mut(&mut self, address: u64, length: u64) -> Option<&mut [u8]> {
        let start = usize::try_from(address).ok()?;
        self.bytes.get_mut(start..start.checked_add(usize::try_from(length).ok()?)?)
    }

    /// Reads a little-endian value; `None` outside RAM.
    #[inline(always)]
    pub fn read<W: Word>(&self, address: u64) -> Option<W> {
        let start = address as usize;
        self.bytes.get(start..start.wrapping_add(W::BYTES as usize)).map(W::from_bytes)
    }

    /// Writes a little-endian value. Returns whether it was RAM.
    #[inline(always)]
    pub fn write<W: Word>(&mut self, address: u64, value: W) -> bool {
        let start = address as usize;
        match self.bytes.get_mut(start..start.wrapping_add(W::BYTES as usize)) {
            Some(bytes) => {
                value.to_bytes(bytes);
                true
            }
            None => false,
        }
    }

    /// The watch marks of the page that holds `address`: outside RAM, [`Watch::DEVICE`].
    pub fn watch(&self, address: u64) -> Watch {
        let page = usize::try_from(address >> PAGE_SHIFT).unwrap_or(usize::MAX);
        self.watches.get(page).copied().unwrap_or(Watch::DEVICE)
    }

    /// Adds and removes watch marks of the page that holds `address`. The CPU's TLB must not
    /// hold fast entries for a page that gains one: see [`crate::Cpu::watch_page`].
    pub fn set_watch(&mut self, address: u64, watch: Watch, on: bool) {
        let page = usize::try_from(address >> PAGE_SHIFT).unwrap_or(usize::MAX);
        if let Some(marks) = self.watches.get_mut(page) {
            marks.set(watch, on);
        }
    }
}

impl std::fmt::Debug for Ram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ram").field("size", &self.size()).finish_non_exhaustive()
    }
}
