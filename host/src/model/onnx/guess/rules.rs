//! The rules: which read-out an output's shape and makers speak for, and how pictures are usually prepared
//! for it.

use super::look::{Axis, Look, Output, names, numbers_in};
use super::{Certainty, Judged};
use crate::model::tensor::Element;

/// What a rule found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) read: Judged<&'static str>,
    pub(super) classes: Option<usize>,
    /// Keys of `[output]` with why.
    pub(super) keys: Vec<(&'static str, String, String)>,
    /// Which output plays which part.
    pub(super) parts: Vec<(&'static str, Vec<String>)>,
    /// The output that is read, where it is not the only one.
    pub(super) name: Option<String>,
    /// Points a keypoint model finds.
    pub(super) points: usize,
    /// What makes pictures for models like this.
    pub(super) habit: Habit,
    pub(super) doubts: Vec<String>,
}

/// How pictures are usually prepared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habit {
    pub(super) fit: &'static str,
    pub(super) channels: &'static str,
    pub(super) numbers: Numbers,
    pub(super) sure: Certainty,
    /// Whose habit it is.
    pub(super) whose: &'static str,
    /// The side of the picture where the graph leaves it open.
    pub(super) side: usize,
}

/// `value = (pixel * scale - mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Numbers {
    /// 0 to 1.
    Fractions,
    /// 0 to 255.
    Bytes,
    /// -1 to 1.
    Signed,
    /// ImageNet's mean and deviation.
    ImageNet,
    /// The same in 0 to 255, blue first.
    ImageNetBytes,
    /// (pixel - 127) / 128.
    By128,
}

const YOLO: Habit = Habit {
    fit: "letterbox",
    channels: "rgb",
    numbers: Numbers::Fractions,
    sure: Certainty::Likely,
    whose: "YOLOv5's and YOLOv8's exporters",
    side: 640,
};
const YOLOX: Habit = Habit {
    fit: "letterbox-corner",
    channels: "bgr",
    numbers: Numbers::Bytes,
    whose: "YOLOX",
    side: 640,
    ..YOLO
};
const FASTESTDET: Habit = Habit { fit: "stretch", channels: "bgr", whose: "FastestDet", side: 352, ..YOLO };
const NANODET: Habit = Habit {
    fit: "stretch",
    channels: "bgr",
    numbers: Numbers::ImageNetBytes,
    whose: "NanoDet's configurations",
    side: 416,
    ..YOLO
};
const ULTRAFACE: Habit =
    Habit { fit: "stretch", numbers: Numbers::By128, whose: "UltraFace", side: 320, ..YOLO };
const IMAGENET: Habit = Habit {
    fit: "crop",
    numbers: Numbers::ImageNet,
    whose: "most classifiers from PyTorch",
    side: 224,
    ..YOLO
};
const TENSORFLOW: Habit = Habit {
    numbers: Numbers::By128,
    sure: Certainty::Guess,
    whose: "classifiers from TensorFlow (some take 0 to 1)",
    ..IMAGENET
};
const STRETCHED: Habit =
    Habit { fit: "stretch", sure: Certainty::Guess, whose: "most models of this kind", ..IMAGENET };
const SSD: Habit = Habit { numbers: Numbers::Signed, whose: "most SSDs", side: 300, ..STRETCHED };
const UNKNOWN: Habit = Habit {
    fit: "stretch",
    numbers: Numbers::Fractions,
    sure: Certainty::Guess,
    whose: "many models",
    side: 224,
    ..YOLO
};

fn found(read: &'static str, sure: Certainty, why: impl Into<String>, habit: Habit) -> Found {
    Found {
        read: Judged { value: read, sure, why: why.into() },
        classes: None,
        keys: Vec::new(),
        parts: Vec::new(),
        name: None,
        points: 0,
        habit,
        doubts: Vec::new(),
    }
}

impl Found {
    fn classes(mut self, classes: Axis) -> Self {
        self.classes = classes.filter(|classes| *classes > 0);
        self
    }

    fn key(mut self, key: &'static str, value: impl Into<String>, why: impl Into<String>) -> Self {
        self.keys.push((key, value.into(), why.into()));
        self
    }

    fn part(mut self, part: &'static str, output: &Output) -> Self {
        match self.parts.iter_mut().find(|(known, _)| *known == part) {
            Some((_, outputs)) => outputs.push(output.name.clone()),
            None => self.parts.push((part, vec![output.name.clone()])),
        }
        self
    }

    fn doubt(mut self, doubt: impl Into<String>) -> Self {
        self.doubts.push(doubt.into());
        self
    }
}

/// The picture, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture {
    pub(super) width: Axis,
    pub(super) height: Axis,
    /// Channels last.
    pub(super) last: bool,
    pub(super) element: Element,
}

impl Picture {
    /// Cells of grids of these strides, rounded up, each so many times. None where the picture's size is
    /// open.
    fn cells(&self, grids: &[(usize, usize)]) -> Axis {
        let (width, height) = (self.width?, self.height?);
        Some(
            grids
                .iter()
                .map(|(stride, times)| width.div_ceil(*stride) * height.div_ceil(*stride) * times)
                .sum(),
        )
    }

    /// The stride of a map of this size, where both sides agree.
    fn stride(&self, map_height: Axis, map_width: Axis) -> Axis {
        let (width, height) = (self.width? / map_width?.max(1), self.height? / map_height?.max(1));
        (width == height).then_some(width)
    }
}

const THREE: [(usize, usize); 3] = [(8, 1), (16, 1), (32, 1)];
const FOUR: [(usize, usize); 4] = [(8, 1), (16, 1), (32, 1), (64, 1)];
const ANCHORS: [(usize, usize); 3] = [(8, 3), (16, 3), (32, 3)];
const FACES: [(usize, usize); 4] = [(8, 3), (16, 2), (32, 2), (64, 3)];

/// How the outputs are to be read.
pub(super) fn read_out(look: &Look<'_>, picture: &Picture) -> Found {
    let outputs = &look.outputs;
    let mut found = match &outputs[..] {
        [] => found("raw", Certainty::Guess, "the graph has no output", UNKNOWN),
        [one] => single(look, picture, one),
        many => several(look, picture, many),
    };
    // Ultralytics' exporter says what it wrote.
    if let Some(task) = look.metadata("task")
        && matches!(
            (task, found.read.value),
            ("detect", "yolov8" | "yolov5") | ("pose", "keypoints") | ("classify", "classifier")
        )
    {
        found.read.sure = Certainty::Sure;
        found.read.why = format!("the file's metadata say task `{task}`; {}", found.read.why);
        found.habit.sure = Certainty::Sure;
        if task == "classify" {
            found.habit =
                Habit { numbers: Numbers::Fractions, whose: "Ultralytics' classifiers", ..found.habit };
        }
    }
    found
}

fn single(look: &Look<'_>, picture: &Picture, output: &Output) -> Found {
    match (output.axes.len(), output.inner()) {
        (4, &[one, _, Some(7)]) if one.is_none_or(|one| one == 1) => {
            found("ssd", Certainty::Likely, "rows of 7 numbers, as DetectionOutput gives them", SSD)
                .key("units", "\"fractions\"", "of the input, as DetectionOutput has them")
                .key("background", "\"first\"", "DetectionOutput numbers classes from 1")
                .doubt("the number of classes does not show in the outputs")
        }
        (4, &[Some(1), Some(17), Some(3)]) => {
            let mut found = found(
                "keypoints",
                Certainty::Likely,
                "17 points of y, x and score, as MoveNet gives them",
                UNKNOWN,
            );
            found.points = 17;
            found.habit = Habit {
                numbers: Numbers::Bytes,
                sure: Certainty::Likely,
                fit: "letterbox",
                whose: "MoveNet",
                ..UNKNOWN
            };
            found
        }
        (4, &[channels, height, width]) => maps(look, picture, output, channels, height, width),
        (3, &[rows, columns]) => rows_of(look, picture, output, rows, columns),
        (3, &[_, _, _]) => {
            found("raw", Certainty::Guess, "an output of three axes that no read-out takes", UNKNOWN)
        }
        (2, &[_, Some(6)]) => found(
            "ssd",
            Certainty::Guess,
            "rows of 6 numbers: class, score and box, as PaddleDetection gives them",
            STRETCHED,
        )
        .doubt("the number of classes does not show in the outputs"),
        (1 | 2, &[length]) => vector(look, picture, output, length),
        _ => found("raw", Certainty::Guess, "an output whose shape no read-out takes", UNKNOWN),
    }
}

fn rows_of(look: &Look<'_>, picture: &Picture, output: &Output, rows: Axis, columns: Axis) -> Found {
    let grid = picture.cells(&THREE);
    let pose_like = |count: usize| count >= 8 && (count - 5).is_multiple_of(3);
    // DFL, YOLOv8's way to say distances, is a Softmax far from the end. Models trained by other hands may do
    // without.
    let dfl = look.has("Softmax");
    let task = look.metadata("task");
    if let (Some(columns), Some(rows)) = (columns, rows) {
        if columns == 6 && rows <= 1000 && Some(rows) != grid {
            return found(
                "yolov8",
                Certainty::Likely,
                format!("{rows} rows of box, score and class: suppression is done"),
                YOLO,
            )
            .key("end_to_end", "true", "rows of x1, y1, x2, y2, score, class")
            .doubt("the number of classes does not show in the outputs");
        }
        if columns > 6 && (columns - 6).is_multiple_of(3) && rows <= 1000 && task == Some("pose") {
            let mut found = found(
                "keypoints",
                Certainty::Likely,
                format!("{rows} rows of box, score, class and points"),
                YOLO,
            )
            .key("end_to_end", "true", "rows of x1, y1, x2, y2, score, class, points");
            found.points = (columns - 6) / 3;
            return found;
        }
    }
    // Channels first: 1x(4+C)xN.
    if let Some(channels) = rows.filter(|channels| *channels > 4)
        && columns.is_none_or(|columns| Some(columns) == grid || (grid.is_none() && columns > channels))
    {
        let sure = if columns.is_some() && columns == grid { Certainty::Sure } else { Certainty::Likely };
        let grids = grid.map_or_else(String::new, |cells| {
            format!(" and {cells} places on grids of strides 8, 16 and 32")
        });
        let pose = match task {
            Some(task) => task == "pose",
            None => channels == 56,
        };
        if pose && pose_like(channels) {
            let mut found = found(
                "keypoints",
                Certainty::Likely,
                format!("{channels} channels (box, score, {} points){grids}", (channels - 5) / 3),
                YOLO,
            )
            .classes(Some(1));
            found.points = (channels - 5) / 3;
            return found.doubt(format!("the same shape could be a detector of {} classes", channels - 4));
        }
        return found(
            "yolov8",
            sure,
            format!("{channels} channels (box and {} classes){grids}", channels - 4),
            YOLO,
        )
        .classes(Some(channels - 4));
    }
    let (Some(columns), rows) = (columns, rows) else {
        return found("raw", Certainty::Guess, "an output whose shape is open", UNKNOWN);
    };
    let at = |grids: &[(usize, usize)]| rows.is_some() && rows == picture.cells(grids);
    if columns > 32 && at(&FOUR) {
        let found = found(
            "nanodet",
            Certainty::Sure,
            format!(
                "{columns} columns (classes and 4 distributions over 8) on grids of strides 8, 16, 32 and 64"
            ),
            NANODET,
        );
        return sigmoid(found, look).classes(Some(columns - 32));
    }
    if columns > 5 && at(&ANCHORS) {
        return found(
            "yolov5",
            Certainty::Sure,
            format!("{columns} columns (box, objectness, {} classes) for 3 anchors on grids of strides 8, 16 and 32", columns - 5),
            YOLO,
        )
        .classes(Some(columns - 5));
    }
    if at(&THREE) {
        if columns == 112 && !dfl {
            let found = found(
                "nanodet",
                Certainty::Likely,
                "112 columns (80 classes and 4 distributions over 8)",
                NANODET,
            );
            return sigmoid(found, look).classes(Some(80));
        }
        if dfl && columns > 4 {
            return found(
                "yolov8",
                Certainty::Likely,
                format!("{columns} columns (box and {} classes), with a Softmax within", columns - 4),
                YOLO,
            )
            .classes(Some(columns - 4));
        }
        if columns > 5 {
            let decoded = look.has("Exp");
            let why = if decoded {
                "an Exp makes sizes of what the grids say, so boxes come in pixels"
            } else {
                "no Exp makes sizes of what the grids say: the read-out does"
            };
            let found = found(
                "yolox",
                Certainty::Likely,
                format!("{columns} columns (box, objectness, {} classes), one row a place on grids of strides 8, 16 and 32", columns - 5),
                YOLOX,
            )
            .key("decoded", decoded.to_string(), why)
            .classes(Some(columns - 5));
            return found
                .doubt(format!("the same shape could be a YOLOv8 of {} classes, transposed", columns - 4));
        }
    }
    if columns > 5 && rows.is_none_or(|rows| rows > columns) {
        return found(
            "yolov5",
            Certainty::Guess,
            format!("rows of {columns} numbers; their count fits no grids known here"),
            YOLO,
        )
        .classes(Some(columns - 5));
    }
    if output.element.is_some_and(|element| element == Element::Int64 || element == Element::Int32) {
        return found("segmentation", Certainty::Likely, "a map of class numbers", STRETCHED)
            .doubt("the number of classes does not show in the outputs");
    }
    found("raw", Certainty::Guess, "an output of rows that no read-out takes", UNKNOWN)
}

fn sigmoid(found: Found, look: &Look<'_>) -> Found {
    if look.has("Sigmoid") { found } else { found.key("sigmoid", "true", "the graph has no Sigmoid") }
}

fn maps(
    look: &Look<'_>,
    picture: &Picture,
    output: &Output,
    channels: Axis,
    height: Axis,
    width: Axis,
) -> Found {
    let stride = picture.stride(height, width);
    let parts = look.parts(&output.name);
    if parts.contains(&"Softmax")
        && parts.contains(&"Sigmoid")
        && channels.is_some_and(|channels| channels > 5)
    {
        return found(
            "fastestdet",
            if stride == Some(16) { Certainty::Sure } else { Certainty::Likely },
            "the end joins a Sigmoid (objectness), boxes and a Softmax (classes) on one grid",
            FASTESTDET,
        )
        .classes(channels.map(|channels| channels - 5));
    }
    let name = output.name.to_ascii_lowercase();
    let posed = ["heatmap", "keypoint", "pose", "joint"].iter().any(|word| name.contains(word));
    let last = look.made_by(&output.name);
    let points = channels.filter(|channels| [16, 17, 133].contains(channels));
    let upright = picture.height.zip(picture.width).is_some_and(|(height, width)| height > width);
    if let Some(channels) = channels.filter(|channels| *channels > 1)
        && (posed || (stride == Some(4) && (points.is_some() || (upright && look.has("ConvTranspose")))))
    {
        let sure = if posed && stride == Some(4) { Certainty::Sure } else { Certainty::Likely };
        let mut found = found(
            "keypoints",
            sure,
            format!("{channels} heat maps of a quarter of the picture's size"),
            STRETCHED,
        );
        found.points = channels;
        if sure != Certainty::Sure {
            found = found.doubt(format!("the same shape could be a segmentation of {channels} classes"));
        }
        return found;
    }
    if let (Some(channels), Some(5..)) = (channels, channels)
        && channels.is_multiple_of(3)
        && matches!(stride, Some(8 | 16 | 32))
        && channels == 255
    {
        return found(
            "yolov5",
            Certainty::Likely,
            "255 channels: 3 anchors of box, objectness and 80 classes",
            YOLO,
        )
        .part("heads", output)
        .classes(Some(80));
    }
    if channels == Some(1) {
        let found = found("segmentation", Certainty::Likely, "one map the size of the picture", STRETCHED)
            // What is not meant, and what is.
            .classes(Some(2));
        let numbers = output.element.is_some_and(|element| !element.as_str().starts_with("float"));
        return if numbers {
            Found { classes: None, ..found }
                .doubt("the map holds class numbers; how many there are does not show")
        } else if last == "Sigmoid" {
            found
        } else {
            found.key("sigmoid", "true", format!("the graph ends in {last}, not in a Sigmoid"))
        };
    }
    let sure = if stride.is_some_and(|stride| stride <= 8) { Certainty::Likely } else { Certainty::Guess };
    found("segmentation", sure, "a map a class", STRETCHED).classes(channels)
}

fn vector(look: &Look<'_>, picture: &Picture, output: &Output, length: Axis) -> Found {
    let last = look.made_by(&output.name);
    let Some(length) = length else {
        return found("raw", Certainty::Guess, "an output whose length is open", UNKNOWN);
    };
    let habit = if picture.last { TENSORFLOW } else { IMAGENET };
    if matches!(last, "Softmax" | "LogSoftmax") {
        let found = found(
            "classifier",
            Certainty::Sure,
            format!("{length} numbers that a {last} makes sum to 1"),
            habit,
        );
        return background(found, length);
    }
    let normalised = matches!(last, "LpNormalization" | "BatchNormalization")
        || (last == "Div" && (look.has("ReduceL2") || look.has("LpNormalization") || look.has("Sqrt")));
    let (sides, upright) = (picture.width.zip(picture.height), picture.height > picture.width);
    let round = [64, 96, 128, 192, 256, 384, 512, 576, 768, 1024, 1280, 2048].contains(&length);
    let wide = [1000, 1001, 21841, 365, 10, 100].contains(&length);
    if normalised && !wide || round && (upright || sides == Some((112, 112))) {
        let sure = if normalised && round { Certainty::Sure } else { Certainty::Likely };
        let why = if normalised {
            format!("{length} numbers that end in a normalisation ({last})")
        } else {
            format!(
                "{length} numbers of a picture of {}",
                if upright { "a person's shape" } else { "112x112, as faces are" }
            )
        };
        let habit = if sides == Some((112, 112)) {
            Habit { numbers: Numbers::Signed, whose: "most face models", ..STRETCHED }
        } else {
            STRETCHED
        };
        return found("embedding", sure, why, habit);
    }
    if round && !wide {
        return found(
            "embedding",
            Certainty::Guess,
            format!("{length} numbers without a Softmax"),
            STRETCHED,
        )
        .doubt(format!("the same shape could be a classifier of {length} classes"));
    }
    let sure = if wide { Certainty::Sure } else { Certainty::Likely };
    let found = found("classifier", sure, format!("{length} numbers"), habit).key(
        "softmax",
        "true",
        format!("the graph ends in {last}, not in a Softmax"),
    );
    background(found, length)
}

fn background(found: Found, length: usize) -> Found {
    if length == 1001 {
        return found.classes(Some(1000)).key(
            "background",
            "\"first\"",
            "1001 numbers: ImageNet's 1000 classes after a background",
        );
    }
    found.classes(Some(length))
}

fn several(look: &Look<'_>, picture: &Picture, outputs: &[Output]) -> Found {
    // YOLOv5 without its last layer: one output a stride.
    let heads: Vec<&Output> =
        outputs.iter().filter(|output| output.axes.len() == 5 && output.axes[1] == Some(3)).collect();
    if heads.len() == outputs.len()
        && let Some(columns) = heads[0].axes[4].filter(|columns| *columns > 5)
    {
        let mut found = found(
            "yolov5",
            Certainty::Sure,
            format!("{} heads of 3 anchors and {columns} numbers", heads.len()),
            YOLO,
        )
        .classes(Some(columns - 5))
        .doubt("the anchors are not in the graph; YOLOv5's own are used");
        for head in heads {
            found = found.part("heads", head);
        }
        return found;
    }
    if outputs.iter().all(|output| output.axes.len() == 4 && output.axes[1] == Some(255)) {
        let mut found = found(
            "yolov5",
            Certainty::Likely,
            "heads of 255 channels: 3 anchors of box, objectness and 80 classes",
            YOLO,
        )
        .classes(Some(80))
        .doubt("the anchors are not in the graph; YOLOv5's own are used");
        for head in outputs {
            found = found.part("heads", head);
        }
        return found;
    }
    // SimCC: a distribution over columns and one over rows, for each point.
    if let [x, y] = outputs
        && let (&[points, across], &[same, down]) = (x.inner(), y.inner())
        && points == same
        && let (Some(points), Some(across), Some(down), Some(width), Some(height)) =
            (points, across, down, picture.width, picture.height)
    {
        let doubled = |axis: usize, side: usize| axis == side || axis == 2 * side;
        let straight = doubled(across, width) && doubled(down, height);
        if straight || doubled(across, height) && doubled(down, width) {
            let (x, y) = if straight { (x, y) } else { (y, x) };
            let mut found = found(
                "keypoints",
                Certainty::Likely,
                format!("{points} points over columns and over rows (SimCC)"),
                STRETCHED,
            )
            .part("x", x)
            .part("y", y);
            found.points = points;
            return found;
        }
    }
    // Boxes and what belongs to them.
    let boxes = outputs.iter().find(|output| output.axes.last() == Some(&Some(4)) && output.axes.len() >= 2);
    if let Some(boxes) = boxes {
        let rest: Vec<&Output> = outputs.iter().filter(|output| output.name != boxes.name).collect();
        return with_boxes(look, picture, boxes, &rest);
    }
    let five = outputs.iter().find(|output| output.axes.last() == Some(&Some(5)) && output.axes.len() <= 3);
    if let (Some(boxes), [_, _]) = (five, outputs) {
        let mut found = found(
            "ssd",
            Certainty::Likely,
            "boxes with a score each and their classes, as mmdetection gives them",
            STRETCHED,
        )
        .part("boxes", boxes)
        .doubt("the number of classes does not show in the outputs");
        for other in outputs.iter().filter(|output| output.name != boxes.name) {
            found = found.part("classes", other);
        }
        return found;
    }
    // Of a segmentation's several outputs (a helper for training among them), the first or the one called so.
    let maps = outputs.iter().filter(|output| output.axes.len() == 4);
    if maps.clone().count() == outputs.len() {
        let main = maps.clone().find(|output| called(output, &["out", "mask", "seg"])).or(outputs.first());
        if let Some(main) = main {
            let mut found = single(look, picture, main);
            found.name = Some(main.name.clone());
            found.read.sure = Certainty::Guess;
            return found.doubt(format!("the graph has {} outputs; the others are not read", outputs.len()));
        }
    }
    if let Some(first) = outputs.first() {
        let mut first_found = single(look, picture, first);
        if first_found.read.value != "raw" && first_found.read.sure != Certainty::Guess {
            first_found.name = Some(first.name.clone());
            first_found.read.sure = Certainty::Guess;
            return first_found
                .doubt(format!("the graph has {} outputs; only the first is read", outputs.len()));
        }
    }
    found(
        "raw",
        Certainty::Guess,
        format!("{} outputs that no read-out takes together", outputs.len()),
        UNKNOWN,
    )
}

fn called(output: &Output, words: &[&str]) -> bool {
    let name = output.name.to_ascii_lowercase();
    words.iter().any(|word| name.contains(word))
}

fn with_boxes(look: &Look<'_>, picture: &Picture, boxes: &Output, rest: &[&Output]) -> Found {
    let count = boxes.axes[boxes.axes.len() - 2];
    let is_list = |output: &&&Output| {
        let inner = output.inner();
        inner.len() == 1 && (inner[0].is_none() || inner[0] == count) || output.axes.len() == 1
    };
    let tensorflow = called(boxes, &["detection_boxes", "raw_boxes"]);
    let lists: Vec<&&Output> = rest.iter().filter(is_list).collect();
    // Final detections: boxes, scores, classes, and perhaps their count.
    if lists.len() >= 2 {
        let whole = |output: &Output| {
            output.element.is_some_and(|element| matches!(element, Element::Int64 | Element::Int32))
        };
        let number =
            |output: &Output| called(output, &["num"]) || output.inner() == [Some(1)] && count != Some(1);
        let classes = lists
            .iter()
            .find(|output| !number(output) && (called(output, &["class", "label"]) || whole(output)));
        let scores = lists
            .iter()
            .find(|output| !number(output) && classes.is_none_or(|classes| classes.name != output.name));
        if let (Some(classes), Some(scores)) = (classes, scores) {
            let mut found = found(
                "ssd",
                if tensorflow { Certainty::Sure } else { Certainty::Likely },
                "boxes, scores and classes, already chosen",
                if tensorflow { Habit { numbers: Numbers::Bytes, ..SSD } } else { STRETCHED },
            )
            .part("boxes", boxes)
            .part("scores", scores)
            .part("classes", classes)
            .doubt("the number of classes does not show in the outputs");
            if let Some(number) = rest.iter().find(|output| number(output)) {
                found = found.part("count", number);
            }
            if tensorflow {
                return found
                    .key("form", "\"yxyx\"", "as TensorFlow's detectors have it")
                    .key("units", "\"fractions\"", "as TensorFlow's detectors have it")
                    .key("background", "\"first\"", "TensorFlow's detectors number classes from 1");
            }
            let rtdetr = look.graph.inputs.iter().any(|input| input.name == "orig_target_sizes");
            if called(classes, &["label"]) && !rtdetr && boxes.axes.len() == 2 {
                found = found.key("background", "\"first\"", "torchvision numbers classes from 1");
            }
            if rtdetr {
                found.habit = Habit { numbers: Numbers::Fractions, whose: "RT-DETR", side: 640, ..STRETCHED };
            }
            return found;
        }
    }
    let scores = rest.iter().find(|output| {
        let inner = output.inner();
        inner.len() == 2 && (inner[0].is_none() || count.is_none() || inner[0] == count)
    });
    let Some(scores) = scores else {
        return found("raw", Certainty::Guess, "boxes without scores that belong to them", UNKNOWN);
    };
    let classes = scores.inner()[1];
    if classes == Some(2) && (count.is_some() && count == picture.cells(&FACES) || called(boxes, &["face"])) {
        let decoded = look.has("Exp");
        return found(
            "ultraface",
            Certainty::Sure,
            "2 scores (background, face) a box, on UltraFace's grids",
            ULTRAFACE,
        )
        .part("boxes", boxes)
        .part("scores", scores)
        .key(
            "decoded",
            decoded.to_string(),
            if decoded { "an Exp makes sizes of boxes" } else { "no Exp makes sizes of boxes" },
        )
        .classes(Some(1));
    }
    let softmax = look.made_by(&scores.name) == "Softmax";
    let sigmoid = look.made_by(&scores.name) == "Sigmoid";
    let mut found = found("ssd", Certainty::Likely, "boxes, and scores for each of them", SSD)
        .part("boxes", boxes)
        .part("scores", scores);
    if picture.element == Element::Uint8 {
        found.habit.numbers = Numbers::Bytes;
    }
    if !softmax && !sigmoid {
        found = found.key("softmax", "true", format!("scores come from {}", look.made_by(&scores.name)));
    }
    if tensorflow {
        found = found.key("form", "\"yxyx\"", "as TensorFlow's detectors have it");
    }
    match count.and_then(|count| look.largest_anchor(count)) {
        Some(most) if most > 4.0 => {
            found = found.key("units", "\"pixels\"", format!("anchors in the graph go up to {most:.0}"));
        }
        Some(most) => {
            found = found.key("units", "\"fractions\"", format!("anchors in the graph go up to {most:.2}"));
        }
        None if tensorflow => {
            found = found.key("units", "\"fractions\"", "as TensorFlow's detectors have it");
        }
        None => found = found.doubt("whether boxes come in pixels or in fractions does not show"),
    }
    // COCO's 80 or 90 classes and one more, VOC's 20 and one more; and a Softmax needs a class for nothing.
    if let Some(classes) = classes {
        if softmax || [91, 81, 21].contains(&classes) {
            found = found
                .key("background", "\"first\"", "the first of the scores means nothing: a background")
                .classes(Some(classes.saturating_sub(1)));
        } else {
            found = found.classes(Some(classes));
        }
    }
    found
}

/// Class names in the file's metadata, as YOLOv5's and YOLOv8's exporters leave them.
pub(super) fn labels(look: &Look<'_>, classes: Option<usize>) -> Option<Vec<String>> {
    let found = names(look.metadata("names")?);
    let found: Vec<String> = found
        .into_iter()
        .map(|name| name.chars().filter(|c| !crate::base::deceives(*c)).take(100).collect::<String>())
        .map(|name| name.trim().to_owned())
        .collect();
    let whole = !found.is_empty() && found.iter().all(|name| !name.is_empty());
    (whole && classes.is_none_or(|classes| classes == found.len())).then_some(found)
}

/// The picture's size in the file's metadata: height and width.
pub(super) fn size(look: &Look<'_>) -> Option<(usize, usize)> {
    match numbers_in(look.metadata("imgsz")?)[..] {
        [side] => Some((side, side)),
        [height, width, ..] => Some((height, width)),
        [] => None,
    }
}
