//! What a plugin used of what it may use, over all its lives: a fault refills no bucket.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::Limits;
use super::limits::Quota;

/// A limit by its name in the manifest; [`Limit::StorageBytes`] and [`Limit::StorageEntries`] are the owner's
/// quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Memory,
    Deadline,
    Cpu,
    CallBytes,
    Handles,
    LogLines,
    Events,
    EventBytes,
    Marks,
    Metrics,
    Inferences,
    StorageBytes,
    StorageEntries,
    StorageWrites,
    HttpRequests,
    HttpConcurrent,
    HttpBytes,
    HttpTimeout,
}

/// All limits with their names, in the order of [`Limit`].
const NAMES: [&str; 18] = [
    "memory",
    "deadline",
    "cpu",
    "call_bytes",
    "handles",
    "log_lines",
    "events",
    "event_bytes",
    "marks",
    "metrics",
    "inferences",
    "storage_bytes",
    "storage_entries",
    "storage_writes",
    "http_requests",
    "http_concurrent",
    "http_bytes",
    "http_timeout",
];

/// One limit, read out. Bytes, milliseconds, cores or counts, as the limit has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LimitReport {
    /// The most that was in use at once; of a rate, the most taken within a second; of `cpu`, the average. None
    /// where nobody counts: the engine tells no more of handles and bytes that cross than that they were too many.
    pub used: Option<f64>,
    /// What may be used.
    pub allowed: f64,
    /// How often more was refused.
    pub refused: u64,
}

impl LimitReport {
    fn rise_to(&mut self, used: f64) {
        self.used = Some(self.used.unwrap_or(0.0).max(used));
    }
}

#[derive(Default)]
struct Entry {
    report: LimitReport,
    /// Of a rate: what may be taken now.
    level: f64,
}

/// The ledger of one plugin.
pub(super) struct Ledger {
    entries: Mutex<[Entry; NAMES.len()]>,
}

impl Ledger {
    pub(super) fn new(limits: &Limits, quota: Quota) -> Self {
        let allowed = [
            limits.memory_bytes as f64,
            limits.deadline.as_secs_f64() * 1e3,
            limits.cpu,
            limits.call_bytes as f64,
            f64::from(limits.handles),
            f64::from(limits.log_lines),
            f64::from(limits.events),
            limits.event_bytes as f64,
            f64::from(limits.marks),
            f64::from(limits.metrics),
            f64::from(limits.inferences),
            quota.bytes as f64,
            f64::from(quota.entries),
            f64::from(limits.storage_writes),
            f64::from(limits.http_requests),
            f64::from(limits.http_concurrent),
            limits.http_bytes as f64,
            limits.http_timeout.as_secs_f64() * 1e3,
        ];
        let entry =
            |allowed| Entry { report: LimitReport { used: Some(0.0), allowed, refused: 0 }, level: allowed };
        let mut entries = allowed.map(entry);
        for limit in [Limit::CallBytes, Limit::Handles] {
            entries[limit as usize].report.used = None;
        }
        Self { entries: Mutex::new(entries) }
    }

    /// Time has passed: every bucket fills, up to what a second gives.
    pub(super) fn pass(&self, time: Duration) {
        for entry in self.lock().iter_mut() {
            let allowed = entry.report.allowed;
            entry.level = (entry.level + allowed * time.as_secs_f64()).min(allowed);
        }
    }

    /// Takes `amount` out of the bucket of a rate. `false`: there is not so much in it; that is counted.
    pub(super) fn take(&self, limit: Limit, amount: u64) -> bool {
        let entry = &mut self.lock()[limit as usize];
        let left = entry.level - amount as f64;
        // A bucket filled in steps misses a whole number by a rounding error.
        if left < -1e-6 {
            entry.report.refused += 1;
            return false;
        }
        entry.level = left;
        let taken = entry.report.allowed - left;
        entry.report.rise_to(taken);
        true
    }

    /// Whole units in the bucket of a rate.
    pub(super) fn room(&self, limit: Limit) -> u64 {
        (self.lock()[limit as usize].level + 1e-6) as u64
    }

    /// So much was in use at once.
    pub(super) fn peak(&self, limit: Limit, used: f64) {
        let report = &mut self.lock()[limit as usize].report;
        report.rise_to(used);
    }

    /// In place of what was noted before, for what is counted elsewhere.
    pub(super) fn set(&self, limit: Limit, used: f64, refused: u64) {
        let report = &mut self.lock()[limit as usize].report;
        (report.used, report.refused) = (Some(used), refused);
    }

    /// More was asked for than there is.
    pub(super) fn refuse(&self, limit: Limit, times: u64) {
        self.lock()[limit as usize].report.refused += times;
    }

    pub(super) fn report(&self) -> BTreeMap<&'static str, LimitReport> {
        NAMES.into_iter().zip(self.lock().iter().map(|entry| entry.report)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, [Entry; NAMES.len()]> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(&Limits { events: 10, ..Limits::default() }, Quota::default())
    }

    #[test]
    fn a_bucket_holds_one_second_and_fills_with_time() {
        let ledger = ledger();
        assert!((0..10).all(|_| ledger.take(Limit::Events, 1)));
        assert!(!ledger.take(Limit::Events, 1));
        ledger.pass(Duration::from_millis(200));
        assert_eq!(ledger.room(Limit::Events), 2);
        assert!(ledger.take(Limit::Events, 2) && !ledger.take(Limit::Events, 1));
        ledger.pass(Duration::from_secs(3600));
        assert_eq!(ledger.room(Limit::Events), 10);
        let report = ledger.report()["events"];
        assert_eq!(report, LimitReport { used: Some(10.0), allowed: 10.0, refused: 2 });
    }

    #[test]
    fn every_limit_has_its_name() {
        let ledger = ledger();
        ledger.peak(Limit::HttpTimeout, 7.0);
        ledger.refuse(Limit::Memory, 3);
        let report = ledger.report();
        assert_eq!(report.len(), NAMES.len());
        assert_eq!((report["http_timeout"].used, report["memory"].refused), (Some(7.0), 3));
    }
}
