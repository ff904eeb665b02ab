//! The real descriptor table of a guest on a CPU of 1998, whose segment instructions don't trap.
//!
//! The real table is a copy of the guest's, in frames of the hypervisor, at a linear address where
//! the guest has nothing. In the copy, what the guest's kernel owns belongs to the ring where that
//! kernel really runs, and gates and system segments are absent, so that their use faults. The
//! guest's table is write-protected while the copy is used.

use paravane_cpu::paging::PageEntry;
use paravane_cpu::state::segments::{Descriptor, Selector, TableRegister};
use paravane_cpu::{PAGE_SHIFT, PAGE_SIZE};

use super::frames::FrameNumber;
use super::host::Host;

/// Pages of a table with 8192 descriptors.
const PAGES: u64 = 16;
/// The entry of the root under which the table is mapped, if the guest does not use it.
const FIRST_SLOT: u16 = 256;
/// The selector that the real task register holds: the last descriptor but one.
pub const TASK_SELECTOR: Selector = Selector(0xfff0);
/// Bytes of the hypervisor's own interrupt descriptor table, as SIDT shows it: behind the copy.
const INTERRUPT_TABLE_LIMIT: u16 = 0xfff;

/// The copy, and where it is mapped.
#[derive(Clone, Debug)]
pub struct DescriptorShadow {
    /// The table's own pages, and the page tables that map them: level 1, 2, 3.
    pages: Vec<FrameNumber>,
    tables: [FrameNumber; 3],
    /// The entry of the root that leads to them.
    slot: u16,
    limit: u16,
    /// Where the guest's table was when somebody last looked.
    pub guest_table: TableRegister,
    /// The guest's table must be read again.
    pub stale: bool,
}

impl DescriptorShadow {
    /// Takes the frames it needs. `None` if there are not enough.
    pub fn new(host: &mut Host) -> Option<Self> {
        let pages = (0..PAGES).map(|_| host.allocate_cleared()).collect::<Option<Vec<_>>>()?;
        let mut tables = [0; 3];
        for table in &mut tables {
            *table = host.allocate_cleared()?;
        }
        // Supervisor, read-only, no execution: the guest can neither see nor change it in ring 3,
        // and not change it in ring 1.
        let present = PageEntry::PRESENT | PageEntry::ACCESSED | PageEntry::NO_EXECUTE;
        let mut write = |table: FrameNumber, index: u64, target: FrameNumber| {
            let entry = target << PAGE_SHIFT | present.bits();
            host.cpu.ram.write(table << PAGE_SHIFT | (index * 8), entry);
        };
        for (index, page) in (0..).zip(&pages) {
            write(tables[0], index, *page);
        }
        write(tables[1], 0, tables[0]);
        write(tables[2], 0, tables[1]);
        let guest_table = TableRegister { base: 0, limit: 0 };
        Some(Self { pages, tables, slot: FIRST_SLOT, limit: 0, guest_table, stale: true })
    }

    /// The entry of the root that it occupies.
    pub fn slot(&self) -> u16 {
        self.slot
    }

    /// Moves to another entry of the root: the guest wants this one.
    pub fn move_to(&mut self, slot: u16) {
        self.slot = slot;
    }

    /// Maps the copy in a root. Returns whether the root had it already.
    pub fn map_in(&self, host: &mut Host, root: FrameNumber) -> bool {
        let address = root << PAGE_SHIFT | (u64::from(self.slot) * 8);
        let entry =
            self.tables[2] << PAGE_SHIFT | (PageEntry::PRESENT | PageEntry::ACCESSED).bits();
        let mapped = host.cpu.ram.read(address) == Some(entry);
        host.cpu.ram.write(address, entry);
        mapped
    }

    fn base(&self) -> u64 {
        let linear = u64::from(self.slot) << 39;
        if self.slot >= 256 { linear | 0xffff_0000_0000_0000 } else { linear }
    }

    /// What the real GDTR holds: SGDT shows it to the guest.
    pub fn global_table(&self) -> TableRegister {
        TableRegister { base: self.base(), limit: self.limit }
    }

    /// What the real IDTR holds: SIDT shows it to the guest.
    pub fn interrupt_table(&self) -> TableRegister {
        let base = self.base() + PAGES * PAGE_SIZE;
        TableRegister { base, limit: INTERRUPT_TABLE_LIMIT }
    }

    /// Copies the guest's table. `long`: the guest is in long mode. Returns the number of
    /// descriptors.
    pub fn copy(&mut self, host: &mut Host, guest_table: &[u8], limit: u16, long: bool) -> u64 {
        let ring = if long { 3 } else { 1 };
        self.stale = false;
        self.limit = limit;
        let count = (u64::from(limit) + 1) / 8;
        for index in 0..count {
            let bytes = guest_table.get((index * 8) as usize..).and_then(|b| b.first_chunk());
            let descriptor = bytes.map_or(Descriptor(0), |b| Descriptor(u64::from_le_bytes(*b)));
            let page = self.pages.get((index * 8 / PAGE_SIZE) as usize).copied().unwrap_or(0);
            let address = page << PAGE_SHIFT | (index * 8 % PAGE_SIZE);
            host.cpu.ram.write(address, deprivileged(descriptor, ring, long).0);
        }
        count
    }
}

/// A descriptor as the copy has it.
fn deprivileged(descriptor: Descriptor, ring: u8, long: bool) -> Descriptor {
    const LONG: u64 = 1 << 53;
    const PRESENT: u64 = 1 << 47;
    const ACCESSED: u64 = 1 << 40;
    const PRIVILEGE: u64 = 3 << 45;
    let attributes = descriptor.attributes();
    if !attributes.is_code_or_data() {
        return Descriptor(descriptor.0 & !PRESENT);
    }
    // Accessed already, because the processor can't write to the copy.
    let mut bits = descriptor.0 | ACCESSED;
    if !long {
        bits &= !LONG;
    }
    if attributes.dpl() < 3 {
        bits = bits & !PRIVILEGE | u64::from(ring) << 45;
    }
    Descriptor(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_segments_move_to_the_ring_where_it_runs() {
        let code = Descriptor(0x00af_9b00_0000_ffff);
        assert_eq!(deprivileged(code, 3, true).attributes().dpl(), 3);
        assert_eq!(deprivileged(code, 1, false).attributes().dpl(), 1);
        let user = Descriptor(0x00cf_f300_0000_ffff);
        assert_eq!(deprivileged(user, 1, false).attributes().dpl(), 3);
    }

    #[test]
    fn gates_and_system_segments_are_absent() {
        let task = Descriptor(0x0000_8900_0000_0067);
        assert!(!deprivileged(task, 1, false).attributes().is_present());
    }
}
