//! Debug registers: breakpoints and the status of the last #DB.

use bitflags::bitflags;

bitflags! {
    /// DR6: why the last #DB was raised.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Dr6: u64 {
        /// Breakpoint 0 was met.
        const B0 = 1 << 0;
        /// Breakpoint 1 was met.
        const B1 = 1 << 1;
        /// Breakpoint 2 was met.
        const B2 = 1 << 2;
        /// Breakpoint 3 was met.
        const B3 = 1 << 3;
        /// A debug register was touched while DR7.GD was set.
        const BD = 1 << 13;
        /// Single step.
        const BS = 1 << 14;
        /// Task switch to a task with the T bit.
        const BT = 1 << 15;
    }
}

/// Bits of DR6 that always read one.
pub const DR6_FIXED: u64 = 0xffff_0ff0;
/// The bit of DR7 that always reads one.
pub const DR7_FIXED: u64 = 0x400;
/// General detect: #DB before any access to a debug register.
pub const DR7_GENERAL_DETECT: u64 = 1 << 13;

/// What a breakpoint waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// An instruction that starts at the address.
    Execute,
    /// A data write.
    Write,
    /// A port access (with CR4.DE).
    Port,
    /// A data read or write.
    Access,
}

/// One enabled breakpoint of DR7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breakpoint {
    /// 0 to 3.
    pub number: u8,
    /// First linear address.
    pub address: u64,
    /// Bytes watched: 1, 2, 4 or 8.
    pub length: u64,
    /// What is waited for.
    pub condition: Condition,
}

impl Breakpoint {
    /// Whether an access of `length` bytes at `address` touches it.
    pub fn covers(&self, address: u64, length: u64) -> bool {
        address < self.address.saturating_add(self.length)
            && self.address < address.saturating_add(length)
    }
}

/// DR0–DR3, DR6 and DR7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debug {
    /// DR0–DR3: linear addresses.
    pub addresses: [u64; 4],
    /// DR6.
    pub dr6: u64,
    /// DR7.
    pub dr7: u64,
}

impl Default for Debug {
    fn default() -> Self {
        Self { addresses: [0; 4], dr6: DR6_FIXED, dr7: DR7_FIXED }
    }
}

impl Debug {
    /// Whether any breakpoint is enabled.
    pub fn any_enabled(&self) -> bool {
        self.dr7 & 0xff != 0
    }

    /// The enabled breakpoints in the order of their numbers.
    pub fn enabled(&self) -> impl Iterator<Item = Breakpoint> + '_ {
        (0..4u8).filter(|n| self.dr7 >> (2 * n) & 3 != 0).map(|number| {
            let kind = self.dr7 >> (16 + 4 * number);
            let length = [1, 2, 8, 4][(kind >> 2 & 3) as usize];
            let condition = match kind & 3 {
                0 => Condition::Execute,
                1 => Condition::Write,
                2 => Condition::Port,
                _ => Condition::Access,
            };
            // The manual ignores the low address bits that the length covers.
            let address = self.addresses[usize::from(number)] & !(length - 1);
            Breakpoint { number, address, length, condition }
        })
    }

    /// DR6 bits of the breakpoints for which `hit` holds.
    pub fn matching(&self, hit: impl Fn(&Breakpoint) -> bool) -> Dr6 {
        self.enabled()
            .filter(hit)
            .fold(Dr6::empty(), |all, b| all | Dr6::from_bits_retain(1 << b.number))
    }
}
