//! Guest time in cycles, and the oscillators of the board counted in it.
//!
//! Every conversion starts at cycle 0 and is exact, so nothing drifts: the millionth tick of a
//! timer is where a million ticks belong, not where a million rounding errors led.

/// Cycles in one second of guest time: the CPU's frequency in hertz.
pub const CYCLES_PER_SECOND: u64 = 1_000_000_000;

/// An oscillator that starts at cycle 0: `ticks` ticks in every `seconds` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oscillator {
    ticks: u64,
    seconds: u64,
}

impl Oscillator {
    /// CLK of the 8254: 14.318 18 MHz / 12, which is 105/88 MHz exactly.
    pub const INTERVAL_TIMER: Self = Self { ticks: 105_000_000, seconds: 88 };
    /// The watch crystal of the real-time clock: 32 768 Hz.
    pub const REAL_TIME_CLOCK: Self = Self { ticks: 32_768, seconds: 1 };
    /// One bit time of the UART at divisor 1: 1.8432 MHz / 16 = 115 200 Hz.
    pub const SERIAL_BIT: Self = Self { ticks: 115_200, seconds: 1 };

    /// How many ticks are complete at `cycle`.
    pub const fn ticks_at(self, cycle: u64) -> u64 {
        let cycles_per_round = self.seconds as u128 * CYCLES_PER_SECOND as u128;
        saturate(cycle as u128 * self.ticks as u128 / cycles_per_round)
    }

    /// The first cycle at which `tick` ticks are complete; `u64::MAX` if guest time ends before.
    pub const fn cycle_of(self, tick: u64) -> u64 {
        let cycles_per_round = self.seconds as u128 * CYCLES_PER_SECOND as u128;
        saturate((tick as u128 * cycles_per_round).div_ceil(self.ticks as u128))
    }
}

const fn saturate(value: u128) -> u64 {
    if value > u64::MAX as u128 { u64::MAX } else { value as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighty_eight_seconds_hold_exactly_105_million_timer_ticks() {
        let timer = Oscillator::INTERVAL_TIMER;
        assert_eq!(timer.ticks_at(88 * CYCLES_PER_SECOND), 105_000_000);
        assert_eq!(timer.ticks_at(88 * CYCLES_PER_SECOND - 1), 104_999_999);
        assert_eq!(timer.cycle_of(105_000_000), 88 * CYCLES_PER_SECOND);
    }

    #[test]
    fn the_cycle_of_a_tick_is_the_first_one_that_has_it() {
        for oscillator in [Oscillator::INTERVAL_TIMER, Oscillator::SERIAL_BIT] {
            for tick in (1..5_000).chain(1_000_000_000..1_000_000_100) {
                let cycle = oscillator.cycle_of(tick);
                assert_eq!(oscillator.ticks_at(cycle), tick);
                assert_eq!(oscillator.ticks_at(cycle - 1), tick - 1);
            }
        }
    }

    #[test]
    fn the_end_of_time_saturates() {
        assert_eq!(Oscillator::REAL_TIME_CLOCK.cycle_of(u64::MAX), u64::MAX);
        assert_eq!(Oscillator::REAL_TIME_CLOCK.ticks_at(u64::MAX), 604_462_909_807_314);
    }
}
