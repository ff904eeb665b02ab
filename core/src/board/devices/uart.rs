//! The 16550A UART as COM1: ports 0x3F8 to 0x3FF, interrupt line 4. The console of every guest.
//!
//! The transmitter takes no guest time: a byte written to THR has left at once, so that a guest
//! which polls LSR doesn't fill the ledger with waiting. The receiver does take time: a byte
//! arrives every character time, so trigger levels and the character timeout mean something. It
//! waits while the receiver FIFO is full, as if the line had hardware flow control.
//!
//! Source: National Semiconductor PC16550D datasheet. Left out: sending a break.

mod receiver;

use paravane_cpu::AccessWidth;

use super::super::clock::Oscillator;
use super::super::console::ConsoleOutput;
use super::super::device::{Device, InterruptPin, PortRange};
use crate::inspection::Inspection;
use receiver::Receiver;

const BASE: u16 = 0x3F8;
const INTERRUPT_LINE: u8 = 4;

/// Interrupt enable register: received data available, THR empty, line status, modem status.
const ENABLE_RECEIVED: u8 = 1 << 0;
const ENABLE_TRANSMITTER_EMPTY: u8 = 1 << 1;
const ENABLE_LINE_STATUS: u8 = 1 << 2;
const ENABLE_MODEM_STATUS: u8 = 1 << 3;

const DIVISOR_LATCH: u8 = 1 << 7;

/// Modem control register.
const OUT_2: u8 = 1 << 3;
const LOOPBACK: u8 = 1 << 4;

/// Line status register: THR and the shift register are empty.
const TRANSMITTER_EMPTY: u8 = 1 << 5 | 1 << 6;

/// Modem status lines of a terminal that is there: CTS, DSR and DCD.
const TERMINAL_PRESENT: u8 = 1 << 4 | 1 << 5 | 1 << 7;

const FIFO_ENABLE: u8 = 1 << 0;

/// The UART.
#[derive(Clone, Debug)]
pub struct Uart {
    interrupt_enable: u8,
    /// The FIFO control register, as written.
    fifo_control: u8,
    line_control: u8,
    modem_control: u8,
    /// The four delta bits of the modem status register.
    modem_changes: u8,
    scratch: u8,
    divisor: u16,
    /// The THR-empty interrupt: set when THR becomes empty, cleared by reading it in IIR.
    transmitter_empty_pending: bool,
    /// The interrupt pin was low while a byte left.
    pulsed: bool,
    receiver: Receiver,
    output: ConsoleOutput,
}

/// The pending interrupts in the order of their priority, as IIR names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    LineStatus = 0x06,
    ReceivedData = 0x04,
    CharacterTimeout = 0x0C,
    TransmitterEmpty = 0x02,
    ModemStatus = 0x00,
    None = 0x01,
}

impl Uart {
    /// COM1 as a PC's firmware leaves it: 9600 baud, 8 data bits, no parity, interrupts off.
    pub fn new() -> Self {
        Self {
            interrupt_enable: 0,
            fifo_control: 0,
            line_control: 0b011,
            modem_control: 0,
            modem_changes: 0,
            scratch: 0,
            divisor: 12,
            transmitter_empty_pending: false,
            pulsed: false,
            receiver: Receiver::new(),
            output: ConsoleOutput::default(),
        }
    }

    /// Takes what the guest has sent since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.output.take()
    }

    /// Queues bytes for the guest to receive, and returns how many there was room for.
    pub fn queue_input(&mut self, now: u64, bytes: &[u8]) -> usize {
        self.receiver.queue(bit_time(now), bytes, self.character_time())
    }

    /// Bit times at divisor 1 that a character takes: start, data, parity and stop bits.
    fn character_time(&self) -> u64 {
        let data = 5 + u64::from(self.line_control & 0b11);
        let stop = 1 + u64::from(self.line_control >> 2 & 1);
        let parity = u64::from(self.line_control >> 3 & 1);
        (1 + data + parity + stop) * u64::from(self.divisor.max(1))
    }

    fn fifo_enabled(&self) -> bool {
        self.fifo_control & FIFO_ENABLE != 0
    }

    fn source(&self) -> Source {
        let enabled = |bit| self.interrupt_enable & bit != 0;
        if enabled(ENABLE_LINE_STATUS) && self.receiver.has_error() {
            Source::LineStatus
        } else if enabled(ENABLE_RECEIVED) && self.receiver.reached_trigger(self.fifo_control) {
            Source::ReceivedData
        } else if enabled(ENABLE_RECEIVED) && self.fifo_enabled() && self.receiver.timed_out() {
            Source::CharacterTimeout
        } else if enabled(ENABLE_TRANSMITTER_EMPTY) && self.transmitter_empty_pending {
            Source::TransmitterEmpty
        } else if enabled(ENABLE_MODEM_STATUS) && self.modem_changes != 0 {
            Source::ModemStatus
        } else {
            Source::None
        }
    }

    /// The interrupt pin. OUT2 connects it to the board; loopback forces OUT2 off.
    fn level(&self) -> bool {
        self.modem_control & (OUT_2 | LOOPBACK) == OUT_2 && self.source() != Source::None
    }

    /// CTS, DSR, RI and DCD. Loopback wires them to RTS, DTR, OUT1 and OUT2.
    fn modem_lines(&self) -> u8 {
        if self.modem_control & LOOPBACK == 0 {
            return TERMINAL_PRESENT;
        }
        let control = self.modem_control;
        (control >> 1 & 1) << 4 | (control & 1) << 5 | (control & 0b1100) << 4
    }

    fn write_modem_control(&mut self, value: u8) {
        let before = self.modem_lines();
        self.modem_control = value & 0x1F;
        let after = self.modem_lines();
        // Of the ring indicator, only the falling edge counts.
        let changed = (before ^ after) & !(after & 1 << 6);
        self.modem_changes |= changed >> 4;
    }

    fn transmit(&mut self, now: u64, byte: u8) {
        // THR fills, which takes the interrupt back, and is empty again at once.
        self.transmitter_empty_pending = false;
        let fell = !self.level();
        self.transmitter_empty_pending = true;
        self.pulsed |= fell && self.level();

        let byte = byte & (0xFF >> (3 - (self.line_control & 0b11)));
        if self.modem_control & LOOPBACK != 0 {
            let timeout = bit_time(now).saturating_add(4 * self.character_time());
            self.receiver.push(byte, self.fifo_enabled(), timeout);
        } else {
            self.output.push(byte);
        }
    }

    fn write_interrupt_enable(&mut self, value: u8) {
        let newly = value & !self.interrupt_enable;
        self.interrupt_enable = value & 0x0F;
        // THR is empty, which is news to a guest that has just asked.
        if newly & ENABLE_TRANSMITTER_EMPTY != 0 {
            self.transmitter_empty_pending = true;
        }
    }

    fn write_fifo_control(&mut self, now: u64, value: u8) {
        let toggled = (value ^ self.fifo_control) & FIFO_ENABLE != 0;
        if toggled || value & FIFO_ENABLE != 0 && value & 1 << 1 != 0 {
            self.receiver.clear(bit_time(now), self.character_time());
        }
        // The other bits count only together with the enable bit.
        self.fifo_control = if value & FIFO_ENABLE != 0 { value & 0xC9 } else { 0 };
    }

    fn read_interrupt_identification(&mut self) -> u8 {
        let source = self.source();
        if source == Source::TransmitterEmpty {
            self.transmitter_empty_pending = false;
        }
        source as u8 | if self.fifo_enabled() { 0xC0 } else { 0 }
    }
}

impl Default for Uart {
    fn default() -> Self {
        Self::new()
    }
}

fn bit_time(now: u64) -> u64 {
    Oscillator::SERIAL_BIT.ticks_at(now)
}

impl Device for Uart {
    fn name(&self) -> &'static str {
        "COM1 (16550A)"
    }

    fn ports(&self) -> &'static [PortRange] {
        const { &[PortRange::bytes(BASE, 8)] }
    }

    fn read_port(&mut self, now: u64, offset: u16, _width: AccessWidth) -> u32 {
        self.advance(now);
        let latch = self.line_control & DIVISOR_LATCH != 0;
        let [divisor_low, divisor_high] = self.divisor.to_le_bytes();
        let value = match offset {
            0 if latch => divisor_low,
            0 => self.receiver.pop(bit_time(now), self.character_time(), self.fifo_enabled()),
            1 if latch => divisor_high,
            1 => self.interrupt_enable,
            2 => self.read_interrupt_identification(),
            3 => self.line_control,
            4 => self.modem_control,
            5 => self.receiver.take_status() | TRANSMITTER_EMPTY,
            6 => self.modem_lines() | std::mem::take(&mut self.modem_changes),
            _ => self.scratch,
        };
        u32::from(value)
    }

    fn write_port(&mut self, now: u64, offset: u16, _width: AccessWidth, value: u32) {
        self.advance(now);
        let value = value as u8;
        let latch = self.line_control & DIVISOR_LATCH != 0;
        match offset {
            0 if latch => self.divisor = self.divisor & 0xFF00 | u16::from(value),
            0 => self.transmit(now, value),
            1 if latch => self.divisor = self.divisor & 0x00FF | u16::from(value) << 8,
            1 => self.write_interrupt_enable(value),
            2 => self.write_fifo_control(now, value),
            3 => self.line_control = value,
            4 => self.write_modem_control(value),
            7 => self.scratch = value,
            // The line and modem status registers are for factory tests when written.
            _ => {}
        }
    }

    fn interrupt(&mut self) -> Option<InterruptPin> {
        let level = self.level();
        let pulsed = std::mem::take(&mut self.pulsed) && level;
        Some(InterruptPin { line: INTERRUPT_LINE, level, pulsed })
    }

    fn next_event(&self) -> u64 {
        let next = self.receiver.next_event(self.fifo_enabled());
        next.map_or(u64::MAX, |bit| Oscillator::SERIAL_BIT.cycle_of(bit))
    }

    fn advance(&mut self, now: u64) {
        self.receiver.advance(bit_time(now), self.character_time(), self.fifo_enabled());
    }

    fn reset(&mut self, _now: u64) {
        *self = Self { output: std::mem::take(&mut self.output), ..Self::new() };
    }

    fn inspect(&self) -> Inspection {
        Inspection::new()
            .field("baud rate", 115_200 / u32::from(self.divisor.max(1)))
            .bits("interrupt enable", self.interrupt_enable)
            .field("pending interrupt", format!("{:?}", self.source()))
            .bits("line control", self.line_control)
            .bits("modem control", self.modem_control)
            .bits("modem status", self.modem_lines() | self.modem_changes)
            .field("FIFOs", if self.fifo_enabled() { "on" } else { "off" })
            .field("received and not read", self.receiver.waiting())
            .field("queued by the host", self.receiver.queued())
            .field("bytes sent", self.output.total())
            .field("bytes dropped", self.output.dropped())
    }
}
