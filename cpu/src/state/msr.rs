//! Model-specific registers that hold state.

/// Addresses of the model-specific registers that exist here.
pub mod address {
    /// The time-stamp counter.
    pub const TIME_STAMP_COUNTER: u32 = 0x10;
    /// Platform ID: reads zero.
    pub const PLATFORM_ID: u32 = 0x17;
    /// What is added to the time-stamp counter.
    pub const TSC_ADJUST: u32 = 0x3b;
    /// Microcode revision: reads zero.
    pub const MICROCODE_REVISION: u32 = 0x8b;
    /// CS for SYSENTER.
    pub const SYSENTER_CS: u32 = 0x174;
    /// RSP for SYSENTER.
    pub const SYSENTER_ESP: u32 = 0x175;
    /// RIP for SYSENTER.
    pub const SYSENTER_EIP: u32 = 0x176;
    /// Miscellaneous enables.
    pub const MISC_ENABLE: u32 = 0x1a0;
    /// The page attribute table.
    pub const PAT: u32 = 0x277;
    /// Extended features.
    pub const EFER: u32 = 0xc000_0080;
    /// Selectors for SYSCALL and SYSRET, EIP of the legacy SYSCALL.
    pub const STAR: u32 = 0xc000_0081;
    /// RIP for SYSCALL from 64-bit mode.
    pub const LSTAR: u32 = 0xc000_0082;
    /// RIP for SYSCALL from compatibility mode (AMD).
    pub const CSTAR: u32 = 0xc000_0083;
    /// RFLAGS that SYSCALL clears.
    pub const FMASK: u32 = 0xc000_0084;
    /// Base of FS.
    pub const FS_BASE: u32 = 0xc000_0100;
    /// Base of GS.
    pub const GS_BASE: u32 = 0xc000_0101;
    /// What SWAPGS exchanges with the base of GS.
    pub const KERNEL_GS_BASE: u32 = 0xc000_0102;
    /// What RDTSCP returns in ECX.
    pub const TSC_AUX: u32 = 0xc000_0103;
}

/// The page attribute table after reset.
const PAT_AFTER_RESET: u64 = 0x0007_0406_0007_0406;
/// Fast strings.
const MISC_ENABLE_AFTER_RESET: u64 = 1;

/// Values of the model-specific registers. FS and GS bases live in the segments, EFER in
/// [`super::control::Control`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSpecific {
    /// [`address::STAR`].
    pub star: u64,
    /// [`address::LSTAR`].
    pub lstar: u64,
    /// [`address::CSTAR`].
    pub cstar: u64,
    /// [`address::FMASK`].
    pub fmask: u64,
    /// [`address::KERNEL_GS_BASE`].
    pub kernel_gs_base: u64,
    /// [`address::SYSENTER_CS`].
    pub sysenter_cs: u64,
    /// [`address::SYSENTER_ESP`].
    pub sysenter_esp: u64,
    /// [`address::SYSENTER_EIP`].
    pub sysenter_eip: u64,
    /// [`address::TSC_AUX`].
    pub tsc_aux: u32,
    /// [`address::PAT`].
    pub pat: u64,
    /// [`address::MISC_ENABLE`].
    pub misc_enable: u64,
    /// [`address::TSC_ADJUST`]: added to the cycles to give the time-stamp counter.
    pub tsc_adjust: u64,
}

impl Default for ModelSpecific {
    fn default() -> Self {
        Self {
            star: 0,
            lstar: 0,
            cstar: 0,
            fmask: 0,
            kernel_gs_base: 0,
            sysenter_cs: 0,
            sysenter_esp: 0,
            sysenter_eip: 0,
            tsc_aux: 0,
            pat: PAT_AFTER_RESET,
            misc_enable: MISC_ENABLE_AFTER_RESET,
            tsc_adjust: 0,
        }
    }
}
