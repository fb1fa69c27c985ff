//! A thousand people-counters in one process: what each takes to start, and what it takes to be there.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use transom::base::{Meter, process_cpu};
use transom::plugin::{Call, Compiler, Engine, Limits, Linked, Plugin, Said};

use crate::app::guest;
use crate::measure::quantile;
use crate::ready::{self, Answered};
use crate::table::{Row, Table};

const PLUGINS: usize = 1_000;
/// How long they idle.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) fn bench(table: &mut Table) {
    let before_meters_kib = resident_kib();
    let meters: Vec<Meter> = std::iter::repeat_with(Meter::default).take(PLUGINS).collect();
    let meter_kib = (resident_kib() - before_meters_kib) / PLUGINS as f64;
    drop(meters);
    let engine = Engine::new(Compiler::Here).expect("the engine starts");
    let program = engine.load(&guest("people_counter"), Linked::ALL).expect("the guest compiles");
    let start = || {
        let setup = ready::setup("counter", ready::counting(), Answered::nothing(), Limits::default());
        Plugin::start(program.clone(), setup, &mut Said::default()).expect("the guest starts")
    };
    // What the first brings with it for all: its code is read from where it was compiled to.
    let first = start();
    let before_kib = resident_kib();
    let (mut plugins, mut took_us) = (Vec::with_capacity(PLUGINS), Vec::with_capacity(PLUGINS));
    for _ in 0..PLUGINS {
        let began = Instant::now();
        plugins.push(start());
        took_us.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let started_kib = resident_kib();

    // As in a run: a thread each, which has had one frame and waits for the next.
    let (called, end) = (Arc::new(Barrier::new(PLUGINS + 1)), Arc::new(Barrier::new(PLUGINS + 1)));
    let threads: Vec<_> = plugins
        .into_iter()
        .map(|mut plugin| {
            let (called, end) = (Arc::clone(&called), Arc::clone(&end));
            std::thread::spawn(move || {
                let call = plugin.on_frame(&ready::frame(0, 0), 0, &mut Said::default());
                called.wait();
                end.wait();
                assert_eq!(call, Call::Done);
                plugin.report().peak_memory_bytes
            })
        })
        .collect();
    called.wait();
    let called_kib = resident_kib();
    let cpu = process_cpu();
    std::thread::sleep(IDLE);
    let idle_ms = (process_cpu() - cpu).as_secs_f64() * 1e3 / IDLE.as_secs_f64();
    end.wait();
    let memory: Vec<u64> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
    drop(first);

    let at = |share| quantile(took_us.iter().copied(), share);
    let sum_ms = took_us.iter().sum::<f64>() / 1e3;
    table.row(&Row {
        what: format!("{PLUGINS} people-counters in one process: to start one, its component compiled"),
        transom: format!(
            "p50 {:.0} µs, p99 {:.0} µs, most {:.0} µs; all of them {sum_ms:.0} ms",
            at(0.5),
            at(0.99),
            at(1.0)
        ),
        ..Row::default()
    });
    let each = |kib: f64| (kib - before_kib) / PLUGINS as f64;
    table.row(&Row {
        what: "… resident memory of each".to_owned(),
        transom: format!(
            "{:.0} KiB started; {:.0} KiB after a call, its thread with it; {:.0} MiB together",
            each(started_kib),
            each(called_kib),
            (called_kib - before_kib) / 1024.0
        ),
        ..Row::default()
    });
    table.row(&Row {
        what: "… of it, the histogram of its calls; a run has two more for each plugin".to_owned(),
        transom: format!("{meter_kib:.0} KiB"),
        ..Row::default()
    });
    table.row(&Row {
        what: "… what the meter counts against the limit of 64 MiB".to_owned(),
        transom: format!("{} KiB, touched or not", memory.first().copied().unwrap_or_default() >> 10),
        ..Row::default()
    });
    table.row(&Row {
        what: "… CPU of them all, idle".to_owned(),
        transom: format!("{idle_ms:.2} ms a second"),
        ..Row::default()
    });
}

/// Memory of this process that is in RAM: `VmRSS` of proc_pid_status(5).
fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
}
