//! What a CPU needs of the board around it: ports, device memory, interrupt lines and time.
//!
//! The CPU knows nothing else of the outside. RAM is not behind this trait: it belongs to the
//! CPU while it runs ([`crate::Ram`]), so that ordinary loads and stores touch no `dyn` call.

/// Width of one access to a port or to device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessWidth {
    /// 8 bits.
    Byte = 1,
    /// 16 bits.
    Word = 2,
    /// 32 bits.
    Dword = 4,
    /// 64 bits: device memory only.
    Qword = 8,
}

impl AccessWidth {
    /// The width in bytes.
    pub const fn bytes(self) -> u64 {
        self as u64
    }

    /// All ones in this width: what an open bus reads.
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }

    /// The width of `bytes` bytes, which must be 1, 2, 4 or 8.
    pub const fn of(bytes: u64) -> Option<Self> {
        match bytes {
            1 => Some(Self::Byte),
            2 => Some(Self::Word),
            4 => Some(Self::Dword),
            8 => Some(Self::Qword),
            _ => None,
        }
    }
}

/// The board as the CPU sees it. `now` is guest time in cycles and never goes back.
pub trait Bus {
    /// Reads an I/O port. An address where nothing answers reads as all ones.
    fn read_port(&mut self, now: u64, port: u16, width: AccessWidth) -> u32;
    /// Writes an I/O port. An address where nothing answers ignores it.
    fn write_port(&mut self, now: u64, port: u16, width: AccessWidth, value: u32);
    /// Reads device memory at a physical address that is not RAM.
    fn read_memory(&mut self, now: u64, address: u64, width: AccessWidth) -> u64;
    /// Writes device memory at a physical address that is not RAM.
    fn write_memory(&mut self, now: u64, address: u64, width: AccessWidth, value: u64);

    /// The level of the CPU's INTR pin.
    fn interrupt_requested(&self) -> bool;
    /// The interrupt acknowledge cycle: the vector of the interrupt that is now being delivered.
    fn acknowledge_interrupt(&mut self, now: u64) -> u8;
    /// Takes a pending edge of the NMI pin.
    fn take_nmi(&mut self) -> bool;

    /// The cycle at which [`Bus::advance`] must next be called: the next timer event.
    /// `u64::MAX` if nothing is due. May be earlier than the true event, never later.
    fn next_event(&self) -> u64;
    /// Lets devices catch up with time.
    fn advance(&mut self, now: u64);
    /// Whether a device has asked for something that the CPU can't do by itself, such as a
    /// reset or power off. The CPU then returns [`crate::Exit::Bus`] before the next instruction.
    fn wants_attention(&self) -> bool;
}
