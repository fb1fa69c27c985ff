//! A well-known detector on a real clip, against a plain OpenCV and onnxruntime program on the same.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use transom::frame::Region;

use crate::support::{Done, file, finish, shared_data, skip, transom};

/// Label and box of one detection.
type Found = (String, Region);

#[test]
fn fastestdet_finds_what_opencv_and_onnxruntime_find() {
    let Some(data) = shared_data() else { return };
    let clip = data.join("clips/one-by-one-person-detection.mp4");
    let model = data.join("models/fastestdet");
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let imports =
        Command::new(&python).args(["-c", "import cv2, numpy, onnxruntime"]).stderr(Stdio::null()).status();
    if !imports.is_ok_and(|status| status.success()) {
        skip("no Python with numpy, opencv-python-headless and onnxruntime; PYTHON names one");
        return;
    }

    let ours = frames(&detections(&data, &clip).stdout);
    let mut reference = Command::new(&python);
    reference.arg(file("tests/bench/reference.py")).arg(&model).arg(&clip);
    let reference = finish(reference.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert!(reference.status.success(), "{}", reference.stderr);
    let lines: Vec<&str> = reference.stdout.lines().collect();
    let (_totals, lines) = lines.split_last().expect("it ends with its totals");
    let theirs = frames(&lines.join("\n"));

    assert_eq!(ours.len(), theirs.len(), "frames");
    let mut both = 0;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        both += matches(ours, theirs);
    }
    let boxes = |frames: &[Vec<Found>]| frames.iter().map(Vec::len).sum::<usize>();
    let f1 = 2.0 * both as f64 / (boxes(&ours) + boxes(&theirs)) as f64;
    assert!(
        f1 >= 0.97,
        "F1 at IoU 0.5 is {f1:.4}: {} boxes of ours, {} of theirs",
        boxes(&ours),
        boxes(&theirs)
    );
}

#[test]
fn fastestdet_finds_the_people_of_the_clip() {
    let Some(data) = shared_data() else { return };
    let clip = data.join("clips/one-by-one-person-detection.mp4");
    let frames = frames(&detections(&data, &clip).stdout);
    let people = frames.iter().flatten().filter(|(label, _)| label == "person").count();
    assert_eq!(frames.len(), 1394);
    // 1,062 by the reference program; pixels differ by rounding, and a box at the threshold with them.
    assert!(people.abs_diff(1062) <= 5, "{people} people");
}

fn detections(data: &Path, clip: &Path) -> Done {
    let folder = tempfile::tempdir().unwrap();
    for name in ["model.toml", "labels.txt"] {
        std::fs::copy(file("tests/models/fastestdet").join(name), folder.path().join(name)).unwrap();
    }
    let onnx = data.join("models/fastestdet/FastestDet.onnx").canonicalize().unwrap();
    std::os::unix::fs::symlink(onnx, folder.path().join("FastestDet.onnx")).unwrap();
    let mut command = transom(["run"]);
    command.arg(file("manifests/detections"));
    command.arg("--model").arg(format!("detector={}", folder.path().display()));
    command.arg("--camera").arg(format!("camera={}", clip.display()));
    let done = finish(&mut command);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    done
}

fn frames(lines: &str) -> Vec<Vec<Found>> {
    lines
        .lines()
        .map(|line| {
            let frame: Value = serde_json::from_str(line).unwrap();
            let found = frame["detections"].as_array().unwrap().iter();
            found.map(|found| (found["label"].as_str().unwrap().to_owned(), region(&found["box"]))).collect()
        })
        .collect()
}

fn region(region: &Value) -> Region {
    let side = |side: &str| region[side].as_f64().unwrap() as f32;
    Region { l: side("l"), t: side("t"), w: side("w"), h: side("h") }
}

/// Pairs of the same label that overlap by half, each box in one pair at most.
fn matches(ours: &[Found], theirs: &[Found]) -> usize {
    let mut left: Vec<&Found> = theirs.iter().collect();
    ours.iter()
        .filter(|(label, region)| {
            let pair = left.iter().position(|(other, at)| other == label && at.iou(region) >= 0.5);
            pair.map(|at| left.swap_remove(at)).is_some()
        })
        .count()
}
