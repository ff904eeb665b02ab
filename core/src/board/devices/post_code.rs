//! Port 0x80: the power-on self test code. On a PC it is a spare register of the DMA page chip,
//! so it reads back; POST cards show it, and programs write it to wait about a microsecond.

use paravane_cpu::AccessWidth;

use super::super::device::{Device, PortRange};
use crate::inspection::Inspection;

/// The last code that was written.
#[derive(Clone, Debug, Default)]
pub struct PostCode {
    code: u8,
    writes: u64,
}

impl PostCode {
    /// No code yet: 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last code that was written.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl Device for PostCode {
    fn name(&self) -> &'static str {
        "POST code"
    }

    fn ports(&self) -> &'static [PortRange] {
        const { &[PortRange::bytes(0x80, 1)] }
    }

    fn read_port(&mut self, _now: u64, _offset: u16, _width: AccessWidth) -> u32 {
        u32::from(self.code)
    }

    fn write_port(&mut self, _now: u64, _offset: u16, _width: AccessWidth, value: u32) {
        self.code = value as u8;
        self.writes = self.writes.saturating_add(1);
    }

    fn reset(&mut self, _now: u64) {
        *self = Self::new();
    }

    fn inspect(&self) -> Inspection {
        Inspection::new().hex("code", self.code).field("writes", self.writes)
    }
}
