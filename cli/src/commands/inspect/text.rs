//! The contents of an image as text.

use std::fmt;

use super::{Contents, Segment, World};
use crate::numbers::Grouped;

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, format, entry, .. } = self;
        let bytes = Grouped(self.file_bytes as u64);
        writeln!(f, "{name}: {format}, {bytes} bytes, entry point {entry:#x}")?;

        writeln!(f, "\nSegments (virtual address, physical address, bytes in file and memory)")?;
        self.segments.iter().try_for_each(|segment| writeln!(f, "  {segment}"))?;
        if self.segments.is_empty() {
            writeln!(f, "  none")?;
        }

        writeln!(f, "\nXen notes")?;
        for note in &self.notes {
            writeln!(f, "  {:>2} {:<18} {}", note.number, note.name, note.value)?;
        }
        if self.notes.is_empty() {
            writeln!(f, "  none")?;
        }

        match &self.multiboot {
            Some(header) => {
                let (offset, flags) = (header.offset, header.flags);
                write!(f, "\nMultiboot header at offset {offset:#x}, flags {flags:#x}")?;
                match header.entry {
                    Some(entry) => writeln!(f, ", entry point {entry:#x}")?,
                    None => writeln!(f)?,
                }
            }
            None => writeln!(f, "\nNo Multiboot header")?,
        }

        self.write_symbols(f)?;
        writeln!(f, "\nWorlds")?;
        self.worlds.iter().try_for_each(|world| write!(f, "{world}"))
    }
}

impl Contents {
    fn write_symbols(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.symbol_count;
        let Some(symbols) = &self.symbols else {
            let hint = if count > 0 { " (--symbols lists them)" } else { "" };
            return writeln!(f, "\n{count} symbols{hint}");
        };
        writeln!(f, "\n{count} symbols (address, bytes, name)")?;
        for symbol in symbols {
            writeln!(f, "  {:#018x} {:>8} {}", symbol.address, symbol.bytes, symbol.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let right = |has, letter| if has { letter } else { '-' };
        write!(
            f,
            "{:#018x} {:#012x} {:>#10x} {:>#10x} {}{}{}",
            self.virtual_address,
            self.physical_address,
            self.file_bytes,
            self.memory_bytes,
            right(self.readable, 'r'),
            right(self.writable, 'w'),
            right(self.executable, 'x'),
        )
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, title, .. } = self;
        match &self.start {
            Some(start) => writeln!(f, "  {name:<9} ({title}) can start by {start}"),
            None => {
                writeln!(f, "  {name:<9} ({title}) can't start")?;
                self.missing.iter().try_for_each(|missing| {
                    writeln!(f, "            by {}: {}", missing.start, missing.reason)
                })
            }
        }
    }
}
