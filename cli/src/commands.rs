//! The commands, one file each.

pub mod compare;
pub mod completions;
pub mod explain;
pub mod guests;
pub mod inspect;
pub mod man;
pub mod run;

use crate::arguments::Command;
use crate::status::Status;

/// Does what the command line says.
pub fn execute(command: Command) -> anyhow::Result<Status> {
    match command {
        Command::Run(run) => run.execute(),
        Command::Compare(compare) => compare.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Guests(guests) => guests.execute(),
        Command::Inspect(inspect) => inspect.execute(),
        Command::Completions(completions) => completions.execute(),
        Command::Man(man) => man.execute(),
    }
}
