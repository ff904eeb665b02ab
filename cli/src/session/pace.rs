//! Keeps a guest that sleeps from dreaming ahead of the person in front of it.
//!
//! Guest time skips what a guest sleeps through. That is right for scripts. When a person types,
//! the guest's clock shall not run faster than the one on the wall; nor shall it when the guest
//! does nothing but wait for a writer at the other end of a pipe, for that would heat the room.

use std::time::{Duration, Instant};

use paravane_core::board::clock::CYCLES_PER_SECOND;

/// Shorter waits are not worth it.
const GRAIN: Duration = Duration::from_millis(2);

/// Compares guest time with the wall clock.
#[derive(Debug, Default)]
pub struct Pace {
    /// A moment at which both agreed; `None` if guest time may run ahead.
    agreed: Option<(Instant, u64)>,
}

impl Pace {
    /// How far guest time is ahead, since it has had to hold itself back (`holds`). If it is
    /// behind, that is forgotten: it never catches up.
    pub fn ahead(&mut self, cycles: u64, holds: bool) -> Option<Duration> {
        if !holds {
            self.agreed = None;
            return None;
        }
        let (instant, then) = *self.agreed.get_or_insert_with(|| (Instant::now(), cycles));
        let guest = guest_time(cycles.saturating_sub(then));
        let host = instant.elapsed();
        if guest < host {
            self.agreed = Some((Instant::now(), cycles));
        }
        guest.checked_sub(host).filter(|ahead| *ahead >= GRAIN)
    }
}

/// Cycles as a duration.
pub fn guest_time(cycles: u64) -> Duration {
    let seconds = cycles / CYCLES_PER_SECOND;
    let rest = cycles % CYCLES_PER_SECOND;
    let nanoseconds = u128::from(rest) * 1_000_000_000 / u128::from(CYCLES_PER_SECOND);
    Duration::new(seconds, nanoseconds as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_sleeps_ahead_is_held_back_and_one_that_is_late_never_catches_up() {
        let mut pace = Pace::default();
        assert_eq!(pace.ahead(0, true), None);
        assert!(pace.ahead(10 * CYCLES_PER_SECOND, true).unwrap() > Duration::from_secs(9));
        assert_eq!(pace.ahead(u64::MAX, false), None);
        let mut late = Pace { agreed: Some((Instant::now() - Duration::from_secs(5), 0)) };
        assert_eq!(late.ahead(CYCLES_PER_SECOND, true), None);
        assert!(
            late.ahead(2 * CYCLES_PER_SECOND, true).is_some(),
            "the five seconds are forgotten"
        );
    }
}
