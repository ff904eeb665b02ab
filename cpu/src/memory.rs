//! Memory as the CPU sees it: RAM.

pub mod ram;
