//! The 8254 programmable interval timer: three counters at 105/88 MHz (1.193 182 MHz).
//!
//! Counter 0 drives interrupt line 0, counter 1 once requested memory refresh, counter 2 drives
//! the speaker; only its gate can be changed, through port 0x61.
//!
//! Source: Intel 8254 datasheet (order number 231164).

mod counter;

use paravane_cpu::AccessWidth;

use super::super::clock::Oscillator;
use super::super::device::{Device, InterruptPin, PortRange};
use crate::inspection::Inspection;
use counter::Counter;

const CONTROL: u16 = 3;
const READ_BACK: u8 = 0b11;

/// The timer.
#[derive(Clone, Debug)]
pub struct IntervalTimer {
    counters: [Counter; 3],
}

impl IntervalTimer {
    /// The timer as a PC's firmware leaves it: counter 0 makes a square wave of 18.2 Hz,
    /// counter 1 a refresh request every 18 ticks, and the gate of counter 2 is low.
    pub fn new(now: u64) -> Self {
        let tick = tick(now);
        let mut timer =
            Self { counters: [Counter::new(true), Counter::new(true), Counter::new(false)] };
        timer.counters[0].write_control(0b0011_0110);
        timer.counters[1].write_control(0b0101_0100);
        timer.counters[2].write_control(0b1011_0110);
        timer.counters[0].write(tick, 0);
        timer.counters[0].write(tick, 0);
        timer.counters[1].write(tick, 18);
        timer
    }

    /// The output pin of counter 2.
    pub fn counter_2_output(&mut self, now: u64) -> bool {
        let [_, _, counter] = &mut self.counters;
        counter.advance(tick(now));
        counter.output()
    }

    /// Sets the gate pin of counter 2.
    pub fn set_counter_2_gate(&mut self, now: u64, high: bool) {
        let [_, _, counter] = &mut self.counters;
        counter.set_gate(tick(now), high);
    }

    /// Bits 7 and 6 select a counter, or the read-back command with its own three select bits.
    fn write_control(&mut self, tick: u64, control: u8) {
        let select = control >> 6;
        for (index, counter) in (0..).zip(&mut self.counters) {
            if select == READ_BACK {
                if control & 2 << index != 0 {
                    counter.read_back(tick, control & 1 << 5 == 0, control & 1 << 4 == 0);
                }
            } else if select == index {
                counter.advance(tick);
                counter.write_control(control);
            }
        }
    }
}

fn tick(now: u64) -> u64 {
    Oscillator::INTERVAL_TIMER.ticks_at(now)
}

impl Device for IntervalTimer {
    fn name(&self) -> &'static str {
        "interval timer (8254)"
    }

    fn ports(&self) -> &'static [PortRange] {
        const { &[PortRange::bytes(0x40, 4)] }
    }

    fn read_port(&mut self, now: u64, offset: u16, _width: AccessWidth) -> u32 {
        match self.counters.get_mut(usize::from(offset)) {
            Some(counter) => u32::from(counter.read(tick(now))),
            None => u32::MAX,
        }
    }

    fn write_port(&mut self, now: u64, offset: u16, _width: AccessWidth, value: u32) {
        let (tick, value) = (tick(now), value as u8);
        if offset == CONTROL {
            self.write_control(tick, value);
        } else if let Some(counter) = self.counters.get_mut(usize::from(offset)) {
            counter.write(tick, value);
        }
    }

    fn interrupt(&mut self) -> Option<InterruptPin> {
        let [counter, ..] = &mut self.counters;
        let level = counter.output();
        Some(InterruptPin { line: 0, level, pulsed: counter.take_rise() && level })
    }

    fn next_event(&self) -> u64 {
        let [counter, ..] = &self.counters;
        counter.next_edge().map_or(u64::MAX, |tick| Oscillator::INTERVAL_TIMER.cycle_of(tick))
    }

    fn advance(&mut self, now: u64) {
        for counter in &mut self.counters {
            counter.advance(tick(now));
        }
    }

    fn reset(&mut self, now: u64) {
        *self = Self::new(now);
    }

    fn inspect(&self) -> Inspection {
        (0..).zip(&self.counters).fold(Inspection::new(), |inspection, (index, counter)| {
            inspection.group(format!("counter {index}"), counter.inspect())
        })
    }
}
