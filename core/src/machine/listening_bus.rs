//! A bus that hears what passes: the board, and a note of every port access.

use paravane_cpu::{AccessWidth, Bus};

use crate::board::Board;

/// One access to an I/O port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortAccess {
    /// The port.
    pub port: u16,
    /// Its width.
    pub width: AccessWidth,
    /// The value read or written.
    pub value: u32,
    /// Whether it was written.
    pub write: bool,
}

/// The board with an ear at its ports.
pub(super) struct ListeningBus<'a> {
    pub board: &'a mut Board,
    pub accesses: &'a mut Vec<PortAccess>,
}

impl Bus for ListeningBus<'_> {
    fn read_port(&mut self, now: u64, port: u16, width: AccessWidth) -> u32 {
        let value = self.board.read_port(now, port, width);
        self.accesses.push(PortAccess { port, width, value, write: false });
        value
    }

    fn write_port(&mut self, now: u64, port: u16, width: AccessWidth, value: u32) {
        self.board.write_port(now, port, width, value);
        self.accesses.push(PortAccess { port, width, value, write: true });
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
        self.board.take_nmi()
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
