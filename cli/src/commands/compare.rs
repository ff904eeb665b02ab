//! `paravane compare`: one guest in several worlds, and what each world cost.

mod trial;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueHint};
use paravane_core::accounting::Costs;
use paravane_core::accounting::costs::DEFAULT_PRESET;
use paravane_core::charts;
use paravane_core::report::Comparison;
use paravane_core::worlds::World;
use serde_json::{Value, json};

use crate::choice::{Choice, read_file};
use crate::output;
use crate::setup::SetupOptions;
use crate::status::Status;
use crate::worlds;
use trial::{Conditions, Trial};

/// The table for `--help`.
pub const HELP: &str = "\
Exit status:
    0        the runs were compared, whatever became of the guest in them
    1        no world could start the guest, or a file can't be read or written
    2        the command line is wrong";

/// Run a guest in several worlds, and compare what each world cost
///
/// The guest gets the same input in every world: what the sample guest's manifest says, or a
/// file's text. Prices are those of one cost preset, so the worlds run on the same processor. A
/// world in which the guest can't start is reported with what is missing. Without --limit, a run
/// that executes far more instructions than the first one is ended.
#[derive(Debug, Args)]
pub struct Compare {
    /// A sample guest's name, or a file (anything with a "/" or "." in it)
    #[arg(value_name = "GUEST|FILE", value_hint = ValueHint::FilePath)]
    guest: String,

    /// The worlds; the others are measured by the first one
    #[arg(
        long,
        value_name = "WORLD,...",
        value_parser = worlds::parse,
        value_delimiter = ',',
        default_value = "bare,trap,pv"
    )]
    worlds: Vec<World>,

    #[command(flatten)]
    setup: SetupOptions,

    /// A file whose text is typed on the guest's console [default: what the sample guest's
    /// manifest says, or nothing]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    input: Option<String>,

    /// Write the numbers to a file of comma-separated values
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    csv: Option<PathBuf>,

    /// Draw the comparison into a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    svg: Option<PathBuf>,

    /// Write a page with the picture and the tables, which needs nothing but itself
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Compare {
    /// Runs the guest in each world, and shows the comparison.
    pub fn execute(self) -> anyhow::Result<Status> {
        let choice = Choice::of(&self.guest)?;
        let conditions = self.conditions(&choice)?;
        let mut trials: Vec<Trial> = Vec::new();
        let mut missing = Vec::new();
        for world in self.distinct_worlds() {
            match conditions.start(world) {
                Ok(workbench) => {
                    let limit = self.setup.limit.or_else(|| trials.first().map(patience));
                    trials.push(conditions.run(workbench, limit)?);
                }
                Err(error) => missing.push((world, error.to_string())),
            }
        }
        if trials.is_empty() {
            let reasons: Vec<_> = missing.into_iter().map(|(_, reason)| reason).collect();
            anyhow::bail!("the guest can't run in any of these worlds\n{}", reasons.join("\n"));
        }
        let runs = trials.iter().map(|trial| trial.run.clone()).collect();
        let comparison = Comparison::new(&choice.name, runs);

        if let Some(path) = &self.csv {
            output::write_file(path, comparison.to_csv())?;
        }
        if let Some(path) = &self.svg {
            output::write_file(path, charts::svg(&comparison)?)?;
        }
        if let Some(path) = &self.html {
            output::write_file(path, charts::html(&comparison)?)?;
        }
        if self.json {
            output::write_json(&json_object(&comparison, &trials, &missing))?;
        } else {
            output::write(text(&comparison, &conditions.costs, &trials, &missing))?;
        }
        Ok(Status::SUCCESS)
    }

    /// The worlds in their order, each once.
    fn distinct_worlds(&self) -> Vec<World> {
        let mut worlds = Vec::new();
        for world in &self.worlds {
            if !worlds.contains(world) {
                worlds.push(*world);
            }
        }
        worlds
    }

    fn conditions<'a>(&'a self, choice: &'a Choice) -> anyhow::Result<Conditions<'a>> {
        let usual = || choice.manifest.as_ref().map(|manifest| manifest.input.clone());
        let input = match &self.input {
            Some(path) => read_file(path)?,
            None => usual().unwrap_or_default().into_bytes(),
        };
        let costs = match self.setup.costs()? {
            Some(costs) => costs,
            None => Costs::preset(DEFAULT_PRESET).context("the usual cost preset")?,
        };
        Ok(Conditions {
            choice,
            setup: &self.setup,
            costs,
            options: self.setup.load_options(choice)?,
            input,
        })
    }
}

/// How many instructions another run may execute before it counts as lost: a guest that was told
/// lies may go on for ever.
fn patience(first: &Trial) -> u64 {
    first.run.instructions.saturating_mul(20).saturating_add(50_000_000)
}

/// The comparison for people, its finding first.
fn text(
    comparison: &Comparison,
    costs: &Costs,
    trials: &[Trial],
    missing: &[(World, String)],
) -> String {
    let mut text = comparison.to_text();
    text += &format!("\nCost preset {}: {}\n", costs.name, costs.title);
    for remark in trials.iter().filter_map(|trial| trial.remark.as_ref()) {
        text += &format!("{remark}\n");
    }
    for (world, reason) in missing {
        text += &format!("Not run in the world {world}: {reason}\n");
    }
    text
}

/// The comparison for programs.
fn json_object(comparison: &Comparison, trials: &[Trial], missing: &[(World, String)]) -> Value {
    let mut object = comparison.to_json();
    for (index, trial) in trials.iter().enumerate() {
        object["runs"][index]["outcome"] = trial.outcome_json();
    }
    let missing =
        missing.iter().map(|(world, reason)| json!({ "world": world.name(), "reason": reason }));
    object["not_run"] = missing.collect();
    object
}
