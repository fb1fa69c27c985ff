//! What was measured, as a Markdown table, each row as soon as it is known.

use std::io::Write;

/// The table on standard output.
pub(crate) struct Table(());

/// One figure.
#[derive(Default)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// What was promised, if anything was.
    pub(crate) target: &'static str,
    /// What Transom takes.
    pub(crate) transom: String,
    /// What the peer takes, where there is one.
    pub(crate) peer: String,
    /// The peer's share over Transom's: above 1 Transom is better.
    pub(crate) ratio: Option<f64>,
    /// Whether the target was reached.
    pub(crate) reached: Option<bool>,
}

impl Table {
    /// Says what machine this is, and how busy.
    pub(crate) fn begin() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = read("/proc/loadavg");
        let load = load.split(' ').next().unwrap_or("?");
        say(&format!(
            "{cores} cores,{}; load average {load} at the start\n",
            model.trim_start().trim_start_matches(':')
        ));
        say("| What | Target | Transom | Peer | Peer / Transom | Reached |");
        say("|---|---|---|---|---|---|");
        Self(())
    }

    /// Adds a figure.
    pub(crate) fn row(&mut self, row: &Row) {
        let Row { what, target, transom, peer, ratio, reached } = row;
        let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let reached = match reached {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        say(&format!("| {what} | {target} | {transom} | {peer} | {ratio} | {reached} |"));
    }

    /// Says loudly that a figure is missing.
    pub(crate) fn skip(&mut self, what: &str, why: &str) {
        self.row(&Row { what: what.to_owned(), transom: format!("SKIPPED: {why}"), ..Row::default() });
        let _ = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("standard output takes the table");
}
