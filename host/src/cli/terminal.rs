//! Words for people, on standard error: notices, and how far a run is.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::{Clock, Notice, Notices, Shutdown, deceives};
use crate::pipeline::Progress;

/// How often a line says how far a run is where there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Writes one line or several to standard error. Where that is gone there is nobody left to tell.
///
/// Control characters come out escaped: a word of a vendor's in a message must not steer the owner's terminal.
pub(super) fn say(lines: &str) {
    let mut shown = String::with_capacity(lines.len());
    for c in lines.chars() {
        if deceives(c) && c != '\n' { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    let _ = writeln!(std::io::stderr().lock(), "{shown}");
}

/// Where words go while a run goes on.
#[derive(Clone)]
pub(super) struct Terminal {
    /// Drawn below the lines, where standard error is a terminal that events do not scroll through.
    bar: Option<Arc<ProgressBar>>,
}

impl Terminal {
    /// `events_on_stdout`: events are printed too, and would tear a bar on the same terminal.
    pub(super) fn new(events_on_stdout: bool) -> Self {
        let clear = std::io::stderr().is_terminal() && !(events_on_stdout && std::io::stdout().is_terminal());
        Self { bar: clear.then(|| Arc::new(ProgressBar::new_spinner())) }
    }

    pub(super) fn notices(&self) -> Notices {
        let terminal = self.clone();
        Notices::new(move |notice| {
            terminal.line(&match notice {
                Notice::Info(text) => text,
                Notice::Warn(text) => format!("warning: {text}"),
                Notice::Log { from, level, text } => format!("{from} [{level}] {text}"),
            });
        })
    }

    pub(super) fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Shows how far the run is until `done`.
    pub(super) fn follow(&self, progress: &Progress, clock: Clock, done: &Shutdown) {
        if let Some(bar) = &self.bar
            && let Some(length) = progress.length()
        {
            bar.set_length(length);
            let style = "{elapsed:>4} {bar:20} {pos}/{len} frames, {msg}";
            bar.set_style(ProgressStyle::with_template(style).expect("a constant template is valid"));
        }
        let started = clock.now();
        let mut said = Duration::ZERO;
        while done.sleep(Duration::from_millis(200)) {
            let frames = progress.frames();
            let passed = clock.now().saturating_sub(started);
            let rate = frames.analysed as f64 / passed.as_secs_f64().max(1e-3);
            let words =
                format!("{} analysed ({rate:.0} a second), {} events", frames.analysed, progress.events());
            match &self.bar {
                Some(bar) => {
                    bar.set_position(frames.received);
                    bar.set_message(words);
                    bar.tick();
                }
                None if passed.saturating_sub(said) >= LINE_EVERY => {
                    said = passed;
                    let of = progress.length().map_or_else(String::new, |length| format!(" of {length}"));
                    say(&format!("{:.0} s: {}{of} frames, {words}", passed.as_secs_f64(), frames.received));
                }
                None => {}
            }
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
