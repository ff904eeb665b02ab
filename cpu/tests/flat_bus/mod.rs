//! A board without devices, for tests of the CPU alone.

use std::collections::VecDeque;

use paravane_cpu::{AccessWidth, Bus};

/// Ports read what the test has queued, else all ones; writes are noted.
#[derive(Clone, Default)]
pub struct FlatBus {
    /// Answers to port reads, first in, first out.
    pub port_values: VecDeque<u32>,
    /// Port writes: port, value.
    pub port_writes: Vec<(u16, u32)>,
    /// Writes to device memory: address, value.
    pub memory_writes: Vec<(u64, u64)>,
    /// Vector of an interrupt that is requested until it is acknowledged.
    pub interrupt: Option<u8>,
    /// A pending NMI.
    pub nmi: bool,
}

impl Bus for FlatBus {
    fn read_port(&mut self, _: u64, _: u16, width: AccessWidth) -> u32 {
        self.port_values.pop_front().unwrap_or(u32::MAX) & width.mask() as u32
    }

    fn write_port(&mut self, _: u64, port: u16, _: AccessWidth, value: u32) {
        self.port_writes.push((port, value));
    }

    fn read_memory(&mut self, _: u64, _: u64, width: AccessWidth) -> u64 {
        width.mask()
    }

    fn write_memory(&mut self, _: u64, address: u64, _: AccessWidth, value: u64) {
        self.memory_writes.push((address, value));
    }

    fn interrupt_requested(&self) -> bool {
        self.interrupt.is_some()
    }

    fn acknowledge_interrupt(&mut self, _: u64) -> u8 {
        self.interrupt.take().unwrap_or(0xff)
    }

    fn take_nmi(&mut self) -> bool {
        std::mem::take(&mut self.nmi)
    }

    fn next_event(&self) -> u64 {
        u64::MAX
    }

    fn advance(&mut self, _: u64) {}

    fn wants_attention(&self) -> bool {
        false
    }
}
