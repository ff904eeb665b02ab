//! Memory as the CPU sees it: RAM, paging, the TLB, and segmented access on top.

pub(crate) mod access;
pub mod frame_map;
pub mod paging;
pub mod ram;
pub mod tlb;
