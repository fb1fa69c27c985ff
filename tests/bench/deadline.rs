//! By how much a plugin that never returns passes its deadline: alone, and eight of them at once on their
//! threads, as in a run. Own time is what the deadline is about; the wall is what a frame behind it waits.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use transom::plugin::{Call, Compiler, Engine, Limits, Linked, ParamValue, Plugin, Program, Said};

use crate::app::guest;
use crate::measure::quantile;
use crate::ready::{self, Answered, UNBOUND, param};
use crate::table::{Row, Table};

/// Calls stopped, all threads together.
const SAMPLES: usize = 240;
/// Plugins at once.
const MANY: usize = 8;
/// As `pipeline/worker.rs` has it.
const NICE: i32 = 5;
/// Further apart than faults count together, so that the plugin is never held.
const APART_US: i64 = 61_000_000;

/// One call that was stopped: how far past its deadline, in milliseconds.
struct Past {
    own: f64,
    wall: f64,
}

pub(crate) fn bench(table: &mut Table) {
    let engine = Engine::new(Compiler::Here).expect("the engine starts");
    let program = engine.load(&guest("misbehaves"), Linked::ALL).expect("the guest compiles");
    let alone = at_once(&program, 1);
    let many = at_once(&program, MANY);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let figure = |past: &[Past], pick: fn(&Past) -> f64| {
        let at = |share| quantile(past.iter().map(pick), share);
        format!("p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms", at(0.5), at(0.99), at(1.0))
    };
    for (what, past) in [("alone", &alone), ("eight at once", &many)] {
        table.row(&Row {
            what: format!("a plugin that loops, past its deadline of 50 ms: {what}; own time"),
            target: "p99 under 3 ms",
            transom: figure(past, |past| past.own),
            reached: Some(quantile(past.iter().map(|past| past.own), 0.99) < 3.0),
            ..Row::default()
        });
    }
    table.row(&Row {
        what: "… wall of the call beyond 50 ms, alone".to_owned(),
        transom: figure(&alone, |past| past.wall),
        ..Row::default()
    });
    table.row(&Row {
        what: format!("… the same, eight at once on {cores} cores: each waits for the others"),
        transom: figure(&many, |past| past.wall),
        ..Row::default()
    });
}

/// So many plugins loop at once, each on its own thread, until there are [`SAMPLES`].
fn at_once(program: &Program, plugins: usize) -> Vec<Past> {
    let begin = Arc::new(Barrier::new(plugins));
    let threads: Vec<_> = (0..plugins)
        .map(|_| {
            let (program, begin) = (program.clone(), Arc::clone(&begin));
            std::thread::spawn(move || {
                let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
                begin.wait();
                stopped(program, SAMPLES.div_ceil(plugins))
            })
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
}

/// Has one plugin stopped so many times. Each of its lives takes one frame, so that a new life's start is in
/// no figure, and loops at the second.
fn stopped(program: Program, times: usize) -> Vec<Past> {
    let params =
        vec![param("what", ParamValue::Text("loop".to_owned())), param("at", ParamValue::Integer(1))];
    let limits = Limits { deadline: Duration::from_millis(50), ..UNBOUND };
    let deadline_ms = limits.deadline.as_secs_f64() * 1e3;
    let setup = ready::setup("misbehaves", params, Answered::nothing(), limits);
    let mut said = Said::default();
    let mut plugin = Plugin::start(program, setup, &mut said).expect("the guest starts");
    (1_u64..)
        .take(times)
        .map(|life| {
            let at_us = i64::try_from(life).unwrap_or(0) * APART_US;
            let (fine, fatal) = (ready::frame(2 * life, at_us), ready::frame(2 * life + 1, at_us + 40_000));
            assert_eq!(plugin.on_frame(&fine, 0, &mut said), Call::Done);
            let own_us = |plugin: &Plugin| plugin.report().calls.wall_us as f64;
            let (before_us, began) = (own_us(&plugin), Instant::now());
            assert_eq!(plugin.on_frame(&fatal, 0, &mut said), Call::Faulted);
            let wall_ms = began.elapsed().as_secs_f64() * 1e3;
            let own_ms = (own_us(&plugin) - before_us) / 1e3;
            Past { own: own_ms - deadline_ms, wall: wall_ms - deadline_ms }
        })
        .collect()
}
