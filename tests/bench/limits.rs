//! What all limits together cost on the people-counter's call: Transom's plugin beside the same component under
//! bare wasmtime, and beside that one with single guards, to see where the difference is.

use std::time::Instant;

use transom::base::{Clock, thread_cpu};
use transom::frame::Region;
use transom::plugin::{Call, Compiler, Detection, Engine, Linked, Plugin, Said};

use crate::app::{self, file, guest};
use crate::bare::{Bare, Guards};
use crate::measure::{median, quantile, ratio, rounds};
use crate::ready::{self, Answered, Scenes, UNBOUND};
use crate::table::{Row, Table};

/// Rounds in which every variant has its turn.
const ROUNDS: usize = 15;
/// Calls of a turn; the first tenth warms up.
const CALLS: usize = 2_000;
/// From frame to frame, in microseconds of the stream.
const STEP_US: i64 = 80_000;
/// Frames after which the scene begins again where it began.
const CYCLE: usize = 200;

/// People who walk to and fro over the line, each in a column of their own; `count` of them.
fn walk(count: usize) -> Scenes {
    let person = |frame: usize, which: usize| {
        let phase = (frame + which * CYCLE / count.max(1)) % CYCLE;
        let way = phase.min(CYCLE - phase) as f32 / (CYCLE / 2) as f32;
        let region =
            Region { l: 0.02 + 0.98 / count as f32 * which as f32, t: 0.1 + 0.6 * way, w: 0.05, h: 0.2 };
        Detection { label: 0, score: 0.9, box_: region.into() }
    };
    (0..CYCLE).map(|frame| (0..count).map(|which| person(frame, which)).collect()).collect()
}

/// A way to call the people-counter.
struct Variant {
    /// Takes a frame's number in its stream; gives nanoseconds and events.
    call: Box<dyn FnMut(u64) -> (f64, usize)>,
    sequence: u64,
    events: usize,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Variant {
    fn new(call: impl FnMut(u64) -> (f64, usize) + 'static) -> Self {
        Self { call: Box::new(call), sequence: 0, events: 0, p50: Vec::new(), p99: Vec::new() }
    }

    fn turn(&mut self) {
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let (ns, events) = (self.call)(self.sequence);
            self.sequence += 1;
            self.events += events;
            times.push(ns / 1e3);
        }
        let times = times.split_off(CALLS / 10);
        self.p50.push(median(times.iter().copied()));
        self.p99.push(quantile(times, 0.99));
    }

    fn figure(&self) -> String {
        let (p50, p99) = (median(self.p50.iter().copied()), median(self.p99.iter().copied()));
        format!("p50 {p50:.2} µs, p99 {p99:.1} µs")
    }

    fn p50(&self) -> f64 {
        median(self.p50.iter().copied())
    }
}

fn ours(engine: &Engine, scenes: &Scenes) -> Variant {
    let program = engine.load(&guest("people_counter"), Linked::ALL).expect("the guest compiles");
    let ask = Answered { scenes: scenes.clone(), busy: false };
    let setup = ready::setup("counter", ready::counting(), ask, UNBOUND);
    let mut said = Said::default();
    let mut plugin = Plugin::start(program, setup, &mut said).expect("the guest starts");
    Variant::new(move |sequence| {
        let frame = ready::frame(sequence, at_us(sequence));
        let began = Instant::now();
        let call = plugin.on_frame(&frame, 0, &mut said);
        let events = said.events.len();
        said.events.clear();
        said.marks.clear();
        let ns = began.elapsed().as_nanos() as f64;
        assert_eq!(call, Call::Done);
        (ns, events)
    })
}

fn bare(scenes: &Scenes, guards: Guards) -> Variant {
    let mut bare = Bare::start("people_counter", &ready::counting(), scenes, false, guards);
    Variant::new(move |sequence| {
        let began = Instant::now();
        let events = bare.on_frame(u32::try_from(sequence).expect("a short run"), at_us(sequence));
        (began.elapsed().as_nanos() as f64, events)
    })
}

fn at_us(sequence: u64) -> i64 {
    i64::try_from(sequence).expect("a short run") * STEP_US
}

pub(crate) fn bench(table: &mut Table) {
    let engine = Engine::new(Compiler::Here).expect("the engine starts");
    let mut typical = f64::NAN;
    for (people, what) in [(1, "1 person"), (6, "6 people"), (30, "30 people")] {
        let scenes = walk(people);
        let mut ours = ours(&engine, &scenes);
        let (epochs, meters) = (true, true);
        let mut peers = [
            bare(&scenes, Guards::default()),
            bare(&scenes, Guards { epochs, ..Guards::default() }),
            bare(&scenes, Guards { meters, ..Guards::default() }),
            bare(&scenes, Guards { epochs, meters }),
        ];
        for _ in 0..rounds(ROUNDS) {
            ours.turn();
            peers.iter_mut().for_each(Variant::turn);
        }
        assert!(peers.iter().all(|peer| peer.events == ours.events), "both are to do the same work");
        let none = &peers[0];
        let cost = ratio(&ours.p50, &none.p50) - 1.0;
        table.row(&Row {
            what: format!("people-counter's call, {what}, all limits; peer: bare wasmtime, none"),
            target: "under 10 % more",
            transom: format!(
                "{}: {:+.1} % ({:+.2} µs)",
                ours.figure(),
                cost * 100.0,
                ours.p50() - none.p50()
            ),
            peer: none.figure(),
            ratio: Some(ratio(&none.p50, &ours.p50)),
            reached: Some(cost < 0.1),
        });
        for (with, peer) in
            ["epoch checks", "meters of memory, handles and bytes", "both"].iter().zip(&peers[1..])
        {
            table.row(&Row {
                what: format!("… of it, the peer with {with}"),
                peer: format!("{}: {:+.2} µs", peer.figure(), peer.p50() - none.p50()),
                ..Row::default()
            });
        }
        if people == 6 {
            typical = ours.p50() - none.p50();
        }
    }
    clocks(table);
    whole(table, typical);
}

/// What a call pays to know its own time.
fn clocks(table: &mut Table) {
    /// Readings of the thread's CPU clock in a call that does not sleep: at its begin and at its end.
    const READINGS: f64 = 2.0;
    const TIMES: u32 = 200_000;
    let ns = |read: &dyn Fn()| {
        let began = Instant::now();
        (0..TIMES).for_each(|_| read());
        began.elapsed().as_nanos() as f64 / f64::from(TIMES)
    };
    let clock = Clock::system();
    let cpu = ns(&|| {
        std::hint::black_box(thread_cpu());
    });
    let wall = ns(&|| {
        std::hint::black_box(clock.now());
    });
    table.row(&Row {
        what: "… of it, the clocks a call's own time is read from".to_owned(),
        transom: format!(
            "CPU clock of the thread {cpu:.0} ns a reading, a system call; {READINGS} a call: {:.2} µs; wall \
             clock {wall:.0} ns",
            READINGS * cpu / 1e3
        ),
        ..Row::default()
    });
}

/// The same difference beside all that a frame costs.
fn whole(table: &mut Table, more_us: f64) {
    let ran = app::run(&file("manifests/people-counter"), &[], None);
    let frame_us = ran.cpu_ms() * 1e3 / ran.frames();
    table.row(&Row {
        what: "… the limits' µs with 6 people, beside all CPU of a frame of `manifests/people-counter`"
            .to_owned(),
        transom: format!("{more_us:.2} µs of {frame_us:.0} µs: {:.3} %", more_us / frame_us * 100.0),
        ..Row::default()
    });
}
