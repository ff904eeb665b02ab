//! From instruction bytes to operations that can be executed again and again.

pub(crate) mod blocks;
#[cfg(test)]
mod coverage;
pub(crate) mod lower;
pub(crate) mod op;
pub(crate) mod operands;
pub(crate) mod table;
