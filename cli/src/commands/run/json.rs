//! The JSON object of a run.

use paravane_core::machine::Stopped;
use serde::Serialize;
use serde_json::Value;

use super::{Finished, report_json};
use crate::session::{Captured, Outcome};
use crate::status::Status;

/// The object.
#[derive(Debug, Serialize)]
pub struct Object<'a> {
    /// As given on the command line.
    guest: &'a str,
    /// Whether it is a sample guest.
    sample: bool,
    world: &'static str,
    memory_bytes: u64,
    command_line: String,
    outcome: End,
    exit_status: u8,
    instructions: u64,
    cycles: u64,
    guest_seconds: f64,
    host_seconds: f64,
    /// Of the host time in which the guest did not wait.
    mips: f64,
    console: String,
    debug_console: String,
    /// Whether one of the consoles has more than fits here.
    truncated: bool,
    /// The last power-on self test code (port 0x80).
    post_code: u8,
    report: Option<Value>,
}

/// Why the run ended.
#[derive(Debug, Serialize)]
struct End {
    kind: &'static str,
    /// The guest's exit value.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u32>,
    text: String,
}

/// Makes the object.
pub fn object<'a>(finished: &Finished<'a>, captured: Captured) -> Object<'a> {
    let Finished { run, choice, workbench, summary, report } = finished;
    Object {
        guest: &choice.name,
        sample: choice.is_sample(),
        world: run.world.name(),
        memory_bytes: run.memory_size(choice),
        command_line: run.command_line(choice),
        outcome: End::of(summary.ended.outcome),
        exit_status: Status::of(summary.ended.outcome).0,
        instructions: summary.instructions,
        cycles: summary.cycles,
        guest_seconds: summary.guest_seconds(),
        host_seconds: summary.ended.host.as_secs_f64(),
        mips: summary.mips(),
        console: lossy(captured.console),
        debug_console: lossy(captured.debug),
        truncated: captured.truncated,
        post_code: workbench.board().post_code(),
        report: report.as_ref().map(report_json::value),
    }
}

impl End {
    fn of(outcome: Outcome) -> Self {
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

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
