//! Points of bodies: boxes with points (YOLOv8-pose and its heirs), or the points of the one body that the
//! input shows: heat maps (HRNet, SimpleBaseline), SimCC (RTMPose), coordinates (MoveNet).

use super::nms::{Choice, Scratch, placed};
use super::yolov8::YoloV8;
use super::{Array, AskError, Part, Placement, Result, Trial};
use crate::frame::{Point, Pose, Region};

/// Reads poses.
pub(crate) struct Poses {
    form: Form,
    points: usize,
    choice: Choice,
    score: f32,
    input: (f32, f32),
}

enum Form {
    /// Boxes, each with two or three numbers a point.
    Boxes { boxes: YoloV8, each: usize },
    /// 1 x points x rows x columns (microsoft/human-pose-estimation.pytorch, lib/core/inference.py
    /// `get_final_preds`): the highest cell, a quarter of a cell towards its higher neighbours.
    Maps(Part),
    /// 1 x points x so many bins a pixel, for each axis (open-mmlab/mmpose, mmpose/codecs/utils/
    /// post_processing.py `get_simcc_maximum`).
    Bins { x: Part, y: Part },
    /// 1 x 1 x points x 3: y, x and score in fractions of the input (tensorflow.org/hub, MoveNet).
    Numbers(Part),
}

const WANTS: &str = "1x(4 + classes + points * 3)xBOXES or that swapped, 1xPOINTSxROWSxCOLUMNS, \
                     1x1xPOINTSx3, or two of 1xPOINTSxBINS";

impl Poses {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        let output = &trial.description.output;
        let points = output.points.len();
        let form = form(trial, points)?;
        let done = matches!(&form, Form::Boxes { boxes, .. } if boxes.done());
        let choice = Choice::new(trial.description, done);
        Ok(Poses { form, points, choice, score: output.score, input: trial.input() })
    }

    /// Poses found, best first. `seen` is the part of the frame that the input shows: what a model for one
    /// body says its points are in. `min_score` takes the place of every score in `model.toml`.
    pub(crate) fn read(
        &self,
        outputs: &[Array],
        placement: &Placement,
        seen: Region,
        min_score: Option<f32>,
    ) -> Result<Vec<Pose>, AskError> {
        let point = |x: f32, y: f32, score: f32| Point {
            x: (placement.left + f64::from(x) * placement.step_x) as f32,
            y: (placement.top + f64::from(y) * placement.step_y) as f32,
            score: if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 },
        };
        let points: Vec<Point> = match &self.form {
            Form::Boxes { boxes, each } => {
                return Scratch::lend(|Scratch { found, best }| {
                    boxes.find(outputs, self.choice.floor(min_score), found, best)?;
                    self.choice.choose(found, min_score);
                    let numbers = boxes.numbers(outputs);
                    let pose = |found: &super::Candidate| {
                        let placed = placed(found, placement)?;
                        let points: Vec<Point> = (0..self.points)
                            .map(|index| {
                                let value = |of: usize| numbers(found.at, index * each + of);
                                point(value(0), value(1), if *each == 3 { value(2) } else { 1.0 })
                            })
                            .collect();
                        let sound = points.iter().all(|point| point.x.is_finite() && point.y.is_finite());
                        sound.then_some(Pose {
                            label: placed.label,
                            score: placed.score,
                            region: placed.region,
                            points,
                        })
                    };
                    Ok(found.iter().filter_map(pose).collect())
                });
            }
            Form::Maps(part) => {
                let values = part.floats(outputs)?;
                let (rows, columns) = (part.shape[2], part.shape[3]);
                let (step_x, step_y) = (self.input.0 / columns as f32, self.input.1 / rows as f32);
                values
                    .chunks_exact(rows * columns)
                    .map(|map| {
                        let (x, y, score) = peak(map, rows, columns);
                        point(x * step_x, y * step_y, score)
                    })
                    .collect()
            }
            Form::Bins { x, y } => {
                let (xs, ys) = (x.floats(outputs)?, y.floats(outputs)?);
                let (bins_x, bins_y) = (x.shape[2], y.shape[2]);
                let (step_x, step_y) = (self.input.0 / bins_x as f32, self.input.1 / bins_y as f32);
                xs.chunks_exact(bins_x)
                    .zip(ys.chunks_exact(bins_y))
                    .map(|(xs, ys)| {
                        let ((x, score_x), (y, score_y)) = (super::nms::best_of(xs), super::nms::best_of(ys));
                        point(x as f32 * step_x, y as f32 * step_y, score_x.min(score_y))
                    })
                    .collect()
            }
            Form::Numbers(part) => {
                let values = part.floats(outputs)?;
                let of = |row: &[f32]| point(row[1] * self.input.0, row[0] * self.input.1, row[2]);
                values.chunks_exact(3).map(of).collect()
            }
        };
        let score = points.iter().map(|point| point.score).sum::<f32>() / self.points as f32;
        let sound = points.iter().all(|point| point.x.is_finite() && point.y.is_finite());
        let region = seen.clipped().filter(|_| sound && score >= min_score.unwrap_or(self.score));
        Ok(region.map(|region| Pose { label: 0, score, region, points }).into_iter().collect())
    }
}

fn form(trial: &Trial<'_>, points: usize) -> Result<Form> {
    for each in [3, 2] {
        for part in &trial.parts {
            if let Some(boxes) = YoloV8::with(trial, part, points * each) {
                return Ok(Form::Boxes { boxes, each });
            }
        }
    }
    let (width, height) = (trial.description.input.width as usize, trial.description.input.height as usize);
    let bins = |part: &Part, side: usize| matches!(part.shape[..], [1, of, bins] if of == points && bins > 0 && bins % side == 0);
    let alone = |form: Form| match trial.labels() {
        1 => Ok(form),
        labels => Err(crate::base::Error::model(format!(
            "the labels name {labels} classes, but the outputs are the points of one body; give one label or none"
        ))),
    };
    let fits_x: Vec<&Part> = match trial.named("x")[..] {
        [x] => vec![x],
        _ => trial.parts.iter().filter(|part| bins(part, width)).collect(),
    };
    let fits_y: Vec<&Part> = match trial.named("y")[..] {
        [y] => vec![y],
        _ => trial.parts.iter().filter(|part| bins(part, height)).collect(),
    };
    // Of a square input both fit both; x comes first in the exports there are.
    let x = fits_x.first();
    if let (Some(x), Some(y)) = (x, fits_y.iter().find(|y| Some(*y) != x)) {
        for (part, side) in [(x, width), (y, height)] {
            if !bins(part, side) {
                return Err(
                    trial.mismatch(part, &format!("1x{points}xBINS, so many bins for each of {side} pixels"))
                );
            }
        }
        return alone(Form::Bins { x: (*x).clone(), y: (*y).clone() });
    }
    for part in &trial.parts {
        match part.shape[..] {
            [1, 1, of, 3] if of == points => return alone(Form::Numbers(part.clone())),
            [1, of, rows, columns] if of == points && rows > 0 && columns > 0 => {
                return alone(Form::Maps(part.clone()));
            }
            _ => {}
        }
    }
    let part = &trial.parts[0];
    let labels = trial.labels();
    Err(match part.shape[..] {
        [1, a, b] if trial.parts.len() == 1 && a.min(b) > 6 => crate::base::Error::model(format!(
            "{}, which is {} numbers a box, but {} points and {labels} classes in model.toml make {} or {}",
            part.shown(),
            a.min(b),
            points,
            4 + labels + points * 3,
            4 + labels + points * 2
        )),
        [1, of, _, _] if of > 1 => crate::base::Error::model(format!(
            "{}, which is {of} points, but `points` in model.toml names {points}",
            part.shown()
        )),
        _ => trial.missing(WANTS),
    })
}

/// The highest cell of a map, a quarter of a cell towards the higher of its neighbours.
fn peak(map: &[f32], rows: usize, columns: usize) -> (f32, f32, f32) {
    let (at, score) = super::nms::best_of(map);
    let (row, column) = (at as usize / columns, at as usize % columns);
    let cell = |row: usize, column: usize| map[row * columns + column];
    let towards = |before: f32, after: f32| {
        if after > before {
            0.25
        } else if after < before {
            -0.25
        } else {
            0.0
        }
    };
    let (mut x, mut y) = (column as f32, row as f32);
    // Not at the edges, nor in the second row and column: as published.
    if (2..columns.saturating_sub(1)).contains(&column) && (2..rows.saturating_sub(1)).contains(&row) {
        x += towards(cell(row, column - 1), cell(row, column + 1));
        y += towards(cell(row - 1, column), cell(row + 1, column));
    }
    (x, y, score.max(0.0))
}
