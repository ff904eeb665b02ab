//! Port 0xF4: QEMU's isa-debug-exit (`-device isa-debug-exit,iobase=0xf4,iosize=4`). A write of
//! one, two or four bytes ends the run with that value.

use paravane_cpu::AccessWidth;

use super::super::device::{Device, PortRange, Request};
use crate::inspection::Inspection;

/// The exit port.
#[derive(Clone, Debug, Default)]
pub struct DebugExit {
    value: Option<u32>,
    request: Option<Request>,
}

impl DebugExit {
    /// The guest has not ended the run.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Device for DebugExit {
    fn name(&self) -> &'static str {
        "debug exit"
    }

    fn ports(&self) -> &'static [PortRange] {
        &[PortRange { first: 0xF4, count: 4, width: AccessWidth::Dword }]
    }

    fn read_port(&mut self, _now: u64, _offset: u16, _width: AccessWidth) -> u32 {
        0
    }

    fn write_port(&mut self, _now: u64, _offset: u16, _width: AccessWidth, value: u32) {
        self.value = Some(value);
        self.request = Some(Request::Exit(value));
    }

    fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    fn reset(&mut self, _now: u64) {
        *self = Self::new();
    }

    fn inspect(&self) -> Inspection {
        match self.value {
            Some(value) => Inspection::new().hex("value", value),
            None => Inspection::new().field("value", "none"),
        }
    }
}
