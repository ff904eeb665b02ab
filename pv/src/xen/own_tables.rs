//! What Xen itself has in every address space of the guest: the machine-to-physical table, which
//! the guest may read, and the pages where the domain's descriptor tables are mapped, which only
//! the processor reads.
//!
//! ```text
//!   root slot 256 ─► level 3 ─► level 2 ─► level 1 … ─► machine-to-physical table   user, read-only
//!   root slot 260 ─► level 3 ─► level 2 ─► level 1 ──┬► 16 pages: GDT             supervisor
//!                                                   └► 16 pages: LDT             supervisor
//! ```

use paravane_core::hypervisor::Owner;
use paravane_core::hypervisor::paravirt::Services;

use super::layout::{DOMAIN_SLOT, GUEST_DESCRIPTOR_PAGES, INVALID_ENTRY, XEN_SLOTS};
use super::page_tables::entry;

const PRESENT: u64 = entry::PRESENT | entry::ACCESSED;
const SUPERVISOR: u64 = PRESENT | entry::WRITE | entry::DIRTY | entry::NO_EXECUTE;
const READ_ONLY: u64 = PRESENT | entry::USER | entry::NO_EXECUTE;
const TABLE: u64 = PRESENT | entry::USER | entry::WRITE;

/// Descriptors that every domain has: 64-bit and 32-bit code, and data, of ring 3.
const FLAT: [(usize, u64); 3] =
    [(4, 0x00cf_fb00_0000_ffff), (5, 0x00cf_f300_0000_ffff), (6, 0x00af_fb00_0000_ffff)];

/// Frames of Xen's own.
#[derive(Clone, Debug, Default)]
pub struct OwnTables {
    /// The pages of the machine-to-physical table.
    pub machine_to_physical: Vec<u64>,
    /// The level 3 tables of the two slots.
    machine_to_physical_root: u64,
    domain_root: u64,
    /// The level 1 table of the descriptor area.
    descriptor_pages: u64,
    /// An empty page, mapped where the guest has no descriptors.
    empty: u64,
    /// The page with the flat segments.
    reserved: u64,
}

impl OwnTables {
    /// Frames that these tables take on a machine with `frames`.
    pub fn frames_needed(frames: u64) -> u64 {
        let pages = frames.div_ceil(512);
        pages + pages.div_ceil(512) + 2 + 5
    }

    /// Makes them. `None` if the machine has too few frames.
    pub fn new(services: &mut dyn Services) -> Option<Self> {
        let mut take = || services.allocate(Owner::Hypervisor);
        let mut own = Self {
            machine_to_physical: Vec::new(),
            machine_to_physical_root: take()?,
            domain_root: take()?,
            descriptor_pages: take()?,
            empty: take()?,
            reserved: take()?,
        };
        own.make_machine_to_physical(services)?;
        let directory = services.allocate(Owner::Hypervisor)?;
        services.write_word(own.domain_root, 0, directory << 12 | SUPERVISOR & !entry::NO_EXECUTE);
        services.write_word(directory, 0, own.descriptor_pages << 12 | SUPERVISOR);
        for (index, descriptor) in FLAT {
            services.write_word(own.reserved, index, descriptor);
        }
        for page in 0..16 {
            own.map_descriptors(services, page, None);
        }
        services.write_word(
            own.descriptor_pages,
            GUEST_DESCRIPTOR_PAGES,
            own.reserved << 12 | SUPERVISOR,
        );
        Some(own)
    }

    fn make_machine_to_physical(&mut self, services: &mut dyn Services) -> Option<()> {
        let pages = services.frame_count().div_ceil(512);
        let directory = services.allocate(Owner::Hypervisor)?;
        services.write_word(self.machine_to_physical_root, 0, directory << 12 | TABLE);
        let mut table = 0;
        for page in 0..pages {
            let index = page as usize & 511;
            if index == 0 {
                table = services.allocate(Owner::Hypervisor)?;
                services.write_word(directory, (page >> 9) as usize, table << 12 | TABLE);
            }
            let frame = services.allocate(Owner::Hypervisor)?;
            for word in 0..512 {
                services.write_word(frame, word, INVALID_ENTRY);
            }
            services.write_word(table, index, frame << 12 | READ_ONLY);
            self.machine_to_physical.push(frame);
        }
        Some(())
    }

    /// Fills Xen's slots of a root table of the guest.
    pub fn fill_root(&self, services: &mut dyn Services, root: u64) {
        for slot in XEN_SLOTS {
            let value = match slot {
                256 => self.machine_to_physical_root << 12 | TABLE,
                DOMAIN_SLOT => self.domain_root << 12 | PRESENT | entry::WRITE,
                _ => 0,
            };
            services.write_word(root, slot, value);
        }
    }

    /// Maps a frame, or an empty page, as page `page` of the descriptor area.
    pub fn map_descriptors(&self, services: &mut dyn Services, page: usize, frame: Option<u64>) {
        let value = match frame {
            Some(frame) => frame << 12 | SUPERVISOR,
            None => self.empty << 12 | SUPERVISOR & !entry::WRITE,
        };
        services.write_word(self.descriptor_pages, page, value);
    }

    /// Leaves page `page` of the descriptor area unmapped.
    pub fn unmap_descriptors(&self, services: &mut dyn Services, page: usize) {
        services.write_word(self.descriptor_pages, page, 0);
    }

    /// The descriptor at an index of Xen's own page of the global table.
    pub fn reserved_descriptor(&self, services: &dyn Services, index: usize) -> u64 {
        services.read_word(self.reserved, index)
    }
}
