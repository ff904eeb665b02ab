//! A faithful x86-64 CPU.
mod bus;
pub mod memory;
mod word;

pub use bus::{AccessWidth, Bus};
pub use memory::ram::{PAGE_SHIFT, PAGE_SIZE, Ram, Watch};
pub use word::Word;
