//! Boxes and scores, as SSD and most detectors give them that decode in the graph: a score for each class
//! of each box; or boxes that the graph has chosen itself, with score and class.

use super::floats::{class_number, floats, whole};
use super::grid::{Prior, decoded, levels, priors};
use super::nms::{centred, logistic, logit_below};
use super::{Array, AskError, Background, Candidate, Error, Part, Result, Trial, shown};
use crate::model::description::{BoxForm, Units};

pub(super) struct Ssd {
    form: Form,
    boxes: BoxForm,
    /// Of the input in the boxes' units.
    scale: (f32, f32),
    input: (f32, f32),
    variances: [f32; 4],
    labels: usize,
    /// Added to a class's number, it is its label's.
    shift: i64,
}

enum Form {
    /// 1 x 1 x boxes x 7: picture, class, score, left, top, right, bottom (OpenVINO `DetectionOutput`).
    Seven(Part),
    /// boxes x 6: class, score, left, top, right, bottom (PaddleDetection, `multiclass_nms3`).
    Six(Part),
    /// Boxes the graph has chosen.
    Chosen { boxes: Part, scores: Option<Part>, classes: Part, count: Option<Part> },
    /// A score for each class of each box.
    Scored(Scored),
}

struct Scored {
    boxes: Part,
    scores: Part,
    count: usize,
    /// With the background.
    classes: usize,
    /// Whether the scores are one plane a class.
    planes: bool,
    made: Made,
    background: Option<usize>,
    priors: Priors,
}

/// What is still to be done with a score.
#[derive(Clone, Copy, PartialEq)]
enum Made {
    Ready,
    Softmax,
    Logistic,
}

enum Priors {
    None,
    /// In an output of the graph: 1 x boxes x 4, centre and size in fractions.
    Given(Part),
    /// Made from `strides` and `anchors`.
    Made(Vec<Prior>),
}

const WANTS: &str = "boxes of 1xBOXESx4 and scores of 1xBOXESxCLASSES; boxes of 1xBOXESx4, scores of 1xBOXES and \
                     classes of 1xBOXES; boxes of 1xBOXESx5 and classes of 1xBOXES; 1x1xBOXESx7; or BOXESx6; \
                     where several may be meant, name them in `[outputs]`";

impl Ssd {
    /// Also whether the graph suppresses boxes itself.
    pub(super) fn new(trial: &Trial<'_>) -> Result<(Self, bool)> {
        let output = &trial.description.output;
        let (form, done) = find_form(trial)?;
        let fractions = match &form {
            Form::Seven(_) => true,
            Form::Scored(Scored { priors, .. }) => !matches!(priors, Priors::None),
            _ => false,
        };
        let fractions = output.units.map_or(fractions, |units| units == Units::Fractions);
        let input = trial.input();
        let classed = !matches!(form, Form::Scored(_));
        if output.background == Some(Background::Last) && classed {
            return Err(Error::model(
                "`background` in model.toml is \"last\", which says nothing of classes that come as numbers; remove it",
            ));
        }
        if (output.softmax || output.sigmoid == Some(true)) && classed {
            return Err(Error::model(
                "`softmax` and `sigmoid` in model.toml are for scores of every class, but the graph has chosen among them; remove them",
            ));
        }
        let ssd = Ssd {
            form,
            boxes: output.form,
            scale: if fractions { input } else { (1.0, 1.0) },
            input,
            variances: output.variances,
            labels: trial.labels(),
            shift: if output.background == Some(Background::First) { -1 } else { 0 },
        };
        ssd.classes_named(trial)?;
        Ok((ssd, done))
    }

    /// That the trial run gave no class beyond the labels.
    fn classes_named(&self, trial: &Trial<'_>) -> Result<()> {
        let (part, numbers) = match &self.form {
            Form::Chosen { classes, .. } => (classes, whole(&trial.outputs[classes.at].values).into_owned()),
            Form::Six(part) | Form::Seven(part) => {
                let (depth, at) = if matches!(self.form, Form::Six(_)) { (6, 0) } else { (7, 1) };
                let values = floats(&trial.outputs[part.at].values);
                (part, values.chunks_exact(depth).map(|row| class_number(row[at])).collect())
            }
            Form::Scored(_) => return Ok(()),
        };
        let highest = numbers.into_iter().max().unwrap_or(0);
        if highest + self.shift >= self.labels as i64 {
            return Err(Error::model(format!(
                "output `{}` has class {highest}, but the labels name {}",
                part.name, self.labels
            )));
        }
        Ok(())
    }

    pub(super) fn find(
        &self,
        outputs: &[Array],
        floor: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), AskError> {
        match &self.form {
            Form::Seven(part) => {
                let values = floats(part.rows(outputs, 2)?.0);
                for (at, row) in values.chunks_exact(7).enumerate() {
                    // The first row of another picture than 0 ends them: -1, as OpenVINO's operator says.
                    if row[0] != 0.0 {
                        break;
                    }
                    self.chosen((at, class_number(row[1]), row[2], &row[3..]), floor, &part.name, found)?;
                }
                Ok(())
            }
            Form::Six(part) => {
                let values = floats(part.rows(outputs, 0)?.0);
                for (at, row) in values.chunks_exact(6).enumerate() {
                    self.chosen((at, class_number(row[0]), row[1], &row[2..]), floor, &part.name, found)?;
                }
                Ok(())
            }
            Form::Chosen { boxes, scores, classes, count } => {
                let open = |part: &Part| part.shape.len() - 2;
                let (values, rows) = boxes.rows(outputs, open(boxes))?;
                let values = floats(values);
                let depth = boxes.shape.last().copied().unwrap_or(4).max(4);
                let last = |part: &Part| part.shape.len() - 1;
                let scores = scores.as_ref().map(|part| part.rows(outputs, last(part))).transpose()?;
                let (numbers, others) = classes.rows(outputs, last(classes))?;
                let numbers = whole(numbers);
                if others != rows || scores.is_some_and(|(_, others)| others != rows) {
                    return Err(AskError::Failed(format!(
                        "output `{}` has {rows} boxes, but `{}` has {others} classes",
                        boxes.name, classes.name
                    )));
                }
                let scores = scores.map(|(scores, _)| floats(scores));
                let count = match count {
                    Some(count) => whole(count.same(outputs)?)
                        .first()
                        .map_or(rows, |count| usize::try_from(*count).unwrap_or(0).min(rows)),
                    None => rows,
                };
                for (at, row) in values.chunks_exact(depth).take(count).enumerate() {
                    let score = scores.as_ref().map_or_else(|| row.get(4), |scores| scores.get(at));
                    let score = score.copied().unwrap_or(f32::NAN);
                    self.chosen((at, numbers[at], score, row), floor, &classes.name, found)?;
                }
                Ok(())
            }
            Form::Scored(scored) => self.scored(scored, outputs, floor, found),
        }
    }

    /// A box that the graph has chosen: its place, class, score and numbers.
    fn chosen(
        &self,
        (at, class, score, corners): (usize, i64, f32, &[f32]),
        floor: f32,
        name: &str,
        found: &mut Vec<Candidate>,
    ) -> Result<(), AskError> {
        let label = class + self.shift;
        if score.partial_cmp(&floor).is_none_or(std::cmp::Ordering::is_lt) || label < 0 {
            return Ok(());
        }
        if label >= self.labels as i64 {
            return Err(AskError::Failed(format!(
                "output `{name}` has class {class}, but the labels name {}",
                self.labels
            )));
        }
        let corners = self.corners([corners[0], corners[1], corners[2], corners[3]]);
        found.push(Candidate { label: label as u32, score, corners, at: at as u32 });
        Ok(())
    }

    fn scored(
        &self,
        scored: &Scored,
        outputs: &[Array],
        floor: f32,
        found: &mut Vec<Candidate>,
    ) -> Result<(), AskError> {
        let Scored { count, classes, planes, made, background, .. } = *scored;
        let (boxes, scores) = (scored.boxes.floats(outputs)?, scored.scores.floats(outputs)?);
        let given = match &scored.priors {
            Priors::Given(part) => Some(part.floats(outputs)?),
            _ => None,
        };
        let prior = |at: usize| match (&scored.priors, &given) {
            (Priors::Made(priors), _) => Some(priors[at]),
            (_, Some(priors)) => priors[at * 4..].first_chunk().copied(),
            _ => None,
        };
        let mut row = vec![0.0; classes];
        let far = floor.ln() - 0.001;
        for at in 0..count {
            if planes {
                row.iter_mut().enumerate().for_each(|(class, value)| *value = scores[class * count + at]);
            } else {
                row.copy_from_slice(&scores[at * classes..][..classes]);
            }
            let least = match made {
                Made::Ready | Made::Softmax => floor,
                Made::Logistic => logit_below(floor),
            };
            if made == Made::Softmax {
                // A class has at most e to the power of its distance from the highest: of most rows the
                // background is far above all others, and no power need be taken.
                let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                if !(0..classes).any(|class| Some(class) != background && row[class] >= highest + far) {
                    continue;
                }
                softmax(&mut row);
            }
            let mut corners = None;
            for (class, value) in row.iter().enumerate() {
                if Some(class) == background
                    || value.partial_cmp(&least).is_none_or(std::cmp::Ordering::is_lt)
                {
                    continue;
                }
                let score = if made == Made::Logistic { logistic(*value) } else { *value };
                if score >= floor {
                    let corners = *corners.get_or_insert_with(|| {
                        let numbers =
                            [boxes[at * 4], boxes[at * 4 + 1], boxes[at * 4 + 2], boxes[at * 4 + 3]];
                        match prior(at) {
                            None => self.corners(numbers),
                            Some(prior) => {
                                let [l, t, r, b] = decoded(numbers, prior, self.variances);
                                let (width, height) = self.input;
                                [l * width, t * height, r * width, b * height]
                            }
                        }
                    });
                    let label = (class as i64 + if background == Some(0) { -1 } else { 0 }) as u32;
                    found.push(Candidate { label, score, corners, at: at as u32 });
                }
            }
        }
        Ok(())
    }

    /// The numbers of a box as corners in pixels of the input.
    fn corners(&self, [a, b, c, d]: [f32; 4]) -> [f32; 4] {
        let [l, t, r, b] = match self.boxes {
            BoxForm::Xyxy => [a, b, c, d],
            BoxForm::Yxyx => [b, a, d, c],
            BoxForm::Cxcywh => centred(a, b, c, d),
            BoxForm::Xywh => [a, b, a + c, b + d],
        };
        let (x, y) = self.scale;
        [l * x, t * y, r * x, b * y]
    }
}

/// Scores that sum to 1.
pub(super) fn softmax(row: &mut [f32]) {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = (*value - highest).exp();
        sum += *value;
    }
    row.iter_mut().for_each(|value| *value /= sum);
}

fn find_form(trial: &Trial<'_>) -> Result<(Form, bool)> {
    let named = |part: &str| trial.named(part).into_iter().next();
    let nothing_named = trial.description.output.parts.is_empty();
    if nothing_named {
        if let Some(part) = trial.parts.iter().find(|part| matches!(part.shape[..], [1, 1, _, 7])) {
            return Ok((Form::Seven(part.clone()), true));
        }
        let no_boxes = || trial.parts.iter().all(|part| box_rows(part).is_none());
        if let Some(part) = trial.parts.iter().find(|part| matches!(part.shape[..], [_, 6]) && no_boxes()) {
            return Ok((Form::Six(part.clone()), true));
        }
    }
    let priors = named("priors");
    let taken = |part: &Part| {
        ["boxes", "scores", "classes", "count", "priors"].into_iter().any(|name| named(name) == Some(part))
    };
    let free = |fits: &dyn Fn(&Part) -> bool| {
        trial.parts.iter().filter(|part| !taken(part) && fits(part)).collect::<Vec<_>>()
    };
    let boxes = named("boxes").map_or_else(|| free(&|part| box_rows(part).is_some()), |part| vec![part]);
    let boxes = likeliest(boxes, &["box", "bbox", "loc", "det"]).ok_or_else(|| trial.missing(WANTS))?;
    let Some((count, depth)) = box_rows(boxes) else { return Err(trial.mismatch(boxes, WANTS)) };
    let list = |part: &Part| part != boxes && listed(part) == Some(count);
    let integer = |part: &Part| !float(part);
    // Classes by number: an output that is named so, or one whole number a box.
    let classes = named("classes").or_else(|| {
        if named("scores").is_some_and(|scores| listed(scores).is_none()) {
            return None;
        }
        let lists = free(&list);
        let whole: Vec<&Part> = lists.iter().copied().filter(|part| integer(part)).collect();
        let scores_too = depth == 5 || named("scores").is_some() || lists.len() > 1;
        match (&whole[..], scores_too) {
            ([one], _) => Some(*one),
            (_, true) => likeliest(lists, &["class", "label", "cls"]),
            _ => None,
        }
    });
    if let Some(classes) = classes {
        // A box for each class, as YOLOv4 gives them, is nothing the graph has chosen.
        if !list(classes) || boxes.shape.len() > 3 {
            return Err(trial.mismatch(classes, &format!("a class for each of {count} boxes")));
        }
        let scores = if depth == 5 {
            None
        } else {
            let scores = named("scores").map_or_else(
                || free(&|part| part != classes && list(part) && float(part)),
                |part| vec![part],
            );
            let scores = likeliest(scores, &["score", "conf", "prob"]).ok_or_else(|| trial.missing(WANTS))?;
            if !list(scores) {
                return Err(trial.mismatch(scores, &format!("a score for each of {count} boxes")));
            }
            Some(scores.clone())
        };
        let counts = named("count").map_or_else(
            || {
                let used = |part: &Part| part == classes || part == boxes || scores.as_ref() == Some(part);
                free(&|part| !used(part) && matches!(part.shape[..], [] | [1] | [1, 1]))
            },
            |part| vec![part],
        );
        let counted = likeliest(counts, &["num", "count", "valid"]);
        if let Some(part) = counted
            && !matches!(part.shape[..], [] | [1] | [1, 1])
        {
            return Err(trial.mismatch(part, "one number as `count`"));
        }
        let (boxes, classes, count) = (boxes.clone(), classes.clone(), counted.cloned());
        return Ok((Form::Chosen { boxes, scores, classes, count }, true));
    }
    scored(trial, boxes, count, priors).map(|scored| (Form::Scored(scored), false))
}

fn scored(trial: &Trial<'_>, boxes: &Part, count: usize, priors: Option<&Part>) -> Result<Scored> {
    let output = &trial.description.output;
    let wanted = trial.labels() + usize::from(output.background.is_some());
    let table = |part: &Part| match part.shape[..] {
        [1, rows, classes] if rows == count && classes == wanted => Some(false),
        [1, classes, rows] if rows == count && classes == wanted => Some(true),
        [rows, classes] if rows == count && classes == wanted => Some(false),
        _ => None,
    };
    let scores = match trial.named("scores").into_iter().next() {
        Some(part) => part,
        None => {
            let others = || trial.parts.iter().filter(|part| *part != boxes && Some(*part) != priors);
            let fitting: Vec<&Part> = others().filter(|part| table(part).is_some()).collect();
            let near = |part: &&Part| {
                matches!(part.shape[..], [1, rows, _] | [rows, _] if rows == count)
                    || matches!(part.shape[..], [1, _, rows] if rows == count)
            };
            match likeliest(fitting, &["score", "conf", "prob", "logit", "cls"]) {
                Some(part) => part,
                None => {
                    likeliest(others().filter(near).collect(), &["score", "conf", "prob", "logit", "cls"])
                        .ok_or_else(|| trial.missing(WANTS))?
                }
            }
        }
    };
    let Some(planes) = table(scores) else {
        return Err(match scores.shape[..] {
            [1, rows, classes] | [rows, classes] if rows == count => trial.miscounted(scores, classes),
            [1, classes, rows] if rows == count => trial.miscounted(scores, classes),
            _ => trial.mismatch(scores, &format!("scores of 1x{count}xCLASSES beside {count} boxes")),
        });
    };
    let priors = match (priors, &output.anchors) {
        (Some(_), Some(_)) => {
            return Err(Error::model(
                "model.toml has `priors` in `[outputs]` and `anchors` in `[output]`; remove one of the two",
            ));
        }
        (Some(part), None) => {
            if !matches!(part.shape[..], [1, rows, 4] | [rows, 4] if rows == count) {
                return Err(trial.mismatch(part, &format!("priors of 1x{count}x4 beside {count} boxes")));
            }
            Priors::Given(part.clone())
        }
        (None, Some(anchors)) => {
            let Some(strides) = &output.strides else {
                return Err(Error::model("`anchors` in model.toml need `strides` for read `ssd`"));
            };
            let levels = levels(trial.input(), strides);
            let made = levels
                .iter()
                .zip(anchors)
                .map(|(level, anchors)| level.cells() * anchors.len())
                .sum::<usize>();
            if made != count {
                let (width, height) = trial.input();
                return Err(Error::model(format!(
                    "{}, which is {count} boxes, but `strides` and `anchors` in model.toml make {made} for an input of {width}x{height} pixels",
                    boxes.shown()
                )));
            }
            Priors::Made(self::priors(trial.input(), &levels, anchors))
        }
        (None, None) => Priors::None,
    };
    let made = match (output.softmax, output.sigmoid) {
        (true, _) => Made::Softmax,
        (_, Some(true)) => Made::Logistic,
        _ => Made::Ready,
    };
    let values = floats(&trial.outputs[scores.at].values);
    if made == Made::Ready && values.iter().any(|score| !(-0.001..=1.001).contains(score)) {
        return Err(Error::model(format!(
            "output `{}` ({}) has scores outside 0 to 1: they are logits, set `softmax = true` or `sigmoid = true`",
            scores.name,
            shown(&scores.shape)
        )));
    }
    let background = output.background.map(|background| match background {
        Background::First => 0,
        Background::Last => wanted - 1,
    });
    let (boxes, scores) = (boxes.clone(), scores.clone());
    Ok(Scored { boxes, scores, count, classes: wanted, planes, made, background, priors })
}

fn float(part: &Part) -> bool {
    use crate::model::tensor::Element;
    matches!(part.element, Element::Float16 | Element::Float32 | Element::Float64)
}

/// How many boxes an output has, and of how many numbers, if it may have any.
fn box_rows(part: &Part) -> Option<(usize, usize)> {
    match part.shape[..] {
        [1, rows, depth @ (4 | 5)] | [rows, depth @ (4 | 5)] => Some((rows, depth)),
        // YOLOv4's PyTorch exports: a box for each class, and there is one.
        [1, rows, 1, 4] => Some((rows, 4)),
        _ => None,
    }
}

/// How many values an output has that has one a box.
fn listed(part: &Part) -> Option<usize> {
    match part.shape[..] {
        [rows] | [1, rows] => Some(rows),
        _ => None,
    }
}

/// The only one there is, or the only one whose name has one of these words in it.
fn likeliest<'a>(parts: Vec<&'a Part>, words: &[&str]) -> Option<&'a Part> {
    if let [only] = parts[..] {
        return Some(only);
    }
    let speaks = |part: &&Part| {
        let name = part.name.to_ascii_lowercase();
        words.iter().any(|word| name.contains(word))
    };
    let mut speaking = parts.into_iter().filter(speaks);
    match (speaking.next(), speaking.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}
