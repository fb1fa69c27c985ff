//! What a picture looks like: one vector, brought to length 1.

use super::{Array, AskError, Part, Result, Trial};
use crate::frame::Embedding;

/// Reads an embedding.
pub(crate) struct Embedder {
    part: Part,
}

impl Embedder {
    pub(super) fn new(trial: &Trial<'_>) -> Result<Self> {
        // One axis is the vector's; the others are what pooling left.
        let one =
            |shape: &[usize]| shape.iter().filter(|size| **size != 1).count() == 1 && !shape.contains(&0);
        let part = trial.first(one);
        if !one(&part.shape) {
            return Err(trial.mismatch(part, "1xVALUES"));
        }
        Ok(Embedder { part: part.clone() })
    }

    /// The vector. One without a direction (all zero, or with what is no number) is an error: there is
    /// nothing to compare it with.
    pub(crate) fn read(&self, outputs: &[Array]) -> Result<Embedding, AskError> {
        let mut values = self.part.floats(outputs)?.into_owned();
        let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if !length.is_finite() || length == 0.0 {
            return Err(AskError::Failed(format!(
                "output `{}` has no direction: it is all zero, or has values that are no numbers",
                self.part.name
            )));
        }
        values.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
        Ok(Embedding { values })
    }
}
