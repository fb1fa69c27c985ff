//! Answers questions about frames: what is on them, and where. Owns a model's file, its input and output
//! conventions, the threads inference runs on, and what it cost.
//! Knows nothing of cameras or plugins: a frame comes in, answers go out and are remembered with the frame.

mod description;
mod lanes;
mod prepare;
mod readout;
mod rten;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::base::{Clock, Error, Meter, MeterReport, Result, read_file, thread_cpu};
use crate::frame::{AskError, ClassScore, Detection, Frame, PixelRect, Placement, Region, Tensor};
use description::{Description, Read};
use lanes::Lanes;
use prepare::{Prepare, Values};
use readout::{Boxes, Classes};
use rten::{Session, Wanted};

/// What a model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Where things are: [`Model::detect`].
    Detector,
    /// What the picture shows: [`Model::classify`].
    Classifier,
    /// Tensors only: [`Model::infer`].
    Raw,
}

impl ModelKind {
    /// The kind as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            ModelKind::Detector => "detector",
            ModelKind::Classifier => "classifier",
            ModelKind::Raw => "raw",
        }
    }
}

/// What a model has cost so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReport {
    /// The model's name.
    pub name: String,
    /// What runs it.
    pub backend: &'static str,
    /// Questions asked, refused ones left out.
    pub asks: u64,
    /// Those among them whose inference another question about the same pixels had paid for.
    pub remembered: u64,
    /// Frame to input tensor.
    pub prepare: MeterReport,
    /// Input tensor to output tensors.
    pub inference: MeterReport,
    /// Output tensors to detections or classes.
    pub readout: MeterReport,
}

/// A model, loaded and proved by one inference. Shared by all who ask; any thread may.
pub struct Model {
    id: u64,
    description: Description,
    digest: String,
    session: Session,
    prepare: Prepare,
    reader: Reader,
    /// Input tensors not in use.
    spare: Mutex<Vec<Values>>,
    clock: Clock,
    /// Of the output tensors together.
    tensor_bytes: AtomicUsize,
    asks: AtomicU64,
    prepared: Meter,
    inferred: Meter,
    read_out: Meter,
}

enum Reader {
    Boxes(Boxes),
    Classes(Classes),
    Nothing,
}

/// Output tensors, and where the input lay in the frame.
struct Inferred {
    tensors: Arc<Vec<Tensor>>,
    placement: Placement,
}

/// About what remembered detections take.
const ANSWER_BYTES: usize = 4 << 10;

#[derive(PartialEq, Eq, Hash)]
struct InferKey(u64, PixelRect);

#[derive(PartialEq, Eq, Hash)]
struct DetectKey(u64, PixelRect, u32);

#[derive(PartialEq, Eq, Hash)]
struct ClassifyKey(u64, PixelRect);

impl Model {
    /// Loads the model of a folder with a `model.toml`, or of that file itself.
    ///
    /// The ONNX file must agree with what `model.toml` says of its input and output; one inference on a
    /// grey picture proves it. Errors name the file and what is wrong with it.
    pub fn load(path: &Path) -> Result<Self> {
        let description = Description::read(path)?;
        let within = |error: Error| error.within(description.file.display());
        let onnx = read_file(&description.file)
            .map_err(|error| within(Error::model(format!("cannot be read: {error}"))))?;
        let digest: String = Sha256::digest(&onnx).iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(wanted) = &description.sha256
            && *wanted != digest
        {
            return Err(within(Error::model(format!(
                "its sha256 is {digest}, but model.toml says {wanted}: it is another file than the one described"
            ))));
        }
        Self::prove(description.clone(), digest, onnx).map_err(within)
    }

    fn prove(description: Description, digest: String, onnx: Vec<u8>) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let prepare = Prepare::new(&description.input);
        let wanted = Wanted {
            input: description.input.name.as_deref(),
            axes: prepare.axes(),
            element: description.input.element,
            output: description.output.name.as_deref(),
        };
        let lanes = Lanes::shared();
        let mut values = prepare.blank();
        prepare.fill(&mut values, 128);
        // In a lane too: loading folds constants, and rten does that on the threads of its caller.
        let (session, outputs) = lanes.run(|lane| {
            let session = Session::load(onnx, &wanted)?;
            let outputs = session
                .run(&values, lane)
                .map_err(|error| Error::model(format!("a trial run on a grey picture failed: {error}")))?;
            Ok((session, outputs))
        })?;
        let first = outputs.first().ok_or_else(|| Error::model("a trial run gave no output"))?;
        let reader = match description.output.read {
            Read::FastestDet | Read::YoloV8 => Reader::Boxes(Boxes::new(&description, first)?),
            Read::Classifier => Reader::Classes(Classes::new(&description, first)?),
            Read::Raw => Reader::Nothing,
        };
        Ok(Model {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            description,
            digest,
            session,
            prepare,
            reader,
            spare: Mutex::new(vec![values]),
            clock: Clock::system(),
            tensor_bytes: AtomicUsize::new(0),
            asks: AtomicU64::new(0),
            prepared: Meter::default(),
            inferred: Meter::default(),
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

    /// What it answers.
    pub fn kind(&self) -> ModelKind {
        match self.reader {
            Reader::Boxes(_) => ModelKind::Detector,
            Reader::Classes(_) => ModelKind::Classifier,
            Reader::Nothing => ModelKind::Raw,
        }
    }

    /// SHA-256 of the model file, in lower-case hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What runs it.
    pub fn backend(&self) -> &'static str {
        "rten 0.27"
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
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Arc<Vec<Detection>>, AskError> {
        let Reader::Boxes(boxes) = &self.reader else {
            return Err(self.wrong_kind("detections"));
        };
        let min_score = min_score.unwrap_or(boxes.score());
        if !(0.0..=1.0).contains(&min_score) {
            return Err(AskError::BadArgument(format!("min-score is {min_score}; it is between 0 and 1")));
        }
        // -0.0 and 0.0 are one question.
        let key = |rect| DetectKey(self.id, rect, (min_score + 0.0).to_bits());
        self.answer(frame, region, key, |inferred| {
            let first = inferred.tensors.first().map_or(&[][..], |tensor| &tensor.data);
            Arc::new(boxes.read(first, &inferred.placement, min_score))
        })
    }

    /// The `top` most likely classes of `region` (none: the whole frame), best first.
    pub fn classify(
        &self,
        frame: &Frame,
        region: Option<Region>,
        top: u32,
    ) -> Result<Arc<Vec<ClassScore>>, AskError> {
        let Reader::Classes(classes) = &self.reader else {
            return Err(self.wrong_kind("classes"));
        };
        if top == 0 {
            return Err(AskError::BadArgument("top is 0; it is 1 or more".to_owned()));
        }
        let key = |rect| ClassifyKey(self.id, rect);
        let all = self.answer(frame, region, key, |inferred| {
            Arc::new(classes.read(inferred.tensors.first().map_or(&[][..], |tensor| &tensor.data)))
        })?;
        if all.len() <= top as usize {
            return Ok(all);
        }
        Ok(Arc::new(all[..top as usize].to_vec()))
    }

    /// The model's output tensors for `region` (none: the whole frame), nothing read out of them, for any
    /// kind of model.
    pub fn infer(&self, frame: &Frame, region: Option<Region>) -> Result<Arc<Vec<Tensor>>, AskError> {
        let rect = PixelRect::of(frame, region)?;
        self.asks.fetch_add(1, Ordering::Relaxed);
        match &*self.inferred(frame, rect) {
            Ok(inferred) => Ok(Arc::clone(&inferred.tensors)),
            Err(error) => Err(error.clone()),
        }
    }

    /// What it has cost so far.
    pub fn report(&self) -> ModelReport {
        let (asks, prepare) = (self.asks.load(Ordering::Relaxed), self.prepared.report());
        ModelReport {
            name: self.name().to_owned(),
            backend: self.backend(),
            asks,
            // A question costs one inference or none.
            remembered: asks.saturating_sub(prepare.count),
            prepare,
            inference: self.inferred.report(),
            readout: self.read_out.report(),
        }
    }

    fn wrong_kind(&self, wanted: &str) -> AskError {
        let asked = match self.kind() {
            ModelKind::Detector => "is a detector; ask it to `detect` or `infer`",
            ModelKind::Classifier => "is a classifier; ask it to `classify` or `infer`",
            ModelKind::Raw => "gives raw tensors; ask it to `infer`",
        };
        AskError::WrongKind(format!("model `{}` was asked for {wanted}; it {asked}", self.name()))
    }

    /// The remembered answer under `key`, or what `read` makes of the outputs.
    fn answer<K, T>(
        &self,
        frame: &Frame,
        region: Option<Region>,
        key: impl FnOnce(PixelRect) -> K,
        read: impl FnOnce(&Inferred) -> Arc<Vec<T>>,
    ) -> Result<Arc<Vec<T>>, AskError>
    where
        K: Eq + std::hash::Hash + Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let rect = PixelRect::of(frame, region)?;
        self.asks.fetch_add(1, Ordering::Relaxed);
        let answer = frame.memo.get_or_make(key(rect), ANSWER_BYTES, || match &*self.inferred(frame, rect) {
            Ok(inferred) => Ok(self.timed(&self.read_out, || read(inferred))),
            Err(error) => Err(error.clone()),
        });
        Result::clone(&answer)
    }

    /// Outputs for these pixels: remembered, or computed now while others who ask for them wait.
    fn inferred(&self, frame: &Frame, rect: PixelRect) -> Arc<Result<Inferred, AskError>> {
        let bytes = self.tensor_bytes.load(Ordering::Relaxed);
        frame.memo.get_or_make(InferKey(self.id, rect), bytes, || self.run(frame, rect))
    }

    fn run(&self, frame: &Frame, rect: PixelRect) -> Result<Inferred, AskError> {
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = spare().pop().unwrap_or_else(|| self.prepare.blank());
        let done = Lanes::shared().run(|lane| {
            let placement = self.timed(&self.prepared, || self.prepare.prepare(&mut values, frame, rect))?;
            let tensors = self.timed(&self.inferred, || self.session.run(&values, lane));
            let tensors = Arc::new(tensors.map_err(AskError::Failed)?);
            let values: usize = tensors.iter().map(|tensor| tensor.data.len()).sum();
            self.tensor_bytes.store(values * size_of::<f32>(), Ordering::Relaxed);
            Ok(Inferred { tensors, placement })
        });
        spare().push(values);
        done
    }

    /// Records what `work` costs the calling thread, which does all of it.
    fn timed<T>(&self, meter: &Meter, work: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (self.clock.now(), thread_cpu());
        let done = work();
        meter.record(self.clock.now().saturating_sub(wall), thread_cpu().saturating_sub(cpu));
        done
    }
}
