//! Code that changes: by stores of its own, through other addresses, by remapping, by page walks,
//! by a change of mode. Whatever was decoded before, the CPU executes what is there now.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken test may panic"
)]

mod flat_bus;
mod paged_machine;

#[path = "code_changes/modes.rs"]
mod modes;
#[path = "code_changes/page_walks.rs"]
mod page_walks;
#[path = "code_changes/remapping.rs"]
mod remapping;
#[path = "code_changes/runner.rs"]
mod runner;
#[path = "code_changes/stores.rs"]
mod stores;
