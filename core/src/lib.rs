//! The machine around the CPU.
