//! What the tests of the command line share: running it, and guests made byte by byte.

#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

pub mod guest_file;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// `paravane` with these arguments, and no input.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paravane"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs `paravane` without input.
pub fn paravane(arguments: &[&str]) -> Ran {
    command(arguments).output().expect("paravane starts").into()
}

/// Runs `paravane` with a pipe as its input.
pub fn paravane_with_input(arguments: &[&str], input: &str) -> Ran {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("paravane starts");
    let mut pipe = child.stdin.take().expect("its input is a pipe");
    let input = input.to_owned();
    // It may end before it has read everything.
    let writer = std::thread::spawn(move || pipe.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("paravane ends");
    let _ = writer.join().expect("the writer does not panic");
    output.into()
}

/// Writes a file for a test. Tests run side by side, so each needs names of its own.
pub fn file(name: &str, bytes: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).expect("the directory for tests can be written");
    path.to_str().expect("its name is UTF-8").to_owned()
}
