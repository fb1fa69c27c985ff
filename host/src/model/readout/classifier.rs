//! What a picture shows: a score for each class.

use super::nms::logistic;
use super::ssd::softmax;
use super::{Array, AskError, Background, Error, Part, Result, Trial};
use crate::frame::ClassScore;

/// Reads a classifier's scores.
pub(crate) struct Classifier {
    part: Part,
    softmax: bool,
    sigmoid: bool,
    background: Option<Background>,
}

impl Classifier {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        let output = &trial.description.output;
        let background = usize::from(output.background.is_some());
        let count = |shape: &[usize]| -> usize { shape.iter().product() };
        let one = |shape: &[usize]| {
            // One axis is the classes'; the others are what pooling left.
            count(shape) > 0 && shape.iter().filter(|size| **size != 1).count() <= 1
        };
        let part = trial.first(|shape| one(shape) && count(shape) == trial.labels() + background);
        if !one(&part.shape) {
            return Err(trial.mismatch(part, "1xCLASSES"));
        }
        if count(&part.shape) != trial.labels() + background {
            return Err(trial.miscounted(part, count(&part.shape)));
        }
        let (softmax, sigmoid) = (output.softmax, output.sigmoid == Some(true));
        let values = super::floats(&trial.outputs[part.at].values);
        if !softmax && !sigmoid && values.iter().any(|score| !(-0.001..=1.001).contains(score)) {
            return Err(Error::model(format!(
                "output `{}` has scores outside 0 to 1: they are logits, set `softmax = true`",
                part.name
            )));
        }
        Ok(Classifier { part: part.clone(), softmax, sigmoid, background: output.background })
    }

    /// Scores of all classes, best first; equal scores stay in the labels' order.
    pub(crate) fn read(&self, outputs: &[Array]) -> Result<Vec<ClassScore>, AskError> {
        let mut values = self.part.floats(outputs)?.into_owned();
        if self.softmax {
            // What is no number takes no part.
            values.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = f32::NAN);
            softmax_of_numbers(&mut values);
        } else if self.sigmoid {
            values.iter_mut().filter(|value| value.is_finite()).for_each(|value| *value = logistic(*value));
        }
        let named = match self.background {
            None => 0..values.len(),
            Some(Background::First) => 1..values.len(),
            Some(Background::Last) => 0..values.len() - 1,
        };
        let mut scores: Vec<ClassScore> = (0..)
            .zip(&values[named])
            .filter(|(_, score)| score.is_finite())
            .map(|(label, score)| ClassScore { label, score: score.clamp(0.0, 1.0) })
            .collect();
        scores.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(scores)
    }
}

fn softmax_of_numbers(values: &mut [f32]) {
    if values.iter().any(|value| value.is_nan()) {
        let mut numbers: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        softmax(&mut numbers);
        let places = values.iter_mut().filter(|value| !value.is_nan());
        places.zip(numbers).for_each(|(value, score)| *value = score);
    } else {
        softmax(values);
    }
}
