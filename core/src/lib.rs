//! The machine around the CPU: the board with its devices, and the loader of guest images.

pub mod board;
pub mod disassembly;
pub mod guest_image;
pub mod inspection;
pub mod machine;
pub mod places;
