//! A plugin's questions reach the models.

use std::sync::Arc;

use crate::frame::{AskError, Frame, Region};
use crate::model::Model;
use crate::plugin::{ClassScore, Detection, ModelError, Models, Tensor};

/// The models one plugin may ask, in its order.
pub(super) struct Asked(pub(super) Vec<Arc<Model>>);

impl Models for Asked {
    fn detect(
        &self,
        model: usize,
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Vec<Detection>, ModelError> {
        let found = self.0[model].detect(frame, region, min_score).map_err(told)?;
        Ok(found
            .iter()
            .map(|found| Detection { label: found.label, score: found.score, box_: found.region.into() })
            .collect())
    }

    fn classify(
        &self,
        model: usize,
        frame: &Frame,
        region: Option<Region>,
        top: u32,
    ) -> Result<Vec<ClassScore>, ModelError> {
        let scores = self.0[model].classify(frame, region, top).map_err(told)?;
        Ok(scores.iter().map(|class| ClassScore { label: class.label, score: class.score }).collect())
    }

    fn infer(&self, model: usize, frame: &Frame, region: Option<Region>) -> Result<Vec<Tensor>, ModelError> {
        let tensors = self.0[model].infer(frame, region).map_err(told)?;
        let size = |size: &usize| u32::try_from(*size).unwrap_or(u32::MAX);
        Ok(tensors
            .iter()
            .map(|tensor| Tensor {
                name: tensor.name.clone(),
                shape: tensor.shape.iter().map(size).collect(),
                data: tensor.data.clone(),
            })
            .collect())
    }
}

fn told(error: AskError) -> ModelError {
    match error {
        AskError::WrongKind(why) => ModelError::WrongKind(why),
        AskError::BadRegion(why) => ModelError::BadRegion(why),
        AskError::BadArgument(why) => ModelError::BadArgument(why),
        AskError::Failed(why) => ModelError::Failed(why),
    }
}
