//! Memory of this process and of the machine, as proc(5) tells it.

use std::time::Duration;

/// A field of `/proc/self/status` in bytes: `VmHWM` is the most that was in use at once, `VmRSS` what is now. None
/// where the system does not say.
pub fn process_memory(field: &str) -> Option<u64> {
    memory_of("self", field)
}

/// The same of another process, by its number.
pub fn memory_of(process: impl std::fmt::Display, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Bytes that processes could still be given: what the machine has, or this process's control group, whichever is
/// less. None where the system does not say.
pub fn free_memory() -> Option<u64> {
    let all = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = all.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let free = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let group = |name: &str| {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let left = group("memory.max").zip(group("memory.current")).map(|(most, now)| most.saturating_sub(now));
    Some(left.map_or(free, |left| left.min(free)))
}

/// Calls `beyond` once, on a thread of its own, when this process holds more than `most` bytes of memory. Where the
/// system does not say how much it holds, never.
pub fn watch_memory(most: u64, beyond: impl FnOnce() + Send + 'static) {
    // A process takes some gigabytes a second at most.
    const LOOK: Duration = Duration::from_millis(5);
    let watch = move || {
        while let Some(held) = process_memory("VmRSS") {
            if held > most {
                beyond();
                return;
            }
            std::thread::sleep(LOOK);
        }
    };
    // Without a thread there is no watch; the system's own limits hold.
    let _ = std::thread::Builder::new().name("memory".to_owned()).spawn(watch);
}
