//! Time as an argument: everything that waits or stamps takes a [`Clock`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where time comes from. Copies share their origin.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    origin_us: i64,
}

impl Clock {
    /// The machine's clocks. Wall time is read once and then follows the monotonic clock, so that stamps
    /// of one run never go backwards.
    pub fn system() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { origin: Instant::now(), origin_us: i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX) }
    }

    /// Monotonic time since this clock was made.
    pub fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn wall_us(&self) -> i64 {
        self.origin_us.saturating_add(i64::try_from(self.now().as_micros()).unwrap_or(i64::MAX))
    }
}

/// CPU time the calling thread has used.
pub fn thread_cpu() -> Duration {
    cpu(rustix::time::ClockId::ThreadCPUTime)
}

/// CPU time all threads of this process have used.
pub fn process_cpu() -> Duration {
    cpu(rustix::time::ClockId::ProcessCPUTime)
}

fn cpu(clock: rustix::time::ClockId) -> Duration {
    let spent = rustix::time::clock_gettime(clock);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or(0), u32::try_from(spent.tv_nsec).unwrap_or(0))
}
