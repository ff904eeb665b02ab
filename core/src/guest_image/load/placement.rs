//! Where the loader's own data goes: where nothing else is.

use paravane_cpu::{PAGE_SIZE, Ram};

use super::super::error::LoadError;
use super::parts::Part;

/// End of the RAM below 640 KiB that a PC's firmware leaves to others.
pub const LOW_MEMORY_END: u64 = 0x9_FC00;
/// 1 MiB, where RAM continues.
pub const HIGH_MEMORY: u64 = 0x10_0000;
/// Everything must have an address of 32 bits.
const ADDRESS_LIMIT: u64 = 1 << 32;

/// A range of the memory map that guests get: type 1 is RAM, 2 is reserved (ACPI, "INT 15H,
/// E820H").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// Its first address.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
    /// 1 or 2.
    pub kind: u32,
}

/// The memory map of a machine with this much RAM.
pub fn memory_map(ram_size: u64) -> Vec<MemoryRange> {
    const RAM: u32 = 1;
    const RESERVED: u32 = 2;
    let range = |address, end, kind| MemoryRange { address, size: end - address, kind };
    let mut map = vec![
        range(0, ram_size.min(LOW_MEMORY_END), RAM),
        range(LOW_MEMORY_END, 0xA_0000, RESERVED),
        range(0xA_0000, HIGH_MEMORY, RESERVED),
    ];
    if ram_size > HIGH_MEMORY {
        map.push(range(HIGH_MEMORY, ram_size, RAM));
    }
    map
}

/// The ranges of RAM that are taken.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    name: &'a str,
    ram_size: u64,
    /// Start and end addresses, sorted.
    taken: Vec<(u64, u64)>,
}

impl<'a> Placement<'a> {
    /// Takes the parts of the image, the first page (nobody should get a null pointer), and what
    /// a PC reserves.
    pub fn new(name: &'a str, ram: &Ram, parts: &[Part<'_>]) -> Self {
        let mut taken = vec![(0, PAGE_SIZE), (LOW_MEMORY_END, HIGH_MEMORY)];
        taken.extend(parts.iter().map(|part| (part.address, part.address + part.size)));
        taken.sort_unstable();
        Self { name, ram_size: ram.size(), taken }
    }

    /// Size of RAM in bytes.
    pub fn ram_size(&self) -> u64 {
        self.ram_size
    }

    /// Takes the lowest free range, aligned to 8 bytes.
    pub fn low(&mut self, what: &'static str, size: u64) -> Result<u64, LoadError> {
        let mut address = 0_u64;
        for &(start, end) in &self.taken {
            if start >= address && start - address >= size {
                break;
            }
            address = address.max(end).next_multiple_of(8);
        }
        self.take(what, address, size)
    }

    /// Takes the highest free pages.
    pub fn high(&mut self, what: &'static str, size: u64) -> Result<u64, LoadError> {
        let mut end = self.ram_size.min(ADDRESS_LIMIT);
        for &(start, taken_end) in self.taken.iter().rev() {
            let fits = |address: u64| address >= taken_end;
            if end.checked_sub(size).map(page_start).is_some_and(fits) {
                break;
            }
            end = end.min(page_start(start));
        }
        match end.checked_sub(size).map(page_start) {
            Some(address) if address > 0 => self.take(what, address, size),
            _ => self.no_room(what, size),
        }
    }

    fn take(&mut self, what: &'static str, address: u64, size: u64) -> Result<u64, LoadError> {
        let end = address.saturating_add(size);
        if end > self.ram_size.min(ADDRESS_LIMIT) {
            return self.no_room(what, size);
        }
        let at = self.taken.partition_point(|&(start, _)| start < address);
        self.taken.insert(at, (address, end));
        Ok(address)
    }

    fn no_room<T>(&self, what: &'static str, length: u64) -> Result<T, LoadError> {
        Err(LoadError::NoRoom { name: self.name.into(), what, length })
    }

    /// Takes the lowest free range for `bytes`, and copies them there.
    pub fn put_low(
        &mut self,
        ram: &mut Ram,
        what: &'static str,
        bytes: &[u8],
    ) -> Result<u64, LoadError> {
        let address = self.low(what, bytes.len() as u64)?;
        self.copy(ram, what, address, bytes)
    }

    /// Takes the highest free pages for `bytes`, and copies them there.
    pub fn put_high(
        &mut self,
        ram: &mut Ram,
        what: &'static str,
        bytes: &[u8],
    ) -> Result<u64, LoadError> {
        let address = self.high(what, bytes.len() as u64)?;
        self.copy(ram, what, address, bytes)
    }

    /// Takes the lowest free range for a string with a 0 behind it, and copies it there.
    pub fn put_string(
        &mut self,
        ram: &mut Ram,
        what: &'static str,
        text: &str,
    ) -> Result<u64, LoadError> {
        let bytes: Vec<u8> = text.bytes().chain([0]).collect();
        self.put_low(ram, what, &bytes)
    }

    fn copy(
        &self,
        ram: &mut Ram,
        what: &'static str,
        address: u64,
        bytes: &[u8],
    ) -> Result<u64, LoadError> {
        match ram.slice_mut(address, bytes.len() as u64) {
            Some(memory) => {
                memory.copy_from_slice(bytes);
                Ok(address)
            }
            None => self.no_room(what, bytes.len() as u64),
        }
    }
}

fn page_start(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}
