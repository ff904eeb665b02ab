//! Error codes of hypercalls. Source: `xen/include/public/errno.h`.

/// An error code; a hypercall returns it negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Errno {
    /// EPERM.
    NotPermitted = 1,
    /// ENOENT.
    NoEntry = 2,
    /// ESRCH.
    NoSuchDomain = 3,
    /// ENXIO.
    NoSuchDevice = 6,
    /// E2BIG.
    TooBig = 7,
    /// ENOMEM.
    NoMemory = 12,
    /// EACCES.
    AccessDenied = 13,
    /// EFAULT.
    Fault = 14,
    /// EBUSY.
    Busy = 16,
    /// EEXIST.
    Exists = 17,
    /// ENODEV.
    NoDevice = 19,
    /// EINVAL.
    Invalid = 22,
    /// ENOSPC.
    NoSpace = 28,
    /// ENOSYS.
    NotImplemented = 38,
    /// EOPNOTSUPP.
    NotSupported = 95,
    /// ENODATA.
    NoData = 61,
}

impl Errno {
    /// What the guest finds in RAX.
    pub const fn as_result(self) -> u64 {
        (self as u64).wrapping_neg()
    }
}

/// Why a hypercall did not simply succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It failed.
    Error(Errno),
    /// It is not done yet: the guest executes it again with these arguments, so that no call
    /// takes unbounded time.
    Again([u64; 5]),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        Self::Error(error)
    }
}

/// What a hypercall answers.
pub type Answer = Result<u64, Refusal>;
