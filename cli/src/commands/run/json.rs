//! The JSON object of a run.

use serde::Serialize;
use serde_json::Value;

use super::lies::LiesReport;
use super::{Finished, report_json};
use crate::outcome_json::End;
use crate::session::Captured;
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
    ledger: Value,
    /// On a CPU of 1998: what the guest was told wrongly.
    lies: Option<Value>,
}

/// Makes the object.
pub fn object<'a>(finished: &Finished<'a>, captured: Captured) -> Object<'a> {
    let Finished { run, choice, workbench, summary, report, ledger, lies } = finished;
    Object {
        guest: &choice.name,
        sample: choice.is_sample(),
        world: run.world.name(),
        memory_bytes: run.setup.memory_size(choice),
        command_line: run.setup.command_line(choice),
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
        ledger: ledger.to_json(),
        lies: lies.as_ref().map(LiesReport::to_json),
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
