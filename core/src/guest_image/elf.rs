//! The ELF file as such: header, segments and sections, read by goblin.
//!
//! goblin's `Elf::parse` also reads what only dynamic linking needs, and trusts offsets in it.
//! So only its readers of single structures are used, each after a check of the bounds.

use goblin::container::{Container, Ctx};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_LOAD};
use goblin::elf::{Elf, Header, ProgramHeader, SectionHeader, header};

use super::error::ImageError;
use super::file::File;

/// Whether addresses in the file have 32 or 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// ELF32.
    Elf32,
    /// ELF64.
    Elf64,
}

/// A part of the file that is loaded into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where the guest sees it after it has set up paging.
    pub virtual_address: u64,
    /// Where it is loaded.
    pub physical_address: u64,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// Bytes that come from the file.
    pub file_size: u64,
    /// Bytes in memory: those beyond the file's are zero (BSS).
    pub memory_size: u64,
    /// The program may read it.
    pub readable: bool,
    /// The program may write it.
    pub writable: bool,
    /// The program may execute it.
    pub executable: bool,
}

/// The tables of an ELF file. All that the headers point to is in the file.
#[derive(Debug)]
pub struct Tables {
    /// Width of its addresses.
    pub class: Class,
    /// For x86-64, as e_machine says.
    pub is_x86_64: bool,
    /// e_entry, a virtual address.
    pub entry: u64,
    /// The program headers of type PT_LOAD with a size.
    pub segments: Vec<Segment>,
    /// All program headers.
    pub program_headers: Vec<ProgramHeader>,
    /// All section headers.
    pub sections: Vec<SectionHeader>,
    /// How goblin reads this class.
    pub context: Ctx,
}

/// Whether the file begins like an ELF file.
pub fn is_elf(file: File<'_>) -> bool {
    file.bytes.starts_with(header::ELFMAG)
}

/// Reads the tables.
pub fn read_tables(file: File<'_>) -> Result<Tables, ImageError> {
    let header = read_header(file)?;
    let is_64 = header.e_ident[header::EI_CLASS] == header::ELFCLASS64;
    let container = if is_64 { Container::Big } else { Container::Little };
    let context = Ctx::new(container, goblin::container::Endian::Little);
    let program_headers = read_program_headers(file, &header, context)?;
    let sections = read_sections(file, &header, context)?;
    let mut segments = Vec::new();
    for (index, program_header) in program_headers.iter().enumerate() {
        if program_header.p_type == PT_LOAD && program_header.p_memsz > 0 {
            let at = header.e_phoff + (index * ProgramHeader::size(context)) as u64;
            segments.push(read_segment(file, program_header, at)?);
        }
    }
    Ok(Tables {
        class: if is_64 { Class::Elf64 } else { Class::Elf32 },
        is_x86_64: header.e_machine == header::EM_X86_64,
        entry: header.e_entry,
        segments,
        program_headers,
        sections,
        context,
    })
}

fn read_header(file: File<'_>) -> Result<Header, ImageError> {
    let ident = file.slice("the ELF identification", 0, header::SIZEOF_IDENT as u64)?;
    let class = ident[header::EI_CLASS];
    let size = match class {
        header::ELFCLASS32 => 52,
        header::ELFCLASS64 => 64,
        _ => {
            let remedy = "it must be 1 (ELF32) or 2 (ELF64)";
            return Err(file.wrong("EI_CLASS", header::EI_CLASS as u64, class.into(), remedy));
        }
    };
    let data = ident[header::EI_DATA];
    if data != header::ELFDATA2LSB {
        let remedy = "x86 is little-endian (1): this file is for another machine";
        return Err(file.wrong("EI_DATA", header::EI_DATA as u64, data.into(), remedy));
    }
    let bytes = file.slice("the ELF header", 0, size)?;
    let header = Elf::parse_header(bytes).map_err(|_| {
        file.wrong("the ELF header", 0, class.into(), "it can't be read: build the guest again")
    })?;
    if !matches!(header.e_machine, header::EM_386 | header::EM_X86_64) {
        let remedy = "it must be 3 (EM_386) or 62 (EM_X86_64): build the guest for x86";
        return Err(file.wrong("e_machine", 18, header.e_machine.into(), remedy));
    }
    if !matches!(header.e_type, header::ET_EXEC | header::ET_DYN) {
        let remedy = "it must be 2 (ET_EXEC) or 3 (ET_DYN): link the guest, don't give an object";
        return Err(file.wrong("e_type", 16, header.e_type.into(), remedy));
    }
    Ok(header)
}

fn read_program_headers(
    file: File<'_>,
    header: &Header,
    context: Ctx,
) -> Result<Vec<ProgramHeader>, ImageError> {
    let size = ProgramHeader::size(context);
    if header.e_phnum == 0 {
        let remedy = "a guest has segments: link it, don't give an object";
        return Err(file.wrong("e_phnum", 0, 0, remedy));
    }
    if usize::from(header.e_phentsize) != size {
        let remedy = "it must be the size of a program header (32 or 56 bytes)";
        return Err(file.wrong("e_phentsize", 0, header.e_phentsize.into(), remedy));
    }
    let count = usize::from(header.e_phnum);
    file.slice("the program header table", header.e_phoff, (count * size) as u64)?;
    ProgramHeader::parse(file.bytes, header.e_phoff as usize, count, context).map_err(|_| {
        file.wrong("the program header table", header.e_phoff, count as u64, "it can't be read")
    })
}

fn read_sections(
    file: File<'_>,
    header: &Header,
    context: Ctx,
) -> Result<Vec<SectionHeader>, ImageError> {
    let size = SectionHeader::size(context);
    let count = usize::from(header.e_shnum);
    if header.e_shoff == 0 || count == 0 {
        return Ok(Vec::new());
    }
    if usize::from(header.e_shentsize) != size {
        let remedy = "it must be the size of a section header (40 or 64 bytes)";
        return Err(file.wrong("e_shentsize", 0, header.e_shentsize.into(), remedy));
    }
    file.slice("the section header table", header.e_shoff, (count * size) as u64)?;
    SectionHeader::parse(file.bytes, header.e_shoff as usize, count, context).map_err(|_| {
        file.wrong("the section header table", header.e_shoff, count as u64, "it can't be read")
    })
}

/// Checks one PT_LOAD header, which is at offset `at`.
fn read_segment(file: File<'_>, header: &ProgramHeader, at: u64) -> Result<Segment, ImageError> {
    if header.p_filesz > header.p_memsz {
        let remedy = "a segment can't have more bytes in the file than in memory (p_memsz)";
        return Err(file.wrong("p_filesz", at, header.p_filesz, remedy));
    }
    for (field, address) in [("p_paddr", header.p_paddr), ("p_vaddr", header.p_vaddr)] {
        if address.checked_add(header.p_memsz).is_none() {
            let remedy = "with p_memsz, the segment runs over the end of the address space";
            return Err(file.wrong(field, at, address, remedy));
        }
    }
    file.slice("a segment", header.p_offset, header.p_filesz)?;
    Ok(Segment {
        virtual_address: header.p_vaddr,
        physical_address: header.p_paddr,
        offset: header.p_offset,
        file_size: header.p_filesz,
        memory_size: header.p_memsz,
        readable: header.p_flags & PF_R != 0,
        writable: header.p_flags & PF_W != 0,
        executable: header.p_flags & PF_X != 0,
    })
}
