use std::sync::Arc;
use std::time::Duration;

use crate::model::backend::DeviceKind;
use crate::model::gate::standin::{Manner, Then, Wrong, candidates, lanes, patience, question, standin};
use crate::model::gate::{Gate, Precision, Question, Report, Standing, Verdict};

fn gate() -> Gate {
    Gate::new(None, patience(), lanes())
}

fn judge(
    question: &Question,
    all: &[&Arc<crate::model::gate::standin::StandIn>],
) -> crate::base::Result<Verdict> {
    gate().judge(question, &candidates(all), None, &|_| {})
}

fn row<'a>(report: &'a Report, device: &str) -> &'a crate::model::gate::Row {
    report.rows.iter().find(|row| row.device == device).unwrap()
}

fn slow() -> Manner {
    Manner { takes: Duration::from_millis(40), ..Manner::default() }
}

#[test]
fn the_fastest_that_agrees_wins_and_the_most_trusted_is_the_reference() {
    let rten = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let ort = standin("onnxruntime", "cpu", DeviceKind::Cpu, slow());
    let gpu = standin("wonnx", "card", DeviceKind::Gpu, Manner { off: 1e-5, ..Manner::default() });
    let verdict = judge(&question(), &[&rten, &gpu, &ort]).unwrap();
    let report = &verdict.report;
    assert_eq!(report.chosen().unwrap().backend, "wonnx");
    assert_eq!(report.rows[2].standing, Standing::Reference);
    assert_eq!(report.rows[0].max_error, Some(0.0));
    let error = report.rows[1].max_error.unwrap();
    assert!(error > 1e-6 && error < 1e-4, "{error}");
    assert!(report.rows.iter().all(|row| row.runs >= 3 && row.p95_ms >= row.median_ms));
    // A card may be lost: one on the processor is ready.
    let loaded: Vec<bool> = verdict.ranked.iter().map(|ranked| ranked.session.is_some()).collect();
    assert_eq!(loaded, [true, true, false]);
}

#[test]
fn one_that_is_wrong_never_wins_however_fast() {
    for (wrong, says) in [
        (Wrong::OneValue, "output `scores`: 1 of 10 of its values are off"),
        (Wrong::NotANumber, "output `scores`: it is NaN at [0, 3]"),
        (Wrong::Shape, "output `scores`: it is 10x1, the reference's is 1x10"),
        (Wrong::Type, "output `class`: it is int32, the reference's is int64"),
        (Wrong::FewerOutputs, "it gives 1 outputs where the reference gives 2"),
        (Wrong::Class, "output `class`: 1 of 1 of its values differ"),
    ] {
        let right = standin("rten", "cpu", DeviceKind::Cpu, slow());
        let card = standin("wonnx", "card", DeviceKind::Gpu, Manner { wrong, ..Manner::default() });
        let verdict = judge(&question(), &[&card, &right]).unwrap();
        assert_eq!(verdict.report.chosen().unwrap().backend, "rten", "{wrong:?}");
        let row = row(&verdict.report, "card");
        assert_eq!(row.standing, Standing::Wrong, "{wrong:?}");
        assert!(row.reason.starts_with("noise 1: ") && row.reason.contains(says), "{}", row.reason);
        assert_eq!(verdict.ranked.len(), 1, "{wrong:?}");
    }
}

#[test]
fn an_error_that_only_a_natural_picture_shows_is_found() {
    let right = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let card =
        standin("wonnx", "card", DeviceKind::Gpu, Manner { wrong: Wrong::Bright, ..Manner::default() });
    let mut question = question();
    question.fills = vec![crate::model::gate::Fill::Between(0.0, 0.5)];
    assert_eq!(judge(&question, &[&card, &right]).unwrap().report.chosen().unwrap().backend, "wonnx");
    let side = crate::model::gate::standin::SIDE;
    let pixels = (0..3 * side * side).map(|at| if at == 5 { 1.0 } else { 0.25 }).collect();
    let values = crate::model::tensor::Values::F32(pixels);
    question.natural =
        vec![Arc::new(vec![crate::model::tensor::Array { shape: vec![1, 3, side, side], values }])];
    let report = judge(&question, &[&card, &right]).unwrap().report;
    assert_eq!(report.chosen().unwrap().backend, "rten");
    assert!(row(&report, "card").reason.starts_with("natural picture 1: "), "{report:?}");
}

#[test]
fn sixteen_bits_may_be_further_off() {
    let right = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner { off: 4e-3, ..Manner::default() });
    let mut both = candidates(&[&right, &card]);
    let judge = |both: &[_]| gate().judge(&question(), both, None, &|_| {}).unwrap().report;
    assert_eq!(judge(&both).rows[1].standing, Standing::Wrong);
    both[1].precision = Precision::Half;
    let report = judge(&both);
    assert_eq!(report.rows[1].standing, Standing::Agrees);
    assert!(report.rows[1].max_error.unwrap() > 3e-3);
}

#[test]
fn what_hangs_panics_or_refuses_is_left_and_said() {
    let right = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    let refuses = Manner { refuses: Some("node `Resize_7` (Resize): mode cubic"), ..Manner::default() };
    let then = |then| Manner { after: Some(1), then, ..Manner::default() };
    let others = [
        (standin("wonnx", "refuses", DeviceKind::Gpu, refuses), Standing::Refused, "mode cubic"),
        (
            standin(
                "wonnx",
                "panics at load",
                DeviceKind::Gpu,
                Manner { panics_at_load: true, ..Manner::default() },
            ),
            Standing::Refused,
            "to load it panicked: told to panic at load",
        ),
        (
            standin(
                "wonnx",
                "hangs at load",
                DeviceKind::Gpu,
                Manner { hangs_at_load: true, ..Manner::default() },
            ),
            Standing::Lost,
            "it took longer than 2s to load",
        ),
        (
            standin("wonnx", "hangs", DeviceKind::Gpu, then(Then::Hangs)),
            Standing::Lost,
            "it took longer than 2s to answer noise 2",
        ),
        (
            standin("wonnx", "dies", DeviceKind::Gpu, then(Then::Lost)),
            Standing::Lost,
            "noise 2: the device is gone",
        ),
        (
            standin("wonnx", "fails", DeviceKind::Gpu, then(Then::Failed)),
            Standing::Refused,
            "noise 2: node `Conv_0` failed",
        ),
        (
            standin("wonnx", "panics", DeviceKind::Gpu, then(Then::Panics)),
            Standing::Refused,
            "to answer noise 2 it panicked: told to panic",
        ),
    ];
    let mut all: Vec<_> = others.iter().map(|(one, ..)| one).collect();
    all.push(&right);
    let gate = gate();
    let report = gate.judge(&question(), &candidates(&all), None, &|_| {}).unwrap().report;
    for (one, standing, says) in &others {
        let row = row(&report, &crate::model::backend::Backend::device(&**one).name);
        assert_eq!(row.standing, *standing, "{}", row.device);
        assert!(row.reason.contains(says), "{}: {}", row.device, row.reason);
    }
    assert_eq!(report.chosen().unwrap().backend, "rten");
    // The second time no thread is risked where one hangs still.
    let report = gate.judge(&question(), &candidates(&all), None, &|_| {}).unwrap().report;
    assert!(row(&report, "hangs").reason.contains("it hung earlier"), "{:?}", row(&report, "hangs"));
    assert_eq!(others[3].0.loads.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_reference_that_fails_convicts_nobody() {
    let fails = Manner { after: Some(3), wrong: Wrong::OneValue, then: Then::Failed, ..Manner::default() };
    let ort = standin("onnxruntime", "cpu", DeviceKind::Cpu, fails);
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner::default());
    let report = judge(&question(), &[&ort, &rten, &card]).unwrap().report;
    assert_eq!(report.rows[0].standing, Standing::Refused);
    assert_eq!(report.rows[1].standing, Standing::Reference);
    assert_eq!(report.rows[2].standing, Standing::Agrees);
}

#[test]
fn a_reference_alone_is_checked_and_the_report_says_that_nothing_confirmed_it() {
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    let report = judge(&question(), &[&rten]).unwrap().report;
    assert!(
        report.notes.iter().any(|note| note.contains("no other here could confirm them")),
        "{:?}",
        report.notes
    );
    let nan =
        standin("rten", "cpu", DeviceKind::Cpu, Manner { wrong: Wrong::NothingButNan, ..Manner::default() });
    let error = judge(&question(), &[&nan]).err().unwrap();
    assert!(error.message().contains("output `scores` is not a number whatever the input"), "{error}");
    let random =
        standin("rten", "cpu", DeviceKind::Cpu, Manner { wrong: Wrong::Random, ..Manner::default() });
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner::default());
    let report = judge(&question(), &[&random, &card]).unwrap().report;
    assert_eq!(report.chosen().unwrap().backend, "rten");
    assert!(report.notes.iter().any(|note| note.contains("answers differently when asked the same twice")));
}

#[test]
fn nothing_on_the_processor_means_no_verdict() {
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner::default());
    let error = judge(&question(), &[&card]).err().unwrap();
    assert!(error.message().contains("nothing can confirm it"), "{error}");
    assert!(judge(&question(), &[]).err().unwrap().message().contains("there is none here"));
}

#[test]
fn software_that_plays_a_card_is_chosen_only_by_name() {
    let rten = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let soft = standin("wonnx", "llvmpipe (Vulkan)", DeviceKind::SoftwareGpu, Manner::default());
    let verdict = judge(&question(), &[&rten, &soft]).unwrap();
    assert_eq!(verdict.report.chosen().unwrap().backend, "rten");
    assert_eq!(verdict.ranked.len(), 1);
    assert!(row(&verdict.report, "llvmpipe (Vulkan)").median_ms.is_some());
    let mut question = Question { thorough: false, ..question() };
    assert_eq!(judge(&question, &[&rten, &soft]).unwrap().report.rows[1].standing, Standing::Untried);
    for name in ["wonnx", "LLVMpipe (Vulkan)", "wonnx on llvmpipe (Vulkan)"] {
        question.wanted = Some(name.to_owned());
        let verdict = judge(&question, &[&rten, &soft]).unwrap();
        assert_eq!(verdict.report.chosen().unwrap().backend, "wonnx", "{name}");
        assert_eq!(verdict.ranked.len(), 2, "{name}");
    }
}

#[test]
fn one_asked_for_by_name_must_agree_too() {
    let rten = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner { wrong: Wrong::Class, ..Manner::default() });
    let mut question = Question { wanted: Some("wonnx".to_owned()), ..question() };
    let error = judge(&question, &[&rten, &card]).err().unwrap();
    assert!(
        error
            .message()
            .starts_with("back end `wonnx` was asked for and cannot be used: wonnx on card: noise 1"),
        "{error}"
    );
    question.wanted = Some("tpu".to_owned());
    let error = judge(&question, &[&rten, &card]).err().unwrap();
    assert_eq!(error.message(), "there is no back end `tpu` here; there are: rten on cpu, wonnx on card");
}

#[test]
fn several_pictures_at_once_are_timed_and_compared() {
    let takes = Duration::from_millis(5);
    let manner = Manner { batches: true, takes, ..Manner::default() };
    let rten = standin("rten", "cpu", DeviceKind::Cpu, manner.clone());
    let verdict = judge(&question(), &[&rten]).unwrap();
    // A run takes 5 ms however many pictures it has.
    assert!(verdict.ranked[0].batching.unwrap().best >= 4);
    assert_eq!(verdict.report.rows[0].batches.len(), 4);
    let wrong = standin("rten", "cpu", DeviceKind::Cpu, Manner { wrong: Wrong::InBatches, ..manner });
    let verdict = judge(&question(), &[&wrong]).unwrap();
    assert!(verdict.ranked[0].batching.is_none());
    assert!(
        verdict.report.notes.iter().any(|note| note.contains("2 pictures at once, it answers otherwise"))
    );
}

#[test]
fn a_tie_of_the_reference_convicts_nobody_and_excuses_nothing_else() {
    let ties = Manner { ties: true, ..slow() };
    let right = standin("rten", "cpu", DeviceKind::Cpu, ties.clone());
    let manner = Manner { off: 1e-5, takes: Duration::ZERO, ..ties };
    let card = standin("wonnx", "card", DeviceKind::Gpu, manner.clone());
    let report = judge(&question(), &[&right, &card]).unwrap().report;
    assert_eq!(report.chosen().unwrap().backend, "wonnx", "{}", report.text());
    assert!(
        report.notes.iter().any(|note| note.contains("the reference itself jumps")),
        "{:?}",
        report.notes
    );
    // Where nothing ties it must be right.
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner { wrong: Wrong::Class, ..manner.clone() });
    assert_eq!(judge(&question(), &[&right, &card]).unwrap().report.chosen().unwrap().backend, "rten");
    // A reference that is sure is not excused by a candidate that is not.
    let sure = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let card = standin("wonnx", "card", DeviceKind::Gpu, manner);
    assert_eq!(judge(&question(), &[&sure, &card]).unwrap().report.chosen().unwrap().backend, "rten");
}

#[test]
fn outputs_that_prove_little_are_named() {
    let dull =
        standin("rten", "cpu", DeviceKind::Cpu, Manner { wrong: Wrong::Constant, ..Manner::default() });
    let notes = judge(&question(), &[&dull]).unwrap().report.notes;
    assert!(
        notes
            .contains(&"Output `scores` was the same on every probe: that it agrees says little.".to_owned())
    );
    assert!(
        notes.contains(&"Output `class` was the same on every probe: that it agrees says little.".to_owned())
    );
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    assert!(
        !judge(&question(), &[&rten]).unwrap().report.notes.iter().any(|note| note.contains("says little"))
    );
}
