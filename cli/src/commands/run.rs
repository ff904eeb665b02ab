//! `paravane run`: runs a guest.

mod json;
mod lies;
mod look_further;
mod report_json;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueHint};
use paravane_core::accounting::costs::DEFAULT_PRESET;
use paravane_core::accounting::{Costs, SymbolOf};
use paravane_core::board::clock::CYCLES_PER_SECOND;
use paravane_core::log::{self, Log};
use paravane_core::machine::Stopped;
use paravane_core::machine::report::Report;
use paravane_core::places::NearSymbol;
use paravane_core::report::LedgerReport;
use paravane_core::workbench::Workbench;
use paravane_core::worlds::World;

use crate::choice::Choice;
use crate::numbers::parse_count;
use crate::output::{self, Diagnostics};
use crate::session::{Input, Outcome, RawTerminal, Screen, Session, Summary, Topic, Tracer};
use crate::setup::SetupOptions;
use crate::status::Status;
use crate::worlds;
use lies::LiesReport;

/// Run a guest, with its serial console on standard input and output
///
/// The guest's serial console is on standard output, and standard input goes to it. On a
/// terminal every key goes to the guest at once, except Ctrl-C, which ends the run; the guest's
/// clock then doesn't run ahead of the wall clock. Without a terminal, guest time skips whatever
/// the guest sleeps through, and a run with a file as standard input is the same every time.
/// When input has ended and the guest only waits for more, the run ends.
///
/// The debug console (port 0xE9) goes to standard error, each line marked as such. A summary on
/// standard error tells why the run ended; a crash, or reaching --limit, is followed by a report.
/// With a hypervisor, or with --preset, the ledger follows: what left the CPU, how often, and what
/// it cost; on a CPU of 1998 also what the guest was told wrongly.
#[derive(Debug, Args)]
pub struct Run {
    /// A sample guest's name, or a file (anything with a "/" or "." in it): an ELF file with a
    /// PVH note, or a Multiboot image
    #[arg(value_name = "GUEST|FILE", value_hint = ValueHint::FilePath)]
    guest: String,

    /// The world to run it in
    #[arg(long, default_value = "bare", value_parser = worlds::parse)]
    world: World,

    #[command(flatten)]
    setup: SetupOptions,

    /// Trace what the guest does, a line each: instructions (the default), exceptions, ports
    #[arg(
        long,
        value_name = "WHAT,...",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        value_delimiter = ',',
        default_missing_value = "instructions"
    )]
    trace: Vec<Topic>,

    /// Write the trace to a file instead of standard error
    #[arg(long, value_name = "FILE", requires = "trace", value_hint = ValueHint::FilePath)]
    trace_file: Option<PathBuf>,

    /// Begin the trace after this many instructions
    #[arg(
        long,
        value_name = "INSTRUCTIONS",
        requires = "trace",
        default_value = "0",
        value_parser = parse_count
    )]
    trace_after: u64,

    /// Write the ledger (what each cause of exits cost) to a file of comma-separated values
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    csv: Option<PathBuf>,

    /// Write the log of exits to a file: one JSON object a line, the last 65,536 exits
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    events: Option<PathBuf>,

    /// Write the log of exits as a trace that Chrome's and Perfetto's viewers open, on guest time
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    perfetto: Option<PathBuf>,

    /// Print one JSON object at the end, with the console's text in it, and nothing else
    #[arg(long)]
    json: bool,
}

/// A run that is over.
struct Finished<'a> {
    run: &'a Run,
    choice: &'a Choice,
    workbench: &'a Workbench,
    summary: Summary<'a>,
    report: Option<Report>,
    ledger: LedgerReport,
    lies: Option<LiesReport>,
}

impl Run {
    /// Runs the guest.
    pub fn execute(self) -> anyhow::Result<Status> {
        let choice = Choice::of(&self.guest)?;
        let options = self.setup.load_options(&choice)?;
        let setup = self.setup.setup(self.world, &choice, self.costs()?);
        let workbench = Workbench::start(setup, &choice.image, &options)?;
        let tracer = self.tracer(&choice)?;

        let terminal = if self.json { None } else { RawTerminal::if_interactive() };
        let is_raw = terminal.is_some();
        let screen = if self.json { Screen::captured() } else { Screen::shown(is_raw) };
        let input = Input::connect(is_raw)?;
        let session = Session::new(workbench, input, screen);
        let mut session = session.with_tracer(tracer).with_limit(self.setup.limit);
        let ended = session.run();
        drop(terminal);

        let ended = ended?;
        let captured = session.take_captured();
        let workbench = &session.workbench;
        let symbol = |address| NearSymbol::of(&choice.image, address).map(|near| near.to_string());
        let finished = Finished {
            run: &self,
            choice: &choice,
            summary: Summary {
                name: &choice.name,
                ended,
                instructions: workbench.instructions(),
                cycles: workbench.cycles(),
            },
            report: stopped_badly(ended.outcome)
                .map(|stopped| Report::of(workbench, &choice.image, stopped)),
            ledger: LedgerReport::new(&workbench.ledger(), workbench.costs(), &symbol),
            lies: workbench.lies().map(|lies| LiesReport::new(lies, symbol)),
            workbench,
        };
        if let Some(path) = &self.csv {
            output::write_file(path, finished.ledger.to_csv())?;
        }
        if let Some(log) = workbench.log() {
            self.write_log(log, workbench.cycles(), &symbol)?;
        }
        if self.json {
            output::write_json(&json::object(&finished, captured))?;
        } else {
            Diagnostics::write(finished.text());
        }
        Ok(Status::of(ended.outcome))
    }

    fn costs(&self) -> anyhow::Result<Costs> {
        Ok(match self.setup.costs()? {
            Some(costs) => costs,
            None if self.world == World::Bare => Costs::free(),
            None => Costs::preset(DEFAULT_PRESET)?,
        })
    }

    fn write_log(&self, log: &Log, end: u64, symbol_of: SymbolOf<'_>) -> anyhow::Result<()> {
        if let Some(path) = &self.events {
            let mut text = Vec::new();
            log::write_json_lines(log.iter(), symbol_of, &mut text)?;
            output::write_file(path, text)?;
        }
        if let Some(path) = &self.perfetto {
            let mut text = Vec::new();
            log::write_perfetto(log, CYCLES_PER_SECOND, end, symbol_of, &mut text)?;
            output::write_file(path, text)?;
        }
        Ok(())
    }

    /// Whether the ledger tells anything: somebody charged something.
    fn shows_ledger(&self) -> bool {
        self.world != World::Bare || self.setup.preset.is_some()
    }

    fn tracer<'a>(&self, choice: &'a Choice) -> anyhow::Result<Option<Tracer<'a>>> {
        if self.trace.is_empty() {
            return Ok(None);
        }
        let output: Box<dyn Write> = match &self.trace_file {
            None => Box::new(BufWriter::new(io::stderr())),
            Some(path) => {
                let file = File::create(path)
                    .with_context(|| format!("can't write the trace to {}", path.display()))?;
                Box::new(BufWriter::new(file))
            }
        };
        Ok(Some(Tracer::new(&choice.image, self.trace.clone(), self.trace_after, output)))
    }
}

impl Finished<'_> {
    /// What is said on standard error.
    fn text(&self) -> String {
        let mut parts = vec![format!("{}\n", self.summary)];
        if let Some(report) = &self.report {
            let hint = look_further::hint(self.run, self.summary.instructions);
            parts.push(format!("{report}\n{hint}\n"));
        }
        if self.run.shows_ledger() {
            let title = &self.workbench.costs().title;
            parts.push(format!("Cost preset {}: {title}\n", self.ledger.preset));
            parts.push(self.ledger.to_text());
        }
        parts.extend(self.lies.as_ref().map(LiesReport::to_text));
        parts.join("\n")
    }
}

/// Whether the end of a run calls for a report, and of what.
fn stopped_badly(outcome: Outcome) -> Option<Stopped> {
    match outcome {
        Outcome::Guest(stopped) if stopped.is_crash() => Some(stopped),
        Outcome::Limit => Some(Stopped::Budget),
        _ => None,
    }
}
