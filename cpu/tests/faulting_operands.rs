//! The matrix of faulting memory operands: every form of every instruction that touches memory
//! raises its page fault without a trace, and completes once the page is there as if nothing had
//! been.
//!
//! Which addresses a form touches, and whether it writes, says iced, not we.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and says what it counted"
)]

mod flat_bus;
mod paged_machine;

#[path = "faulting_operands/contents.rs"]
mod contents;
#[path = "faulting_operands/matrix.rs"]
mod matrix;
#[path = "faulting_operands/placement.rs"]
mod placement;
#[path = "faulting_operands/ring_changes.rs"]
mod ring_changes;
#[path = "faulting_operands/strings.rs"]
mod strings;
#[path = "faulting_operands/tested_forms.rs"]
mod tested_forms;
#[path = "faulting_operands/trial.rs"]
mod trial;
