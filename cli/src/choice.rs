//! From `GUEST|FILE` on the command line to a guest image.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use paravane_core::guest_image::GuestImage;
use paravane_sample_guests::{GUESTS, SampleGuest};

use crate::manifest::Manifest;
use crate::nearest::nearest;
use crate::output::UsageError;

/// Larger files are refused: no machine could hold them.
const FILE_LIMIT: u64 = 1 << 30;

/// The guest that the user means.
pub struct Choice {
    /// The name or path as given.
    pub name: String,
    /// What the sample guest's manifest says; `None` for a file.
    pub manifest: Option<Manifest>,
    /// The image.
    pub image: GuestImage,
}

impl Choice {
    /// Finds and parses the guest that an argument means. One with a `/` or `.` in it, or that is
    /// the name of a file here, is a file; everything else is the name of a sample guest.
    pub fn of(argument: &str) -> anyhow::Result<Self> {
        let name = argument.to_owned();
        let is_path = argument.contains(['/', '\\', '.']) || Path::new(argument).is_file();
        if is_path {
            let bytes = read_file(argument)?;
            let image = GuestImage::parse(&bytes, argument)?;
            return Ok(Self { name, manifest: None, image });
        }
        let Some(guest) = paravane_sample_guests::find(argument) else {
            return Err(UsageError(unknown(argument)).into());
        };
        Self::of_sample(guest)
    }

    fn of_sample(guest: &SampleGuest) -> anyhow::Result<Self> {
        Ok(Self {
            name: guest.name.into(),
            manifest: Some(Manifest::of(guest)?),
            image: GuestImage::parse(guest.elf, guest.name)?,
        })
    }

    /// Whether it is a sample guest.
    pub fn is_sample(&self) -> bool {
        self.manifest.is_some()
    }
}

/// Reads a file that the user names.
pub fn read_file(path: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
        .with_context(|| format!("can't read {path}"))?;
    anyhow::ensure!(bytes.len() as u64 <= FILE_LIMIT, "{path} is larger than 1 GiB");
    Ok(bytes)
}

fn unknown(name: &str) -> String {
    let names = nearest(name, GUESTS.iter().map(|guest| guest.name));
    let hint = if names.is_empty() {
        let all: Vec<_> = GUESTS.iter().map(|guest| guest.name).collect();
        format!("the sample guests are {}", all.join(", "))
    } else {
        format!("did you mean {}?", names.join(" or "))
    };
    format!("there is no sample guest {name:?}, and no such file: {hint}")
}
