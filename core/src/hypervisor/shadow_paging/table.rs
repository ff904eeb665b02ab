//! One shadow table, and what it was made from.

use std::collections::{BTreeMap, BTreeSet};

use super::path::Format;
use super::{FrameNumber, Role, Slot};

/// What a shadow table was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A table of the guest, in this guest frame. A table of 1024 entries takes several shadow
    /// tables: `part` says which.
    Table { frame: u64, format: Format, part: u8 },
    /// The upper levels that a guest's format lacks, for the tables that CR3 names.
    Root { cr3: u64, format: Format },
    /// Guest-physical memory in one piece, from this frame: part of a large page, or paging off.
    Direct { frame: u64 },
}

/// The identity of a shadow table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it was made from.
    pub source: Source,
    /// 4 is the root, 1 holds the leaves.
    pub level: u8,
    /// For whom.
    pub role: Role,
    /// All levels above are open to the guest's programs. Matters only where the role treats user
    /// pages specially.
    pub user_above: bool,
}

impl Key {
    /// The guest frame that must be traced for this table.
    pub fn traced_frame(&self) -> Option<u64> {
        match self.source {
            Source::Table { frame, .. } => Some(frame),
            _ => None,
        }
    }

    /// The numbers of the shadow entries made from the guest's entry at this offset of its table.
    pub fn entries_from(&self, offset: u64) -> Vec<u16> {
        match self.source {
            Source::Table { format: Format::TwoLevel, part, .. } => {
                let index = offset / 4;
                // 4 MiB of the guest's are two shadow entries of 2 MiB; 1024 pages are two tables.
                let (in_part, first, count) = if self.level == 2 {
                    (index >> 8, (index & 0xff) * 2, 2)
                } else {
                    (index >> 9, index & 0x1ff, 1)
                };
                if in_part != u64::from(part) {
                    return Vec::new();
                }
                (first..first + count).map(|index| index as u16).collect()
            }
            Source::Table { .. } => vec![(offset / 8) as u16],
            _ => Vec::new(),
        }
    }
}

/// A shadow table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Where it is.
    pub frame: FrameNumber,
    /// Its place in the order of creation.
    pub number: u64,
    /// Writes by the guest to what it was made from, since it was last filled.
    pub writes_unwalked: u32,
    /// The entries that point to it.
    pub parents: BTreeSet<Slot>,
    /// Its entries that point to other shadow tables.
    pub children: BTreeMap<u16, FrameNumber>,
    /// Its leaf entries, and the guest frames that they map.
    pub mapped: BTreeMap<u16, u64>,
    /// Of a PAE root: the pointer entries that it was made from.
    pub pointers: [u64; 4],
}
