//! `paravane run`: runs a guest.

mod json;
mod look_further;
mod module_file;
mod report_json;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueHint};
use paravane_core::guest_image::LoadOptions;
use paravane_core::machine::report::Report;
use paravane_core::machine::{DEFAULT_MEMORY, MAX_MEMORY, MIN_MEMORY, Stopped};
use paravane_core::workbench::{Setup, Workbench};
use paravane_core::worlds::World;

use crate::choice::Choice;
use crate::numbers::{Size, parse_count, parse_size};
use crate::output::{self, Diagnostics};
use crate::session::{Input, Outcome, RawTerminal, Screen, Session, Summary, Topic, Tracer};
use crate::status::Status;
use crate::worlds;
use module_file::ModuleFile;

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
#[derive(Debug, Args)]
pub struct Run {
    /// A sample guest's name, or a file (anything with a "/" or "." in it): an ELF file with a
    /// PVH note, or a Multiboot image
    #[arg(value_name = "GUEST|FILE", value_hint = ValueHint::FilePath)]
    guest: String,

    /// The world to run it in
    #[arg(long, default_value = "bare", value_parser = worlds::parse)]
    world: World,

    /// The machine's memory, such as 64M [default: what the sample guest's manifest says, or 128M]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<u64>,

    /// The guest's command line [default: what the sample guest's manifest says, or nothing]
    #[arg(long, value_name = "CMDLINE", allow_hyphen_values = true)]
    append: Option<String>,

    /// A file that the loader passes to the guest, such as an initial RAM disk; can be repeated
    #[arg(long = "module", value_name = "FILE[=NAME]", value_hint = ValueHint::FilePath)]
    modules: Vec<String>,

    /// End the run after this many instructions, such as 1000000 or 25M
    #[arg(long, value_name = "INSTRUCTIONS", value_parser = parse_count)]
    limit: Option<u64>,

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
}

impl Run {
    /// Runs the guest.
    pub fn execute(self) -> anyhow::Result<Status> {
        let choice = Choice::of(&self.guest)?;
        let setup =
            Setup { world: self.world, memory: self.memory_size(&choice), ..Setup::default() };
        let workbench = Workbench::start(setup, &choice.image, &self.load_options(&choice)?)?;
        let tracer = self.tracer(&choice)?;

        let terminal = if self.json { None } else { RawTerminal::if_interactive() };
        let is_raw = terminal.is_some();
        let screen = if self.json { Screen::captured() } else { Screen::shown(is_raw) };
        let input = Input::connect(is_raw)?;
        let session = Session::new(workbench, input, screen);
        let mut session = session.with_tracer(tracer).with_limit(self.limit);
        let ended = session.run();
        drop(terminal);

        let ended = ended?;
        let captured = session.take_captured();
        let workbench = &session.workbench;
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
            workbench,
        };
        if self.json {
            output::write_json(&json::object(&finished, captured))?;
        } else {
            Diagnostics::write(finished.text());
        }
        Ok(Status::of(ended.outcome))
    }

    fn memory_size(&self, choice: &Choice) -> u64 {
        let usual = choice.manifest.as_ref().map(|manifest| manifest.memory_mib << 20);
        self.memory.or(usual).unwrap_or(DEFAULT_MEMORY)
    }

    fn command_line(&self, choice: &Choice) -> String {
        let usual = choice.manifest.as_ref().map(|manifest| manifest.append.clone());
        self.append.clone().or(usual).unwrap_or_default()
    }

    fn load_options(&self, choice: &Choice) -> anyhow::Result<LoadOptions> {
        let modules = self.modules.iter().map(|text| ModuleFile::parse(text).read());
        Ok(LoadOptions {
            command_line: self.command_line(choice),
            modules: modules.collect::<anyhow::Result<_>>()?,
            start: None,
        })
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
        match &self.report {
            Some(report) => {
                let hint = look_further::hint(self.run, self.summary.instructions);
                format!("{}\n\n{report}\n{hint}\n", self.summary)
            }
            None => format!("{}\n", self.summary),
        }
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

fn parse_memory(text: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if (MIN_MEMORY..=MAX_MEMORY).contains(&size) {
        return Ok(size);
    }
    Err(format!("a machine has {} to {}", Size(MIN_MEMORY), Size(MAX_MEMORY)))
}
