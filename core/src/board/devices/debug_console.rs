//! Port 0xE9: the debug console of Bochs and QEMU. A byte written is a byte printed; the port
//! reads as 0xE9, which tells a guest that the console exists.

use paravane_cpu::AccessWidth;

use super::super::console::ConsoleOutput;
use super::super::device::{Device, PortRange};
use crate::inspection::Inspection;

const PORT: u16 = 0xE9;

/// The debug console.
#[derive(Clone, Debug, Default)]
pub struct DebugConsole {
    output: ConsoleOutput,
}

impl DebugConsole {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what the guest has written since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.output.take()
    }
}

impl Device for DebugConsole {
    fn name(&self) -> &'static str {
        "debug console"
    }

    fn ports(&self) -> &'static [PortRange] {
        const { &[PortRange::bytes(PORT, 1)] }
    }

    fn read_port(&mut self, _now: u64, _offset: u16, _width: AccessWidth) -> u32 {
        u32::from(PORT)
    }

    fn write_port(&mut self, _now: u64, _offset: u16, _width: AccessWidth, value: u32) {
        self.output.push(value as u8);
    }

    fn reset(&mut self, _now: u64) {}

    fn inspect(&self) -> Inspection {
        Inspection::new()
            .field("bytes written", self.output.total())
            .field("bytes dropped", self.output.dropped())
    }
}
