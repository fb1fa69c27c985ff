use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::model::backend::DeviceKind;
use crate::model::gate::standin::{Manner, Wrong, candidates, lanes, patience, question, standin};
use crate::model::gate::{Gate, Question};

fn gate(folder: &std::path::Path) -> Gate {
    Gate::new(Some(folder.to_owned()), patience(), lanes())
}

fn slow() -> Manner {
    Manner { takes: Duration::from_millis(40), ..Manner::default() }
}

#[test]
fn a_verdict_is_kept_and_its_winner_proved_again() {
    let folder = tempfile::tempdir().unwrap();
    let rten = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner { batches: true, ..Manner::default() });
    let both = candidates(&[&rten, &card]);
    let first = gate(folder.path()).judge(&question(), &both, None, &|_| {}).unwrap();
    assert!(!first.report.remembered);
    let (rten_runs, card_runs) = (rten.runs.load(Ordering::Relaxed), card.runs.load(Ordering::Relaxed));
    let second = gate(folder.path()).judge(&question(), &both, None, &|_| {}).unwrap();
    assert!(second.report.remembered);
    assert_eq!(second.report.chosen(), first.report.chosen());
    assert_eq!(second.ranked.len(), 2);
    assert_eq!(second.ranked[0].batching, first.ranked[0].batching);
    assert_eq!(rten.runs.load(Ordering::Relaxed), rten_runs);
    assert_eq!(card.runs.load(Ordering::Relaxed), card_runs + 1);
}

#[test]
fn a_driver_gone_bad_is_caught_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let rten = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner::default());
    let both = candidates(&[&rten, &card]);
    let judge = || gate(folder.path()).judge(&question(), &both, None, &|_| {}).unwrap().report;
    assert_eq!(judge().chosen().unwrap().backend, "wonnx");
    for wrong in
        [Wrong::OneValue, Wrong::Class, Wrong::NotANumber, Wrong::Shape, Wrong::Type, Wrong::FewerOutputs]
    {
        card.manner.lock().unwrap().wrong = wrong;
        let report = judge();
        assert_eq!(report.chosen().unwrap().backend, "rten", "{wrong:?}");
        assert!(report.notes[0].contains("is not to be trusted any more"), "{:?}", report.notes);
        card.manner.lock().unwrap().wrong = Wrong::No;
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert_eq!(judge().chosen().unwrap().backend, "wonnx");
    }
}

#[test]
fn all_that_a_verdict_depends_on_is_in_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    let remembered = |question: &Question, name: &str, more: bool| {
        let other = standin("onnxruntime", name, DeviceKind::Cpu, Manner::default());
        let all = if more { candidates(&[&rten, &other]) } else { candidates(&[&rten]) };
        gate(folder.path()).judge(question, &all, None, &|_| {}).unwrap().report.remembered
    };
    assert!(!remembered(&question(), "cpu", true) && remembered(&question(), "cpu", true));
    assert!(!remembered(&question(), "another", true));
    assert!(!remembered(&question(), "", false));
    let change: [fn(&mut Question); 6] = [
        |question| question.digest = "0".repeat(64),
        |question| question.inputs[0].name.push('s'),
        |question| question.outputs[0].push('s'),
        |question| question.threads = 2,
        |question| question.fills.clear(),
        |question| question.thorough = false,
    ];
    for (number, change) in change.into_iter().enumerate() {
        let mut question = question();
        change(&mut question);
        assert!(!remembered(&question, "", false), "{number}");
        assert!(remembered(&question, "", false), "{number}");
    }
    assert!(remembered(&question(), "", false));
}

#[test]
fn a_file_that_is_broken_or_not_ours_is_passed_over_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    let all = candidates(&[&rten]);
    let judge = || gate(folder.path()).judge(&question(), &all, None, &|_| {}).unwrap().report;
    judge();
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    let mut bad: Vec<Vec<u8>> = vec![Vec::new(), b"{}".to_vec(), b"null".to_vec(), vec![0xff; 100]];
    bad.extend([1, whole.len() / 3, whole.len() - 1].map(|length| whole[..length].to_vec()));
    let text = String::from_utf8(whole.clone()).unwrap();
    bad.push(text.replace("\"ranked\":[0]", "\"ranked\":[7]").into_bytes());
    bad.push(text.replace("\"ranked\":[0]", "\"ranked\":[]").into_bytes());
    for (number, bytes) in bad.into_iter().enumerate() {
        assert_ne!(bytes, whole);
        std::fs::write(&file, bytes).unwrap();
        let report = judge();
        assert!(!report.remembered, "{number}");
        assert!(
            report.notes[0].contains("the verdict kept there is of no use"),
            "{number}: {:?}",
            report.notes
        );
        assert!(judge().remembered, "{number}");
    }
    // A sample moved is a reference that says something else: all are compared anew.
    std::fs::write(&file, text.replace("\"probe\":0", "\"probe\":99")).unwrap();
    assert!(!judge().remembered);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let report = judge();
    assert!(report.notes[0].contains("of no use"), "{:?}", report.notes);
    assert!(report.notes.last().unwrap().contains("cannot be kept"), "{:?}", report.notes);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half written is left");
}

#[test]
fn where_nothing_can_be_kept_it_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, b"").unwrap();
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    let gate = gate(&file.join("models"));
    let judge = || gate.judge(&question(), &candidates(&[&rten]), None, &|_| {}).unwrap().report;
    let said = |notes: &[String]| notes.iter().filter(|note| note.contains("cannot be kept")).count();
    assert_eq!(said(&judge().notes), 1);
    assert_eq!(said(&judge().notes), 0);
}

#[test]
fn no_damage_to_a_file_breaks_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner::default());
    let all = candidates(&[&rten]);
    let judge = || gate(folder.path()).judge(&question(), &all, None, &|_| {}).unwrap();
    judge();
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    let mut state = 1_u64;
    for _ in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = b"0123456789[]{}\",e-.\xff"[(state >> 20) as usize % 20];
        }
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(judge().ranked[0].candidate.backend.device().backend, "rten");
    }
}

#[test]
fn one_that_draws_random_numbers_is_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let rten = standin("rten", "cpu", DeviceKind::Cpu, Manner { wrong: Wrong::Random, ..Manner::default() });
    let all = candidates(&[&rten]);
    let judge = || gate(folder.path()).judge(&question(), &all, None, &|_| {}).unwrap().report;
    assert!(!judge().remembered && judge().remembered);
}

#[test]
fn one_that_hangs_at_the_next_start_costs_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    let rten = standin("rten", "cpu", DeviceKind::Cpu, slow());
    let card = standin("wonnx", "card", DeviceKind::Gpu, Manner::default());
    let both = candidates(&[&rten, &card]);
    let judge = || gate(folder.path()).judge(&question(), &both, None, &|_| {}).unwrap().report;
    assert_eq!(judge().chosen().unwrap().backend, "wonnx");
    card.manner.lock().unwrap().hangs_at_load = true;
    let report = judge();
    assert_eq!(report.chosen().unwrap().backend, "rten");
    assert!(report.rows[1].reason.contains("it hung earlier"), "{report:?}");
    assert_eq!(card.loads.load(Ordering::Relaxed), 2);
}
