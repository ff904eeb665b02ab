//! The symbol table: from an address to the name that the source gives it.

use std::ops::Range;

use goblin::elf::section_header::{SHN_LORESERVE, SHN_UNDEF, SHT_SYMTAB};
use goblin::elf::sym::{STB_GLOBAL, STT_FILE, STT_FUNC, STT_SECTION, STT_TLS, Sym};
use goblin::elf::{SectionHeader, Symtab};

use super::elf::Tables;
use super::error::ImageError;
use super::file::File;

/// Longer names are cut: symbols may share their bytes, so their sum would have no bound.
const NAME_LIMIT: usize = 4096;
/// How many symbols before an address may begin there or earlier without covering it.
const LOOK_BACK: usize = 64;

/// A named place in the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its virtual address.
    pub address: u64,
    /// Its size in bytes; 0 if the source doesn't say, as for labels in assembler.
    pub size: u64,
    /// Where its name is in the file.
    name: Range<usize>,
    /// Of several names of one address, the one with the highest rank is shown.
    rank: u8,
}

/// The symbols in the order of their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    symbols: Vec<Symbol>,
}

impl Symbols {
    /// Reads the first SHT_SYMTAB section. A file without one has no symbols.
    pub fn read(file: File<'_>, tables: &Tables) -> Result<Self, ImageError> {
        let table = tables.sections.iter().find(|section| section.sh_type == SHT_SYMTAB);
        let Some(table) = table else { return Ok(Self::default()) };
        let strings = read_strings(file, tables, table)?;
        let count = count_symbols(file, tables, table)?;
        if count == 0 {
            return Ok(Self::default());
        }
        let entries = Symtab::parse(file.bytes, table.sh_offset as usize, count, tables.context)
            .map_err(|_| {
                file.wrong("the symbol table", table.sh_offset, count as u64, "strip it")
            })?;
        let mut symbols: Vec<_> =
            entries.iter().filter_map(|entry| read_symbol(file, &strings, &entry)).collect();
        symbols.sort_by(|a, b| {
            (a.address, a.rank, b.name.start).cmp(&(b.address, b.rank, a.name.start))
        });
        Ok(Self { symbols })
    }

    /// All symbols in the order of their addresses.
    pub fn as_slice(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The symbol that covers an address. One without a size reaches to the next.
    pub fn covering(&self, address: u64) -> Option<&Symbol> {
        let after = self.symbols.partition_point(|symbol| symbol.address <= address);
        let before = self.symbols.get(..after)?;
        let nearest = before.last()?;
        if nearest.size == 0 || address - nearest.address < nearest.size {
            return Some(nearest);
        }
        let covers = |symbol: &&Symbol| address - symbol.address < symbol.size;
        before.iter().rev().take(LOOK_BACK).find(covers)
    }
}

impl Symbol {
    /// Its name, taken from the bytes of its image file.
    pub(super) fn name<'a>(&self, bytes: &'a [u8]) -> &'a str {
        let name = bytes.get(self.name.clone()).unwrap_or_default();
        match std::str::from_utf8(name) {
            Ok(name) => name,
            Err(error) => name
                .get(..error.valid_up_to())
                .and_then(|name| std::str::from_utf8(name).ok())
                .unwrap_or(""),
        }
    }
}

/// Where the string table of a symbol table is in the file.
fn read_strings(
    file: File<'_>,
    tables: &Tables,
    table: &SectionHeader,
) -> Result<Range<usize>, ImageError> {
    let link = table.sh_link as usize;
    let Some(strings) = tables.sections.get(link) else {
        let remedy = "it must be the number of the string table's section";
        return Err(file.wrong("sh_link of the symbol table", 0, link as u64, remedy));
    };
    let bytes = file.slice("the string table", strings.sh_offset, strings.sh_size)?;
    let start = strings.sh_offset as usize;
    Ok(start..start + bytes.len())
}

fn count_symbols(
    file: File<'_>,
    tables: &Tables,
    table: &SectionHeader,
) -> Result<usize, ImageError> {
    let size: u64 = if tables.context.is_big() { 24 } else { 16 };
    if table.sh_entsize != size {
        let remedy = "it must be the size of a symbol (16 or 24 bytes)";
        return Err(file.wrong("sh_entsize of the symbol table", 0, table.sh_entsize, remedy));
    }
    let bytes = file.slice("the symbol table", table.sh_offset, table.sh_size)?;
    Ok(bytes.len() / size as usize)
}

fn read_symbol(file: File<'_>, strings: &Range<usize>, entry: &Sym) -> Option<Symbol> {
    // Absolute symbols are constants of the source, not places.
    let is_place = entry.st_shndx as u32 != SHN_UNDEF && (entry.st_shndx as u32) < SHN_LORESERVE;
    if !is_place || matches!(entry.st_type(), STT_FILE | STT_SECTION | STT_TLS) {
        return None;
    }
    let start = strings.start.checked_add(entry.st_name)?;
    let rest = file.bytes.get(start..strings.end)?;
    let length = rest
        .iter()
        .take(NAME_LIMIT)
        .position(|&byte| byte == 0)
        .unwrap_or(rest.len().min(NAME_LIMIT));
    if length == 0 {
        return None;
    }
    let rank = u8::from(entry.st_size > 0) << 2
        | u8::from(entry.st_type() == STT_FUNC) << 1
        | u8::from(entry.st_bind() == STB_GLOBAL);
    Some(Symbol { address: entry.st_value, size: entry.st_size, name: start..start + length, rank })
}
