//! The manifest of a sample guest, `guest.toml`: see the README of the sample guests for its keys.

use anyhow::Context;
use paravane_sample_guests::SampleGuest;
use serde::Deserialize;

/// What a manifest says.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    /// For people.
    pub title: String,
    /// For people, one line.
    pub summary: String,
    /// For people.
    #[serde(default)]
    pub teaches: Vec<String>,
    /// Where it runs and tells the truth.
    pub worlds: Vec<String>,
    /// The machine's memory in MiB.
    pub memory_mib: u64,
    /// The command line.
    #[serde(default)]
    pub append: String,
    /// What is typed on the console.
    #[serde(default)]
    pub input: String,
}

impl Manifest {
    /// Parses the manifest of a guest.
    pub fn of(guest: &SampleGuest) -> anyhow::Result<Self> {
        toml::from_str(guest.manifest)
            .with_context(|| format!("the manifest of the sample guest {} is wrong", guest.name))
    }
}

#[cfg(test)]
mod tests {
    use paravane_sample_guests::GUESTS;

    use super::*;

    #[test]
    fn every_manifest_can_be_read_and_names_known_worlds() {
        for guest in GUESTS {
            let manifest = Manifest::of(guest).unwrap();
            for world in &manifest.worlds {
                let known = paravane_core::worlds::World::from_name(world).is_some();
                assert!(known, "{}: {world}", guest.name);
            }
        }
    }
}
