//! The four integer widths as one trait, so that an instruction is written once.

use std::fmt::{Debug, LowerHex};

/// An unsigned integer of 8, 16, 32 or 64 bits: the width of an operand.
pub trait Word: Copy + Eq + Ord + Debug + LowerHex + Default + 'static {
    /// Number of bits: 8, 16, 32 or 64.
    const BITS: u32;
    /// Number of bytes: 1, 2, 4 or 8.
    const BYTES: u64 = Self::BITS as u64 / 8;
    /// The most significant bit alone, zero-extended.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// All ones in this width, zero-extended.
    const MASK: u64 = u64::MAX >> (64 - Self::BITS);

    /// The low bits of `value`.
    fn truncate(value: u64) -> Self;
    /// Zero-extended to 64 bits.
    fn zero_extend(self) -> u64;
    /// Sign-extended to 64 bits.
    fn sign_extend(self) -> u64 {
        let unused = 64 - Self::BITS;
        ((self.zero_extend() << unused) as i64 >> unused) as u64
    }
    /// Reads a little-endian value from the start of `bytes`: zero if they are too few.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// Writes the value, little-endian, to the start of `bytes`: nothing if they are too few.
    fn to_bytes(self, bytes: &mut [u8]);
}

macro_rules! word {
    ($($integer:ty),*) => { $(
        impl Word for $integer {
            const BITS: u32 = <$integer>::BITS;

            #[inline(always)]
            fn truncate(value: u64) -> Self {
                value as Self
            }

            #[inline(always)]
            fn zero_extend(self) -> u64 {
                u64::from(self)
            }

            #[inline(always)]
            fn from_bytes(bytes: &[u8]) -> Self {
                match bytes.first_chunk() {
                    Some(chunk) => Self::from_le_bytes(*chunk),
                    None => 0,
                }
            }

            #[inline(always)]
            fn to_bytes(self, bytes: &mut [u8]) {
                if let Some(chunk) = bytes.first_chunk_mut() {
                    *chunk = self.to_le_bytes();
                }
            }
        }
    )* };
}

word!(u8, u16, u32, u64);
