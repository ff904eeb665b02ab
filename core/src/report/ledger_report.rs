//! The ledger of one run as tables.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::numbers::{grouped, percent};
use super::table::{Alignment, Table, csv_lines};
use crate::accounting::{Cause, Costs, Ledger, Primitive, Row, Share, SymbolOf};

/// What one run was charged, at the prices of one preset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerReport {
    /// The preset's name.
    pub preset: String,
    /// One line for each cause, the most expensive first.
    pub causes: Vec<CauseLine>,
    /// One line for each share, in the order of [`Share::ALL`].
    pub shares: Vec<ShareLine>,
    /// Exits of all causes.
    pub exits: u64,
    /// Cycles of all causes: those of the hypervisor and of transitions.
    pub exit_cycles: u64,
    /// All cycles: guest time.
    pub cycles: u64,
    /// Instructions that the guest's programs and its kernel retired.
    pub instructions: [u64; 2],
}

/// One cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseLine {
    /// Why the guest left.
    pub cause: Cause,
    /// How often.
    pub exits: u64,
    /// What that cost.
    pub cycles: u64,
    /// Where most often.
    pub hottest: Option<HottestAddress>,
    /// What was charged: primitives and their numbers, without those that were not needed.
    pub charged: Vec<(Primitive, u64)>,
}

/// The guest address with the most exits of a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HottestAddress {
    /// The address.
    pub address: u64,
    /// Exits there.
    pub exits: u64,
    /// Its name in the guest's source.
    pub symbol: Option<String>,
}

/// Who worked, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLine {
    /// Who.
    pub share: Share,
    /// Cycles.
    pub cycles: u64,
}

impl CauseLine {
    fn new(cause: Cause, row: &Row, costs: &Costs, symbol_of: SymbolOf<'_>) -> Self {
        let hottest = row.hottest(1).first().map(|(address, exits)| HottestAddress {
            address: *address,
            exits: *exits,
            symbol: symbol_of(*address),
        });
        let charged = Primitive::ALL.iter().map(|primitive| (*primitive, row.count(*primitive)));
        let charged = charged.filter(|(_, count)| *count > 0).collect();
        Self { cause, exits: row.exits, cycles: row.cycles(costs), hottest, charged }
    }

    fn to_json(&self, whole: u64) -> Value {
        let charged = self.charged.iter().map(|(p, count)| (p.key().to_owned(), json!(count)));
        let mut line = json!({
            "cause": self.cause.name(),
            "exits": self.exits,
            "cycles": self.cycles,
            "share": fraction(self.cycles, whole),
            "hottest": self.hottest.as_ref().map(|hottest| json!({
                "address": format!("{:#x}", hottest.address),
                "exits": hottest.exits,
                "symbol": hottest.symbol,
            })),
            "charged": charged.collect::<serde_json::Map<_, _>>(),
        });
        if let Cause::Hypercall { personality, number, .. } = self.cause {
            line["hypercall"] = json!({ "personality": personality, "number": number });
        }
        line
    }
}

impl LedgerReport {
    /// The report of a ledger at the prices of a preset.
    pub fn new(ledger: &Ledger, costs: &Costs, symbol_of: SymbolOf<'_>) -> Self {
        let mut causes: Vec<_> = ledger
            .rows()
            .map(|(cause, row)| CauseLine::new(*cause, row, costs, symbol_of))
            .collect();
        causes.sort_by_key(|line| (Reverse(line.cycles), Reverse(line.exits), line.cause));
        let shares = Share::ALL
            .iter()
            .map(|share| ShareLine { share: *share, cycles: ledger.cycles_of(*share, costs) })
            .collect();
        Self {
            preset: costs.name.clone(),
            exits: ledger.exits(),
            exit_cycles: causes.iter().map(|line| line.cycles).sum(),
            causes,
            shares,
            cycles: ledger.cycles(costs),
            instructions: [&ledger.guest_user, &ledger.guest_kernel].map(|part| part.instructions),
        }
    }

    /// The causes as a table.
    pub fn cause_table(&self) -> Table {
        let columns = [
            ("cause", Alignment::Left),
            ("exits", Alignment::Right),
            ("cycles", Alignment::Right),
            ("time", Alignment::Right),
            ("hottest address", Alignment::Left),
        ];
        let mut table = Table::new("Exits by cause", columns);
        table.rows = self
            .causes
            .iter()
            .map(|line| {
                let hottest = line.hottest.as_ref().map(|hottest| match &hottest.symbol {
                    Some(symbol) => format!("{:#x} {symbol}", hottest.address),
                    None => format!("{:#x}", hottest.address),
                });
                vec![
                    line.cause.name().into_owned(),
                    grouped(line.exits),
                    grouped(line.cycles),
                    percent(line.cycles, self.cycles),
                    hottest.unwrap_or_default(),
                ]
            })
            .collect();
        table.sums = Some(vec![
            "sum".into(),
            grouped(self.exits),
            grouped(self.exit_cycles),
            percent(self.exit_cycles, self.cycles),
            String::new(),
        ]);
        table
    }

    /// Who worked, as a table.
    pub fn share_table(&self) -> Table {
        let columns =
            [("who", Alignment::Left), ("cycles", Alignment::Right), ("time", Alignment::Right)];
        let mut table = Table::new("Guest time", columns);
        for line in &self.shares {
            let time = percent(line.cycles, self.cycles);
            table.rows.push(vec![line.share.name().into(), grouped(line.cycles), time]);
        }
        let whole = percent(self.cycles, self.cycles.max(1));
        table.sums = Some(vec!["sum".into(), grouped(self.cycles), whole]);
        table
    }

    /// The hypercalls by name, as a table; `None` if there were none.
    pub fn hypercall_table(&self) -> Option<Table> {
        let columns = [
            ("hypercall", Alignment::Left),
            ("number", Alignment::Right),
            ("calls", Alignment::Right),
            ("cycles", Alignment::Right),
            ("cycles each", Alignment::Right),
        ];
        let mut table = Table::new("Hypercalls", columns);
        for line in &self.causes {
            if let Cause::Hypercall { personality, number, name } = line.cause {
                table.rows.push(vec![
                    format!("{personality} {name}"),
                    number.to_string(),
                    grouped(line.exits),
                    grouped(line.cycles),
                    grouped(line.cycles.checked_div(line.exits).unwrap_or(0)),
                ]);
            }
        }
        (!table.rows.is_empty()).then_some(table)
    }

    /// All tables as text.
    pub fn to_text(&self) -> String {
        let mut parts = Vec::new();
        if !self.causes.is_empty() {
            parts.push(self.cause_table().to_text());
        }
        parts.extend(self.hypercall_table().map(|table| table.to_text()));
        parts.push(self.share_table().to_text());
        parts.join("\n")
    }

    /// Everything as JSON.
    pub fn to_json(&self) -> Value {
        let shares = self.shares.iter().map(|line| {
            json!({
                "who": line.share.name(),
                "cycles": line.cycles,
                "share": fraction(line.cycles, self.cycles),
            })
        });
        let [user, kernel] = self.instructions;
        json!({
            "preset": self.preset,
            "cycles": self.cycles,
            "exits": self.exits,
            "exit_cycles": self.exit_cycles,
            "instructions": { "user": user, "kernel": kernel },
            "causes": self.causes.iter().map(|line| line.to_json(self.cycles)).collect::<Vec<_>>(),
            "shares": shares.collect::<Vec<_>>(),
        })
    }

    /// The causes and, after them, the shares as comma-separated values: `kind` tells them apart.
    pub fn to_csv(&self) -> String {
        let mut records: Vec<[String; 6]> = vec![
            ["kind", "name", "exits", "cycles", "hottest_address", "symbol"].map(String::from),
        ];
        for line in &self.causes {
            let hottest = line.hottest.as_ref();
            records.push([
                "cause".into(),
                line.cause.name().into_owned(),
                line.exits.to_string(),
                line.cycles.to_string(),
                hottest.map(|hottest| format!("{:#x}", hottest.address)).unwrap_or_default(),
                hottest.and_then(|hottest| hottest.symbol.clone()).unwrap_or_default(),
            ]);
        }
        for line in &self.shares {
            let (name, cycles) = (line.share.name().to_owned(), line.cycles.to_string());
            records.push([
                "share".into(),
                name,
                String::new(),
                cycles,
                String::new(),
                String::new(),
            ]);
        }
        csv_lines(records.iter().map(|record| record.iter().map(String::as_str).collect()))
    }
}

/// A part of a whole between 0 and 1, for programs that read JSON.
pub(super) fn fraction(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
