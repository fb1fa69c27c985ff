use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{NEVER, Told, ask, limits, runner};
use crate::model::backend::DeviceKind;
use crate::model::gate::standin::{Manner, Then, Wrong, candidates, lanes, patience, question, standin};
use crate::model::gate::{Gate, Ranked};
use crate::model::service::{BackOff, Limits, Refusal, Runner, Service};

fn slow() -> Manner {
    Manner { takes: Duration::from_millis(2), ..Manner::default() }
}

fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn no_question_is_lost_with_its_device_and_the_loss_is_said_once() {
    for (then, batches, why) in [
        (Then::Lost, false, "the device is gone"),
        (Then::Lost, true, "the device is gone"),
        (Then::Panics, false, "it panicked: told to panic"),
        (Then::Hangs, true, "it gave no answer in 300ms"),
    ] {
        let service = Service::new(Limits { run: Duration::from_millis(300), ..limits() }, lanes());
        let cpu = standin("rten", "cpu", DeviceKind::Cpu, slow());
        // 4 pictures at once are timed before the service asks: far more runs than are needed for the gate.
        let manner = Manner { after: Some(150), then, batches, ..Manner::default() };
        let card = standin("wonnx", "card", DeviceKind::Gpu, manner);
        let (runner, told) = runner(&question(), &[&card, &cpu], NEVER);
        assert_eq!(runner.device().unwrap().backend, "wonnx");
        let app = service.app("door", 1);
        let on_cpu = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8_usize {
                let (service, runner, app, on_cpu, told) = (&service, &runner, &app, &on_cpu, &told);
                scope.spawn(move || {
                    // How many inferences that is depends on how many are run together.
                    for round in 0..2_000 {
                        if round >= 40 && !told.all().is_empty() {
                            return;
                        }
                        let answer = ask(service, app, runner, thread * 10_000 + round);
                        on_cpu.fetch_add(usize::from(answer.device.backend == "rten"), Ordering::Relaxed);
                    }
                });
            }
        });
        let said = format!("model `gate`: wonnx on card is lost: {why}; rten on cpu goes on in its place");
        assert_eq!(told.all(), [said]);
        assert!(app.report().jobs >= 320);
        assert_eq!((app.report().refused, app.report().failed, runner.losses()), (0, 0, 1));
        assert!(on_cpu.into_inner() > 0);
        assert_eq!(runner.device().unwrap().backend, "rten");
    }
}

#[test]
fn one_that_was_not_there_takes_its_place_when_it_comes() {
    let cpu = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let server = standin("remote", "server", DeviceKind::Remote, slow());
    let mut verdict =
        Gate::new(None, patience(), lanes()).judge(&question(), &candidates(&[&cpu]), None, &|_| {}).unwrap();
    let candidate = candidates(&[&server]).remove(0);
    let away = Some("nobody answers".to_owned());
    verdict.ranked.insert(0, Ranked { candidate, session: None, batching: None, away });
    let told = Told::default();
    let say = told.clone();
    let back_off = BackOff { first: Duration::from_millis(100), longest: NEVER };
    let runner = Runner::new(verdict, back_off, Arc::new(move |line| say.0.lock().unwrap().push(line)));
    let (service, began) = (Service::new(limits(), lanes()), Instant::now());
    let app = service.app("door", 1);
    assert_eq!(ask(&service, &app, &runner, 1).device.backend, "rten");
    while ask(&service, &app, &runner, 2).device.backend == "rten" {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came");
    }
    assert_eq!((told.all(), runner.losses()), (vec!["model `gate`: remote on server is back".to_owned()], 0));
}

#[test]
fn a_back_end_on_the_processor_that_panics_is_left_too() {
    let service = Service::new(limits(), lanes());
    let manner = Manner { after: Some(40), then: Then::Panics, ..Manner::default() };
    let rten = standin("rten", "cpu", DeviceKind::Cpu, manner);
    let ort = standin("onnxruntime", "cpu", DeviceKind::Cpu, slow());
    let (runner, told) = runner(&question(), &[&rten, &ort], NEVER);
    assert_eq!(runner.device().unwrap().backend, "rten");
    let app = service.app("door", 1);
    for seed in 0..100 {
        ask(&service, &app, &runner, seed);
    }
    assert_eq!(
        told.all(),
        [
            "model `gate`: rten on cpu is lost: it panicked: told to panic; onnxruntime on cpu goes on in its place"
        ]
    );
    // It was not kept loaded, and is loaded now.
    assert_eq!(ort.loads.load(Ordering::Relaxed), 2);
}

#[test]
fn where_nothing_is_left_it_is_an_error_each_time_and_said_once() {
    let service = Service::new(limits(), lanes());
    let manner = Manner { after: Some(40), ..Manner::default() };
    let rten = standin("rten", "cpu", DeviceKind::Cpu, manner);
    let (runner, told) = runner(&question(), &[&rten], NEVER);
    let app = service.app("door", 1);
    let mut refused = 0;
    for seed in 0..100 {
        match service.ask::<(), ()>(&app, &runner, |inputs| {
            super::fill(inputs, seed);
            Ok(())
        }) {
            Ok(_) => assert_eq!(refused, 0),
            Err(refusal) => {
                let why =
                    "no back end is left to run model `gate`; rten on cpu: the device is gone".to_owned();
                assert_eq!(refusal, Refusal::Failed(why));
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    assert_eq!(
        told.all(),
        ["model `gate`: rten on cpu is lost: the device is gone; nothing else is left to run it"]
    );
    assert!(runner.device().is_none());
}

#[test]
fn a_lost_back_end_comes_back_when_it_proves_itself_and_not_before() {
    let service = Service::new(limits(), lanes());
    let cpu = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner { after: Some(60), ..Manner::default() });
    let (runner, told) = runner(&question(), &[&card, &cpu], Duration::from_millis(20));
    // When it comes back it answers, and wrongly.
    let manner = Manner { wrong: Wrong::OneValue, ..Manner::default() };
    *card.manner.lock().unwrap() = manner.clone();
    let app = service.app("door", 1);
    let loads = card.loads.load(Ordering::Relaxed);
    until(|| {
        ask(&service, &app, &runner, 1);
        card.loads.load(Ordering::Relaxed) >= loads + 2
    });
    assert_eq!(told.all().len(), 1, "{:?}", told.all());
    assert_eq!(runner.device().unwrap().backend, "rten");
    *card.manner.lock().unwrap() = Manner { wrong: Wrong::No, ..manner };
    until(|| ask(&service, &app, &runner, 2).device.backend == "wonnx");
    assert_eq!(told.all()[1..], ["model `gate`: wonnx on card is back"]);
}

#[test]
fn one_that_hung_once_works_again_when_it_is_back() {
    let service = Service::new(Limits { run: Duration::from_millis(300), ..limits() }, lanes());
    let cpu = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let manner = Manner { after: Some(60), then: Then::Hangs, ..Manner::default() };
    let card = standin("wonnx", "card", DeviceKind::Gpu, manner);
    let (runner, told) = runner(&question(), &[&card, &cpu], Duration::from_millis(20));
    *card.manner.lock().unwrap() = Manner::default();
    let app = service.app("door", 1);
    let before = runner.pick().ok().unwrap();
    until(|| {
        ask(&service, &app, &runner, 1);
        runner.losses() == 1
    });
    until(|| ask(&service, &app, &runner, 2).device.backend == "wonnx");
    // Word of the old session's loss that comes late is not about the new one.
    runner.lost(&before, "it gave no answer in 300ms");
    for seed in 0..50 {
        assert_eq!(ask(&service, &app, &runner, seed).device.backend, "wonnx");
    }
    assert_eq!((runner.losses(), told.all().len()), (1, 2));
}
