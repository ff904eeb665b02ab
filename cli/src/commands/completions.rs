//! `paravane completions`: completion scripts for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::output;
use crate::status::Status;

/// How to use the scripts.
pub const HELP: &str = "\
To install:
    bash:  paravane completions bash > ~/.local/share/bash-completion/completions/paravane
    fish:  paravane completions fish > ~/.config/fish/completions/paravane.fish
    zsh:   paravane completions zsh > DIRECTORY/_paravane, in a DIRECTORY of $fpath";

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub fn execute(self) -> anyhow::Result<Status> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "paravane", &mut script);
        output::write(script)?;
        Ok(Status::SUCCESS)
    }
}
