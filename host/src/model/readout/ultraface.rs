//! UltraFace (Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB): boxes as corners in fractions of the
//! input, and of each the scores of background and face. Exported without post-processing, boxes are
//! measured from priors (vision/ssd/config/fd_config.py, vision/utils/box_utils.py).

use super::grid::{Prior, cells, decoded, levels, priors};
use super::{Array, AskError, Candidate, Error, Part, Result, Trial};

pub(super) struct UltraFace {
    boxes: Part,
    scores: Part,
    priors: Option<Vec<Prior>>,
    input: (f32, f32),
}

/// fd_config.py: `shrinkage_list`, `min_boxes`.
const STRIDES: [usize; 4] = [8, 16, 32, 64];
const SIDES: [&[f32]; 4] = [&[10.0, 16.0, 24.0], &[32.0, 48.0], &[64.0, 96.0], &[128.0, 192.0, 256.0]];
const VARIANCES: [f32; 4] = [0.1, 0.1, 0.2, 0.2];

impl UltraFace {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        const WANTS: &str = "boxes of 1xBOXESx4 and scores of 1xBOXESx2; name them in `[outputs]`";
        if trial.labels() != 1 {
            return Err(Error::model(format!(
                "the labels name {} classes, but read `ultraface` finds one: faces",
                trial.labels()
            )));
        }
        let of_depth = |name: &str, depth: usize| {
            trial.named(name).into_iter().next().or_else(|| {
                trial.parts.iter().find(|part| matches!(part.shape[..], [1, _, last] if last == depth))
            })
        };
        let (Some(boxes), Some(scores)) = (of_depth("boxes", 4), of_depth("scores", 2)) else {
            return Err(trial.missing(WANTS));
        };
        let count = match (&boxes.shape[..], &scores.shape[..]) {
            (&[1, count, 4], &[1, other, 2]) if count == other => count,
            _ => return Err(trial.missing(WANTS)),
        };
        let priors = match trial.description.output.decoded {
            Some(false) => Some(ready(trial.input(), count, boxes)?),
            _ => None,
        };
        Ok(UltraFace { boxes: boxes.clone(), scores: scores.clone(), priors, input: trial.input() })
    }

    pub(super) fn find(
        &self,
        outputs: &[Array],
        floor: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), AskError> {
        let (boxes, scores) = (self.boxes.floats(outputs)?, self.scores.floats(outputs)?);
        let (width, height) = self.input;
        for (at, (corners, scores)) in boxes.chunks_exact(4).zip(scores.chunks_exact(2)).enumerate() {
            let score = scores[1];
            if score >= floor {
                let corners = [corners[0], corners[1], corners[2], corners[3]];
                let [l, t, r, b] = match &self.priors {
                    Some(priors) => decoded(corners, priors[at], VARIANCES),
                    None => corners,
                };
                let corners = [l * width, t * height, r * width, b * height];
                found.push(Candidate { label: 0, score, corners, at: at as u32 });
            }
        }
        Ok(())
    }
}

fn ready(input: (f32, f32), count: usize, boxes: &Part) -> Result<Vec<Prior>> {
    let levels = levels(input, &STRIDES);
    let anchors = SIDES.map(|sides| sides.iter().map(|side| [*side, *side]).collect::<Vec<_>>());
    let wanted: usize =
        levels.iter().zip(&anchors).map(|(level, anchors)| level.cells() * anchors.len()).sum();
    if wanted != count {
        let (width, height) = input;
        return Err(Error::model(format!(
            "{}, but an input of {width}x{height} pixels has {wanted} boxes in {} cells; check `width` and `height` in model.toml",
            boxes.shown(),
            cells(&levels)
        )));
    }
    // box_utils.py `generate_priors` cuts them to the input.
    Ok(priors(input, &levels, &anchors)
        .into_iter()
        .map(|prior| prior.map(|side| side.clamp(0.0, 1.0)))
        .collect())
}
