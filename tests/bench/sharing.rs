//! Two plugins that ask the same model about the same camera: decoded once, inferred once.

use crate::app::{App, file};
use crate::measure::{ratio, rounds, spread};
use crate::table::{Row, Table};

const ROUNDS: usize = 7;

pub(crate) fn bench(table: &mut Table) {
    let (model, clip) = (file("models/person"), file("tests/clips/entrance.mp4"));
    let [one, two] = [1, 2].map(|plugins| App::new(&model, &clip, plugins, None));
    let (mut single, mut double) = (vec![], vec![]);
    for _ in 0..rounds(ROUNDS) {
        single.push(one.run(&[]).cpu_ms() / 1000.0);
        double.push(two.run(&[]).cpu_ms() / 1000.0);
    }
    let times = ratio(&double, &single);
    table.row(&Row {
        what: "two plugins with one model on one camera, against one plugin".to_owned(),
        target: "at most 1.1x its CPU",
        transom: format!("{times:.3}x: {}", spread(&double, 2, "s CPU")),
        peer: spread(&single, 2, "s CPU"),
        reached: Some(times <= 1.1),
        ..Row::default()
    });
}
