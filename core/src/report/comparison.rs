//! Several runs of one guest, side by side.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::headline;
use super::ledger_report::fraction;
use super::numbers::ratio;
use crate::accounting::{Cause, Costs, Ledger, Share};

/// One run of a guest, in one world at the prices of one preset.
#[derive(Clone, Debug)]
pub struct Run {
    /// The world's short name, such as `trap`.
    pub world: String,
    /// What a sentence calls it, such as `trap-and-emulate`.
    pub title: String,
    /// The prices. Their name is the preset's.
    pub costs: Costs,
    /// What was charged.
    pub ledger: Ledger,
    /// Guest time in cycles.
    pub cycles: u64,
    /// Cycles in a second of guest time.
    pub hertz: u64,
    /// Instructions that the guest retired.
    pub instructions: u64,
    /// A hash of what the guest wrote to its console.
    pub console_hash: u64,
}

impl Run {
    /// Cycles of one share.
    pub fn cycles_of(&self, share: Share) -> u64 {
        self.ledger.cycles_of(share, &self.costs)
    }

    /// Exits of one cause.
    pub fn exits_of(&self, cause: Cause) -> u64 {
        self.ledger.row(cause).map_or(0, |row| row.exits)
    }
}

/// Runs of one guest. The first one is what the others are measured by.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The guest's name.
    pub guest: String,
    runs: Vec<Run>,
}

impl Comparison {
    /// Compares runs, in this order.
    pub fn new(guest: &str, runs: Vec<Run>) -> Self {
        Self { guest: guest.into(), runs }
    }

    /// The runs.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Whether all runs were charged by the same preset.
    pub fn has_one_preset(&self) -> bool {
        self.runs.windows(2).all(|pair| match pair {
            [one, other] => one.costs.name == other.costs.name,
            _ => true,
        })
    }

    /// The causes of all runs, with their exits in each, those with the most exits first.
    pub fn causes(&self) -> Vec<(Cause, Vec<u64>)> {
        let mut exits: BTreeMap<Cause, Vec<u64>> = BTreeMap::new();
        for (index, run) in self.runs.iter().enumerate() {
            for (cause, row) in run.ledger.rows().filter(|(_, row)| row.exits > 0) {
                let counts = exits.entry(*cause).or_insert_with(|| vec![0; self.runs.len()]);
                if let Some(count) = counts.get_mut(index) {
                    *count = row.exits;
                }
            }
        }
        let mut exits: Vec<_> = exits.into_iter().collect();
        exits.sort_by_key(|(cause, counts)| {
            (Reverse(counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count))), *cause)
        });
        exits
    }

    /// How many times as long as the first run a run took, in guest time.
    pub fn slowdown(&self, run: &Run) -> Option<f64> {
        let first = self.runs.first()?;
        (first.cycles > 0).then(|| run.cycles as f64 / first.cycles as f64)
    }

    /// The same for people: `3.1x`.
    pub fn slowdown_text(&self, run: &Run) -> String {
        let text = self.runs.first().and_then(|first| ratio(run.cycles, first.cycles));
        text.unwrap_or_else(|| "–".into())
    }

    /// Whether a run wrote the same to its console as the first one.
    pub fn has_same_console(&self, run: &Run) -> bool {
        self.runs.first().is_none_or(|first| first.console_hash == run.console_hash)
    }

    /// The finding in one sentence.
    pub fn headline(&self) -> String {
        headline::headline(self)
    }

    /// What makes the runs hard to compare: one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for run in &self.runs {
            if !self.has_same_console(run) {
                let first = self.runs.first().map_or("", |first| first.world.as_str());
                warnings.push(format!(
                    "In the world {} the guest wrote something else to its console than in {first}: \
                     it did not do the same.",
                    run.world
                ));
            }
        }
        if !self.has_one_preset() {
            warnings.push(
                "The runs have different cost presets: their cycles are those of different \
                 processors."
                    .into(),
            );
        }
        warnings
    }

    /// Everything as JSON.
    pub fn to_json(&self) -> Value {
        let runs = self.runs.iter().map(|run| {
            let causes = run.ledger.rows().map(|(cause, row)| {
                json!({
                    "cause": cause.name(),
                    "exits": row.exits,
                    "cycles": row.cycles(&run.costs),
                })
            });
            let shares = Share::ALL.iter().map(|share| {
                let cycles = run.cycles_of(*share);
                json!({
                    "who": share.name(),
                    "cycles": cycles,
                    "share": fraction(cycles, run.cycles),
                })
            });
            json!({
                "world": run.world,
                "title": run.title,
                "preset": run.costs.name,
                "cycles": run.cycles,
                "cycles_per_second": run.hertz,
                "slowdown": self.slowdown(run),
                "instructions": run.instructions,
                "exits": run.ledger.exits(),
                "console_hash": format!("{:016x}", run.console_hash),
                "console_is_the_same": self.has_same_console(run),
                "causes": causes.collect::<Vec<_>>(),
                "shares": shares.collect::<Vec<_>>(),
            })
        });
        json!({
            "guest": self.guest,
            "headline": self.headline(),
            "warnings": self.warnings(),
            "runs": runs.collect::<Vec<_>>(),
        })
    }
}
