//! FastestDet (dog-qiuqiu/FastestDet, example/onnx-runtime): of each cell objectness, the tanh of the
//! centre's offset in cells, the logistic of the size in fractions of the input, and class scores;
//! score = objectness^0.6 x class^0.4.

use super::nms::{centred, logistic};
use super::{Array, AskError, Best, Candidate, Part, Result, Trial};

pub(super) struct FastestDet {
    /// 1 x (5 + classes) x rows x columns.
    part: Part,
    rows: usize,
    columns: usize,
    input: (f32, f32),
}

impl FastestDet {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        let part = trial.first(|shape| matches!(shape, &[1, depth, _, _] if depth > 5));
        match part.shape[..] {
            [1, depth, rows, columns] if depth > 5 => {
                if depth - 5 != trial.labels() {
                    return Err(trial.miscounted(part, depth - 5));
                }
                Ok(FastestDet { part: part.clone(), rows, columns, input: trial.input() })
            }
            _ => Err(trial.mismatch(part, "1x(5 + classes)xROWSxCOLUMNS")),
        }
    }

    pub(super) fn find(
        &self,
        outputs: &[Array],
        floor: f32,
        found: &mut Vec<Candidate>,
        best: &mut Best,
    ) -> Result<(), AskError> {
        let values = self.part.floats(outputs)?;
        let cells = self.rows * self.columns;
        let plane = |index: usize| &values[index * cells..][..cells];
        best.find(&values[5 * cells..], cells, f32::NEG_INFINITY);
        // The same comparison without roots, with room for rounding: powers are taken of few cells.
        let fifth = floor.powi(5) * 0.999;
        for cell in 0..cells {
            let (object, class) = (plane(0)[cell], best.score[cell]);
            if object * object * object * class * class < fifth {
                continue;
            }
            let score = object.powf(0.6) * class.powf(0.4);
            if score >= floor {
                let (row, column) = (cell / self.columns, cell % self.columns);
                let x = (column as f32 + plane(1)[cell].tanh()) / self.columns as f32;
                let y = (row as f32 + plane(2)[cell].tanh()) / self.rows as f32;
                let (w, h) = (logistic(plane(3)[cell]), logistic(plane(4)[cell]));
                let (width, height) = self.input;
                let corners = centred(x * width, y * height, w * width, h * height);
                found.push(Candidate { label: best.label[cell], score, corners, at: cell as u32 });
            }
        }
        Ok(())
    }
}
