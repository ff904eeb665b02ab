//! What can be wrong with an image file, and with loading it. Every message names the file, the
//! field, where it is, and what to do.

use thiserror::Error;

use super::StartKind;

/// Why a file is not a guest image.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// Neither ELF nor Multiboot.
    #[error(
        "{name}: this is neither an ELF file nor a Multiboot image with load addresses: \
         give the ELF file of a kernel (of Linux, vmlinux and not bzImage)"
    )]
    UnknownFormat {
        /// The image's name.
        name: String,
    },
    /// A field has a value that no image can have.
    #[error("{name}: {field} (offset {offset:#x}) is {value:#x}: {remedy}")]
    Field {
        /// The image's name.
        name: String,
        /// The field, as the format's specification calls it.
        field: &'static str,
        /// Its place in the file, or that of the structure that holds it, in bytes.
        offset: u64,
        /// Its value.
        value: u64,
        /// What would be right.
        remedy: &'static str,
    },
    /// Something that a field points to is not in the file.
    #[error(
        "{name}: {field} takes {length:#x} bytes from offset {offset:#x}, but the file has only \
         {file_size:#x}: it was cut short, so copy or build it again"
    )]
    Truncated {
        /// The image's name.
        name: String,
        /// What is missing.
        field: &'static str,
        /// Where it begins, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        length: u64,
        /// Size of the file in bytes.
        file_size: u64,
    },
}

/// Why an image can't be loaded into this machine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoadError {
    /// The image lacks what the start method needs.
    #[error("{name}: can't start by {kind}: {missing}")]
    Missing {
        /// The image's name.
        name: String,
        /// The start method that was asked for.
        kind: StartKind,
        /// What is absent, and the remedy.
        missing: String,
    },
    /// The image has no start method that this loader knows.
    #[error("{name}: no way to start it. PVH: {pvh}. Multiboot: {multiboot}")]
    NoStartMethod {
        /// The image's name.
        name: String,
        /// Why PVH is impossible.
        pvh: String,
        /// Why Multiboot is impossible.
        multiboot: String,
    },
    /// A part of the image has no RAM under it.
    #[error(
        "{name}: segment {index} takes {length:#x} bytes from physical address {address:#x}, but \
         the machine has {ram_size:#x} bytes of RAM: give it more memory, or link the guest lower"
    )]
    OutsideRam {
        /// The image's name.
        name: String,
        /// Number of the segment among those that are loaded.
        index: usize,
        /// Its guest-physical address.
        address: u64,
        /// Its size in bytes.
        length: u64,
        /// Size of RAM in bytes.
        ram_size: u64,
    },
    /// A part of the image wants memory that a PC keeps for its firmware and display.
    #[error(
        "{name}: segment {index} takes {length:#x} bytes from physical address {address:#x}, into \
         what a PC reserves (0x9fc00 to 0xfffff): link the guest at 1 MiB or above"
    )]
    Reserved {
        /// The image's name.
        name: String,
        /// Number of the segment among those that are loaded.
        index: usize,
        /// Its guest-physical address.
        address: u64,
        /// Its size in bytes.
        length: u64,
    },
    /// Two parts of the image want the same memory.
    #[error(
        "{name}: the segments at physical addresses {first:#x} and {second:#x} overlap: check the \
         AT() addresses in the linker script"
    )]
    Overlap {
        /// The image's name.
        name: String,
        /// Address of the lower segment.
        first: u64,
        /// Address of the higher segment.
        second: u64,
    },
    /// The entry point is not a 32-bit address.
    #[error(
        "{name}: the entry point {entry:#x} is no 32-bit physical address: check the linker script"
    )]
    Entry {
        /// The image's name.
        name: String,
        /// The entry point.
        entry: u64,
    },
    /// No memory is left for what the loader passes to the guest.
    #[error("{name}: no room for {what} ({length:#x} bytes): give the machine more memory")]
    NoRoom {
        /// The image's name.
        name: String,
        /// What has no place.
        what: &'static str,
        /// Its size in bytes.
        length: u64,
    },
    /// The command line or a module's name has a byte 0 in it, which would end it.
    #[error("{name}: {what} has a byte 0 in it: take it out")]
    ZeroByte {
        /// The image's name.
        name: String,
        /// Which string.
        what: &'static str,
    },
}
