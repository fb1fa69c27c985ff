//! NanoDet (RangiLyu/nanodet, nanodet/model/head/nanodet_plus_head.py `get_bboxes`) and other heads of
//! generalized focal loss: of each cell class scores, and of each side of a box how likely it lies 0, 1, 2 …
//! strides from the cell's point.

use super::grid::{Level, matching};
use super::nms::{logistic, logit_below};
use super::{Array, AskError, Candidate, Error, Part, Result, Trial};

pub(super) struct NanoDet {
    heads: Vec<Head>,
    classes: usize,
    bins: usize,
    logits: bool,
    offset: f32,
    input: (f32, f32),
}

struct Head {
    scores: Part,
    /// None: the scores' rows go on with it.
    boxes: Option<Part>,
    levels: Vec<Level>,
}

/// NanoDet-Plus has four, NanoDet three.
const STRIDES: [&[usize]; 2] = [&[8, 16, 32, 64], &[8, 16, 32]];
/// Numbers of a distribution: `reg_max` + 1 of all published NanoDets and PicoDets, and of the paper.
const BINS: [usize; 2] = [8, 17];

impl NanoDet {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        let (classes, output) = (trial.labels(), &trial.description.output);
        let usual = output.strides.as_deref();
        let single = |shape: &[usize]| match *shape {
            [1, count, depth] => {
                BINS.into_iter().find(|bins| depth == classes + 4 * bins).map(|bins| (count, bins))
            }
            _ => None,
        };
        let (scores, boxes) = (trial.named("scores"), trial.named("boxes"));
        let part = trial.first(|shape| single(shape).is_some());
        let alone = trial.parts.len() == 1 || single(&part.shape).is_some();
        let (heads, bins) = if !alone || !scores.is_empty() || !boxes.is_empty() {
            pairs(trial, scores, boxes)?
        } else {
            match single(&part.shape) {
                Some((count, bins)) => {
                    let levels = matching(trial.input(), usual, &STRIDES, count, &part.shown())?;
                    (vec![Head { scores: part.clone(), boxes: None, levels }], bins)
                }
                None => match part.shape[..] {
                    [1, _, depth] if depth > 4 * BINS[0] => {
                        return Err(trial.miscounted(part, depth - 4 * BINS[0]));
                    }
                    _ => return Err(trial.mismatch(part, WANTS)),
                },
            }
        };
        let count = heads.iter().map(|head| head.levels.len()).sum::<usize>();
        let offset = output.offset.unwrap_or(if count == 4 { 0.0 } else { 0.5 });
        Ok(NanoDet {
            heads,
            classes,
            bins,
            logits: output.sigmoid == Some(true),
            offset,
            input: trial.input(),
        })
    }

    pub(super) fn find(
        &self,
        outputs: &[Array],
        floor: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), AskError> {
        for head in &self.heads {
            let scores = head.scores.floats(outputs)?;
            let boxes = head.boxes.as_ref().map(|boxes| boxes.floats(outputs)).transpose()?;
            let depth = self.classes + if boxes.is_none() { 4 * self.bins } else { 0 };
            let least = if self.logits { logit_below(floor) } else { floor };
            for level in &head.levels {
                for cell in 0..level.cells() {
                    let at = level.first + cell;
                    let row = &scores[at * depth..][..depth];
                    let mut corners = None;
                    for (label, value) in row[..self.classes].iter().enumerate() {
                        // What is no number is passed over too.
                        if value.partial_cmp(&least).is_none_or(std::cmp::Ordering::is_lt) {
                            continue;
                        }
                        let score = if self.logits { logistic(*value) } else { *value };
                        if score >= floor {
                            let bins = match &boxes {
                                Some(boxes) => &boxes[at * 4 * self.bins..][..4 * self.bins],
                                None => &row[self.classes..],
                            };
                            let corners = *corners.get_or_insert_with(|| self.corners(level, cell, bins));
                            found.push(Candidate { label: label as u32, score, corners, at: at as u32 });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Cut to the input, as the authors do before suppression.
    fn corners(&self, level: &Level, cell: usize, bins: &[f32]) -> [f32; 4] {
        let stride = level.stride as f32;
        let (row, column) = (cell / level.columns, cell % level.columns);
        let (x, y) = ((column as f32 + self.offset) * stride, (row as f32 + self.offset) * stride);
        let side = |at: usize| expected(&bins[at * self.bins..][..self.bins]) * stride;
        let (width, height) = self.input;
        let inside = |value: f32, most: f32| if value.is_nan() { value } else { value.clamp(0.0, most) };
        [
            inside(x - side(0), width),
            inside(y - side(1), height),
            inside(x + side(2), width),
            inside(y + side(3), height),
        ]
    }
}

/// The mean of 0, 1, 2 … with these logits.
fn expected(logits: &[f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (distance, logit) in logits.iter().enumerate() {
        let likely = (logit - highest).exp();
        sum += likely;
        weighted += likely * distance as f32;
    }
    weighted / sum
}

const WANTS: &str =
    "1xBOXESx(classes + 4 * 8), or of each stride scores of 1xBOXESxclasses and boxes of 1xBOXESx(4 * 8)";

/// Heads with a pair of outputs each, and the numbers of a distribution.
fn pairs<'a>(
    trial: &'a Trial<'_>,
    mut scores: Vec<&'a Part>,
    mut boxes: Vec<&'a Part>,
) -> Result<(Vec<Head>, usize)> {
    let classes = trial.labels();
    let depth = |part: &Part| match part.shape[..] {
        [1, _, depth] => Some(depth),
        _ => None,
    };
    let is_boxes = |part: &Part| depth(part).is_some_and(|depth| BINS.iter().any(|bins| depth == 4 * bins));
    if scores.is_empty() {
        scores =
            trial.parts.iter().filter(|part| depth(part) == Some(classes) && !boxes.contains(part)).collect();
    }
    if boxes.is_empty() {
        boxes = trial.parts.iter().filter(|part| is_boxes(part) && !scores.contains(part)).collect();
    }
    if scores.is_empty() || scores.len() != boxes.len() {
        return Err(trial.missing(WANTS));
    }
    // Both from the most boxes to the fewest: small strides first.
    for parts in [&mut scores, &mut boxes] {
        parts.sort_by_key(|part| std::cmp::Reverse(part.shape.get(1).copied()));
    }
    let strides: Vec<usize> = match &trial.description.output.strides {
        Some(strides) => strides.clone(),
        None => (0..scores.len()).map(|level| 8 << level.min(7)).collect(),
    };
    if strides.len() != scores.len() {
        return Err(Error::model(format!(
            "there are {} pairs of outputs, but `strides` in model.toml names {}",
            scores.len(),
            strides.len()
        )));
    }
    let mut bins = None;
    let mut heads = Vec::new();
    for ((scores, boxes), stride) in scores.into_iter().zip(boxes).zip(strides) {
        let bins = *bins.get_or_insert(boxes.shape.get(2).copied().unwrap_or(0) / 4);
        let depth = depth(scores).unwrap_or(0);
        if !is_boxes(boxes) || boxes.shape[2] != 4 * bins || scores.shape.get(..2) != boxes.shape.get(..2) {
            return Err(trial.missing(WANTS));
        }
        if depth != classes {
            return Err(trial.miscounted(scores, depth));
        }
        let levels = matching(trial.input(), Some(&[stride]), &[], scores.shape[1], &scores.shown())?;
        heads.push(Head { scores: scores.clone(), boxes: Some(boxes.clone()), levels });
    }
    Ok((heads, bins.unwrap_or(BINS[0])))
}
