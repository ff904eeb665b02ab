//! Builds small ELF files, byte by byte.

/// What goes into the file.
#[derive(Clone)]
pub struct Builder {
    pub is_64: bool,
    pub machine: u16,
    pub entry: u64,
    /// Virtual address, physical address, content, size in memory.
    pub segments: Vec<(u64, u64, Vec<u8>, u64)>,
    /// Owner, type, descriptor.
    pub notes: Vec<(&'static str, u32, Vec<u8>)>,
    /// Name, address, size, and the kind of symbol (`st_info`).
    pub symbols: Vec<(&'static str, u64, u64, u8)>,
    /// Write a PT_NOTE header, a SHT_NOTE section, or both.
    pub note_segment: bool,
    pub note_section: bool,
}

/// `st_info` of a global function, and of a local label.
pub const FUNCTION: u8 = 0x12;
pub const LABEL: u8 = 0x00;

impl Builder {
    /// A 64-bit guest at 1 MiB with eight bytes of code, eight of BSS, and no way to start.
    pub fn elf64() -> Self {
        Self {
            is_64: true,
            machine: 62,
            entry: 0x10_0000,
            segments: vec![(0x10_0000, 0x10_0000, b"\xF4\xEB\xFDcode!".to_vec(), 16)],
            notes: Vec::new(),
            symbols: Vec::new(),
            note_segment: true,
            note_section: true,
        }
    }

    /// The same in 32 bits.
    pub fn elf32() -> Self {
        Self { is_64: false, machine: 3, ..Self::elf64() }
    }

    /// With the PVH entry note.
    pub fn pvh(mut self) -> Self {
        self.notes.push(("Xen", 18, 0x10_0000_u32.to_le_bytes().to_vec()));
        self
    }

    /// With a Multiboot header in front of the code.
    pub fn multiboot(mut self, flags: u32, addresses: [u32; 5]) -> Self {
        let checksum = 0_u32.wrapping_sub(0x1BAD_B002).wrapping_sub(flags);
        let words = [0x1BAD_B002, flags, checksum].into_iter().chain(addresses);
        let header: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        let code = std::mem::replace(&mut self.segments[0].2, header);
        self.segments[0].2.extend(code);
        self.segments[0].3 += 32;
        self
    }

    fn word(&self, value: u64) -> Vec<u8> {
        let size = if self.is_64 { 8 } else { 4 };
        value.to_le_bytes()[..size].to_vec()
    }

    pub fn build(&self) -> Vec<u8> {
        let (header_size, program_size, section_size) =
            if self.is_64 { (64, 56, 64) } else { (52, 32, 40) };
        let notes = self.note_bytes();
        let (symbols, strings) = self.symbol_bytes();
        let program_count = self.segments.len() + usize::from(self.note_segment);
        let mut at = header_size + program_count * program_size;
        let mut place = |bytes: &[u8]| {
            at = at.next_multiple_of(16);
            let offset = at;
            at += bytes.len();
            offset as u64
        };
        let segment_offsets: Vec<_> =
            self.segments.iter().map(|segment| place(&segment.2)).collect();
        let note_offset = place(&notes);
        let symbol_offset = place(&symbols);
        let string_offset = place(&strings);
        let section_offset = place(&[]);

        let mut programs = Vec::new();
        for (segment, offset) in self.segments.iter().zip(&segment_offsets) {
            let (virtual_address, physical_address, bytes, size) = segment;
            programs.push((
                1,
                7,
                *offset,
                *virtual_address,
                *physical_address,
                bytes.len() as u64,
                *size,
            ));
        }
        if self.note_segment {
            programs.push((4, 4, note_offset, 0, 0, notes.len() as u64, notes.len() as u64));
        }
        let symbol_size = if self.is_64 { 24 } else { 16 };
        let note_type = if self.note_section { 7 } else { 1 };
        let sections = [
            (0, 0, 0, 0, 0, 0),
            (2, symbol_offset, symbols.len() as u64, 2, 8, symbol_size),
            (3, string_offset, strings.len() as u64, 0, 1, 0),
            (note_type, note_offset, notes.len() as u64, 0, 4, 0),
        ];

        let mut file = vec![0x7F, b'E', b'L', b'F', 1 + u8::from(self.is_64), 1, 1];
        file.resize(16, 0);
        file.extend(2_u16.to_le_bytes());
        file.extend(self.machine.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(self.word(self.entry));
        file.extend(self.word(header_size as u64));
        file.extend(self.word(section_offset));
        file.extend(0_u32.to_le_bytes());
        for half in [header_size, program_size, program_count, section_size, sections.len(), 0] {
            file.extend((half as u16).to_le_bytes());
        }
        for (kind, flags, offset, virtual_address, physical_address, file_size, size) in programs {
            file.extend(u32::to_le_bytes(kind));
            if self.is_64 {
                file.extend(u32::to_le_bytes(flags));
            }
            for value in [offset, virtual_address, physical_address, file_size, size] {
                file.extend(self.word(value));
            }
            if !self.is_64 {
                file.extend(u32::to_le_bytes(flags));
            }
            file.extend(self.word(4));
        }
        let parts =
            self.segments.iter().map(|segment| &segment.2).chain([&notes, &symbols, &strings]);
        for part in parts {
            file.resize(file.len().next_multiple_of(16), 0);
            file.extend(part);
        }
        file.resize(file.len().next_multiple_of(16), 0);
        for (kind, offset, size, link, alignment, entry_size) in sections {
            file.extend(0_u32.to_le_bytes());
            file.extend(u32::to_le_bytes(kind));
            for value in [0, 0, offset, size] {
                file.extend(self.word(value));
            }
            file.extend(u32::to_le_bytes(link));
            file.extend(0_u32.to_le_bytes());
            file.extend(self.word(alignment));
            file.extend(self.word(entry_size));
        }
        file
    }

    fn note_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (owner, kind, descriptor) in &self.notes {
            for field in [owner.len() as u32 + 1, descriptor.len() as u32, *kind] {
                bytes.extend(field.to_le_bytes());
            }
            for part in [owner.bytes().chain([0]).collect(), descriptor.clone()] {
                bytes.extend(&part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
        }
        bytes
    }

    fn symbol_bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let mut symbols = vec![0; if self.is_64 { 24 } else { 16 }];
        let mut strings = vec![0];
        for (name, address, size, info) in &self.symbols {
            symbols.extend((strings.len() as u32).to_le_bytes());
            if self.is_64 {
                symbols.extend([*info, 0, 1, 0]);
            }
            symbols.extend(self.word(*address));
            symbols.extend(self.word(*size));
            if !self.is_64 {
                symbols.extend([*info, 0, 1, 0]);
            }
            strings.extend(name.bytes().chain([0]));
        }
        (symbols, strings)
    }
}
