//! A model's answers as words, as JSON and as marks.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::event::{Color, Mark, Point};
use crate::frame::{ClassMap, ClassScore, Detection, Pose, Region, Tensor};
use crate::model::tensor::shown;

/// One answer in the three forms it is shown in.
pub(super) struct Told {
    /// Its key in JSON.
    pub(super) what: &'static str,
    /// A line a thing.
    pub(super) words: String,
    pub(super) json: Value,
    pub(super) marks: Vec<Mark>,
}

/// Colours that can be told apart, for one class after another (Okabe and Ito's palette, without black).
const COLORS: [Color; 7] = [
    Color { r: 230, g: 159, b: 0 },
    Color { r: 86, g: 180, b: 233 },
    Color { r: 0, g: 158, b: 115 },
    Color { r: 240, g: 228, b: 66 },
    Color { r: 0, g: 114, b: 178 },
    Color { r: 213, g: 94, b: 0 },
    Color { r: 204, g: 121, b: 167 },
];

fn color(label: u32) -> Color {
    COLORS[label as usize % COLORS.len()]
}

fn name(labels: &[String], label: u32) -> String {
    labels.get(label as usize).cloned().unwrap_or_else(|| format!("class {label}"))
}

fn corners(region: Region) -> Value {
    json!({ "l": region.l, "t": region.t, "w": region.w, "h": region.h })
}

fn or_nothing(words: &str) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.trim_end().to_owned() }
}

fn boxed(region: Region, label: u32, score: f32, labels: &[String]) -> (String, Mark) {
    let Region { l, t, w, h } = region;
    let name = name(labels, label);
    let words = format!("{name} {score:.3} at left {l:.4} top {t:.4} width {w:.4} height {h:.4}\n");
    (words, Mark::Box { region, caption: format!("{name} {score:.2}"), color: color(label) })
}

pub(super) fn detections(found: &[Detection], labels: &[String]) -> Told {
    let (words, marks): (String, Vec<Mark>) =
        found.iter().map(|found| boxed(found.region, found.label, found.score, labels)).unzip();
    let json = found.iter().map(|Detection { label, score, region }| {
        json!({ "label": label, "name": name(labels, *label), "score": score, "box": corners(*region) })
    });
    Told { what: "detections", words: or_nothing(&words), json: json.collect(), marks }
}

pub(super) fn poses(found: &[Pose], labels: &[String], points: &[String], skeleton: &[[u32; 2]]) -> Told {
    let mut told = Told { what: "poses", words: String::new(), json: json!([]), marks: Vec::new() };
    let mut list = Vec::new();
    for pose in found {
        let (words, mark) = boxed(pose.region, pose.label, pose.score, labels);
        told.words.push_str(&words);
        told.marks.push(mark);
        let at = |index: u32| {
            let point = pose.points.get(index as usize).filter(|point| point.score >= 0.3)?;
            Some(Point { x: point.x, y: point.y })
        };
        for [a, b] in skeleton {
            if let (Some(a), Some(b)) = (at(*a), at(*b)) {
                told.marks.push(Mark::Line { a, b, color: color(pose.label + 1) });
            }
        }
        let named: Vec<Value> = pose
            .points
            .iter()
            .zip(points)
            .map(|(point, name)| json!({ "name": name, "x": point.x, "y": point.y, "score": point.score }))
            .collect();
        list.push(json!({
            "label": pose.label,
            "name": name(labels, pose.label),
            "score": pose.score,
            "box": corners(pose.region),
            "points": named,
        }));
    }
    told.words = or_nothing(&told.words);
    told.json = list.into();
    told
}

pub(super) fn classes(found: &[ClassScore], labels: &[String]) -> Told {
    let mut words = String::new();
    for class in found {
        let _ = writeln!(words, "{} {:.4}", name(labels, class.label), class.score);
    }
    let words = or_nothing(&words);
    let json = found.iter().map(
        |ClassScore { label, score }| json!({ "label": label, "name": name(labels, *label), "score": score }),
    );
    let at = Point { x: 0.01, y: 0.01 };
    let text = words.lines().next().unwrap_or_default().to_owned();
    Told {
        what: "classes",
        json: json.collect(),
        marks: vec![Mark::Label { at, text, color: color(0) }],
        words,
    }
}

pub(super) fn embedding(vector: &[f32]) -> Told {
    let head: Vec<String> = vector.iter().take(8).map(|value| format!("{value:.4}")).collect();
    let words = format!("{} numbers: {}, …", vector.len(), head.join(", "));
    Told { what: "embedding", words, json: json!(vector), marks: Vec::new() }
}

/// How much of the region each class covers; in JSON all cells too, -1 for none.
pub(super) fn segments(map: &ClassMap, labels: &[String]) -> Told {
    let mut counts = BTreeMap::<Option<u32>, usize>::new();
    for class in map.classes() {
        *counts.entry(class).or_default() += 1;
    }
    let cells: usize = counts.values().sum();
    let mut counts: Vec<(Option<u32>, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let mut words = String::new();
    for (label, count) in counts {
        let name = label.map_or_else(|| "nothing".to_owned(), |label| name(labels, label));
        let _ = writeln!(words, "{name} {:.1} %", count as f64 * 100.0 / cells as f64);
    }
    let cells: Vec<i64> = map.classes().map(|class| class.map_or(-1, i64::from)).collect();
    let json = json!({
        "width": map.width, "height": map.height, "covers": corners(map.region), "cells": cells,
    });
    Told { what: "map", words: or_nothing(&words), json, marks: dots(map) }
}

/// The map as dots of colour on a grid coarse enough to see the picture through.
fn dots(map: &ClassMap) -> Vec<Mark> {
    const ACROSS: u32 = 64;
    let cells: Vec<Option<u32>> = map.classes().collect();
    let (width, height) = (map.width.min(ACROSS), map.height.min(ACROSS));
    let (step_x, step_y) = (map.region.w / width as f32, map.region.h / height as f32);
    let mut marks = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let at = (y * map.height / height) as usize * map.width as usize + (x * map.width / width) as usize;
        let Some(Some(label)) = cells.get(at) else { continue };
        let region = Region {
            l: map.region.l + (x as f32 + 0.35) * step_x,
            t: map.region.t + (y as f32 + 0.35) * step_y,
            w: step_x * 0.3,
            h: step_y * 0.3,
        };
        marks.push(Mark::Box { region, caption: String::new(), color: color(*label) });
    }
    marks
}

pub(super) fn tensors(found: &[Tensor]) -> Told {
    let mut words = String::new();
    for tensor in found {
        let finite = tensor.data.iter().filter(|value| value.is_finite());
        let (least, most) =
            finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), value| (a.min(*value), b.max(*value)));
        let _ = writeln!(words, "{}: {}, {least} to {most}", tensor.name, shown(&tensor.shape));
    }
    let json =
        found.iter().map(|tensor| json!({ "name": tensor.name, "shape": tensor.shape, "data": tensor.data }));
    Told { what: "tensors", json: json.collect(), words: or_nothing(&words), marks: Vec::new() }
}
