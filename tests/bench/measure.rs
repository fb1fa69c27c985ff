//! Commands run and timed, and what is made of several rounds.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command that ended well.
pub(crate) struct Finished {
    /// From its start to its end, as whoever typed it sees it.
    pub(crate) wall: Duration,
    /// CPU time of all its threads, in steps of 10 ms.
    pub(crate) cpu: Duration,
    pub(crate) stdout: String,
}

/// Runs a command to its end.
///
/// # Errors
/// What it said, where it could not be started or failed.
pub(crate) fn run(command: &mut Command) -> Result<Finished, String> {
    let (started, before) = (Instant::now(), children_cpu());
    let done = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let (wall, cpu) = (started.elapsed(), children_cpu().saturating_sub(before));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !done.status.success() {
        return Err(format!("{command:?} failed ({}): {}", done.status, text(&done.stderr)));
    }
    Ok(Finished { wall, cpu, stdout: text(&done.stdout) })
}

/// CPU time of all children waited for so far: `cutime` and `cstime` of proc(5).
fn children_cpu() -> Duration {
    stat("self", 16)
}

/// CPU time of a process so far: `utime` and `stime` of proc(5).
pub(crate) fn cpu_of(process: u32) -> Duration {
    stat(&process.to_string(), 14)
}

/// Two fields of a process's `stat`, counted from 1, together; in ticks of 1/100 s on every Linux.
fn stat(process: &str, first: usize) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field is the command's name, in brackets and with whatever spaces it has.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(first - 3);
    let ticks: u64 = fields.take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// Rounds to run: `usual`, or what `TRANSOM_BENCH_ROUNDS` says.
pub(crate) fn rounds(usual: usize) -> usize {
    std::env::var("TRANSOM_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// The value in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value that a share of all others are below.
pub(crate) fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(((values.len().max(1) - 1) as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The median of the rounds' own ratios, `over / under`: what was slow at one time was slow for both.
pub(crate) fn ratio(over: &[f64], under: &[f64]) -> f64 {
    median(over.iter().zip(under).map(|(over, under)| over / under))
}

/// A median with the least and the most, as text.
pub(crate) fn spread(values: &[f64], digits: usize, unit: &str) -> String {
    let middle = median(values.iter().copied());
    let (least, most) = (quantile(values.iter().copied(), 0.0), quantile(values.iter().copied(), 1.0));
    format!("{middle:.digits$} {unit} ({least:.digits$} … {most:.digits$})")
}
