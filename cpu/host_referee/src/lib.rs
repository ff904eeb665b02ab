//! The host CPU as referee: runs every unprivileged integer instruction on the real processor and compares the result
//! with an emulated one.
//!
//! ```text
//!   exclusions ─► forms: every code, operand kind and prefix     encodings, operand_choices, addressing
//!                   └► cases: registers and memory to start from   memory_operand, preparation, operand_values, random
//!                        ├► native: the host runs it               windows, state
//!                        ├► Subject::execute: the emulator runs it
//!                        └► compare, minus undefined ─► report
//! ```
//!
//! Implement [`Subject`] for the CPU, call [`compare()`], and print the [`Report`]. Where there's no x86-64 Linux host,
//! [`compare()`] returns [`Unavailable`] with the reason, for the test to skip with.
//!
//! Host-specific on purpose: what one processor family does and another doesn't is either undefined by the architecture
//! and left out of the comparison (see [`undefined`]), or avoided by the choice of cases.

pub mod addressing;
pub mod cases;
pub mod compare;
pub mod encodings;
pub mod exclusions;
pub mod fault_cases;
pub mod forms;
pub mod host_features;
pub mod memory_operand;
pub mod native;
pub mod operand_choices;
pub mod operand_values;
mod preparation;
pub mod random;
pub mod report;
pub mod state;
pub mod undefined;
pub mod windows;

pub use cases::Case;
pub use compare::{Options, compare};
pub use exclusions::{Exclusion, exclusion};
pub use fault_cases::{compare_fault_cases, record_fault_cases};
pub use forms::{Form, forms};
pub use native::{Native, Unavailable};
pub use report::{Mismatch, Report};
pub use state::{Fault, Mode, Outcome, State, Subject};
pub use windows::Scratch;
