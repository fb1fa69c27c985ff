//! YOLOv5 and its heirs with objectness (ultralytics/yolov5, models/yolo.py `Detect` and utils/general.py
//! `non_max_suppression`): centre and size in pixels of the input, objectness, class scores; score =
//! objectness x class. Decoded in the graph, or one tensor of logits for each stride.

use super::nms::{best_of, centred, logistic, logit_below};
use super::{Array, AskError, Candidate, Error, Part, Result, Trial};

pub(super) struct YoloV5 {
    form: Form,
    classes: usize,
}

enum Form {
    /// 1 x boxes x (5 + classes).
    Decoded(Part),
    /// One a stride, small strides first.
    Heads(Vec<Head>),
}

struct Head {
    part: Part,
    /// Whether a box's numbers lie together (1 x anchors x rows x columns x (5 + classes)) or are planes
    /// (1 x anchors * (5 + classes) x rows x columns).
    together: bool,
    /// Whether the graph leaves the logistic function to be done.
    logits: bool,
    stride: f32,
    rows: usize,
    columns: usize,
    anchors: Vec<[f32; 2]>,
}

/// ultralytics/yolov5, models/yolov5s.yaml.
const ANCHORS: [[[f32; 2]; 3]; 3] = [
    [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]],
    [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]],
    [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]],
];

const WANTS: &str = "1xBOXESx(5 + classes), or one output a stride of 1xANCHORSxROWSxCOLUMNSx(5 + classes) \
                     or 1x(ANCHORS * (5 + classes))xROWSxCOLUMNS";

impl YoloV5 {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        let classes = trial.labels();
        let named = trial.named("heads");
        if named.is_empty() {
            let part = trial.first(|shape| matches!(shape, &[1, _, depth] if depth == 5 + classes));
            if let [1, _, depth] = part.shape[..] {
                if depth == 5 + classes {
                    return Ok(YoloV5 { form: Form::Decoded(part.clone()), classes });
                }
                if depth > 5 {
                    return Err(trial.miscounted(part, depth - 5));
                }
            }
        }
        let parts: Vec<&Part> = if named.is_empty() {
            trial.parts.iter().filter(|part| matches!(part.shape.len(), 4 | 5)).collect()
        } else {
            named
        };
        if parts.is_empty() {
            return Err(trial.missing(WANTS));
        }
        let mut heads: Vec<Head> = parts.into_iter().map(|part| head(trial, part)).collect::<Result<_>>()?;
        heads.sort_by(|a, b| a.stride.total_cmp(&b.stride));
        let output = &trial.description.output;
        let found: Vec<usize> = heads.iter().map(|head| head.stride as usize).collect();
        if let Some(strides) = &output.strides
            && *strides != found
        {
            return Err(Error::model(format!(
                "the outputs have strides {found:?} for this input, but model.toml says {strides:?}"
            )));
        }
        let usual = || ANCHORS.iter().map(|anchors| anchors.to_vec()).collect::<Vec<_>>();
        let anchors = match &output.anchors {
            Some(anchors) => anchors.clone(),
            None if heads.len() == ANCHORS.len() => usual(),
            None => {
                return Err(Error::model(format!(
                    "there are {} outputs of boxes, not the three of YOLOv5's anchors; give `anchors` in model.toml",
                    heads.len()
                )));
            }
        };
        if anchors.len() != heads.len() {
            return Err(Error::model(format!(
                "there are {} outputs of boxes, but `anchors` in model.toml are of {} strides",
                heads.len(),
                anchors.len()
            )));
        }
        for (head, anchors) in heads.iter_mut().zip(anchors) {
            let depth = if head.together { head.part.shape[4] } else { head.part.shape[1] / anchors.len() };
            let even = head.together || head.part.shape[1] % anchors.len() == 0;
            if head.together && head.part.shape[1] != anchors.len() || !even {
                return Err(Error::model(format!(
                    "{}, but model.toml has {} anchors for stride {}",
                    head.part.shown(),
                    anchors.len(),
                    head.stride
                )));
            }
            if depth != 5 + classes {
                return Err(match depth {
                    0..=5 => trial.mismatch(&head.part, WANTS),
                    _ => trial.miscounted(&head.part, depth - 5),
                });
            }
            head.anchors = anchors;
        }
        Ok(YoloV5 { form: Form::Heads(heads), classes })
    }

    pub(super) fn find(
        &self,
        outputs: &[Array],
        floor: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), AskError> {
        match &self.form {
            Form::Decoded(part) => {
                let values = part.floats(outputs)?;
                for (at, row) in values.chunks_exact(5 + self.classes).enumerate() {
                    if row[4] >= floor {
                        let (label, class) = best_of(&row[5..]);
                        let score = row[4] * class;
                        if score >= floor {
                            let corners = centred(row[0], row[1], row[2], row[3]);
                            found.push(Candidate { label, score, corners, at: at as u32 });
                        }
                    }
                }
                Ok(())
            }
            Form::Heads(heads) => heads.iter().try_for_each(|head| self.head(head, outputs, floor, found)),
        }
    }

    fn head(
        &self,
        head: &Head,
        outputs: &[Array],
        floor: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), AskError> {
        let values = head.part.floats(outputs)?;
        let (cells, depth) = (head.rows * head.columns, 5 + self.classes);
        let score = |value: f32| if head.logits { logistic(value) } else { value };
        let least = if head.logits { logit_below(floor) } else { floor };
        for (anchor, [width, height]) in head.anchors.iter().enumerate() {
            for cell in 0..cells {
                let value = |index: usize| match head.together {
                    true => values[(anchor * cells + cell) * depth + index],
                    false => values[(anchor * depth + index) * cells + cell],
                };
                if value(4) < least {
                    continue;
                }
                let object = score(value(4));
                let (mut label, mut best) = (0, f32::NEG_INFINITY);
                for class in 0..self.classes {
                    let logit = value(5 + class);
                    if logit > best {
                        (label, best) = (class as u32, logit);
                    }
                }
                let score_of_best = object * score(best);
                if object >= floor && score_of_best >= floor {
                    let (row, column) = (cell / head.columns, cell % head.columns);
                    let x = (score(value(0)) * 2.0 - 0.5 + column as f32) * head.stride;
                    let y = (score(value(1)) * 2.0 - 0.5 + row as f32) * head.stride;
                    let (w, h) = (score(value(2)) * 2.0, score(value(3)) * 2.0);
                    let corners = centred(x, y, w * w * width, h * h * height);
                    found.push(Candidate { label, score: score_of_best, corners, at: found.len() as u32 });
                }
            }
        }
        Ok(())
    }
}

/// A head whose anchors are not known yet.
fn head(trial: &Trial<'_>, part: &Part) -> Result<Head> {
    let (rows, columns, together) = match part.shape[..] {
        [1, anchors, rows, columns, _] if anchors > 0 => (rows, columns, true),
        [1, _, rows, columns] => (rows, columns, false),
        _ => return Err(trial.mismatch(part, WANTS)),
    };
    let (width, height) = (trial.description.input.width as usize, trial.description.input.height as usize);
    let stride = height.checked_div(rows).unwrap_or(0);
    if stride == 0 || rows * stride != height || columns * stride != width {
        return Err(Error::model(format!(
            "{}, whose rows and columns are no whole part of an input of {width}x{height} pixels",
            part.shown()
        )));
    }
    let logits = trial.description.output.sigmoid.unwrap_or(true);
    let (part, stride) = (part.clone(), stride as f32);
    Ok(Head { part, together, logits, stride, rows, columns, anchors: Vec::new() })
}
