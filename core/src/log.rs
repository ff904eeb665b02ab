//! The event log: one entry for each exit, in the order of guest time.
//!
//! It keeps the newest entries up to a limit and counts those that it dropped. An entry holds
//! numbers only: sentences are made when somebody asks for them. The log charges nothing; that is
//! the [ledger](crate::accounting::Ledger)'s business, which never drops anything.

mod csv;
mod entry;
mod filter;
mod json_lines;
mod note;
mod perfetto;

pub use csv::write_csv;
pub use entry::{Entry, Privilege};
pub use filter::Filter;
pub use json_lines::write_json_lines;
pub use note::Note;
pub use perfetto::write_perfetto;

use std::collections::VecDeque;

/// How many entries a log keeps if nobody says otherwise.
pub const DEFAULT_CAPACITY: usize = 65_536;

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    entries: VecDeque<Entry>,
    capacity: usize,
    dropped: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl Log {
    /// An empty log that keeps the newest `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, dropped: 0 }
    }

    /// Adds an entry. If the log is full, the oldest one goes.
    pub fn push(&mut self, entry: Entry) {
        while self.entries.len() >= self.capacity {
            self.dropped += 1;
            if self.entries.pop_front().is_none() {
                return;
            }
        }
        self.entries.push_back(entry);
    }

    /// Notes that the guest slept after its last exit.
    pub fn slept(&mut self, cycles: u64) {
        if let Some(last) = self.entries.back_mut() {
            last.slept += cycles;
        }
    }

    /// The entries, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// The entries that pass a filter, oldest first.
    pub fn filtered<'a>(
        &'a self,
        filter: &'a Filter,
    ) -> impl DoubleEndedIterator<Item = &'a Entry> + 'a {
        self.entries.iter().filter(|entry| filter.passes(entry))
    }

    /// An entry by its place: 0 is the oldest that is kept.
    pub fn get(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }

    /// Number of entries that are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no entry is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries can be kept.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Number of entries that were dropped: the oldest ones.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.dropped = 0;
    }
}
