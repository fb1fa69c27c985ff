//! What a source counts while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

/// Counters of one source; shared with whoever reports on it.
#[derive(Debug, Default)]
pub struct Health {
    units: AtomicU64,
    bytes: AtomicU64,
    reconnects: AtomicU64,
    lost_packets: AtomicU64,
    dropped_units: AtomicU64,
    clock_jumps: AtomicU64,
    connected: AtomicBool,
}

/// A source's counters read out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// Access units received.
    pub units: u64,
    /// Bytes of them, as handed on.
    pub bytes: u64,
    /// Times a camera was lost and came back.
    pub reconnects: u64,
    /// RTP packets that never arrived.
    pub lost_packets: u64,
    /// Access units received but dropped, as their reader was too far behind.
    pub dropped_units: u64,
    /// Times a camera's clock jumped; the stream's time went on by the clock here.
    pub clock_jumps: u64,
    /// Whether a camera is connected now, or was when it was told to stop; whether a recording has more to give.
    pub connected: bool,
}

impl Health {
    /// The counters as they stand.
    pub fn report(&self) -> HealthReport {
        HealthReport {
            units: self.units.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            reconnects: self.reconnects.load(Ordering::Relaxed),
            lost_packets: self.lost_packets.load(Ordering::Relaxed),
            dropped_units: self.dropped_units.load(Ordering::Relaxed),
            clock_jumps: self.clock_jumps.load(Ordering::Relaxed),
            connected: self.connected.load(Ordering::Relaxed),
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        self.units.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lost(&self, packets: u64) {
        self.lost_packets.fetch_add(packets, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) {
        self.dropped_units.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn clock_jumped(&self) {
        self.clock_jumps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }
}
