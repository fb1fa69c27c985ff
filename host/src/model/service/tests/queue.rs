use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::{NEVER, ask, fill, limits, right, runner};
use crate::model::backend::DeviceKind;
use crate::model::gate::standin::{Manner, Then, lanes, question, standin};
use crate::model::service::{Limits, Refusal, Service};

#[test]
fn an_answer_comes_with_what_it_cost() {
    let service = Service::new(limits(), lanes());
    let takes = Duration::from_millis(3);
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner { takes, ..Manner::default() });
    let (runner, told) = runner(&question(), &[&rten], NEVER);
    let app = service.app("door", 1);
    for seed in 0..10 {
        let answer = ask(&service, &app, &runner, seed);
        assert!(answer.wall >= takes && answer.batch == 1);
        assert_eq!(answer.device.backend, "rten");
    }
    let report = app.report();
    assert_eq!((report.jobs, report.failed, report.refused, report.batched), (10, 0, 0, 0));
    assert!(report.used_us >= 30_000);
    assert_eq!(service.report(), [report]);
    assert!(told.all().is_empty());
    assert!(runner.memory() > 3 << 20);
    drop(app);
    assert!(service.report().is_empty());
}

#[test]
fn a_question_too_many_is_refused_and_counted() {
    let service = Service::new(Limits { lanes: 1, waiting: 2, ..limits() }, lanes());
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    let (runner, _) = runner(&question(), &[&rten], NEVER);
    let (app, other) = (service.app("flood", 1), service.app("calm", 1));
    let (began, go_on) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            service.ask::<(), ()>(&app, &runner, |_| {
                began.wait();
                go_on.wait();
                Ok(())
            })
        });
        began.wait();
        let waiting: Vec<_> = (0..2)
            .map(|seed| {
                scope.spawn({
                    let (service, app, runner) = (&service, &app, &runner);
                    move || ask(service, app, runner, seed)
                })
            })
            .collect();
        while service.processor.waiting_of(app.0.id) < 2 {
            std::thread::yield_now();
        }
        let refused = service.ask::<(), ()>(&app, &runner, |_| Ok(()));
        assert_eq!(
            refused.err(),
            Some(Refusal::Busy("app `flood` has 2 inferences waiting, as many as may".to_owned()))
        );
        // Another app's queue is its own.
        let calm = scope.spawn(|| ask(&service, &other, &runner, 5));
        while service.processor.waiting_of(other.0.id) < 1 {
            std::thread::yield_now();
        }
        go_on.wait();
        for waiting in waiting {
            waiting.join().unwrap();
        }
        calm.join().unwrap();
    });
    assert_eq!((app.report().jobs, app.report().refused, other.report().jobs), (3, 1, 1));
    assert!(service.processor.idle());
}

#[test]
fn what_cannot_be_prepared_or_panics_is_an_error_of_its_asker_alone() {
    let service = Service::new(Limits { lanes: 1, ..limits() }, lanes());
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    let (runner, told) = runner(&question(), &[&rten], NEVER);
    let app = service.app("door", 1);
    let unprepared = service.ask::<(), &str>(&app, &runner, |_| Err("no such region"));
    assert_eq!(unprepared.err(), Some(Refusal::Unprepared("no such region")));
    let panicked = service.ask::<(), ()>(&app, &runner, |_| panic!("told to panic"));
    assert_eq!(panicked.err(), Some(Refusal::Failed("inference panicked: told to panic".to_owned())));
    ask(&service, &app, &runner, 1);
    assert_eq!((app.report().jobs, app.report().failed), (1, 2));
    assert!(told.all().is_empty() && service.processor.idle());
}

#[test]
fn one_that_is_busy_says_so() {
    let service = Service::new(limits(), lanes());
    let rten = standin(
        "rten",
        "cpu",
        DeviceKind::Cpu,
        Manner { takes: Duration::from_millis(2), ..Manner::default() },
    );
    let remote = standin("remote", "grpc://there", DeviceKind::Remote, Manner::default());
    let (runner, told) = runner(&question(), &[&remote, &rten], NEVER);
    assert_eq!(runner.device().unwrap().backend, "remote");
    let app = service.app("door", 1);
    ask(&service, &app, &runner, 1);
    assert_eq!(runner.losses(), 0);
    drop((runner, told));
    let manner = Manner { after: Some(30), then: Then::Busy, ..Manner::default() };
    let remote = standin("remote", "grpc://there", DeviceKind::Remote, manner);
    let (runner, told) = super::runner(&question(), &[&remote, &rten], NEVER);
    let mut busy = None;
    for seed in 0..100 {
        let answer = service.ask::<(), ()>(&app, &runner, |inputs| {
            fill(inputs, seed);
            Ok(())
        });
        busy = answer.err();
    }
    assert_eq!(busy, Some(Refusal::Busy("its queue is full".to_owned())));
    assert!(told.all().is_empty());
}

#[test]
fn many_threads_of_many_apps_all_get_their_own_answers() {
    let service = Service::new(Limits { lanes: 3, ..limits() }, lanes());
    let cpu = standin(
        "rten",
        "cpu",
        DeviceKind::Cpu,
        Manner { takes: Duration::from_millis(3), ..Manner::default() },
    );
    let takes = Duration::from_micros(300);
    let card =
        standin("wonnx", "card", DeviceKind::Gpu, Manner { batches: true, takes, ..Manner::default() });
    let (on_cpu, _) = runner(&question(), &[&cpu], NEVER);
    let (on_card, _) = runner(&question(), &[&card, &cpu], NEVER);
    assert_eq!(on_card.device().unwrap().backend, "wonnx");
    let (answered, thrown) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..24_usize {
            let (service, on_cpu, on_card, answered, thrown) =
                (&service, &on_cpu, &on_card, &answered, &thrown);
            scope.spawn(move || {
                let mut app = service.app(&format!("app {}", thread % 5), 1 + thread as u32 % 2);
                for round in 0..40 {
                    let seed = thread * 100 + round;
                    // Apps come and go while others' jobs are under way.
                    if seed % 11 == 0 {
                        app = service.app("another", 1);
                    }
                    let runner = if seed % 3 == 0 { on_cpu } else { on_card };
                    if seed % 17 == 0 {
                        let panicked = service.ask::<(), ()>(&app, runner, |_| panic!("told to panic"));
                        assert!(matches!(panicked, Err(Refusal::Failed(_))));
                        thrown.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    let answer = service
                        .ask::<_, ()>(&app, runner, |inputs| {
                            fill(inputs, seed);
                            Ok(seed)
                        })
                        .unwrap();
                    assert_eq!((answer.prepared, answer.outputs), (seed, right(seed)));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(answered.into_inner() + thrown.into_inner(), 24 * 40);
    assert!(service.processor.idle() && service.devices.lock().unwrap().values().all(|pool| pool.idle()));
    assert!(service.report().is_empty());
    assert_eq!(service.processor.apps(), 0);
}

#[test]
fn a_service_that_is_dropped_ends_its_threads() {
    let service = Service::new(limits(), lanes());
    let weak = Arc::downgrade(&service);
    let app = service.app("door", 1);
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner::default());
    let cpu = standin(
        "rten",
        "cpu",
        DeviceKind::Cpu,
        Manner { takes: Duration::from_millis(2), ..Manner::default() },
    );
    let (runner, _) = runner(&question(), &[&card, &cpu], NEVER);
    ask(&service, &app, &runner, 1);
    drop(service);
    assert!(weak.upgrade().is_none());
    drop(app);
}

/// Not run with the others; prints what a question costs beside its inference:
/// `cargo test --release what_the_queue_costs -- --ignored --nocapture`.
#[test]
#[ignore = "prints a measurement"]
fn what_the_queue_costs() {
    use crate::base::{process_cpu, thread_cpu};
    let service = Service::new(limits(), lanes());
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner { idle: true, ..Manner::default() });
    let (runner, _) = runner(&question(), &[&rten], NEVER);
    let app = service.app("door", 1);
    let nothing = || service.ask::<(), ()>(&app, &runner, |_| Ok(())).map(drop).unwrap();
    const MANY: u32 = 20_000;
    let began = thread_cpu();
    (0..MANY).for_each(|_| nothing());
    let alone = (thread_cpu() - began) / MANY;
    let began = process_cpu();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..MANY / 8).for_each(|_| nothing()));
        }
    });
    let crowded = (process_cpu() - began) / MANY;
    eprintln!(
        "CPU of a question: {alone:?} where a worker is free, {crowded:?} with 8 threads for 2 workers"
    );
}
