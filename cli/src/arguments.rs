//! The command line as a whole. What a command takes is in its own file.

use clap::{Parser, Subcommand};

use crate::commands::{compare, completions, explain, guests, inspect, man, run};
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

/// The commands. What they do is said where their arguments are.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(after_long_help = status::HELP)]
    Run(run::Run),
    #[command(after_long_help = compare::HELP)]
    Compare(compare::Compare),
    Explain(explain::Explain),
    Guests(guests::Guests),
    Inspect(inspect::Inspect),
    #[command(after_long_help = completions::HELP)]
    Completions(completions::Completions),
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
