//! The MC146818 real-time clock with 128 bytes of CMOS RAM: ports 0x70 and 0x71, line 8.
//!
//! It shows guest time, never the host's: cycle 0 is Monday, 2024-01-01 00:00:00. The RAM tells
//! the memory size as a PC's firmware does, and bit 7 of port 0x70 masks NMI.
//!
//! Source: Motorola MC146818A datasheet; CMOS layout: IBM PS/2 Technical Reference, QEMU's SeaBIOS.

mod calendar;

use paravane_cpu::AccessWidth;

use super::super::clock::Oscillator;
use super::super::device::{Device, InterruptPin, PortRange};
use crate::inspection::Inspection;
use calendar::DateTime;

const INTERRUPT_LINE: u8 = 8;
const NMI_MASK: u8 = 1 << 7;

/// Crystal ticks in a second.
const SECOND: u64 = 32_768;
/// The update cycle: announced by UIP for 244 µs, then 1984 µs long.
const UPDATE: u64 = 8 + 65;
/// How often an alarm can match within a day: no need to look further.
const SECONDS_PER_DAY: u64 = 86_400;

const REGISTER_A: usize = 0x0A;
const REGISTER_B: usize = 0x0B;
const REGISTER_C: usize = 0x0C;
const REGISTER_D: usize = 0x0D;

/// Register A: an update of the time is in progress or about to start.
const UPDATE_IN_PROGRESS: u8 = 1 << 7;
/// Register B: the program sets the time, updates are off.
const SET: u8 = 1 << 7;
/// Registers B (enable) and C (flag): periodic, alarm, update-ended.
const PERIODIC: u8 = 1 << 6;
const ALARM: u8 = 1 << 5;
const UPDATE_ENDED: u8 = 1 << 4;
const INTERRUPTS: u8 = PERIODIC | ALARM | UPDATE_ENDED;
const SQUARE_WAVE: u8 = 1 << 3;
/// Register C: an enabled flag is set.
const INTERRUPT_REQUEST: u8 = 1 << 7;
/// Register D: the battery is good.
const VALID_RAM_AND_TIME: u8 = 1 << 7;

/// The clock and its RAM.
#[derive(Clone, Debug)]
pub struct RealTimeClock {
    /// What was written to port 0x70.
    index: u8,
    /// Registers 0 to 0x0D and the RAM above them.
    bytes: [u8; 128],
    /// Crystal tick up to which everything has happened.
    now: u64,
    /// Crystal tick at which the current second began.
    second_started: u64,
    /// Crystal tick at which the divider chain was released.
    chain_started: u64,
}

impl RealTimeClock {
    /// A clock on a board with `memory_size` bytes of RAM.
    pub fn new(memory_size: u64) -> Self {
        let mut bytes = [0; 128];
        bytes[REGISTER_A] = 0x26;
        bytes[REGISTER_B] = 0x02;
        bytes[REGISTER_D] = VALID_RAM_AND_TIME;
        DateTime::START.store(&mut bytes);
        describe_memory(&mut bytes, memory_size);
        Self { index: 0, bytes, now: 0, second_started: 0, chain_started: 0 }
    }

    /// Whether bit 7 of port 0x70 keeps NMI from the CPU.
    pub fn masks_nmi(&self) -> bool {
        self.index & NMI_MASK != 0
    }

    /// Divider control 010 is the only one that fits a crystal of 32 768 Hz; the others stop it.
    fn is_running(&self) -> bool {
        self.bytes[REGISTER_A] >> 4 & 7 == 0b010
    }

    fn is_set_mode(&self) -> bool {
        self.bytes[REGISTER_B] & SET != 0
    }

    /// Crystal ticks between two periodic interrupts: rate 3 is 8192 Hz, 15 is 2 Hz. Rates 1 and
    /// 2 repeat 8 and 9.
    fn period(&self) -> Option<u64> {
        match self.bytes[REGISTER_A] & 0xF {
            0 => None,
            rate @ (1 | 2) => Some(1 << (rate + 6)),
            rate => Some(1 << (rate - 1)),
        }
    }

    fn periods_at(&self, tick: u64) -> u64 {
        self.period().map_or(0, |period| tick.saturating_sub(self.chain_started) / period)
    }

    fn catch_up(&mut self, tick: u64) {
        let tick = tick.max(self.now);
        if self.is_running() {
            if self.periods_at(tick) > self.periods_at(self.now) {
                self.bytes[REGISTER_C] |= PERIODIC;
            }
            let seconds = tick.saturating_sub(self.second_started) / SECOND;
            self.second_started += seconds * SECOND;
            if seconds > 0 && !self.is_set_mode() {
                self.update(seconds);
            }
        }
        self.now = tick;
    }

    /// The update cycles of `seconds` seconds.
    fn update(&mut self, seconds: u64) {
        let before = DateTime::load(&self.bytes);
        for second in 1..=seconds.min(SECONDS_PER_DAY) {
            if self.bytes[REGISTER_C] & ALARM != 0 {
                break;
            }
            if before.matches_alarm(second, &self.bytes) {
                self.bytes[REGISTER_C] |= ALARM;
            }
        }
        before.after(seconds).store(&mut self.bytes);
        self.bytes[REGISTER_C] |= UPDATE_ENDED;
    }

    fn interrupt_requested(&self) -> bool {
        self.bytes[REGISTER_B] & self.bytes[REGISTER_C] & INTERRUPTS != 0
    }

    fn read(&mut self, index: usize) -> u8 {
        let value = self.bytes[index];
        match index {
            REGISTER_A if self.update_in_progress() => value | UPDATE_IN_PROGRESS,
            REGISTER_C => {
                self.bytes[REGISTER_C] = 0;
                let requested = self.bytes[REGISTER_B] & value & INTERRUPTS != 0;
                value | if requested { INTERRUPT_REQUEST } else { 0 }
            }
            _ => value,
        }
    }

    fn update_in_progress(&self) -> bool {
        let into_second = self.now.saturating_sub(self.second_started);
        self.is_running() && !self.is_set_mode() && into_second >= SECOND - UPDATE
    }

    fn write(&mut self, index: usize, value: u8) {
        match index {
            REGISTER_A => {
                let was_running = self.is_running();
                self.bytes[REGISTER_A] = value & !UPDATE_IN_PROGRESS;
                if self.is_running() && !was_running {
                    // The first update comes half a second after the divider is released.
                    self.chain_started = self.now;
                    self.second_started = self.now.saturating_sub(SECOND / 2);
                }
            }
            REGISTER_B if value & SET != 0 => self.bytes[REGISTER_B] = value & !UPDATE_ENDED,
            REGISTER_C | REGISTER_D => {}
            _ => self.bytes[index] = value,
        }
    }
}

/// The memory size where a PC's firmware keeps it, little-endian: base and extended memory in
/// KiB, memory above 16 MiB and above 4 GiB in units of 64 KiB; and the checksum.
fn describe_memory(bytes: &mut [u8; 128], memory_size: u64) {
    const MIB: u64 = 1 << 20;
    let base = (memory_size >> 10).min(640) as u16;
    let extended = (memory_size.saturating_sub(MIB) >> 10).min(0xFFFF) as u16;
    let below_4g = memory_size.min(4 << 30);
    let above_16m = (below_4g.saturating_sub(16 * MIB) >> 16).min(0xFFFF) as u16;
    let above_4g = (memory_size.saturating_sub(4 << 30) >> 16).min(0xFF_FFFF) as u32;
    for (at, value) in [(0x15, base), (0x17, extended), (0x30, extended), (0x34, above_16m)] {
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    bytes[0x5B..0x5E].copy_from_slice(&above_4g.to_le_bytes()[..3]);
    let checksum: u16 = bytes[0x10..0x2E].iter().map(|&byte| u16::from(byte)).sum();
    bytes[0x2E..0x30].copy_from_slice(&checksum.to_be_bytes());
}

fn tick(now: u64) -> u64 {
    Oscillator::REAL_TIME_CLOCK.ticks_at(now)
}

impl Device for RealTimeClock {
    fn name(&self) -> &'static str {
        "real-time clock (MC146818)"
    }

    fn ports(&self) -> &'static [PortRange] {
        const { &[PortRange::bytes(0x70, 2)] }
    }

    fn read_port(&mut self, now: u64, offset: u16, _width: AccessWidth) -> u32 {
        self.catch_up(tick(now));
        match offset {
            0 => 0xFF,
            _ => u32::from(self.read(usize::from(self.index & !NMI_MASK))),
        }
    }

    fn write_port(&mut self, now: u64, offset: u16, _width: AccessWidth, value: u32) {
        self.catch_up(tick(now));
        match offset {
            0 => self.index = value as u8,
            _ => self.write(usize::from(self.index & !NMI_MASK), value as u8),
        }
    }

    fn interrupt(&mut self) -> Option<InterruptPin> {
        let level = self.interrupt_requested();
        Some(InterruptPin { line: INTERRUPT_LINE, level, pulsed: false })
    }

    fn next_event(&self) -> u64 {
        if !self.is_running() || self.interrupt_requested() {
            return u64::MAX;
        }
        let enabled = self.bytes[REGISTER_B];
        let periodic = self.period().filter(|_| enabled & PERIODIC != 0).map(|period| {
            self.chain_started.saturating_add((self.periods_at(self.now) + 1) * period)
        });
        let wants_updates = enabled & (ALARM | UPDATE_ENDED) != 0 && !self.is_set_mode();
        let update = wants_updates.then_some(self.second_started + SECOND);
        let next = periodic.into_iter().chain(update).min();
        next.map_or(u64::MAX, |tick| Oscillator::REAL_TIME_CLOCK.cycle_of(tick))
    }

    fn advance(&mut self, now: u64) {
        self.catch_up(tick(now));
    }

    fn reset(&mut self, now: u64) {
        self.catch_up(tick(now));
        self.index = 0;
        self.bytes[REGISTER_B] &= !(INTERRUPTS | SQUARE_WAVE);
        self.bytes[REGISTER_C] = 0;
    }

    fn inspect(&self) -> Inspection {
        Inspection::new()
            .field("time", DateTime::load(&self.bytes))
            .hex("index", self.index & !NMI_MASK)
            .field("NMI masked", self.masks_nmi())
            .bits("register A", self.bytes[REGISTER_A])
            .bits("register B", self.bytes[REGISTER_B])
            .bits("register C", self.bytes[REGISTER_C])
    }
}
