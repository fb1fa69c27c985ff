//! `model.toml`: what the file says, and what it means. `host/docs/models.md` is the published list of keys.
//!
//! Text becomes sections and values that know where they stand ([`written`]), these become a
//! [`Description`] ([`check`]), and that is laid beside the graph's own inputs and outputs ([`wiring`]).
//! What the outputs hold is found by the read-outs, from a trial run.

mod check;
mod wiring;
mod written;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::tensor::Element;
use crate::base::{Error, Result, read_text};
use crate::frame::Fit;

pub(crate) use wiring::Wiring;
pub(crate) use written::Number;

/// How outputs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    FastestDet,
    YoloV5,
    YoloV8,
    YoloX,
    Ssd,
    UltraFace,
    NanoDet,
    Classifier,
    Embedding,
    Segmentation,
    Keypoints,
    Raw,
}

impl Read {
    /// All of them, as `read` in `model.toml` calls them.
    pub(crate) const WORDS: [(&'static str, Read); 12] = [
        ("fastestdet", Read::FastestDet),
        ("yolov5", Read::YoloV5),
        ("yolov8", Read::YoloV8),
        ("yolox", Read::YoloX),
        ("ssd", Read::Ssd),
        ("ultraface", Read::UltraFace),
        ("nanodet", Read::NanoDet),
        ("classifier", Read::Classifier),
        ("embedding", Read::Embedding),
        ("segmentation", Read::Segmentation),
        ("keypoints", Read::Keypoints),
        ("raw", Read::Raw),
    ];

    /// As `model.toml` calls it.
    pub(crate) fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, read)| *read == self).map_or("", |(word, _)| word)
    }
}

/// Which colours a pixel has, in the tensor's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    Rgb,
    Bgr,
    Gray,
}

/// The order of the input tensor's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Nchw,
    Nhwc,
    Chw,
    Hwc,
}

/// A `model.toml`, checked: every default filled, labels read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    /// 64 lower-case hex digits.
    pub(crate) sha256: Option<String>,
    pub(crate) licence: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) input: Input,
    /// Inputs beside the picture, in the order of their names.
    pub(crate) others: Vec<Other>,
    /// Sizes of axes that the graph leaves open, by their names there.
    pub(crate) sizes: BTreeMap<String, usize>,
    pub(crate) output: Output,
    pub(crate) labels: Vec<String>,
}

/// The picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    pub(crate) name: Option<String>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fit: Fit,
    pub(crate) channels: Channels,
    pub(crate) layout: Layout,
    /// Float32, Float16, Uint8 or Int32; integers are pixels as they are.
    pub(crate) element: Element,
    /// value = (pixel * scale - mean) / std, of each channel in the order of `channels`; of grey the first
    /// counts and all are the same. For integers 1, 0 and 1.
    pub(crate) scale: [f32; 3],
    pub(crate) mean: [f32; 3],
    pub(crate) std: [f32; 3],
    pub(crate) pad: u8,
}

impl Input {
    /// Values a pixel.
    pub(crate) fn depth(&self) -> usize {
        if self.channels == Channels::Gray { 1 } else { 3 }
    }

    /// Sizes of the tensor's axes.
    pub(crate) fn shape(&self) -> Vec<usize> {
        let (width, height, depth) = (self.width as usize, self.height as usize, self.depth());
        match self.layout {
            Layout::Nchw => vec![1, depth, height, width],
            Layout::Nhwc => vec![1, height, width, depth],
            Layout::Chw => vec![depth, height, width],
            Layout::Hwc => vec![height, width, depth],
        }
    }
}

/// An input that is the same in every inference.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Other {
    pub(crate) name: String,
    pub(crate) element: Option<Element>,
    pub(crate) shape: Option<Vec<usize>>,
    pub(crate) value: Given,
}

/// What an input beside the picture holds. A graph that asks how large the picture is, is told of its own
/// input, so that its boxes come in pixels of that; fit and region are undone here, as for any model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    /// This number everywhere.
    All(Number),
    /// These, in row-major order.
    Each(Vec<Number>),
    /// `true` or `false` everywhere.
    Flag(bool),
    /// Height and width of the picture.
    HeightWidth,
    /// Width and height of the picture.
    WidthHeight,
    /// Height and width of the picture, and 1, the scale it was brought to that size with.
    HeightWidthScale,
    /// That scale alone: 1 everywhere.
    Scale,
}

/// What is to be made of the outputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub(crate) read: Read,
    /// The one output that is computed.
    pub(crate) name: Option<String>,
    /// Outputs by the part they play.
    pub(crate) parts: BTreeMap<&'static str, Vec<String>>,
    pub(crate) score: f32,
    /// Of some classes, by the index of their labels.
    pub(crate) scores: Vec<(u32, f32)>,
    /// The classes wanted, by the index of their labels; none: all.
    pub(crate) only: Option<Vec<u32>>,
    pub(crate) nms: Nms,
    pub(crate) nms_across: bool,
    pub(crate) max: usize,
    pub(crate) softmax: bool,
    pub(crate) sigmoid: Option<bool>,
    pub(crate) background: Option<Background>,
    pub(crate) form: BoxForm,
    pub(crate) units: Option<Units>,
    pub(crate) decoded: Option<bool>,
    pub(crate) end_to_end: Option<bool>,
    pub(crate) strides: Option<Vec<usize>>,
    /// Width and height in pixels of the input, by stride.
    pub(crate) anchors: Option<Vec<Vec<[f32; 2]>>>,
    pub(crate) variances: [f32; 4],
    pub(crate) offset: Option<f32>,
    pub(crate) points: Vec<String>,
    /// Pairs of points that are joined, by their indices.
    pub(crate) skeleton: Vec<[u32; 2]>,
}

/// Non-maximum suppression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Nms {
    /// Nothing is said of it: [`Nms::DEFAULT`], and none where the graph does it.
    Unsaid,
    /// None.
    Off,
    /// The IoU above which the lower of two boxes goes.
    Above(f32),
}

impl Nms {
    /// The IoU where nothing is said.
    pub(crate) const DEFAULT: f32 = 0.45;
}

/// Where among the classes the one is that means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Background {
    First,
    Last,
}

/// What the four numbers of a box are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoxForm {
    /// Left, top, right, bottom.
    Xyxy,
    /// Top, left, bottom, right.
    Yxyx,
    /// Centre, width and height.
    Cxcywh,
    /// Left, top, width and height.
    Xywh,
}

/// What a box is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Units {
    /// Pixels of the input.
    Pixels,
    /// Fractions of the input.
    Fractions,
}

/// More is no `model.toml`.
const MOST_BYTES: usize = 1 << 20;

impl Description {
    /// Reads `model.toml`, or the one in a folder, and the labels it names.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join("model.toml") } else { path.to_owned() };
        let unreadable = |why: String| {
            Error::model(format!(
                "{}: cannot be read: {why}; a model is a folder with a `model.toml`",
                path.display()
            ))
        };
        if std::fs::metadata(&path).is_ok_and(|data| data.len() > MOST_BYTES as u64) {
            return Err(unreadable(format!("it is larger than {} MiB", MOST_BYTES >> 20)));
        }
        let text = read_text(&path).map_err(|error| unreadable(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &path.display().to_string(), folder)
    }

    /// Checks the text of a `model.toml` called `shown` whose files lie in `folder`.
    pub(crate) fn parse(text: &str, shown: &str, folder: &Path) -> Result<Self> {
        let at = |(span, why): (Range<usize>, String)| {
            let (line, column) = written::place(text, span.start);
            Error::model(format!("{shown}:{line}:{column}: {why}"))
        };
        let document = DeTable::parse(text).map_err(|error| {
            let why = error.message().trim().replace('\n', ", ");
            at((error.span().unwrap_or(text.len()..text.len()), why))
        })?;
        check::check(document.get_ref(), folder).map_err(at)
    }
}
