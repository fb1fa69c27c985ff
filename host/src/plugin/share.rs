//! Holds a plugin to its share of the processor.

use std::time::Duration;

use crate::base::Clock;

/// The longest debt, in seconds of the share: a plugin that was let spin in one long call is not silent for
/// ever after.
const LONGEST_DEBT_S: f64 = 120.0;

/// What the bucket holds, in seconds of the share.
const BURST_S: f64 = 0.5;

/// A bucket of CPU time: it fills with the share of every second, holds half a second's worth, and may be overdrawn
/// by one call. What was overdrawn is waited for.
pub(super) struct Share {
    clock: Clock,
    cores: f64,
    level_s: f64,
    at: Duration,
    began: Duration,
    used: Duration,
    throttled: Duration,
    times: u64,
}

impl Share {
    pub(super) fn new(clock: Clock, cores: f64) -> Self {
        let now = clock.now();
        Self {
            clock,
            cores,
            level_s: cores * BURST_S,
            at: now,
            began: now,
            used: Duration::ZERO,
            throttled: Duration::ZERO,
            times: 0,
        }
    }

    /// The plugin has used so much.
    pub(super) fn charge(&mut self, cpu: Duration) {
        self.fill();
        self.used += cpu;
        self.level_s = (self.level_s - cpu.as_secs_f64()).max(-self.cores * LONGEST_DEBT_S);
    }

    /// How long until it may run again.
    pub(super) fn debt(&mut self) -> Duration {
        self.fill();
        Duration::from_secs_f64((-self.level_s).max(0.0) / self.cores)
    }

    /// It was made to wait.
    pub(super) fn throttled(&mut self, time: Duration) {
        self.throttled += time;
        self.times += 1;
    }

    /// How often it was.
    pub(super) fn times(&self) -> u64 {
        self.times
    }

    /// The average of cores used, and how long it was made to wait.
    pub(super) fn report(&self) -> (f64, Duration) {
        let passed = self.clock.now().saturating_sub(self.began).as_secs_f64();
        (self.used.as_secs_f64() / passed.max(1e-3), self.throttled)
    }

    fn fill(&mut self) {
        let now = self.clock.now();
        let passed = now.saturating_sub(std::mem::replace(&mut self.at, now));
        self.level_s = (self.level_s + self.cores * passed.as_secs_f64()).min(self.cores * BURST_S);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_overdrawn_is_waited_for() {
        let mut share = Share::new(Clock::system(), 0.25);
        assert_eq!(share.debt(), Duration::ZERO);
        share.charge(Duration::from_millis(100));
        assert_eq!(share.debt(), Duration::ZERO, "half a second's worth may come at once");
        share.charge(Duration::from_millis(525));
        let debt = share.debt();
        // 0.625 s used, 0.125 s there: half a second of the processor is two seconds of a quarter of it.
        assert!((1.5..=2.0).contains(&debt.as_secs_f64()), "{debt:?}");
        share.charge(Duration::from_secs(3600));
        assert!(share.debt() <= Duration::from_secs_f64(LONGEST_DEBT_S));
    }
}
