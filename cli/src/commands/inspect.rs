//! `paravane inspect`: what is in a guest image.

mod notes;
mod text;

use clap::{Args, ValueHint};
use paravane_core::guest_image::{Class, GuestImage};
use paravane_core::places;
use serde::Serialize;

use crate::choice::Choice;
use crate::output;
use crate::status::Status;
use crate::worlds;
use notes::Note;

/// Show what is in a guest image, and in which worlds it can start
#[derive(Debug, Args)]
pub struct Inspect {
    /// A sample guest's name, or a file (anything with a "/" or "." in it)
    #[arg(value_name = "GUEST|FILE", value_hint = ValueHint::FilePath)]
    guest: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// List the symbols
    #[arg(long)]
    symbols: bool,
}

/// All there is to tell of an image.
#[derive(Debug, Serialize)]
struct Contents {
    name: String,
    file_bytes: usize,
    format: &'static str,
    entry: u64,
    segments: Vec<Segment>,
    notes: Vec<Note>,
    multiboot: Option<Multiboot>,
    symbol_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbols: Option<Vec<Symbol>>,
    worlds: Vec<World>,
}

#[derive(Debug, Serialize)]
struct Segment {
    virtual_address: u64,
    physical_address: u64,
    file_bytes: u64,
    memory_bytes: u64,
    readable: bool,
    writable: bool,
    executable: bool,
}

#[derive(Debug, Serialize)]
struct Multiboot {
    offset: u64,
    flags: u32,
    /// The physical entry point, if the header has address fields.
    entry: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Symbol {
    address: u64,
    bytes: u64,
    name: String,
}

#[derive(Debug, Serialize)]
struct World {
    name: &'static str,
    title: &'static str,
    /// How the image can start in it.
    start: Option<String>,
    /// If it can't: what is missing for each way.
    missing: Vec<Missing>,
}

#[derive(Debug, Serialize)]
struct Missing {
    start: String,
    reason: String,
}

impl Inspect {
    /// Prints what is in the image.
    pub fn execute(self) -> anyhow::Result<Status> {
        let choice = Choice::of(&self.guest)?;
        let contents = Contents::of(choice, self.symbols);
        if self.json {
            output::write_json(&contents)?;
        } else {
            output::write(contents.to_string())?;
        }
        Ok(Status::SUCCESS)
    }
}

impl Contents {
    fn of(choice: Choice, with_symbols: bool) -> Self {
        let image = &choice.image;
        let symbol =
            |(name, address, bytes)| Symbol { address, bytes, name: places::readable(name) };
        Self {
            file_bytes: image.bytes().len(),
            format: match image.class() {
                Some(Class::Elf64) => "ELF64",
                Some(Class::Elf32) => "ELF32",
                None => "Multiboot",
            },
            entry: image.entry(),
            segments: image.segments().iter().map(Segment::of).collect(),
            notes: notes::list(image.xen_notes()),
            multiboot: image.multiboot().map(|header| Multiboot {
                offset: header.offset,
                flags: header.flags,
                entry: header.addresses.map(|addresses| addresses.entry),
            }),
            symbol_count: image.symbols().count(),
            symbols: with_symbols.then(|| image.symbols().map(symbol).collect()),
            worlds: worlds(image),
            name: choice.name,
        }
    }
}

impl Segment {
    fn of(segment: &paravane_core::guest_image::Segment) -> Self {
        Self {
            virtual_address: segment.virtual_address,
            physical_address: segment.physical_address,
            file_bytes: segment.file_size,
            memory_bytes: segment.memory_size,
            readable: segment.readable,
            writable: segment.writable,
            executable: segment.executable,
        }
    }
}

fn worlds(image: &GuestImage) -> Vec<World> {
    let world = |world: paravane_core::worlds::World| {
        let (start, missing) = match worlds::start(world, image) {
            Ok(kind) => (Some(kind.to_string()), Vec::new()),
            Err(missing) => (None, missing),
        };
        let missing = missing.into_iter();
        World {
            name: world.name(),
            title: world.title(),
            start,
            missing: missing
                .map(|(kind, reason)| Missing { start: kind.to_string(), reason })
                .collect(),
        }
    };
    paravane_core::worlds::World::ALL.into_iter().map(world).collect()
}
