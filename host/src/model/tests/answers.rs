use super::*;

#[derive(serde::Deserialize)]
struct Case {
    read: String,
    classes: usize,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    score: f32,
    #[serde(default)]
    nms: f32,
    shape: Vec<usize>,
    data: Vec<f32>,
    found: Vec<Vec<f32>>,
}

fn cases() -> Vec<(Case, Description, Tensor)> {
    let text = std::fs::read_to_string(format!("{DATA}/readouts.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let described = |case: Case| {
        let folder = Folder::new("");
        let labels: String = (0..case.classes).map(|class| format!("class {class}\n")).collect();
        std::fs::write(folder.0.join("labels.txt"), labels).unwrap();
        let how = match case.read.as_str() {
            "classifier" => "softmax = true".to_owned(),
            _ => format!("score = {}\nnms = {}", case.score, case.nms),
        };
        let (width, height) = (case.width.max(1), case.height.max(1));
        let toml = format!(
            "[model]\nname = \"m\"\nfile = \"m\"\n[input]\nwidth = {width}\nheight = {height}\n[output]\nread = \"{}\"\nlabels = \"labels.txt\"\n{how}\n",
            case.read
        );
        let description = Description::parse(&toml, "model.toml", &folder.0).unwrap();
        let tensor = Tensor { name: "out".to_owned(), shape: case.shape.clone(), data: case.data.clone() };
        (case, description, tensor)
    };
    cases.into_iter().map(described).collect()
}

fn whole(case: &Case) -> Placement {
    Placement {
        left: 0.0,
        top: 0.0,
        step_x: 1.0 / f64::from(case.width),
        step_y: 1.0 / f64::from(case.height),
    }
}

#[test]
fn detectors_read_out_what_the_reference_does() {
    let mut seen = 0;
    for (case, description, tensor) in cases() {
        if case.read == "classifier" {
            continue;
        }
        let boxes = Boxes::new(&description, &tensor).unwrap();
        let found = boxes.read(&tensor.data, &whole(&case), boxes.score());
        assert_eq!(found.len(), case.found.len(), "{}", case.read);
        for (got, wanted) in found.iter().zip(&case.found) {
            let Detection { label, score, region: Region { l, t, w, h } } = *got;
            for (got, wanted) in [l, t, w, h, score, label as f32].into_iter().zip(wanted) {
                assert!((got - wanted).abs() < 1e-4, "{}: {found:?}", case.read);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn classifiers_read_out_what_the_reference_does() {
    let (case, description, tensor) = cases().pop().unwrap();
    let scores = Classes::new(&description, &tensor).unwrap().read(&tensor.data);
    assert_eq!(scores.len(), 7);
    assert!((scores.iter().map(|class| class.score).sum::<f32>() - 1.0).abs() < 1e-5);
    for (got, wanted) in scores.iter().zip(&case.found) {
        assert!((got.score - wanted[0]).abs() < 1e-5 && got.label as f32 == wanted[1], "{scores:?}");
    }
}

#[test]
fn letterbox_and_region_are_undone() {
    let (case, description, mut tensor) = cases().swap_remove(1);
    // One box only, over the middle half of the input.
    tensor.data.fill(0.0);
    let count = tensor.shape[2];
    for (row, value) in [(0, 80.0), (1, 48.0), (2, 80.0), (3, 48.0), (5, 0.9)] {
        tensor.data[row * count] = value;
    }
    let boxes = Boxes::new(&description, &tensor).unwrap();
    let shape = crate::frame::Shape {
        width: case.width,
        height: case.height,
        fit: crate::frame::Fit::Letterbox,
        format: crate::frame::PixelFormat::Gray8,
    };
    // A 4:1 region of a 400 x 200 frame in an input of 160 x 96: 160 x 40, 28 rows down.
    let region = Region { l: 0.5, t: 0.5, w: 0.5, h: 0.25 };
    let placement = crate::frame::picture(&frame(400, 200, |_, _| 0), Some(region), shape).unwrap().placement;
    let found = boxes.read(&tensor.data, &placement, 0.5);
    assert_eq!((found.len(), found[0].label), (1, 1));
    // Across the region's middle half, and 24 of its 20 half rows up and down: cut to the frame only.
    let wanted = Region { l: 0.625, t: 0.625 - 0.15, w: 0.25, h: 0.3 };
    assert!(found[0].region.iou(&wanted) > 0.9999, "{found:?}");
}

#[test]
fn what_is_no_number_is_dropped() {
    for (case, description, mut tensor) in cases() {
        let wanted = tensor.data.len();
        for (at, value) in tensor.data.iter_mut().enumerate() {
            *value = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, *value][at % 5 % 4];
        }
        assert_eq!(tensor.data.len(), wanted);
        if case.read == "classifier" {
            for class in Classes::new(&description, &tensor).unwrap().read(&tensor.data) {
                assert!((0.0..=1.0).contains(&class.score));
            }
            continue;
        }
        let boxes = Boxes::new(&description, &tensor).unwrap();
        for found in boxes.read(&tensor.data, &whole(&case), 0.0) {
            let Region { l, t, w, h } = found.region;
            assert!(
                (0.0..=1.0).contains(&found.score)
                    && l >= 0.0
                    && t >= 0.0
                    && l + w <= 1.001
                    && t + h <= 1.001
            );
        }
    }
}

#[test]
fn labels_that_do_not_match_the_output_are_counted_out() {
    let mut cases = cases();
    for (index, wanted) in [
        (0, "output `out` is 1x11x9x11, which is 6 classes, but the labels name 2"),
        (1, "output `out` is 1x9x120, which is 5 classes, but the labels name 2"),
        (2, "output `out` is 1x120x9, which is 5 classes, but the labels name 2"),
    ] {
        let (_, description, tensor) = &mut cases[index];
        description.labels.truncate(2);
        assert_eq!(Boxes::new(description, tensor).err().unwrap().message(), wanted);
    }
}

#[test]
fn a_classifier_gives_the_top_classes() {
    let model = load("means.onnx", "", "read = \"classifier\"\nlabels = \"labels.txt\"");
    let frame = frame(16, 12, |_, _| 120);
    let top = model.classify(&frame, None, 2).unwrap();
    assert_eq!(top.len(), 2);
    assert_eq!(model.labels()[top[0].label as usize], "red");
    assert_eq!(model.classify(&frame, None, 9).unwrap().len(), 3);
    assert_eq!(
        model.classify(&frame, None, 0).unwrap_err(),
        AskError::BadArgument("top is 0; it is 1 or more".to_owned())
    );
    assert_eq!(
        model.detect(&frame, None, None).unwrap_err(),
        AskError::WrongKind(
            "model `test` was asked for detections; it is a classifier; ask it to `classify` or `infer`"
                .to_owned()
        )
    );
    let report = model.report();
    assert_eq!((report.asks, report.remembered, report.inference.count), (2, 1, 1));
}

#[test]
fn however_many_ask_inference_runs_once() {
    let model = load("means.onnx", "", "read = \"classifier\"\nlabels = \"labels.txt\"");
    let frame = frame(640, 480, |x, _| x as u8);
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                model.classify(&frame, Some(Region::WHOLE), 3).unwrap();
                model.infer(&frame, None).unwrap();
            });
        }
    });
    let report = model.report();
    assert_eq!((report.asks, report.remembered, report.inference.count), (16, 15, 1));
    assert!(report.prepare.cpu_us > 0);
}

#[test]
fn two_models_do_not_share_answers() {
    let raw = "read = \"raw\"";
    let (plain, doubled) = (load("echo.onnx", "scale = 1.0", raw), load("echo.onnx", "scale = 2.0", raw));
    let frame = frame(8, 6, |_, _| 50);
    let (a, b) = (values(&plain, &frame), values(&doubled, &frame));
    assert!(a.iter().zip(&b).all(|(a, b)| a * 2.0 == *b));
}

#[test]
fn a_bad_region_is_refused_and_not_counted() {
    let model = load("echo.onnx", "", "read = \"raw\"");
    let frame = frame(8, 6, |_, _| 50);
    let nowhere = Region { l: 2.0, t: 0.0, w: 1.0, h: 1.0 };
    assert!(matches!(model.infer(&frame, Some(nowhere)), Err(AskError::BadRegion(_))));
    assert_eq!(model.report().asks, 0);
}
