//! The board as the two CPUs of a virtual machine see it.

use paravane_cpu::{AccessWidth, Bus};

use crate::board::Board;

/// What the real CPU sees while it runs a guest: time and interrupts. It has no ports and no
/// device memory in reach.
pub struct RealBus<'a> {
    pub board: &'a mut Board,
    /// The guest was stopped for the pending interrupt already, and does not take it yet.
    pub interrupts_hidden: bool,
    /// An NMI arrived: the virtual CPU gets it.
    pub nmi: &'a mut bool,
}

impl Bus for RealBus<'_> {
    fn read_port(&mut self, _: u64, _: u16, width: AccessWidth) -> u32 {
        width.mask() as u32
    }

    fn write_port(&mut self, _: u64, _: u16, _: AccessWidth, _: u32) {}

    fn read_memory(&mut self, _: u64, _: u64, width: AccessWidth) -> u64 {
        width.mask()
    }

    fn write_memory(&mut self, _: u64, _: u64, _: AccessWidth, _: u64) {}

    fn interrupt_requested(&self) -> bool {
        !self.interrupts_hidden && self.board.interrupt_requested()
    }

    fn acknowledge_interrupt(&mut self, now: u64) -> u8 {
        self.board.acknowledge_interrupt(now)
    }

    fn take_nmi(&mut self) -> bool {
        let arrived = self.board.take_nmi();
        *self.nmi |= arrived;
        arrived
    }

    fn next_event(&self) -> u64 {
        self.board.next_event()
    }

    fn advance(&mut self, now: u64) {
        self.board.advance(now);
    }

    fn wants_attention(&self) -> bool {
        self.board.wants_attention()
    }
}

/// What the virtual CPU sees: the board that the guest believes its own.
pub struct VirtualBus<'a> {
    pub board: &'a mut Board,
    pub nmi: &'a mut bool,
}

impl Bus for VirtualBus<'_> {
    fn read_port(&mut self, now: u64, port: u16, width: AccessWidth) -> u32 {
        self.board.read_port(now, port, width)
    }

    fn write_port(&mut self, now: u64, port: u16, width: AccessWidth, value: u32) {
        self.board.write_port(now, port, width, value);
    }

    fn read_memory(&mut self, now: u64, address: u64, width: AccessWidth) -> u64 {
        self.board.read_memory(now, address, width)
    }

    fn write_memory(&mut self, now: u64, address: u64, width: AccessWidth, value: u64) {
        self.board.write_memory(now, address, width, value);
    }

    fn interrupt_requested(&self) -> bool {
        self.board.interrupt_requested()
    }

    fn acknowledge_interrupt(&mut self, now: u64) -> u8 {
        self.board.acknowledge_interrupt(now)
    }

    fn take_nmi(&mut self) -> bool {
        std::mem::take(self.nmi) || self.board.take_nmi()
    }

    fn next_event(&self) -> u64 {
        self.board.next_event()
    }

    fn advance(&mut self, now: u64) {
        self.board.advance(now);
    }

    fn wants_attention(&self) -> bool {
        self.board.wants_attention()
    }
}
