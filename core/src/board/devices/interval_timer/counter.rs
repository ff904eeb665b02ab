//! One counter of the 8254, in closed form: nothing counts down, but the tick at which the
//! counting element was loaded is kept, and value and output follow from the ticks since then.

use crate::inspection::Inspection;

/// The longest count: 0 written means 2^16, or 10^4 in BCD.
const BINARY_ROUND: i64 = 0x1_0000;
const DECIMAL_ROUND: i64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Mode 0: the output rises when the count ends.
    InterruptOnTerminalCount,
    /// Mode 1: the gate's edge starts a low pulse.
    OneShot,
    /// Mode 2: one low tick in every period.
    RateGenerator,
    /// Mode 3: half a period high, half a period low.
    SquareWave,
    /// Mode 4: one low tick when the count ends.
    SoftwareStrobe,
    /// Mode 5: one low tick when a count that the gate's edge started ends.
    HardwareStrobe,
}

impl Mode {
    /// Bits 3 to 1 of a control word; bit 3 means nothing in modes 2 and 3.
    fn of(control: u8) -> Self {
        match control >> 1 & 7 {
            0 => Self::InterruptOnTerminalCount,
            1 => Self::OneShot,
            2 | 6 => Self::RateGenerator,
            3 | 7 => Self::SquareWave,
            4 => Self::SoftwareStrobe,
            _ => Self::HardwareStrobe,
        }
    }

    fn is_periodic(self) -> bool {
        matches!(self, Self::RateGenerator | Self::SquareWave)
    }

    fn starts_at_gate(self) -> bool {
        matches!(self, Self::OneShot | Self::HardwareStrobe)
    }
}

/// The counting element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// Waits for a count or for a trigger.
    Empty,
    /// Was loaded with `from` at tick `loaded`, which may be the next one.
    Counting { loaded: i64, from: i64 },
    /// The gate stopped it `elapsed` ticks after it was loaded.
    Stopped { elapsed: i64, from: i64 },
}

/// One counter. Ticks are those of [`super::Oscillator::INTERVAL_TIMER`].
#[derive(Clone, Debug)]
pub struct Counter {
    /// The low six bits of the control word.
    control: u8,
    mode: Mode,
    gate: bool,
    element: Element,
    /// The count register: 1 to 65536; `None` since the control word.
    count: Option<i64>,
    /// The tick at which a periodic mode takes a count that was written meanwhile.
    reload_at: Option<i64>,
    /// The first of the two bytes of a count that is being written.
    low_byte: Option<u8>,
    read_high_byte: bool,
    latched_count: Option<u16>,
    latched_status: Option<u8>,
    /// The tick up to which edges were looked for.
    now: i64,
    rose: bool,
}

impl Counter {
    /// A counter without a count.
    pub fn new(gate: bool) -> Self {
        Self {
            control: 0,
            mode: Mode::InterruptOnTerminalCount,
            gate,
            element: Element::Empty,
            count: None,
            reload_at: None,
            low_byte: None,
            read_high_byte: false,
            latched_count: None,
            latched_status: None,
            now: 0,
            rose: false,
        }
    }

    /// Moves to `tick`, and notes whether the output rose on the way.
    pub fn advance(&mut self, tick: u64) {
        let tick = i64::try_from(tick).unwrap_or(i64::MAX).max(self.now);
        if let (Some(at), Some(count)) = (self.reload_at, self.count)
            && at <= tick
        {
            self.note_edges(at);
            if let Element::Counting { loaded, from } = self.element {
                let at_half = self.mode == Mode::SquareWave && (at - loaded) % from != 0;
                let loaded = if at_half { at - high_ticks(count) } else { at };
                self.element = Element::Counting { loaded, from: count };
            }
            self.reload_at = None;
        }
        self.note_edges(tick);
    }

    fn note_edges(&mut self, tick: i64) {
        if let Element::Counting { loaded, from } = self.element {
            let before = (self.now - loaded).max(0);
            let after = (tick - loaded).max(0);
            self.rose |= match self.mode {
                Mode::InterruptOnTerminalCount | Mode::OneShot => before < from && from <= after,
                Mode::RateGenerator | Mode::SquareWave => from > 1 && before / from < after / from,
                Mode::SoftwareStrobe | Mode::HardwareStrobe => before <= from && from < after,
            };
        }
        self.now = tick;
    }

    /// Whether the output rose since the last call.
    pub fn take_rise(&mut self) -> bool {
        std::mem::take(&mut self.rose)
    }

    /// Ticks since the counting element was loaded (negative before), and its initial value.
    fn progress(&self) -> Option<(i64, i64)> {
        match self.element {
            Element::Empty => None,
            Element::Counting { loaded, from } => Some((self.now - loaded, from)),
            Element::Stopped { elapsed, from } => Some((elapsed, from)),
        }
    }

    /// The output pin.
    pub fn output(&self) -> bool {
        let Some((elapsed, from)) = self.progress() else {
            return self.mode != Mode::InterruptOnTerminalCount;
        };
        match self.mode {
            Mode::InterruptOnTerminalCount => elapsed >= from,
            _ if elapsed < 0 => true,
            Mode::OneShot => elapsed >= from,
            Mode::RateGenerator => !self.gate || elapsed % from != from - 1,
            Mode::SquareWave => !self.gate || elapsed % from < high_ticks(from),
            Mode::SoftwareStrobe | Mode::HardwareStrobe => elapsed != from,
        }
    }

    /// The tick of the next edge that an edge detector could miss, or of the next reload.
    /// The low tick of mode 2 is not worth an event of its own: only its end is.
    pub fn next_edge(&self) -> Option<u64> {
        let Element::Counting { loaded, from } = self.element else { return None };
        let elapsed = (self.now - loaded).max(0);
        let period = elapsed - elapsed % from;
        let edges = match self.mode {
            Mode::InterruptOnTerminalCount | Mode::OneShot => [from, from],
            Mode::SoftwareStrobe | Mode::HardwareStrobe => [from, from + 1],
            Mode::RateGenerator => [period + from, period + from],
            Mode::SquareWave => [period + high_ticks(from), period + from],
        };
        let edges = edges.into_iter().map(|edge| loaded.saturating_add(edge));
        let next = edges.chain(self.reload_at).filter(|&tick| tick > self.now).min()?;
        u64::try_from(next).ok()
    }

    /// A control word, whose select bits chose this counter. Access bits 0 latch the count.
    pub fn write_control(&mut self, control: u8) {
        if control >> 4 & 0b11 == 0 {
            self.latch_count();
            return;
        }
        *self = Self {
            now: self.now,
            control: control & 0x3F,
            mode: Mode::of(control),
            ..Self::new(self.gate)
        };
    }

    /// The read-back command: latches the count, the status, or both. A latch that is full stays.
    pub fn read_back(&mut self, tick: u64, count: bool, status: bool) {
        self.advance(tick);
        if count {
            self.latch_count();
        }
        if status && self.latched_status.is_none() {
            self.latched_status = Some(self.status());
        }
    }

    fn latch_count(&mut self) {
        if self.latched_count.is_none() {
            self.latched_count = Some(self.value());
        }
    }

    /// ```text
    ///   7      6       5..4     3..1    0
    /// output  null    access    mode   BCD
    ///         count
    /// ```
    fn status(&self) -> u8 {
        let not_yet_loaded = match self.element {
            Element::Empty => true,
            _ => {
                self.reload_at.is_some() || self.progress().is_some_and(|(elapsed, _)| elapsed < 0)
            }
        };
        self.control | u8::from(not_yet_loaded) << 6 | u8::from(self.output()) << 7
    }

    fn round(&self) -> i64 {
        if self.control & 1 != 0 { DECIMAL_ROUND } else { BINARY_ROUND }
    }

    /// What the counter port reads: the value of the counting element, in its number system.
    fn value(&self) -> u16 {
        let Some((elapsed, from)) = self.progress() else {
            return self.encode(self.count.unwrap_or(0));
        };
        let elapsed = elapsed.max(0);
        let value = match self.mode {
            Mode::RateGenerator => from - elapsed % from,
            Mode::SquareWave => {
                // Counts by two, from an even number, once for each half of the period.
                let phase = elapsed % from;
                let high = high_ticks(from);
                (from & !1) - 2 * if phase < high { phase } else { phase - high }
            }
            _ => (from - elapsed).rem_euclid(self.round()),
        };
        self.encode(value)
    }

    fn encode(&self, value: i64) -> u16 {
        let value = value % self.round();
        if self.control & 1 == 0 {
            return value as u16;
        }
        (0..4).fold(0, |bcd, digit| bcd | ((value / 10_i64.pow(digit) % 10) as u16) << (4 * digit))
    }

    fn decode(&self, written: u16) -> i64 {
        let value = if self.control & 1 == 0 {
            i64::from(written)
        } else {
            (0..4).fold(0, |sum, digit| {
                sum + i64::from(written >> (4 * digit) & 0xF) * 10_i64.pow(digit)
            })
        };
        if value == 0 { self.round() } else { value }
    }

    /// Reads one byte: the latched status, the latched count, or the count as it is.
    pub fn read(&mut self, tick: u64) -> u8 {
        self.advance(tick);
        if let Some(status) = self.latched_status.take() {
            return status;
        }
        let [low, high] = self.latched_count.unwrap_or_else(|| self.value()).to_le_bytes();
        let access = self.control >> 4 & 0b11;
        let is_last = access != 0b11 || self.read_high_byte;
        let byte = match access {
            0b01 => low,
            0b10 => high,
            _ if self.read_high_byte => high,
            _ => low,
        };
        self.read_high_byte = !is_last;
        if is_last {
            self.latched_count = None;
        }
        byte
    }

    /// Writes one byte of the count.
    pub fn write(&mut self, tick: u64, byte: u8) {
        self.advance(tick);
        let written = match (self.control >> 4 & 0b11, self.low_byte.take()) {
            (0b01, _) => u16::from(byte),
            (0b10, _) => u16::from(byte) << 8,
            (_, Some(low)) => u16::from_le_bytes([low, byte]),
            (_, None) => {
                self.low_byte = Some(byte);
                if self.mode == Mode::InterruptOnTerminalCount {
                    self.element = Element::Empty;
                }
                return;
            }
        };
        self.set_count(self.decode(written));
    }

    fn set_count(&mut self, count: i64) {
        self.count = Some(count);
        match self.element {
            _ if self.mode.starts_at_gate() => {}
            Element::Counting { loaded, from } if self.mode.is_periodic() => {
                let elapsed = self.now - loaded;
                let period = elapsed.max(0) - elapsed.max(0) % from;
                let half = loaded + period + high_ticks(from);
                let at_half = self.mode == Mode::SquareWave && half > self.now;
                self.reload_at = Some(if at_half { half } else { loaded + period + from });
            }
            _ if self.gate => self.load(count),
            _ => self.element = Element::Stopped { elapsed: 0, from: count },
        }
    }

    /// The next tick loads the counting element.
    fn load(&mut self, count: i64) {
        self.element = Element::Counting { loaded: self.now.saturating_add(1), from: count };
        self.reload_at = None;
    }

    /// Sets the gate pin.
    pub fn set_gate(&mut self, tick: u64, high: bool) {
        self.advance(tick);
        if self.gate == high {
            return;
        }
        let was_low = !self.output();
        self.gate = high;
        match (high, self.element, self.count) {
            (true, _, Some(count)) if self.mode.starts_at_gate() => {
                self.load(count);
                if was_low {
                    // A one-shot that is triggered again stays low.
                    self.element = Element::Counting { loaded: self.now, from: count };
                }
            }
            (true, Element::Stopped { .. }, Some(count)) if self.mode.is_periodic() => {
                self.load(count)
            }
            (true, Element::Stopped { elapsed, from }, _) => {
                self.element = Element::Counting { loaded: self.now - elapsed, from };
            }
            (false, Element::Counting { loaded, from }, _) if !self.mode.starts_at_gate() => {
                self.element = Element::Stopped { elapsed: (self.now - loaded).max(0), from };
                self.reload_at = None;
            }
            _ => {}
        }
    }

    /// The state, for panels.
    pub fn inspect(&self) -> Inspection {
        Inspection::new()
            .field("mode", format!("{} ({:?})", self.control >> 1 & 7, self.mode))
            .field("count register", self.count.map_or("none".into(), |count| count.to_string()))
            .field("counting element", self.value())
            .field("gate", self.gate)
            .field("output", self.output())
    }
}

/// How long a square wave is high: the longer half of an odd period.
fn high_ticks(period: i64) -> i64 {
    (period + 1) / 2
}
