//! The benchmarks: Transom and the peer a user would pick, in one run on one clip, as ratios.
//!
//! ```text
//! cargo bench -p transom-tests                    all of them, as a Markdown table
//! cargo bench -p transom-tests -- calls start     some of them
//! ```
//!
//! Machines are noisy: both sides take turns, what is printed is the median, and a ratio is the median of
//! the rounds' own ratios. CPU time is what the kernel counted; wall time suffers from whatever else runs,
//! so the load is printed too. Nothing here is asserted: `host/docs/benchmarks.md` is the scorecard.
//!
//! Taken from the environment: `TRANSOM_SHARED_DATA`, a folder with real clips and models (default
//! `../shared/data`); `PYTHON`, which has numpy, opencv-python-headless and onnxruntime (default `python3`);
//! `WASMTIME`, its command (default `wasmtime`);
//! `TRANSOM_BINARY`, another build of the command, to compare two; `TRANSOM_BENCH_ROUNDS`, fewer rounds for a
//! quick look.

mod app;
mod bare;
mod calls;
mod deadline;
mod decode;
mod glue;
mod idle;
mod inbound;
mod limits;
mod measure;
mod models;
mod peer;
mod ready;
mod real_time;
mod share;
mod sharing;
mod start;
mod table;
#[path = "../zoo/mod.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod zoo;

use table::Table;

/// A benchmark: what it is called, and what fills the table.
type Bench = (&'static str, fn(&mut Table));

const ALL: [Bench; 13] = [
    ("calls", calls::bench),
    ("glue", glue::bench),
    ("real-time", real_time::bench),
    ("start", start::bench),
    ("peer", peer::bench),
    ("sharing", sharing::bench),
    ("decode", decode::bench),
    ("limits", limits::bench),
    ("deadline", deadline::bench),
    ("share", share::bench),
    ("idle", idle::bench),
    ("inbound", inbound::bench),
    ("models", models::bench),
];

fn main() {
    // Cargo says `--bench` to every benchmark.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let Some(unknown) = wanted.iter().find(|word| ALL.iter().all(|(name, _)| name != word)) {
        let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no benchmark `{unknown}`; there are `{}`", names.join("`, `"));
        std::process::exit(2);
    }
    let mut table = Table::begin();
    for (name, bench) in ALL {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            bench(&mut table);
        }
    }
}
