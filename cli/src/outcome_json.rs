//! Why a run ended, as JSON.

use paravane_core::machine::Stopped;
use serde::Serialize;

use crate::session::Outcome;

/// The object.
#[derive(Debug, Serialize)]
pub struct End {
    kind: &'static str,
    /// The guest's exit value.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u32>,
    text: String,
}

impl End {
    /// The object of an outcome.
    pub fn of(outcome: Outcome) -> Self {
        let (kind, value) = match outcome {
            Outcome::Guest(stopped) => match stopped {
                Stopped::Exit(value) => ("exit", Some(value)),
                Stopped::PowerOff => ("power-off", None),
                Stopped::Reset => ("reset", None),
                Stopped::HaltedForever => ("halted-forever", None),
                Stopped::TripleFault(_) => ("triple-fault", None),
                Stopped::Unimplemented(_) => ("unimplemented", None),
                Stopped::Idle => ("no-input", None),
                Stopped::Budget => ("limit", None),
            },
            Outcome::Limit => ("limit", None),
            Outcome::NoInput => ("no-input", None),
            Outcome::Interrupted => ("interrupted", None),
        };
        Self { kind, value, text: outcome.to_string() }
    }
}
