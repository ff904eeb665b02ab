//! Time: the page of time that the guest reads, its timers, and its run state.
//!
//! System time is in nanoseconds since the domain was built. Source: `struct vcpu_time_info`,
//! `xen/include/public/vcpu.h`, `xen/common/sched/core.c`.

use paravane_core::accounting::Primitive;
use paravane_core::hypervisor::paravirt::Services;

use super::Xen;
use super::errors::{Answer, Errno};
use super::events::VIRQ_TIMER;
use super::layout::{shared_info, vcpu_info};

const NANOSECONDS: u128 = 1_000_000_000;
/// Default period of the periodic timer, in nanoseconds.
const DEFAULT_PERIOD: u64 = 10_000_000;
/// Least period, in nanoseconds.
const LEAST_PERIOD: u64 = 1_000_000;
/// A timer further ahead than this is a sign of overflow (in nanoseconds).
const TOO_FAR: u64 = 1 << 50;
/// What it is set to then: 100 ms ahead.
const SOON: u64 = 100_000_000;
/// The wall clock when the domain was built: 2007-02-01, in seconds since 1970.
const WALL_CLOCK: u32 = 1_170_288_000;

/// The virtual CPU's timers, in cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The one-shot timer.
    pub single: Option<u64>,
    /// Period of the periodic timer; 0 if it is stopped.
    pub period: u64,
    /// When that fires next, once somebody listens.
    pub periodic: Option<u64>,
    /// When a poll gives up.
    pub poll: Option<u64>,
}

impl Default for Timers {
    fn default() -> Self {
        Self { single: None, period: DEFAULT_PERIOD, periodic: None, poll: None }
    }
}

impl Timers {
    /// The first of them.
    pub fn next(&self) -> u64 {
        [self.single, self.periodic, self.poll].into_iter().flatten().min().unwrap_or(u64::MAX)
    }
}

/// Multiplier and shift such that ns = (ticks << shift) × multiplier >> 32 (`set_time_scale`).
pub fn scale(hertz: u64) -> (u32, i8) {
    let mut shift = 0;
    let mut ticks = hertz.max(1);
    while ticks > 2_000_000_000 {
        ticks >>= 1;
        shift -= 1;
    }
    while ticks <= 1_000_000_000 {
        ticks <<= 1;
        shift += 1;
    }
    (((NANOSECONDS << 32) / u128::from(ticks)) as u32, shift)
}

/// System time at a cycle.
pub fn nanoseconds(services: &dyn Services, cycles: u64) -> u64 {
    (u128::from(cycles) * NANOSECONDS / u128::from(services.cycles_per_second())) as u64
}

/// The first cycle at which a system time is reached.
pub fn cycles(services: &dyn Services, nanoseconds: u64) -> u64 {
    let product = u128::from(nanoseconds) * u128::from(services.cycles_per_second());
    u64::try_from(product.div_ceil(NANOSECONDS)).unwrap_or(u64::MAX)
}

impl Xen {
    /// Writes `vcpu_time_info`. The counter is constant, so once is enough.
    pub(super) fn write_time(&self, services: &mut dyn Services) {
        let (multiplier, shift) = scale(services.cycles_per_second());
        let mut bytes = [0; 32];
        let fields: [(usize, &[u8]); 4] = [
            (0, &2u32.to_le_bytes()),
            (8, &services.time_stamp_offset().to_le_bytes()),
            (24, &multiplier.to_le_bytes()),
            (28, &[shift as u8, 1]),
        ];
        for (at, field) in fields {
            if let Some(part) = bytes.get_mut(at..at + field.len()) {
                part.copy_from_slice(field);
            }
        }
        self.write_info(services, vcpu_info::TIME, &bytes);
    }

    /// Writes the wall clock: the time of day when system time was 0.
    pub(super) fn write_wall_clock(&self, services: &mut dyn Services) {
        let words = [2, WALL_CLOCK, 0, 0].map(u32::to_le_bytes).concat();
        services.write_frame(self.domain.shared_info, shared_info::WALL_CLOCK, &words);
    }

    /// set_timer_op(timeout): when, in system time; 0 stops it.
    pub(super) fn set_timer_op(
        &mut self,
        services: &mut dyn Services,
        [timeout, ..]: [u64; 5],
    ) -> Answer {
        services.charge(Primitive::Timer, 1);
        self.vcpu.timers.single = (timeout != 0).then(|| {
            let now = nanoseconds(services, services.now());
            let far = (timeout as i64) < 0 || timeout.saturating_sub(now) > TOO_FAR;
            let timeout = if far { now + SOON } else { timeout };
            cycles(services, timeout)
        });
        Ok(0)
    }

    /// Sets the one-shot timer as `VCPUOP_set_singleshot_timer` does. Xen ignores the flag that
    /// asks for a time in the future.
    pub(super) fn set_single_shot(&mut self, services: &mut dyn Services, argument: u64) -> Answer {
        let [timeout, _flags] = self.read_words::<2>(services, argument)?;
        services.charge(Primitive::Timer, 1);
        self.vcpu.timers.single = Some(cycles(services, timeout));
        Ok(0)
    }

    /// Sets the period of the periodic timer.
    pub(super) fn set_periodic(&mut self, services: &mut dyn Services, argument: u64) -> Answer {
        let [period] = self.read_words::<1>(services, argument)?;
        if period < LEAST_PERIOD || period as i64 <= 0 {
            return Err(Errno::Invalid.into());
        }
        services.charge(Primitive::Timer, 1);
        self.vcpu.timers.period = cycles(services, period);
        self.vcpu.timers.periodic = None;
        self.start_periodic(services);
        Ok(0)
    }

    /// Stops the periodic timer.
    pub(super) fn stop_periodic(&mut self) {
        self.vcpu.timers.period = 0;
        self.vcpu.timers.periodic = None;
    }

    /// The periodic timer runs while somebody listens to it.
    pub(super) fn start_periodic(&mut self, services: &dyn Services) {
        let timers = &mut self.vcpu.timers;
        if timers.period == 0 || !self.events.is_bound(VIRQ_TIMER) {
            timers.periodic = None;
        } else if timers.periodic.is_none() {
            timers.periodic = Some(services.now().saturating_add(timers.period));
        }
    }

    /// Timers that are due fire.
    pub(super) fn fire_timers(&mut self, services: &mut dyn Services) {
        services.charge(Primitive::Timer, 1);
        let now = services.now();
        let due = |timer: Option<u64>| timer.is_some_and(|at| at <= now);
        let timers = self.vcpu.timers;
        if due(timers.poll) {
            self.vcpu.timers.poll = None;
            self.wake(services);
        }
        let mut tick = false;
        if due(timers.single) {
            self.vcpu.timers.single = None;
            tick = true;
        }
        if let Some(at) = timers.periodic.filter(|at| *at <= now) {
            // Ticks that were missed are not made up for.
            let missed = (now - at) / timers.period.max(1);
            let next = at.saturating_add((missed + 1).saturating_mul(timers.period.max(1)));
            self.vcpu.timers.periodic = Some(next);
            tick = true;
        }
        if tick {
            self.raise_virtual_interrupt(services, VIRQ_TIMER);
        }
    }

    /// Writes `vcpu_runstate_info` where the guest wants it.
    pub(super) fn write_run_state(&mut self, services: &mut dyn Services) {
        let now = nanoseconds(services, services.now());
        let state = if self.vcpu.waiting { 2 } else { 0 };
        let words = self.run_state_words(now, state);
        self.vcpu.state_since = now;
        if self.vcpu.run_state != 0 {
            let _ = self.write_words(services, self.vcpu.run_state, &words);
        }
    }

    /// `vcpu_runstate_info` of a vCPU in this state (0 running, 2 blocked) from `now`.
    pub(super) fn run_state_words(&self, now: u64, state: u64) -> [u64; 6] {
        let [running, blocked] = self.vcpu.run_times;
        [state, now, running, 0, blocked, 0]
    }

    /// Before the vCPU changes between running and waiting: the time goes to what it did.
    pub(super) fn account_run_state(&mut self, services: &dyn Services) {
        let now = nanoseconds(services, services.now());
        let spent = now.saturating_sub(self.vcpu.state_since);
        let index = usize::from(self.vcpu.waiting);
        if let Some(time) = self.vcpu.run_times.get_mut(index) {
            *time += spent;
        }
        self.vcpu.state_since = now;
    }
}
