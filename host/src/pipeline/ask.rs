//! A plugin's questions reach the models.

use std::sync::Arc;

use crate::frame::{self, AskError, Frame, Point, Region};
use crate::model::{Asker, Model};
use crate::plugin::{ClassMap, ClassScore, Detection, Keypoint, ModelError, Models, Pose, Tensor};

/// The models one plugin may ask, in its order, and for which app.
pub(super) struct Asked {
    pub(super) models: Vec<Arc<Model>>,
    pub(super) asker: Asker,
}

impl Models for Asked {
    fn detect(
        &self,
        model: usize,
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Vec<Detection>, ModelError> {
        let found = self.models[model].detect(&self.asker, frame, region, min_score).map_err(told)?;
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
        let scores = self.models[model].classify(&self.asker, frame, region, top).map_err(told)?;
        Ok(scores.iter().map(|class| ClassScore { label: class.label, score: class.score }).collect())
    }

    fn keypoints(
        &self,
        model: usize,
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Vec<Pose>, ModelError> {
        let found = self.models[model].keypoints(&self.asker, frame, region, min_score).map_err(told)?;
        let point = |point: &Point| Keypoint { x: point.x, y: point.y, score: point.score };
        let pose = |pose: &frame::Pose| Pose {
            label: pose.label,
            score: pose.score,
            box_: pose.region.into(),
            points: pose.points.iter().map(point).collect(),
        };
        Ok(found.iter().map(pose).collect())
    }

    fn points(&self, model: usize) -> Vec<String> {
        self.models[model].points().to_vec()
    }

    fn embed(&self, model: usize, frame: &Frame, region: Option<Region>) -> Result<Vec<f32>, ModelError> {
        let embedding = self.models[model].embed(&self.asker, frame, region).map_err(told)?;
        Ok(embedding.values.clone())
    }

    fn segment(&self, model: usize, frame: &Frame, region: Option<Region>) -> Result<ClassMap, ModelError> {
        let map = self.models[model].segment(&self.asker, frame, region).map_err(told)?;
        // A model has fewer labels than that.
        let label = |class: Option<u32>| class.map_or(u16::MAX, |class| class as u16);
        Ok(ClassMap {
            width: map.width,
            height: map.height,
            covers: map.region.into(),
            labels: map.classes().map(label).collect(),
        })
    }

    fn infer(&self, model: usize, frame: &Frame, region: Option<Region>) -> Result<Vec<Tensor>, ModelError> {
        let tensors = self.models[model].infer(&self.asker, frame, region).map_err(told)?;
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
        AskError::Busy(_) => ModelError::Busy,
    }
}
