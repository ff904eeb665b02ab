//! A guest image: an ELF file that says, by Xen's notes or a Multiboot header, how to start it.
//!
//! [`GuestImage::parse`] trusts nothing in the file: whatever the bytes are, it returns an image
//! or an [`ImageError`], in memory proportional to the file. [`load()`] puts an image into RAM with
//! what its start method wants to find there.

mod elf;
mod error;
mod file;
mod load;
mod multiboot;
mod symbols;
mod xen_notes;

use std::fmt;

pub use elf::{Class, Segment};
pub use error::{ImageError, LoadError};
pub use load::{LoadOptions, Module, Start, load};
pub use multiboot::{LoadAddresses, MultibootHeader};
pub use xen_notes::{Features, XenNotes};

use elf::Tables;
use file::File;
use symbols::Symbols;

/// A parsed image. It owns the bytes of its file.
#[derive(Clone, Debug)]
pub struct GuestImage {
    name: String,
    bytes: Vec<u8>,
    /// `None` for a Multiboot image that is no ELF file.
    class: Option<Class>,
    is_x86_64: bool,
    entry: u64,
    segments: Vec<Segment>,
    symbols: Symbols,
    xen_notes: XenNotes,
    multiboot: Option<MultibootHeader>,
}

/// A way to start a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartKind {
    /// 32-bit protected mode, EBX = `hvm_start_info`: bare metal, and worlds that look like it.
    Pvh,
    /// 64-bit mode in ring 3 on prepared page tables, RSI = `start_info`: the paravirtual world.
    XenPv,
    /// 32-bit protected mode, EAX = 0x2BADB002, EBX = the Multiboot information.
    Multiboot,
}

impl fmt::Display for StartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pvh => "PVH",
            Self::XenPv => "Xen PV",
            Self::Multiboot => "Multiboot",
        })
    }
}

/// Whether an image can be started in a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartMethod {
    /// The way.
    pub kind: StartKind,
    /// Why not, and the remedy; `None` if it can.
    pub missing: Option<String>,
}

impl GuestImage {
    /// Parses the bytes of a file. `name` is what messages call it: its path, as a rule.
    ///
    /// # Errors
    /// The file is not an x86 ELF file or Multiboot image, or contradicts itself.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, ImageError> {
        let file = File { name, bytes };
        let multiboot = MultibootHeader::find(file);
        let mut image = Self {
            name: name.into(),
            bytes: Vec::new(),
            class: None,
            is_x86_64: false,
            entry: 0,
            segments: Vec::new(),
            symbols: Symbols::default(),
            xen_notes: XenNotes::default(),
            multiboot,
        };
        if elf::is_elf(file) {
            image.read_elf(file)?;
        } else if multiboot.is_none_or(|header| header.addresses.is_none()) {
            return Err(ImageError::UnknownFormat { name: name.into() });
        }
        image.bytes = bytes.into();
        Ok(image)
    }

    fn read_elf(&mut self, file: File<'_>) -> Result<(), ImageError> {
        let tables = elf::read_tables(file)?;
        self.symbols = Symbols::read(file, &tables)?;
        self.xen_notes = XenNotes::read(file, &tables)?;
        let Tables { class, is_x86_64, entry, segments, .. } = tables;
        self.class = Some(class);
        self.is_x86_64 = is_x86_64;
        self.entry = entry;
        self.segments = segments;
        Ok(())
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// ELF32 or ELF64; `None` for a Multiboot image that is no ELF file.
    pub fn class(&self) -> Option<Class> {
        self.class
    }

    /// e_entry, a virtual address; 0 if it is no ELF file.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// What is loaded, in the order of the program headers.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The bytes that a segment takes from the file.
    pub fn segment_bytes(&self, segment: &Segment) -> &[u8] {
        let file = File { name: &self.name, bytes: &self.bytes };
        file.slice("a segment", segment.offset, segment.file_size).unwrap_or_default()
    }

    /// Xen's ELF notes.
    pub fn xen_notes(&self) -> &XenNotes {
        &self.xen_notes
    }

    /// The Multiboot header.
    pub fn multiboot(&self) -> Option<&MultibootHeader> {
        self.multiboot.as_ref()
    }

    /// The symbol that covers a virtual address, and how many bytes the address lies behind it.
    pub fn symbol_at(&self, address: u64) -> Option<(&str, u64)> {
        let symbol = self.symbols.covering(address)?;
        Some((symbol.name(&self.bytes), address - symbol.address))
    }

    /// All symbols in the order of their addresses: name, address, and size in bytes.
    pub fn symbols(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        let symbols = self.symbols.as_slice().iter();
        symbols.map(|symbol| (symbol.name(&self.bytes), symbol.address, symbol.size))
    }

    /// Every way to start a guest, and for those that this image lacks, the reason.
    pub fn start_methods(&self) -> [StartMethod; 3] {
        [
            StartMethod { kind: StartKind::Pvh, missing: self.missing_for_pvh() },
            StartMethod { kind: StartKind::XenPv, missing: self.missing_for_xen_pv() },
            StartMethod { kind: StartKind::Multiboot, missing: self.missing_for_multiboot() },
        ]
    }

    fn missing_for_pvh(&self) -> Option<String> {
        self.xen_notes.phys32_entry.is_none().then(|| {
            "it has no ELF note XEN_ELFNOTE_PHYS32_ENTRY (owner \"Xen\", type 18): add it".into()
        })
    }

    fn missing_for_xen_pv(&self) -> Option<String> {
        if self.class != Some(Class::Elf64) {
            return Some("only 64-bit guests can be started: build it as ELF64".into());
        }
        self.xen_notes.missing_for_paravirtual()
    }

    fn missing_for_multiboot(&self) -> Option<String> {
        let Some(header) = &self.multiboot else {
            return Some("it has no Multiboot header in its first 8 KiB: add or move it".into());
        };
        if header.unknown_requirements() != 0 {
            let flags = header.unknown_requirements();
            return Some(format!("its Multiboot header requires {flags:#x}, which nobody knows"));
        }
        if header.addresses.is_none() && (self.class == Some(Class::Elf64) || self.is_x86_64) {
            return Some(
                "Multiboot starts 32-bit ELF files, and this one is for x86-64 (QEMU refuses it, \
                 too): convert it with objcopy -O elf32-i386, or add a PVH note"
                    .into(),
            );
        }
        None
    }
}
