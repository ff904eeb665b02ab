//! `paravane`: the command line of the emulator.

mod arguments;
mod choice;
mod commands;
mod manifest;
mod module_file;
mod nearest;
mod numbers;
mod outcome_json;
mod output;
mod preset;
mod session;
mod setup;
mod status;
mod worlds;
mod wrap;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use output::Diagnostics;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match commands::execute(arguments.command) {
        Ok(status) => status.into(),
        Err(error) => Diagnostics::report(&error).into(),
    }
}
