//! `paravane guests`: the list of sample guests.

use std::fmt::Write;

use clap::Args;
use paravane_sample_guests::GUESTS;
use serde::Serialize;

use crate::manifest::Manifest;
use crate::output;
use crate::status::Status;

/// List the sample guests
#[derive(Debug, Args)]
pub struct Guests {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// A guest in the list.
#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    title: String,
    summary: String,
    teaches: Vec<String>,
    worlds: Vec<String>,
    memory_bytes: u64,
    command_line: String,
}

impl Guests {
    /// Prints the list.
    pub fn execute(self) -> anyhow::Result<Status> {
        let entries = GUESTS.iter().map(|guest| {
            let manifest = Manifest::of(guest)?;
            Ok(Entry {
                name: guest.name,
                title: manifest.title,
                summary: manifest.summary,
                teaches: manifest.teaches,
                worlds: manifest.worlds,
                memory_bytes: manifest.memory_mib << 20,
                command_line: manifest.append,
            })
        });
        let entries: Vec<_> = entries.collect::<anyhow::Result<_>>()?;
        if self.json {
            output::write_json(&entries)?
        } else {
            output::write(table(&entries))?
        }
        Ok(Status::SUCCESS)
    }
}

fn table(entries: &[Entry]) -> String {
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let names = width(&mut entries.iter().map(|entry| entry.name.len()));
    let titles = width(&mut entries.iter().map(|entry| entry.title.len()));
    let mut text = String::new();
    for entry in entries {
        let Entry { name, title, summary, .. } = entry;
        let worlds = entry.worlds.join(", ");
        let _ = writeln!(text, "{name:<names$}  {title:<titles$}  {summary} [{worlds}]");
    }
    text
}
