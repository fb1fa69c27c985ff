//! A first `model.toml` for a graph nobody has described. What a graph shows (shapes, operators, constants,
//! what its exporter noted) narrows down how it is to be used; what it cannot show, such as the order of
//! colours, is the habit of models like it. Every line says which of the two it is.

mod look;
mod rules;

use std::fmt::Write as _;

use super::{Declared, Graph, quoted};
use crate::base::Error;
use crate::model::tensor::Element;
use look::{Look, known};
use rules::{Found, Habit, Numbers, Picture};

/// How sure a guess is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// The graph shows it.
    Sure,
    /// It would be odd otherwise.
    Likely,
    /// It may well be otherwise; try it.
    Guess,
}

impl Certainty {
    /// As in `sure: …`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Certainty::Sure => "sure",
            Certainty::Likely => "likely",
            Certainty::Guess => "a guess",
        }
    }
}

/// Something guessed, how surely, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged<T> {
    pub(crate) value: T,
    pub(crate) sure: Certainty,
    pub(crate) why: String,
}

/// A guessed description.
#[derive(Debug, Clone)]
pub(crate) struct Guess {
    /// A word for `read`.
    pub(crate) read: Judged<&'static str>,
    /// Classes that labels name, as far as the outputs show them.
    pub(crate) classes: Option<usize>,
    /// What belongs into `labels.txt`: names from the file's metadata, else `class-0` and so on. Empty where
    /// the read-out takes none.
    pub(crate) labels: Vec<String>,
    /// Whether `labels` only stand in for names that the file does not have.
    pub(crate) labels_made_up: bool,
    /// Width and height of the picture.
    pub(crate) size: Judged<(usize, usize)>,
    /// What the owner should look at.
    pub(crate) doubts: Vec<String>,
    /// The text of the `model.toml`.
    pub(crate) toml: String,
}

/// What is known of a model's file beside its graph.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    /// For `name`.
    pub(crate) name: &'a str,
    /// For `file`.
    pub(crate) file: &'a str,
    /// For `sha256`.
    pub(crate) sha256: &'a str,
}

/// An input that could be a picture, and how it lies in memory.
struct Seen<'a> {
    input: &'a Declared,
    element: Element,
    layout: &'static str,
    channels: usize,
    width: Option<usize>,
    height: Option<usize>,
}

impl Graph {
    /// Guesses how to use it. An error where no input can be a picture.
    pub(crate) fn guess(&self, named: &Named<'_>) -> Result<Guess, Error> {
        let look = Look::new(self);
        let seen = self.inputs.iter().find_map(picture).ok_or_else(|| self.no_picture())?;
        let noted = rules::size(&look);
        let mut shape = Picture {
            width: seen.width,
            height: seen.height,
            last: seen.layout.ends_with('c'),
            element: seen.element,
        };
        if let (None, None, Some((height, width))) = (seen.width, seen.height, noted) {
            (shape.width, shape.height) = (Some(width), Some(height));
        }
        let found = rules::read_out(&look, &shape);
        let size = size(&seen, noted, &found);
        let (labels, labels_made_up) = labels(&look, &found);
        let mut doubts = found.doubts.clone();
        if !self.foreign.is_empty() {
            let foreign: Vec<String> =
                self.foreign.iter().map(|one| format!("{} of {}", one.operator, one.domain)).collect();
            doubts.push(format!("not every back end has {}", foreign.join(", ")));
        }
        let toml = self.toml(named, &look, &seen, &found, &size, &labels, labels_made_up, &doubts);
        Ok(Guess { read: found.read, classes: found.classes, labels, labels_made_up, size, doubts, toml })
    }

    fn no_picture(&self) -> Error {
        let has: Vec<String> =
            self.inputs.iter().map(|input| format!("{} ({})", quoted(&input.name), input.shown)).collect();
        Error::model(format!(
            "no input can be a picture, with 1 or 3 channels first or last; the graph has {}",
            if has.is_empty() { "none".to_owned() } else { has.join(", ") }
        ))
    }

    #[expect(clippy::too_many_arguments, reason = "one text made of all that was guessed")]
    fn toml(
        &self,
        named: &Named<'_>,
        look: &Look<'_>,
        seen: &Seen<'_>,
        found: &Found,
        size: &Judged<(usize, usize)>,
        labels: &[String],
        labels_made_up: bool,
        doubts: &[String],
    ) -> String {
        let facts = self.facts();
        let mut text = Text(String::new());
        text.comment(&format!(
            "A first description, guessed from the graph: opset {}, {} parameters{}.",
            facts.opset,
            facts.parameters,
            if facts.producer.is_empty() {
                String::new()
            } else {
                format!(", written by {}", facts.producer)
            }
        ));
        text.comment("`sure` is what the graph shows, `likely` and `a guess` are habits of models like it: check those.");
        for doubt in doubts {
            text.comment(&format!("Look at this: {doubt}."));
        }
        text.line("\n[model]");
        text.key("name", &string(&name(named.name)), None);
        text.key("file", &string(named.file), None);
        text.key("sha256", &string(named.sha256), None);

        text.line("\n[input]");
        text.key("name", &string(&seen.input.name), Some(&seen.input.shown));
        let said = format!("{}: {}", size.sure.as_str(), size.why);
        text.key("width", &size.value.0.to_string(), Some(&said));
        text.key("height", &size.value.1.to_string(), None);
        let habit = &found.habit;
        let kept = format!("{}, the habit of {}", habit.sure.as_str(), habit.whose);
        text.key("fit", &string(habit.fit), Some(&kept));
        let channels = if seen.channels == 1 { "gray" } else { habit.channels };
        let said = if seen.channels == 1 { "sure: the input has one channel" } else { kept.as_str() };
        text.key("channels", &string(channels), Some(said));
        text.key("layout", &string(seen.layout), Some("sure: where the channels are"));
        text.key("type", &string(seen.element.as_str()), Some("sure"));
        values(&mut text, look, seen, habit, &kept);
        self.other_inputs(&mut text, seen);

        text.line("\n[output]");
        text.key(
            "read",
            &string(found.read.value),
            Some(&format!("{}: {}", found.read.sure.as_str(), found.read.why)),
        );
        if let Some(name) = found.name.as_ref().filter(|_| found.parts.is_empty()) {
            text.key("name", &string(name), None);
        }
        for (key, value, why) in &found.keys {
            text.key(key, value, Some(why));
        }
        if !labels.is_empty() {
            let said = match (labels_made_up, found.classes) {
                (false, _) => format!("{} names from the file's metadata", labels.len()),
                (true, Some(1)) => "one line to be filled in: the file does not name its class".to_owned(),
                (true, Some(many)) => {
                    format!("{many} lines to be filled in: the file does not name its classes")
                }
                (true, None) => "to be filled in: how many classes there are does not show".to_owned(),
            };
            text.key("labels", "\"labels.txt\"", Some(&said));
        }
        if found.points > 0 {
            let (points, said) = points(found.points);
            text.comment(said);
            text.key("points", &list(&points), None);
        }
        if !found.parts.is_empty() {
            text.line("\n[outputs]");
            for (part, outputs) in &found.parts {
                // Parts that are lists by nature stay lists with one entry.
                let value = match &outputs[..] {
                    [one] if *part != "heads" => string(one),
                    many => list(many),
                };
                text.key(part, &value, None);
            }
        }
        text.0
    }

    /// Inputs beside the picture: each must have a constant.
    fn other_inputs(&self, text: &mut Text, seen: &Seen<'_>) {
        let others: Vec<&Declared> =
            self.inputs.iter().filter(|input| input.name != seen.input.name).collect();
        for input in others {
            text.line(&format!("\n[inputs.{}]", string(&input.name)));
            let sizes: Vec<Option<usize>> = input.shape.iter().flatten().map(known).collect();
            if input.shape.is_none() || sizes.contains(&None) {
                let sizes: Vec<String> = sizes.iter().map(|size| size.unwrap_or(1).to_string()).collect();
                text.key(
                    "shape",
                    &format!("[{}]", sizes.join(", ")),
                    Some("a guess: 1 where the graph leaves it open"),
                );
            }
            // The names that RT-DETR, YOLOv3 and PaddleDetection give the picture's size.
            let (value, why) = match input.name.as_str() {
                "orig_target_sizes" => ("\"width-height\"", "likely: RT-DETR's name for the picture's size"),
                "image_shape" | "im_shape" => {
                    ("\"height-width\"", "likely: a usual name for the picture's size")
                }
                "scale_factor" => ("\"scale\"", "likely: PaddleDetection's name for the picture's scale"),
                _ if input.element == Some(Element::Bool) => {
                    ("false", "a guess: the graph does not say what it is for")
                }
                _ => ("0", "a guess: the graph does not say what it is for"),
            };
            text.key("value", value, Some(&format!("{}; {why}", input.shown)));
        }
    }
}

/// Scale, mean and std.
fn values(text: &mut Text, look: &Look<'_>, seen: &Seen<'_>, habit: &Habit, kept: &str) {
    if !seen.element.as_str().starts_with("float") {
        text.comment("Pixels as they are: integers have no scale, mean or std.");
        return;
    }
    let does = look.prepares(&seen.input.name);
    let (numbers, said) = if does.is_empty() {
        (habit.numbers, kept.to_owned())
    } else {
        (
            Numbers::Bytes,
            format!("likely 0 to 255: the graph prepares its input itself ({})", does.join(", ")),
        )
    };
    let (scale, mean, std) = match numbers {
        Numbers::Fractions => ("0.00392156862745098", "0.0", "1.0"),
        Numbers::Bytes => ("1.0", "0.0", "1.0"),
        Numbers::Signed => ("0.00392156862745098", "0.5", "0.5"),
        Numbers::ImageNet if seen.channels == 1 => ("0.00392156862745098", "0.449", "0.226"),
        Numbers::ImageNet => ("0.00392156862745098", "[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]"),
        Numbers::ImageNetBytes if seen.channels == 1 => ("1.0", "114.5", "57.6"),
        Numbers::ImageNetBytes => ("1.0", "[103.53, 116.28, 123.675]", "[57.375, 57.12, 58.395]"),
        Numbers::By128 => ("1.0", "127.0", "128.0"),
    };
    text.key("scale", scale, Some(&said));
    text.key("mean", mean, None);
    text.key("std", std, None);
}

fn picture(input: &Declared) -> Option<Seen<'_>> {
    let element = input.element.filter(|element| {
        matches!(element, Element::Float32 | Element::Float16 | Element::Uint8 | Element::Int32)
    })?;
    let axes: Vec<Option<usize>> = input.shape.as_ref()?.iter().map(known).collect();
    let colors = |axis: Option<usize>| axis.filter(|channels| matches!(channels, 1 | 3));
    let seen =
        |layout, channels, height, width| Some(Seen { input, element, layout, channels, width, height });
    match axes[..] {
        [_, channels, height, width] if colors(channels).is_some() => seen("nchw", channels?, height, width),
        [_, height, width, channels] if colors(channels).is_some() => seen("nhwc", channels?, height, width),
        // All open: what PyTorch's exporter leaves where everything is dynamic.
        [_, None, height, width] => seen("nchw", 3, height, width),
        [channels, height, width] if colors(channels).is_some() => seen("chw", channels?, height, width),
        [height, width, channels] if colors(channels).is_some() => seen("hwc", channels?, height, width),
        _ => None,
    }
}

fn size(seen: &Seen<'_>, noted: Option<(usize, usize)>, found: &Found) -> Judged<(usize, usize)> {
    if let (Some(width), Some(height)) = (seen.width, seen.height) {
        return Judged {
            value: (width, height),
            sure: Certainty::Sure,
            why: "the graph fixes it".to_owned(),
        };
    }
    if let Some((height, width)) = noted {
        let value = (seen.width.unwrap_or(width), seen.height.unwrap_or(height));
        let why = "the graph leaves it open; the file's metadata say `imgsz`".to_owned();
        return Judged { value, sure: Certainty::Likely, why };
    }
    let side = found.habit.side;
    Judged {
        value: (seen.width.unwrap_or(side), seen.height.unwrap_or(side)),
        sure: Certainty::Guess,
        why: format!(
            "the graph leaves it open; {side} is usual, smaller is faster, larger sees smaller things"
        ),
    }
}

fn labels(look: &Look<'_>, found: &Found) -> (Vec<String>, bool) {
    if matches!(found.read.value, "raw" | "embedding" | "ultraface" | "keypoints") {
        return (Vec::new(), false);
    }
    if let Some(names) = rules::labels(look, found.classes) {
        return (names, false);
    }
    // More than any model has: of a shape that was misread.
    let classes = found.classes.unwrap_or(1).min(50_000);
    ((0..classes).map(|class| format!("class-{class}")).collect(), true)
}

/// Names for the points of a body, where there are as many as COCO has.
fn points(count: usize) -> (Vec<String>, &'static str) {
    const COCO: [&str; 17] = [
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ];
    if count == COCO.len() {
        return (COCO.iter().map(|name| (*name).to_owned()).collect(), "likely: COCO's 17 points");
    }
    let made_up = (0..count.min(1000)).map(|point| format!("point-{point}")).collect();
    (made_up, "to be filled in: the file does not name its points")
}

/// A model's name from whatever it was called: 1 to 64 of a-z, 0-9, `-`, `_` and `.`.
fn name(called: &str) -> String {
    let letter =
        |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c) { c } else { '-' };
    let name: String = called.to_ascii_lowercase().chars().map(letter).take(64).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}

/// A text as TOML has it, in quotes.
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if crate::base::deceives(c) => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| string(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// Lines of a TOML file.
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn comment(&mut self, comment: &str) {
        let comment = super::escaped(comment, 500);
        self.line(&format!("# {comment}"));
    }

    fn key(&mut self, key: &str, value: &str, why: Option<&str>) {
        let entry = format!("{key} = {value}");
        match why {
            None => self.line(&entry),
            Some(why) => {
                let why = super::escaped(why, 300);
                self.line(&format!("{entry:<28} # {why}"));
            }
        }
    }
}
