//! The terminal in raw mode: each key goes to the guest at once, and the guest alone echoes.

use std::io::{self, IsTerminal};
use std::panic;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

/// As long as it lives, the terminal is in raw mode.
#[derive(Debug)]
pub struct RawTerminal(());

impl RawTerminal {
    /// Switches to raw mode if a person sits at both ends: standard input and output are
    /// terminals.
    pub fn if_interactive() -> Option<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return None;
        }
        enable_raw_mode().ok()?;
        // A message of a panic is to be read, too.
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |information| {
            restore();
            report(information);
        }));
        Some(Self(()))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the terminal back as it was. Does nothing if it is not in raw mode.
pub fn restore() {
    let _ = disable_raw_mode();
}
