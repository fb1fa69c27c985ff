//! `models`: questions to the models the plugin was granted.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::{FrameHandle, Guest};
use crate::frame::Frame;
use crate::plugin::Setup;
use crate::plugin::bindings::transom::app::frames::Region;
use crate::plugin::bindings::transom::app::models::{
    ClassMap, ClassScore, Detection, Host, HostModel, ModelError, Pose, Tensor,
};
use crate::plugin::ledger::Limit;

/// A model the plugin opened: its index in [`Setup::models`].
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct ModelHandle(usize);

impl Guest {
    /// Asks a model, off the plugin's clock.
    fn ask<T>(
        &mut self,
        model: &Resource<ModelHandle>,
        frame: &Resource<FrameHandle>,
        question: impl FnOnce(&Setup, usize, &Frame) -> Result<T, ModelError>,
    ) -> wasmtime::Result<Result<T, ModelError>> {
        let index = self.table.get(model)?.0;
        let frame = Arc::clone(self.frame(frame)?);
        if !self.ledger.take(Limit::Inferences, 1) {
            return Ok(Err(ModelError::Busy));
        }
        let setup = Arc::clone(&self.setup);
        self.wait(|| question(&setup, index, &frame))
    }
}

impl Host for Guest {}

impl HostModel for Guest {
    fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<ModelHandle>, ModelError>> {
        match self.setup.models.iter().position(|model| model.name == name) {
            Some(index) => Ok(Ok(self.table.push(ModelHandle(index))?)),
            None => {
                let has: Vec<&str> = self.setup.models.iter().map(|model| model.name.as_str()).collect();
                let has = if has.is_empty() { "none".to_owned() } else { format!("`{}`", has.join("`, `")) };
                Ok(Err(ModelError::UnknownModel(format!(
                    "there is no model `{name}` for this plugin; it has {has}"
                ))))
            }
        }
    }

    fn labels(&mut self, model: Resource<ModelHandle>) -> wasmtime::Result<Vec<String>> {
        let index = self.table.get(&model)?.0;
        Ok(self.setup.models[index].labels.clone())
    }

    fn detect(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> wasmtime::Result<Result<Vec<Detection>, ModelError>> {
        self.ask(&model, &frame, |setup, index, frame| {
            setup.ask.detect(index, frame, region.map(Into::into), min_score)
        })
    }

    fn classify(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
        top: u32,
    ) -> wasmtime::Result<Result<Vec<ClassScore>, ModelError>> {
        self.ask(&model, &frame, |setup, index, frame| {
            setup.ask.classify(index, frame, region.map(Into::into), top)
        })
    }

    fn keypoints(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> wasmtime::Result<Result<Vec<Pose>, ModelError>> {
        self.ask(&model, &frame, |setup, index, frame| {
            setup.ask.keypoints(index, frame, region.map(Into::into), min_score)
        })
    }

    fn points(&mut self, model: Resource<ModelHandle>) -> wasmtime::Result<Vec<String>> {
        let index = self.table.get(&model)?.0;
        Ok(self.setup.ask.points(index))
    }

    fn embed(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
    ) -> wasmtime::Result<Result<Vec<f32>, ModelError>> {
        self.ask(&model, &frame, |setup, index, frame| setup.ask.embed(index, frame, region.map(Into::into)))
    }

    fn segment(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
    ) -> wasmtime::Result<Result<ClassMap, ModelError>> {
        self.ask(&model, &frame, |setup, index, frame| {
            setup.ask.segment(index, frame, region.map(Into::into))
        })
    }

    fn infer(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
    ) -> wasmtime::Result<Result<Vec<Tensor>, ModelError>> {
        self.ask(&model, &frame, |setup, index, frame| setup.ask.infer(index, frame, region.map(Into::into)))
    }

    fn drop(&mut self, model: Resource<ModelHandle>) -> wasmtime::Result<()> {
        self.table.delete(model)?;
        Ok(())
    }
}
