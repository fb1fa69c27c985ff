//! What the machine has that limits are held against.

use std::fs;

use rustix::time::{ClockId, DynamicClockId, clock_gettime_dynamic};

/// What decides whether a limit can be enforced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    /// All of its memory; none where it does not say.
    pub(super) memory_bytes: Option<u64>,
    /// Whether it tells the CPU time of one thread.
    pub(super) thread_cpu: bool,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Self {
        // Absent where `/proc` is not mounted; then nothing can be said of the memory.
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        // POSIX leaves the clock to the system (`_POSIX_THREAD_CPUTIME`).
        let thread_cpu = clock_gettime_dynamic(DynamicClockId::Known(ClockId::ThreadCPUTime)).is_ok();
        Self { memory_bytes: memory_bytes(&meminfo), thread_cpu }
    }
}

/// `MemTotal` of `/proc/meminfo` (proc(5)), whose `kB` are 1024 bytes.
fn memory_bytes(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_read() {
        let text = "MemTotal:       24689372 kB\nMemFree:         1834984 kB\n";
        assert_eq!(memory_bytes(text), Some(24_689_372 * 1024));
        for text in
            ["", "MemTotal:\n", "MemTotal: 5 MB\n", "MemFree: 5 kB\n", "MemTotal: 18446744073709551615 kB\n"]
        {
            assert_eq!(memory_bytes(text), None, "{text}");
        }
    }
}
