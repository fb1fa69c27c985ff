use std::path::PathBuf;
use std::sync::Barrier;

use super::*;
use crate::frame::{Color, Matrix, Memo, Pool};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/testdata");

/// A model's folder, removed with this.
struct Folder(PathBuf);

impl Folder {
    fn new(toml: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("transom-model-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("model.toml"), toml).unwrap();
        std::fs::write(path.join("labels.txt"), "red\ngreen\nblue\n").unwrap();
        Folder(path)
    }

    /// What loading it says, the folder's own path left out.
    fn error(&self) -> String {
        let error = Model::load(&self.0).err().expect("loading should have failed");
        assert_eq!(error.kind(), crate::base::Kind::Model);
        error.to_string().replace(&format!("{}/", self.0.display()), "").replace(&format!("{DATA}/"), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn toml(onnx: &str, input: &str, output: &str) -> String {
    format!(
        "[model]\nname = \"test\"\nfile = \"{DATA}/{onnx}\"\n\n[input]\nwidth = 8\nheight = 6\n{input}\n\n[output]\n{output}\n"
    )
}

fn load(onnx: &str, input: &str, output: &str) -> Model {
    Model::load(&Folder::new(&toml(onnx, input, output)).0).unwrap()
}

fn error(onnx: &str, input: &str, output: &str) -> String {
    Folder::new(&toml(onnx, input, output)).error()
}

fn frame(width: u32, height: u32, luma: impl Fn(u32, u32) -> u8) -> Frame {
    let mut planes = Pool::default().take(width, height);
    let [y, u, v] = planes.yuv_mut();
    for (at, sample) in y.iter_mut().enumerate() {
        *sample = luma(at as u32 % width, at as u32 / width);
    }
    u.fill(100);
    v.fill(160);
    Frame {
        sequence: 0,
        media_time_us: 0,
        captured_at_us: 0,
        planes,
        color: Color { matrix: Matrix::Bt601, full_range: true },
        memo: Memo::default(),
    }
}

fn values(model: &Model, frame: &Frame) -> Vec<f32> {
    let tensors = model.infer(frame, None).unwrap();
    assert_eq!((tensors.len(), tensors[0].name.as_str()), (1, "pixels"));
    tensors[0].data.clone()
}

mod written {
    use super::*;

    fn error(toml: &str) -> String {
        Folder::new(toml).error()
    }

    const MODEL: &str = "[model]\nname = \"m\"\nfile = \"m.onnx\"\n";
    const INPUT: &str = "[input]\nwidth = 8\nheight = 6\n";
    const OUTPUT: &str = "[output]\nread = \"raw\"\n";

    #[test]
    fn errors_name_the_place_and_the_remedy() {
        for (toml, wanted) in [
            (
                format!("{MODEL}licnce = \"MIT\"\n{INPUT}{OUTPUT}"),
                "model.toml:4:1: `[model]` has no key `licnce`; did you mean `licence`?",
            ),
            (
                format!("{MODEL}{INPUT}zoom = 3\n{OUTPUT}"),
                "model.toml:7:1: `[input]` has no key `zoom`; it has `name`, `width`, `height`, `fit`, `channels`, `layout`, `type`, `scale`, `mean`, `std`, `pad`",
            ),
            (
                format!("{MODEL}{INPUT}{OUTPUT}[ouput]\n"),
                "model.toml:9:2: a model has no key `ouput`; did you mean `output`?",
            ),
            (format!("{MODEL}{INPUT}"), "model.toml:1:1: missing field `output`"),
            (format!("{MODEL}[input]\nwidth = 8\n{OUTPUT}"), "model.toml:4:1: missing field `height`"),
            (
                format!("{MODEL}[input]\nwidth = \"8\"\nheight = 6\n{OUTPUT}"),
                "model.toml:5:9: invalid type: string \"8\", expected i64",
            ),
            (
                format!("{MODEL}[input]\nwidth = 0\nheight = 6\n{OUTPUT}"),
                "model.toml:5:9: `width` is 0; an input has 1 to 8192 pixels a side",
            ),
            (
                format!("{MODEL}[input]\nwidth = 8000\nheight = 8000\n{OUTPUT}"),
                "model.toml:5:9: an input of 8000x8000 pixels is larger than 16 MiB",
            ),
            (
                format!("{MODEL}{INPUT}fit = \"squash\"\n{OUTPUT}"),
                "model.toml:7:7: unknown variant `squash`, expected one of `stretch`, `letterbox`, `crop`",
            ),
            (
                format!("{MODEL}{INPUT}std = [1.0, 0.0, 1.0]\n{OUTPUT}"),
                "model.toml:7:7: `std` is not three finite numbers other than 0",
            ),
            (
                format!("{MODEL}{INPUT}pad = 256\n{OUTPUT}"),
                "model.toml:7:7: `pad` is 256; it is a grey of 0 to 255",
            ),
            (
                format!("{MODEL}{INPUT}type = \"uint8\"\nscale = 1.0\n{OUTPUT}"),
                "model.toml:8:9: `scale` has no meaning for type `uint8`, which takes pixels as they are",
            ),
            (
                format!("{MODEL}{INPUT}[output]\nread = \"yolov9\"\n"),
                "model.toml:8:8: unknown variant `yolov9`, expected one of `fastestdet`, `yolov8`, `classifier`, `raw`",
            ),
            (
                format!("{MODEL}{INPUT}[output]\nread = \"yolov8\"\n"),
                "model.toml:8:8: `labels` is missing: the file that names the model's classes, one a line",
            ),
            (
                format!("{MODEL}{INPUT}[output]\nread = \"yolov8\"\nlabels = \"lables.txt\"\n"),
                "model.toml:9:10: labels `lables.txt` cannot be read: No such file or directory (os error 2)",
            ),
            (
                format!("{MODEL}{INPUT}[output]\nread = \"yolov8\"\nlabels = \"labels.txt\"\nscore = 1.5\n"),
                "model.toml:10:9: `score` is 1.5; it is between 0 and 1",
            ),
            (
                format!("{MODEL}{INPUT}{OUTPUT}nms = 0.5\n"),
                "model.toml:9:7: `nms` is for detectors only; remove it",
            ),
            (
                format!("[model]\nname = \"My model\"\nfile = \"m.onnx\"\n{INPUT}{OUTPUT}"),
                "model.toml:2:8: model name `My model` is not 1 to 64 of a-z, 0-9, `-`, `_` and `.`",
            ),
            (
                format!("{MODEL}sha256 = \"abc\"\n{INPUT}{OUTPUT}"),
                "model.toml:4:10: `sha256` is not 64 hex digits; `sha256sum` on the model file prints them",
            ),
            (
                format!("{MODEL}{INPUT}{OUTPUT}name = \n"),
                "model.toml:9:8: string values must be quoted, expected literal string",
            ),
            (
                format!("{MODEL}{INPUT}{OUTPUT}"),
                "m.onnx: cannot be read: No such file or directory (os error 2)",
            ),
        ] {
            assert_eq!(error(&toml), wanted, "{toml}");
        }
    }

    #[test]
    fn a_folder_without_one_says_what_a_model_is() {
        let folder = Folder::new("");
        std::fs::remove_file(folder.0.join("model.toml")).unwrap();
        assert_eq!(
            folder.error(),
            "model.toml: cannot be read: No such file or directory (os error 2); a model is a folder with a `model.toml`"
        );
    }
}

mod graphs {
    use super::*;

    const RAW: &str = "read = \"raw\"";

    #[test]
    fn a_file_that_is_no_onnx_is_named() {
        let folder =
            Folder::new(&toml("echo.onnx", "", RAW).replace(&format!("{DATA}/echo.onnx"), "some.onnx"));
        let said = |bytes: &[u8]| {
            std::fs::write(folder.0.join("some.onnx"), bytes).unwrap();
            folder.error()
        };
        assert_eq!(said(b""), "some.onnx: it is not an ONNX file");
        assert_eq!(said(b"<html>404</html>"), "some.onnx: it is not an ONNX file");
        let whole = std::fs::read(format!("{DATA}/echo.onnx")).unwrap();
        let half = said(&whole[..whole.len() / 2]);
        assert!(half.starts_with("some.onnx: the graph is wrong, or the file is not whole: "), "{half}");
    }

    #[test]
    fn any_cut_or_flipped_byte_gives_a_model_or_a_reason() {
        let folder =
            Folder::new(&toml("means.onnx", "", RAW).replace(&format!("{DATA}/means.onnx"), "some.onnx"));
        let whole = std::fs::read(format!("{DATA}/means.onnx")).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            for bytes in [&flipped[..], &whole[..at]] {
                std::fs::write(folder.0.join("some.onnx"), bytes).unwrap();
                if let Err(error) = Model::load(&folder.0) {
                    assert!(error.message().contains("some.onnx: "), "{error}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_operator_is_named() {
        assert_eq!(
            error("unknown-operator.onnx", "", RAW),
            "unknown-operator.onnx: the graph cannot be run: in node \"oddity\": operator error: Frobnicate operator not supported or not enabled"
        );
    }

    #[test]
    fn a_graph_that_disagrees_with_its_description_is_refused() {
        for (onnx, input, output, wanted) in [
            (
                "two-inputs.onnx",
                "",
                RAW,
                "two-inputs.onnx: the graph has 2 inputs, `left`, `right`; a model here has one: export it with the others as constants",
            ),
            (
                "echo.onnx",
                "name = \"image\"",
                RAW,
                "echo.onnx: the graph has no input `image`, which model.toml names; it has `images`",
            ),
            (
                "echo.onnx",
                "",
                "read = \"raw\"\nname = \"pixel\"",
                "echo.onnx: the graph has no output `pixel`, which model.toml names; it has `pixels`",
            ),
            (
                "echo.onnx",
                "layout = \"nhwc\"",
                RAW,
                "echo.onnx: input `images` is 1x3x6x8, but model.toml makes it 1x6x8x3; correct `width`, `height` or `layout`",
            ),
            (
                "echo.onnx",
                "type = \"uint8\"",
                RAW,
                "echo.onnx: input `images` is tensor(f32), but model.toml says type `uint8`",
            ),
            (
                "bytes.onnx",
                "",
                RAW,
                "bytes.onnx: input `images` is tensor(u8), but model.toml says type `float32`",
            ),
            (
                "echo.onnx",
                "",
                "read = \"fastestdet\"\nlabels = \"labels.txt\"",
                "echo.onnx: output `pixels` is 1x3x6x8, but read `fastestdet` in model.toml takes 1x(5 + classes)xROWSxCOLUMNS",
            ),
            (
                "echo.onnx",
                "",
                "read = \"yolov8\"\nlabels = \"labels.txt\"",
                "echo.onnx: output `pixels` is 1x3x6x8, but read `yolov8` in model.toml takes 1x(4 + classes)xBOXES or 1xBOXESx(4 + classes)",
            ),
            (
                "echo.onnx",
                "",
                "read = \"classifier\"\nlabels = \"labels.txt\"",
                "echo.onnx: output `pixels` is 1x3x6x8, which is 144 classes, but the labels name 3",
            ),
            (
                "means.onnx",
                "scale = 1.0",
                "read = \"classifier\"\nlabels = \"labels.txt\"",
                "means.onnx: output `scores` has scores outside 0 to 1: they are logits, set `softmax = true`",
            ),
        ] {
            assert_eq!(error(onnx, input, output), wanted);
        }
    }

    #[test]
    fn a_graph_that_cannot_run_fails_when_it_is_loaded() {
        let said = error("cannot-run.onnx", "", RAW);
        assert!(said.starts_with("cannot-run.onnx: "), "{said}");
    }

    #[test]
    fn another_file_than_the_one_described_is_refused() {
        let model = load("echo.onnx", "", RAW);
        let right = toml("echo.onnx", "", RAW)
            .replace("[input]", &format!("sha256 = \"{}\"\n\n[input]", model.digest()));
        assert!(Model::load(&Folder::new(&right).0).is_ok());
        let wrong = right.replace(model.digest(), &"0".repeat(64));
        assert_eq!(
            Folder::new(&wrong).error(),
            format!(
                "echo.onnx: its sha256 is {}, but model.toml says {}: it is another file than the one described",
                model.digest(),
                "0".repeat(64)
            )
        );
    }
}

mod inputs {
    use super::*;

    const RAW: &str = "read = \"raw\"";

    /// RGB of the frame's Y with U 100 and V 160, BT.601 full range.
    fn rgb(y: u8) -> [f32; 3] {
        let y = f32::from(y);
        [y + 1.402 * 32.0, y + 0.344_136 * 28.0 - 0.714_136 * 32.0, y - 1.772 * 28.0]
            .map(|value| value.clamp(0.0, 255.0))
    }

    #[test]
    fn pixels_arrive_normalised_in_every_layout() {
        let frame = frame(8, 6, |x, y| (40 + x * 20 + y * 3) as u8);
        let norm = "scale = 0.5\nmean = [10.0, 20.0, 30.0]\nstd = [2.0, 4.0, 8.0]";
        for (onnx, extra, swap, nhwc) in [
            ("echo.onnx", "", false, false),
            ("echo.onnx", "channels = \"bgr\"", true, false),
            ("dynamic.onnx", "", false, false),
            ("echo-nhwc.onnx", "layout = \"nhwc\"\nchannels = \"bgr\"", true, true),
        ] {
            let got = values(&load(onnx, &format!("{norm}\n{extra}"), RAW), &frame);
            for (at, y) in frame.planes.yuv()[0].iter().enumerate() {
                let mut wanted = rgb(*y);
                if swap {
                    wanted.reverse();
                }
                for channel in 0..3 {
                    let value = got[if nhwc { at * 3 + channel } else { channel * 48 + at }];
                    let mean = [10.0, 20.0, 30.0][channel];
                    let std = [2.0, 4.0, 8.0][channel];
                    let wanted = (wanted[channel] * 0.5 - mean) / std;
                    assert!((value - wanted).abs() <= 0.55 / std, "{onnx} {extra}: {value} {wanted}");
                }
            }
        }
    }

    #[test]
    fn bytes_arrive_as_they_are() {
        let frame = frame(8, 6, |x, _| 60 + x as u8);
        let got = values(&load("bytes.onnx", "type = \"uint8\"", RAW), &frame);
        let wanted = rgb(63);
        for channel in 0..3 {
            assert!((got[channel * 48 + 3] - wanted[channel]).abs() <= 1.0, "{got:?}");
        }
    }

    #[test]
    fn letterbox_bars_have_the_grey_asked_for() {
        let frame = frame(8, 3, |_, _| 200);
        let got = values(&load("echo.onnx", "fit = \"letterbox\"\npad = 51", RAW), &frame);
        assert!((got[0] - 0.2).abs() < 1e-6 && (got[47] - 0.2).abs() < 1e-6);
        assert!(got[24] > 0.7);
    }
}

mod answers {
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
            let tensor =
                Tensor { name: "out".to_owned(), shape: case.shape.clone(), data: case.data.clone() };
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
        let placement =
            crate::frame::picture(&frame(400, 200, |_, _| 0), Some(region), shape).unwrap().placement;
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
}
