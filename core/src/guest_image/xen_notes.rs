//! The ELF notes by which a kernel tells Xen how to start it. PVH is one of them.
//!
//! Source: `xen/include/public/elfnote.h`; feature names: `xen/common/libelf/libelf-dominfo.c`.

mod features;

pub use features::Features;

use goblin::elf::program_header::PT_NOTE;
use goblin::elf::section_header::SHT_NOTE;

use super::elf::Tables;
use super::error::ImageError;
use super::file::{File, read_u32};

/// The owner's name in the notes, with its final 0.
const OWNER: &[u8] = b"Xen\0";
const HEADER_SIZE: u64 = 12;

/// The decoded notes of owner "Xen". A note that the image lacks is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XenNotes {
    /// 1: the entry point of a paravirtual guest, a virtual address.
    pub entry: Option<u64>,
    /// 2: the page for Xen's hypercall stubs, a virtual address.
    pub hypercall_page: Option<u64>,
    /// 3: the virtual address at which the guest sees guest-physical address 0.
    pub virt_base: Option<u64>,
    /// 4: what the loader subtracts from physical addresses in the ELF headers.
    pub paddr_offset: Option<u64>,
    /// 5: the interface version, "xen-3.0".
    pub xen_version: Option<String>,
    /// 6: the kernel's name.
    pub guest_os: Option<String>,
    /// 7: the kernel's version.
    pub guest_version: Option<String>,
    /// 8: the loader it expects, "generic".
    pub loader: Option<String>,
    /// 9: whether a 32-bit guest uses PAE: "yes", "no" or "bimodal".
    pub pae_mode: Option<String>,
    /// 10: the features it can use or needs.
    pub features: Option<Features>,
    /// 11: whether the symbol table shall be loaded behind the image ("yes").
    pub bsd_symtab: Option<String>,
    /// 12: the lowest address of the hole for the hypervisor (32-bit guests).
    pub hv_start_low: Option<u64>,
    /// 13: mask and value that mark a present page-table entry.
    pub l1_mfn_valid: Option<(u64, u64)>,
    /// 14: whether it can return from a cancelled suspend.
    pub suspend_cancel: Option<u64>,
    /// 15: where it wants the table from pseudo-physical to machine frames.
    pub init_p2m: Option<u64>,
    /// 16: whether it accepts a module (initrd) as frames outside its initial mapping.
    pub mod_start_pfn: Option<u64>,
    /// 17: the features it can use, as bits.
    pub supported_features: Option<u32>,
    /// 18: the 32-bit entry point of PVH, a physical address.
    pub phys32_entry: Option<u64>,
    /// How many notes of owner "Xen" the image has, known and unknown ones.
    pub count: usize,
}

impl XenNotes {
    /// Reads the notes of all PT_NOTE segments, then of all SHT_NOTE sections. Most notes are in
    /// both; of two with the same type, the first counts.
    pub fn read(file: File<'_>, tables: &Tables) -> Result<Self, ImageError> {
        let segments = tables.program_headers.iter().filter(|header| header.p_type == PT_NOTE);
        let segments = segments.map(|header| (header.p_offset, header.p_filesz, header.p_align));
        let mut notes = Self::default();
        for area in segments {
            notes.read_area(file, area)?;
        }
        // Most sections lie in the segments: without Xen notes there, look here.
        if notes.count == 0 {
            let sections = tables.sections.iter().filter(|header| header.sh_type == SHT_NOTE);
            for header in sections {
                notes.read_area(file, (header.sh_offset, header.sh_size, header.sh_addralign))?;
            }
        }
        Ok(notes)
    }

    /// ```text
    /// | name size | descriptor size | type | name, padded | descriptor, padded |
    /// ```
    fn read_area(
        &mut self,
        file: File<'_>,
        (offset, size, alignment): (u64, u64, u64),
    ) -> Result<(), ImageError> {
        let area = File { name: file.name, bytes: file.slice("the notes", offset, size)? };
        let alignment = if alignment == 8 { 8 } else { 4 };
        let mut at = 0;
        while size - at >= HEADER_SIZE {
            let header = area.slice("a note", at, HEADER_SIZE)?;
            let name_size = u64::from(read_u32(header, 0));
            let descriptor_size = u64::from(read_u32(header, 4));
            let descriptor_at = (at + HEADER_SIZE + name_size).next_multiple_of(alignment);
            if descriptor_at.saturating_add(descriptor_size) > size {
                let remedy = "the note runs over the end of its segment or section";
                return Err(file.wrong("n_descsz", offset + at + 4, descriptor_size, remedy));
            }
            let name = area.slice("a note's name", at + HEADER_SIZE, name_size)?;
            let descriptor = area.slice("a note", descriptor_at, descriptor_size)?;
            if name == OWNER {
                self.take(file, offset + descriptor_at, read_u32(header, 8), descriptor)?;
            }
            at = (descriptor_at + descriptor_size).next_multiple_of(alignment).min(size);
        }
        Ok(())
    }

    fn take(
        &mut self,
        file: File<'_>,
        at: u64,
        note_type: u32,
        descriptor: &[u8],
    ) -> Result<(), ImageError> {
        let number = || {
            number(descriptor).ok_or_else(|| {
                let remedy = "a numeric note has 1, 2, 4 or 8 bytes";
                file.wrong("the size of a Xen note", at, descriptor.len() as u64, remedy)
            })
        };
        self.count += 1;
        match note_type {
            1 => keep(&mut self.entry, number()?),
            2 => keep(&mut self.hypercall_page, number()?),
            3 => keep(&mut self.virt_base, number()?),
            4 => keep(&mut self.paddr_offset, number()?),
            5 => keep(&mut self.xen_version, text(descriptor)),
            6 => keep(&mut self.guest_os, text(descriptor)),
            7 => keep(&mut self.guest_version, text(descriptor)),
            8 => keep(&mut self.loader, text(descriptor)),
            9 => keep(&mut self.pae_mode, text(descriptor)),
            10 => keep(&mut self.features, Features::parse(&text(descriptor))),
            11 => keep(&mut self.bsd_symtab, text(descriptor)),
            12 => keep(&mut self.hv_start_low, number()?),
            13 => {
                let (mask, value) = descriptor.split_at(descriptor.len() / 2);
                let pair = self::number(mask).zip(self::number(value));
                self.l1_mfn_valid = self.l1_mfn_valid.or(pair);
            }
            14 => keep(&mut self.suspend_cancel, number()?),
            15 => keep(&mut self.init_p2m, number()?),
            16 => keep(&mut self.mod_start_pfn, number()?),
            17 => keep(&mut self.supported_features, number()? as u32),
            18 => keep(&mut self.phys32_entry, number()?),
            _ => {}
        }
        Ok(())
    }

    /// What keeps a paravirtual Xen from starting this image: the checks of Xen's own loader.
    pub fn missing_for_paravirtual(&self) -> Option<String> {
        if self.count == 0 {
            return Some("it has no ELF notes of owner \"Xen\": add them to its source".into());
        }
        if !self.xen_version.as_deref().unwrap_or("").starts_with("xen-3.0") {
            return Some("XEN_ELFNOTE_XEN_VERSION (5) is not \"xen-3.0\"".into());
        }
        if !self.loader.as_deref().unwrap_or("").starts_with("generic") {
            return Some("XEN_ELFNOTE_LOADER (8) is not \"generic\"".into());
        }
        None
    }
}

fn keep<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

fn number(descriptor: &[u8]) -> Option<u64> {
    if !matches!(descriptor.len(), 1 | 2 | 4 | 8) {
        return None;
    }
    Some(descriptor.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// A string up to its first 0.
fn text(descriptor: &[u8]) -> String {
    let end = descriptor.iter().position(|&byte| byte == 0).unwrap_or(descriptor.len());
    String::from_utf8_lossy(descriptor.get(..end).unwrap_or_default()).into_owned()
}
