//! Asking models about frames.

use crate::bindings::transom::app::models;
use crate::{ClassMap, ClassScore, Frame, ModelError, Pose, Region, Tensor};

/// One thing a model found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Index in the model's labels.
    pub label: u32,
    /// Confidence, 0.0 ..= 1.0.
    pub score: f32,
    /// Where, in fractions of the whole frame.
    pub region: Region,
}

/// A model of the manifest, and what its labels mean.
#[derive(Debug)]
pub struct Model {
    handle: models::Model,
    labels: Vec<String>,
}

impl Model {
    /// Opens a model by its name in the manifest. In `configure`, [`Setup::model`](crate::Setup::model)
    /// does it without asking the host for the labels again.
    pub fn open(name: &str) -> Result<Model, ModelError> {
        let handle = models::Model::open(name)?;
        let labels = handle.labels();
        Ok(Model { handle, labels })
    }

    pub(crate) fn open_known(name: &str, labels: Vec<String>) -> Result<Model, ModelError> {
        Ok(Model { handle: models::Model::open(name)?, labels })
    }

    /// What the indices in its answers mean, in order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What one index means; empty where the model has no word for it.
    pub fn label(&self, index: u32) -> &str {
        self.labels.get(index as usize).map_or("", String::as_str)
    }

    /// The index of a label.
    pub fn label_index(&self, label: &str) -> Option<u32> {
        self.labels.iter().position(|l| l == label).map(|i| i as u32)
    }

    /// Things found in `region` (`None`: the whole frame), best first, after non-maximum suppression.
    /// `min_score` (0.0 ..= 1.0; `None`: the model's own) drops what scores lower.
    ///
    /// [`ModelError::Busy`] means that the host has no time for it now: go on with a later frame.
    pub fn detect(
        &self,
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Vec<Detection>, ModelError> {
        let found = self.handle.detect(frame, region, min_score)?;
        // The same size and alignment on both sides: the standard library collects in place.
        Ok(found.into_iter().map(|d| Detection { label: d.label, score: d.score, region: d.box_ }).collect())
    }

    /// The `top` most likely classes of `region`, best first.
    pub fn classify(
        &self,
        frame: &Frame,
        region: Option<Region>,
        top: u32,
    ) -> Result<Vec<ClassScore>, ModelError> {
        self.handle.classify(frame, region, top)
    }

    /// Things found in `region` with their points, best first. `min_score` as for [`Model::detect`].
    pub fn keypoints(
        &self,
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Vec<Pose>, ModelError> {
        self.handle.keypoints(frame, region, min_score)
    }

    /// What the points of a [`Pose`] are called, in order.
    pub fn points(&self) -> Vec<String> {
        self.handle.points()
    }

    /// What `region` looks like, as a vector of length 1; the product of two says how alike they are.
    pub fn embed(&self, frame: &Frame, region: Option<Region>) -> Result<Vec<f32>, ModelError> {
        self.handle.embed(frame, region)
    }

    /// What each part of `region` shows.
    pub fn segment(&self, frame: &Frame, region: Option<Region>) -> Result<ClassMap, ModelError> {
        self.handle.segment(frame, region)
    }

    /// The model's output tensors as they are, for any kind of model.
    pub fn infer(&self, frame: &Frame, region: Option<Region>) -> Result<Vec<Tensor>, ModelError> {
        self.handle.infer(frame, region)
    }
}
