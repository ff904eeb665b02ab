//! Counts everything again from scratch, and compares: for tests.
//!
//! Every reference to a frame, and every use as a type, has a reason that can be found: an entry
//! of a checked table, a pin, a root, a descriptor table. If the sums differ, a guest could get
//! round the checks.

use paravane_core::hypervisor::Owner;
use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::frame_types::FrameType;
use super::layout::XEN_SLOTS;
use super::page_tables::entry;

/// References and type uses found for each frame.
struct Found {
    counts: Vec<(u64, u64)>,
}

impl Found {
    fn note(&mut self, frame: u64, references: u64, uses: u64) -> Result<(), String> {
        let slot = self.counts.get_mut(frame as usize);
        let slot = slot.ok_or_else(|| format!("a reference to frame {frame:#x}, which is none"))?;
        slot.0 += references;
        slot.1 += uses;
        Ok(())
    }
}

impl Xen {
    /// Whether all counts are what they must be.
    pub(super) fn verify_counts(&self, services: &dyn Services) -> Result<(), String> {
        let mut found = Found { counts: vec![(0, 0); services.frame_count() as usize] };
        let (vcpu, domain) = (&self.vcpu, &self.domain);
        for root in [vcpu.root, vcpu.user_root].into_iter().filter(|root| *root != 0) {
            found.note(root, 1, 1)?;
        }
        let local = vcpu.local_pages.iter().filter(|frame| **frame != 0);
        for frame in vcpu.descriptor_frames.iter().chain(local) {
            found.note(*frame, 1, 1)?;
        }
        if vcpu.info_moved {
            found.note(vcpu.info.0, 1, 1)?;
        }
        for frame in domain.grant_frames.iter().chain([&domain.shared_info]) {
            found.note(*frame, 1, 1)?;
        }
        for frame in [domain.console_frame, domain.store_frame] {
            found.note(frame, 1, 0)?;
        }
        for (frame, info) in self.frames.iter().filter(|(_, info)| info.owned) {
            if services.owner(frame) != Some(Owner::Guest) {
                return Err(format!("frame {frame:#x} is not the guest's in the allocator"));
            }
            found.note(frame, u64::from(info.allocated), 0)?;
            found.note(frame, u64::from(info.pinned), u64::from(info.pinned))?;
            if let FrameType::Table(level) = info.kind
                && info.type_count > 0
            {
                self.count_table(services, &mut found, frame, level)?;
            }
        }
        for (frame, info) in self.frames.iter().filter(|(_, info)| info.owned) {
            let (references, uses) = found.counts.get(frame as usize).copied().unwrap_or_default();
            if info.references != references || info.type_count != uses {
                return Err(format!(
                    "frame {frame:#x} ({info:?}) has {references} references and {uses} uses"
                ));
            }
        }
        Ok(())
    }

    fn count_table(
        &self,
        services: &dyn Services,
        found: &mut Found,
        frame: u64,
        level: u8,
    ) -> Result<(), String> {
        for index in 0..512 {
            let value = services.read_word(frame, index);
            let target = entry::frame(value);
            if value & entry::PRESENT == 0 || level == 4 && XEN_SLOTS.contains(&index) {
                continue;
            }
            let kind = self.frames.get(target).kind;
            let fits = self.frames.is_guest(target)
                && match level {
                    1 => value & entry::WRITE == 0 || kind == FrameType::Writable,
                    _ if kind == FrameType::Table(level) => value & entry::WRITE == 0,
                    _ => kind == FrameType::Table(level - 1),
                };
            if !fits {
                return Err(format!(
                    "entry {index} of the level {level} table {frame:#x} is {value:#x}, \
                     which refers to {kind:?}"
                ));
            }
            match level {
                1 => found.note(target, 1, u64::from(value & entry::WRITE != 0))?,
                _ if target == frame => {}
                _ => found.note(target, 1, 1)?,
            }
        }
        Ok(())
    }
}
