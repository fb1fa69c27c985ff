//! Each model of the zoo on each back end, against onnxruntime in Python on the same file: time, error, memory,
//! start. Two threads and one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::app::{file, shared_data, transom};
use crate::measure::{median, ratio, rounds, run, spread};
use crate::table::{Row, Table};
use crate::zoo;

const ROUNDS: usize = 3;
/// How much slower than onnxruntime the built-in back end may be on the shipped model.
const EMBEDDED: f64 = 1.3;

/// What was measured of one back end, a value a round.
#[derive(Default)]
struct Measured {
    median_ms: Vec<f64>,
    peer_ms: Vec<f64>,
    error: f64,
    memory: f64,
    load_ms: Vec<f64>,
    reason: String,
}

pub(crate) fn bench(table: &mut Table) {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut models = vec![
        ("person".to_owned(), file("models/person/model.onnx")),
        ("person-reid".to_owned(), file("models/person-reid/model.onnx")),
    ];
    match shared_data() {
        Ok(data) => models
            .push(("FastestDet, the real one".to_owned(), data.join("models/fastestdet/FastestDet.onnx"))),
        Err(why) => table.skip("the real FastestDet", &why),
    }
    for animal in zoo::animals() {
        let folder = scratch.path().join(&animal.name);
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        animal.write(&folder);
        models.push((format!("zoo {}", animal.name), folder.join("model.onnx")));
    }
    let only = std::env::var("TRANSOM_BENCH_MODELS").unwrap_or_default();
    models.retain(|(name, _)| only.is_empty() || only.split(',').any(|part| name.contains(part)));
    for (name, path) in &models {
        for threads in [1, 2] {
            match measure(path, threads, scratch.path()) {
                Ok(measured) => rows(table, name, threads, &measured),
                Err(why) => table.skip(name, &why),
            }
        }
        match first_result(path, scratch.path()) {
            Ok(took) => table.row(&Row {
                what: format!("{name}: from the command to the first result, everything cold"),
                transom: spread(&took, 0, "ms"),
                ..Row::default()
            }),
            Err(why) => table.skip(name, &why),
        }
    }
}

fn python() -> std::ffi::OsString {
    std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into())
}

/// Every back end of `transom model check` and Python's onnxruntime, taking turns.
fn measure(path: &Path, threads: usize, scratch: &Path) -> Result<BTreeMap<String, Measured>, String> {
    let mut all: BTreeMap<String, Measured> = BTreeMap::new();
    for _ in 0..rounds(ROUNDS) {
        let mut command = Command::new(transom());
        command.args(["model", "check", "--json", "--threads", &threads.to_string()]).arg(path);
        // Nothing is remembered from one round to the next.
        let state = scratch.join("state");
        let _ = std::fs::remove_dir_all(&state);
        command.env("XDG_STATE_HOME", &state);
        let report: Value = serde_json::from_str(&run(&mut command)?.stdout)
            .map_err(|error| format!("the report is no JSON: {error}"))?;
        let mut peer = Command::new(python());
        peer.arg(file("tests/zoo/peer.py")).arg(path).args(["--threads", &threads.to_string()]);
        let theirs = run(&mut peer).ok().and_then(|done| serde_json::from_str::<Value>(&done.stdout).ok());
        let theirs = theirs.and_then(|peer| peer["median_ms"].as_f64()).unwrap_or(f64::NAN);
        for row in report["rows"].as_array().into_iter().flatten() {
            let text = |key: &str| row[key].as_str().unwrap_or_default();
            let measured = all.entry(format!("{} on {}", text("backend"), text("device"))).or_default();
            measured.reason = format!("{}: {}", text("standing"), text("reason"));
            measured.error = row["max_error"].as_f64().unwrap_or(measured.error);
            measured.memory = row["memory_bytes"].as_f64().unwrap_or(measured.memory);
            measured.load_ms.extend(row["load_ms"].as_f64());
            if let Some(median_ms) = row["median_ms"].as_f64() {
                measured.median_ms.push(median_ms);
                measured.peer_ms.push(theirs);
            }
        }
    }
    Ok(all)
}

fn rows(table: &mut Table, name: &str, threads: usize, all: &BTreeMap<String, Measured>) {
    for (device, measured) in all {
        let what = format!("{name}, {threads} thread{}, {device}", if threads == 1 { "" } else { "s" });
        if measured.median_ms.is_empty() {
            table.row(&Row { what, transom: measured.reason.clone(), ..Row::default() });
            continue;
        }
        let ours = ratio(&measured.median_ms, &measured.peer_ms);
        let target = match (name, device.as_str()) {
            ("person", "rten on cpu") if threads == 1 => {
                Some((EMBEDDED, "at most 1.3 times onnxruntime's time"))
            }
            (_, device) if device.starts_with("onnxruntime") => Some((1.05, "onnxruntime's time, 1.0")),
            _ => None,
        };
        table.row(&Row {
            what,
            target: target.map_or("", |(_, words)| words),
            transom: format!(
                "{}; error {:.1e}; {:.1} MiB; loads in {:.0} ms",
                spread(&measured.median_ms, 2, "ms"),
                measured.error,
                measured.memory / f64::from(1 << 20),
                median(measured.load_ms.iter().copied()),
            ),
            peer: spread(&measured.peer_ms, 2, "ms"),
            ratio: Some(1.0 / ours),
            reached: target.map(|(most, _)| ours <= most),
        });
    }
}

/// From the command to its first result, nothing remembered.
fn first_result(path: &Path, scratch: &Path) -> Result<Vec<f64>, String> {
    let folder: PathBuf = path.parent().map(Path::to_owned).unwrap_or_default();
    if !folder.join("model.toml").exists() {
        return Err("it has no model.toml".to_owned());
    }
    let mut took = Vec::new();
    for _ in 0..rounds(ROUNDS) {
        let state = scratch.join("state");
        let _ = std::fs::remove_dir_all(&state);
        let mut command = Command::new(transom());
        command.args(["model", "detect"]).arg(&folder).arg(file("host/src/model/gate/natural.jpg"));
        command.env("XDG_STATE_HOME", &state);
        took.push(run(&mut command)?.wall.as_secs_f64() * 1000.0);
    }
    Ok(took)
}
