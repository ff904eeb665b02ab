//! Power off without ACPI tables: the PM1a control registers where QEMU has them, at port 0x604
//! (machine types `pc` and `q35` today) and 0xB004 (old QEMU, Bochs). A write with SLP_EN set and
//! sleep type 0, the value 0x2000, switches the machine off.
//!
//! Source: ACPI specification, "PM1 Control Registers"; QEMU `hw/acpi/core.c`.

use paravane_cpu::AccessWidth;

use super::super::device::{Device, PortRange, Request};
use crate::inspection::Inspection;

const SLEEP_TYPE: u16 = 0b111 << 10;
/// Write-only: reads as 0.
const SLEEP_ENABLE: u16 = 1 << 13;
/// Sleep type of S5 (soft off) in QEMU.
const SOFT_OFF: u16 = 0;

/// The PM1a control register.
#[derive(Clone, Debug, Default)]
pub struct PowerManagement {
    control: u16,
    request: Option<Request>,
}

impl PowerManagement {
    /// The machine is on.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Device for PowerManagement {
    fn name(&self) -> &'static str {
        "power management"
    }

    fn ports(&self) -> &'static [PortRange] {
        const WIDTH: AccessWidth = AccessWidth::Word;
        &[
            PortRange { first: 0x604, count: 2, width: WIDTH },
            PortRange { first: 0xB004, count: 2, width: WIDTH },
        ]
    }

    fn read_port(&mut self, _now: u64, offset: u16, _width: AccessWidth) -> u32 {
        u32::from(self.control >> (8 * (offset & 1)))
    }

    fn write_port(&mut self, _now: u64, offset: u16, width: AccessWidth, value: u32) {
        let value = value as u16;
        let written = match (width, offset & 1) {
            (AccessWidth::Byte, 0) => self.control & 0xFF00 | value,
            (AccessWidth::Byte, _) => self.control & 0x00FF | value << 8,
            _ => value,
        };
        self.control = written & !SLEEP_ENABLE;
        if written & SLEEP_ENABLE != 0 && (written & SLEEP_TYPE) >> 10 == SOFT_OFF {
            self.request = Some(Request::PowerOff);
        }
    }

    fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    fn reset(&mut self, _now: u64) {
        *self = Self::new();
    }

    fn inspect(&self) -> Inspection {
        Inspection::new().hex("PM1a control", self.control)
    }
}
