//! What is written becomes what it means.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::written::{
    Node, Number, Section, Wrong, fraction, list, nearest, number, quoted, table, texts, unfit, wrong,
};
use super::{
    Background, BoxForm, Channels, Description, Given, Input, Layout, Nms, Other, Output, Read, Units,
};
use crate::base::{deceives, read_text};
use crate::frame::{Fit, MAX_BYTES, MAX_SIDE, PAD};
use crate::model::tensor::Element;

const TABLES: [&str; 6] = ["model", "input", "sizes", "inputs", "output", "outputs"];
const MODEL: [&str; 5] = ["name", "file", "sha256", "licence", "description"];
const INPUT: [&str; 11] =
    ["name", "width", "height", "fit", "channels", "layout", "type", "scale", "mean", "std", "pad"];
const OTHER: [&str; 3] = ["type", "shape", "value"];

/// What a constant may consist of.
const ELEMENTS: [Element; 12] = [
    Element::Float32,
    Element::Float16,
    Element::Float64,
    Element::Int8,
    Element::Int16,
    Element::Int32,
    Element::Int64,
    Element::Uint8,
    Element::Uint16,
    Element::Uint32,
    Element::Uint64,
    Element::Bool,
];

const ALL: &[Read] = &[
    Read::FastestDet,
    Read::YoloV5,
    Read::YoloV8,
    Read::YoloX,
    Read::Ssd,
    Read::UltraFace,
    Read::NanoDet,
    Read::Classifier,
    Read::Embedding,
    Read::Segmentation,
    Read::Keypoints,
    Read::Raw,
];
const BOXES: &[Read] = &[
    Read::FastestDet,
    Read::YoloV5,
    Read::YoloV8,
    Read::YoloX,
    Read::Ssd,
    Read::UltraFace,
    Read::NanoDet,
    Read::Keypoints,
];

/// The keys of `[output]`, and the read-outs they belong to.
const OUTPUT: [(&str, &[Read]); 22] = [
    ("read", ALL),
    ("name", ALL),
    (
        "labels",
        &[
            Read::FastestDet,
            Read::YoloV5,
            Read::YoloV8,
            Read::YoloX,
            Read::Ssd,
            Read::UltraFace,
            Read::NanoDet,
            Read::Classifier,
            Read::Segmentation,
            Read::Keypoints,
        ],
    ),
    (
        "score",
        &[
            Read::FastestDet,
            Read::YoloV5,
            Read::YoloV8,
            Read::YoloX,
            Read::Ssd,
            Read::UltraFace,
            Read::NanoDet,
            Read::Segmentation,
            Read::Keypoints,
        ],
    ),
    ("scores", BOXES),
    ("only", BOXES),
    ("nms", BOXES),
    ("nms_across", BOXES),
    ("max", BOXES),
    ("softmax", &[Read::Classifier, Read::Ssd]),
    ("sigmoid", &[Read::YoloV5, Read::Ssd, Read::NanoDet, Read::Classifier, Read::Segmentation]),
    ("background", &[Read::Ssd, Read::Classifier]),
    ("form", &[Read::Ssd]),
    ("units", &[Read::Ssd]),
    ("decoded", &[Read::YoloX, Read::UltraFace]),
    ("end_to_end", &[Read::YoloV8, Read::Keypoints]),
    ("strides", &[Read::YoloV5, Read::YoloX, Read::Ssd, Read::NanoDet]),
    ("anchors", &[Read::YoloV5, Read::Ssd]),
    ("variances", &[Read::Ssd]),
    ("offset", &[Read::NanoDet]),
    ("points", &[Read::Keypoints]),
    ("skeleton", &[Read::Keypoints]),
];

/// The parts outputs can play, by read-out.
const PARTS: [(Read, &[&str]); 5] = [
    (Read::YoloV5, &["heads"]),
    (Read::Ssd, &["boxes", "scores", "classes", "count", "priors"]),
    (Read::UltraFace, &["boxes", "scores"]),
    (Read::NanoDet, &["boxes", "scores"]),
    (Read::Keypoints, &["x", "y"]),
];

/// More values are no constant that a person wrote.
const MOST_VALUES: usize = 1 << 20;
/// Labels beyond this are no labels.
const MOST_LABEL_BYTES: u64 = 4 << 20;
/// Characters of a label; it stands beside every box.
const MOST_LABEL: usize = 200;

pub(super) fn check(document: &DeTable<'_>, folder: &Path) -> Result<Description, Wrong> {
    known_keys(document)?;
    let model = Section::required(document, "model")?;
    let input = Section::required(document, "input")?;
    let output = Section::required(document, "output")?;
    let name = model.needed("name", model.text("name")?, "what people call it")?;
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.get_ref().len() > 64 || !name.get_ref().chars().all(letter) {
        return wrong(
            name.span(),
            format!("model name {} is not 1 to 64 of a-z, 0-9, `-`, `_` and `.`", quoted(name.get_ref())),
        );
    }
    let file =
        model.needed("file", model.text("file")?, "the ONNX file, beside this one or an absolute path")?;
    let sha256 = model.text("sha256")?;
    if let Some(sha256) = &sha256
        && (sha256.get_ref().len() != 64 || !sha256.get_ref().chars().all(|c| c.is_ascii_hexdigit()))
    {
        return wrong(
            sha256.span(),
            "`sha256` is not 64 hex digits; `sha256sum` on the model file prints them",
        );
    }
    let licence = model.prose("licence")?;
    let description = model.prose("description")?;
    let input = check_input(&input)?;
    let others = check_others(document, &input)?;
    let sizes = check_sizes(document)?;
    let read = output.needed("read", output.word("read", &Read::WORDS)?, "how the outputs are read")?;
    belonging(&output, read)?;
    let labels = check_labels(&output, read, folder)?;
    let parts = check_parts(document, &output, read)?;
    Ok(Description {
        name: (*name.get_ref()).to_owned(),
        file: folder.join(file.get_ref()),
        sha256: sha256.map(|digest| digest.get_ref().to_ascii_lowercase()),
        licence,
        description,
        input,
        others,
        sizes,
        output: check_output(&output, read, &labels, parts)?,
        labels,
    })
}

/// The first key that does not exist, with the one that was probably meant.
fn known_keys(document: &DeTable<'_>) -> Result<(), Wrong> {
    let mut unknown: Vec<Wrong> = Vec::new();
    for key in document.keys() {
        let name: &str = key.get_ref();
        if !TABLES.contains(&name) {
            unknown.push((
                key.span(),
                format!("a model has no key {}; {}", quoted(name), nearest(name, TABLES)),
            ));
        }
    }
    let output = OUTPUT.map(|(key, _)| key);
    for (name, keys) in [("model", &MODEL[..]), ("input", &INPUT), ("output", &output)] {
        if let Some((span, table)) = table(document, name)? {
            Section { name: format!("[{name}]"), span, table }.only(keys, &mut unknown);
        }
    }
    if let Some((_, others)) = table(document, "inputs")? {
        for (name, node) in others {
            if let DeValue::Table(table) = node.get_ref() {
                other_section(name.get_ref(), node.span(), table).only(&OTHER, &mut unknown);
            }
        }
    }
    match unknown.into_iter().min_by_key(|(span, _)| span.start) {
        Some(first) => Err(first),
        None => Ok(()),
    }
}

fn other_section<'a>(name: &str, span: Range<usize>, table: &'a DeTable<'a>) -> Section<'a> {
    let quoted = quoted(name);
    Section { name: format!("[inputs.{}]", quoted.trim_matches('`')), span, table }
}

fn check_input(section: &Section<'_>) -> Result<Input, Wrong> {
    let side = |key: &str| {
        let most = i64::from(MAX_SIDE);
        let what = format!("an input has 1 to {MAX_SIDE} pixels a side");
        let side = section.whole(key, 1..=most, &what)?;
        section.needed(key, side, "the input's size in pixels").map(|side| side as u32)
    };
    let (width, height) = (side("width")?, side("height")?);
    if width as usize * height as usize * 3 > MAX_BYTES {
        let most = MAX_BYTES >> 20;
        return wrong(
            section.value("width").map_or(0..0, Spanned::span),
            format!("an input of {width}x{height} pixels is larger than {most} MiB"),
        );
    }
    let channels = section
        .word("channels", &[("rgb", Channels::Rgb), ("bgr", Channels::Bgr), ("gray", Channels::Gray)])?
        .unwrap_or(Channels::Rgb);
    let elements = [Element::Float32, Element::Float16, Element::Uint8, Element::Int32];
    let element = section
        .word("type", &elements.map(|element| (element.as_str(), element)))?
        .unwrap_or(Element::Float32);
    let whole = matches!(element, Element::Uint8 | Element::Int32);
    let of_channels = |key: &str, default: f32, zero: bool| {
        if whole && let Some(node) = section.value(key) {
            return wrong(
                node.span(),
                format!(
                    "`{key}` has no meaning for type `{}`, which takes pixels as they are",
                    element.as_str()
                ),
            );
        }
        let counts: &[usize] = if channels == Channels::Gray { &[1] } else { &[1, 3] };
        match section.reals(key, counts)?.as_deref() {
            Some(values) if !zero && values.contains(&0.0) => wrong(
                section.value(key).map_or(0..0, Spanned::span),
                format!("`{key}` is 0 somewhere; it is a finite number other than 0"),
            ),
            Some(&[a, b, c]) => Ok([a, b, c]),
            Some(&[one]) => Ok([one; 3]),
            _ => Ok([default; 3]),
        }
    };
    let scale = of_channels("scale", if whole { 1.0 } else { 1.0 / 255.0 }, false)?;
    let mean = of_channels("mean", 0.0, true)?;
    let std = of_channels("std", 1.0, false)?;
    // Of a pixel value everything a tensor holds must be finite, or every answer would be dropped unseen.
    let finite = (0..3).all(|at| {
        [0.0_f32, 255.0].iter().all(|pixel| {
            let value = (pixel * scale[at] - mean[at]) / std[at];
            value.is_finite() && (element != Element::Float16 || value.abs() < 65520.0)
        })
    });
    if !finite {
        return wrong(
            section.span.clone(),
            format!(
                "`scale`, `mean` and `std` make values of pixels that `{}` cannot hold; value = (pixel * scale - mean) / std",
                element.as_str()
            ),
        );
    }
    Ok(Input {
        name: section.text("name")?.map(|name| (*name.get_ref()).to_owned()),
        width,
        height,
        fit: section
            .word(
                "fit",
                &[
                    ("stretch", Fit::Stretch),
                    ("letterbox", Fit::Letterbox),
                    ("letterbox-corner", Fit::LetterboxCorner),
                    ("crop", Fit::Crop),
                ],
            )?
            .unwrap_or(Fit::Stretch),
        channels,
        layout: section
            .word(
                "layout",
                &[("nchw", Layout::Nchw), ("nhwc", Layout::Nhwc), ("chw", Layout::Chw), ("hwc", Layout::Hwc)],
            )?
            .unwrap_or(Layout::Nchw),
        element,
        scale,
        mean,
        std,
        pad: section.whole("pad", 0..=255, "it is a grey of 0 to 255")?.map_or(PAD, |pad| pad as u8),
    })
}

fn check_sizes(document: &DeTable<'_>) -> Result<BTreeMap<String, usize>, Wrong> {
    let Some((span, table)) = table(document, "sizes")? else { return Ok(BTreeMap::new()) };
    let section = Section { name: "[sizes]".to_owned(), span, table };
    let mut sizes = BTreeMap::new();
    for key in table.keys() {
        let name: &str = key.get_ref();
        if let Some(size) = section.whole(name, 1..=65_536, "an axis has a size of 1 to 65536")? {
            sizes.insert(name.to_owned(), size as usize);
        }
    }
    Ok(sizes)
}

fn check_others(document: &DeTable<'_>, input: &Input) -> Result<Vec<Other>, Wrong> {
    let Some((_, inputs)) = table(document, "inputs")? else { return Ok(Vec::new()) };
    let mut others = Vec::new();
    for (key, node) in inputs {
        let name: &str = key.get_ref();
        let DeValue::Table(table) = node.get_ref() else {
            return unfit(node, &format!("inputs.{name}"), "a table with `value`");
        };
        if input.name.as_deref() == Some(name) {
            return wrong(key.span(), format!("{} is the picture, which `[input]` describes", quoted(name)));
        }
        let section = other_section(name, node.span(), table);
        let element = section.word("type", &ELEMENTS.map(|element| (element.as_str(), element)))?;
        let shape = match section.value("shape") {
            None => None,
            Some(node) => Some(check_shape(node)?),
        };
        let value =
            section.needed("value", section.value("value"), "the number, or the list, the input holds")?;
        let given = check_given(value)?;
        if let (Given::Each(values), Some(shape)) = (&given, &shape)
            && shape.iter().product::<usize>() != values.len()
        {
            return wrong(
                value.span(),
                format!(
                    "`value` has {} numbers, but shape {} takes {}",
                    values.len(),
                    crate::model::tensor::shown(shape),
                    shape.iter().product::<usize>()
                ),
            );
        }
        others.push(Other { name: name.to_owned(), element, shape, value: given });
    }
    Ok(others)
}

fn check_shape(node: Node<'_>) -> Result<Vec<usize>, Wrong> {
    let sizes: Option<Vec<usize>> = match node.get_ref() {
        DeValue::Array(sizes) => sizes
            .iter()
            .map(|size| match number(size) {
                Some(Number::Whole(size @ 1..=1_048_576)) => Some(size as usize),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    let Some(sizes) = sizes else {
        return unfit(node, "shape", "a list of whole numbers above 0: `[1, 2]`, or `[]` for one number");
    };
    let values = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    match values {
        Some(values) if values <= MOST_VALUES => Ok(sizes),
        _ => wrong(node.span(), format!("`shape` is more than {MOST_VALUES} values")),
    }
}

fn check_given(node: Node<'_>) -> Result<Given, Wrong> {
    const WORDS: [(&str, Given); 4] = [
        ("height-width", Given::HeightWidth),
        ("width-height", Given::WidthHeight),
        ("height-width-scale", Given::HeightWidthScale),
        ("scale", Given::Scale),
    ];
    let wants = "a number, a list of numbers, `true`, `false`, or one of \
                 `height-width`, `width-height`, `height-width-scale`, `scale`";
    match node.get_ref() {
        DeValue::Boolean(value) => Ok(Given::Flag(*value)),
        DeValue::String(text) => match WORDS.into_iter().find(|(word, _)| word == text) {
            Some((_, given)) => Ok(given),
            None => wrong(
                node.span(),
                format!(
                    "`value` is {}; {}",
                    quoted(text),
                    nearest(text, WORDS.iter().map(|(word, _)| *word)).replacen("it has", "it is one of", 1)
                ),
            ),
        },
        DeValue::Array(items) => {
            let mut values = Vec::new();
            for item in items {
                match number(item) {
                    Some(value) => values.push(value),
                    None => return unfit(item, "an entry of value", "a number"),
                }
            }
            if values.is_empty() {
                return wrong(node.span(), "`value` is an empty list");
            }
            Ok(Given::Each(values))
        }
        _ => match number(node) {
            Some(value) => Ok(Given::All(value)),
            None => unfit(node, "value", wants),
        },
    }
}

/// That no key is there which another read-out takes.
fn belonging(section: &Section<'_>, read: Read) -> Result<(), Wrong> {
    let mut misplaced: Vec<Wrong> = Vec::new();
    for (key, reads) in OUTPUT {
        if let Some(node) = section.value(key)
            && !reads.contains(&read)
        {
            let whose = if reads == BOXES {
                "detectors and keypoints".to_owned()
            } else if reads.len() > 5 {
                let not = ALL.iter().filter(|read| !reads.contains(read)).map(|read| read.as_str());
                format!("all but {}", list(not))
            } else {
                format!("read {}", list(reads.iter().map(|read| read.as_str())))
            };
            let why = format!("`{key}` is for {whose}, and not for `{}`; remove it", read.as_str());
            misplaced.push((node.span(), why));
        }
    }
    match misplaced.into_iter().min_by_key(|(span, _)| span.start) {
        Some(first) => Err(first),
        None => Ok(()),
    }
}

fn check_parts(
    document: &DeTable<'_>,
    output: &Section<'_>,
    read: Read,
) -> Result<BTreeMap<&'static str, Vec<String>>, Wrong> {
    let Some((span, table)) = table(document, "outputs")? else { return Ok(BTreeMap::new()) };
    let known = PARTS.iter().find(|(of, _)| *of == read).map_or(&[][..], |(_, parts)| parts);
    if known.is_empty() {
        let reads = list(PARTS.iter().map(|(read, _)| read.as_str()));
        return wrong(
            span,
            format!("`[outputs]` is for read {reads}; for `{}` write `name` in `[output]`", read.as_str()),
        );
    }
    if let Some(name) = output.value("name") {
        return wrong(
            name.span(),
            "`name` is the one output that is computed, but `[outputs]` names several; remove one of the two",
        );
    }
    let section = Section { name: "[outputs]".to_owned(), span, table };
    let mut unknown = Vec::new();
    section.only(known, &mut unknown);
    if let Some(first) = unknown.into_iter().min_by_key(|(span, _)| span.start) {
        return Err(first);
    }
    let mut parts = BTreeMap::new();
    let mut seen: Vec<&str> = Vec::new();
    for part in known {
        let Some(node) = section.value(part) else { continue };
        let several = matches!(read, Read::YoloV5 | Read::NanoDet);
        let names = match node.get_ref() {
            DeValue::String(name) if !name.is_empty() => vec![Spanned::new(node.span(), name.as_ref())],
            DeValue::Array(_) if several => texts(node, part)?,
            _ if several => return unfit(node, part, "the name of an output, or a list of them"),
            _ => return unfit(node, part, "the name of an output"),
        };
        if names.is_empty() {
            return wrong(node.span(), format!("`{part}` is an empty list"));
        }
        for name in &names {
            if seen.contains(name.get_ref()) {
                return wrong(
                    name.span(),
                    format!("output {} is here a second time", quoted(name.get_ref())),
                );
            }
            seen.push(name.get_ref());
        }
        parts.insert(*part, names.iter().map(|name| (*name.get_ref()).to_owned()).collect());
    }
    Ok(parts)
}

fn check_output(
    section: &Section<'_>,
    read: Read,
    labels: &[String],
    parts: BTreeMap<&'static str, Vec<String>>,
) -> Result<Output, Wrong> {
    let softmax = section.boolean("softmax")?.unwrap_or(false);
    let sigmoid = section.boolean("sigmoid")?;
    if softmax && sigmoid == Some(true) {
        return wrong(
            section.key_span("sigmoid"),
            "`softmax` and `sigmoid` are both true; a score is made by one of them",
        );
    }
    let nms = match section.value("nms") {
        None => Nms::Unsaid,
        Some(node) => match node.get_ref() {
            DeValue::Boolean(false) => Nms::Off,
            DeValue::Boolean(true) => {
                return wrong(
                    node.span(),
                    "`nms` is `true`; it is an IoU between 0 and 1, or `false` for none",
                );
            }
            _ => Nms::Above(fraction(node, "nms")?),
        },
    };
    let strides = section.value("strides").map(check_strides).transpose()?;
    let anchors = section.value("anchors").map(check_anchors).transpose()?;
    if let (Some(strides), Some(anchors)) = (&strides, &anchors)
        && strides.len() != anchors.len()
    {
        return wrong(
            section.value("anchors").map_or(0..0, Spanned::span),
            format!("`anchors` are of {} strides, but `strides` names {}", anchors.len(), strides.len()),
        );
    }
    let variances = match section.reals("variances", &[2, 4])?.as_deref() {
        Some(values) if values.iter().any(|value| *value <= 0.0) => {
            return wrong(
                section.value("variances").map_or(0..0, Spanned::span),
                "`variances` are numbers above 0",
            );
        }
        Some(&[centre, size]) => [centre, centre, size, size],
        Some(&[a, b, c, d]) => [a, b, c, d],
        _ => [0.1, 0.1, 0.2, 0.2],
    };
    let points = section.texts("points")?.unwrap_or_default();
    if read == Read::Keypoints && points.is_empty() {
        return wrong(
            section.span.clone(),
            "`[output]` has no `points`: the names of the model's points, in order",
        );
    }
    for (at, point) in points.iter().enumerate() {
        if points[..at].iter().any(|other| other.get_ref() == point.get_ref()) {
            return wrong(point.span(), format!("point {} is here a second time", quoted(point.get_ref())));
        }
    }
    let points: Vec<String> = points.iter().map(|point| (*point.get_ref()).to_owned()).collect();
    let skeleton = section.value("skeleton").map(|node| check_skeleton(node, &points)).transpose()?;
    let only = match section.texts("only")? {
        None => None,
        Some(names) if names.is_empty() => {
            return wrong(
                section.value("only").map_or(0..0, Spanned::span),
                "`only` is an empty list, which would drop everything; name classes or remove it",
            );
        }
        Some(names) => {
            let mut wanted = Vec::new();
            for name in names {
                wanted.extend(labelled(labels, name.get_ref(), name.span())?);
            }
            wanted.sort_unstable();
            wanted.dedup();
            Some(wanted)
        }
    };
    let default_score = if read == Read::Segmentation { 0.5 } else { 0.25 };
    Ok(Output {
        read,
        name: section.text("name")?.map(|name| (*name.get_ref()).to_owned()),
        parts,
        score: section.fraction("score")?.unwrap_or(default_score),
        scores: check_scores(section, labels)?,
        only,
        nms,
        nms_across: section.boolean("nms_across")?.unwrap_or(read == Read::FastestDet),
        max: section.whole("max", 1..=10_000, "it is between 1 and 10000")?.map_or(300, |max| max as usize),
        softmax,
        sigmoid,
        background: section
            .word("background", &[("first", Background::First), ("last", Background::Last)])?,
        form: section
            .word(
                "form",
                &[
                    ("xyxy", BoxForm::Xyxy),
                    ("yxyx", BoxForm::Yxyx),
                    ("cxcywh", BoxForm::Cxcywh),
                    ("xywh", BoxForm::Xywh),
                ],
            )?
            .unwrap_or(BoxForm::Xyxy),
        units: section.word("units", &[("pixels", Units::Pixels), ("fractions", Units::Fractions)])?,
        decoded: section.boolean("decoded")?,
        end_to_end: section.boolean("end_to_end")?,
        strides,
        anchors,
        variances,
        offset: section.fraction("offset")?,
        points,
        skeleton: skeleton.unwrap_or_default(),
    })
}

/// The indices of the label called `name`.
fn labelled(labels: &[String], name: &str, at: Range<usize>) -> Result<Vec<u32>, Wrong> {
    let found: Vec<u32> =
        (0..).zip(labels).filter(|(_, label)| label.as_str() == name).map(|(index, _)| index).collect();
    if found.is_empty() {
        let hint = nearest(name, labels.iter().map(String::as_str));
        return wrong(
            at,
            format!("no label is called {}; {}", quoted(name), hint.replacen("it has", "there are", 1)),
        );
    }
    Ok(found)
}

fn check_scores(section: &Section<'_>, labels: &[String]) -> Result<Vec<(u32, f32)>, Wrong> {
    let Some(node) = section.value("scores") else { return Ok(Vec::new()) };
    let DeValue::Table(table) = node.get_ref() else {
        return unfit(node, "scores", "a table of scores by label: `{ person = 0.6 }`");
    };
    let mut scores = Vec::new();
    for (key, node) in table {
        let score = fraction(node, key.get_ref())?;
        scores.extend(labelled(labels, key.get_ref(), key.span())?.into_iter().map(|label| (label, score)));
    }
    Ok(scores)
}

fn check_strides(node: Node<'_>) -> Result<Vec<usize>, Wrong> {
    let strides: Option<Vec<usize>> = match node.get_ref() {
        DeValue::Array(items) if (1..=8).contains(&items.len()) => items
            .iter()
            .map(|item| match number(item) {
                Some(Number::Whole(stride @ 1..=1024)) => Some(stride as usize),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    match strides {
        Some(strides) => Ok(strides),
        None => {
            wrong(node.span(), "`strides` is not a list of 1 to 8 whole numbers of 1 to 1024: `[8, 16, 32]`")
        }
    }
}

fn check_anchors(node: Node<'_>) -> Result<Vec<Vec<[f32; 2]>>, Wrong> {
    let side = |node: Node<'_>| {
        number(node).map(|side| side.real() as f32).filter(|side| *side > 0.0 && *side <= 16_384.0)
    };
    let pair = |node: Node<'_>| match node.get_ref().as_array()?.iter().collect::<Vec<_>>()[..] {
        [width, height] => Some([side(width)?, side(height)?]),
        _ => None,
    };
    let of_stride = |node: Node<'_>| {
        let anchors: Vec<[f32; 2]> = node.get_ref().as_array()?.iter().map(pair).collect::<Option<_>>()?;
        (1..=32).contains(&anchors.len()).then_some(anchors)
    };
    let anchors: Option<Vec<_>> = match node.get_ref() {
        DeValue::Array(items) if (1..=8).contains(&items.len()) => items.iter().map(of_stride).collect(),
        _ => None,
    };
    match anchors {
        Some(anchors) => Ok(anchors),
        None => wrong(
            node.span(),
            "`anchors` is not a list by stride of lists of width and height in pixels: `[[[10, 13], [16, 30]], [[30, 61]]]`",
        ),
    }
}

fn check_skeleton(node: Node<'_>, points: &[String]) -> Result<Vec<[u32; 2]>, Wrong> {
    let DeValue::Array(items) = node.get_ref() else {
        return unfit(node, "skeleton", "a list of pairs of points: `[[\"left_hip\", \"left_knee\"]]`");
    };
    let index = |name: &Spanned<&str>| {
        let found = (0..).zip(points).find(|(_, point)| point == name.get_ref());
        match found {
            Some((index, _)) => Ok(index),
            None => {
                let hint = nearest(name.get_ref(), points.iter().map(String::as_str));
                let why = format!("no point is called {}; {}", quoted(name.get_ref()), hint);
                wrong(name.span(), why.replacen("it has", "there are", 1))
            }
        }
    };
    let mut joined: Vec<[u32; 2]> = Vec::new();
    for item in items {
        match &texts(item, "skeleton")?[..] {
            [from, to] => joined.push([index(from)?, index(to)?]),
            _ => return wrong(item.span(), "an entry of `skeleton` is not a pair of points"),
        }
    }
    Ok(joined)
}

/// What is wrong with a label that steers whoever reads it.
const DECEIVES: &str = "the label holds characters that steer a terminal; leave them out";

fn check_labels(section: &Section<'_>, read: Read, folder: &Path) -> Result<Vec<String>, Wrong> {
    let Some(node) = section.value("labels") else {
        return match read {
            Read::Raw | Read::Embedding => Ok(Vec::new()),
            Read::UltraFace => Ok(vec!["face".to_owned()]),
            Read::Keypoints => Ok(vec!["person".to_owned()]),
            _ => wrong(
                section.value("read").map_or(0..0, Spanned::span),
                "`labels` is missing: the file that names the model's classes, one a line, or a list of names",
            ),
        };
    };
    if let DeValue::Array(_) = node.get_ref() {
        let names = texts(node, "labels")?;
        if names.is_empty() {
            return wrong(node.span(), "`labels` is an empty list");
        }
        if let Some(name) = names.iter().find(|name| name.get_ref().chars().any(deceives)) {
            return wrong(name.span(), DECEIVES);
        }
        return Ok(names.iter().map(|name| (*name.get_ref()).to_owned()).collect());
    }
    let Some(name) = node.get_ref().as_str() else {
        return unfit(node, "labels", "the name of a file, or a list of names");
    };
    let path = folder.join(name);
    let shown = quoted(&path.display().to_string());
    if std::fs::metadata(&path).is_ok_and(|data| data.len() > MOST_LABEL_BYTES) {
        let most = MOST_LABEL_BYTES >> 20;
        return wrong(node.span(), format!("labels {shown} is larger than {most} MiB"));
    }
    let text = match read_text(&path) {
        Ok(text) => text,
        Err(error) => return wrong(node.span(), format!("labels {shown} cannot be read: {error}")),
    };
    // Windows' editors put a mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let names: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    if let Some(empty) = names.iter().position(String::is_empty) {
        return wrong(node.span(), format!("labels {shown} has nothing on line {}", empty + 1));
    }
    if names.is_empty() {
        return wrong(node.span(), format!("labels {shown} is empty"));
    }
    if let Some(line) = names.iter().position(|name| name.chars().any(deceives)) {
        return wrong(node.span(), format!("labels {shown}, line {}: {DECEIVES}", line + 1));
    }
    if let Some(line) = names.iter().position(|name| name.chars().count() > MOST_LABEL) {
        let most = format!("the label is longer than {MOST_LABEL} characters");
        return wrong(node.span(), format!("labels {shown}, line {}: {most}", line + 1));
    }
    Ok(names)
}
