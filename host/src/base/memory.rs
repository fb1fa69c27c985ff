//! Memory of this process, as proc(5) tells it.

/// A field of `/proc/self/status` in bytes: `VmHWM` is the most that was in use at once, `VmRSS` what is now. None
/// where the system does not say.
pub fn process_memory(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
