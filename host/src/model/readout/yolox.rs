//! YOLOX (Megvii-BaseDetection/YOLOX, yolox/utils/demo_utils.py `demo_postprocess`): centre in cells from
//! the cell's corner, the logarithm of the size in cells, objectness, class scores; score = objectness x
//! class. Decoded in the graph where it was exported with `--decode_in_inference`.

use super::grid::{Level, matching};
use super::nms::{best_of, centred};
use super::{Array, AskError, Candidate, Part, Result, Trial};

pub(super) struct YoloX {
    /// 1 x boxes x (5 + classes).
    part: Part,
    classes: usize,
    /// None: decoded already.
    levels: Vec<Level>,
}

/// Of all published models, and of those with a fourth level.
const STRIDES: [&[usize]; 2] = [&[8, 16, 32], &[8, 16, 32, 64]];

impl YoloX {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        let classes = trial.labels();
        let part = trial.first(|shape| matches!(shape, &[1, _, depth] if depth == 5 + classes));
        match part.shape[..] {
            [1, count, depth] if depth == 5 + classes => {
                let output = &trial.description.output;
                let levels = match output.decoded {
                    Some(true) => Vec::new(),
                    _ => matching(trial.input(), output.strides.as_deref(), &STRIDES, count, &part.shown())?,
                };
                Ok(YoloX { part: part.clone(), classes, levels })
            }
            [1, _, depth] if depth > 5 => Err(trial.miscounted(part, depth - 5)),
            _ => Err(trial.mismatch(part, "1xBOXESx(5 + classes)")),
        }
    }

    pub(super) fn find(
        &self,
        outputs: &[Array],
        floor: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), AskError> {
        let values = self.part.floats(outputs)?;
        let mut take = |at: usize, row: &[f32], cell: Option<(f32, f32, f32)>| {
            let (label, class) = best_of(&row[5..]);
            let score = row[4] * class;
            if score >= floor {
                let corners = match cell {
                    None => centred(row[0], row[1], row[2], row[3]),
                    Some((column, line, stride)) => centred(
                        (row[0] + column) * stride,
                        (row[1] + line) * stride,
                        row[2].exp() * stride,
                        row[3].exp() * stride,
                    ),
                };
                found.push(Candidate { label, score, corners, at: at as u32 });
            }
        };
        // A class score is no more than 1, being the value of a logistic function: objectness alone tells
        // most boxes.
        let rows = || values.chunks_exact(5 + self.classes).enumerate().filter(|(_, row)| row[4] >= floor);
        if self.levels.is_empty() {
            rows().for_each(|(at, row)| take(at, row, None));
            return Ok(());
        }
        let mut levels = self.levels.iter();
        let Some(mut level) = levels.next() else { return Ok(()) };
        for (at, row) in rows() {
            while at >= level.first + level.cells() {
                match levels.next() {
                    Some(next) => level = next,
                    None => return Ok(()),
                }
            }
            let cell = at - level.first;
            let (line, column) = (cell / level.columns, cell % level.columns);
            take(at, row, Some((column as f32, line as f32, level.stride as f32)));
        }
        Ok(())
    }
}
