//! What the runtime itself takes: the CPU time of a run that is neither decoding, models nor plugins.

use crate::app::{App, Ran, shared_data};
use crate::measure::{median, rounds, spread};
use crate::table::{Row, Table};

const ROUNDS: usize = 5;
/// Frames of the two runs: what the long one takes beyond the short one has no start-up in it.
const FRAMES: [&str; 2] = ["100", "600"];

/// Milliseconds of CPU outside the stages that do the work.
fn glue_ms(ran: &Ran) -> f64 {
    ran.cpu_ms() - ran.decode_ms() - ran.model_ms() - ran.plugin_ms()
}

pub(crate) fn bench(table: &mut Table) {
    let data = match shared_data() {
        Ok(data) => data,
        Err(why) => return table.skip("glue", &why),
    };
    let app = App::of_shared_data(&data, 1);
    let (mut whole, mut steady, mut deliver, mut wall) = (vec![], vec![], vec![], vec![]);
    let mut stages = [vec![], vec![], vec![]];
    for _ in 0..rounds(ROUNDS) {
        let [short, long] = FRAMES.map(|frames| app.run_on_one_core(&["--frames", frames]));
        let frames = long.frames() - short.frames();
        let each = |of: fn(&Ran) -> f64| (of(&long) - of(&short)) / frames;
        whole.push(glue_ms(&long) / long.frames());
        steady.push(each(glue_ms));
        deliver.push(each(Ran::deliver_ms));
        wall.push(each(|ran| {
            ran.wall.as_secs_f64() * 1000.0 - ran.decode_ms() - ran.model_ms() - ran.plugin_ms()
        }));
        for (stage, ms) in
            stages.iter_mut().zip([each(Ran::decode_ms), each(Ran::model_ms), each(Ran::plugin_ms)])
        {
            stage.push(ms);
        }
    }
    let [decode, model, plugin] = stages.map(median);
    table.row(&Row {
        what: "glue: CPU a frame at 768x432 outside decoder, model and plugin, on one core".to_owned(),
        target: "under 0.5 ms",
        transom: spread(&steady, 3, "ms"),
        reached: Some(median(steady.iter().copied()) < 0.5),
        ..Row::default()
    });
    table.row(&Row {
        what: "… of it, writing events".to_owned(),
        transom: spread(&deliver, 3, "ms"),
        ..Row::default()
    });
    table.row(&Row {
        what: "… with start-up spread over 600 frames".to_owned(),
        transom: spread(&whole, 3, "ms"),
        ..Row::default()
    });
    table.row(&Row {
        what: "… as wall time on that core, whatever else ran there".to_owned(),
        transom: spread(&wall, 3, "ms"),
        ..Row::default()
    });
    table.row(&Row {
        what: "beside it, CPU a frame".to_owned(),
        transom: format!("decode {decode:.2} ms, model {model:.2} ms, plugin {plugin:.3} ms"),
        ..Row::default()
    });
}
