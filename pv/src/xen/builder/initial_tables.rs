//! The first page tables. They are made as a guest would make them, and then checked as its
//! tables are: nothing about them is special.

use std::collections::{BTreeMap, BTreeSet};

use paravane_core::hypervisor::paravirt::Services;

use super::{Memory, PAGE, Plan};
use crate::xen::page_tables::entry;

const TABLE: u64 = entry::PRESENT | entry::WRITE | entry::USER | entry::ACCESSED;
const READ_ONLY: u64 = entry::PRESENT | entry::ACCESSED;

/// The ranges that are mapped: linear address, first page, number of pages.
fn ranges(plan: &Plan) -> Vec<(u64, u64, u64)> {
    let mut ranges = vec![(plan.base, 0, plan.mapped)];
    let list = plan.frame_list;
    if plan.frame_list_at != plan.linear(list.first) {
        ranges.push((plan.frame_list_at, list.first, list.count));
    }
    ranges
}

/// What tells the table of `level` for a linear address from others.
fn key(linear: u64, level: u8) -> (u8, u64) {
    (level, linear.checked_shr(12 + 9 * u32::from(level)).unwrap_or(0) & 0xf_ffff_ffff)
}

/// How many tables there must be.
pub fn needed(plan: &Plan) -> u64 {
    let mut tables = BTreeSet::new();
    for (linear, _, count) in ranges(plan) {
        for page in (0..count).step_by(512).chain([count.saturating_sub(1)]) {
            for level in 1..=3 {
                tables.insert(key(linear.wrapping_add(page * PAGE), level));
            }
        }
    }
    tables.len() as u64 + 1
}

/// Writes them and returns the frame of the root.
pub fn write(plan: &Plan, memory: &Memory<'_>, services: &mut dyn Services) -> u64 {
    let root = memory.frame(plan.tables.first);
    let mut next = plan.tables.first + 1;
    let mut tables = BTreeMap::new();
    for (linear, first, count) in ranges(plan) {
        for offset in 0..count {
            let linear = linear.wrapping_add(offset * PAGE);
            let mut table = root;
            for level in [3u8, 2, 1] {
                let below = *tables.entry(key(linear, level)).or_insert_with(|| {
                    let frame = memory.frame(next);
                    next += 1;
                    let index = (linear >> (12 + 9 * u32::from(level))) as usize & 511;
                    services.write_word(table, index, (frame * PAGE) | TABLE);
                    frame
                });
                table = below;
            }
            let page = first + offset;
            let is_table = page >= plan.tables.first && page < plan.tables.end();
            let rights = if is_table { READ_ONLY } else { READ_ONLY | entry::WRITE };
            let index = (linear >> 12) as usize & 511;
            services.write_word(table, index, (memory.frame(page) * PAGE) | rights);
        }
    }
    root
}
