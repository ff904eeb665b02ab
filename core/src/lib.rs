//! The machine around the CPU: the board with its devices, and the loader of guest images.

pub mod accounting;
pub mod board;
#[cfg(feature = "charts")]
pub mod charts;
pub mod disassembly;
pub mod guest_image;
pub mod hypervisor;
pub mod inspection;
pub mod log;
pub mod machine;
pub mod places;
pub mod report;
pub mod workbench;
pub mod worlds;
