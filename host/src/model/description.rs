//! `model.toml`: what the file says, and what it means.
//!
//! ```toml
//! [model]
//! name = "person"              # what people call it: 1 to 64 of a-z, 0-9, `-`, `_` and `.`
//! file = "model.onnx"          # ONNX, beside this file or an absolute path
//! sha256 = "9f86d081…"         # optional: the file is refused if it is another
//! licence = "Apache-2.0"       # optional, for people
//! description = "…"            # optional, for people
//!
//! [input]
//! name = "images"              # optional where the graph has one input
//! width = 384                  # pixels; width x height x 3 is at most 16 MiB
//! height = 224
//! fit = "letterbox"            # stretch | letterbox | crop (default stretch)
//! channels = "rgb"             # rgb | bgr (default rgb)
//! layout = "nchw"              # nchw | nhwc (default nchw)
//! type = "float32"             # float32 | uint8 (default float32)
//! scale = 0.00392156862745098  # value = (pixel * scale - mean) / std; default 1/255, and 1 for uint8,
//! mean = [0.485, 0.456, 0.406] #   which takes pixels as they are and none of the three
//! std = [0.229, 0.224, 0.225]  # in the order of `channels`; default mean 0, std 1
//! pad = 114                    # grey of letterbox bars, 0 to 255 (default 114)
//!
//! [output]
//! read = "yolov8"              # fastestdet | yolov8 | classifier | raw
//! name = "output0"             # optional: the one output that is computed; default all, the first is read
//! labels = "labels.txt"        # one a line, beside this file or an absolute path; not for raw
//! score = 0.25                 # detectors: what scores lower is dropped (default 0.25)
//! nms = 0.45                   # detectors: IoU above which the lower of two is dropped (default 0.45)
//! max = 300                    # detectors: most detections (default 300, at most 10000)
//! softmax = true               # classifiers: outputs are logits (default false: they sum to 1 already)
//! ```

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use crate::base::{Error, Result, read_text};
use crate::frame::{Fit, MAX_BYTES, MAX_SIDE, PAD};

/// How outputs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Read {
    FastestDet,
    YoloV8,
    Classifier,
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Channels {
    Rgb,
    Bgr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Layout {
    Nchw,
    Nhwc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Element {
    Float32,
    Uint8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenFit {
    Stretch,
    Letterbox,
    Crop,
}

#[derive(Deserialize)]
struct Written {
    model: WrittenModel,
    input: WrittenInput,
    output: WrittenOutput,
}

#[derive(Deserialize)]
struct WrittenModel {
    name: Spanned<String>,
    file: Spanned<String>,
    sha256: Option<Spanned<String>>,
    licence: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct WrittenInput {
    name: Option<String>,
    width: Spanned<i64>,
    height: Spanned<i64>,
    fit: Option<WrittenFit>,
    channels: Option<Channels>,
    layout: Option<Layout>,
    #[serde(rename = "type")]
    element: Option<Element>,
    scale: Option<Spanned<f32>>,
    mean: Option<Spanned<[f32; 3]>>,
    std: Option<Spanned<[f32; 3]>>,
    pad: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
struct WrittenOutput {
    read: Spanned<Read>,
    name: Option<String>,
    labels: Option<Spanned<String>>,
    score: Option<Spanned<f32>>,
    nms: Option<Spanned<f32>>,
    max: Option<Spanned<i64>>,
    softmax: Option<Spanned<bool>>,
}

/// Every key there is, by table.
const KEYS: [(&str, &[&str]); 3] = [
    ("model", &["name", "file", "sha256", "licence", "description"]),
    (
        "input",
        &["name", "width", "height", "fit", "channels", "layout", "type", "scale", "mean", "std", "pad"],
    ),
    ("output", &["read", "name", "labels", "score", "nms", "max", "softmax"]),
];

/// A `model.toml`, checked: every default filled, labels read. Whether the ONNX file agrees is found when
/// that is loaded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Description {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// 64 lower-case hex digits.
    pub(super) sha256: Option<String>,
    pub(super) licence: Option<String>,
    pub(super) description: Option<String>,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) labels: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    pub(super) name: Option<String>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) fit: Fit,
    pub(super) channels: Channels,
    pub(super) layout: Layout,
    pub(super) element: Element,
    pub(super) scale: f32,
    pub(super) mean: [f32; 3],
    pub(super) std: [f32; 3],
    pub(super) pad: u8,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Output {
    pub(super) read: Read,
    pub(super) name: Option<String>,
    pub(super) score: f32,
    pub(super) nms: f32,
    pub(super) max: usize,
    pub(super) softmax: bool,
}

impl Description {
    /// Reads `model.toml`, or the one in a folder, and the labels it names.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join("model.toml") } else { path.to_owned() };
        let text = read_text(&path).map_err(|error| {
            Error::model(format!(
                "{}: cannot be read: {error}; a model is a folder with a `model.toml`",
                path.display()
            ))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &path.display().to_string(), folder)
    }

    /// Checks the text of a `model.toml` called `shown` whose files lie in `folder`.
    pub(super) fn parse(text: &str, shown: &str, folder: &Path) -> Result<Self> {
        let at = |span: Range<usize>, why: String| {
            let (line, column) = place(text, span.start);
            Error::model(format!("{shown}:{line}:{column}: {why}"))
        };
        let toml = |error: toml::de::Error| {
            let why = error.message().trim().replace('\n', ", ");
            match error.span() {
                Some(span) => at(span, why),
                None => Error::model(format!("{shown}: {why}")),
            }
        };
        known_keys(DeTable::parse(text).map_err(toml)?.get_ref()).map_err(|(span, why)| at(span, why))?;
        let written: Written = toml::from_str(text).map_err(toml)?;
        check(written, folder).map_err(|(span, why)| at(span, why))
    }
}

type Wrong = (Range<usize>, String);

fn wrong<T, S>(what: &Spanned<S>, why: impl Into<String>) -> Result<T, Wrong> {
    Err((what.span(), why.into()))
}

fn check(written: Written, folder: &Path) -> Result<Description, Wrong> {
    let Written { model, input, output } = written;
    let name = model.name.get_ref();
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(letter) {
        return wrong(
            &model.name,
            format!("model name `{name}` is not 1 to 64 of a-z, 0-9, `-`, `_` and `.`"),
        );
    }
    if let Some(sha256) = &model.sha256
        && (sha256.get_ref().len() != 64 || !sha256.get_ref().chars().all(|c| c.is_ascii_hexdigit()))
    {
        return wrong(sha256, "`sha256` is not 64 hex digits; `sha256sum` on the model file prints them");
    }
    let input = check_input(input)?;
    let labels = read_labels(&output, folder)?;
    Ok(Description {
        name: model.name.into_inner(),
        file: folder.join(model.file.into_inner()),
        sha256: model.sha256.map(|digest| digest.into_inner().to_ascii_lowercase()),
        licence: model.licence,
        description: model.description,
        input,
        output: check_output(output)?,
        labels,
    })
}

fn check_input(written: WrittenInput) -> Result<Input, Wrong> {
    for (key, side) in [("width", &written.width), ("height", &written.height)] {
        if !(1..=i64::from(MAX_SIDE)).contains(side.get_ref()) {
            return wrong(
                side,
                format!("`{key}` is {}; an input has 1 to {MAX_SIDE} pixels a side", side.get_ref()),
            );
        }
    }
    // Both are in range now.
    let (width, height) = (*written.width.get_ref() as u32, *written.height.get_ref() as u32);
    if width as usize * height as usize * 3 > MAX_BYTES {
        let most = MAX_BYTES >> 20;
        return wrong(
            &written.width,
            format!("an input of {width}x{height} pixels is larger than {most} MiB"),
        );
    }
    let element = written.element.unwrap_or(Element::Float32);
    if element == Element::Uint8 {
        let spans = [
            ("scale", written.scale.as_ref().map(Spanned::span)),
            ("mean", written.mean.as_ref().map(Spanned::span)),
            ("std", written.std.as_ref().map(Spanned::span)),
        ];
        if let Some((key, Some(span))) = spans.into_iter().find(|(_, span)| span.is_some()) {
            return Err((
                span,
                format!("`{key}` has no meaning for type `uint8`, which takes pixels as they are"),
            ));
        }
    }
    if let Some(scale) = &written.scale
        && (!scale.get_ref().is_finite() || *scale.get_ref() == 0.0)
    {
        return wrong(scale, "`scale` is not a finite number other than 0");
    }
    if let Some(mean) = &written.mean
        && !mean.get_ref().iter().all(|value| value.is_finite())
    {
        return wrong(mean, "`mean` is not three finite numbers");
    }
    if let Some(std) = &written.std
        && !std.get_ref().iter().all(|value| value.is_finite() && *value != 0.0)
    {
        return wrong(std, "`std` is not three finite numbers other than 0");
    }
    let pad = match &written.pad {
        None => PAD,
        Some(pad) => match u8::try_from(*pad.get_ref()) {
            Ok(pad) => pad,
            Err(_) => return wrong(pad, format!("`pad` is {}; it is a grey of 0 to 255", pad.get_ref())),
        },
    };
    Ok(Input {
        name: written.name,
        width,
        height,
        fit: match written.fit {
            None | Some(WrittenFit::Stretch) => Fit::Stretch,
            Some(WrittenFit::Letterbox) => Fit::Letterbox,
            Some(WrittenFit::Crop) => Fit::Crop,
        },
        channels: written.channels.unwrap_or(Channels::Rgb),
        layout: written.layout.unwrap_or(Layout::Nchw),
        element,
        scale: written.scale.map_or(1.0 / 255.0, Spanned::into_inner),
        mean: written.mean.map_or([0.0; 3], Spanned::into_inner),
        std: written.std.map_or([1.0; 3], Spanned::into_inner),
        pad,
    })
}

fn check_output(written: WrittenOutput) -> Result<Output, Wrong> {
    let read = *written.read.get_ref();
    let detector = matches!(read, Read::FastestDet | Read::YoloV8);
    let misplaced = [
        ("score", written.score.as_ref().map(Spanned::span), detector),
        ("nms", written.nms.as_ref().map(Spanned::span), detector),
        ("max", written.max.as_ref().map(Spanned::span), detector),
        ("softmax", written.softmax.as_ref().map(Spanned::span), read == Read::Classifier),
    ];
    for (key, span, belongs) in misplaced {
        if let (Some(span), false) = (span, belongs) {
            let whose = if key == "softmax" { "classifiers" } else { "detectors" };
            return Err((span, format!("`{key}` is for {whose} only; remove it")));
        }
    }
    for (key, fraction) in [("score", &written.score), ("nms", &written.nms)] {
        if let Some(fraction) = fraction
            && !(0.0..=1.0).contains(fraction.get_ref())
        {
            return wrong(fraction, format!("`{key}` is {}; it is between 0 and 1", fraction.get_ref()));
        }
    }
    if let Some(max) = &written.max
        && !(1..=10_000).contains(max.get_ref())
    {
        return wrong(max, format!("`max` is {}; it is between 1 and 10000", max.get_ref()));
    }
    Ok(Output {
        read,
        name: written.name,
        score: written.score.map_or(0.25, Spanned::into_inner),
        nms: written.nms.map_or(0.45, Spanned::into_inner),
        max: written.max.map_or(300, |max| max.into_inner() as usize),
        softmax: written.softmax.is_some_and(Spanned::into_inner),
    })
}

fn read_labels(output: &WrittenOutput, folder: &Path) -> Result<Vec<String>, Wrong> {
    let Some(labels) = &output.labels else {
        if *output.read.get_ref() == Read::Raw {
            return Ok(Vec::new());
        }
        return wrong(
            &output.read,
            "`labels` is missing: the file that names the model's classes, one a line",
        );
    };
    let path = folder.join(labels.get_ref());
    let text = match read_text(&path) {
        Ok(text) => text,
        Err(error) => return wrong(labels, format!("labels `{}` cannot be read: {error}", path.display())),
    };
    let names: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    if let Some(empty) = names.iter().position(String::is_empty) {
        return wrong(labels, format!("labels `{}` has nothing on line {}", path.display(), empty + 1));
    }
    if names.is_empty() {
        return wrong(labels, format!("labels `{}` is empty", path.display()));
    }
    Ok(names)
}

/// The first key that does not exist, with the one that was probably meant.
fn known_keys(document: &DeTable<'_>) -> Result<(), Wrong> {
    let mut unknown: Vec<Wrong> = Vec::new();
    let mut look = |table: &DeTable<'_>, known: &[&str], whose: &str| {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                unknown.push((key.span(), format!("{whose} has no key `{name}`; {}", nearest(name, known))));
            }
        }
    };
    look(document, &KEYS.map(|(table, _)| table), "a model");
    for (table, keys) in KEYS {
        if let Some(inner) = document.get(table).and_then(|value| value.get_ref().as_table()) {
            look(inner, keys, &format!("`[{table}]`"));
        }
    }
    match unknown.into_iter().min_by_key(|(span, _)| span.start) {
        Some(first) => Err(first),
        None => Ok(()),
    }
}

fn nearest(name: &str, known: &[&str]) -> String {
    let best = known
        .iter()
        .map(|key| (strsim::jaro_winkler(name, key), key))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match best {
        Some((likeness, key)) if likeness > 0.7 => format!("did you mean `{key}`?"),
        _ => format!("it has `{}`", known.join("`, `")),
    }
}

/// Line and column, from 1, of a byte offset; columns count characters.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
