//! First runs in a process of their own: this test program, started as one.

use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::model::apart::{self, Trial, fence};
use crate::model::backend::RunError;
use crate::model::engine::{File, lanes};
use crate::model::gate::{Candidate, Gate, LeftOut, Patience, Question, Verdict};
use crate::model::outside::asked;
use crate::model::tensor::{Array, Values};
use crate::model::worker::Worker;

/// Not a test: what the tests here start.
#[test]
#[ignore = "the other side of the tests here"]
fn as_worker() {
    apart::work().expect("it works");
}

fn worker() -> Worker {
    let module = module_path!().split_once("::").map_or("", |(_, module)| module);
    let arguments = ["--exact", &format!("{module}::as_worker"), "--ignored", "--nocapture"].map(Into::into);
    let program = std::env::current_exe().expect("tests have a program");
    Worker { arguments: arguments.to_vec(), ..apart::worker(&program) }
}

/// The verdict on a file, judged in another process of so much memory, and what was said on the way.
fn judged(onnx: &str, memory_bytes: u64, worker: Worker) -> (Result<Verdict>, Vec<String>) {
    let path = Path::new(DATA).join(onnx);
    let loading = Loading { memory_bytes: Some(memory_bytes), ..loading() };
    let file = File::read(&path).unwrap();
    let question = asked(&file, file.graph.ports(&[]).unwrap(), 1);
    let candidates = loading.candidates().unwrap().all;
    let trial = Trial { path: &path, loading: &loading, worker };
    let elsewhere =
        |question: &Question, all: &[Candidate], left_out: &[LeftOut], progress: &dyn Fn(&str)| {
            trial.judge(question, all, left_out, progress)
        };
    let said = Mutex::new(Vec::new());
    let gate = Gate::new(None, Patience::default(), lanes());
    let verdict = gate.judge(&question, &candidates, Some(&elsewhere), &|line| {
        said.lock().unwrap().push(line.to_owned());
    });
    (verdict, said.into_inner().unwrap())
}

#[test]
fn a_model_is_judged_in_another_process() {
    let (verdict, said) = judged("means.onnx", 1 << 30, worker());
    let verdict = verdict.unwrap();
    assert_eq!(verdict.report.chosen().unwrap().label(), "rten on cpu");
    assert!(!verdict.report.remembered);
    assert!(verdict.ranked[0].session.is_some());
    assert!(said.iter().any(|line| line.starts_with("timing")), "{said:?}");
}

#[test]
fn what_no_back_end_runs_is_told_from_there() {
    let (verdict, _) = judged("cannot-run.onnx", 1 << 30, worker());
    let why = verdict.err().expect("nothing runs it").to_string();
    assert!(why.contains("rten on cpu: ") && !why.contains("left out"), "{why}");
}

#[test]
fn a_graph_that_grows_as_it_runs_ends_at_its_limit_and_harms_nobody() {
    let (verdict, said) = judged("grows.onnx", 200 << 20, worker());
    let why = verdict.err().expect("it has too little memory").to_string();
    assert!(why.contains("more than the 200 MiB of memory that it may take"), "{why}");
    assert!(said.iter().any(|line| line.starts_with("rten on cpu is left out: ")), "{said:?}");
    assert!(judged("grows.onnx", 2 << 30, worker()).0.is_ok());
}

#[test]
fn a_process_that_does_not_answer_is_a_reason() {
    let (verdict, _) = judged("means.onnx", 1 << 30, apart::worker(Path::new("/bin/false")));
    let why = verdict.err().expect("there is no worker").to_string();
    assert!(why.starts_with("its process ended by itself (exit status: 1)"), "{why}");
}

#[test]
fn a_picture_that_makes_a_graph_grow_loses_its_process_and_nothing_else() {
    let path = Path::new(DATA).join("bright.onnx");
    let loading = Loading { memory_bytes: Some(200 << 20), ..loading() };
    let file = File::read(&path).unwrap();
    assert_eq!(file.graph.sizes_from_values().as_deref(), Some("node 3 (Expand)"));
    let question = asked(&file, file.graph.ports(&[]).unwrap(), 1);
    let candidates = fence(loading.candidates().unwrap().all, &path, &question, &loading, &worker());
    let gate = Gate::new(None, Patience::default(), lanes());
    let verdict = gate.judge(&question, &candidates, None, &|_| {}).unwrap();
    let picture = |value: f32| Array { shape: vec![1, 3, 6, 8], values: Values::F32(vec![value; 144]) };
    let session = verdict.ranked[0].session.clone().unwrap();
    let dark = session.run(&[&picture(7.0)]).unwrap();
    assert_eq!(dark[0].values, Values::F32(vec![7.0]));
    assert!(session.memory() > 1 << 20);
    for _ in 0..2 {
        let Err(RunError::Lost(why)) = session.run(&[&picture(255.0)]) else { panic!("it should be lost") };
        assert!(why.contains("200 MiB of memory") || why.contains("ended by itself"), "{why}");
    }
    let another = verdict.again.load(&verdict.ranked[0].candidate).ok().unwrap();
    assert_eq!(another.run(&[&picture(7.0)]).unwrap(), dark);
}
