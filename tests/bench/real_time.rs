//! The shipped app on its own clip: how much faster than a camera would give it, and what `max_fps` saves.

use crate::app::{self, App, file};
use crate::measure::{median, ratio, rounds, spread};
use crate::table::{Row, Table};

const ROUNDS: usize = 5;
/// Length of `tests/clips/entrance.mp4`, in seconds.
const CLIP_S: f64 = 40.0;

pub(crate) fn bench(table: &mut Table) {
    let runs: Vec<_> =
        (0..rounds(ROUNDS)).map(|_| app::run(&file("manifests/people-counter"), &[], None)).collect();
    let walls: Vec<f64> = runs.iter().map(|ran| ran.wall.as_secs_f64()).collect();
    let cpu: Vec<f64> = runs.iter().map(|ran| ran.cpu_ms() / 1000.0).collect();
    let (times, cpu) = (CLIP_S / median(walls.iter().copied()), median(cpu));
    table.row(&Row {
        what: "people-counter on its clip of 40 s, the whole command".to_owned(),
        target: "5x real time",
        transom: format!(
            "{times:.1}x: {}; {cpu:.2} s CPU: {:.1}x a core",
            spread(&walls, 2, "s"),
            CLIP_S / cpu
        ),
        reached: Some(times >= 5.0),
        ..Row::default()
    });

    let (model, clip) = (file("models/person"), file("tests/clips/entrance.mp4"));
    let all = App::new(&model, &clip, 1, None);
    let half = App::new(&model, &clip, 1, Some(12.5));
    let rounds: Vec<_> = (0..rounds(ROUNDS)).map(|_| (all.run(&[]), half.run(&[]))).collect();
    let [all_cpu, half_cpu, all_decode, half_decode] = [0, 1, 2, 3].map(|which| -> Vec<f64> {
        let pick = |(all, half): &(app::Ran, app::Ran)| match which {
            0 => all.cpu_ms(),
            1 => half.cpu_ms(),
            2 => all.decode_ms(),
            _ => half.decode_ms(),
        };
        rounds.iter().map(pick).collect()
    });
    for (what, full, less) in [("", &all_cpu, &half_cpu), (", decoding alone", &all_decode, &half_decode)] {
        table.row(&Row {
            what: format!("`max_fps = 12.5` against all 25 frames a second{what}"),
            transom: spread(less, 0, "ms CPU"),
            peer: spread(full, 0, "ms CPU"),
            ratio: Some(ratio(full, less)),
            ..Row::default()
        });
    }
}
