//! YOLOv8 and its heirs without objectness (ultralytics/ultralytics, utils/nms.py and nn/modules/head.py):
//! centre and size in pixels of the input, then class scores that need no more work; or, where the graph
//! ends with its own choice (YOLOv10, YOLO26), corners, score and class.

use super::floats::{class_number, floats};
use super::nms::{best_of, centred, reaches};
use super::{Array, AskError, Best, Candidate, Error, Part, Result, Trial};

pub(super) struct YoloV8 {
    part: Part,
    rows: Rows,
    classes: usize,
    /// Numbers of a box beyond those a detector has: a pose's points.
    more: usize,
}

/// How a tensor holds boxes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rows {
    /// 1 x (4 + classes + more) x boxes.
    Planes,
    /// 1 x boxes x (4 + classes + more).
    Across,
    /// 1 x boxes x (6 + more): final.
    Final,
}

impl YoloV8 {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        let part = trial.first(|shape| Self::rows(trial, shape, 0).is_some());
        if let Some(rows) = Self::rows(trial, &part.shape, 0) {
            if rows == Rows::Final && !scores_and_classes(trial, part) {
                return Err(trial.miscounted(part, 2));
            }
            let two = rows == Rows::Across && trial.labels() == 2;
            if two && trial.description.output.end_to_end.is_none() && scores_and_classes(trial, part) {
                return Err(Error::model(format!(
                    "{}, whose last two numbers may be the scores of two classes, or a score and a class: \
                     say `end_to_end = false` or `true` in model.toml",
                    part.shown()
                )));
            }
            return Ok(YoloV8 { part: part.clone(), rows, classes: trial.labels(), more: 0 });
        }
        match part.shape[..] {
            // Neither fits the labels: the shorter axis is the classes' in every export seen.
            [1, a, b] if a.min(b) > 4 => Err(trial.miscounted(part, a.min(b) - 4)),
            _ => Err(trial.mismatch(
                part,
                "1x(4 + classes)xBOXES, 1xBOXESx(4 + classes), or 1xBOXESx6 where the graph suppresses boxes itself",
            )),
        }
    }

    /// The same for boxes with `more` numbers each.
    pub(super) fn with(trial: &Trial<'_>, part: &Part, more: usize) -> Option<Self> {
        let rows = Self::rows(trial, &part.shape, more)?;
        if rows == Rows::Final && !scores_and_classes(trial, part) {
            return None;
        }
        Some(YoloV8 { part: part.clone(), rows, classes: trial.labels(), more })
    }

    fn rows(trial: &Trial<'_>, shape: &[usize], more: usize) -> Option<Rows> {
        let (depth, labels) = (4 + trial.labels() + more, trial.labels());
        let end_to_end = trial.description.output.end_to_end;
        match *shape {
            // With two labels the numbers of a final box and of another are as many: only `end_to_end` tells.
            [1, _, last] if last == 6 + more && end_to_end.unwrap_or(labels != 2 && shape[1] != depth) => {
                Some(Rows::Final)
            }
            _ if end_to_end == Some(true) => None,
            [1, first, _] if first == depth => Some(Rows::Planes),
            [1, _, last] if last == depth => Some(Rows::Across),
            _ => None,
        }
    }

    /// Whether the graph suppresses boxes that overlap.
    pub(super) fn done(&self) -> bool {
        self.rows == Rows::Final
    }

    pub(super) fn find(
        &self,
        outputs: &[Array],
        floor: f32,
        found: &mut Vec<Candidate>,
        best: &mut Best,
    ) -> Result<(), AskError> {
        match self.rows {
            Rows::Planes => {
                let values = self.part.floats(outputs)?;
                let count = self.part.shape[2];
                let plane = |index: usize| &values[index * count..][..count];
                best.find(&values[4 * count..][..self.classes * count], count, floor);
                let [xs, ys, ws, hs] = [plane(0), plane(1), plane(2), plane(3)];
                for (at, score) in best.score.iter().enumerate() {
                    if *score >= floor {
                        let corners = centred(xs[at], ys[at], ws[at], hs[at]);
                        found.push(Candidate {
                            label: best.label[at],
                            score: *score,
                            corners,
                            at: at as u32,
                        });
                    }
                }
            }
            Rows::Across => {
                let values = self.part.floats(outputs)?;
                for (at, row) in values.chunks_exact(4 + self.classes + self.more).enumerate() {
                    let scores = &row[4..][..self.classes];
                    if reaches(scores, floor) {
                        let (label, score) = best_of(scores);
                        let corners = centred(row[0], row[1], row[2], row[3]);
                        found.push(Candidate { label, score, corners, at: at as u32 });
                    }
                }
            }
            Rows::Final => {
                let (values, _) = self.part.rows(outputs, 1)?;
                let values = floats(values);
                for (at, row) in values.chunks_exact(6 + self.more).enumerate() {
                    if row[4] >= floor {
                        let corners = [row[0], row[1], row[2], row[3]];
                        let class = class_number(row[5]);
                        if class >= self.classes as i64 {
                            return Err(AskError::Failed(format!(
                                "output `{}` has class {class}, but the labels name {}",
                                self.part.name, self.classes
                            )));
                        }
                        if let Ok(label) = u32::try_from(class) {
                            found.push(Candidate { label, score: row[4], corners, at: at as u32 });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What gives the numbers beyond a detector's of the box at a place, once [`YoloV8::find`] has found it.
    pub(super) fn numbers<'a>(&'a self, outputs: &'a [Array]) -> impl Fn(u32, usize) -> f32 + 'a {
        let values = outputs.get(self.part.at).map(|array| floats(&array.values)).unwrap_or_default();
        let count = self.part.shape[2];
        move |at, index| {
            let at = at as usize;
            let place = match self.rows {
                Rows::Planes => (4 + self.classes + index) * count + at,
                Rows::Across => at * (4 + self.classes + self.more) + 4 + self.classes + index,
                Rows::Final => at * (6 + self.more) + 6 + index,
            };
            values.get(place).copied().unwrap_or(f32::NAN)
        }
    }
}

/// Whether the last numbers of boxes are a score and a class, and not the scores of two classes: both are six
/// numbers a box.
fn scores_and_classes(trial: &Trial<'_>, part: &Part) -> bool {
    let values = floats(&trial.outputs[part.at].values);
    let depth = part.shape.last().copied().unwrap_or(0).max(6);
    values.chunks_exact(depth).all(|row| {
        let class = class_number(row[5]);
        (-0.001..=1.001).contains(&row[4]) && (class >= 0 && class < trial.labels() as i64 || row[5] == -1.0)
    })
}
