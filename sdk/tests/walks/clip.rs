//! The true boxes of the project's clip, `tests/clips/entrance.json`.

use std::path::Path;

use serde_json::Value;
use transom_sdk::line::Line;
use transom_sdk::{Point, Region};

use crate::counter::{Count, Counter};
use crate::detector::{Body, Detector};

/// Counts in every `step`th frame; gives what was counted and the truth.
pub(crate) fn count(step: usize, mut detector: Detector) -> (Count, Count) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clips/entrance.json");
    let text = std::fs::read_to_string(path).expect("the clip's truth is part of the repository");
    let clip: Value = serde_json::from_str(&text).expect("entrance.json is JSON");
    let number = |value: &Value| value.as_f64().expect("a number") as f32;
    let point = |value: &Value| Point { x: number(&value[0]), y: number(&value[1]) };
    let whole = |key: &str| clip[key].as_u64().expect("a whole number") as u32;

    let mut counter = Counter::new(Line { a: point(&clip["line"]["a"]), b: point(&clip["line"]["b"]) });
    let frame_us = 1_000_000 / i64::from(whole("fps"));
    let frames = clip["boxes"].as_array().expect("a list of frames");
    for (frame, boxes) in frames.iter().enumerate().step_by(step) {
        let bodies: Vec<Body> = boxes
            .as_array()
            .expect("a list of boxes")
            .iter()
            .map(|b| Body {
                region: Region { l: number(&b[1]), t: number(&b[2]), w: number(&b[3]), h: number(&b[4]) },
                visible: number(&b[5]),
            })
            .collect();
        counter.look(frame as i64 * frame_us, &detector.find(&bodies));
    }
    let truth = Count { people: whole("people"), entered: whole("in"), left: whole("out") };
    (counter.count(), truth)
}
