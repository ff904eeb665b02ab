//! The bytes of an image file, and the one place that checks bounds in it.

use super::error::ImageError;

/// An image file while it is parsed.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// All of it.
    pub bytes: &'a [u8],
}

impl<'a> File<'a> {
    /// The `length` bytes from `offset`, which hold `field`.
    pub fn slice(
        self,
        field: &'static str,
        offset: u64,
        length: u64,
    ) -> Result<&'a [u8], ImageError> {
        let start = usize::try_from(offset).ok();
        let end = offset.checked_add(length).and_then(|end| usize::try_from(end).ok());
        start.zip(end).and_then(|(start, end)| self.bytes.get(start..end)).ok_or_else(|| {
            ImageError::Truncated {
                name: self.name.into(),
                field,
                offset,
                length,
                file_size: self.bytes.len() as u64,
            }
        })
    }

    /// The error for a field with an impossible value.
    pub fn wrong(
        self,
        field: &'static str,
        offset: u64,
        value: u64,
        remedy: &'static str,
    ) -> ImageError {
        ImageError::Field { name: self.name.into(), field, offset, value, remedy }
    }
}

/// A little-endian number of 32 bits; 0 beyond the end.
pub fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u32::from_le_bytes(*chunk))
}
