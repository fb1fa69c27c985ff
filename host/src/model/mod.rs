//! Answers questions about frames: what is on them, and where. Owns a model's file, its input and output
//! conventions, the back ends and threads inference runs on, and what it cost.
//! Knows nothing of cameras or plugins: a frame comes in, answers go out and are remembered with the frame.
//!
//! The rooms in the order a model meets them: [`onnx`] reads the file, [`description`] says what it means,
//! [`backend`] can run it, [`gate`] finds out who does so rightly and fastest, [`service`] runs it for all who
//! ask, [`prepare`] makes its input of a frame, [`readout`] makes answers of its outputs.

mod apart;
mod backend;
mod description;
mod engine;
mod gate;
mod loading;
mod onnx;
mod outside;
mod prepare;
mod readout;
mod service;
pub mod tensor;
mod worker;

#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::base::{Clock, Error, Kind, Meter, MeterReport, Result};
use crate::frame::{
    AskError, ClassMap, ClassScore, Detection, Embedding, Frame, PixelRect, Placement, Pose, Region, Tensor,
};
use description::Description;
use engine::Engine;
use readout::{Readout, floats};
use tensor::Array;

pub use apart::{most_memory, work as model_worker};
pub use backend::remote::{Encoding, Settings as Remote};
pub use backend::wonnx::work as gpu_worker;
pub use engine::Asker;
pub use gate::{Batched, Report, Row, Standing};
pub use loading::Loading;
pub use outside::{Guessed, Ran, check, guess, infer_file};
pub use service::AppReport;

/// What a model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Where things are: [`Model::detect`].
    Detector,
    /// What the picture shows: [`Model::classify`].
    Classifier,
    /// What it looks like: [`Model::embed`].
    Embedding,
    /// What each part of it shows: [`Model::segment`].
    Segmentation,
    /// Where the points of bodies are: [`Model::keypoints`].
    Keypoints,
    /// Tensors only: [`Model::infer`].
    Raw,
}

impl ModelKind {
    /// The kind as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            ModelKind::Detector => "detector",
            ModelKind::Classifier => "classifier",
            ModelKind::Embedding => "embedding",
            ModelKind::Segmentation => "segmentation",
            ModelKind::Keypoints => "keypoints",
            ModelKind::Raw => "raw",
        }
    }

    /// What it may be asked.
    fn asked(self) -> &'static str {
        match self {
            ModelKind::Detector => "is a detector; ask it to `detect` or `infer`",
            ModelKind::Classifier => "is a classifier; ask it to `classify` or `infer`",
            ModelKind::Embedding => "gives embeddings; ask it to `embed` or `infer`",
            ModelKind::Segmentation => "is for segmentation; ask it to `segment` or `infer`",
            ModelKind::Keypoints => "gives keypoints; ask it for `keypoints` or to `infer`",
            ModelKind::Raw => "gives raw tensors; ask it to `infer`",
        }
    }
}

/// What a model has cost so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReport {
    /// The model's name.
    pub name: String,
    /// What runs it: `rten 0.27.0 on cpu`.
    pub backend: String,
    /// How often a back end was lost and another went on.
    pub losses: u64,
    /// Bytes that what runs it holds, as far as it can tell.
    pub memory_bytes: u64,
    /// Questions asked, refused ones left out.
    pub asks: u64,
    /// Those among them whose inference another question about the same pixels had paid for.
    pub remembered: u64,
    /// Inferences that were run together with others.
    pub batched: u64,
    /// Frame to input tensor.
    pub prepare: MeterReport,
    /// Input tensor to output tensors.
    pub inference: MeterReport,
    /// Output tensors to answers.
    pub readout: MeterReport,
}

/// A model, loaded and proved. Shared by all who ask; any thread may.
pub struct Model {
    id: u64,
    description: Description,
    /// Shared with every model of the same file, input and back ends.
    engine: Arc<Engine>,
    readout: Readout,
    clock: Clock,
    asks: AtomicU64,
    read_out: Meter,
}

/// An error about a model's file names it; one about what was asked for does not.
fn about(file: &Path) -> impl Fn(Error) -> Error + Copy {
    move |error| if error.kind() == Kind::Usage { error } else { error.within(file.display()) }
}

/// Outputs, and where the input lay in the frame.
struct Inferred {
    outputs: Vec<Array>,
    placement: Placement,
    /// What was asked about, in fractions of the frame.
    region: Region,
}

/// About what remembered answers take.
const ANSWER_BYTES: usize = 4 << 10;

#[derive(PartialEq, Eq, Hash)]
struct InferKey(u64, PixelRect);

#[derive(PartialEq, Eq, Hash)]
struct TensorKey(u64, PixelRect);

#[derive(PartialEq, Eq, Hash)]
struct DetectKey(u64, PixelRect, Option<u32>);

#[derive(PartialEq, Eq, Hash)]
struct KeypointsKey(u64, PixelRect, Option<u32>);

#[derive(PartialEq, Eq, Hash)]
struct ClassifyKey(u64, PixelRect);

#[derive(PartialEq, Eq, Hash)]
struct EmbedKey(u64, PixelRect);

#[derive(PartialEq, Eq, Hash)]
struct SegmentKey(u64, PixelRect);

impl Model {
    /// Loads the model of a folder with a `model.toml`, or of that file itself.
    ///
    /// The ONNX file must agree with what `model.toml` says of it, and something must run it and be proved
    /// right. Errors name the file and what is wrong with it. Models of the same file that are fed alike share
    /// what runs them.
    pub fn load(path: &Path, loading: &Loading) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let description = Description::read(path)?;
        let within = about(&description.file);
        let engine = Engine::of(&description, loading).map_err(within)?;
        let readout = Readout::new(&description, engine.outputs(), engine.trial()).map_err(within)?;
        Ok(Model {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            description,
            engine,
            readout,
            clock: Clock::system(),
            asks: AtomicU64::new(0),
            read_out: Meter::default(),
        })
    }

    /// What people call it, from `model.toml`.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// What the indices in its answers mean, in order; empty for raw tensors.
    pub fn labels(&self) -> &[String] {
        &self.description.labels
    }

    /// What the points of its poses are called, in order; empty for all but keypoints.
    pub fn points(&self) -> &[String] {
        &self.description.output.points
    }

    /// Which points of its poses are joined, by their indices.
    pub fn skeleton(&self) -> &[[u32; 2]] {
        &self.description.output.skeleton
    }

    /// What it answers.
    pub fn kind(&self) -> ModelKind {
        match self.readout {
            Readout::Detector(_) => ModelKind::Detector,
            Readout::Classifier(_) => ModelKind::Classifier,
            Readout::Embedder(_) => ModelKind::Embedding,
            Readout::Segmenter(_) => ModelKind::Segmentation,
            Readout::Poses(_) => ModelKind::Keypoints,
            Readout::Raw => ModelKind::Raw,
        }
    }

    /// SHA-256 of the model file, in lower-case hex.
    pub fn digest(&self) -> &str {
        self.engine.digest()
    }

    /// What runs it now: `rten 0.27.0 on cpu`.
    pub fn backend(&self) -> String {
        self.engine.backend()
    }

    /// How the back ends compared when it was loaded.
    pub fn comparison(&self) -> &Report {
        self.engine.report()
    }

    /// The licence that `model.toml` states.
    pub fn licence(&self) -> Option<&str> {
        self.description.licence.as_deref()
    }

    /// What `model.toml` says of it for people.
    pub fn description(&self) -> Option<&str> {
        self.description.description.as_deref()
    }

    /// Things found in `region` (none: the whole frame), best first, after non-maximum suppression, in
    /// fractions of the whole frame and cut to it. `min_score` (0 ..= 1; none: the model's own) drops what
    /// scores lower.
    ///
    /// However many threads ask about the same pixels of a frame, inference runs once; the others wait.
    pub fn detect(
        &self,
        asker: &Asker,
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Arc<Vec<Detection>>, AskError> {
        let Readout::Detector(detector) = &self.readout else {
            return Err(self.wrong_kind("detections"));
        };
        let min_score = checked(min_score)?;
        let key = |rect| DetectKey(self.id, rect, min_score.map(f32::to_bits));
        self.answer(asker, frame, region, key, |inferred| {
            detector.read(&inferred.outputs, &inferred.placement, min_score)
        })
    }

    /// Things found with their points, otherwise as [`Model::detect`].
    pub fn keypoints(
        &self,
        asker: &Asker,
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Arc<Vec<Pose>>, AskError> {
        let Readout::Poses(poses) = &self.readout else {
            return Err(self.wrong_kind("keypoints"));
        };
        let min_score = checked(min_score)?;
        let key = |rect| KeypointsKey(self.id, rect, min_score.map(f32::to_bits));
        self.answer(asker, frame, region, key, |inferred| {
            poses.read(&inferred.outputs, &inferred.placement, inferred.region, min_score)
        })
    }

    /// The `top` most likely classes of `region` (none: the whole frame), best first.
    pub fn classify(
        &self,
        asker: &Asker,
        frame: &Frame,
        region: Option<Region>,
        top: u32,
    ) -> Result<Arc<Vec<ClassScore>>, AskError> {
        let Readout::Classifier(classifier) = &self.readout else {
            return Err(self.wrong_kind("classes"));
        };
        if top == 0 {
            return Err(AskError::BadArgument("top is 0; it is 1 or more".to_owned()));
        }
        let key = |rect| ClassifyKey(self.id, rect);
        let all = self.answer(asker, frame, region, key, |inferred| classifier.read(&inferred.outputs))?;
        if all.len() <= top as usize {
            return Ok(all);
        }
        Ok(Arc::new(all[..top as usize].to_vec()))
    }

    /// What `region` (none: the whole frame) looks like.
    pub fn embed(
        &self,
        asker: &Asker,
        frame: &Frame,
        region: Option<Region>,
    ) -> Result<Arc<Embedding>, AskError> {
        let Readout::Embedder(embedder) = &self.readout else {
            return Err(self.wrong_kind("an embedding"));
        };
        let key = |rect| EmbedKey(self.id, rect);
        self.answer(asker, frame, region, key, |inferred| embedder.read(&inferred.outputs))
    }

    /// What each part of `region` (none: the whole frame) shows.
    pub fn segment(
        &self,
        asker: &Asker,
        frame: &Frame,
        region: Option<Region>,
    ) -> Result<Arc<ClassMap>, AskError> {
        let Readout::Segmenter(segmenter) = &self.readout else {
            return Err(self.wrong_kind("a map of classes"));
        };
        let key = |rect| SegmentKey(self.id, rect);
        self.answer(asker, frame, region, key, |inferred| {
            segmenter.read(&inferred.outputs, &inferred.placement, inferred.region)
        })
    }

    /// The model's output tensors for `region` (none: the whole frame), nothing read out of them, for any
    /// kind of model. Numbers of other types come as the nearest `f32`.
    pub fn infer(
        &self,
        asker: &Asker,
        frame: &Frame,
        region: Option<Region>,
    ) -> Result<Arc<Vec<Tensor>>, AskError> {
        let names = self.engine.outputs();
        let tensor = |(name, array): (&String, &Array)| Tensor {
            name: name.clone(),
            shape: array.shape.clone(),
            data: floats(&array.values).into_owned(),
        };
        let key = |rect| TensorKey(self.engine.id(), rect);
        self.answer(asker, frame, region, key, |inferred| {
            Ok(names.iter().zip(&inferred.outputs).map(tensor).collect())
        })
    }

    /// What it has cost so far.
    pub fn report(&self) -> ModelReport {
        let (asks, prepare) = (self.asks.load(Ordering::Relaxed), self.engine.prepared());
        ModelReport {
            name: self.name().to_owned(),
            backend: self.backend(),
            losses: self.engine.losses(),
            memory_bytes: self.engine.memory(),
            asks,
            // A question costs one inference or none.
            remembered: asks.saturating_sub(prepare.count),
            batched: self.engine.batched(),
            prepare,
            inference: self.engine.inferred(),
            readout: self.read_out.report(),
        }
    }

    fn wrong_kind(&self, wanted: &str) -> AskError {
        let asked = self.kind().asked();
        AskError::WrongKind(format!("model `{}` was asked for {wanted}; it {asked}", self.name()))
    }

    /// The remembered answer under `key`, or what `read` makes of the outputs.
    fn answer<K, T>(
        &self,
        asker: &Asker,
        frame: &Frame,
        region: Option<Region>,
        key: impl FnOnce(PixelRect) -> K,
        read: impl FnOnce(&Inferred) -> Result<T, AskError>,
    ) -> Result<Arc<T>, AskError>
    where
        K: Eq + Hash + Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let rect = PixelRect::of(frame, region)?;
        self.asks.fetch_add(1, Ordering::Relaxed);
        let bytes = ANSWER_BYTES;
        let answer = frame.memo.get_or_make(key(rect), bytes, || match &*self.inferred(asker, frame, rect) {
            Ok(inferred) => self.read_out.time(self.clock, || read(inferred)).map(Arc::new),
            Err(error) => Err(error.clone()),
        });
        Result::clone(&answer)
    }

    /// Outputs for these pixels: remembered, or computed now while others who ask for them wait.
    fn inferred(&self, asker: &Asker, frame: &Frame, rect: PixelRect) -> Arc<Result<Inferred, AskError>> {
        let key = InferKey(self.engine.id(), rect);
        frame.memo.get_or_make(key, self.engine.output_bytes(), || {
            let (outputs, placement) = self.engine.ask(asker, frame, rect)?;
            Ok(Inferred { outputs, placement, region: rect.region(frame) })
        })
    }
}

/// -0.0 and 0.0 are one question.
fn checked(min_score: Option<f32>) -> Result<Option<f32>, AskError> {
    match min_score {
        Some(score) if !(0.0..=1.0).contains(&score) => {
            Err(AskError::BadArgument(format!("min-score is {score}; it is between 0 and 1")))
        }
        score => Ok(score.map(|score| score + 0.0)),
    }
}
