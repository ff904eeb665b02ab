//! `physdev_op`: I/O privilege. The domain has no physical devices.
//!
//! Source: `xen/arch/x86/physdev.c`, `xen/include/public/physdev.h`.

use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::{Answer, Errno};

impl Xen {
    /// physdev_op(command, argument).
    pub(super) fn physdev_op(
        &mut self,
        services: &mut dyn Services,
        [command, at, ..]: [u64; 5],
    ) -> Answer {
        match command as u32 {
            // set_iopl.
            6 => {
                let mut bytes = [0; 4];
                self.read_guest(services, at, &mut bytes)?;
                match u32::from_le_bytes(bytes) {
                    level @ 0..=3 => self.vcpu.io_privilege = level as u8,
                    _ => return Err(Errno::Invalid.into()),
                }
                Ok(0)
            }
            // set_iobitmap {bitmap, ports}: kept by nobody, as IN and OUT go by the level.
            7 => {
                let [_, ports] = self.read_words::<2>(services, at)?;
                if ports as u32 > 65536 {
                    return Err(Errno::Invalid.into());
                }
                Ok(0)
            }
            // eoi, irq_status_query: no such interrupt.
            12 | 5 => Err(Errno::Invalid.into()),
            // What only a domain with devices may do.
            8 | 10 | 11 | 13 | 14 | 15 | 16 | 21 | 24..=27 | 30..=32 => {
                Err(Errno::NotPermitted.into())
            }
            _ => Err(Errno::NotImplemented.into()),
        }
    }
}
