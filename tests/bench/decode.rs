//! Decoding alone, against ffmpeg on one thread.

use std::path::Path;
use std::process::Command;

use crate::app::{file, shared_clip, shared_data, transom};
use crate::measure::{Finished, ratio, rounds, run, spread};
use crate::table::{Row, Table};

const ROUNDS: usize = 5;

pub(crate) fn bench(table: &mut Table) {
    clip(table, "entrance.mp4, 960x540 High", &file("tests/clips/entrance.mp4"));
    match shared_data() {
        Ok(data) => clip(table, "one-by-one-person-detection.mp4, 768x432 Main", &shared_clip(&data)),
        Err(why) => table.skip("decoding the real clip", &why),
    }
}

fn clip(table: &mut Table, name: &str, path: &Path) {
    let (mut ours, mut theirs) = (vec![], vec![]);
    let mut missing = None;
    for _ in 0..rounds(ROUNDS) {
        let probe = run(Command::new(transom()).arg("probe").arg(path).arg("--decode"));
        ours.push(cpu_ms(&probe.unwrap_or_else(|error| panic!("{error}"))));
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-nostdin", "-threads", "1", "-i"]).arg(path);
        match run(ffmpeg.args(["-an", "-vsync", "passthrough", "-f", "null", "-"])) {
            Ok(done) => theirs.push(cpu_ms(&done)),
            Err(why) => missing = Some(why),
        }
    }
    if let Some(why) = missing {
        table.skip("ffmpeg, the peer in decoding", &format!("install ffmpeg: {why}"));
    }
    table.row(&Row {
        what: format!(
            "decode {name}: `transom probe --decode` against `ffmpeg -threads 1`, CPU of the command"
        ),
        transom: spread(&ours, 0, "ms"),
        peer: if theirs.is_empty() { String::new() } else { spread(&theirs, 0, "ms") },
        ratio: (theirs.len() == ours.len()).then(|| ratio(&theirs, &ours)),
        ..Row::default()
    });
}

fn cpu_ms(done: &Finished) -> f64 {
    done.cpu.as_secs_f64() * 1000.0
}
