//! What a stage did: how often, how much CPU, how long.

use std::sync::Mutex;
use std::time::Duration;

use super::{Clock, thread_cpu};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Counts a stage's work. Shared by reference; one short lock a record.
pub struct Meter {
    inner: Mutex<Inner>,
}

struct Inner {
    cpu: Duration,
    /// Wall time a call in nanoseconds.
    wall_ns: Histogram<u64>,
    wall: Duration,
}

/// A meter read out; times in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MeterReport {
    /// Calls recorded.
    pub count: u64,
    /// CPU time of all calls.
    pub cpu_us: u64,
    /// Wall time of all calls.
    pub wall_us: u64,
    /// Median wall time of a call.
    pub p50_us: f64,
    /// 95th percentile.
    pub p95_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Default for Meter {
    fn default() -> Self {
        // Two digits are more than the noise of a shared machine leaves, and take an eighth of the memory of
        // three; an hour is the longest call.
        let wall_ns = Histogram::new_with_bounds(1, 3_600_000_000_000, 2).expect("constant bounds are valid");
        Self { inner: Mutex::new(Inner { cpu: Duration::ZERO, wall_ns, wall: Duration::ZERO }) }
    }
}

impl Meter {
    /// Records one call.
    pub fn record(&self, wall: Duration, cpu: Duration) {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.cpu += cpu;
        inner.wall += wall;
        inner.wall_ns.saturating_record(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX).max(1));
    }

    /// Records what `work` costs the calling thread, which does all of it.
    pub fn time<T>(&self, clock: Clock, work: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (clock.now(), thread_cpu());
        let done = work();
        self.record(clock.now().saturating_sub(wall), thread_cpu().saturating_sub(cpu));
        done
    }

    /// What has been recorded so far.
    pub fn report(&self) -> MeterReport {
        let inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if inner.wall_ns.is_empty() {
            return MeterReport::default();
        }
        let at = |quantile: f64| inner.wall_ns.value_at_quantile(quantile) as f64 / 1000.0;
        MeterReport {
            count: inner.wall_ns.len(),
            cpu_us: u64::try_from(inner.cpu.as_micros()).unwrap_or(u64::MAX),
            wall_us: u64::try_from(inner.wall.as_micros()).unwrap_or(u64::MAX),
            p50_us: at(0.50),
            p95_us: at(0.95),
            p99_us: at(0.99),
            max_us: inner.wall_ns.max() as f64 / 1000.0,
        }
    }
}
