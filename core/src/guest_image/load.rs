//! Puts an image into RAM, with what its start method wants to find there.
//!
//! What the loader adds (start information, command line, memory map) goes into low memory,
//! modules go to the top of RAM, so that a guest may use what lies behind its own end. It writes
//! to RAM past the CPU's watch marks: load before the CPU runs, or have it forget decoded code.

mod firmware;
mod multiboot_information;
mod parts;
mod placement;
mod start_info;

use paravane_cpu::Ram;

use super::error::LoadError;
use super::{GuestImage, StartKind};
use placement::Placement;

/// What to pass to a guest.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The command line, as it is: without the image's name, which QEMU puts before it for
    /// Multiboot.
    pub command_line: String,
    /// Files for the guest, such as an initial RAM disk.
    pub modules: Vec<Module>,
    /// The start method, if not the one that QEMU's `-kernel` would choose: Multiboot if the
    /// image has its header, else PVH.
    pub start: Option<StartKind>,
}

/// A file for the guest.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Its command line: a name, as a rule.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// How the CPU must be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// PVH: 32-bit protected mode, paging off, EBX = `start_info`.
    Pvh {
        /// EIP.
        entry: u32,
        /// Physical address of the `hvm_start_info` structure.
        start_info: u32,
    },
    /// Multiboot: 32-bit protected mode, paging off, EAX = 0x2BADB002, EBX = `info`.
    Multiboot {
        /// EIP.
        entry: u32,
        /// Physical address of the Multiboot information structure.
        info: u32,
    },
}

/// Loads `image` into `ram`, and returns how to start it. The paravirtual world has a loader of
/// its own.
///
/// # Errors
/// The image lacks the start method, or does not fit. RAM may then be partly written.
pub fn load(ram: &mut Ram, image: &GuestImage, options: &LoadOptions) -> Result<Start, LoadError> {
    check_strings(image, options)?;
    let kind = choose(image, options.start)?;
    let parts = match kind {
        StartKind::Multiboot => parts::for_multiboot(image)?,
        _ => parts::of_segments(image),
    };
    parts::check(image, &parts, ram)?;
    let entry = entry(image, kind)?;
    // Order matters: a guest linked at address 0 may use the firmware's data area for itself.
    firmware::write(ram);
    parts::copy(ram, &parts);

    let mut placement = Placement::new(image.name(), ram, &parts);
    match kind {
        StartKind::Multiboot => {
            let info = multiboot_information::write(ram, &mut placement, options)?;
            Ok(Start::Multiboot { entry, info })
        }
        _ => {
            let start_info = start_info::write(ram, &mut placement, options)?;
            Ok(Start::Pvh { entry, start_info })
        }
    }
}

fn check_strings(image: &GuestImage, options: &LoadOptions) -> Result<(), LoadError> {
    let names = options.modules.iter().map(|module| ("a module's name", &module.name));
    for (what, text) in names.chain([("the command line", &options.command_line)]) {
        if text.contains('\0') {
            return Err(LoadError::ZeroByte { name: image.name().into(), what });
        }
    }
    Ok(())
}

/// QEMU looks for a Multiboot header first. Where it would then refuse a 64-bit image, a PVH note
/// is the better choice.
fn choose(image: &GuestImage, asked: Option<StartKind>) -> Result<StartKind, LoadError> {
    let name = || image.name().to_owned();
    match asked {
        Some(StartKind::XenPv) => {
            let missing = "this loader starts bare machines: the paravirtual world builds its own";
            Err(LoadError::Missing {
                name: name(),
                kind: StartKind::XenPv,
                missing: missing.into(),
            })
        }
        Some(kind) => {
            let missing = match kind {
                StartKind::Multiboot => image.missing_for_multiboot(),
                _ => image.missing_for_pvh(),
            };
            match missing {
                Some(missing) => Err(LoadError::Missing { name: name(), kind, missing }),
                None => Ok(kind),
            }
        }
        None => match (image.missing_for_multiboot(), image.missing_for_pvh()) {
            (None, _) => Ok(StartKind::Multiboot),
            (_, None) => Ok(StartKind::Pvh),
            (Some(multiboot), Some(pvh)) => {
                Err(LoadError::NoStartMethod { name: name(), pvh, multiboot })
            }
        },
    }
}

/// The physical entry point.
fn entry(image: &GuestImage, kind: StartKind) -> Result<u32, LoadError> {
    let kludge = image.multiboot().and_then(|header| header.addresses);
    let entry = match (kind, kludge) {
        (StartKind::Multiboot, Some(addresses)) => u64::from(addresses.entry),
        (StartKind::Multiboot, None) => physical(image, image.entry()),
        _ => image.xen_notes().phys32_entry.unwrap_or(0),
    };
    u32::try_from(entry).map_err(|_| LoadError::Entry { name: image.name().into(), entry })
}

/// The physical address of a virtual one in an executable segment, as QEMU translates e_entry.
fn physical(image: &GuestImage, address: u64) -> u64 {
    let holds = |segment: &&super::Segment| {
        let inside = address.checked_sub(segment.virtual_address);
        segment.executable && inside.is_some_and(|inside| inside < segment.file_size)
    };
    match image.segments().iter().find(holds) {
        Some(segment) => address - segment.virtual_address + segment.physical_address,
        None => address,
    }
}
