//! System control ports B (0x61) and A (0x92): the odds and ends of the IBM AT and PS/2 boards.
//!
//! Source: IBM PS/2 Hardware Interface Technical Reference, "System Control Port A and B".

use paravane_cpu::AccessWidth;

use super::super::clock::Oscillator;
use super::super::device::{Device, PortRange, Request};
use crate::inspection::Inspection;

/// Counter 1 of the 8254 requests a memory refresh every 18 ticks (15.09 µs).
const REFRESH_TICKS: u64 = 18;

/// Port 0x61: the speaker, the gate of counter 2, and what polling loops look at.
///
/// ```text
///   7      6      5         4         3       2       1        0
/// parity  I/O   counter 2  refresh   I/O    parity  speaker  counter 2
/// error   error output     toggles   check  check   data     gate
/// ```
#[derive(Clone, Debug, Default)]
pub struct SystemControlB {
    /// Bits 0 to 3, as written.
    control: u8,
    counter_2_output: bool,
}

impl SystemControlB {
    /// All bits 0: the speaker is off.
    pub fn new() -> Self {
        Self::default()
    }

    /// The gate pin of counter 2.
    pub fn counter_2_gate(&self) -> bool {
        self.control & 1 != 0
    }

    /// Tells the port what the output pin of counter 2 shows.
    pub fn set_counter_2_output(&mut self, high: bool) {
        self.counter_2_output = high;
    }
}

impl Device for SystemControlB {
    fn name(&self) -> &'static str {
        "system control port B"
    }

    fn ports(&self) -> &'static [PortRange] {
        const { &[PortRange::bytes(0x61, 1)] }
    }

    fn read_port(&mut self, now: u64, _offset: u16, _width: AccessWidth) -> u32 {
        let refreshes = Oscillator::INTERVAL_TIMER.ticks_at(now) / REFRESH_TICKS;
        let refresh = (refreshes as u32 & 1) << 4;
        u32::from(self.control) | refresh | u32::from(self.counter_2_output) << 5
    }

    fn write_port(&mut self, _now: u64, _offset: u16, _width: AccessWidth, value: u32) {
        self.control = value as u8 & 0x0F;
    }

    fn reset(&mut self, _now: u64) {
        self.control = 0;
    }

    fn inspect(&self) -> Inspection {
        Inspection::new()
            .field("counter 2 gate", self.counter_2_gate())
            .field("counter 2 output", self.counter_2_output)
            .field("speaker data", self.control & 1 << 1 != 0)
    }
}

/// Port 0x92: fast reset (bit 0), and the A20 gate (bit 1), which is always open here.
#[derive(Clone, Debug, Default)]
pub struct SystemControlA {
    control: u8,
    request: Option<Request>,
}

const FAST_RESET: u8 = 1 << 0;
const A20_OPEN: u8 = 1 << 1;

impl SystemControlA {
    /// No reset asked for.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Device for SystemControlA {
    fn name(&self) -> &'static str {
        "system control port A"
    }

    fn ports(&self) -> &'static [PortRange] {
        const { &[PortRange::bytes(0x92, 1)] }
    }

    fn read_port(&mut self, _now: u64, _offset: u16, _width: AccessWidth) -> u32 {
        u32::from(self.control | A20_OPEN)
    }

    fn write_port(&mut self, _now: u64, _offset: u16, _width: AccessWidth, value: u32) {
        let value = value as u8;
        // The edge of bit 0 resets, not its level.
        if value & !self.control & FAST_RESET != 0 {
            self.request = Some(Request::Reset);
        }
        self.control = value;
    }

    fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    fn reset(&mut self, _now: u64) {
        *self = Self::new();
    }

    fn inspect(&self) -> Inspection {
        Inspection::new().bits("control", self.control | A20_OPEN)
    }
}
