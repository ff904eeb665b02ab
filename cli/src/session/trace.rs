//! The trace: one line for each instruction, exception or port access.
//!
//! ```text
//!   cycle  ring  address           symbol        what
//!   1234   0     0000000000100010  start+0x10    mov     eax,1
//!   1235   0     0000000000100015  start+0x15    * #PF(0x2) at 0x40000000 → page_fault
//! ```

use std::io::{self, ErrorKind, Write};

use clap::ValueEnum;
use paravane_core::disassembly::{Disassembler, MAX_INSTRUCTION_LENGTH};
use paravane_core::guest_image::GuestImage;
use paravane_core::machine::report::DeliveredEvent;
use paravane_core::machine::{PortAccess, Stopped};
use paravane_core::places::NearSymbol;
use paravane_core::workbench::Workbench;
use paravane_cpu::Vector;
use paravane_cpu::state::mode::CodeSize;

/// Width of the column with symbols.
const SYMBOL_WIDTH: usize = 28;

/// What can be traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Topic {
    /// Every instruction
    Instructions,
    /// Exceptions and interrupts that are delivered to the guest
    Exceptions,
    /// Port accesses
    Ports,
}

/// Writes the trace.
pub struct Tracer<'a> {
    image: &'a GuestImage,
    disassembler: Disassembler<'a>,
    topics: Vec<Topic>,
    after: u64,
    output: Box<dyn Write>,
    /// Nobody reads the trace any more.
    closed: bool,
}

/// Where the CPU was before a step.
struct Before {
    cycles: u64,
    cpl: u8,
    linear: u64,
    code_size: CodeSize,
    bytes: Vec<u8>,
    instructions: u64,
    deliveries: u64,
}

impl<'a> Tracer<'a> {
    /// Traces `topics` to `output`, beginning when `after` instructions have been executed.
    pub fn new(
        image: &'a GuestImage,
        topics: Vec<Topic>,
        after: u64,
        output: Box<dyn Write>,
    ) -> Self {
        let disassembler = Disassembler::new(image);
        Self { image, disassembler, topics, after, output, closed: false }
    }

    /// How many instructions come before the first that is traced.
    pub fn after(&self) -> u64 {
        self.after
    }

    /// Runs at most `steps` instructions, or `left` if that is less.
    pub fn run(
        &mut self,
        workbench: &mut Workbench,
        steps: u64,
        left: u64,
    ) -> anyhow::Result<Stopped> {
        let end = workbench.instructions().saturating_add(left);
        let mut accesses = Vec::new();
        for _ in 0..steps {
            if workbench.instructions() >= end {
                break;
            }
            let before = Before::of(workbench);
            let stopped = workbench.step(&mut accesses);
            let text = self.lines(workbench, &before, &accesses, stopped);
            accesses.clear();
            self.write(text.as_bytes())?;
            if stopped != Stopped::Budget {
                return Ok(stopped);
            }
        }
        self.finish()?;
        Ok(Stopped::Budget)
    }

    /// Writes what is buffered.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        let flushed = self.output.flush();
        self.check(flushed)
    }

    fn wants(&self, topic: Topic) -> bool {
        self.topics.contains(&topic)
    }

    fn lines(
        &mut self,
        workbench: &Workbench,
        before: &Before,
        accesses: &[PortAccess],
        stopped: Stopped,
    ) -> String {
        let mut what = Vec::new();
        if self.wants(Topic::Instructions) && workbench.instructions() > before.instructions {
            let line = self.disassembler.line(&before.bytes, before.linear, before.code_size);
            what.extend(line.map(|line| line.text));
        }
        if self.wants(Topic::Ports) {
            what.extend(accesses.iter().map(port_text));
        }
        if self.wants(Topic::Exceptions) {
            let deliveries = &workbench.guest().cpu.deliveries;
            let new = (deliveries.count() - before.deliveries) as usize;
            let new = deliveries.iter().rev().take(new);
            what.extend(new.map(|delivery| event_text(&DeliveredEvent::of(delivery, self.image))));
            what.extend(stopped.is_crash().then(|| format!("* {stopped}")));
        }
        if what.is_empty() {
            return String::new();
        }
        let Before { cycles, cpl, linear, .. } = before;
        let symbol = NearSymbol::of(self.image, *linear);
        let symbol = symbol.map(|symbol| symbol.to_string()).unwrap_or_default();
        let line =
            |what| format!("{cycles:>12} {cpl} {linear:016x} {symbol:<SYMBOL_WIDTH$} {what}\n");
        what.into_iter().map(line).collect()
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if self.closed || bytes.is_empty() {
            return Ok(());
        }
        let written = self.output.write_all(bytes);
        self.check(written)
    }

    fn check(&mut self, result: io::Result<()>) -> anyhow::Result<()> {
        match result {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(anyhow::Error::from(error).context("can't write the trace")),
        }
    }
}

impl Before {
    fn of(workbench: &Workbench) -> Self {
        let guest = workbench.guest();
        let cpu = guest.cpu;
        let linear = cpu.instruction_address();
        Self {
            cycles: workbench.cycles(),
            cpl: cpu.cpl,
            linear,
            code_size: cpu.code_size(),
            bytes: guest.peek(linear, MAX_INSTRUCTION_LENGTH),
            instructions: workbench.instructions(),
            deliveries: cpu.deliveries.count(),
        }
    }
}

fn port_text(access: &PortAccess) -> String {
    let PortAccess { port, width, value, write } = *access;
    let direction = if write { "> out" } else { "< in " };
    let bits = 8 * width.bytes();
    let digits = 2 * width.bytes() as usize;
    let letter = match u8::try_from(value) {
        Ok(byte @ b' '..=b'~') if bits == 8 => format!(" '{}'", char::from(byte)),
        _ => String::new(),
    };
    format!("{direction} {port:#06x}, {bits} bits, 0x{value:0digits$x}{letter}")
}

fn event_text(event: &DeliveredEvent) -> String {
    let delivery = event.delivery;
    let address = match Vector::from_number(delivery.vector) {
        Some(Vector::PageFault) if delivery.error_code.is_some() => {
            format!(" at {:#x}", delivery.cr2)
        }
        _ => String::new(),
    };
    format!("* {}{address} -> ring {} {}", event.name(), delivery.to_cpl, event.to)
}
