//! The operating mode: what the control registers and the code segment add up to.

/// Width of addresses and operands by default: what the decoder must know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CodeSize {
    /// 16-bit code: real mode, virtual-8086 mode, and 16-bit segments.
    #[default]
    Bits16 = 0,
    /// 32-bit code.
    Bits32 = 1,
    /// 64-bit mode.
    Bits64 = 2,
}

impl CodeSize {
    /// 16, 32 or 64.
    pub const fn bits(self) -> u32 {
        16 << self as u32
    }
}

/// The operating mode (Intel SDM vol. 3, "Modes of Operation").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// CR0.PE = 0.
    Real,
    /// CR0.PE = 1, EFER.LMA = 0.
    Protected,
    /// EFLAGS.VM = 1.
    Virtual8086,
    /// EFER.LMA = 1, CS.L = 0.
    Compatibility,
    /// EFER.LMA = 1, CS.L = 1.
    Long64,
}

impl Mode {
    /// Whether EFER.LMA is set: descriptors and gates have their 64-bit forms.
    pub const fn is_long(self) -> bool {
        matches!(self, Self::Compatibility | Self::Long64)
    }

    /// Whether segments are loaded from descriptor tables.
    pub const fn has_descriptors(self) -> bool {
        !matches!(self, Self::Real | Self::Virtual8086)
    }
}
