//! `paravane man`: manual pages.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory, ValueHint};

use crate::arguments::Arguments;
use crate::output;
use crate::status::Status;

/// Print the manual page, or write those of all commands into a directory
#[derive(Debug, Args)]
pub struct Man {
    /// An existing directory for the pages of all commands; without it, the main page is printed
    #[arg(value_hint = ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

impl Man {
    /// Prints or writes the pages.
    pub fn execute(self) -> anyhow::Result<Status> {
        let command = Arguments::command();
        match self.directory {
            Some(directory) => clap_mangen::generate_to(command, &directory)
                .with_context(|| format!("can't write to {}", directory.display()))?,
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page)?;
                output::write(page)?;
            }
        }
        Ok(Status::SUCCESS)
    }
}
