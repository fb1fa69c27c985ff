//! `transom prove`: runs the hostile suite on this machine, each attack beside a well-behaved neighbour, and
//! says what stopped it and what it cost.
//!
//! The suite is `tests/hostile`, a short file an attack, in the binary since it was built; clip and model of
//! the neighbour are in it too. An attack and its neighbour are two apps of one run, as `transom run` would
//! run them: one camera, one model, and frames that nobody waits for.

mod grown;
mod internet;
mod stage;
mod trial;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::{Error, Result, Shutdown};

use super::signals::stop_on_signal;
use super::terminal::say;
use stage::Stage;
use trial::Outcome;

/// One attack; the files say what each means.
pub(super) struct Attack {
    name: &'static str,
    title: &'static str,
    tries: &'static str,
    stopped: &'static [&'static str],
    grants: &'static [&'static str],
    server: Option<&'static str>,
    world: &'static str,
    body: Body,
}

/// What it is loaded from.
pub(super) enum Body {
    Component(&'static [u8]),
    /// Too large for the binary; made when it is needed.
    Grown(&'static str),
}

include!(concat!(env!("OUT_DIR"), "/hostile.rs"));

/// Runs the hostile suite on this machine and prints a table: the attack, what stopped it, after how long, and
/// what it cost a well-behaved neighbour. Ends with an error where one escapes.
#[derive(clap::Args)]
pub(super) struct Prove {
    /// Only attacks whose names contain one of these
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Print the attacks and what each tries, and run none
    #[arg(long)]
    list: bool,
    /// Write the table to a file as JSON, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Prove {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let suite: Vec<&Attack> = SUITE
            .iter()
            .filter(|attack| {
                self.names.is_empty() || self.names.iter().any(|name| attack.name.contains(name.as_str()))
            })
            .collect();
        if suite.is_empty() {
            return Err(Error::usage("no attack has such a name; `transom prove --list` prints all of them"));
        }
        if self.list {
            for attack in &suite {
                print(&format!("{:<26} {}\n", attack.name, attack.tries))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let shutdown = Shutdown::default();
        stop_on_signal(&shutdown)?;
        let stage = Stage::set()?;
        say(&format!(
            "{} attacks, about a second each; three that are for the compiler take up to a minute",
            suite.len()
        ));
        let alone = stage.alone()?;
        print(&heading())?;
        let mut outcomes = Vec::new();
        for attack in suite {
            if shutdown.is_stopped() {
                return Err(Error::usage(format!("stopped after {} attacks", outcomes.len())));
            }
            let outcome = stage.attack(attack)?;
            print(&row(attack, &outcome))?;
            outcomes.push((attack, outcome));
        }
        let escaped: Vec<&str> = outcomes
            .iter()
            .filter(|(_, outcome)| outcome.escaped.is_some())
            .map(|(attack, _)| attack.name)
            .collect();
        print(&closing(&outcomes, &alone, escaped.len()))?;
        if let Some(file) = &self.report {
            write_report(file, &outcomes, &alone)?;
        }
        if escaped.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        Err(Error::plugin(format!(
            "{} of {} attacks were not stopped: {}; do not run plugins you do not trust on this machine",
            escaped.len(),
            outcomes.len(),
            escaped.join(", ")
        )))
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Error::sink(format!("standard output: {error}")))
}

fn heading() -> String {
    format!(
        "{:<41} {:<26} {:>9}  {:>13} {:>9} {:>9}\n",
        "attack", "stopped by", "after", "neighbour's", "p50", "slowest"
    ) + &format!("{:<41} {:<26} {:>9}  {:>13} {:>9} {:>9}\n", "", "", "", "lost frames", "ms", "ms")
}

fn row(attack: &Attack, outcome: &Outcome) -> String {
    let by = if outcome.escaped.is_some() { "NOT STOPPED" } else { outcome.by.as_str() };
    let after =
        outcome.after.map_or_else(String::new, |after| format!("{:.0} ms", after.as_secs_f64() * 1e3));
    let neighbour = &outcome.neighbour;
    let mut row = format!(
        "{:<41} {by:<26} {after:>9}  {:>6} of {:<3} {:>9.1} {:>9.1}\n",
        attack.title, neighbour.lost, neighbour.frames, neighbour.p50_ms, neighbour.slowest_ms
    );
    if let Some(escaped) = &outcome.escaped {
        let _ = writeln!(row, "  {}: {escaped} {}", attack.name, outcome.why.as_deref().unwrap_or_default());
    }
    row
}

fn closing(outcomes: &[(&Attack, Outcome)], alone: &stage::Neighbour, escaped: usize) -> String {
    let all = || outcomes.iter().map(|(_, outcome)| &outcome.neighbour);
    let frames: u64 = all().map(|neighbour| neighbour.frames).sum();
    let lost: u64 = all().map(|neighbour| neighbour.lost).sum();
    let stopped = outcomes.len() - escaped;
    let mut text = format!("\n{stopped} of {} attacks stopped\n", outcomes.len());
    let _ = writeln!(text, "the neighbour lost {lost} of {frames} frames");
    let p99 = stage::p99(all());
    let _ = writeln!(
        text,
        "its latency, frame decoded to event delivered: alone p50 {:.1} ms, p99 {:.1} ms; under attack p99 {p99:.1} ms",
        alone.p50_ms,
        stage::p99([alone])
    );
    text
}

fn write_report(
    file: &std::path::Path,
    outcomes: &[(&Attack, Outcome)],
    alone: &stage::Neighbour,
) -> Result<()> {
    let rows: Vec<serde_json::Value> = outcomes
        .iter()
        .map(|(attack, outcome)| {
            serde_json::json!({
                "attack": attack.name, "title": attack.title, "tries": attack.tries, "world": attack.world,
                "stopped_by": outcome.by, "why": outcome.why, "escaped": outcome.escaped,
                "after_ms": outcome.after.map(|after| after.as_secs_f64() * 1e3),
                "neighbour": outcome.neighbour,
            })
        })
        .collect();
    let report = serde_json::json!({ "alone": alone, "attacks": rows });
    std::fs::write(file, format!("{report:#}\n")).map_err(|error| {
        Error::sink(format!("the report cannot be written to `{}`: {error}", file.display()))
    })
}
