//! A board on a bench: ports in one line, and time that passes when told to.

use paravane_core::board::Board;
use paravane_core::board::clock::{CYCLES_PER_SECOND, Oscillator};
use paravane_cpu::{AccessWidth, Bus};

/// The board with its own idea of now.
#[derive(Clone)]
pub struct Bench {
    pub board: Board,
    pub now: u64,
}

impl Bench {
    /// A board with 128 MiB of RAM.
    pub fn new() -> Self {
        Self { board: Board::new(128 << 20), now: 0 }
    }

    /// With both interrupt controllers programmed as Linux does: vectors 0x20 and 0x28, nothing
    /// masked.
    pub fn with_interrupts() -> Self {
        let mut bench = Self::new();
        for (command, base, cascade) in [(0x20, 0x20, 4), (0xA0, 0x28, 2)] {
            bench.write(command, 0x11);
            for byte in [base, cascade, 0x01, 0x00] {
                bench.write(command + 1, byte);
            }
        }
        bench
    }

    pub fn read(&mut self, port: u16) -> u8 {
        self.board.read_port(self.now, port, AccessWidth::Byte) as u8
    }

    pub fn write(&mut self, port: u16, value: u8) {
        self.board.write_port(self.now, port, AccessWidth::Byte, value.into());
    }

    /// Lets guest time pass in one leap.
    pub fn pass(&mut self, cycles: u64) {
        self.now += cycles;
        self.board.advance(self.now);
    }

    pub fn pass_microseconds(&mut self, microseconds: u64) {
        self.pass(microseconds * (CYCLES_PER_SECOND / 1_000_000));
    }

    /// Lets time pass up to the first cycle of a tick of the interval timer.
    pub fn pass_to_tick(&mut self, tick: u64) {
        let cycle = Oscillator::INTERVAL_TIMER.cycle_of(tick);
        self.pass(cycle - self.now);
    }

    /// Lets time pass from event to event, as the CPU does, and counts the interrupts that it
    /// acknowledges and ends on the way.
    pub fn count_interrupts(&mut self, cycles: u64, vector: u8) -> u64 {
        let end = self.now + cycles;
        let mut count = 0;
        while self.board.next_event() <= end {
            self.now = self.now.max(self.board.next_event());
            self.board.advance(self.now);
            while self.board.interrupt_requested() {
                let acknowledged = self.board.acknowledge_interrupt(self.now);
                if acknowledged == vector {
                    count += 1;
                }
                if acknowledged >= 0x28 {
                    self.write(0xA0, 0x20);
                }
                self.write(0x20, 0x20);
                if acknowledged == 0x28 {
                    self.write(0x70, 0x0C);
                    self.read(0x71);
                }
            }
        }
        self.now = end;
        self.board.advance(end);
        count
    }

    /// The vector that the CPU would take now.
    pub fn take_interrupt(&mut self) -> Option<u8> {
        self.board.interrupt_requested().then(|| self.board.acknowledge_interrupt(self.now))
    }
}
