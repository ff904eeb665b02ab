//! The cache of decoded blocks.
//!
//! A block is a run of instructions inside one physical page, up to the first that may go
//! elsewhere. It is found by the physical address of its first byte and the code size, so a CR3
//! load forgets nothing. A page with blocks is watched ([`Watch::CODE`]): the first write to it
//! drops them all before the next instruction executes.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use super::lower::{self, Lowered};
use super::op::Op;
use crate::memory::ram::{PAGE_SHIFT, PAGE_SIZE, Ram, Watch};
use crate::state::mode::CodeSize;

/// Number of slots; a block goes into the one that its key hashes to.
const SLOTS: usize = 1 << 14;
/// Most instructions in one block.
const MAX_OPS: usize = 32;

/// A decoded block.
#[derive(Clone)]
pub(crate) struct Block {
    key: u64,
    pub(crate) ops: Box<[Op]>,
    /// Length in bytes.
    pub(crate) bytes: u16,
}

/// The cache.
#[derive(Clone)]
pub(crate) struct Blocks {
    slots: Vec<Option<Block>>,
    /// For each frame with blocks, their slots.
    frames: BTreeMap<u64, BTreeSet<usize>>,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { slots: vec![None; SLOTS], frames: BTreeMap::new() }
    }
}

fn key(physical: u64, size: CodeSize) -> u64 {
    physical << 2 | size as u64
}

fn slot(key: u64) -> usize {
    (key >> 2 ^ key >> 14 ^ key << 5) as usize % SLOTS
}

impl Blocks {
    /// What stands in a CPU's place for its cache while the run loop works with that.
    pub(crate) const fn detached() -> Self {
        Self { slots: Vec::new(), frames: BTreeMap::new() }
    }

    /// The block that starts at a physical address, if it was decoded.
    #[inline(always)]
    pub(crate) fn find(&self, physical: u64, size: CodeSize) -> Option<&Block> {
        let key = key(physical, size);
        self.slots.get(slot(key))?.as_ref().filter(|block| block.key == key)
    }

    /// Decodes the block that starts at a physical address in RAM and keeps it. `None` if its
    /// first instruction reaches into the next page. The second value says whether the page had
    /// no blocks before, so that it must be watched from now on.
    pub(crate) fn decode(&mut self, ram: &Ram, physical: u64, size: CodeSize) -> Option<bool> {
        let rest = PAGE_SIZE - (physical & (PAGE_SIZE - 1));
        let mut bytes = ram.slice(physical, rest)?;
        let mut ops = Vec::new();
        let mut length = 0;
        while ops.len() < MAX_OPS && !bytes.is_empty() {
            let Lowered::Op { op, ends_block } = lower::lower(bytes, size) else { break };
            ops.push(op);
            length += u16::from(op.length);
            bytes = bytes.get(usize::from(op.length)..).unwrap_or_default();
            if ends_block {
                break;
            }
        }
        if ops.is_empty() {
            return None;
        }
        let key = key(physical, size);
        let slot = slot(key);
        self.drop_slot(slot);
        self.slots[slot] = Some(Block { key, ops: ops.into(), bytes: length });
        let in_frame = self.frames.entry(physical >> PAGE_SHIFT).or_default();
        let first = in_frame.is_empty();
        in_frame.insert(slot);
        Some(first)
    }

    fn drop_slot(&mut self, slot: usize) {
        if let Some(old) = self.slots[slot].take() {
            let frame = old.key >> 2 >> PAGE_SHIFT;
            if let Some(in_frame) = self.frames.get_mut(&frame) {
                in_frame.remove(&slot);
                // The frame keeps its watch mark, and its empty set, until it is written.
            }
        }
    }

    /// Drops the blocks of a frame that was written.
    pub(crate) fn invalidate(&mut self, frame: u64) {
        for slot in self.frames.remove(&frame).unwrap_or_default() {
            self.slots[slot] = None;
        }
    }

    /// Drops all blocks and their watch marks.
    pub(crate) fn clear(&mut self, ram: &mut Ram) {
        for (frame, slots) in mem::take(&mut self.frames) {
            ram.set_watch(frame << PAGE_SHIFT, Watch::CODE, false);
            for slot in slots {
                self.slots[slot] = None;
            }
        }
    }

    /// Number of blocks held.
    pub(crate) fn len(&self) -> usize {
        self.frames.values().map(BTreeSet::len).sum()
    }
}
