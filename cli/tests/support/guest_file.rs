//! Tiny ELF64 guests, built byte by byte: one segment at 1 MiB, a PVH note, a few symbols.
//!
//! ```text
//!   ELF header | 2 program headers | note | code | symbols | strings | 3 section headers
//! ```

/// Where the file is loaded.
const BASE: u64 = 0x10_0000;
const HEADERS: usize = 64 + 2 * 56;
const NOTE: usize = 20;
/// Where the code begins, in the file and behind [`BASE`].
const CODE: usize = (HEADERS + NOTE).next_multiple_of(16);

/// Physical and virtual address of the first instruction.
pub const START: u64 = BASE + CODE as u64;

/// A guest that executes `code` in 32-bit protected mode. `symbols` are names and offsets in it.
pub fn guest(code: &[u8], symbols: &[(&str, u64)]) -> Vec<u8> {
    let loaded = CODE + code.len();
    let mut strings = vec![0_u8];
    let mut table = vec![0_u8; 24];
    for &(name, offset) in symbols {
        table.extend((strings.len() as u32).to_le_bytes());
        // A global function in section 1.
        table.extend([0x12, 0, 1, 0]);
        table.extend((START + offset).to_le_bytes());
        table.extend(0_u64.to_le_bytes());
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    let symbols_at = loaded.next_multiple_of(8);
    let strings_at = symbols_at + table.len();
    let sections_at = (strings_at + strings.len()).next_multiple_of(8);

    let mut file = header(sections_at as u64);
    file.extend(segment(1, 0b101, 0, loaded as u64));
    file.extend(segment(4, 0b100, HEADERS as u64, NOTE as u64));
    // Name size, descriptor size, type, name, descriptor.
    for word in [4, 4, 18, u32::from_le_bytes(*b"Xen\0"), START as u32] {
        file.extend(word.to_le_bytes());
    }
    pad(&mut file, CODE);
    file.extend(code);
    pad(&mut file, symbols_at);
    file.extend(&table);
    file.extend(&strings);
    pad(&mut file, sections_at);
    file.extend(section(0, 0, 0, 0, 0));
    file.extend(section(2, symbols_at, table.len(), 2, 24));
    file.extend(section(3, strings_at, strings.len(), 0, 0));
    file
}

fn pad(file: &mut Vec<u8>, size: usize) {
    file.resize(size, 0);
}

fn header(sections_at: u64) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    pad(&mut bytes, 16);
    for half in [2_u16, 62] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(1_u32.to_le_bytes());
    for address in [START, 64, sections_at] {
        bytes.extend(address.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 2, 64, 3, 0] {
        bytes.extend(half.to_le_bytes());
    }
    bytes
}

fn segment(kind: u32, flags: u32, offset: u64, size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    for value in [offset, BASE + offset, BASE + offset, size, size, 4] {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

fn section(kind: u32, offset: usize, size: usize, link: u32, entry_size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    for value in [0, 0, offset as u64, size as u64] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(link.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    for value in [8, entry_size] {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}
