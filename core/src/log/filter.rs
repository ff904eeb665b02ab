//! Which entries somebody wants to see.

use std::ops::RangeInclusive;

use super::entry::{Entry, Privilege};
use crate::accounting::Cause;

/// What an entry must fulfil to be shown. The default passes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of these causes; empty: any.
    pub causes: Vec<Cause>,
    /// At these guest addresses.
    pub addresses: Option<RangeInclusive<u64>>,
    /// Begun in these cycles of guest time.
    pub cycles: Option<RangeInclusive<u64>>,
    /// From this part of the guest.
    pub from: Option<Privilege>,
}

impl Filter {
    /// Whether an entry fulfils everything.
    pub fn passes(&self, entry: &Entry) -> bool {
        let within = |range: &Option<RangeInclusive<u64>>, value: u64| {
            range.as_ref().is_none_or(|range| range.contains(&value))
        };
        (self.causes.is_empty() || self.causes.contains(&entry.cause))
            && within(&self.addresses, entry.address)
            && within(&self.cycles, entry.cycle)
            && self.from.is_none_or(|from| from == entry.from)
    }
}
