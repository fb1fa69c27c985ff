//! Output tensors become answers. A read-out is made once, from `model.toml` and the outputs of a trial run:
//! what does not fit is an error then, with what the file has and what `model.toml` says. Afterwards it reads.
//!
//! One file a read-out. Those that find boxes hand candidates to [`nms`], which knows what is wanted.
//! `testdata/reference.py` does the same in NumPy, from what the models' authors published.

mod classifier;
mod embedding;
mod fastestdet;
mod floats;
mod grid;
mod keypoints;
mod nanodet;
mod nms;
mod segmentation;
mod ssd;
mod ultraface;
mod yolov5;
mod yolov8;
mod yolox;

#[cfg(test)]
mod tests;

use super::description::{Background, Description, Read};
use super::tensor::{Array, shown};
use crate::base::{Error, Result};
use crate::frame::{AskError, Detection, Placement};
use floats::Part;
use nms::{Best, Candidate, Choice, Scratch, placed};

pub(crate) use classifier::Classifier;
pub(crate) use embedding::Embedder;
pub(crate) use floats::floats;
pub(crate) use keypoints::Poses;
pub(crate) use segmentation::Segmenter;

/// How a model's outputs are read.
pub(crate) enum Readout {
    /// Where things are.
    Detector(Detector),
    /// What the picture shows.
    Classifier(Classifier),
    /// What it looks like.
    Embedder(Embedder),
    /// What each part of it shows.
    Segmenter(Segmenter),
    /// Where the points of bodies are.
    Poses(Poses),
    /// Nothing is read.
    Raw,
}

impl Readout {
    /// Finds how the outputs of a trial run, called `names` in the same order, are to be read; or what is
    /// wrong with them or with what `model.toml` says of them.
    pub(crate) fn new(description: &Description, names: &[String], outputs: &[Array]) -> Result<Self> {
        let trial = Trial::new(description, names, outputs)?;
        Ok(match description.output.read {
            Read::Classifier => Readout::Classifier(Classifier::new(&trial)?),
            Read::Embedding => Readout::Embedder(Embedder::new(&trial)?),
            Read::Segmentation => Readout::Segmenter(Segmenter::new(&trial)?),
            Read::Keypoints => Readout::Poses(Poses::new(&trial)?),
            Read::Raw => Readout::Raw,
            _ => Readout::Detector(Detector::new(&trial)?),
        })
    }
}

/// The outputs of a trial run beside the description.
struct Trial<'a> {
    description: &'a Description,
    parts: Vec<Part>,
    outputs: &'a [Array],
}

impl<'a> Trial<'a> {
    fn new(description: &'a Description, names: &[String], outputs: &'a [Array]) -> Result<Self> {
        if outputs.is_empty() || names.len() != outputs.len() {
            return Err(Error::model(format!(
                "a trial run gave {} outputs where {} were wanted",
                outputs.len(),
                names.len()
            )));
        }
        let mut parts = Vec::new();
        for (at, (name, array)) in names.iter().zip(outputs).enumerate() {
            let (element, shape) = (array.values.element(), array.shape.clone());
            let part = Part { at, name: name.clone(), element, shape };
            let values = part.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
            if values != Some(array.values.len()) {
                return Err(Error::model(format!(
                    "{}, but came with {} values",
                    part.shown(),
                    array.values.len()
                )));
            }
            parts.push(part);
        }
        Ok(Trial { description, parts, outputs })
    }

    fn labels(&self) -> usize {
        self.description.labels.len()
    }

    /// Width and height of the input in pixels.
    fn input(&self) -> (f32, f32) {
        (self.description.input.width as f32, self.description.input.height as f32)
    }

    /// The first output that fits, else the first there is.
    fn first(&self, fits: impl Fn(&[usize]) -> bool) -> &Part {
        self.parts.iter().find(|part| fits(&part.shape)).unwrap_or(&self.parts[0])
    }

    /// The outputs `model.toml` names for a part.
    fn named(&self, part: &str) -> Vec<&Part> {
        let names = self.description.output.parts.get(part).map_or(&[][..], Vec::as_slice);
        names.iter().filter_map(|name| self.parts.iter().find(|part| part.name == *name)).collect()
    }

    /// An output that is not what its read-out takes.
    fn mismatch(&self, part: &Part, wants: &str) -> Error {
        Error::model(format!(
            "{}, but read `{}` in model.toml takes {wants}",
            part.shown(),
            self.description.output.read.as_str()
        ))
    }

    /// Outputs among which a read-out does not find its own.
    fn missing(&self, wants: &str) -> Error {
        let all: Vec<String> = self
            .parts
            .iter()
            .take(12)
            .map(|part| format!("`{}` ({} of {})", part.name, part.element.as_str(), shown(&part.shape)))
            .collect();
        Error::model(format!(
            "the outputs are {}, but read `{}` in model.toml takes {wants}",
            all.join(", "),
            self.description.output.read.as_str()
        ))
    }

    /// An output of more or fewer classes than there are labels.
    fn miscounted(&self, part: &Part, classes: usize) -> Error {
        let labels = self.labels();
        let shown = part.shown();
        let counted = format!("{shown}, which is {classes} classes, but the labels name {labels}");
        let Some(background) = self.description.output.background else {
            let takes = matches!(self.description.output.read, Read::Ssd | Read::Classifier);
            if takes && classes == labels + 1 {
                return Error::model(format!(
                    "{counted}; if one of the classes is the background, say which: `background = \"first\"` or `\"last\"`"
                ));
            }
            return Error::model(counted);
        };
        let which = match background {
            Background::First => "first",
            Background::Last => "last",
        };
        Error::model(format!(
            "{shown}, which is {} classes beside the background, but the labels name {labels} \
             (the background, the {which} class, has no label)",
            classes.saturating_sub(1)
        ))
    }
}

/// Reads where things are.
pub(crate) struct Detector {
    boxes: Boxes,
    choice: Choice,
}

/// Where a detector's boxes are in its outputs.
enum Boxes {
    FastestDet(fastestdet::FastestDet),
    YoloV5(yolov5::YoloV5),
    YoloV8(yolov8::YoloV8),
    YoloX(yolox::YoloX),
    Ssd(ssd::Ssd),
    UltraFace(ultraface::UltraFace),
    NanoDet(nanodet::NanoDet),
}

impl Detector {
    fn new(trial: &Trial<'_>) -> Result<Self> {
        let (boxes, done) = match trial.description.output.read {
            Read::FastestDet => (Boxes::FastestDet(fastestdet::FastestDet::new(trial)?), false),
            Read::YoloV5 => (Boxes::YoloV5(yolov5::YoloV5::new(trial)?), false),
            Read::YoloX => (Boxes::YoloX(yolox::YoloX::new(trial)?), false),
            Read::UltraFace => (Boxes::UltraFace(ultraface::UltraFace::new(trial)?), false),
            Read::NanoDet => (Boxes::NanoDet(nanodet::NanoDet::new(trial)?), false),
            Read::Ssd => {
                let (ssd, done) = ssd::Ssd::new(trial)?;
                (Boxes::Ssd(ssd), done)
            }
            _ => {
                let yolov8 = yolov8::YoloV8::new(trial)?;
                let done = yolov8.done();
                (Boxes::YoloV8(yolov8), done)
            }
        };
        Ok(Detector { boxes, choice: Choice::new(trial.description, done) })
    }

    /// Things found, best first, in fractions of the frame and cut to it. `outputs` are in the order of the
    /// trial run, of one picture that lies in the frame as `placement` says. `min_score` takes the place of
    /// every score in `model.toml`.
    pub(crate) fn read(
        &self,
        outputs: &[Array],
        placement: &Placement,
        min_score: Option<f32>,
    ) -> Result<Vec<Detection>, AskError> {
        let floor = self.choice.floor(min_score);
        Scratch::lend(|Scratch { found, best }| {
            match &self.boxes {
                Boxes::FastestDet(boxes) => boxes.find(outputs, floor, found, best),
                Boxes::YoloV5(boxes) => boxes.find(outputs, floor, found),
                Boxes::YoloV8(boxes) => boxes.find(outputs, floor, found, best),
                Boxes::YoloX(boxes) => boxes.find(outputs, floor, found),
                Boxes::Ssd(boxes) => boxes.find(outputs, floor, found),
                Boxes::UltraFace(boxes) => boxes.find(outputs, floor, found),
                Boxes::NanoDet(boxes) => boxes.find(outputs, floor, found),
            }?;
            self.choice.choose(found, min_score);
            Ok(found.iter().filter_map(|found| placed(found, placement)).collect())
        })
    }
}
