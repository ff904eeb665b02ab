//! The receiving half of the 16550A: the line, the FIFO or buffer register, and the timeout.
//! Times are in bit times at divisor 1 ([`super::Oscillator::SERIAL_BIT`]).

use std::collections::VecDeque;

/// Depth of the receiver FIFO in characters.
const FIFO_DEPTH: usize = 16;
/// How many bytes may wait on the line; more are refused.
const LINE_LIMIT: usize = 64 << 10;

const DATA_READY: u8 = 1 << 0;
const OVERRUN: u8 = 1 << 1;

/// The receiver.
#[derive(Clone, Debug)]
pub struct Receiver {
    fifo: VecDeque<u8>,
    line: VecDeque<u8>,
    overrun: bool,
    /// When the first byte on the line is complete. It stays on the line until there is room.
    arrives_at: u64,
    /// When the FIFO has waited for four character times.
    timeout_at: u64,
    timed_out: bool,
}

impl Receiver {
    /// Nothing received, nothing on the line.
    pub fn new() -> Self {
        Self {
            fifo: VecDeque::new(),
            line: VecDeque::new(),
            overrun: false,
            arrives_at: u64::MAX,
            timeout_at: u64::MAX,
            timed_out: false,
        }
    }

    /// Puts bytes on the line, and returns how many there was room for.
    pub fn queue(&mut self, now: u64, bytes: &[u8], character_time: u64) -> usize {
        let accepted = bytes.len().min(LINE_LIMIT - self.line.len());
        if self.line.is_empty() && accepted > 0 {
            self.arrives_at = now.saturating_add(character_time);
        }
        self.line.extend(bytes.iter().take(accepted));
        accepted
    }

    fn depth(fifo_enabled: bool) -> usize {
        if fifo_enabled { FIFO_DEPTH } else { 1 }
    }

    /// Lets characters arrive and the timeout pass. At most a FIFO full of work.
    pub fn advance(&mut self, now: u64, character_time: u64, fifo_enabled: bool) {
        while self.arrives_at <= now && self.fifo.len() < Self::depth(fifo_enabled) {
            let Some(byte) = self.line.pop_front() else { break };
            self.fifo.push_back(byte);
            self.timeout_at = self.arrives_at.saturating_add(4 * character_time);
            self.arrives_at = match self.line.is_empty() {
                true => u64::MAX,
                false => self.arrives_at.saturating_add(character_time),
            };
        }
        self.timed_out |= self.timeout_at <= now && !self.fifo.is_empty();
    }

    /// A character arrives at once, as in loopback. Without room it is lost: the FIFO keeps what
    /// it has, the single buffer register is overwritten.
    pub fn push(&mut self, byte: u8, fifo_enabled: bool, timeout_at: u64) {
        if self.fifo.len() >= Self::depth(fifo_enabled) {
            self.overrun = true;
            if fifo_enabled {
                return;
            }
            self.fifo.clear();
        }
        self.fifo.push_back(byte);
        self.timeout_at = timeout_at;
    }

    /// Reads RBR: the oldest character, or 0. Starts the timeout again.
    pub fn pop(&mut self, now: u64, character_time: u64, fifo_enabled: bool) -> u8 {
        let was_full = self.fifo.len() >= Self::depth(fifo_enabled);
        let byte = self.fifo.pop_front().unwrap_or(0);
        self.timed_out = false;
        self.timeout_at = match self.fifo.is_empty() {
            true => u64::MAX,
            false => now.saturating_add(4 * character_time),
        };
        self.resume_line(was_full, now, character_time);
        byte
    }

    /// Empties the FIFO.
    pub fn clear(&mut self, now: u64, character_time: u64) {
        self.fifo.clear();
        self.timed_out = false;
        self.timeout_at = u64::MAX;
        self.resume_line(true, now, character_time);
    }

    /// A sender that flow control has stopped takes a character time to send the next one.
    fn resume_line(&mut self, was_stopped: bool, now: u64, character_time: u64) {
        if was_stopped && !self.line.is_empty() && self.arrives_at <= now {
            self.arrives_at = now.saturating_add(character_time);
        }
    }

    /// Whether as many characters wait as bits 7 and 6 of the FIFO control register ask for.
    pub fn reached_trigger(&self, fifo_control: u8) -> bool {
        let trigger = match (fifo_control & super::FIFO_ENABLE, fifo_control >> 6) {
            (0, _) | (_, 0b00) => 1,
            (_, 0b01) => 4,
            (_, 0b10) => 8,
            _ => 14,
        };
        self.fifo.len() >= trigger
    }

    /// Whether characters wait that nobody has read for four character times.
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// Whether the line status register shows an error.
    pub fn has_error(&self) -> bool {
        self.overrun
    }

    /// The receiver's bits of the line status register. Reading them clears the errors.
    pub fn take_status(&mut self) -> u8 {
        let ready = if self.fifo.is_empty() { 0 } else { DATA_READY };
        ready | if std::mem::take(&mut self.overrun) { OVERRUN } else { 0 }
    }

    /// Characters that the guest can read now.
    pub fn waiting(&self) -> usize {
        self.fifo.len()
    }

    /// Characters on the line.
    pub fn queued(&self) -> usize {
        self.line.len()
    }

    /// When the next character arrives or the timeout passes.
    pub fn next_event(&self, fifo_enabled: bool) -> Option<u64> {
        let arrival = (self.fifo.len() < Self::depth(fifo_enabled)).then_some(self.arrives_at);
        let timeout = (!self.timed_out).then_some(self.timeout_at);
        arrival.into_iter().chain(timeout).filter(|&bit| bit != u64::MAX).min()
    }
}
