//! Where the cycles went: primitives and their prices, causes, and the ledger.
//!
//! A hypervisor charges *primitives* (an exit, a decoded instruction, a shadow entry written) to a
//! *cause* (why the guest left the CPU). The ledger keeps counts, never cycles: cycles are counts
//! times the prices of a preset, so another preset re-prices a finished run at once.

pub mod causes;
pub mod charges;
pub mod costs;
pub mod explanations;
pub mod ledger;
pub mod primitives;
pub mod sensitivity;

pub use causes::Cause;
pub use costs::Costs;
pub use ledger::{Ledger, Row};
pub use primitives::{Primitive, Share};

/// Finds the name of a guest address, such as `switch_to+0x12`, if there is one.
pub type SymbolOf<'a> = &'a dyn Fn(u64) -> Option<String>;
