//! What the board asks of a device.
//!
//! A device is a *value*: it can be cloned, and the clone is a snapshot. It never calls anybody.
//! The board asks it: for an answer to an access, for the level of its interrupt pin, for its
//! next timer event. Guest time (`now`) is in cycles and never goes back.

use paravane_cpu::AccessWidth;

use crate::inspection::Inspection;

/// Ports that a device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// How many ports.
    pub count: u16,
    /// The widest access that the device takes whole. The board splits wider ones, and those
    /// that aren't aligned, as the ISA bus does.
    pub width: AccessWidth,
}

impl PortRange {
    /// `count` ports of an eight-bit device.
    pub const fn bytes(first: u16, count: u16) -> Self {
        Self { first, count, width: AccessWidth::Byte }
    }
}

/// Physical addresses that a device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// The lowest address.
    pub first: u64,
    /// How many bytes.
    pub count: u64,
}

/// What an interrupt pin has done since the board last looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptPin {
    /// The line of the interrupt controllers it is wired to: 0 to 15.
    pub line: u8,
    /// Its level now.
    pub level: bool,
    /// Whether it was low for a while and is high again: an edge that the level doesn't show.
    pub pulsed: bool,
}

/// Something that a device wants from outside the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Reset the machine.
    Reset,
    /// Switch the machine off.
    PowerOff,
    /// End the run with this value of the guest (port 0xF4).
    Exit(u32),
}

impl Request {
    /// The host's exit code for [`Request::Exit`]: `(value << 1) | 1`, as QEMU's
    /// isa-debug-exit computes it, so that it is never 0.
    pub fn host_exit_code(self) -> Option<u32> {
        match self {
            Self::Exit(value) => Some((value << 1) | 1),
            Self::Reset | Self::PowerOff => None,
        }
    }
}

/// A chip on the board.
///
/// Offsets count through the declared ranges in their order: a device with the ports 0x20, 0x21
/// and 0x4D0 sees the offsets 0, 1 and 2. The same holds for memory.
pub trait Device {
    /// What panels call it.
    fn name(&self) -> &'static str;

    /// The ports that it answers.
    fn ports(&self) -> &'static [PortRange];

    /// The physical addresses that it answers.
    fn memory(&self) -> &'static [MemoryRange] {
        &[]
    }

    /// Reads a port. The board keeps only the bits of `width`.
    fn read_port(&mut self, now: u64, offset: u16, width: AccessWidth) -> u32;

    /// Writes a port. `value` has no bits above `width`.
    fn write_port(&mut self, now: u64, offset: u16, width: AccessWidth, value: u32);

    /// Reads device memory.
    fn read_memory(&mut self, _now: u64, _offset: u64, _width: AccessWidth) -> u64 {
        u64::MAX
    }

    /// Writes device memory.
    fn write_memory(&mut self, _now: u64, _offset: u64, _width: AccessWidth, _value: u64) {}

    /// The interrupt pin, if it has one. A pulse is reported once.
    fn interrupt(&mut self) -> Option<InterruptPin> {
        None
    }

    /// The cycle of the next change that others can see without an access, such as a rising
    /// interrupt pin; `u64::MAX` if there is none. May be too early, never too late.
    fn next_event(&self) -> u64 {
        u64::MAX
    }

    /// Catches up with time. Bounded work, however long ago the last call was.
    fn advance(&mut self, _now: u64) {}

    /// What the device wants from outside the machine, asked after every access.
    fn take_request(&mut self) -> Option<Request> {
        None
    }

    /// The RESET pin. What a battery or the host keeps stays.
    fn reset(&mut self, now: u64);

    /// The state, for panels.
    fn inspect(&self) -> Inspection;
}
