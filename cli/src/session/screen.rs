//! Where the guest's console and debug console go: to standard output and standard error, or
//! into memory for JSON.

use std::io::IsTerminal;

use crate::output::{self, Diagnostics};

/// How many bytes are kept for JSON, of each console.
const CAPTURE_LIMIT: usize = 16 << 20;
/// What stands before each line of the debug console.
const DEBUG_PREFIX: &[u8] = b"[debug] ";

/// The guest's consoles.
pub struct Screen {
    /// For JSON; `None` if the consoles are shown.
    captured: Option<Captured>,
    /// The terminal is in raw mode: a line feed alone would not go back to the first column.
    raw: bool,
    /// Whether standard output is a terminal.
    is_terminal: bool,
    /// The last byte that was shown on standard output.
    last: u8,
    /// The start of a line of the debug console.
    debug_line: Vec<u8>,
}

/// What the guest has written, for JSON.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// The serial console.
    pub console: Vec<u8>,
    /// The debug console.
    pub debug: Vec<u8>,
    /// Whether something was too long to be kept.
    pub truncated: bool,
}

impl Screen {
    /// Shows the consoles. `raw`: the terminal is in raw mode.
    pub fn shown(raw: bool) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { captured: None, raw, is_terminal, last: b'\n', debug_line: Vec::new() }
    }

    /// Keeps what is written.
    pub fn captured() -> Self {
        Self { captured: Some(Captured::default()), ..Self::shown(false) }
    }

    /// Takes what was kept.
    pub fn take_captured(&mut self) -> Captured {
        self.captured.take().unwrap_or_default()
    }

    /// Whether progress can be shown on a terminal without disturbing what the guest shows: it
    /// is shown elsewhere, or the cursor is in the first column.
    pub fn is_out_of_the_way(&self) -> bool {
        self.captured.is_some() || !self.is_terminal || matches!(self.last, b'\n' | b'\r')
    }

    /// Whether the guest shows its console on a terminal.
    pub fn is_on_terminal(&self) -> bool {
        self.captured.is_none() && self.is_terminal
    }

    /// Passes on the serial console.
    pub fn show_console(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if let Some(captured) = &mut self.captured {
            captured.truncated |= keep(&mut captured.console, bytes);
            return Ok(());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let text = if self.raw { with_returns(bytes, self.last) } else { bytes.to_vec() };
        self.last = bytes.last().copied().unwrap_or(self.last);
        output::write(text)
    }

    /// Passes on the debug console, line by line.
    pub fn show_debug(&mut self, bytes: &[u8]) {
        if let Some(captured) = &mut self.captured {
            captured.truncated |= keep(&mut captured.debug, bytes);
            return;
        }
        for &byte in bytes {
            if byte == b'\n' || self.debug_line.len() >= CAPTURE_LIMIT {
                self.end_debug_line();
            } else {
                self.debug_line.push(byte);
            }
        }
    }

    /// Shows what is left of the debug console, and ends the last line on a terminal.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        if !self.debug_line.is_empty() {
            self.end_debug_line();
        }
        if self.is_on_terminal() && self.last != b'\n' {
            self.show_console(b"\n")?;
        }
        Ok(())
    }

    fn end_debug_line(&mut self) {
        let mut line = DEBUG_PREFIX.to_vec();
        line.append(&mut self.debug_line);
        line.extend(if self.raw { &b"\r\n"[..] } else { b"\n" });
        Diagnostics::write(line);
    }
}

/// Appends what there is room for. Returns whether that was not all.
fn keep(kept: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let room = CAPTURE_LIMIT.saturating_sub(kept.len()).min(bytes.len());
    kept.extend(bytes.iter().take(room));
    room < bytes.len()
}

/// A carriage return before each line feed that has none. `last` is the byte before.
fn with_returns(bytes: &[u8], mut last: u8) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() + 16);
    for &byte in bytes {
        if byte == b'\n' && last != b'\r' {
            text.push(b'\r');
        }
        text.push(byte);
        last = byte;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_raw_mode_line_feeds_get_a_carriage_return_unless_they_have_one() {
        assert_eq!(with_returns(b"a\nb\r\n", b'x'), b"a\r\nb\r\n");
        assert_eq!(with_returns(b"\n", b'\r'), b"\n");
    }

    #[test]
    fn what_is_kept_for_json_is_bounded() {
        let mut kept = vec![0; CAPTURE_LIMIT - 1];
        assert!(keep(&mut kept, b"ab"));
        assert_eq!(kept.len(), CAPTURE_LIMIT);
    }
}
