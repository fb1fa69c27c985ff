use super::*;
use crate::frame::{Cells, ClassMap, ClassScore, Pose, Region};
use crate::model::tensor::Values;
use serde::Deserialize;
use serde_json::Value;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/readout/testdata");

#[derive(Deserialize)]
struct Case {
    name: String,
    toml: String,
    placement: [f64; 4],
    seen: [f32; 4],
    min_score: Option<f32>,
    outputs: Vec<Packed>,
    answer: Value,
}

#[derive(Deserialize)]
struct Packed {
    name: String,
    #[serde(rename = "type")]
    element: String,
    shape: Vec<usize>,
    data: String,
}

impl Packed {
    fn array(&self) -> Array {
        let bytes = base64(&self.data);
        let halves = || bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
        let values = match self.element.as_str() {
            "float32" => Values::F32(halves().map(|bits| half::f16::from_bits(bits).to_f32()).collect()),
            "float16" => Values::F16(halves().collect()),
            "uint8" => Values::U8(bytes.clone()),
            "int32" => Values::I32(
                bytes.chunks_exact(4).map(|four| i32::from_le_bytes(four.try_into().unwrap())).collect(),
            ),
            "int64" => Values::I64(
                bytes.chunks_exact(8).map(|eight| i64::from_le_bytes(eight.try_into().unwrap())).collect(),
            ),
            other => panic!("{other}"),
        };
        Array { shape: self.shape.clone(), values }
    }
}

fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        bits = bits << 6 | LETTERS.iter().position(|one| *one == letter).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

fn described(toml: &str) -> Description {
    let text = format!("[model]\nname = \"m\"\nfile = \"m.onnx\"\n{toml}");
    Description::parse(&text, "model.toml", std::path::Path::new("")).unwrap()
}

fn named(arrays: &[(&str, Array)]) -> (Vec<String>, Vec<Array>) {
    arrays.iter().map(|(name, array)| ((*name).to_owned(), array.clone())).unzip()
}

fn floats_of(shape: &[usize], value: f32) -> Array {
    Array { shape: shape.to_vec(), values: Values::F32(vec![value; shape.iter().product()]) }
}

const WHOLE: Placement = Placement { left: 0.0, top: 0.0, step_x: 1.0, step_y: 1.0 };

/// What a read-out makes of a case, as the reference writes it.
fn read(case: &Case) -> Value {
    let description = described(&case.toml);
    let names: Vec<String> = case.outputs.iter().map(|output| output.name.clone()).collect();
    let outputs: Vec<Array> = case.outputs.iter().map(Packed::array).collect();
    let readout =
        Readout::new(&description, &names, &outputs).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let [left, top, step_x, step_y] = case.placement;
    let placement = Placement { left, top, step_x, step_y };
    let [l, t, w, h] = case.seen;
    let seen = Region { l, t, w, h };
    let row = |label: u32, score: f32, region: Region| {
        let Region { l, t, w, h } = region;
        vec![Value::from(label), score.into(), l.into(), t.into(), w.into(), h.into()]
    };
    match &readout {
        Readout::Detector(detector) => {
            let found = detector.read(&outputs, &placement, case.min_score).unwrap();
            let rows: Vec<_> = found.iter().map(|one| row(one.label, one.score, one.region)).collect();
            serde_json::json!({ "detections": rows })
        }
        Readout::Classifier(classifier) => {
            let scores: Vec<ClassScore> = classifier.read(&outputs).unwrap();
            let rows: Vec<_> = scores.iter().map(|one| (one.label, one.score)).collect();
            serde_json::json!({ "classes": rows })
        }
        Readout::Embedder(embedder) => {
            serde_json::json!({ "embedding": embedder.read(&outputs).unwrap().values })
        }
        Readout::Segmenter(segmenter) => {
            let ClassMap { width, height, region, cells } =
                segmenter.read(&outputs, &placement, seen).unwrap();
            let cells: Vec<u32> = match cells {
                Cells::Few(cells) => cells.into_iter().map(u32::from).collect(),
                Cells::Many(cells) => cells.into_iter().map(u32::from).collect(),
            };
            let region = [region.l, region.t, region.w, region.h];
            serde_json::json!({ "map": { "width": width, "height": height, "region": region, "cells": cells } })
        }
        Readout::Poses(poses) => {
            let found: Vec<Pose> = poses.read(&outputs, &placement, seen, case.min_score).unwrap();
            let pose = |pose: &Pose| {
                let mut row = row(pose.label, pose.score, pose.region);
                let points: Vec<_> =
                    pose.points.iter().map(|point| [point.x, point.y, point.score]).collect();
                row.push(serde_json::json!(points));
                row
            };
            serde_json::json!({ "poses": found.iter().map(pose).collect::<Vec<_>>() })
        }
        Readout::Raw => Value::Null,
    }
}

/// Whether two answers are alike: whole numbers the same, others nearly.
fn alike(got: &Value, wanted: &Value) -> bool {
    match (got, wanted) {
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(got, wanted)| alike(got, wanted))
        }
        (Value::Object(got), Value::Object(wanted)) => {
            got.len() == wanted.len()
                && got.iter().all(|(key, got)| wanted.get(key).is_some_and(|wanted| alike(got, wanted)))
        }
        (Value::Number(got), Value::Number(wanted)) => match (got.as_u64(), wanted.as_u64()) {
            (Some(got), Some(wanted)) => got == wanted,
            _ => {
                (got.as_f64().unwrap() - wanted.as_f64().unwrap()).abs()
                    < 2e-5 * wanted.as_f64().unwrap().abs().max(1.0)
            }
        },
        _ => got == wanted,
    }
}

fn compare(cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let got = read(case);
        if !alike(&got, &case.answer) {
            wrong.push(format!("{}:\n  got    {got}\n  wanted {}", case.name, case.answer));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_reads_out_as_the_reference_does() {
    let text = std::fs::read_to_string(format!("{DATA}/cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    compare(&cases);
    for (word, read) in Read::WORDS {
        let of = cases.iter().filter(|case| described(&case.toml).output.read == read).count();
        assert!(of > 0 || read == Read::Raw, "{word} has no case");
    }
    // A case that finds nothing shows nothing.
    let empty = |case: &&Case| {
        case.answer.as_object().unwrap().values().any(|rows| rows.as_array().is_some_and(Vec::is_empty))
    };
    let empty: Vec<&str> = cases.iter().filter(empty).map(|case| case.name.as_str()).collect();
    assert!(empty.is_empty(), "{empty:?}");
}

#[test]
fn fresh_random_tensors_read_out_as_the_reference_does() {
    let Some(python) = std::env::var_os("PYTHON") else {
        eprintln!("SKIPPED: PYTHON names no Python with NumPy");
        return;
    };
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    for seed in seed..seed + seeds {
        let done = std::process::Command::new(&python)
            .args([&format!("{DATA}/reference.py"), "--seed", &seed.to_string(), "-"])
            .output();
        let Ok(done) = done else {
            eprintln!("SKIPPED: `{}` cannot be run", python.display());
            return;
        };
        let said = String::from_utf8_lossy(&done.stderr);
        if said.contains("No module named 'numpy'") {
            eprintln!("SKIPPED: `{}` has no NumPy", python.display());
            return;
        }
        assert!(done.status.success(), "seed {seed}: {said}");
        let cases: Vec<Case> = serde_json::from_slice(&done.stdout).unwrap();
        eprintln!("seed {seed}");
        compare(&cases);
    }
}

fn labels(count: usize) -> String {
    let labels: Vec<String> = (0..count).map(|label| format!("\"class {label}\"")).collect();
    format!("labels = [{}]", labels.join(", "))
}

fn page(read: &str, output: &str) -> Description {
    described(&format!("[input]\nwidth = 64\nheight = 64\n[output]\nread = \"{read}\"\n{output}\n"))
}

fn refused(read: &str, output: &str, arrays: &[(&str, Array)]) -> String {
    let (names, outputs) = named(arrays);
    match Readout::new(&page(read, output), &names, &outputs) {
        Ok(_) => panic!("{read} {output} was taken"),
        Err(error) => error.message().to_owned(),
    }
}

#[test]
fn a_wrong_description_is_caught_at_load() {
    let (two, three) = (labels(2), labels(3));
    let out = |shape: &[usize]| vec![("out", floats_of(shape, 0.5))];
    let boxes =
        |scores: &[usize]| vec![("boxes", floats_of(&[1, 9, 4], 0.5)), ("scores", floats_of(scores, 0.5))];
    let numbers = |values: Vec<i64>| Array { shape: vec![1, values.len()], values: Values::I64(values) };
    for (read, output, arrays, wanted) in [
        (
            "fastestdet",
            &*two,
            out(&[1, 11, 9, 11]),
            "output `out` is 1x11x9x11, which is 6 classes, but the labels name 2",
        ),
        (
            "fastestdet",
            &two,
            out(&[1, 11, 9]),
            "output `out` is 1x11x9, but read `fastestdet` in model.toml takes 1x(5 + classes)xROWSxCOLUMNS",
        ),
        (
            "yolov8",
            &two,
            out(&[1, 9, 120]),
            "output `out` is 1x9x120, which is 5 classes, but the labels name 2",
        ),
        (
            "yolov8",
            &two,
            out(&[1, 120, 9]),
            "output `out` is 1x120x9, which is 5 classes, but the labels name 2",
        ),
        (
            "yolov8",
            &two,
            out(&[1, 3, 8, 8]),
            "output `out` is 1x3x8x8, but read `yolov8` in model.toml takes 1x(4 + classes)xBOXES, 1xBOXESx(4 + classes), or 1xBOXESx6 where the graph suppresses boxes itself",
        ),
        (
            "yolov8",
            &three,
            vec![("out", floats_of(&[1, 120, 6], 0.5))],
            "output `out` is 1x120x6, which is 2 classes, but the labels name 3",
        ),
        (
            "yolov5",
            &two,
            out(&[1, 120, 85]),
            "output `out` is 1x120x85, which is 80 classes, but the labels name 2",
        ),
        (
            "yolov5",
            &two,
            vec![("a", floats_of(&[1, 3, 8, 8, 7], 0.0)), ("b", floats_of(&[1, 3, 4, 4, 7], 0.0))],
            "there are 2 outputs of boxes, not the three of YOLOv5's anchors; give `anchors` in model.toml",
        ),
        (
            "yolov5",
            &format!("{two}\nanchors = [[[1, 2]]]"),
            out(&[1, 3, 8, 8, 7]),
            "output `out` is 1x3x8x8x7, but model.toml has 1 anchors for stride 8",
        ),
        (
            "yolov5",
            &format!("{two}\nanchors = [[[1, 2]]]\nstrides = [16]"),
            out(&[1, 1, 8, 8, 7]),
            "the outputs have strides [8] for this input, but model.toml says [16]",
        ),
        (
            "yolov5",
            &format!("{two}\nanchors = [[[1, 2]]]"),
            out(&[1, 1, 7, 8, 7]),
            "output `out` is 1x1x7x8x7, whose rows and columns are no whole part of an input of 64x64 pixels",
        ),
        (
            "yolox",
            &two,
            out(&[1, 84, 85]),
            "output `out` is 1x84x85, which is 80 classes, but the labels name 2",
        ),
        (
            "yolox",
            &two,
            out(&[1, 80, 7]),
            "output `out` is 1x80x7, which is 80 boxes, but an input of 64x64 pixels has 84 for strides [8, 16, 32], 85 for strides [8, 16, 32, 64]; check `width`, `height` and `strides` in model.toml",
        ),
        (
            "ssd",
            &two,
            boxes(&[1, 9, 3]),
            "output `scores` is 1x9x3, which is 3 classes, but the labels name 2; if one of the classes is the background, say which: `background = \"first\"` or `\"last\"`",
        ),
        (
            "ssd",
            &format!("{three}\nbackground = \"first\""),
            boxes(&[1, 9, 3]),
            "output `scores` is 1x9x3, which is 2 classes beside the background, but the labels name 3 (the background, the first class, has no label)",
        ),
        (
            "ssd",
            &three,
            vec![("boxes", floats_of(&[1, 9, 4], 0.5)), ("scores", floats_of(&[1, 9, 3], 7.0))],
            "output `scores` (1x9x3) has scores outside 0 to 1: they are logits, set `softmax = true` or `sigmoid = true`",
        ),
        (
            "ssd",
            &labels(4),
            vec![("a", floats_of(&[1, 9, 4], 0.5)), ("b", floats_of(&[1, 9, 4], 0.5))],
            "the outputs are `a` (float32 of 1x9x4), `b` (float32 of 1x9x4), but read `ssd` in model.toml takes",
        ),
        (
            "ssd",
            &two,
            vec![
                ("boxes", floats_of(&[1, 2, 4], 0.5)),
                ("scores", floats_of(&[1, 2], 0.5)),
                ("labels", numbers(vec![1, 90])),
            ],
            "output `labels` has class 90, but the labels name 2",
        ),
        (
            "ssd",
            &two,
            vec![("out", floats_of(&[3, 6], 7.0))],
            "output `out` has class 7, but the labels name 2",
        ),
        (
            "ssd",
            &format!("{two}\nsoftmax = true"),
            vec![
                ("boxes", floats_of(&[1, 2, 4], 0.5)),
                ("scores", floats_of(&[1, 2], 0.5)),
                ("labels", numbers(vec![0, 0])),
            ],
            "`softmax` and `sigmoid` in model.toml are for scores of every class, but the graph has chosen among them; remove them",
        ),
        (
            "ultraface",
            &two,
            boxes(&[1, 9, 2]),
            "the labels name 2 classes, but read `ultraface` finds one: faces",
        ),
        (
            "ultraface",
            "",
            boxes(&[1, 8, 2]),
            "the outputs are `boxes` (float32 of 1x9x4), `scores` (float32 of 1x8x2), but read `ultraface` in model.toml takes boxes of 1xBOXESx4 and scores of 1xBOXESx2; name them in `[outputs]`",
        ),
        (
            "ultraface",
            "decoded = false",
            boxes(&[1, 9, 2]),
            "output `boxes` is 1x9x4, but an input of 64x64 pixels has 235 boxes in 85 cells; check `width` and `height` in model.toml",
        ),
        (
            "nanodet",
            &two,
            out(&[1, 85, 112]),
            "output `out` is 1x85x112, which is 80 classes, but the labels name 2",
        ),
        (
            "nanodet",
            &two,
            vec![("c", floats_of(&[1, 64, 3], 0.0)), ("d", floats_of(&[1, 64, 32], 0.0))],
            "the outputs are `c` (float32 of 1x64x3), `d` (float32 of 1x64x32), but read `nanodet` in model.toml takes",
        ),
        (
            "classifier",
            &two,
            out(&[1, 1000]),
            "output `out` is 1x1000, which is 1000 classes, but the labels name 2",
        ),
        (
            "classifier",
            &two,
            out(&[1, 3]),
            "output `out` is 1x3, which is 3 classes, but the labels name 2; if one of the classes is the background, say which: `background = \"first\"` or `\"last\"`",
        ),
        (
            "classifier",
            &two,
            out(&[1, 2, 7]),
            "output `out` is 1x2x7, but read `classifier` in model.toml takes 1xCLASSES",
        ),
        (
            "classifier",
            &two,
            vec![("out", floats_of(&[1, 2], 3.0))],
            "output `out` has scores outside 0 to 1: they are logits, set `softmax = true`",
        ),
        (
            "embedding",
            "",
            out(&[1, 8, 8]),
            "output `out` is 1x8x8, but read `embedding` in model.toml takes 1xVALUES",
        ),
        (
            "segmentation",
            &two,
            out(&[1, 21, 8, 8]),
            "output `out` is 1x21x8x8, which is 21 classes, but the labels name 2",
        ),
        (
            "segmentation",
            &two,
            vec![("out", Array { shape: vec![1, 1, 2], values: Values::I64(vec![0, 9]) })],
            "output `out` has class 9, but the labels name 2",
        ),
        (
            "segmentation",
            &two,
            vec![("out", floats_of(&[1, 8, 8], 3.0))],
            "output `out` has scores outside 0 to 1: they are logits, set `sigmoid = true`",
        ),
        (
            "segmentation",
            &three,
            out(&[1, 8, 8]),
            "output `out` is 1x8x8 of values that are no class numbers, which is one score a cell, but the labels name 3 classes; such a map has two: what is not meant and what is",
        ),
        (
            "keypoints",
            "points = [\"a\", \"b\"]",
            out(&[1, 56, 99]),
            "output `out` is 1x56x99, which is 56 numbers a box, but 2 points and 1 classes in model.toml make 11 or 9",
        ),
        (
            "keypoints",
            "points = [\"a\", \"b\"]",
            out(&[1, 17, 16, 16]),
            "output `out` is 1x17x16x16, which is 17 points, but `points` in model.toml names 2",
        ),
        (
            "keypoints",
            &format!("points = [\"a\", \"b\"]\n{two}"),
            out(&[1, 2, 16, 16]),
            "the labels name 2 classes, but the outputs are the points of one body; give one label or none",
        ),
    ] {
        let got = refused(read, output, &arrays);
        // Lists of all that a read-out takes are long; where they begin is enough.
        assert!(
            if wanted.ends_with("takes") { got.starts_with(wanted) } else { got == wanted },
            "{read} {output}\n{got}\n{wanted}"
        );
    }
}

#[test]
fn outputs_other_than_in_the_trial_run_are_an_error_and_no_answer() {
    let (names, outputs) = named(&[("out", floats_of(&[1, 6, 9], 0.5))]);
    let Ok(Readout::Detector(detector)) = Readout::new(&page("yolov8", &labels(2)), &names, &outputs) else {
        panic!("no detector");
    };
    let error = |outputs: &[Array]| match detector.read(outputs, &WHOLE, None) {
        Err(AskError::Failed(why)) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(error(&[]), "output `out` did not come");
    assert_eq!(
        error(&[floats_of(&[1, 6, 8], 0.5)]),
        "output `out` came as 1x6x8 with 48 values; in the trial run it was 1x6x9"
    );
    let short = Array { shape: vec![1, 6, 9], values: Values::F32(vec![0.0; 3]) };
    assert_eq!(error(&[short]), "output `out` came as 1x6x9 with 3 values; in the trial run it was 1x6x9");
}

#[test]
fn a_graph_that_chooses_boxes_gives_as_many_as_it_likes() {
    let arrays = |count: usize, class: i64| {
        let classes = Array { shape: vec![count], values: Values::I64(vec![class; count]) };
        let corners: Vec<f32> = (0..count).flat_map(|at| [0.0, 0.0, at as f32 * 0.1, 0.5]).collect();
        let boxes = Array { shape: vec![count, 4], values: Values::F32(corners) };
        vec![("boxes", boxes), ("scores", floats_of(&[count], 0.9)), ("labels", classes)]
    };
    let (names, outputs) = named(&arrays(0, 0));
    let Ok(Readout::Detector(detector)) = Readout::new(&page("ssd", &labels(2)), &names, &outputs) else {
        panic!("no detector");
    };
    assert_eq!(detector.read(&outputs, &WHOLE, None).unwrap(), []);
    // The first is a line.
    assert_eq!(detector.read(&named(&arrays(5, 1)).1, &WHOLE, None).unwrap().len(), 4);
    let beyond = AskError::Failed("output `labels` has class 2, but the labels name 2".to_owned());
    assert_eq!(detector.read(&named(&arrays(5, 2)).1, &WHOLE, None), Err(beyond));
    let mut uneven = named(&arrays(5, 1)).1;
    uneven[2] = named(&arrays(4, 1)).1[2].clone();
    assert!(matches!(detector.read(&uneven, &WHOLE, None), Err(AskError::Failed(_))));
}

#[test]
fn an_embedding_without_a_direction_is_an_error() {
    let (names, outputs) = named(&[("out", floats_of(&[1, 4], 0.0))]);
    let Ok(Readout::Embedder(embedder)) = Readout::new(&page("embedding", ""), &names, &outputs) else {
        panic!("no embedder");
    };
    assert!(matches!(embedder.read(&outputs), Err(AskError::Failed(_))));
    assert!(matches!(embedder.read(&[floats_of(&[1, 4], f32::NAN)]), Err(AskError::Failed(_))));
    // Its square is beyond 32 bits.
    assert_eq!(embedder.read(&[floats_of(&[1, 4], 1e38)]).unwrap().values, [0.5; 4]);
}

#[test]
fn half_floats_and_quantised_values_are_the_floats_they_stand_for() {
    let bits: Vec<u16> = (0..=u16::MAX).collect();
    for (bits, got) in bits.iter().zip(floats(&Values::F16(bits.clone())).iter()) {
        // IEEE 754-2019, 3.4: sign, five bits of exponent, ten of fraction.
        let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 1023));
        let size = match exponent {
            31 if fraction == 0.0 => f32::INFINITY,
            31 => f32::NAN,
            0 => fraction * 2.0_f32.powi(-24),
            _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
        };
        let wanted = if sign == 1 { -size } else { size };
        assert!(*got == wanted || got.is_nan() && wanted.is_nan(), "{bits:#x}: {got} {wanted}");
    }
    assert_eq!(*floats(&Values::I8(vec![-128, 127])), [-128.0, 127.0]);
    assert_eq!(*floats(&Values::Bool(vec![true, false])), [1.0, 0.0]);
    let large = 9_007_199_254_740_993;
    assert_eq!(*floats::whole(&Values::I64(vec![large])), [large]);
    assert_eq!(*floats::whole(&Values::F32(vec![2.0, 0.5, f32::NAN, f32::INFINITY])), [2, -1, -1, -1]);
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most.max(1)
    }

    /// A tensor much like another: one axis or the type may differ, and some of its values are wild.
    fn array(&mut self, like: &Array, shape_too: bool) -> Array {
        const WILD: [f32; 8] =
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -1.0, 1e30, f32::MIN_POSITIVE, 3.5];
        let mut shape = like.shape.clone();
        if shape_too {
            match (self.below(4), self.below(shape.len())) {
                (0, axis) if !shape.is_empty() => shape[axis] = self.below(9),
                (1, axis) if !shape.is_empty() => drop(shape.remove(axis)),
                (2, axis) => shape.insert(axis, self.below(3)),
                _ => {}
            }
        }
        let old = super::floats(&like.values);
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count.min(1 << 16))
            .map(|at| match self.below(6) {
                0 => WILD[self.below(WILD.len())],
                _ => old.get(at).copied().unwrap_or(0.5),
            })
            .collect();
        let values = match self.below(6) {
            0 => Values::I64(values.iter().map(|value| *value as i64).collect()),
            1 => Values::F16(values.iter().map(|value| half::f16::from_f32(*value).to_bits()).collect()),
            2 => Values::U8(values.iter().map(|value| *value as u8).collect()),
            _ => Values::F32(values),
        };
        Array { shape, values }
    }
}

#[test]
fn whatever_the_outputs_are_nothing_panics_and_answers_are_numbers() {
    let rounds = std::env::var("FUZZ").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    let text = std::fs::read_to_string(format!("{DATA}/cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let unit = |value: f32| (0.0..=1.0).contains(&value);
    let on = |region: Region| {
        region.is_finite()
            && region.l >= 0.0
            && region.t >= 0.0
            && region.l + region.w <= 1.001
            && region.t + region.h <= 1.001
    };
    let (mut taken, mut answers) = (0, 0);
    for case in &cases {
        let description = described(&case.toml);
        let names: Vec<String> = case.outputs.iter().map(|output| output.name.clone()).collect();
        let outputs: Vec<Array> = case.outputs.iter().map(Packed::array).collect();
        let [left, top, step_x, step_y] = case.placement;
        let placement = Placement { left, top, step_x, step_y };
        for round in 0..rounds {
            let trial: Vec<Array> = if round == 0 {
                outputs.clone()
            } else {
                outputs.iter().map(|one| dice.array(one, true)).collect()
            };
            let Ok(readout) = Readout::new(&description, &names, &trial) else { continue };
            taken += 1;
            for again in 0..4 {
                let now: Vec<Array> = trial.iter().map(|one| dice.array(one, again == 3)).collect();
                let min_score = [None, Some(0.0), Some(1.0), Some(0.3)][again];
                let sound = match &readout {
                    Readout::Detector(detector) => {
                        detector.read(&now, &placement, min_score).is_ok_and(|found| {
                            answers += found.len();
                            found.len() <= description.output.max
                                && found.iter().all(|one| {
                                    unit(one.score)
                                        && on(one.region)
                                        && (one.label as usize) < description.labels.len()
                                })
                        })
                    }
                    Readout::Classifier(classifier) => classifier.read(&now).is_ok_and(|found| {
                        found
                            .iter()
                            .all(|one| unit(one.score) && (one.label as usize) < description.labels.len())
                    }),
                    Readout::Embedder(embedder) => embedder
                        .read(&now)
                        .is_ok_and(|found| found.values.iter().all(|value| value.abs() <= 1.001)),
                    Readout::Segmenter(segmenter) => {
                        segmenter.read(&now, &placement, Region::WHOLE).is_ok_and(|map| {
                            let cells = match map.cells {
                                Cells::Few(cells) => cells.len(),
                                Cells::Many(cells) => cells.len(),
                            };
                            map.region.is_finite() && cells == map.width as usize * map.height as usize
                        })
                    }
                    Readout::Poses(poses) => {
                        poses.read(&now, &placement, Region::WHOLE, min_score).is_ok_and(|found| {
                            answers += found.len();
                            let points = |pose: &Pose| {
                                pose.points.len() == description.output.points.len()
                                    && pose.points.iter().all(|point| {
                                        point.x.is_finite() && point.y.is_finite() && unit(point.score)
                                    })
                            };
                            found.iter().all(|pose| unit(pose.score) && on(pose.region) && points(pose))
                        })
                    }
                    Readout::Raw => true,
                };
                // A class without a label, or another shape, is an error; so is an embedding of nothing.
                let may_fail = again == 3
                    || round > 0
                    || matches!(readout, Readout::Embedder(_))
                    || matches!(description.output.read, Read::Ssd)
                    || case.name.contains("end to end");
                assert!(sound || may_fail, "{} {round} {again}", case.name);
            }
        }
    }
    assert!(taken >= cases.len() && answers > 0, "{taken} taken, {answers} answers");
}
