//! Random programs in plausible surroundings, for tests that ask what must hold for any program:
//! tables that let faults be delivered, page tables with aliases, a board that interrupts.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod board;
pub mod code;
pub mod start;
pub mod tables;
pub mod world;

/// Physical places, the same in every mode: linear addresses below [`RAM_SIZE`] are mapped to
/// themselves where paging is on.
pub mod place {
    /// The handler of real mode, which its vector table names.
    pub const REAL_HANDLER: u64 = 0x500;
    /// Global descriptor table.
    pub const GDT: u64 = 0x5000;
    /// Local descriptor table.
    pub const LDT: u64 = 0x5800;
    /// Interrupt descriptor table.
    pub const IDT: u64 = 0x6000;
    /// Task-state segment, with a bitmap of ports.
    pub const TSS: u64 = 0x7000;
    /// Handlers of protected and long mode.
    pub const HANDLER: u64 = 0x9000;
    /// Top of the stack of ring 0.
    pub const INNER_STACK: u64 = 0xf000;
    /// Random code.
    pub const CODE: u64 = 0x2_0000;
    /// Bytes of it.
    pub const CODE_SIZE: u64 = 0x8000;
    /// Operands.
    pub const DATA: u64 = 0x3_0000;
    /// Around the top of the stack.
    pub const STACK: u64 = 0x4_8000;
    /// Page directory of 2-level paging.
    pub const TWO_LEVEL: u64 = 0x6_0000;
    /// Its page table.
    pub const TWO_LEVEL_TABLE: u64 = 0x6_1000;
    /// Page-directory-pointer table of PAE paging.
    pub const PAE: u64 = 0x6_2000;
    /// Page directory of PAE and 4-level paging.
    pub const DIRECTORY: u64 = 0x6_3000;
    /// Its page table.
    pub const TABLE: u64 = 0x6_4000;
    /// Root of 4-level paging.
    pub const FOUR_LEVEL: u64 = 0x6_5000;
    /// Its page-directory-pointer table.
    pub const POINTERS: u64 = 0x6_6000;
    /// Where all of RAM is mapped once more, in pages that compete for the same TLB entries.
    pub const ALIAS: u64 = 0x80_0000;
    /// Bytes of RAM.
    pub const RAM_SIZE: u64 = 0x8_0000;
}
