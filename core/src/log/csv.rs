//! The log as comma-separated values (RFC 4180).

use std::io::{self, Write};

use super::entry::Entry;
use crate::accounting::SymbolOf;

const HEADER: [&str; 8] =
    ["cycle", "cause", "address", "symbol", "from", "cost", "slept", "explanation"];

/// Writes entries, one per line, after a line of titles.
///
/// # Errors
/// Those of `out`.
pub fn write_csv<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    symbol_of: SymbolOf<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(HEADER)?;
    for entry in entries {
        writer.write_record([
            entry.cycle.to_string(),
            entry.cause.name().into_owned(),
            format!("{:#x}", entry.address),
            symbol_of(entry.address).unwrap_or_default(),
            entry.from.name().into(),
            entry.cost.to_string(),
            entry.slept.to_string(),
            entry.explanation().to_string(),
        ])?;
    }
    writer.flush()
}
