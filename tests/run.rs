//! `transom run`: its options, and how it ends.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use crate::support::{events, file, finish, summary, transom, wait};

fn detections() -> std::process::Command {
    let mut command = transom(["run"]);
    command.arg(file("manifests/detections")).arg("--camera");
    command.arg(format!("camera={}", file("tests/clips/plain.mp4").display()));
    command
}

#[test]
fn every_frame_of_a_recording_is_analysed_once_and_in_order() {
    let done = finish(&mut detections());
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let events = done.events();
    assert_eq!(events.len(), 150);
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["frame"], at);
        assert_eq!(event["media_time_us"], at * 40_000);
        assert_eq!((&event["app"], &event["plugin"]), (&"detections".into(), &"detections".into()));
        assert_eq!(event["camera"], "camera");
        for found in event["detections"].as_array().unwrap() {
            let at = |side: &str| found["box"][side].as_f64().unwrap();
            assert_eq!(found["label"], "person");
            assert!((0.5..=1.0).contains(&found["score"].as_f64().unwrap()));
            assert!(
                at("l") >= 0.0
                    && at("t") >= 0.0
                    && at("l") + at("w") <= 1.0001
                    && at("t") + at("h") <= 1.0001
            );
        }
    }
    assert!(events.iter().any(|event| !event["detections"].as_array().unwrap().is_empty()));
}

#[test]
fn a_run_ends_after_the_frames_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (log, report) = (folder.path().join("events.jsonl"), folder.path().join("summary.json"));
    let done =
        finish(detections().args(["--frames", "7"]).arg("--events").arg(&log).arg("--summary").arg(&report));
    assert_eq!((done.code(), done.stdout.as_str()), (0, ""));
    assert_eq!(events(&std::fs::read_to_string(log).unwrap()).len(), 7);
    assert_eq!(summary(&report)["frames"]["analysed"], 7);
}

#[test]
fn a_looped_recording_goes_on_in_time() {
    let done = finish(detections().args(["--loop", "--frames", "400"]));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let times: Vec<i64> =
        done.events().iter().map(|event| event["media_time_us"].as_i64().unwrap()).collect();
    assert_eq!(times, (0..400).map(|at| at * 40_000).collect::<Vec<_>>());
}

#[test]
fn a_recording_played_at_its_own_pace_takes_its_time() {
    // 50 frames at 25 a second: no machine is too slow to be no faster than that.
    let started = std::time::Instant::now();
    assert_eq!(finish(detections().args(["--realtime", "--frames", "50"])).code(), 0);
    assert!(started.elapsed() >= Duration::from_millis(49 * 40));
}

#[test]
fn ctrl_c_ends_a_run_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("summary.json");
    let mut child =
        detections().args(["--loop", "--realtime"]).arg("--summary").arg(&report).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let told = 1 + lines.map(|line| events(&line.unwrap()).len()).sum::<usize>();
    let done = wait(child, Duration::from_secs(20));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(done.stderr.contains("ended well"), "{}", done.stderr);
    assert!(first.starts_with('{'));
    assert_eq!(summary(&report)["plugins"][0]["events"], told);
}

#[test]
fn a_reader_that_goes_away_ends_a_run_quietly() {
    let mut child = detections().arg("--loop").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    drop(lines);
    let done = wait(child, Duration::from_secs(20));
    assert_eq!(done.code(), 0, "{}", done.stderr);
}

#[test]
fn a_full_disk_ends_a_run_with_a_word_on_it() {
    let done = finish(detections().args(["--events", "/dev/full"]));
    assert_eq!(done.code(), 7, "{}", done.stderr);
    assert!(done.stderr.contains("/dev/full`: No space left on device"), "{}", done.stderr);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
}

#[test]
fn a_run_that_cannot_begin_leaves_what_it_would_have_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let kept = ["events.jsonl", "summary.json"].map(|name| folder.path().join(name));
    for file in &kept {
        std::fs::write(file, "yesterday's").unwrap();
    }
    let mut command = transom(["run"]);
    command.arg(file("manifests/detections")).args(["--camera", "camera=nowhere.mp4"]);
    let done = finish(command.arg("--events").arg(&kept[0]).arg("--summary").arg(&kept[1]));
    assert_eq!(done.code(), 4, "{}", done.stderr);
    for file in &kept {
        assert_eq!(std::fs::read_to_string(file).unwrap(), "yesterday's");
    }
    // One that begins replaces all of it, also where it has less to say.
    std::fs::write(&kept[0], "x".repeat(1 << 20)).unwrap();
    assert_eq!(finish(detections().args(["--frames", "1"]).arg("--events").arg(&kept[0])).code(), 0);
    assert_eq!(events(&std::fs::read_to_string(&kept[0]).unwrap()).len(), 1);
}

#[test]
fn a_run_does_not_write_over_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("own.mp4");
    std::fs::copy(file("tests/clips/plain.mp4"), &clip).unwrap();
    for option in ["--events", "--summary"] {
        let mut command = transom(["run"]);
        command.arg(file("manifests/detections")).arg("--camera").arg(format!("camera={}", clip.display()));
        let done = finish(command.arg(option).arg(&clip));
        assert_eq!(done.code(), 2, "{}", done.stderr);
        assert!(done.stderr.contains("the run reads this file; name another to write"), "{}", done.stderr);
    }
    assert_eq!(std::fs::read(&clip).unwrap(), std::fs::read(file("tests/clips/plain.mp4")).unwrap());
}
