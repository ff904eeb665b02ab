//! `paravane explain`: what the names in ledgers, traces and presets mean.

mod prices;
mod text;
mod topic;

use std::fmt::Write;

use clap::Args;

use crate::nearest::nearest;
use crate::output::{self, UsageError};
use crate::status::Status;
use crate::wrap::wrapped;
use topic::{Kind, Topic};

/// Explain a name in a ledger: what it is, what each world makes of it, what it costs
///
/// Without a name, all names are listed.
#[derive(Debug, Args)]
pub struct Explain {
    /// A cause of exits, an instruction, a hypercall, a piece of charged work, a world or a cost
    /// preset, such as "cli", "PF", "mmu_update" or "hidden page fault"
    #[arg(value_name = "NAME")]
    name: Vec<String>,
}

impl Explain {
    /// Prints the explanation.
    pub fn execute(self) -> anyhow::Result<Status> {
        let name = self.name.join(" ");
        let topics = Topic::all();
        if name.trim().is_empty() {
            output::write(list(&topics))?;
            return Ok(Status::SUCCESS);
        }
        let meant: Vec<_> = topics.iter().filter(|topic| topic.is_called(&name)).collect();
        if meant.is_empty() {
            return Err(UsageError(unknown(&name, &topics)).into());
        }
        let texts: Vec<_> = meant.into_iter().map(text::of).collect::<Result<_, _>>()?;
        output::write(texts.join("\n"))?;
        Ok(Status::SUCCESS)
    }
}

/// All names by their kind.
fn list(topics: &[Topic]) -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        let names: Vec<_> =
            topics.iter().filter(|topic| topic.kind() == kind).map(Topic::name).collect();
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", kind.title());
        text += &wrapped("  ", &names.join(", ").replace(' ', "\u{a0}").replace(",\u{a0}", ", "))
            .replace('\u{a0}', " ");
        text.push('\n');
    }
    text + "\"paravane explain NAME\" explains one.\n"
}

fn unknown(name: &str, topics: &[Topic]) -> String {
    let names: Vec<_> = topics.iter().map(Topic::name).collect();
    let similar = nearest(&topic::normal(name), names.iter().map(String::as_str));
    let hint = match similar.is_empty() {
        true => "\"paravane explain\" lists all names".into(),
        false => format!("did you mean {}?", similar.join(", or ")),
    };
    format!("nothing is called {name:?}: {hint}")
}
