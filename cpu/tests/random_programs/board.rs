//! A board whose answers and interrupts follow from a seed and from guest time alone.

use paravane_cpu::{AccessWidth, Bus};
use paravane_host_referee::random::Random;

/// The board.
#[derive(Clone, Debug)]
pub struct Board {
    random: Random,
    /// When the next device event is due.
    next_event: u64,
    /// Mean distance of events in cycles; 0 for none.
    period: u64,
    interrupt: Option<u8>,
    nmi: bool,
}

impl Board {
    /// A board with an event every `period` cycles or so, or with none.
    pub fn new(seed: u64, period: u64) -> Self {
        let mut board =
            Self { random: Random::new(seed), next_event: 0, period, interrupt: None, nmi: false };
        board.schedule();
        board
    }

    fn schedule(&mut self) {
        self.next_event = match self.period {
            0 => u64::MAX,
            period => self.next_event + 1 + self.random.below(2 * period),
        };
    }

    /// What the test compares: everything that devices have seen shows in the next answer.
    pub fn fingerprint(&self) -> (u64, u64, Option<u8>, bool) {
        (self.random.clone().next(), self.next_event, self.interrupt, self.nmi)
    }
}

impl Bus for Board {
    fn read_port(&mut self, now: u64, port: u16, width: AccessWidth) -> u32 {
        let answer = self.random.next() ^ now ^ u64::from(port);
        (answer & width.mask()) as u32
    }

    fn write_port(&mut self, now: u64, port: u16, _: AccessWidth, value: u32) {
        self.mix(now ^ u64::from(value) << 32 ^ u64::from(port) << 16);
    }

    fn read_memory(&mut self, now: u64, address: u64, width: AccessWidth) -> u64 {
        (self.random.next() ^ now ^ address) & width.mask()
    }

    fn write_memory(&mut self, now: u64, address: u64, _: AccessWidth, value: u64) {
        self.mix(now ^ address << 16 ^ value);
    }

    fn interrupt_requested(&self) -> bool {
        self.interrupt.is_some()
    }

    fn acknowledge_interrupt(&mut self, now: u64) -> u8 {
        self.mix(now);
        self.interrupt.take().unwrap_or(0xff)
    }

    fn take_nmi(&mut self) -> bool {
        std::mem::take(&mut self.nmi)
    }

    fn next_event(&self) -> u64 {
        self.next_event
    }

    fn advance(&mut self, now: u64) {
        while self.next_event <= now {
            if self.random.one_in(8) {
                self.nmi = true;
            } else {
                self.interrupt = Some(0x20 | self.random.next() as u8);
            }
            self.schedule();
        }
    }

    fn wants_attention(&self) -> bool {
        false
    }
}

impl Board {
    /// Lets a device remember what it was told.
    fn mix(&mut self, told: u64) {
        let seed = self.random.next() ^ told.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.random = Random::new(seed);
    }
}
