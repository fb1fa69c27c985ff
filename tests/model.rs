//! `transom model …`: every structure of the zoo on the built-in back end, answers against the Python reference,
//! and what it says of bad files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use transom::decoder::{Decoder, Picture};
use transom::frame::{Frame, Memo, Pool, Region};
use transom::model::{Asker, Loading, Model};

use crate::support::video::units;
use crate::support::{Done, events, file, finish, shared_data, skip, transom};
use crate::zoo::{self, Animal, Stream};

/// Runs `transom model` to its end, on nothing but what is built in unless told otherwise.
fn model<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Done {
    let mut command = transom(["model"]);
    command.args(arguments).env("TRANSOM_ONNXRUNTIME", "none");
    finish(&mut command)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A model of the zoo in a folder of its own.
fn animal(name: &str) -> (TempDir, Animal) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let animal = zoo::animals().into_iter().find(|animal| animal.name == name).expect("it is in the zoo");
    animal.write(folder.path());
    (folder, animal)
}

/// A tensor as `numpy.save` writes it.
fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((length as u16).to_le_bytes());
    file.extend(format!("{header:<width$}\n", width = length - 1).bytes());
    file.extend(data);
    file
}

/// The floats of a `.npy` file; whole numbers are brought to them.
fn floats(path: &Path) -> Vec<f32> {
    let file = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let start = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let header = String::from_utf8_lossy(&file[10..start]).into_owned();
    let data = &file[start..];
    if header.contains("<f4") {
        data.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    } else if header.contains("<i8") {
        data.chunks(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as f32).collect()
    } else {
        panic!("{header}")
    }
}

/// Each structure, its weights made, gives what onnxruntime gave (`tests/zoo/expected.json`).
#[test]
fn the_zoo_answers_as_onnxruntime_does() {
    for animal in zoo::animals() {
        let folder = tempfile::tempdir().unwrap();
        animal.write(folder.path());
        for (stream, name) in [(Stream::Random, "random"), (Stream::Picture, "picture")] {
            let input = folder.path().join("input.npy");
            let descr = if animal.bytes { "|u1" } else { "<f4" };
            std::fs::write(&input, npy(descr, &animal.shape, &animal.input_bytes(stream))).unwrap();
            let out = folder.path().join("out");
            let done = model([
                "infer",
                path(&folder.path().join("model.onnx")),
                "--input",
                &format!("{}={}", animal.input, input.display()),
                "--output",
                path(&out),
                "--backend",
                "rten",
            ]);
            assert_eq!(done.code(), 0, "{}: {}", animal.name, done.stderr);
            for (output, answer) in &animal.answers[name] {
                let found = floats(&out.join(format!("{output}.npy")));
                assert_eq!(found.len(), answer.shape.iter().product::<usize>(), "{}", animal.name);
                let error = answer.error(&found);
                assert!(error < 1e-3, "{}, output {output}: error {error:.1e}", animal.name);
            }
        }
    }
}

/// Each `model.toml` of the zoo fits its graph, and its read-out answers something to a picture.
#[test]
fn the_zoo_is_read_out() {
    for animal in zoo::animals() {
        let folder = tempfile::tempdir().unwrap();
        animal.write(folder.path());
        let picture = file("host/src/model/gate/natural.jpg");
        let done = model(["detect", path(folder.path()), path(&picture), "--json", "--backend", "rten"]);
        assert_eq!(done.code(), 0, "{}: {}", animal.name, done.stderr);
        let answer = &done.events()[0];
        let kinds = ["detections", "poses", "classes", "embedding", "map"];
        assert!(kinds.iter().any(|kind| !answer[kind].is_null()), "{}: {}", animal.name, done.stdout);
    }
}

/// A first `model.toml` for the graph alone is one that loads.
#[test]
fn init_writes_what_check_takes() {
    for name in ["yolov8n", "yolov5n", "yolox-nano", "fastestdet", "squeezenet", "osnet-x0-25", "unet"] {
        let (folder, animal) = animal(name);
        std::fs::remove_file(folder.path().join("model.toml")).unwrap();
        std::fs::remove_file(folder.path().join("labels.txt")).ok();
        let onnx = folder.path().join("model.onnx");
        let done = model(["init", path(&onnx)]);
        assert_eq!(done.code(), 0, "{name}: {}", done.stderr);
        let again = model(["init", path(&onnx)]);
        assert_eq!(again.code(), 7, "nothing is overwritten: {}", again.stdout);
        let written = std::fs::read_to_string(folder.path().join("model.toml")).unwrap();
        let described = std::fs::read_to_string(zoo::folder().join(format!("{name}.toml"))).unwrap();
        let read = |toml: &str| {
            let line = toml.lines().find(|line| line.starts_with("read"));
            line.and_then(|line| line.split('#').next()).map(|line| line.trim().to_owned())
        };
        assert_eq!(read(&written), read(&described), "{name}: {}", done.stdout);
        let done = model(["check", path(folder.path()), "--backend", "rten"]);
        assert_eq!(done.code(), 0, "{}: {}\n{written}", animal.name, done.stderr);
    }
}

#[test]
fn check_prints_a_row_for_each_back_end() {
    let done = model(["check", path(&file("models/person"))]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let head = ["back end", "device", "loads", "max error", "median", "p95", "memory"];
    assert!(head.iter().all(|word| done.stdout.contains(word)), "{}", done.stdout);
    assert!(done.stdout.contains("* rten"), "{}", done.stdout);
    assert!(done.stdout.contains("onnxruntime is not tried"), "{}", done.stdout);
    assert!(done.stdout.lines().all(|line| line.chars().count() <= 100), "{}", done.stdout);
    let done = model(["check", path(&file("models/person")), "--json"]);
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(report["rows"][0]["backend"], "rten");
    assert_eq!(report["rows"][0]["chosen"], true);
}

#[test]
fn a_back_end_that_is_not_there_is_named() {
    let done = model(["check", path(&file("models/person")), "--backend", "tensorflow"]);
    assert_eq!(done.code(), 2);
    assert!(
        done.stderr.contains("there is no back end `tensorflow` here; there are: rten on cpu"),
        "{}",
        done.stderr
    );
}

/// Python with OpenCV and onnxruntime, where there is one.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let imports =
        Command::new(&python).args(["-c", "import cv2, numpy, onnxruntime"]).stderr(Stdio::null()).status();
    if imports.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    skip("no Python with numpy, opencv-python-headless and onnxruntime; PYTHON names one");
    None
}

/// What the reference program finds, a line a picture.
fn reference(python: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(python);
    command.arg(file("tests/zoo/reference.py")).args(arguments);
    let done = finish(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert!(done.status.success(), "{}", done.stderr);
    events(&done.stdout)
}

fn boxes(picture: &Value) -> Vec<(String, f64, Region)> {
    let side = |found: &Value, side: &str| found["box"][side].as_f64().unwrap() as f32;
    let region = |found: &Value| Region {
        l: side(found, "l"),
        t: side(found, "t"),
        w: side(found, "w"),
        h: side(found, "h"),
    };
    let found = picture["detections"].as_array().expect("detections").iter();
    found
        .map(|found| {
            // The reference calls the name `label`; here that is a number.
            let name = found["name"].as_str().or(found["label"].as_str()).expect("a name");
            (name.to_owned(), found["score"].as_f64().expect("a score"), region(found))
        })
        .collect()
}

/// Every box of one side has its like on the other, `same` of a hundred at the same place; those close to the threshold
/// may be missing. Pixels differ (the reference resizes RGB, the host the planes of YUV), scores with them by
/// hundredths, and of two boxes that suppress each other, or two classes of one, the other one may be the higher:
/// in one of a hundred.
fn agree(ours: &[Value], theirs: &[Value], threshold: f64, same: usize) -> usize {
    assert_eq!(ours.len(), theirs.len(), "pictures");
    let (mut seen, mut close, mut odd) = (0, 0, Vec::new());
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let (ours, theirs) = (boxes(ours), boxes(theirs));
        for (these, those) in [(&ours, &theirs), (&theirs, &ours)] {
            for (name, score, region) in these {
                let like = |apart: f64, overlap: f32| {
                    those.iter().any(|(other, its, at)| {
                        other == name && (its - score).abs() < apart && at.iou(region) > overlap
                    })
                };
                let at_the_edge = (score - threshold).abs() < 0.05;
                if !(like(0.05, 0.6) || at_the_edge) {
                    odd.push(format!("picture {at}: {name} {score} {region:?}\n{ours:?}\n{theirs:?}"));
                }
                close += usize::from(like(0.02, 0.9));
                seen += 1;
            }
        }
    }
    assert!(odd.len() * 100 <= seen, "of {seen} boxes: {}", odd.join("\n"));
    assert!(close + 2 >= seen || close * 100 >= seen * same, "{close} of {seen} boxes are at the same place");
    seen / 2
}

#[test]
fn detections_in_the_shipped_clip_equal_the_references() {
    let Some(python) = python() else { return };
    let clip = file("tests/clips/entrance.mp4");
    let person = file("models/person");
    let done = model(["detect", path(&person), path(&clip), "--json", "--frames", "100"]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let theirs = reference(&python, &[path(&person), path(&clip), "--frames", "100"]);
    let seen = agree(&done.events(), &theirs, 0.5, 93);
    assert!(seen > 50, "{seen} boxes");
}

/// A well-known detector on its own picture and on a real clip.
#[test]
fn fastestdets_detections_equal_the_references() {
    let Some(data) = shared_data() else { return };
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["model.toml", "labels.txt"] {
        std::fs::copy(file("tests/models/fastestdet").join(name), folder.path().join(name)).unwrap();
    }
    let onnx = data.join("models/fastestdet/FastestDet.onnx").canonicalize().unwrap();
    std::os::unix::fs::symlink(onnx, folder.path().join("FastestDet.onnx")).unwrap();
    for (source, frames) in
        [("models/fastestdet/3.jpg", "1"), ("clips/one-by-one-person-detection.mp4", "300")]
    {
        let source = data.join(source);
        let mut arguments = vec!["detect", path(folder.path()), path(&source), "--json"];
        if frames != "1" {
            arguments.extend(["--frames", frames]);
        }
        let done = model(arguments);
        assert_eq!(done.code(), 0, "{}", done.stderr);
        let theirs = reference(&python, &[path(folder.path()), path(&source), "--frames", frames]);
        // A reference that resizes planes too has 98 of a hundred at the same place.
        assert!(agree(&done.events(), &theirs, 0.5, 88) > 0);
    }
}

#[test]
fn answers_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let (png, mp4) = (folder.path().join("seen.png"), folder.path().join("seen.mp4"));
    let person = file("models/person");
    let picture = file("host/src/model/gate/natural.jpg");
    let done = model(["detect", path(&person), path(&picture), "--draw", path(&png), "--score", "0.2"]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(done.stdout.contains("person 0."), "{}", done.stdout);
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));

    let clip = file("tests/clips/entrance.mp4");
    let done = model(["detect", path(&person), path(&clip), "--draw", path(&mp4), "--frames", "30"]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(done.stdout.lines().count(), 30);
    let probe = finish(&mut transom(["probe", path(&mp4), "--decode", "--json"]));
    let seen: Value = serde_json::from_str(&probe.stdout).unwrap_or_else(|_| panic!("{}", probe.stderr));
    assert_eq!(seen["decoder"]["decoded"], 30);
    // The pictures' own times: 30 of them at 25 a second, the last as long as the one before it.
    assert_eq!(seen["units"]["last_pts_us"], 29 * 40_000);

    let done = model(["detect", path(&person), path(&picture), "--draw", path(&mp4)]);
    assert_eq!(
        (done.code(), done.stderr.contains("a picture is drawn as .png")),
        (2, true),
        "{}",
        done.stderr
    );
}

#[test]
fn what_is_looked_at_is_not_drawn_over() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, link) = (folder.path().join("clip.mp4"), folder.path().join("link.mp4"));
    std::fs::copy(file("tests/clips/plain.mp4"), &clip).unwrap();
    std::os::unix::fs::symlink(&clip, &link).unwrap();
    for drawn in [&clip, &link] {
        let done = model(["detect", path(&file("models/person")), path(&clip), "--draw", path(drawn)]);
        assert_eq!(done.code(), 2, "{}", done.stderr);
        assert!(done.stderr.contains("is the very file that is looked at"), "{}", done.stderr);
    }
    assert_eq!(std::fs::read(&clip).unwrap(), std::fs::read(file("tests/clips/plain.mp4")).unwrap());
}

#[test]
fn a_graph_whose_sizes_come_out_of_the_pixels_runs_in_a_process_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(file("host/src/model/testdata/bright.onnx"), folder.path().join("model.onnx")).unwrap();
    let toml = "[model]\nname = \"bright\"\nfile = \"model.onnx\"\n[input]\nwidth = 8\nheight = 6\nscale = 1.0\n\
                [output]\nread = \"raw\"\n";
    std::fs::write(folder.path().join("model.toml"), toml).unwrap();
    let done = model(["check", path(folder.path())]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let words = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Sizes in this graph come out of the pixels (node 3 (Expand))"), "{words}");
    let clip = file("tests/clips/plain.mp4");
    let done = model(["detect", path(folder.path()), path(&clip), "--frames", "5", "--json"]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(done.events().len(), 5);
}

#[test]
fn infer_says_what_is_missing_or_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = file("models/person/model.onnx");
    let out = folder.path().join("out");
    let infer = |input: &str| {
        let mut arguments = vec!["infer", path(&onnx), "--output", path(&out)];
        if !input.is_empty() {
            arguments.extend(["--input", input]);
        }
        model(arguments)
    };
    let none = infer("");
    assert_eq!(none.code(), 5);
    assert!(none.stderr.contains("input `image` is float32"), "{}", none.stderr);
    let wrong = folder.path().join("wrong.npy");
    std::fs::write(&wrong, npy("<f4", &[1, 3, 2, 2], &[0; 48])).unwrap();
    let done = infer(&format!("image={}", wrong.display()));
    assert_eq!(done.code(), 5, "{}", done.stderr);
    assert!(done.stderr.contains("1x3x224x384"), "{}", done.stderr);
    let done = infer(&format!("picture={}", wrong.display()));
    assert!(done.stderr.contains("the graph has no input `picture`; it has `image`"), "{}", done.stderr);
    std::fs::write(&wrong, b"no tensor").unwrap();
    let done = infer(&format!("image={}", wrong.display()));
    assert_eq!(done.code(), 2);
    assert!(done.stderr.contains("it is not a .npy file"), "{}", done.stderr);
}

/// Whatever is wrong with a file is said at once, and costs little: see `bad_input.rs` for the rest of the product.
#[test]
fn broken_models_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("model.onnx");
    let compact = std::fs::read(zoo::folder().join("yolov8n.onnx")).unwrap();
    let (whole, _) = animal("squeezenet");
    let whole = std::fs::read(whole.path().join("model.onnx")).unwrap();
    for (what, bytes) in [
        ("an empty file", Vec::new()),
        ("a page", b"<html>404</html>".to_vec()),
        ("noise", (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
        ("weights that are not there", compact),
        ("half a file", whole[..whole.len() / 2].to_vec()),
        ("all but the end", whole[..whole.len() - 9].to_vec()),
    ] {
        std::fs::write(&onnx, bytes).unwrap();
        for command in ["check", "init"] {
            let done = model([command, path(&onnx)]);
            assert_eq!(done.code(), 5, "{what}: {}{}", done.stdout, done.stderr);
            assert!(
                done.stderr.starts_with("error: ") && done.stderr.contains("model.onnx: "),
                "{}",
                done.stderr
            );
        }
    }
}

/// The pictures of a clip, every so many.
fn every(clip: &Path, step: u64) -> Vec<Frame> {
    let mut decoder = Decoder::new(Pool::default());
    let mut frames = Vec::new();
    for unit in units(clip) {
        let mut take = |picture: Picture| {
            if picture.sequence.is_multiple_of(step) {
                frames.push(Frame {
                    sequence: picture.sequence,
                    media_time_us: picture.pts_us,
                    captured_at_us: picture.captured_at_us,
                    planes: picture.planes,
                    color: picture.color,
                    memo: Memo::default(),
                });
            }
        };
        decoder.decode(&unit, 1, &mut take).expect("the clip is whole");
    }
    frames
}

/// Seconds apart, a person is more like herself than like anybody else.
#[test]
fn the_shipped_embedding_tells_people_apart() {
    let loading = Loading { only: Some("rten".to_owned()), ..Loading::default() };
    let model = Model::load(&file("models/person-reid"), &loading).expect("it loads");
    let text = std::fs::read_to_string(file("tests/clips/entrance.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    let asker = Asker::new("test");
    let mut seen: Vec<(u64, u64, Vec<f32>)> = Vec::new();
    for frame in every(&file("tests/clips/entrance.mp4"), 50) {
        for person in truth["boxes"][frame.sequence as usize].as_array().expect("boxes") {
            let [l, t, w, h, visible] = [1, 2, 3, 4, 5].map(|at: usize| person[at].as_f64().unwrap() as f32);
            if visible < 1.0 || h < 0.2 {
                continue;
            }
            let embedding = model.embed(&asker, &frame, Some(Region { l, t, w, h })).expect("an embedding");
            let length: f32 = embedding.values.iter().map(|value| value * value).sum();
            assert!(embedding.values.len() == 128 && (length - 1.0).abs() < 1e-4, "{length}");
            seen.push((frame.sequence, person[0].as_u64().unwrap(), embedding.values.clone()));
        }
    }
    let (mut right, mut asked) = (0, 0);
    for (at, who, vector) in &seen {
        let others = seen.iter().filter(|(when, ..)| when != at);
        let like = |other: &[f32]| vector.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
        let nearest = others.clone().max_by(|a, b| like(&a.2).total_cmp(&like(&b.2)));
        if others.clone().any(|(_, other, _)| other == who) {
            asked += 1;
            right += usize::from(nearest.is_some_and(|(_, nearest, _)| nearest == who));
        }
    }
    assert!(asked > 30 && right * 100 >= asked * 90, "{right} of {asked}");
}
