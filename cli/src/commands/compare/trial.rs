//! One of the runs that are compared.

use paravane_core::accounting::Costs;
use paravane_core::board::clock::CYCLES_PER_SECOND;
use paravane_core::guest_image::LoadOptions;
use paravane_core::report::Run;
use paravane_core::workbench::{StartError, Workbench};
use paravane_core::worlds::World;
use paravane_sample_guests::comparable_lines;
use serde_json::Value;

use crate::choice::Choice;
use crate::outcome_json::End;
use crate::session::{Input, Outcome, Screen, Session};
use crate::setup::SetupOptions;
use crate::status::Status;

/// What is the same in every world.
pub struct Conditions<'a> {
    /// The guest.
    pub choice: &'a Choice,
    /// What machine it gets.
    pub setup: &'a SetupOptions,
    /// The prices.
    pub costs: Costs,
    /// What the loader passes to the guest.
    pub options: LoadOptions,
    /// What is typed on the console.
    pub input: Vec<u8>,
}

/// A run that is over.
pub struct Trial {
    /// What is compared.
    pub run: Run,
    /// How it ended.
    pub outcome: Outcome,
    /// What there is to say about that.
    pub remark: Option<String>,
}

impl Conditions<'_> {
    /// Starts the guest in a world.
    pub fn start(&self, world: World) -> Result<Workbench, StartError> {
        let setup = self.setup.setup(world, self.choice, self.costs.clone());
        Workbench::start(setup, &self.choice.image, &self.options)
    }

    /// Runs a guest that was started to its end, or until it has executed `limit` instructions.
    pub fn run(&self, workbench: Workbench, limit: Option<u64>) -> anyhow::Result<Trial> {
        let input = Input::typed(self.input.clone());
        let session = Session::new(workbench, input, Screen::captured());
        let mut session = session.with_limit(limit);
        let ended = session.run()?;
        let console = session.take_captured().console;
        let workbench = &session.workbench;
        let world = workbench.world();
        Ok(Trial {
            run: Run {
                world: world.name().into(),
                title: world.title().into(),
                costs: workbench.costs().clone(),
                ledger: workbench.ledger(),
                cycles: workbench.cycles(),
                hertz: CYCLES_PER_SECOND,
                instructions: workbench.instructions(),
                console_hash: console_hash(&String::from_utf8_lossy(&console)),
            },
            outcome: ended.outcome,
            remark: self.remark(world, ended.outcome),
        })
    }

    /// Nothing, if the guest came to its end and was content.
    fn remark(&self, world: World, outcome: Outcome) -> Option<String> {
        if Status::of(outcome) == Status::SUCCESS {
            return None;
        }
        let meant = self.choice.manifest.as_ref().map(|manifest| &manifest.worlds);
        let meant = meant.filter(|worlds| !worlds.iter().any(|name| name == world.name()));
        let hint = meant.map(|worlds| format!(" It is made for {}.", worlds.join(", ")));
        Some(format!("In the world {world}: {outcome}.{}", hint.unwrap_or_default()))
    }
}

impl Trial {
    /// How it ended, as JSON.
    pub fn outcome_json(&self) -> Value {
        // There is nothing in it that JSON can't say.
        serde_json::to_value(End::of(self.outcome)).unwrap_or_default()
    }
}

/// A hash of the lines that are the same in every world, if the guest did the same: FNV-1a.
fn console_hash(console: &str) -> u64 {
    let bytes = comparable_lines(console).flat_map(|line| line.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_depend_on_the_world_and_carriage_returns_do_not_count() {
        let hash = console_hash("one\ntwo\n");
        assert_eq!(hash, console_hash("one\r\n~ 12,345 cycles\r\ntwo\r\n"));
        assert_ne!(hash, console_hash("onetwo\n"));
        assert_ne!(hash, console_hash("two\none\n"));
    }
}
