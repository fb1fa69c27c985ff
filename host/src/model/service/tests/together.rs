use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{NEVER, ask, fill, limits, right, runner};
use crate::model::backend::DeviceKind;
use crate::model::gate::standin::{Manner, Wrong, lanes, question, standin};
use crate::model::service::{Limits, Refusal, Service};

/// On the processor and on a card: 5 ms a run, however many pictures.
fn gains(kind: DeviceKind) -> std::sync::Arc<crate::model::gate::standin::StandIn> {
    let takes = Duration::from_millis(5);
    standin("wonnx", "card", kind, Manner { batches: true, takes, ..Manner::default() })
}

#[test]
fn questions_that_wait_are_run_together_across_apps_and_answered_as_alone() {
    for kind in [DeviceKind::Cpu, DeviceKind::Gpu] {
        let service = Service::new(Limits { lanes: 1, ..limits() }, lanes());
        let card = gains(kind);
        let slow = standin(
            "rten",
            "cpu",
            DeviceKind::Cpu,
            Manner { takes: Duration::from_millis(5), ..Manner::default() },
        );
        let (runner, _) = runner(&question(), &[&card, &slow], NEVER);
        assert_eq!(runner.device().unwrap().backend, "wonnx");
        let apps = ["door", "yard", "gate"].map(|name| service.app(name, 1));
        let runs = card.runs.load(Ordering::Relaxed);
        let pictures = card.pictures.load(Ordering::Relaxed);
        let start = Barrier::new(24);
        std::thread::scope(|scope| {
            for thread in 0..24_usize {
                let (service, runner, app, start) = (&service, &runner, &apps[thread % 3], &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..5 {
                        let answer = ask(service, app, runner, thread * 10 + round);
                        assert!(answer.batch <= 8);
                    }
                });
            }
        });
        let (runs, pictures) =
            (card.runs.load(Ordering::Relaxed) - runs, card.pictures.load(Ordering::Relaxed) - pictures);
        assert_eq!(pictures, 120);
        assert!(runs < 60, "{kind:?}: {runs} runs for 120 pictures");
        let batched: u64 = apps.iter().map(|app| app.report().batched).sum();
        assert!(batched > 60, "{kind:?}: {batched}");
        // Charged in shares: together the apps used about what the worker did.
        let used: u64 = apps.iter().map(|app| app.report().used_us).sum();
        assert!(
            used >= runs as u64 * 5_000 && used < pictures as u64 * 5_000,
            "{kind:?}: {used} us for {runs} runs"
        );
        let shares: Vec<u64> = apps.iter().map(|app| app.report().jobs).collect();
        assert_eq!(shares, [40, 40, 40]);
    }
}

#[test]
fn one_question_that_spoils_it_for_all_fails_alone() {
    let service = Service::new(Limits { lanes: 1, ..limits() }, lanes());
    let card = gains(DeviceKind::Gpu);
    let slow = standin(
        "rten",
        "cpu",
        DeviceKind::Cpu,
        Manner { takes: Duration::from_millis(5), ..Manner::default() },
    );
    let (runner, told) = runner(&question(), &[&card, &slow], NEVER);
    let app = service.app("door", 1);
    let results: Vec<_> = std::thread::scope(|scope| {
        let each = |seed: usize| {
            let (service, runner, app) = (&service, &runner, &app);
            scope.spawn(move || {
                service.ask::<_, ()>(app, runner, |inputs| {
                    fill(inputs, seed);
                    if let crate::model::tensor::Values::F32(pixels) = &mut inputs[0].values
                        && seed == 3
                    {
                        pixels[0] = crate::model::gate::standin::POISON;
                    }
                    Ok(seed)
                })
            })
        };
        let threads: Vec<_> = (0..16).map(each).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (seed, result) in results.into_iter().enumerate() {
        match result {
            Ok(answer) => assert_eq!(answer.outputs, right(seed)),
            Err(refusal) => {
                assert_eq!((seed, refusal), (3, Refusal::Failed("node `Conv_0`: poison".to_owned())));
            }
        }
    }
    assert_eq!((app.report().jobs, app.report().failed), (15, 1));
    assert!(told.all().is_empty());
}

#[test]
fn nothing_is_run_together_where_the_answers_would_differ() {
    let service = Service::new(Limits { lanes: 1, ..limits() }, lanes());
    let card = gains(DeviceKind::Gpu);
    card.manner.lock().unwrap().wrong = Wrong::InBatches;
    let slow = standin(
        "rten",
        "cpu",
        DeviceKind::Cpu,
        Manner { takes: Duration::from_millis(5), ..Manner::default() },
    );
    let (runner, _) = runner(&question(), &[&card, &slow], NEVER);
    let app = service.app("door", 1);
    std::thread::scope(|scope| {
        for thread in 0..12 {
            let (service, runner, app) = (&service, &runner, &app);
            scope.spawn(move || assert_eq!(ask(service, app, runner, thread).batch, 1));
        }
    });
}

#[test]
fn company_is_waited_for_where_it_is_expected() {
    let takes = Duration::from_millis(40);
    let card =
        standin("wonnx", "card", DeviceKind::Gpu, Manner { batches: true, takes, ..Manner::default() });
    let slow = standin("rten", "cpu", DeviceKind::Cpu, Manner { ..Manner::default() });
    let (runner, _) = runner(&question(), &[&card, &slow], NEVER);
    let service = Service::new(Limits { lanes: 4, company: Duration::from_secs(5), ..limits() }, lanes());
    let app = service.app("door", 1);
    // Questions a millisecond or so apart: the first would be run alone if it did not wait.
    let batches: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|seed| {
                let (service, runner, app) = (&service, &runner, &app);
                let thread = scope.spawn(move || ask(service, app, runner, seed).batch);
                std::thread::sleep(Duration::from_millis(1));
                thread
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(batches.iter().filter(|batch| **batch == 8).count() >= 32, "{batches:?}");
}
