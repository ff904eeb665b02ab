//! What a run cost, and what several runs cost side by side: as text, JSON and CSV.
//!
//! Nothing is measured here: all numbers come from a [`Ledger`](crate::accounting::Ledger) and the
//! prices of a preset.

mod comparison;
mod comparison_tables;
mod headline;
mod ledger_report;
pub mod numbers;
mod table;

pub use comparison::{Comparison, Run};
pub use ledger_report::{CauseLine, HottestAddress, LedgerReport, ShareLine};
pub use table::{Alignment, Table};
