//! What each part of a picture shows: a class for each cell of a map that covers the input.

use std::ops::Range;

use super::floats::{NOTHING, whole};
use super::{Array, AskError, Error, Part, Placement, Result, Trial, floats};
use crate::frame::{Cells, ClassMap, Region};
use crate::model::tensor::Element;

/// Reads class maps.
pub(crate) struct Segmenter {
    part: Part,
    form: Form,
    rows: usize,
    columns: usize,
    labels: usize,
    input: (f32, f32),
}

enum Form {
    /// 1 x classes x rows x columns: the highest wins.
    Planes,
    /// 1 x rows x columns x classes: the highest wins.
    Across,
    /// One number a cell: its class.
    Numbers,
    /// One number a cell: from this on it is class 1, else 0.
    Threshold(f32),
}

impl Segmenter {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        let (labels, output) = (trial.labels(), &trial.description.output);
        if labels > usize::from(u16::MAX) {
            return Err(Error::model(format!(
                "the labels name {labels} classes; a class map has at most 65535"
            )));
        }
        let single = |shape: &[usize]| match *shape {
            [1, 1, rows, columns] | [1, rows, columns, 1] | [1, rows, columns] => Some((rows, columns)),
            _ => None,
        };
        let many = |shape: &[usize]| match *shape {
            [1, classes, rows, columns] if classes == labels && classes > 1 => {
                Some((Form::Planes, rows, columns))
            }
            [1, rows, columns, classes] if classes == labels && classes > 1 => {
                Some((Form::Across, rows, columns))
            }
            _ => None,
        };
        let part = trial.first(|shape| many(shape).is_some() || single(shape).is_some());
        let element = part.element;
        let float = matches!(element, Element::Float16 | Element::Float32 | Element::Float64);
        let (form, rows, columns) = match (many(&part.shape), single(&part.shape)) {
            (Some(found), _) => found,
            (None, Some((rows, columns))) if float && labels == 2 => {
                (Form::Threshold(self::threshold(trial, part)?), rows, columns)
            }
            (None, Some((rows, columns))) => {
                let numbers = whole(&trial.outputs[part.at].values);
                let logits = numbers.contains(&NOTHING) && float;
                let highest = numbers.iter().copied().max().unwrap_or(0);
                if logits {
                    return Err(Error::model(format!(
                        "{} of values that are no class numbers, which is one score a cell, but the labels name {labels} \
                         classes; such a map has two: what is not meant and what is",
                        part.shown()
                    )));
                }
                // 255 is what data sets write where nothing is known (PASCAL VOC, Cityscapes).
                if highest >= labels as i64 && highest != 255 {
                    return Err(Error::model(format!(
                        "output `{}` has class {highest}, but the labels name {labels}",
                        part.name
                    )));
                }
                (Form::Numbers, rows, columns)
            }
            (None, None) => {
                return Err(match part.shape[..] {
                    [1, classes, _, _] => trial.miscounted(part, classes),
                    _ => trial.mismatch(part, "1xCLASSESxROWSxCOLUMNS, 1x1xROWSxCOLUMNS or 1xROWSxCOLUMNS"),
                });
            }
        };
        if rows == 0 || columns == 0 {
            return Err(trial.mismatch(part, "at least one cell"));
        }
        if output.sigmoid == Some(true) && !matches!(form, Form::Threshold(_)) {
            return Err(Error::model(format!(
                "{}, of which the highest class wins, but `sigmoid` in model.toml is for one score a cell; remove it",
                part.shown()
            )));
        }
        Ok(Segmenter { part: part.clone(), form, rows, columns, labels, input: trial.input() })
    }

    /// The class of each cell that lies on the frame and within `seen`, the part of it that the input shows:
    /// letterbox bars are left out.
    pub(crate) fn read(
        &self,
        outputs: &[Array],
        placement: &Placement,
        seen: Region,
    ) -> Result<ClassMap, AskError> {
        let values = self.part.same(outputs)?;
        let seen = seen.clipped().unwrap_or(Region::WHOLE);
        let (cell_x, cell_y) =
            (f64::from(self.input.0) / self.columns as f64, f64::from(self.input.1) / self.rows as f64);
        let (step_x, step_y) = (placement.step_x * cell_x, placement.step_y * cell_y);
        let columns = on(placement.left, step_x, self.columns, seen.l, seen.w);
        let rows = on(placement.top, step_y, self.rows, seen.t, seen.h);
        let region = Region {
            l: (placement.left + columns.start as f64 * step_x) as f32,
            t: (placement.top + rows.start as f64 * step_y) as f32,
            w: (columns.len() as f64 * step_x) as f32,
            h: (rows.len() as f64 * step_y) as f32,
        };
        let (width, height) = (columns.len() as u32, rows.len() as u32);
        // As bytes where they suffice: 255 labels leave one value for no class.
        let cells = if self.labels <= usize::from(u8::MAX) {
            Cells::Few(self.cells(values, rows, columns, u8::MAX, |class| class as u8))
        } else {
            Cells::Many(self.cells(values, rows, columns, u16::MAX, |class| class as u16))
        };
        Ok(ClassMap { width, height, region, cells })
    }

    fn cells<T: Copy>(
        &self,
        values: &crate::model::tensor::Values,
        rows: Range<usize>,
        columns: Range<usize>,
        nothing: T,
        cell: impl Fn(usize) -> T,
    ) -> Vec<T> {
        let mut cells = Vec::with_capacity(rows.len() * columns.len());
        match self.form {
            Form::Numbers => {
                let values = whole(values);
                for row in rows {
                    let row = &values[row * self.columns..][columns.clone()];
                    cells.extend(row.iter().map(|class| match usize::try_from(*class) {
                        Ok(class) if class < self.labels => cell(class),
                        _ => nothing,
                    }));
                }
            }
            Form::Threshold(least) => {
                let values = floats(values);
                for row in rows {
                    let row = &values[row * self.columns..][columns.clone()];
                    cells.extend(row.iter().map(|value| match value.is_nan() {
                        true => nothing,
                        false => cell(usize::from(*value >= least)),
                    }));
                }
            }
            Form::Planes => {
                let values = floats(values);
                let (size, width) = (self.rows * self.columns, columns.len());
                let (mut best, mut labels) = (vec![0.0; width], vec![0; width]);
                for row in rows {
                    best.fill(f32::NEG_INFINITY);
                    labels.fill(u32::MAX);
                    let first = row * self.columns + columns.start;
                    crate::base::widest(
                        #[inline(always)]
                        || {
                            for class in 0..self.labels {
                                let scores = &values[class * size + first..][..width];
                                highest(&mut best, &mut labels, scores, class as u32);
                            }
                        },
                    );
                    cells.extend(labels.iter().map(|label| match *label {
                        u32::MAX => nothing,
                        label => cell(label as usize),
                    }));
                }
            }
            Form::Across => {
                let values = floats(values);
                for row in rows {
                    for column in columns.clone() {
                        let scores = &values[(row * self.columns + column) * self.labels..][..self.labels];
                        let (label, score) = super::nms::best_of(scores);
                        cells.push(if score > f32::NEG_INFINITY { cell(label as usize) } else { nothing });
                    }
                }
            }
        }
        cells
    }
}

/// Where a score is higher than the best so far, it and its class take its place. As wide as the scores, so
/// that both fill the same vectors.
#[inline(always)]
fn highest(best: &mut [f32], labels: &mut [u32], scores: &[f32], class: u32) {
    for ((best, label), score) in best.iter_mut().zip(labels).zip(scores) {
        let better = *score > *best;
        *best = if better { *score } else { *best };
        *label = if better { class } else { *label };
    }
}

/// The cells, of `count` from `first` on each `step` wide, whose middles lie on the frame and between
/// `start` and `start + length`.
fn on(first: f64, step: f64, count: usize, start: f32, length: f32) -> Range<usize> {
    let (start, end) = (f64::from(start), f64::from(start) + f64::from(length));
    // A hair's breadth of rounding must not cost a row of cells.
    let hair = step * 1e-3;
    let middle = |cell: usize| first + (cell as f64 + 0.5) * step;
    let inside = |cell: &usize| (start - hair..=end + hair).contains(&middle(*cell));
    let from = (0..count).find(inside).unwrap_or(0);
    let to = (from..count).rev().find(inside).map_or(from, |last| last + 1);
    from..to
}

/// The value from which on a cell is class 1.
fn threshold(trial: &Trial<'_>, part: &Part) -> Result<f32> {
    let output = &trial.description.output;
    if output.sigmoid == Some(true) {
        let score = f64::from(output.score);
        return Ok((score / (1.0 - score)).ln() as f32);
    }
    let values = floats(&trial.outputs[part.at].values);
    if values.iter().any(|score| !(-0.001..=1.001).contains(score)) {
        return Err(Error::model(format!(
            "output `{}` has scores outside 0 to 1: they are logits, set `sigmoid = true`",
            part.name
        )));
    }
    Ok(output.score)
}
