//! The program a user would write instead: Python with OpenCV and onnxruntime, on the same clip and model.

use std::process::Command;

use serde_json::Value;

use crate::app::{App, file, shared_clip, shared_data};
use crate::measure::{median, ratio, rounds, run, spread};
use crate::table::{Row, Table};

const ROUNDS: usize = 5;
/// Frames of the clip that are analysed: a minute of it.
const FRAMES: &str = "600";

/// What one of the programs took.
struct Took {
    wall_s: f64,
    cpu_ms: f64,
    peak_mib: f64,
}

pub(crate) fn bench(table: &mut Table) {
    let data = match shared_data() {
        Ok(data) => data,
        Err(why) => return table.skip("FastestDet against Python", &why),
    };
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    // As many threads as its author would get without asking, and one, which takes the least CPU.
    let peer = |threads: &str| -> Result<Took, String> {
        let mut command = Command::new(&python);
        command
            .arg(file("tests/bench/reference.py"))
            .arg(data.join("models/fastestdet"))
            .arg(shared_clip(&data));
        let done = run(command.args(["--threads", threads, "--frames", FRAMES]))?;
        let totals: Value =
            done.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        let number =
            |name: &str| totals[name].as_f64().ok_or_else(|| format!("the program gave no `{name}`"));
        let (frames, cpu_s) = (number("frames")?, number("process_cpu_s")?);
        Ok(Took {
            wall_s: done.wall.as_secs_f64(),
            cpu_ms: cpu_s * 1000.0 / frames,
            peak_mib: number("peak_memory_mib")?,
        })
    };
    let app = App::of_shared_data(&data, 1);
    let (mut ours, mut one, mut many) = (vec![], vec![], vec![]);
    let (mut inference, mut decode) = (vec![], vec![]);
    for _ in 0..rounds(ROUNDS) {
        let ran = app.run(&["--frames", FRAMES]);
        inference.push(ran.inference_ms() / ran.frames());
        decode.push(ran.decode_ms() / ran.frames());
        ours.push(Took {
            wall_s: ran.wall.as_secs_f64(),
            cpu_ms: ran.cpu_ms() / ran.frames(),
            peak_mib: ran.peak_mib(),
        });
        match (peer("1"), peer("0")) {
            (Ok(took), Ok(also)) => {
                one.push(took);
                many.push(also);
            }
            (Err(why), _) | (_, Err(why)) => {
                let remedy = "pip install numpy opencv-python-headless onnxruntime, and name that interpreter in PYTHON";
                let why = why.lines().last().unwrap_or("").to_owned();
                table.skip("the Python program", &format!("{why}; {remedy}"));
                break;
            }
        }
    }
    let pick = |from: &[Took], of: fn(&Took) -> f64| -> Vec<f64> { from.iter().map(of).collect() };
    let figure =
        |what: &str, target, against: &[Took], of: fn(&Took) -> f64, unit: &str, least: Option<f64>| {
            let (mine, theirs) = (pick(&ours, of), pick(against, of));
            let times = (!theirs.is_empty()).then(|| ratio(&theirs, &mine));
            Row {
                what: what.to_owned(),
                target,
                transom: spread(&mine, 2, unit),
                peer: if theirs.is_empty() { String::new() } else { spread(&theirs, 2, unit) },
                ratio: times,
                reached: times.zip(least).map(|(times, least)| times >= least),
            }
        };
    table.row(&figure(
        "FastestDet on the real clip: peak memory, Python on one thread",
        "under half",
        &one,
        |t| t.peak_mib,
        "MiB",
        Some(2.0),
    ));
    table.row(&figure(
        "… CPU a frame, whole process, Python on one thread",
        "",
        &one,
        |t| t.cpu_ms,
        "ms",
        None,
    ));
    table.row(&figure("… wall, whole command, Python on one thread", "", &one, |t| t.wall_s, "s", None));
    table.row(&figure(
        "… CPU a frame, Python's libraries with their own choice of threads",
        "",
        &many,
        |t| t.cpu_ms,
        "ms",
        None,
    ));
    table.row(&figure(
        "… wall, Python's libraries with their own choice of threads",
        "",
        &many,
        |t| t.wall_s,
        "s",
        None,
    ));
    table.row(&Row {
        what: "… where Transom's CPU goes, a frame".to_owned(),
        transom: format!("decode {:.2} ms, inference {:.2} ms", median(decode), median(inference)),
        ..Row::default()
    });
}
