//! The sample guests as data.
//!
//! A folder with a `guest.toml` is a guest; `build.rs` finds them, so adding one edits no list.
//! This crate doesn't parse the manifests: see `README.md` for their keys.

/// One sample guest, as it lies in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleGuest {
    /// The folder's name.
    pub name: &'static str,
    /// `guest.toml`.
    pub manifest: &'static str,
    /// `README.md`.
    pub readme: &'static str,
    /// The ELF64 image, with a PVH note and Xen PV notes.
    pub elf: &'static [u8],
    /// `expected.txt`: the console as QEMU printed it. Lines that start with `~ ` depend on timing, on the
    /// CPU model or on the world, and are not for comparison.
    pub expected: &'static str,
}

/// All sample guests, sorted by name.
pub const GUESTS: &[SampleGuest] = include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// The guest whose folder is called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static SampleGuest> {
    GUESTS.iter().find(|guest| guest.name == name)
}

/// The lines of a console text that are the same in every world and under every referee.
///
/// Carriage returns, which some consoles add, are dropped.
pub fn comparable_lines(console: &str) -> impl Iterator<Item = &str> {
    console.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.starts_with("~ "))
}
