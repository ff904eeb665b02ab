//! Memory as the CPU sees it: RAM, paging, the TLB, and segmented access on top.

pub(crate) mod access;
pub mod paging;
pub mod ram;
pub mod tlb;
