//! The few pages of linear memory that an instruction under test can reach, and their contents.
//!
//! ```text
//!   1000_0000 ┬ unmapped: an operand here is a page fault
//!   2000_0000 │ data window, two pages, so that operands can cross a page
//!   2000_2000 │ unmapped
//!   2010_0000 │ stack window, one page
//!   2010_1000 │ unmapped
//!   2020_0000 │ code window, one page of int3; the instruction is at 2020_0800
//!   2020_1000 │ unmapped
//!   3000_0000 ┴
//! ```
//!
//! All of it is below 4 GiB, so that 32-bit code and 32-bit addresses reach it. The windows are small because they are
//! copied and compared for every single case.

/// Bytes in a page.
pub const PAGE: u64 = 4096;
/// First address of the range in which nothing but the windows is mapped.
pub const RESERVED_START: u64 = 0x1000_0000;
/// End of that range.
pub const RESERVED_END: u64 = 0x3000_0000;
/// First address of the data window.
pub const DATA_START: u64 = 0x2000_0000;
/// Bytes in the data window.
pub const DATA_SIZE: usize = 2 * PAGE as usize;
/// First address of the stack window.
pub const STACK_START: u64 = 0x2010_0000;
/// Bytes in the stack window.
pub const STACK_SIZE: usize = PAGE as usize;
/// First address of the code window.
pub const CODE_WINDOW_START: u64 = 0x2020_0000;
/// Bytes in the code window.
pub const CODE_WINDOW_SIZE: usize = PAGE as usize;
/// Where the instruction under test is.
pub const CODE_START: u64 = CODE_WINDOW_START + 0x800;

/// The contents of the data and the stack window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch {
    /// At [`DATA_START`].
    pub data: Box<[u8; DATA_SIZE]>,
    /// At [`STACK_START`].
    pub stack: Box<[u8; STACK_SIZE]>,
}

impl Scratch {
    /// The background: the same noise for every case, so that a read from a wrong address is noticed.
    pub fn background() -> Scratch {
        let mut random = crate::random::Random::new(0x5ca7_c4ed);
        let mut scratch =
            Scratch { data: Box::new([0; DATA_SIZE]), stack: Box::new([0; STACK_SIZE]) };
        scratch.data.fill_with(|| random.next() as u8);
        scratch.stack.fill_with(|| random.next() as u8);
        scratch
    }

    /// The `length` bytes at a linear address, if a window holds them all.
    pub fn slice(&self, address: u64, length: usize) -> Option<&[u8]> {
        let (start, window): (u64, &[u8]) = if address >= STACK_START {
            (STACK_START, &self.stack[..])
        } else {
            (DATA_START, &self.data[..])
        };
        let from = usize::try_from(address.checked_sub(start)?).ok()?;
        window.get(from..from.checked_add(length)?)
    }

    /// Like [`Scratch::slice`], to write.
    pub fn slice_mut(&mut self, address: u64, length: usize) -> Option<&mut [u8]> {
        let (start, window): (u64, &mut [u8]) = if address >= STACK_START {
            (STACK_START, &mut self.stack[..])
        } else {
            (DATA_START, &mut self.data[..])
        };
        let from = usize::try_from(address.checked_sub(start)?).ok()?;
        window.get_mut(from..from.checked_add(length)?)
    }

    /// A little-endian number of up to 8 bytes, if a window holds it.
    pub fn read(&self, address: u64, size: usize) -> Option<u64> {
        let bytes = self.slice(address, size.min(8))?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Writes the bytes that fall into a window and ignores the others.
    pub fn patch(&mut self, address: u64, bytes: &[u8]) {
        for (offset, byte) in bytes.iter().enumerate() {
            if let Some(slot) = self.slice_mut(address.wrapping_add(offset as u64), 1) {
                slot[0] = *byte;
            }
        }
    }

    /// Copies the contents of `other`.
    pub fn copy_from(&mut self, other: &Scratch) {
        self.data.copy_from_slice(&other.data[..]);
        self.stack.copy_from_slice(&other.stack[..]);
    }

    /// Every address at which the two differ, with the byte here and the byte there.
    pub fn differences<'a>(
        &'a self,
        other: &'a Scratch,
    ) -> impl Iterator<Item = (u64, u8, u8)> + 'a {
        let pair = |start: u64, ours: &'a [u8], theirs: &'a [u8]| {
            (start..)
                .zip(ours.iter().zip(theirs))
                .filter(|(_, (a, b))| a != b)
                .map(|(address, (a, b))| (address, *a, *b))
        };
        pair(DATA_START, &self.data[..], &other.data[..]).chain(pair(
            STACK_START,
            &self.stack[..],
            &other.stack[..],
        ))
    }
}
