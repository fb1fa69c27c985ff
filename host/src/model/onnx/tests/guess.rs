//! Guesses at descriptions.

use super::*;
use crate::model::description::Description;
use crate::model::tensor::Element;

const NAMED: Named<'_> = Named { name: "Some Model", file: "m.onnx", sha256: DIGEST };
const DIGEST: &str = "71731c96251fa9cc9e98ee3e744df9c2c887a84cd8344cb915618a17f7a8a33b";

/// A model of one picture and these outputs, each made by an operator.
fn model(picture: &[i64], outputs: &[(&str, &[i64], &str)]) -> ModelProto {
    let mut model = model_of(GraphProto {
        input: vec![value("images", picture)],
        output: outputs.iter().map(|(name, shape, _)| value(name, shape)).collect(),
        node: vec![node("first", "Conv", &["images", "w"], &["features"])],
        initializer: vec![floats("w", &[1], &[0.5])],
        ..GraphProto::default()
    });
    for (name, _, operator) in outputs {
        graph_of(&mut model).node.push(node("", operator, &["features"], &[name]));
    }
    model
}

fn with(mut model: ModelProto, operators: &[&str]) -> ModelProto {
    for (at, operator) in operators.iter().enumerate() {
        graph_of(&mut model).node.push(node("", operator, &["features"], &[&format!("more-{at}")]));
    }
    model
}

fn noted(mut model: ModelProto, entries: &[(&str, &str)]) -> ModelProto {
    let entry =
        |(key, value): &(&str, &str)| StringStringEntryProto { key: (*key).into(), value: (*value).into() };
    model.metadata_props = entries.iter().map(entry).collect();
    model
}

/// A guess, which must be a description that the graph agrees with.
#[track_caller]
fn guess(model: &ModelProto) -> Guess {
    let graph = read(model).unwrap();
    let guess = graph.guess(&NAMED).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let labels = guess.labels.iter().fold(String::new(), |text, label| text + label + "\n");
    std::fs::write(folder.path().join("labels.txt"), labels).unwrap();
    let wired = Description::parse(&guess.toml, "model.toml", folder.path())
        .and_then(|description| description.wire(&graph.inputs, &graph.outputs));
    assert!(wired.is_ok(), "{}\n{}", wired.err().unwrap(), guess.toml);
    guess
}

#[track_caller]
fn is(model: &ModelProto, read: &str, sure: Certainty, classes: Option<usize>) -> String {
    let guess = guess(model);
    assert_eq!(
        (guess.read.value, guess.read.sure, guess.classes),
        (read, sure, classes),
        "{}",
        guess.read.why
    );
    guess.toml
}

const PICTURE: [i64; 4] = [1, 3, 640, 640];

#[test]
fn detectors_are_told_apart_by_their_rows_and_columns() {
    let one = |shape: &'static [i64]| model(&PICTURE, &[("o", shape, "Concat")]);
    is(&one(&[1, 84, 8400]), "yolov8", Certainty::Sure, Some(80));
    is(&one(&[1, 5, 8400]), "yolov8", Certainty::Sure, Some(1));
    is(&with(one(&[1, 8400, 84]), &["Softmax"]), "yolov8", Certainty::Likely, Some(80));
    is(&one(&[1, 25200, 85]), "yolov5", Certainty::Sure, Some(80));
    assert!(is(&one(&[1, 8400, 85]), "yolox", Certainty::Likely, Some(80)).contains("decoded = false"));
    assert!(
        is(&with(one(&[1, 8400, 85]), &["Exp"]), "yolox", Certainty::Likely, Some(80))
            .contains("decoded = true")
    );
    assert!(is(&one(&[1, 300, 6]), "yolov8", Certainty::Likely, None).contains("end_to_end = true"));
    let nano = model(&[1, 3, 320, 320], &[("o", &[1, 2125, 112], "Concat")]);
    assert!(is(&nano, "nanodet", Certainty::Sure, Some(80)).contains("sigmoid = true"));
    let pose = one(&[1, 56, 8400]);
    assert!(is(&pose, "keypoints", Certainty::Likely, Some(1)).contains("\"left_eye\""));
}

#[test]
fn heads_without_a_last_layer_are_yolov5() {
    let shapes: [&[i64]; 3] = [&[1, 3, 80, 80, 7], &[1, 3, 40, 40, 7], &[1, 3, 20, 20, 7]];
    let heads =
        model(&PICTURE, &[("a", shapes[0], "Conv"), ("b", shapes[1], "Conv"), ("c", shapes[2], "Conv")]);
    let toml = is(&heads, "yolov5", Certainty::Sure, Some(2));
    assert!(toml.contains("heads = [\"a\", \"b\", \"c\"]"), "{toml}");
}

#[test]
fn boxes_and_scores_are_ssd_or_ultraface() {
    let faces =
        model(&[1, 3, 240, 320], &[("scores", &[1, 4420, 2], "Softmax"), ("boxes", &[1, 4420, 4], "Concat")]);
    assert!(
        is(&faces, "ultraface", Certainty::Sure, Some(1)).contains("boxes = \"boxes\"\nscores = \"scores\"")
    );
    let ssd =
        model(&[1, 3, 300, 300], &[("loc", &[1, 1917, 4], "Concat"), ("conf", &[1, 1917, 21], "Softmax")]);
    assert!(is(&ssd, "ssd", Certainty::Likely, Some(20)).contains("background = \"first\""));
    let tensorflow = model(
        &[1, 3, 300, 300],
        &[
            ("detection_boxes", &[1, 100, 4], "Concat"),
            ("detection_classes", &[1, 100], "Concat"),
            ("detection_scores", &[1, 100], "Concat"),
            ("num_detections", &[1], "Concat"),
        ],
    );
    let toml = is(&tensorflow, "ssd", Certainty::Sure, None);
    assert!(toml.contains("form = \"yxyx\"") && toml.contains("count = \"num_detections\""), "{toml}");
    assert!(
        toml.contains("classes = \"detection_classes\"") && toml.contains("scores = \"detection_scores\"")
    );
}

#[test]
fn vectors_are_classes_or_embeddings() {
    let one = |picture: &[i64], shape: &[i64], operator: &str| model(picture, &[("o", shape, operator)]);
    let picture = [1, 3, 224, 224];
    assert!(
        !is(&one(&picture, &[1, 7], "Softmax"), "classifier", Certainty::Sure, Some(7)).contains("softmax =")
    );
    assert!(
        is(&one(&picture, &[1, 1000], "Gemm"), "classifier", Certainty::Sure, Some(1000))
            .contains("softmax = true")
    );
    assert!(
        is(&one(&picture, &[1, 1001], "Softmax"), "classifier", Certainty::Sure, Some(1000))
            .contains("background")
    );
    is(&one(&[1, 3, 256, 128], &[1, 512], "Gemm"), "embedding", Certainty::Likely, None);
    is(&one(&[1, 3, 112, 112], &[1, 512], "BatchNormalization"), "embedding", Certainty::Sure, None);
}

#[test]
fn maps_are_segmentations_or_heat_maps() {
    let picture = [1, 3, 256, 192];
    is(
        &model(&picture, &[("out", &[1, 21, 256, 192], "Resize")]),
        "segmentation",
        Certainty::Likely,
        Some(21),
    );
    let mask = model(&picture, &[("mask", &[1, 1, 256, 192], "Conv")]);
    assert!(is(&mask, "segmentation", Certainty::Likely, Some(2)).contains("sigmoid = true"));
    is(&model(&picture, &[("out", &[1, 17, 64, 48], "Conv")]), "keypoints", Certainty::Likely, None);
    is(&model(&picture, &[("heatmaps", &[1, 14, 64, 48], "Conv")]), "keypoints", Certainty::Sure, None);
    let simcc =
        model(&picture, &[("simcc_x", &[1, 17, 384], "MatMul"), ("simcc_y", &[1, 17, 512], "MatMul")]);
    assert!(is(&simcc, "keypoints", Certainty::Likely, None).contains("x = \"simcc_x\"\ny = \"simcc_y\""));
}

#[test]
fn what_the_exporter_noted_is_believed() {
    let open_picture = |mut model: ModelProto| {
        graph_of(&mut model).input[0] =
            value_of("images", DataType::Float, vec![open("batch"), axis(3), open("height"), open("width")]);
        model
    };
    let noted = noted(
        open_picture(model(&PICTURE, &[("output0", &[1, 6, 1029], "Concat")])),
        &[
            ("task", "detect"),
            ("imgsz", "[224, 224]"),
            ("names", "{0: 'person', 1: \"bird's nest\"}"),
            ("stride", "32"),
        ],
    );
    let guess = guess(&noted);
    assert_eq!(
        (guess.read.value, guess.read.sure, guess.size.value),
        ("yolov8", Certainty::Sure, (224, 224))
    );
    assert_eq!(
        (&guess.labels[..], guess.labels_made_up),
        (&["person".to_owned(), "bird's nest".to_owned()][..], false)
    );
    let plain = open_picture(model(&PICTURE, &[("output0", &[1, 84, -1], "Concat")]));
    let plain = super::guess::guess(&plain);
    assert_eq!((plain.size.value, plain.size.sure), ((640, 640), Certainty::Guess));
    assert_eq!((plain.labels.len(), plain.labels_made_up), (80, true));
    assert!(plain.toml.contains("larger sees smaller things"));
}

#[test]
fn inputs_say_layout_channels_and_what_the_graph_does_itself() {
    let mut nhwc = model(&[1, 96, 96, 1], &[("o", &[1, 2], "Softmax")]);
    let toml = is(&nhwc, "classifier", Certainty::Sure, Some(2));
    assert!(toml.contains("layout = \"nhwc\"") && toml.contains("channels = \"gray\""), "{toml}");
    graph_of(&mut nhwc).input[0] = value_of("images", DataType::Uint8, [1, 96, 96, 3].map(axis).to_vec());
    let toml = is(&nhwc, "classifier", Certainty::Sure, Some(2));
    assert!(toml.contains("type = \"uint8\"") && !toml.contains("scale ="), "{toml}");
    let mut prepares = model(&PICTURE, &[("o", &[1, 84, 8400], "Concat")]);
    let graph = graph_of(&mut prepares);
    graph.initializer.push(floats("byte", &[], &[255.0]));
    graph.node.insert(0, node("", "Div", &["images", "byte"], &["fractions"]));
    graph.node[1].input[0] = "fractions".to_owned();
    assert!(guess(&prepares).toml.contains(
        "scale = 1.0                  # likely 0 to 255: the graph prepares its input itself (Div 255)"
    ));
}

#[test]
fn other_inputs_get_constants() {
    let mut two = model(
        &PICTURE,
        &[
            ("labels", &[1, 300], "Concat"),
            ("boxes", &[1, 300, 4], "Concat"),
            ("scores", &[1, 300], "Concat"),
        ],
    );
    graph_of(&mut two).input.push(value_of("orig_target_sizes", DataType::Int64, vec![open("N"), axis(2)]));
    let toml = is(&two, "ssd", Certainty::Likely, None);
    assert!(toml.contains("[inputs.\"orig_target_sizes\"]\nshape = [1, 2] "), "{toml}");
    let none = model_of(GraphProto {
        input: vec![value("ids", &[1, 128])],
        output: vec![value("o", &[1, 128])],
        node: vec![node("", "Relu", &["ids"], &["o"])],
        ..GraphProto::default()
    });
    let said = read(&none).unwrap().guess(&NAMED).unwrap_err().to_string();
    assert_eq!(
        said,
        "no input can be a picture, with 1 or 3 channels first or last; the graph has `ids` (float32 1x128)"
    );
}

#[test]
fn names_from_the_file_cannot_break_out_of_the_text() {
    let mut odd = model(&PICTURE, &[("o", &[1, 84, 8400], "Concat")]);
    let name = "a\"\\ # ] = \u{e9}";
    let graph = graph_of(&mut odd);
    graph.input[0].name = name.to_owned();
    graph.node[0].input[0] = name.to_owned();
    odd.producer_name = "p\"q # r".to_owned();
    let table: toml::Table = toml::from_str(&guess(&odd).toml).unwrap();
    assert_eq!(table["input"]["name"].as_str(), Some(name));
    assert_eq!(table["model"]["name"].as_str(), Some("some-model"));
}

#[test]
fn an_unknown_shape_is_raw() {
    let odd = model(&PICTURE, &[("a", &[2, 3, 4, 5, 6, 7], "Concat"), ("b", &[9], "Concat")]);
    is(&odd, "raw", Certainty::Guess, None);
    assert_eq!(guess(&odd).labels, Vec::<String>::new());
    let picture = read(&odd).unwrap().inputs[0].element;
    assert_eq!(picture, Some(Element::Float32));
}
