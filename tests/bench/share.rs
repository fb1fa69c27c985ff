//! How well a plugin is held to its share of the processor: one whose every call takes 40 ms of it, driven as
//! a run drives it.

use std::time::{Duration, Instant};

use transom::base::{Shutdown, thread_cpu};
use transom::plugin::{Call, Compiler, Engine, Limits, Linked, ParamValue, Plugin, Program, Said};

use crate::app::guest;
use crate::ready::{self, Answered, UNBOUND, param};
use crate::table::{Row, Table};

/// Own time of a call: it loops, and is stopped at this deadline.
const CALL: Duration = Duration::from_millis(40);
const LASTS: Duration = Duration::from_secs(10);
/// How far the share may be missed, in cores.
const MISSED: f64 = 0.03;
/// Further apart than faults count together, so that the plugin is never held.
const APART_US: i64 = 61_000_000;

/// What it used, in cores.
struct Used {
    /// From the plugin's start; its bucket is full then, and a second's worth may come at once.
    start: f64,
    /// From a second after it.
    steady: f64,
    /// As the plugin's own report has it.
    reported: f64,
    calls: u64,
    throttled_s: f64,
}

pub(crate) fn bench(table: &mut Table) {
    let engine = Engine::new(Compiler::Here).expect("the engine starts");
    let program = engine.load(&guest("misbehaves"), Linked::ALL).expect("the guest compiles");
    for (cores, target) in [(0.25, "0.25 +- 0.03 cores"), (0.5, "")] {
        let used = drive(program.clone(), cores);
        let reached = |used: f64| (!target.is_empty()).then_some((used - cores).abs() <= MISSED);
        table.row(&Row {
            what: format!(
                "a plugin that asks for a whole core and has `cpu = {cores}`, over 10 s from its start"
            ),
            target,
            transom: format!(
                "{:.3} cores ({} calls of 40 ms, {:.2} s made to wait; its report says {:.3})",
                used.start, used.calls, used.throttled_s, used.reported
            ),
            reached: reached(used.start),
            ..Row::default()
        });
        table.row(&Row {
            what: "… over the 10 s behind its first, when what it may take at once is used up".to_owned(),
            target,
            transom: format!("{:.3} cores", used.steady),
            reached: reached(used.steady),
            ..Row::default()
        });
    }
}

/// As `pipeline/worker.rs`: a call, and where that overdrew the share, a wait.
fn drive(program: Program, cores: f64) -> Used {
    const FIRST: Duration = Duration::from_secs(1);
    let params =
        vec![param("what", ParamValue::Text("loop".to_owned())), param("at", ParamValue::Integer(0))];
    let limits = Limits { deadline: CALL, cpu: cores, ..UNBOUND };
    let setup = ready::setup("misbehaves", params, Answered::nothing(), limits);
    let mut said = Said::default();
    let mut plugin = Plugin::start(program, setup, &mut said).expect("the guest starts");
    let shutdown = Shutdown::default();
    let (began, cpu) = (Instant::now(), thread_cpu());
    let (mut from_start, mut first, mut calls) = (None, None, 0_u64);
    let mut reported = 0.0;
    let since = |from: (Duration, Duration)| {
        let (passed, used) = (began.elapsed() - from.0, thread_cpu() - from.1);
        used.as_secs_f64() / passed.as_secs_f64()
    };
    let steady = loop {
        let frame = ready::frame(calls, i64::try_from(calls).unwrap_or(0) * APART_US);
        assert_eq!(plugin.on_frame(&frame, 0, &mut said), Call::Faulted);
        calls += 1;
        let debt = plugin.debt();
        if !debt.is_zero() {
            let began = Instant::now();
            shutdown.sleep(debt);
            plugin.throttled(began.elapsed());
        }
        let passed = began.elapsed();
        if from_start.is_none() && passed >= LASTS {
            reported = plugin.report().limits["cpu"].used.unwrap_or(f64::NAN);
            from_start = Some((since((Duration::ZERO, cpu)), calls, plugin.report().throttled_s));
        }
        match first {
            None if passed >= FIRST => first = Some((passed, thread_cpu())),
            Some(from) if passed >= FIRST + LASTS => break since(from),
            _ => {}
        }
    };
    let (start, calls, throttled_s) = from_start.expect("ten seconds are less than eleven");
    Used { start, steady, reported, calls, throttled_s }
}
