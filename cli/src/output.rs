//! Writing to standard output and standard error. A reader that goes away, as `head` does, ends
//! the program without a word.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::Context;
use thiserror::Error;

use crate::status::Status;

/// Nobody reads standard output any more.
#[derive(Clone, Copy, Debug, Error)]
#[error("nobody reads the output")]
pub struct OutputClosed;

/// The command line asks for something that is not there. Status 2.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Writes to standard output and flushes it.
pub fn write(bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    let written = output.write_all(bytes.as_ref()).and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        Err(error) => Err(anyhow::Error::from(error).context("can't write to standard output")),
        Ok(()) => Ok(()),
    }
}

/// Writes a value as JSON to standard output.
pub fn write_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    write(text)
}

/// Writes a file that the user names.
pub fn write_file(path: &Path, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("can't write {}", path.display()))
}

/// What Paravane itself has to say, on standard error. Nothing can be done if that fails.
pub struct Diagnostics;

impl Diagnostics {
    /// Writes text as it is.
    pub fn write(text: impl AsRef<[u8]>) {
        let mut errors = io::stderr().lock();
        let _ = errors.write_all(text.as_ref()).and_then(|()| errors.flush());
    }

    /// Writes a line.
    pub fn line(text: impl std::fmt::Display) {
        Self::write(format!("{text}\n"));
    }

    /// Tells why a command failed, and gives its status.
    pub fn report(error: &anyhow::Error) -> Status {
        if error.is::<OutputClosed>() {
            return Status::SUCCESS;
        }
        Self::line(format_args!("error: {error:#}"));
        if error.is::<UsageError>() { Status::USAGE } else { Status::FAILURE }
    }
}
