//! The hypervisor: what every kind of it has in common.
//!
//! A hypervisor runs its guest on the unchanged CPU, deprivileged, until something leaves; then it
//! finds the cause, does what is due, charges the ledger, and resumes the guest. [`Host`] is what
//! it works with.

mod deprivilege;
mod descriptor_shadow;
pub mod frames;
pub mod host;
pub mod lies;
pub mod paravirt;
pub mod shadow_paging;
mod virtual_bus;
pub mod virtual_machine;

pub use frames::{FrameNumber, Frames, GuestMap, Owner};
pub use host::Host;
pub use virtual_machine::{Processor, ShadowPolicy, VirtualMachine};
