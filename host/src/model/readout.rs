//! Output tensors become detections and classes.

use super::description::{Description, Read};
use super::rten::shown;
use crate::base::{Error, Result};
use crate::frame::{ClassScore, Detection, Placement, Tensor};

/// Reads a detector's first output.
pub(super) struct Boxes {
    form: Form,
    classes: usize,
    /// Width and height of the input in pixels.
    input: (f32, f32),
    score: f32,
    nms: f32,
    max: usize,
}

/// How a tensor holds boxes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    /// 1 x (5 + classes) x rows x columns.
    FastestDet { rows: usize, columns: usize },
    /// 1 x (4 + classes) x count, or 1 x count x (4 + classes) where `across`.
    YoloV8 { count: usize, across: bool },
}

impl Boxes {
    /// Finds how `output`, of a trial run, holds boxes; or what is wrong with it.
    pub(super) fn new(description: &Description, output: &Tensor) -> Result<Self> {
        let classes = description.labels.len();
        let (form, found) = match (description.output.read, output.shape.as_slice()) {
            (Read::FastestDet, &[1, depth, rows, columns]) if depth > 5 => {
                (Form::FastestDet { rows, columns }, depth - 5)
            }
            (Read::FastestDet, _) => {
                return Err(mismatch(output, "fastestdet", "1x(5 + classes)xROWSxCOLUMNS"));
            }
            (Read::YoloV8, &[1, depth, count]) if depth == 4 + classes => {
                (Form::YoloV8 { count, across: false }, classes)
            }
            (Read::YoloV8, &[1, count, depth]) if depth == 4 + classes => {
                (Form::YoloV8 { count, across: true }, classes)
            }
            // Neither fits the labels: the shorter axis is the classes' in every export seen.
            (Read::YoloV8, &[1, a, b]) if a.min(b) > 4 => {
                (Form::YoloV8 { count: a.max(b), across: b < a }, a.min(b) - 4)
            }
            _ => return Err(mismatch(output, "yolov8", "1x(4 + classes)xBOXES or 1xBOXESx(4 + classes)")),
        };
        if found != classes {
            return Err(Error::model(format!(
                "output `{}` is {}, which is {found} classes, but the labels name {classes}",
                output.name,
                shown(&output.shape)
            )));
        }
        Ok(Boxes {
            form,
            classes,
            input: (description.input.width as f32, description.input.height as f32),
            score: description.output.score,
            nms: description.output.nms,
            max: description.output.max,
        })
    }

    /// The score below which boxes are dropped unless the asker says otherwise.
    pub(super) fn score(&self) -> f32 {
        self.score
    }

    /// Things found, best first, in fractions of the frame and cut to it.
    pub(super) fn read(&self, output: &[f32], placement: &Placement, min_score: f32) -> Vec<Detection> {
        let mut found = match self.form {
            Form::FastestDet { rows, columns } => self.fastestdet(output, rows, columns, min_score),
            Form::YoloV8 { count, across } => self.yolov8(output, count, across, min_score),
        };
        found
            .retain(|found| found.score.is_finite() && found.corners.iter().all(|corner| corner.is_finite()));
        // Stable, so equal scores stay in the tensor's order.
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let any_class = matches!(self.form, Form::FastestDet { .. });
        let placed = found.into_iter().map(|Found { label, score, corners: [x0, y0, x1, y1] }| Detection {
            label,
            score: score.clamp(0.0, 1.0),
            region: placement.region(x0, y0, x1, y1),
        });
        let mut kept = suppress(placed, self.nms, any_class, self.max);
        kept.retain_mut(|kept| match kept.region.clipped() {
            Some(region) => {
                kept.region = region;
                true
            }
            None => false,
        });
        kept
    }

    /// FastestDet (dog-qiuqiu/FastestDet, example/onnx-runtime): of each cell objectness, the tanh of the
    /// centre's offset in cells, the logistic of the size in fractions of the input, and class scores;
    /// score = objectness^0.6 x class^0.4.
    fn fastestdet(&self, output: &[f32], rows: usize, columns: usize, min_score: f32) -> Vec<Found> {
        let cells = rows * columns;
        let plane = |index: usize| &output[index * cells..][..cells];
        let (best, label) = best_class(&output[5 * cells..], cells, self.classes);
        let mut found = Vec::new();
        // The same comparison without roots, with room for rounding: powers are taken of few cells.
        let fifth = min_score.powi(5) * 0.999;
        for cell in 0..cells {
            let (object, class) = (plane(0)[cell], best[cell]);
            if object * object * object * class * class < fifth {
                continue;
            }
            let score = object.powf(0.6) * class.powf(0.4);
            if score >= min_score {
                let (row, column) = (cell / columns, cell % columns);
                let x = (column as f32 + plane(1)[cell].tanh()) / columns as f32;
                let y = (row as f32 + plane(2)[cell].tanh()) / rows as f32;
                let (w, h) = (logistic(plane(3)[cell]), logistic(plane(4)[cell]));
                let (width, height) = self.input;
                let corners = centred(x * width, y * height, w * width, h * height);
                found.push(Found { label: label[cell], score, corners });
            }
        }
        found
    }

    /// YOLOv8 and its heirs as exported by ultralytics without suppression: centre and size in pixels of
    /// the input, then class scores that need no more work.
    fn yolov8(&self, output: &[f32], count: usize, across: bool, min_score: f32) -> Vec<Found> {
        let mut found = Vec::new();
        if across {
            for row in output.chunks_exact(4 + self.classes) {
                let (mut best, mut label) = (f32::NEG_INFINITY, 0);
                for (class, score) in row[4..].iter().enumerate() {
                    if *score > best {
                        (best, label) = (*score, class as u32);
                    }
                }
                if best >= min_score {
                    found.push(Found {
                        label,
                        score: best,
                        corners: centred(row[0], row[1], row[2], row[3]),
                    });
                }
            }
            return found;
        }
        let plane = |index: usize| &output[index * count..][..count];
        let (best, label) = best_class(&output[4 * count..], count, self.classes);
        for at in 0..count {
            if best[at] >= min_score {
                let corners = centred(plane(0)[at], plane(1)[at], plane(2)[at], plane(3)[at]);
                found.push(Found { label: label[at], score: best[at], corners });
            }
        }
        found
    }
}

/// A box in pixels of the input: left, top, right, bottom.
struct Found {
    label: u32,
    score: f32,
    corners: [f32; 4],
}

fn centred(x: f32, y: f32, w: f32, h: f32) -> [f32; 4] {
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The best class of each of `count` places, where `scores` holds one plane a class. What is no number
/// never wins.
fn best_class(scores: &[f32], count: usize, classes: usize) -> (Vec<f32>, Vec<u32>) {
    let mut best = vec![f32::NEG_INFINITY; count];
    let mut label = vec![0; count];
    for (class, plane) in scores.chunks_exact(count).take(classes).enumerate() {
        for ((best, label), score) in best.iter_mut().zip(&mut label).zip(plane) {
            // Written without a branch, so that it becomes vector instructions.
            let better = *score > *best;
            *best = if better { *score } else { *best };
            *label = if better { class as u32 } else { *label };
        }
    }
    (best, label)
}

/// Greedy non-maximum suppression over boxes that come best first: one is kept unless it overlaps a kept one
/// (of its own class, unless `any_class`) by an IoU above `threshold`; at most `max`. Costs at most `max`
/// comparisons a box, however many a hostile threshold lets through.
fn suppress(
    found: impl Iterator<Item = Detection>,
    threshold: f32,
    any_class: bool,
    max: usize,
) -> Vec<Detection> {
    let mut kept: Vec<Detection> = Vec::new();
    for next in found {
        if kept.len() == max {
            break;
        }
        let rival = |other: &&Detection| any_class || other.label == next.label;
        if kept.iter().filter(rival).all(|other| other.region.iou(&next.region) <= threshold) {
            kept.push(next);
        }
    }
    kept
}

fn mismatch(output: &Tensor, read: &str, wants: &str) -> Error {
    Error::model(format!(
        "output `{}` is {}, but read `{read}` in model.toml takes {wants}",
        output.name,
        shown(&output.shape)
    ))
}

/// Reads a classifier's first output.
pub(super) struct Classes {
    softmax: bool,
}

impl Classes {
    /// Finds whether `output`, of a trial run, holds a score for each label; or what is wrong with it.
    pub(super) fn new(description: &Description, output: &Tensor) -> Result<Self> {
        let labels = description.labels.len();
        if output.shape.first() != Some(&1) || output.data.is_empty() {
            return Err(mismatch(output, "classifier", "1xCLASSES"));
        }
        if output.data.len() != labels {
            return Err(Error::model(format!(
                "output `{}` is {}, which is {} classes, but the labels name {labels}",
                output.name,
                shown(&output.shape),
                output.data.len()
            )));
        }
        let softmax = description.output.softmax;
        if !softmax && output.data.iter().any(|score| !(-0.001..=1.001).contains(score)) {
            return Err(Error::model(format!(
                "output `{}` has scores outside 0 to 1: they are logits, set `softmax = true`",
                output.name
            )));
        }
        Ok(Classes { softmax })
    }

    /// Scores of all classes, best first.
    pub(super) fn read(&self, output: &[f32]) -> Vec<ClassScore> {
        let highest =
            output.iter().copied().filter(|score| score.is_finite()).fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 =
            output.iter().map(|score| (score - highest).exp()).filter(|part| part.is_finite()).sum();
        let mut scores: Vec<ClassScore> = output
            .iter()
            .enumerate()
            .filter(|(_, score)| score.is_finite())
            .map(|(label, score)| {
                let score = if self.softmax { (score - highest).exp() / sum } else { score.clamp(0.0, 1.0) };
                ClassScore { label: label as u32, score }
            })
            .collect();
        scores.sort_by(|a, b| b.score.total_cmp(&a.score));
        scores
    }
}
