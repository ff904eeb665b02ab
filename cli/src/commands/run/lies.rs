//! What a CPU of 1998 told the guest wrongly: as a table and as JSON.

use std::cmp::Reverse;

use paravane_core::hypervisor::lies::{About, Lie, Lies};
use paravane_core::report::numbers::grouped;
use paravane_core::report::{Alignment, Table};
use paravane_cpu::Sensitive;
use paravane_cpu::state::flags::Rflags;
use serde_json::{Value, json};

/// More lines than these are left to JSON.
const LINES: usize = 24;

/// The lies of a run, the most frequent first.
pub struct LiesReport {
    lines: Vec<Line>,
    looked_at: u64,
    elsewhere: u64,
    total: u64,
}

/// A place where the guest was lied to.
struct Line {
    address: u64,
    symbol: Option<String>,
    instruction: Sensitive,
    lie: Lie,
}

impl LiesReport {
    /// The report; `symbol_of` names an address.
    pub fn new(lies: &Lies, symbol_of: impl Fn(u64) -> Option<String>) -> Self {
        let mut lines: Vec<_> = lies
            .iter()
            .map(|(address, instruction, lie)| Line {
                address,
                symbol: symbol_of(address),
                instruction,
                lie: *lie,
            })
            .collect();
        lines.sort_by_key(|line| (Reverse(line.lie.count), line.address));
        let (looked_at, elsewhere, total) = (lies.looked_at, lies.elsewhere, lies.total());
        Self { lines, looked_at, elsewhere, total }
    }

    /// A sentence, and a table if there is something in it.
    pub fn to_text(&self) -> String {
        let looked_at = grouped(self.looked_at);
        if self.total == 0 {
            return format!(
                "Lies: none. {looked_at} sensitive instructions ran without a trap, and told the \
                 guest the truth.\n"
            );
        }
        let title = format!(
            "Lies: {} of {looked_at} sensitive instructions that ran without a trap",
            grouped(self.total)
        );
        let columns = [
            ("where", Alignment::Left),
            ("instruction", Alignment::Left),
            ("what", Alignment::Left),
            ("it got", Alignment::Right),
            ("instead of", Alignment::Right),
            ("times", Alignment::Right),
        ];
        let mut table = Table::new(&title, columns);
        table.rows = self.lines.iter().take(LINES).map(Line::cells).collect();
        let mut text = table.to_text();
        let hidden = self.lines.len().saturating_sub(LINES);
        if hidden > 0 {
            text += &format!("and at {} more places: --json lists them\n", grouped(hidden as u64));
        }
        if self.elsewhere > 0 {
            text += &format!("and {} lies at places not told apart\n", grouped(self.elsewhere));
        }
        text
    }

    /// Everything as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "total": self.total,
            "looked_at": self.looked_at,
            "elsewhere": self.elsewhere,
            "places": self.lines.iter().map(Line::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Line {
    fn cells(&self) -> Vec<String> {
        let place = match &self.symbol {
            Some(symbol) => format!("{:#x} {symbol}", self.address),
            None => format!("{:#x}", self.address),
        };
        vec![
            place,
            self.instruction.name().into(),
            about(self.lie.about).into(),
            shown(self.lie.about, self.lie.got),
            shown(self.lie.about, self.lie.should),
            grouped(self.lie.count),
        ]
    }

    fn to_json(&self) -> Value {
        json!({
            "address": format!("{:#x}", self.address),
            "symbol": self.symbol,
            "instruction": self.instruction.name(),
            "about": about(self.lie.about),
            "got": format!("{:#x}", self.lie.got),
            "should_have_got": format!("{:#x}", self.lie.should),
            "count": self.lie.count,
        })
    }
}

fn about(about: About) -> &'static str {
    match about {
        About::Register(name) => name,
        About::Memory => "memory",
        About::Flags => "flags",
        About::InterruptFlag => "IF, IOPL",
        About::ControlFlow => "next address",
        About::Exception => "exception that did not come",
    }
}

fn shown(about: About, value: u64) -> String {
    match about {
        About::InterruptFlag => {
            let interrupts = u8::from(value & Rflags::IF.bits() != 0);
            format!("{interrupts}, {}", (value & Rflags::IOPL.bits()) >> 12)
        }
        _ => format!("{value:#x}"),
    }
}
