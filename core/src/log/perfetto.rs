//! The log on a time axis: Chrome's trace format, which Perfetto and other viewers open.
//!
//! ```text
//!   guest user    ▆▆▆▆        ▆▆
//!   guest kernel      ▆▆   ▆▆
//!   hypervisor          ▆▆▆          each slice one exit, with its cause
//!   idle                         ▆▆▆
//! ```
//!
//! The time is guest time, in microseconds. Between two exits the guest's slice is in the lane of
//! the part that ran when it left the next time.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Log;
use super::entry::{Entry, Privilege};
use crate::accounting::SymbolOf;

/// A row of the display.
#[derive(Clone, Copy)]
enum Lane {
    User = 1,
    Kernel,
    Hypervisor,
    Idle,
}

impl Lane {
    const ALL: [Self; 4] = [Self::User, Self::Kernel, Self::Hypervisor, Self::Idle];

    const fn name(self) -> &'static str {
        match self {
            Self::User => "guest user",
            Self::Kernel => "guest kernel",
            Self::Hypervisor => "hypervisor",
            Self::Idle => "idle",
        }
    }

    const fn of(from: Privilege) -> Self {
        match from {
            Privilege::User => Self::User,
            Privilege::Kernel => Self::Kernel,
        }
    }
}

/// The one process of the trace.
const PROCESS: u32 = 1;

/// Writes events into the array of a trace.
struct Events<'a> {
    out: &'a mut dyn Write,
    microseconds_per_cycle: f64,
    is_first: bool,
}

impl Events<'_> {
    fn write(&mut self, event: &Value) -> io::Result<()> {
        self.out.write_all(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        serde_json::to_writer(&mut *self.out, event)?;
        Ok(())
    }

    fn metadata(&mut self, what: &str, lane: Option<Lane>, arguments: Value) -> io::Result<()> {
        let thread = lane.map_or(0, |lane| lane as u32);
        self.write(&json!({
            "ph": "M", "name": what, "pid": PROCESS, "tid": thread, "args": arguments,
        }))
    }

    fn slice(
        &mut self,
        lane: Lane,
        name: &str,
        start: u64,
        end: u64,
        details: Value,
    ) -> io::Result<()> {
        if end <= start {
            return Ok(());
        }
        self.write(&json!({
            "ph": "X",
            "name": name,
            "pid": PROCESS,
            "tid": lane as u32,
            "ts": start as f64 * self.microseconds_per_cycle,
            "dur": (end - start) as f64 * self.microseconds_per_cycle,
            "args": details,
        }))
    }

    fn exit(&mut self, entry: &Entry, symbol_of: SymbolOf<'_>) -> io::Result<()> {
        let handled = entry.cycle.saturating_add(entry.cost);
        let details = json!({
            "cycles": entry.cost,
            "address": format!("{:#x}", entry.address),
            "symbol": symbol_of(entry.address),
            "explanation": entry.explanation().to_string(),
        });
        self.slice(Lane::Hypervisor, &entry.cause.name(), entry.cycle, handled, details)?;
        self.slice(Lane::Idle, "sleeps", handled, entry.end(), json!({ "cycles": entry.slept }))
    }
}

/// Writes a log as a trace. `hertz` is the number of cycles in a second of guest time; `end` is
/// the cycle at which the run ended.
///
/// # Errors
/// Those of `out`.
pub fn write_perfetto(
    log: &Log,
    hertz: u64,
    end: u64,
    symbol_of: SymbolOf<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(b"{\"displayTimeUnit\":\"ns\",\"otherData\":")?;
    let facts = json!({
        "time": "guest time",
        "cycles_per_second": hertz,
        "exits_dropped_before_the_first": log.dropped(),
    });
    serde_json::to_writer(&mut *out, &facts)?;
    out.write_all(b",\"traceEvents\":[")?;
    let microseconds_per_cycle = 1e6 / hertz.max(1) as f64;
    let mut events = Events { out: &mut *out, microseconds_per_cycle, is_first: true };
    events.metadata("process_name", None, json!({ "name": "Paravane" }))?;
    for lane in Lane::ALL {
        events.metadata("thread_name", Some(lane), json!({ "name": lane.name() }))?;
        events.metadata("thread_sort_index", Some(lane), json!({ "sort_index": lane as u32 }))?;
    }

    // What the guest did before the first entry is only known if none was dropped.
    let first = log.iter().next().map_or(0, |entry| entry.cycle);
    let mut resumed = if log.dropped() == 0 { 0 } else { first };
    let mut from = Privilege::Kernel;
    for entry in log.iter() {
        from = entry.from;
        events.slice(Lane::of(from), "runs", resumed, entry.cycle, json!({}))?;
        events.exit(entry, symbol_of)?;
        resumed = resumed.max(entry.end());
    }
    events.slice(Lane::of(from), "runs", resumed, end, json!({}))?;
    out.write_all(b"\n]}\n")
}
