//! The window of PCI configuration mechanism 1 (0xCF8 to 0xCFF) on a board without a PCI bus:
//! everything in it reads as all ones, so a guest that looks for PCI finds none.
//!
//! One byte of the window works: the reset control register at 0xCF9, which Intel's south bridges
//! put inside the address register. Only a byte access reaches it.
//!
//! Source: Intel 82371SB (PIIX3) datasheet, "Reset Control Register".

use paravane_cpu::AccessWidth;

use super::super::device::{Device, PortRange, Request};
use crate::inspection::Inspection;

const RESET_CONTROL: u16 = 1;
/// A rising edge of this bit resets the CPU (bit 1 says how hard, which makes no difference here).
const RESET_CPU: u8 = 1 << 2;

/// The configuration window and the reset control register.
#[derive(Clone, Debug, Default)]
pub struct PciConfiguration {
    reset_control: u8,
    request: Option<Request>,
}

impl PciConfiguration {
    /// No reset asked for.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Device for PciConfiguration {
    fn name(&self) -> &'static str {
        "PCI configuration window"
    }

    fn ports(&self) -> &'static [PortRange] {
        &[PortRange { first: 0xCF8, count: 8, width: AccessWidth::Dword }]
    }

    fn read_port(&mut self, _now: u64, offset: u16, width: AccessWidth) -> u32 {
        match (offset, width) {
            (RESET_CONTROL, AccessWidth::Byte) => u32::from(self.reset_control),
            _ => u32::MAX,
        }
    }

    fn write_port(&mut self, _now: u64, offset: u16, width: AccessWidth, value: u32) {
        if (offset, width) != (RESET_CONTROL, AccessWidth::Byte) {
            return;
        }
        let value = value as u8;
        if value & !self.reset_control & RESET_CPU != 0 {
            self.request = Some(Request::Reset);
        }
        self.reset_control = value & !RESET_CPU;
    }

    fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    fn reset(&mut self, _now: u64) {
        *self = Self::new();
    }

    fn inspect(&self) -> Inspection {
        Inspection::new().field("bus", "none").hex("reset control", self.reset_control)
    }
}
