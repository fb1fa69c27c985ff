//! What a plugin may use, and the meter that holds it to its memory.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// A plugin's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories and tables of one plugin together, in bytes.
    pub memory_bytes: u64,
    /// Longest time of one call, without what the host made it wait for models.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, deadline: Duration::from_millis(50) }
    }
}

/// Bytes a table element takes in the host.
const ELEMENT_BYTES: usize = size_of::<usize>();
/// Core instances, memories and tables a component may bring. A JavaScript component holds about 13.
const MOST_INSTANCES: usize = 64;

/// Adds up what one store's memories and tables take and refuses what goes beyond the limit.
pub(super) struct MemoryMeter {
    limit: usize,
    used: usize,
    peak: usize,
    refused: u64,
}

impl MemoryMeter {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self { limit: usize::try_from(limit_bytes).unwrap_or(usize::MAX), used: 0, peak: 0, refused: 0 }
    }

    pub(super) fn peak_bytes(&self) -> usize {
        self.peak
    }

    /// Growth refused since the present call began.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    pub(super) fn begin_call(&mut self) {
        self.refused = 0;
    }

    fn grow(&mut self, by: usize) -> bool {
        let after = self.used.saturating_add(by);
        if after > self.limit {
            self.refused += 1;
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
