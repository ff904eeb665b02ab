//! A comparison as tables.

use super::comparison::{Comparison, Run};
use super::numbers::{grouped, guest_time, percent};
use super::table::{Alignment, Table, csv_lines};
use crate::accounting::Share;

impl Comparison {
    /// The main numbers: a column for each run.
    pub fn summary_table(&self) -> Table {
        let mut table = self.table("Summary");
        let mut row = |name: &str, cell: &dyn Fn(&Run) -> String| {
            let cells = self.runs().iter().map(cell);
            table.rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
        };
        if !self.has_one_preset() {
            row("cost preset", &|run| run.costs.name.clone());
        }
        row("guest time", &|run| guest_time(run.cycles, run.hertz));
        row("slowdown", &|run| self.slowdown_text(run));
        row("cycles", &|run| grouped(run.cycles));
        row("instructions", &|run| grouped(run.instructions));
        row("exits", &|run| grouped(run.ledger.exits()));
        row("console", &|run| {
            if self.has_same_console(run) { "same".into() } else { "DIFFERS".into() }
        });
        table
    }

    /// Who worked: cycles and their part of each run's time.
    pub fn share_table(&self) -> Table {
        let mut table = self.table("Cycles by who worked");
        for share in Share::ALL {
            let cells = self.runs().iter().map(|run| {
                let cycles = run.cycles_of(*share);
                format!("{} ({:>7})", grouped(cycles), percent(cycles, run.cycles))
            });
            table.rows.push(std::iter::once(share.name().to_owned()).chain(cells).collect());
        }
        table
    }

    /// Exits by cause.
    pub fn exit_table(&self) -> Table {
        let mut table = self.table("Exits by cause");
        for (cause, counts) in self.causes() {
            let cells = counts.iter().map(|count| match count {
                0 => "·".into(),
                count => grouped(*count),
            });
            table.rows.push(std::iter::once(cause.name().into_owned()).chain(cells).collect());
        }
        let sums = self.runs().iter().map(|run| grouped(run.ledger.exits()));
        table.sums = Some(std::iter::once("sum".to_owned()).chain(sums).collect());
        table
    }

    /// An empty table with a column for each run.
    fn table(&self, title: &str) -> Table {
        let worlds = self.runs().iter().map(|run| (run.world.as_str(), Alignment::Right));
        Table::new(title, std::iter::once(("", Alignment::Left)).chain(worlds))
    }

    /// All tables, in the order in which they are shown.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.summary_table(), self.share_table()];
        if self.runs().iter().any(|run| run.ledger.exits() > 0) {
            tables.push(self.exit_table());
        }
        tables
    }

    /// The headline, the warnings, and all tables as text.
    pub fn to_text(&self) -> String {
        let mut parts = vec![self.headline() + "\n"];
        parts.extend(self.warnings().into_iter().map(|warning| warning + "\n"));
        parts.extend(self.tables().iter().map(Table::to_text));
        parts.join("\n")
    }

    /// Comma-separated values: one line for each number of each run.
    pub fn to_csv(&self) -> String {
        let mut records: Vec<[String; 6]> =
            vec![["guest", "world", "preset", "kind", "name", "value"].map(String::from)];
        for run in self.runs() {
            let mut record = |kind: &str, name: &str, value: u64| {
                records.push([
                    self.guest.clone(),
                    run.world.clone(),
                    run.costs.name.clone(),
                    kind.into(),
                    name.into(),
                    value.to_string(),
                ]);
            };
            record("total", "cycles", run.cycles);
            record("total", "instructions", run.instructions);
            record("total", "exits", run.ledger.exits());
            for share in Share::ALL {
                record("cycles", share.name(), run.cycles_of(*share));
            }
            for (cause, row) in run.ledger.rows() {
                record("exits", &cause.name(), row.exits);
                record("exit cycles", &cause.name(), row.cycles(&run.costs));
            }
        }
        csv_lines(records.iter().map(|record| record.iter().map(String::as_str).collect()))
    }
}
