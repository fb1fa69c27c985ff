//! What a decoder counts.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::base::{Meter, MeterReport};

/// A number that only goes up, readable while it does.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one decoder counts while it works; shared with whoever reports on it.
#[derive(Default)]
pub struct Counters {
    pub(super) decoded: Count,
    pub(super) skipped: Count,
    pub(super) corrupt: Count,
    pub(super) waited_for_key: Count,
    pub(super) late: Count,
    pub(super) time: Meter,
}

/// A decoder's counters read out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DecoderReport {
    /// Access units decoded, wanted or needed by others.
    pub decoded: u64,
    /// Units left undecoded because nobody wanted them and no other picture needs them.
    pub skipped: u64,
    /// Units that could not be decoded: damaged, or predicted from pictures that were lost.
    pub corrupt: u64,
    /// Units dropped before the first IDR picture, or after a damaged unit until the next one.
    pub waited_for_key: u64,
    /// Pictures dropped because their turn had passed: the stream understated how far it reorders.
    pub late: u64,
    /// Time spent decoding and copying out, by unit decoded.
    pub time: MeterReport,
}

impl Counters {
    /// The counters as they stand.
    pub fn report(&self) -> DecoderReport {
        DecoderReport {
            decoded: self.decoded.read(),
            skipped: self.skipped.read(),
            corrupt: self.corrupt.read(),
            waited_for_key: self.waited_for_key.read(),
            late: self.late.read(),
            time: self.time.report(),
        }
    }
}
