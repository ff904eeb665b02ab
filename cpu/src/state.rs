//! The architectural state of the CPU: everything that software can name, and nothing else.

pub mod control;
pub mod debug;
pub mod flags;
pub mod mode;
pub mod msr;
pub mod registers;
pub mod segments;
