//! The log as JSON lines: one object per exit.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::entry::Entry;
use crate::accounting::SymbolOf;

/// Writes entries, one JSON object per line. Addresses are strings in hexadecimal, because JSON's
/// numbers don't hold 64 bits everywhere.
///
/// # Errors
/// Those of `out`.
pub fn write_json_lines<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    symbol_of: SymbolOf<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for entry in entries {
        serde_json::to_writer(&mut *out, &to_json(entry, symbol_of))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn to_json(entry: &Entry, symbol_of: SymbolOf<'_>) -> Value {
    json!({
        "cycle": entry.cycle,
        "cause": entry.cause.name(),
        "address": format!("{:#x}", entry.address),
        "symbol": symbol_of(entry.address),
        "from": entry.from.name(),
        "cost": entry.cost,
        "slept": entry.slept,
        "explanation": entry.explanation().to_string(),
    })
}
