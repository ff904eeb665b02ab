//! Exceptions that the architecture raises.

use std::fmt;

/// The vectors of architectural exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Vector {
    /// #DE.
    DivideError = 0,
    /// #DB.
    Debug = 1,
    /// The NMI.
    NonMaskableInterrupt = 2,
    /// #BP.
    Breakpoint = 3,
    /// #OF.
    Overflow = 4,
    /// #BR.
    BoundRange = 5,
    /// #UD.
    InvalidOpcode = 6,
    /// #NM.
    DeviceNotAvailable = 7,
    /// #DF.
    DoubleFault = 8,
    /// #TS.
    InvalidTss = 10,
    /// #NP.
    SegmentNotPresent = 11,
    /// #SS.
    StackFault = 12,
    /// #GP.
    GeneralProtection = 13,
    /// #PF.
    PageFault = 14,
    /// #MF.
    FloatingPoint = 16,
    /// #AC.
    AlignmentCheck = 17,
    /// #MC.
    MachineCheck = 18,
    /// #XM.
    SimdFloatingPoint = 19,
}

impl Vector {
    /// All of them, in order.
    pub const ALL: [Self; 18] = [
        Self::DivideError,
        Self::Debug,
        Self::NonMaskableInterrupt,
        Self::Breakpoint,
        Self::Overflow,
        Self::BoundRange,
        Self::InvalidOpcode,
        Self::DeviceNotAvailable,
        Self::DoubleFault,
        Self::InvalidTss,
        Self::SegmentNotPresent,
        Self::StackFault,
        Self::GeneralProtection,
        Self::PageFault,
        Self::FloatingPoint,
        Self::AlignmentCheck,
        Self::MachineCheck,
        Self::SimdFloatingPoint,
    ];

    /// The exception with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|vector| *vector as u8 == number)
    }

    /// The manual's mnemonic, such as `#GP`.
    pub const fn mnemonic(self) -> &'static str {
        match self {
            Self::DivideError => "#DE",
            Self::Debug => "#DB",
            Self::NonMaskableInterrupt => "NMI",
            Self::Breakpoint => "#BP",
            Self::Overflow => "#OF",
            Self::BoundRange => "#BR",
            Self::InvalidOpcode => "#UD",
            Self::DeviceNotAvailable => "#NM",
            Self::DoubleFault => "#DF",
            Self::InvalidTss => "#TS",
            Self::SegmentNotPresent => "#NP",
            Self::StackFault => "#SS",
            Self::GeneralProtection => "#GP",
            Self::PageFault => "#PF",
            Self::FloatingPoint => "#MF",
            Self::AlignmentCheck => "#AC",
            Self::MachineCheck => "#MC",
            Self::SimdFloatingPoint => "#XM",
        }
    }

    /// How it combines into a double fault (SDM vol. 3, "Interrupt 8: Double Fault Exception").
    pub(crate) const fn class(self) -> Class {
        match self {
            Self::DivideError
            | Self::InvalidTss
            | Self::SegmentNotPresent
            | Self::StackFault
            | Self::GeneralProtection => Class::Contributory,
            Self::PageFault => Class::PageFault,
            Self::DoubleFault => Class::DoubleFault,
            _ => Class::Benign,
        }
    }
}

/// Classes of exceptions for the double-fault rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Benign,
    Contributory,
    PageFault,
    DoubleFault,
}

/// A raised exception. The address of a page fault is in [`crate::Cpu::fault_address`] until
/// delivery moves it to CR2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Which.
    pub vector: Vector,
    /// The error code, for the vectors that push one.
    pub error_code: Option<u16>,
}

impl Exception {
    /// An exception without error code.
    pub const fn new(vector: Vector) -> Self {
        Self { vector, error_code: None }
    }

    /// An exception with error code.
    pub const fn with_code(vector: Vector, error_code: u16) -> Self {
        Self { vector, error_code: Some(error_code) }
    }

    /// #GP with this error code.
    pub const fn general_protection(error_code: u16) -> Self {
        Self::with_code(Vector::GeneralProtection, error_code)
    }

    /// #UD.
    pub const INVALID_OPCODE: Self = Self::new(Vector::InvalidOpcode);
    /// #NM.
    pub const DEVICE_NOT_AVAILABLE: Self = Self::new(Vector::DeviceNotAvailable);
    /// #DE.
    pub const DIVIDE_ERROR: Self = Self::new(Vector::DivideError);
    /// #GP(0).
    pub const GENERAL_PROTECTION: Self = Self::general_protection(0);
    /// #AC(0).
    pub const ALIGNMENT_CHECK: Self = Self::with_code(Vector::AlignmentCheck, 0);
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.vector.mnemonic())?;
        match self.error_code {
            Some(code) => write!(f, "({code:#x})"),
            None => Ok(()),
        }
    }
}

/// Bits of a page fault's error code.
pub mod page_fault_code {
    /// The page was present: a protection violation.
    pub const PRESENT: u16 = 1 << 0;
    /// The access was a write.
    pub const WRITE: u16 = 1 << 1;
    /// The access was made at ring 3.
    pub const USER: u16 = 1 << 2;
    /// A reserved bit was set in an entry.
    pub const RESERVED: u16 = 1 << 3;
    /// The access was an instruction fetch (with NX or SMEP enabled).
    pub const FETCH: u16 = 1 << 4;
}

/// Bits of the error code that names a descriptor.
pub mod selector_code {
    /// The event came from outside the program.
    pub const EXTERNAL: u16 = 1 << 0;
    /// The index is one of the IDT.
    pub const IDT: u16 = 1 << 1;
}
