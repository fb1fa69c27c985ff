//! What is wrong with what a run is given: it says what, where and what to do, and its exit code says the kind.

use std::path::Path;

use crate::support::{Done, app, file, finish, guest, transom};

const USAGE: i32 = 2;
const MANIFEST: i32 = 3;
const SOURCE: i32 = 4;
const MODEL: i32 = 5;
const PLUGIN: i32 = 6;
const SINK: i32 = 7;

/// A run that must not even begin: it prints no event, and the words are all it says.
#[track_caller]
fn refused(mut command: std::process::Command, code: i32, words: &str) {
    let done = ended(&mut command, code);
    assert_eq!((done.stdout.as_str(), done.stderr.trim_end()), ("", words));
}

#[track_caller]
fn ended(command: &mut std::process::Command, code: i32) -> Done {
    let done = finish(command);
    assert_eq!(done.code(), code, "{}", done.stderr);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    done
}

fn detections() -> std::process::Command {
    let mut command = transom(["run"]);
    command.arg(file("manifests/detections"));
    command
}

fn detections_on(source: impl std::fmt::Display) -> std::process::Command {
    let mut command = detections();
    command.arg("--camera").arg(format!("camera={source}"));
    command
}

fn clip() -> Vec<u8> {
    std::fs::read(file("tests/clips/plain.mp4")).unwrap()
}

/// Where a top-level box of an MP4 file begins and ends.
fn mp4_box(clip: &[u8], wanted: &[u8; 4]) -> (usize, usize) {
    let mut at = 0;
    loop {
        let size = u32::from_be_bytes(clip[at..at + 4].try_into().unwrap()) as usize;
        if &clip[at + 4..at + 8] == wanted {
            return (at, at + size);
        }
        at += size;
    }
}

/// The same bytes on every machine: `seed` chooses them.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

mod sources {
    use super::*;

    /// `run` and `probe` say the same of a file that cannot be opened.
    #[track_caller]
    fn both_refuse(path: &Path, words: &str) {
        let shown = path.display();
        refused(detections_on(&shown), SOURCE, &format!("error: camera `camera`: `{shown}`: {words}"));
        let mut probe = transom(["probe", "--decode"]);
        probe.arg(path);
        refused(probe, SOURCE, &format!("error: `{shown}`: {words}"));
    }

    #[track_caller]
    fn file_refused(name: &str, bytes: &[u8], words: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        both_refuse(&path, words);
    }

    #[test]
    fn a_file_that_is_no_recording_is_refused_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        both_refuse(&folder.path().join("nowhere.mp4"), "there is no such file");
        both_refuse(folder.path(), "is a folder; give a file");
        both_refuse(Path::new("/dev/zero"), "is a pipe or a device; give a file");
        file_refused("nothing.mp4", b"", "the file is empty");
        file_refused(
            "list.mp4",
            b"a shopping list: milk, eggs, bread",
            "this is no MP4 file; if it is video, convert it with `ffmpeg -i IN -c:v libx264 OUT.mp4`",
        );
        file_refused(
            "noise.264",
            &[&[0, 0, 0, 1], noise(1, 5000).as_slice()].concat(),
            "there are no readable H.264 parameter sets in it",
        );
    }

    #[test]
    fn a_pipe_nobody_writes_to_does_not_hold_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.mp4");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        both_refuse(&pipe, "is a pipe or a device; give a file");
    }

    #[test]
    fn a_recording_cut_off_in_its_index_is_refused() {
        let clip = clip();
        let (begin, end) = mp4_box(&clip, b"moov");
        let words = "its index (`moov`) is missing: the file was cut off before it was finished; record again, or record fragmented MP4, which survives a cut";
        file_refused("cut.mp4", &clip[..(begin + end) / 2], words);
    }

    #[test]
    fn a_recording_cut_off_in_its_pictures_is_analysed_as_far_as_it_goes() {
        let clip = clip();
        let (begin, end) = mp4_box(&clip, b"mdat");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.mp4");
        std::fs::write(&path, &clip[..(begin + end) / 2]).unwrap();
        let done = ended(&mut detections_on(path.display()), 0);
        let events = done.events().len();
        assert!((1..150).contains(&events), "{events}");
        let words = format!(
            "warning: `{}` is cut off: the last {} of 150 pictures are missing from the file",
            path.display(),
            150 - events
        );
        assert!(done.stderr.contains(&words), "{}", done.stderr);
    }

    #[test]
    fn a_recording_without_pictures_is_no_success() {
        let clip = clip();
        let (begin, end) = mp4_box(&clip, b"mdat");
        let folder = tempfile::tempdir().unwrap();
        let empty = |name: &str, pictures: &[u8], words: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, [&clip[..begin + 8], pictures].concat()).unwrap();
            let done = ended(&mut detections_on(path.display()), SOURCE);
            assert_eq!(done.stdout, "");
            assert!(
                done.stderr.contains(&format!("ended with: camera `camera`: {words}")),
                "{}",
                done.stderr
            );
        };
        empty("blank.mp4", &vec![0; end - begin - 8], "there is not one picture in the recording");
        empty("bare.mp4", &[], "there is not one picture in the recording");
    }

    #[test]
    fn damaged_pictures_never_harm_the_decoder() {
        let clip = clip();
        let (begin, end) = mp4_box(&clip, b"mdat");
        let folder = tempfile::tempdir().unwrap();
        for seed in 0..12_u64 {
            let mut damaged = clip.clone();
            let places = noise(seed, 90);
            for place in places.chunks(3) {
                let at = usize::from(place[0]) << 16 | usize::from(place[1]) << 8 | usize::from(place[2]);
                damaged[begin + 8 + at % (end - begin - 8)] ^= place[0] | 1;
            }
            let path = folder.path().join(format!("{seed}.mp4"));
            std::fs::write(&path, damaged).unwrap();
            let done = finish(transom(["probe", "--decode"]).arg(&path));
            assert!([0, SOURCE].contains(&done.code()), "{seed}: {}", done.stderr);
            assert!(!done.stderr.contains("panicked"), "{seed}: {}", done.stderr);
        }
    }

    #[test]
    fn what_is_no_way_to_read_video_is_refused() {
        refused(
            detections_on("http://camera/live.mp4"),
            USAGE,
            "error: --camera camera: the source begins with `http://`; it takes `rtsp://…` or a path",
        );
        refused(
            transom(["probe", "http://camera/live.mp4"]),
            SOURCE,
            "error: the source begins with `http://`; it takes `rtsp://…` or a path",
        );
    }

    /// A port of this machine nobody listens at.
    fn closed_port() -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn a_camera_that_is_not_there_is_told_at_once() {
        let port = closed_port();
        let done = ended(&mut detections_on(format!("rtsp://127.0.0.1:{port}/live")), SOURCE);
        let words = format!("error: camera `camera`: `rtsp://127.0.0.1:{port}/live`: ");
        assert!(done.stderr.starts_with(&words), "{}", done.stderr);
        assert!(
            done.stderr.trim_end().ends_with("check the address, and that the camera is on"),
            "{}",
            done.stderr
        );
    }

    #[test]
    fn a_password_is_in_no_word_of_a_failing_run() {
        let port = closed_port();
        let folder = app(&std::fs::read_to_string(file("manifests/detections/app.toml"))
            .unwrap()
            .replace("../../", &format!("{}/", file("").display())));
        let quiet = |done: Done| {
            assert_ne!(done.code(), 0);
            assert!(!(done.stdout + &done.stderr).contains("hunter2"), "the password was printed");
        };
        for source in [
            format!("rtsp://admin:hunter2@127.0.0.1:{port}/live"),
            "rtsp://admin:1/hunter2@127.0.0.1/live".to_owned(),
            "rtsp://admin:1#hunter2@127.0.0.1/live".to_owned(),
            "rtsp://admin:hunter2@[::1/live".to_owned(),
            "http://admin:hunter2@127.0.0.1/live".to_owned(),
            "rtsp://admin:hunter2@/live".to_owned(),
            "rtsp://admin:hunter2@127.0.0.1:99999/live".to_owned(),
        ] {
            quiet(finish(&mut detections_on(&source)));
            quiet(finish(&mut transom(["probe", &source])));
            let deploy = folder.path().join("deploy.toml");
            std::fs::write(&deploy, format!("[cameras.camera]\nsource = \"{source}\"\n")).unwrap();
            quiet(finish(transom(["run"]).arg(folder.path())));
            std::fs::write(&deploy, format!("[cameras.camera]\nsource = \"{source}\"\nsauce = 1\n")).unwrap();
            quiet(finish(transom(["run"]).arg(folder.path())));
        }
    }
}

mod arguments {
    use super::*;

    #[test]
    fn a_param_outside_its_range_is_refused_with_the_range() {
        let mut command = detections();
        command.args(["--param", "threshold=1.5"]);
        refused(
            command,
            USAGE,
            "error: --param threshold: the value is `1.5`; it takes a number from 0 to 1",
        );
        let mut command = detections();
        command.args(["--param", "treshold=0.5"]);
        refused(command, USAGE, "error: --param treshold: the app has no such param; it has `threshold`");
    }

    #[test]
    fn a_typo_in_a_manifest_is_pointed_at() {
        let folder = app("[app]\nname = \"x\"\nversoin = \"1.0.0\"\n");
        let done = ended(transom(["run"]).arg(folder.path()), MANIFEST);
        assert!(done.stderr.contains("app.toml:3:1: "), "{}", done.stderr);
        assert!(done.stderr.contains("`version`"), "{}", done.stderr);
    }

    #[test]
    fn noise_is_no_manifest() {
        let folder = app("");
        for seed in 1..20 {
            let mut bytes = noise(seed, 300);
            if seed % 2 == 0 {
                // Half of them as text, which gets further.
                bytes
                    .iter_mut()
                    .for_each(|byte| *byte = b"[]{}=\"'\n.,abc012 #\\\x1b\x7f-"[usize::from(*byte) % 22]);
            }
            std::fs::write(folder.path().join("app.toml"), bytes).unwrap();
            let done = ended(transom(["run"]).arg(folder.path()), MANIFEST);
            assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
            assert!(!done.stderr.contains('\u{1b}'), "{}", done.stderr);
        }
    }

    #[test]
    fn results_with_nowhere_to_go_are_told_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("missing/out.json");
        let shown = nowhere.display();
        let on_clip = || detections_on(file("tests/clips/plain.mp4").display());
        let mut command = on_clip();
        command.arg("--summary").arg(&nowhere);
        refused(
            command,
            SINK,
            &format!(
                "error: the summary cannot be written to `{shown}`: No such file or directory (os error 2); name another place with `--summary`"
            ),
        );
        let mut command = on_clip();
        command.arg("--events").arg(&nowhere);
        refused(
            command,
            SINK,
            &format!(
                "error: events cannot be written to `{shown}`: No such file or directory (os error 2); name another place with `--events`"
            ),
        );
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap();
        let mut command = on_clip();
        command.args(["--view", &addr.to_string()]);
        refused(
            command,
            SINK,
            &format!(
                "error: the page cannot be served at {addr}: Address already in use (os error 98); choose another port with `--view`"
            ),
        );
    }

    #[test]
    fn a_full_disk_takes_no_summary_and_says_so() {
        let mut command = detections_on(file("tests/clips/plain.mp4").display());
        let done = ended(command.args(["--frames", "2", "--summary", "/dev/full"]), SINK);
        assert!(
            done.stderr
                .contains("error: the summary cannot be written to `/dev/full`: No space left on device"),
            "{}",
            done.stderr
        );
    }
}

mod models {
    use super::*;

    /// Just enough of ONNX to write a graph of one operator, 1x3x6x8 in and out (onnx.proto, field numbers).
    fn onnx(operator: &str) -> Vec<u8> {
        let input = [field(1, b"in"), field(2, &tensor_type(&[1, 3, 6, 8]))].concat();
        let output = [field(1, b"out"), field(2, &tensor_type(&[1, 3, 6, 8]))].concat();
        let node =
            [field(1, b"in"), field(2, b"out"), field(3, b"node"), field(4, operator.as_bytes())].concat();
        let graph = [field(1, &node), field(2, b"graph"), field(11, &input), field(12, &output)].concat();
        [number(1, 8), field(7, &graph), field(8, &number(2, 17))].concat()
    }

    fn tensor_type(shape: &[u64]) -> Vec<u8> {
        let axes: Vec<u8> = shape.iter().flat_map(|axis| field(1, &number(1, *axis))).collect();
        const FLOAT: u64 = 1;
        field(1, &[number(1, FLOAT), field(2, &axes)].concat())
    }

    fn field(tag: u64, bytes: &[u8]) -> Vec<u8> {
        [varint(tag << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
    }

    fn number(tag: u64, value: u64) -> Vec<u8> {
        [varint(tag << 3), varint(value)].concat()
    }

    fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    const TOML: &str = "[model]\nname = \"test\"\nfile = \"model.onnx\"\n\n[input]\nwidth = 8\nheight = 6\n\n[output]\nread = \"raw\"\n";

    /// The folder of a model.
    fn model(toml: &str, onnx: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.toml"), toml).unwrap();
        std::fs::write(folder.path().join("model.onnx"), onnx).unwrap();
        folder
    }

    /// What a run with this model says; its folder is left out.
    #[track_caller]
    fn error(toml: &str, onnx: &[u8]) -> String {
        let folder = model(toml, onnx);
        let mut command = detections_on(file("tests/clips/plain.mp4").display());
        command.arg("--model").arg(format!("detector={}", folder.path().display()));
        let done = ended(&mut command, MODEL);
        assert_eq!(done.stdout, "");
        let words = done.stderr.replace(&format!("{}/", folder.path().display()), "");
        words.strip_prefix("error: model `detector`: ").unwrap_or(&words).trim_end().to_owned()
    }

    #[test]
    fn a_graph_of_an_unknown_operator_is_refused_by_its_name() {
        let words = error(TOML, &onnx("Frobnicate"));
        assert!(words.starts_with("model.onnx: ") && words.contains("Frobnicate"), "{words}");
    }

    #[test]
    fn what_is_no_whole_onnx_file_is_refused() {
        let whole = std::fs::read(file("models/person/model.onnx")).unwrap();
        let person = "[model]\nname = \"person\"\nfile = \"model.onnx\"\n\n[input]\nwidth = 384\nheight = 224\n\n[output]\nread = \"raw\"\n";
        for (what, onnx) in [
            ("nothing", Vec::new()),
            ("noise", noise(7, 4096)),
            ("words", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec()),
            ("a third", whole[..whole.len() / 3].to_vec()),
            ("all but a byte", whole[..whole.len() - 1].to_vec()),
        ] {
            let words = error(person, &onnx);
            assert!(words.starts_with("model.onnx: "), "{what}: {words}");
            assert!(
                ["is empty", "is a Git LFS pointer", "is not a whole ONNX file"]
                    .iter()
                    .any(|says| words.contains(says)),
                "{what}: {words}"
            );
        }
    }

    #[test]
    fn a_model_that_is_not_what_its_description_says_is_refused() {
        let identity = onnx("Identity");
        assert_eq!(
            error(&TOML.replace("width = 8", "width = 16"), &identity),
            "model.onnx: input `in` is float32 1x3x6x8, but model.toml says float32 of 1x3x6x16"
        );
        let zeros = "0".repeat(64);
        let words = error(&TOML.replace("file =", &format!("sha256 = \"{zeros}\"\nfile =")), &identity);
        assert!(
            words.ends_with(&format!(
                "but model.toml says {zeros}: it is another file than the one described"
            )),
            "{words}"
        );
        assert_eq!(
            error(&TOML.replace("\"raw\"", "\"yolov8\"\nlabels = \"labels.txt\""), &identity),
            "model.toml:11:10: labels `labels.txt` cannot be read: No such file or directory (os error 2)"
        );
        assert_eq!(
            error(&TOML.replace("\"raw\"", "\"yolov8\""), &identity),
            "model.toml:10:8: `labels` is missing: the file that names the model's classes, one a line, or a list of names"
        );
    }

    #[test]
    fn a_detector_is_not_to_be_had_of_raw_tensors() {
        // The model is good; the plugin asks it for what it does not give, and says so with each frame.
        let folder = model(TOML, &onnx("Identity"));
        let mut command = detections_on(file("tests/clips/plain.mp4").display());
        command.arg("--model").arg(format!("detector={}", folder.path().display()));
        let done = ended(command.args(["--frames", "3"]), 0);
        assert_eq!(done.stdout, "");
        assert!(done.stderr.contains("3 frames complained about"), "{}", done.stderr);
    }
}

mod components {
    use super::*;

    /// An app of one plugin that needs nothing.
    fn manifest(component: &Path, more: &str) -> String {
        format!(
            "[app]\nname = \"strange\"\nversion = \"1.0.0\"\ntitle = \"Strange\"\n\n[cameras.camera]\ntitle = \"Any\"\n\n\
             [plugins.one]\ncomponent = \"{}\"\n{more}",
            component.display()
        )
    }

    fn run(folder: &Path) -> std::process::Command {
        let mut command = transom(["run"]);
        command
            .arg(folder)
            .arg("--camera")
            .arg(format!("camera={}", file("tests/clips/plain.mp4").display()));
        command
    }

    /// What a run of such a component says; its folder is left out.
    #[track_caller]
    fn error(component: &[u8]) -> String {
        let folder = app(&manifest(Path::new("plugin.wasm"), ""));
        std::fs::write(folder.path().join("plugin.wasm"), component).unwrap();
        let done = ended(&mut run(folder.path()), PLUGIN);
        assert_eq!(done.stdout, "");
        let words = done.stderr.replace(&format!("{}/", folder.path().display()), "");
        words.strip_prefix("error: plugin `one`: plugin.wasm: ").unwrap_or(&words).trim_end().to_owned()
    }

    #[track_caller]
    fn error_of_text(component: &str) -> String {
        error(&wat::parse_str(component).unwrap())
    }

    #[test]
    fn a_component_built_for_another_host_is_refused_by_what_it_imports() {
        for (import, remedy) in [
            (
                "acme:thing/x@1.0.0",
                "a plugin imports `transom:app` and the WASI of its standard library, nothing else",
            ),
            ("transom:app/frames@0.2.0", "it was built for another version of the interface than 0.1"),
            ("transom:app/teleport@0.1.0", "it was built for another version of the interface than 0.1"),
            ("wasi:sockets/tcp@0.2.0", "plugins have no network of their own; ask for `http`"),
        ] {
            assert_eq!(
                error_of_text(&format!("(component (import \"{import}\" (instance)))")),
                format!("it imports `{import}`, which this host does not have; {remedy}")
            );
        }
        assert_eq!(
            error_of_text("(component (import \"wasi:http/outgoing-handler@0.2.0\" (instance)))"),
            "it imports `wasi:http/outgoing-handler@0.2.0`, which needs `http`, and that is not granted; ask for it in app.toml and grant it in deploy.toml"
        );
        assert_eq!(
            error_of_text("(component (import \"run\" (func)))"),
            "it imports `run`, which this host does not have; a plugin imports `transom:app` and the WASI of its standard library, nothing else"
        );
    }

    #[test]
    fn a_component_that_is_no_plugin_is_refused_by_what_it_exports() {
        assert_eq!(
            error_of_text("(component)"),
            "it does not export `transom:app/lifecycle@0.1.0` but nothing; build it against `transom:app@0.1.0`"
        );
        let words =
            error_of_text("(component (instance $i) (export \"transom:app/lifecycle@0.1.0\" (instance $i)))");
        assert!(words.starts_with("its exports do not fit `transom:app/lifecycle@0.1.0`: "), "{words}");
    }

    #[test]
    fn what_is_no_component_is_refused_by_what_it_is() {
        let no_wasm = "this is not WebAssembly; the file of a plugin is a component (.wasm)";
        assert_eq!(error(b""), no_wasm);
        assert_eq!(error(&noise(3, 4096)), no_wasm);
        assert_eq!(error(b"(component)"), no_wasm);
        assert_eq!(
            error_of_text("(module)"),
            "this is a core WebAssembly module, not a component; build it with `--target wasm32-wasip2`"
        );
        let real = std::fs::read(guest("detections")).unwrap();
        let words = error(&real[..real.len() / 2]);
        assert!(words.starts_with("the component cannot be compiled: "), "{words}");
        let words = error(&[&real[..8], &noise(4, 4096)].concat());
        assert!(words.starts_with("the component cannot be compiled: "), "{words}");
    }

    #[test]
    fn a_damaged_component_never_harms_the_host() {
        use transom::plugin::{Compiler, Linked};

        let real = std::fs::read(guest("reads_files")).unwrap();
        let engine = transom::plugin::Engine::new(Compiler::Here).unwrap();
        for seed in 1..=200 {
            let mut damaged = real.clone();
            for place in noise(seed, 32).chunks(4) {
                let at = u32::from_le_bytes(place.try_into().unwrap()) as usize;
                damaged[at % real.len()] = place[0];
            }
            // Whether it is still a component is up to the damage.
            let _ = engine.load_bytes(&damaged, Linked::ALL);
        }
    }

    #[test]
    fn a_pipe_in_place_of_a_component_is_refused_and_not_waited_for() {
        let folder = app(&manifest(Path::new("plugin.wasm"), ""));
        let pipe = folder.path().join("plugin.wasm");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let done = ended(&mut run(folder.path()), PLUGIN);
        assert_eq!(done.stderr, format!("error: plugin `one`: {}: it is not a file\n", pipe.display()));
        let done = finish(transom(["inspect"]).arg(&pipe));
        assert_eq!(done.stderr, format!("error: {}: it is not a file\n", pipe.display()));
    }

    #[test]
    fn a_component_that_is_not_there_is_told_with_its_path() {
        let folder = app(&manifest(Path::new("plugin.wasm"), ""));
        let done = ended(&mut run(folder.path()), PLUGIN);
        let words = format!(
            "error: plugin `one`: {}: there is no such file; build it, or say in `build` how\n",
            folder.path().join("plugin.wasm").display()
        );
        assert_eq!(done.stderr, words);
    }

    #[test]
    fn a_build_that_fails_ends_a_run_with_the_command() {
        let build = |command: &str| {
            let folder = app(&manifest(
                Path::new("plugin.wasm"),
                &format!("build = {{ command = \"{command}\", sources = [\".\"] }}\n"),
            ));
            ended(&mut run(folder.path()), PLUGIN).stderr
        };
        let failed = build("echo the compiler says no >&2; exit 3");
        assert!(
            failed.contains(
                "building plugin `one`: echo the compiler says no >&2; exit 3\nthe compiler says no\n"
            ),
            "{failed}"
        );
        assert!(
            failed.contains(
                "error: plugin `one`: `echo the compiler says no >&2; exit 3` failed (exit status: 3) in "
            ),
            "{failed}"
        );
        let nothing = build("true");
        assert!(nothing.contains("error: plugin `one`: its build went well but left no `"), "{nothing}");
        assert!(nothing.trim_end().ends_with("does `component` name what the build makes?"), "{nothing}");
    }

    #[test]
    fn files_and_an_environment_are_there_and_empty() {
        let folder = app(&manifest(&guest("reads_files"), ""));
        let done = ended(&mut run(folder.path()), PLUGIN);
        assert!(
            done.stderr
                .starts_with("error: plugin `one`: it cannot work with what it was given: /etc/passwd: "),
            "{}",
            done.stderr
        );
    }
}
