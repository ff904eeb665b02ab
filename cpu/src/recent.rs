//! What the CPU has done lately, for reports: where its last blocks began, and which events it
//! delivered. It has no influence on what the CPU does next.

use crate::exception::Exception;
use crate::state::mode::CodeSize;

/// The last `N` of a sequence.
#[derive(Clone, Debug)]
pub struct Recent<T, const N: usize> {
    entries: [T; N],
    count: u64,
}

/// Where the last blocks began.
pub type RecentBlocks = Recent<BlockStart, 16>;
/// The last events that were delivered through the interrupt descriptor table.
pub type RecentDeliveries = Recent<Delivery, 16>;
/// The last events whose delivery raised an exception.
pub type RecentFailures = Recent<FailedDelivery, 8>;

impl<T: Copy + Default, const N: usize> Default for Recent<T, N> {
    fn default() -> Self {
        Self { entries: [T::default(); N], count: 0 }
    }
}

impl<T: Copy, const N: usize> Recent<T, N> {
    /// Appends an entry; the oldest one goes.
    #[inline(always)]
    pub(crate) fn push(&mut self, entry: T) {
        self.entries[self.count as usize % N] = entry;
        self.count += 1;
    }

    /// Number of entries that were ever appended.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The last entry.
    pub fn last(&self) -> Option<T> {
        self.iter().next_back()
    }

    /// The entries that are kept, the oldest one first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = T> + '_ {
        (self.count.saturating_sub(N as u64)..self.count).map(|n| self.entries[n as usize % N])
    }
}

/// The start of a run of instructions: a block, or a single one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockStart {
    /// Linear address of the first instruction.
    pub linear: u64,
    /// Its physical address: the bytes are found there even if the mapping is gone.
    pub physical: u64,
    /// [`crate::Cpu::instructions`] before it.
    pub instructions: u64,
    /// How it was decoded.
    pub code_size: CodeSize,
    /// The privilege level.
    pub cpl: u8,
}

/// What a delivered event was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryKind {
    /// An exception.
    #[default]
    Exception,
    /// An INT instruction.
    Software,
    /// An interrupt from outside, or an NMI.
    External,
}

/// One event that the CPU has delivered to its handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The vector.
    pub vector: u8,
    /// What it was.
    pub kind: DeliveryKind,
    /// The error code that was pushed.
    pub error_code: Option<u16>,
    /// CR2 at the time: of a page fault, the address.
    pub cr2: u64,
    /// RIP of the instruction that it hit. Of a trap: of the instruction after it.
    pub from: u64,
    /// Privilege level there.
    pub from_cpl: u8,
    /// RIP of the handler.
    pub to: u64,
    /// Privilege level of the handler.
    pub to_cpl: u8,
    /// [`crate::Cpu::cycles`] when it was delivered.
    pub cycles: u64,
    /// [`crate::Cpu::instructions`] when it was delivered.
    pub instructions: u64,
}

/// An event that the CPU could not deliver, because that raised an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedDelivery {
    /// The vector.
    pub vector: u8,
    /// What it was.
    pub kind: DeliveryKind,
    /// Its error code.
    pub error_code: Option<u16>,
    /// CR2 at the time: of a page fault, the address.
    pub cr2: u64,
    /// What its delivery raised.
    pub raised: Exception,
    /// The address of that, if it is a page fault.
    pub raised_address: u64,
    /// [`crate::Cpu::cycles`] at the time.
    pub cycles: u64,
}

impl Default for FailedDelivery {
    fn default() -> Self {
        Self {
            vector: 0,
            kind: DeliveryKind::Exception,
            error_code: None,
            cr2: 0,
            raised: Exception::INVALID_OPCODE,
            raised_address: 0,
            cycles: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_go_first() {
        let mut recent = Recent::<u8, 4>::default();
        assert_eq!(recent.last(), None);
        for entry in 1..=6 {
            recent.push(entry);
        }
        assert_eq!(recent.iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!((recent.count(), recent.last()), (6, Some(6)));
    }
}
