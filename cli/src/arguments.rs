//! The command line as a whole. What a command takes is in its own file.

use clap::{Parser, Subcommand};

use crate::commands::{completions, guests, inspect, man, run};
use crate::status;

/// An educational full-system x86-64 emulator
///
/// Paravane runs a guest (the kernel of an operating system, as an ELF file) on an emulated PC,
/// and shows what it does. "paravane guests" lists the guests that come with it.
#[derive(Debug, Parser)]
#[command(name = "paravane", version, after_long_help = status::HELP)]
#[command(arg_required_else_help = true, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a guest, with its serial console on standard input and output
    #[command(after_long_help = status::HELP)]
    Run(run::Run),
    /// List the sample guests
    Guests(guests::Guests),
    /// Show what is in a guest image, and in which worlds it can start
    Inspect(inspect::Inspect),
    /// Print a completion script for a shell
    #[command(after_long_help = completions::HELP)]
    Completions(completions::Completions),
    /// Print the manual page, or write all of them into a directory
    Man(man::Man),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }
}
