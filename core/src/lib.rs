//! The machine around the CPU: the board with its devices, and the loader of guest images.

pub mod accounting;
pub mod board;
pub mod guest_image;
pub mod hypervisor;
pub mod inspection;
pub mod machine;
pub mod workbench;
pub mod worlds;
