//! Control registers, EFER and their bits.

use bitflags::bitflags;

bitflags! {
    /// CR0.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Cr0: u64 {
        /// Protection enable.
        const PE = 1 << 0;
        /// Monitor coprocessor: WAIT obeys TS.
        const MP = 1 << 1;
        /// Emulation: no x87.
        const EM = 1 << 2;
        /// Task switched: the next x87 or SIMD instruction raises #NM.
        const TS = 1 << 3;
        /// Extension type; always one.
        const ET = 1 << 4;
        /// Numeric error.
        const NE = 1 << 5;
        /// Write protect: supervisor writes obey read-only pages.
        const WP = 1 << 16;
        /// Alignment mask: #AC can be.
        const AM = 1 << 18;
        /// Not write-through.
        const NW = 1 << 29;
        /// Cache disable.
        const CD = 1 << 30;
        /// Paging.
        const PG = 1 << 31;
    }

    /// CR4. Only features that CPUID shows may be set.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Cr4: u64 {
        /// Time-stamp disable: RDTSC only in ring 0.
        const TSD = 1 << 2;
        /// Debugging extensions: DR4 and DR5 raise #UD.
        const DE = 1 << 3;
        /// 4 MiB pages in 2-level paging.
        const PSE = 1 << 4;
        /// Physical address extension.
        const PAE = 1 << 5;
        /// Machine check enable.
        const MCE = 1 << 6;
        /// Global pages.
        const PGE = 1 << 7;
        /// RDPMC at any ring.
        const PCE = 1 << 8;
        /// RDFSBASE and its kin.
        const FSGSBASE = 1 << 16;
        /// No supervisor execution of user pages.
        const SMEP = 1 << 20;
        /// No supervisor access to user pages.
        const SMAP = 1 << 21;
    }

    /// The extended feature enable register.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Efer: u64 {
        /// SYSCALL and SYSRET.
        const SCE = 1 << 0;
        /// Long mode enable.
        const LME = 1 << 8;
        /// Long mode active; read-only.
        const LMA = 1 << 10;
        /// No-execute enable.
        const NXE = 1 << 11;
    }
}

/// The control registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// CR0.
    pub cr0: Cr0,
    /// CR2: the address of the last page fault.
    pub cr2: u64,
    /// CR3: the root of the page tables.
    pub cr3: u64,
    /// CR4.
    pub cr4: Cr4,
    /// CR8: the task priority, 0 to 15.
    pub cr8: u8,
    /// EFER.
    pub efer: Efer,
    /// In PAE paging: the four page-directory-pointer entries, read when CR3 is loaded.
    pub pdptes: [u64; 4],
}

impl Default for Control {
    /// The state after reset.
    fn default() -> Self {
        Self {
            cr0: Cr0::CD | Cr0::NW | Cr0::ET,
            cr2: 0,
            cr3: 0,
            cr4: Cr4::empty(),
            cr8: 0,
            efer: Efer::empty(),
            pdptes: [0; 4],
        }
    }
}
