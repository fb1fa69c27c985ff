//! What a plugin may use, and the meter that holds it to its memory.

use std::time::Duration;

use wasmtime::ResourceLimiter;

pub(super) use super::storage::Quota;

/// A plugin's limits; `host/docs/manifest.md` has what each means. Rates are a second's, and a second's worth
/// may come at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// All linear memories, tables and what the host keeps for the plugin, in bytes.
    pub memory_bytes: u64,
    /// Longest own time of one call: on the processor or asleep, not waiting for the host.
    pub deadline: Duration,
    /// CPU time a second, 0.01 ..= 1.0.
    pub cpu: f64,
    /// Bytes that cross the boundary in one call into the host, or in its answer to one of the host's.
    pub call_bytes: u64,
    /// Handles it may hold.
    pub handles: u32,
    /// Log lines a second.
    pub log_lines: u32,
    /// Events a second.
    pub events: u32,
    /// Bytes of events a second.
    pub event_bytes: u64,
    /// Marks a second.
    pub marks: u32,
    /// Names of metrics.
    pub metrics: u32,
    /// Questions to models a second.
    pub inferences: u32,
    /// Changes of storage a second.
    pub storage_writes: u32,
    /// Requests out a second.
    pub http_requests: u32,
    /// Requests out at once.
    pub http_concurrent: u32,
    /// Bytes of the body of a request out, and of its answer.
    pub http_bytes: u64,
    /// Longest time of a request out, with its redirects.
    pub http_timeout: Duration,
    /// Bytes of an answer to a request on a port.
    pub port_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            deadline: Duration::from_millis(50),
            cpu: 0.5,
            call_bytes: 4 << 20,
            handles: 1_000,
            log_lines: 50,
            events: 200,
            event_bytes: 1 << 20,
            marks: 20_000,
            metrics: 100,
            inferences: 200,
            storage_writes: 20,
            http_requests: 10,
            http_concurrent: 4,
            http_bytes: 1 << 20,
            http_timeout: Duration::from_secs(10),
            port_bytes: 1 << 20,
        }
    }
}

/// Bytes a table element takes in the host.
const ELEMENT_BYTES: usize = size_of::<usize>();
/// Core instances, memories and tables a component may bring. A JavaScript component holds about 13.
const MOST_INSTANCES: usize = 64;

/// Adds up what one store's memories and tables and the host's own keeping take, and refuses what goes beyond
/// the limit.
pub(super) struct MemoryMeter {
    limit: usize,
    used: usize,
    /// Part of `used`: kept by the host until the present call ends.
    held: usize,
    peak: usize,
    /// Since the present call began.
    refused: u64,
    /// Since the meter was made.
    refused_ever: u64,
}

impl MemoryMeter {
    pub(super) fn new(limit_bytes: u64) -> Self {
        let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
        Self { limit, used: 0, held: 0, peak: 0, refused: 0, refused_ever: 0 }
    }

    pub(super) fn peak_bytes(&self) -> usize {
        self.peak
    }

    /// Growth refused since the present call began.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    pub(super) fn refused_ever(&self) -> u64 {
        self.refused_ever
    }

    pub(super) fn begin_call(&mut self) {
        self.refused = 0;
    }

    /// The host keeps `bytes` for the plugin until the call ends, if there is room.
    pub(super) fn hold(&mut self, bytes: usize) -> bool {
        let room = self.grow(bytes);
        if room {
            self.held += bytes;
        }
        room
    }

    /// What was held has been handed on.
    pub(super) fn end_call(&mut self) {
        self.used -= std::mem::take(&mut self.held);
    }

    fn grow(&mut self, by: usize) -> bool {
        let after = self.used.saturating_add(by);
        if after > self.limit {
            self.refused += 1;
            self.refused_ever += 1;
            return false;
        }
        self.used = after;
        self.peak = self.peak.max(after);
        true
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT_BYTES)))
    }

    fn instances(&self) -> usize {
        MOST_INSTANCES
    }

    fn tables(&self) -> usize {
        MOST_INSTANCES
    }

    fn memories(&self) -> usize {
        MOST_INSTANCES
    }
}
