//! One frame's way host -> plugin -> host: the `detections` guest asks a model, which answers from memory,
//! and publishes what it was told. The peer is the same component under bare wasmtime: no limits, no clock,
//! no stamps on events, nobody counting.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use transom::frame::Region;
use transom::plugin::{Call, Compiler, Detection, Engine, Linked, Plugin, Said};

use crate::app::guest;
use crate::bare::{Bare, Guards};
use crate::measure::{median, quantile, ratio, rounds};
use crate::ready::{self, Answered, UNBOUND};
use crate::table::{Row, Table};

/// Rounds in which every variant has its turn.
const ROUNDS: usize = 15;
/// Calls of a turn; the first tenth warms up.
const CALLS: usize = 2_000;

/// As many things as said, in a grid.
fn found(count: usize) -> Vec<Detection> {
    let thing = |at: usize| {
        let region = Region { l: (at % 10) as f32 * 0.1, t: (at / 10 % 10) as f32 * 0.1, w: 0.08, h: 0.09 };
        Detection { label: (at % 2) as u32, score: 0.9 - at as f32 * 0.001, box_: region.into() }
    };
    (0..count).map(thing).collect()
}

fn plugin(engine: &Engine, count: usize, watched: bool, busy: bool) -> Plugin {
    let program = engine.load(&guest("detections"), Linked::ALL).expect("the guest compiles");
    let ask = Answered { scenes: vec![found(count)], busy };
    let mut setup = ready::setup("detections", vec![ready::threshold()], ask, UNBOUND);
    setup.watched = Arc::new(AtomicBool::new(watched));
    Plugin::start(program, setup, &mut Said::default()).expect("the guest starts")
}

/// Microseconds of each call of a turn.
fn turn(mut call: impl FnMut()) -> Vec<f64> {
    let mut times: Vec<f64> = (0..CALLS)
        .map(|_| {
            let started = Instant::now();
            call();
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.split_off(CALLS / 10)
}

/// A variant: what it is, and how one call of it goes.
struct Variant {
    what: &'static str,
    target: Option<f64>,
    call: Box<dyn FnMut()>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

fn variant(what: &'static str, target: Option<f64>, call: impl FnMut() + 'static) -> Variant {
    Variant { what, target, call: Box::new(call), p50: Vec::new(), p99: Vec::new() }
}

pub(crate) fn bench(table: &mut Table) {
    let engine = Engine::new(Compiler::Here).expect("the engine starts");
    let frame = ready::frame(7, 280_000);
    let ours = |what, target, count, watched, busy| {
        let (mut plugin, frame, mut said) =
            (plugin(&engine, count, watched, busy), Arc::clone(&frame), Said::default());
        variant(what, target, move || {
            assert_eq!(plugin.on_frame(&frame, 0, &mut said), Call::Done);
            assert_eq!(said.events.len(), usize::from(!busy));
            said.events.clear();
            said.marks.clear();
        })
    };
    let bare = |count: usize, watched| {
        let params = [ready::threshold()];
        let mut bare = Bare::start("detections", &params, &vec![found(count)], watched, Guards::default());
        variant("", None, move || assert_eq!(bare.on_frame(7, 280_000), 1))
    };
    // Each of ours beside its peer.
    let mut pairs = [
        (ours("frame call, 100 detections in and out", Some(20.0), 100, false, false), bare(100, false)),
        (ours("… with 100 marks drawn, somebody looking", Some(20.0), 100, true, false), bare(100, true)),
        (ours("… 10 detections", None, 10, false, false), bare(10, false)),
        (ours("… no detections", None, 0, false, false), bare(0, false)),
    ];
    let mut busy = ours("… the model busy: in, two small questions, out", None, 0, false, true);
    for _ in 0..rounds(ROUNDS) {
        for variant in pairs.iter_mut().flat_map(|(ours, bare)| [ours, bare]).chain([&mut busy]) {
            let times = turn(&mut variant.call);
            variant.p50.push(median(times.iter().copied()));
            variant.p99.push(quantile(times, 0.99));
        }
    }
    let figure = |variant: &Variant| {
        let (p50, p99) = (median(variant.p50.iter().copied()), median(variant.p99.iter().copied()));
        format!("p50 {p50:.2} µs, p99 {p99:.1} µs")
    };
    for (ours, bare) in &pairs {
        table.row(&Row {
            what: format!("host → plugin → host: {}; peer: bare wasmtime, no limits", ours.what),
            target: if ours.target.is_some() { "p50 under 20 µs" } else { "" },
            transom: figure(ours),
            peer: figure(bare),
            ratio: Some(ratio(&bare.p50, &ours.p50)),
            reached: ours.target.map(|most| median(ours.p50.iter().copied()) < most),
        });
    }
    table.row(&Row {
        what: format!("host → plugin → host: {}", busy.what),
        transom: figure(&busy),
        ..Row::default()
    });
}
