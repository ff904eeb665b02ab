//! A faithful x86-64 CPU, interpreted.
//!
//! [`Cpu`] holds the architectural state and the machine's RAM. [`Cpu::run`] executes until
//! something leaves: it takes the board as a [`Bus`], and as [`Intercepts`] the set of things that
//! leave instead of being handled by the CPU itself. With [`Intercepts::NONE`] that is bare metal.
//!
//! This crate knows architectural exceptions, ports and memory. It never names a device, a
//! hypervisor or a guest.

mod bus;
mod cpu;
mod decode;
mod emulate;
mod exception;
mod execute;
mod exit;
pub mod features;
mod intercepts;
mod memory;
mod recent;
mod run;
pub mod state;
pub mod timing;
mod word;

pub use bus::{AccessWidth, Bus};
pub use cpu::{Activity, Cpu, InterruptShadow};
pub use emulate::Stepped;
pub use exception::{Exception, Vector, page_fault_code, selector_code};
pub use exit::{Exit, SoftwareInterrupt, Unimplemented};
pub use features::Features;
pub use intercepts::{Intercepts, Sensitive};
pub use memory::frame_map::FrameMap;
pub use memory::paging::{self, PHYSICAL_ADDRESS_BITS};
pub use memory::ram::{PAGE_SHIFT, PAGE_SIZE, Ram, Watch};
pub use memory::tlb::{Rights, TlbStatistics};
pub use recent::{
    BlockStart, Delivery, DeliveryKind, FailedDelivery, Recent, RecentBlocks, RecentDeliveries,
    RecentFailures,
};
pub use word::Word;
