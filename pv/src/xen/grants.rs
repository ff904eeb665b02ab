//! Grant tables, the basics: a domain that has nobody to share memory with.
//!
//! Source: `xen/common/grant_table.c`, `xen/include/public/grant_table.h`.

use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::{Answer, Errno};
use super::layout::is_guest_array;

/// Most frames of a grant table.
const MOST_FRAMES: u32 = 4;
/// GNTST_general_error.
const GENERAL_ERROR: i16 = -1;
/// GNTST_bad_domain.
const BAD_DOMAIN: i16 = -2;
/// Operations that one call may list.
const MOST_OPERATIONS: u64 = 512;

impl Xen {
    /// grant_table_op(command, argument, count).
    pub(super) fn grant_table_op(
        &mut self,
        services: &mut dyn Services,
        [command, at, count, ..]: [u64; 5],
    ) -> Answer {
        let count = u64::from(count as u32);
        if count as i32 > MOST_OPERATIONS as i32 || (count as i32) < 0 {
            return Err(Errno::Invalid.into());
        }
        // Size of each operation, and where its status lies.
        let (size, status) = match command as u32 {
            // map_grant_ref, unmap_grant_ref, transfer, copy: of other domains.
            0 => (48, 32),
            1 => (24, 20),
            4 => (24, 16),
            5 => (40, 34),
            2 => return self.setup_grants(services, at, count),
            6 => return self.query_grants(services, at, count),
            8 => return self.grant_version(services, at, true),
            9 => return self.grant_version(services, at, false),
            _ => return Err(Errno::NotImplemented.into()),
        };
        if !is_guest_array(at, count, size) {
            return Err(Errno::Fault.into());
        }
        for index in 0..count {
            let at = at.wrapping_add(index * size + status);
            self.write_guest(services, at, &BAD_DOMAIN.to_le_bytes())?;
        }
        Ok(0)
    }

    /// gnttab_setup_table {domain, frames, status, list}.
    fn setup_grants(&mut self, services: &mut dyn Services, at: u64, count: u64) -> Answer {
        if count != 1 {
            return Err(Errno::Invalid.into());
        }
        let [head, _, list] = self.read_words::<3>(services, at)?;
        let wanted = (head >> 32) as u32;
        let mut status = 0;
        if self.require_self(head & 0xffff).is_err() {
            status = BAD_DOMAIN;
        } else if wanted > MOST_FRAMES {
            status = GENERAL_ERROR;
        } else {
            while self.domain.grant_frames.len() < wanted as usize {
                let frame = self.share_frame(services).ok_or(Errno::NoMemory)?;
                self.domain.grant_frames.push(frame);
            }
            let frames: Vec<u64> =
                self.domain.grant_frames.iter().take(wanted as usize).copied().collect();
            self.write_words(services, list, &frames)?;
        }
        self.write_guest(services, at.wrapping_add(8), &status.to_le_bytes())?;
        Ok(0)
    }

    /// gnttab_query_size {domain, frames, most frames, status}.
    fn query_grants(&mut self, services: &mut dyn Services, at: u64, count: u64) -> Answer {
        if count != 1 {
            return Err(Errno::Invalid.into());
        }
        let mut domain = [0; 2];
        self.read_guest(services, at, &mut domain)?;
        let known = self.require_self(u16::from_le_bytes(domain).into()).is_ok();
        let status = if known { 0 } else { BAD_DOMAIN };
        let frames = self.domain.grant_frames.len().max(1) as u32;
        let words = [frames, MOST_FRAMES, u32::from(status as u16)].map(u32::to_le_bytes).concat();
        let bytes = words.get(..10).unwrap_or_default();
        self.write_guest(services, at.wrapping_add(4), bytes)?;
        Ok(0)
    }

    /// gnttab_set_version {version} and gnttab_get_version {domain, version}: version 1 only.
    fn grant_version(&mut self, services: &mut dyn Services, at: u64, set: bool) -> Answer {
        let mut bytes = [0; 4];
        self.read_guest(services, at, &mut bytes)?;
        let at = if set { at } else { at.wrapping_add(4) };
        let wanted = u32::from_le_bytes(bytes);
        self.write_guest(services, at, &1u32.to_le_bytes())?;
        match (set, wanted) {
            (true, 1) | (false, _) => Ok(0),
            (true, 2) => Err(Errno::NotImplemented.into()),
            (true, _) => Err(Errno::Invalid.into()),
        }
    }
}
