//! `xen_version` and `vm_assist`: what this Xen is, and which of its ways a guest chooses.
//!
//! Source: `xen/common/kernel.c`, `xen/include/public/{version,features}.h`.

use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::{Answer, Errno};
use super::layout::XEN_START;

/// 4.17.
pub const VERSION: u32 = 4 << 16 | 17;
/// VMASST_TYPE_writable_pagetables.
pub const ASSIST_WRITABLE_PAGE_TABLES: u64 = 2;
/// VMASST_TYPE_architectural_iopl.
pub const ASSIST_ARCHITECTURAL_IOPL: u64 = 4;
/// The assists that a 64-bit guest may choose: 0 to 5, and m2p_strict.
const ASSISTS: u64 = 0x3f | 1 << 32;
/// What XENVER_get_features answers for submap 0: update-preserving-AD, hypercall pages by
/// PV means, and the other bits that Xen 4.17 shows a 64-bit guest.
const FEATURES: u32 = 0x0002_20e0;

impl Xen {
    /// Whether the guest has chosen an assist.
    pub(super) fn has_assist(&self, assist: u64) -> bool {
        self.domain.assists >> assist & 1 != 0
    }

    /// vm_assist(command, type).
    pub(super) fn vm_assist(&mut self, [command, assist, ..]: [u64; 5]) -> Answer {
        let assist = u64::from(assist as u32);
        let valid = assist < 64 && ASSISTS >> assist & 1 != 0;
        match command as u32 {
            0 if valid => self.domain.assists |= 1 << assist,
            1 if valid => self.domain.assists &= !(1 << assist),
            0 | 1 => return Err(Errno::Invalid.into()),
            _ => return Err(Errno::NotImplemented.into()),
        }
        Ok(0)
    }

    /// xen_version(command, argument).
    pub(super) fn xen_version(
        &mut self,
        services: &mut dyn Services,
        [command, at, ..]: [u64; 5],
    ) -> Answer {
        let text = |text: &str, size: usize| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(size, 0);
            bytes
        };
        let bytes = match command as u32 {
            0 => return Ok(VERSION.into()),
            1 => text(".0-paravane", 16),
            2 => [text("rustc", 64), text("paravane", 16), text("", 32), text("", 32)].concat(),
            3 => text("xen-3.0-x86_64 ", 1024),
            4 => text("unavailable", 64),
            5 => XEN_START.to_le_bytes().to_vec(),
            6 => {
                let mut index = [0; 4];
                self.read_guest(services, at, &mut index)?;
                if u32::from_le_bytes(index) != 0 {
                    return Err(Errno::Invalid.into());
                }
                self.write_guest(services, at.wrapping_add(4), &FEATURES.to_le_bytes())?;
                return Ok(0);
            }
            7 => return Ok(4096),
            // guest_handle: this domain's UUID.
            8 => vec![0; 16],
            9 => text("", 1024),
            10 => return Err(Errno::NoData.into()),
            _ => return Err(Errno::NotImplemented.into()),
        };
        self.write_guest(services, at, &bytes)?;
        Ok(0)
    }
}
