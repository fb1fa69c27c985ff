//! Several apps in one run.

use serde_json::{Value, json};

use crate::support::{Done, app, file, finish, guest, summary, transom};

const USAGE: i32 = 2;
const PLUGIN: i32 = 6;
const SINK: i32 = 7;

/// An app called `name` around `detections` or, with a `what`, around `misbehaves`.
fn named(name: &str, what: Option<&str>) -> tempfile::TempDir {
    let (component, params) = match what {
        None => ("detections", "[params.threshold]\ntype = \"float\"\ndefault = 0.5\n".to_owned()),
        Some(what) => (
            "misbehaves",
            format!(
                "[params.what]\ntype = \"text\"\ndefault = \"{what}\"\n[params.at]\ntype = \"integer\"\ndefault = 9\n"
            ),
        ),
    };
    app(&format!(
        "[app]\nname = \"{name}\"\nversion = \"1.0.0\"\ntitle = \"{name}\"\n\n[cameras.camera]\n\n\
         [models.person]\npath = {:?}\n\n{params}\n\
         [plugins.one]\ncomponent = {:?}\nmodels = [\"person\"]\npermissions = {{ pixels = true, jpeg = true }}\n\
         limits = {{ deadline = \"{}\" }}\n",
        file("models/person"),
        guest(component),
        // Long enough for a busy machine, unless it is the deadline that is tried.
        if what == Some("loop") { "250ms" } else { "10s" },
    ))
}

fn run(folders: &[&tempfile::TempDir], more: &[&str]) -> (Done, Value) {
    let report = folders[0].path().join("summary.json");
    let mut command =
        transom(["run", "--camera", &format!("camera={}", file("tests/clips/plain.mp4").display())]);
    command.args(folders.iter().map(|folder| folder.path())).args(more).arg("--summary").arg(&report);
    let done = finish(&mut command);
    let written = std::fs::metadata(&report).is_ok_and(|file| file.len() > 0);
    let summary = if written { summary(&report) } else { Value::Null };
    (done, summary)
}

fn frames(done: &Done, app: &str) -> Vec<u64> {
    let events = done.events().into_iter().filter(|event| event["app"] == app);
    events.map(|event| event["frame"].as_u64().unwrap()).collect()
}

#[test]
fn apps_share_one_decode_and_one_inference_a_frame() {
    let (one, other) = (named("one", None), named("other", None));
    let (done, summary) = run(&[&one, &other], &["--frames", "60"]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(frames(&done, "one"), (0..60).collect::<Vec<_>>());
    assert_eq!(frames(&done, "other"), (0..60).collect::<Vec<_>>());
    assert_eq!(summary["streams"].as_array().map(Vec::len), Some(1));
    assert_eq!(summary["frames"]["decoded"].as_u64().unwrap().min(62), summary["frames"]["decoded"]);
    assert_eq!(summary["models"].as_array().map(Vec::len), Some(1));
    let model = &summary["models"][0];
    assert_eq!((&model["asks"], &model["inference"]["count"]), (&json!(120), &json!(60)));
    let apps: Vec<&Value> = summary["apps"].as_array().unwrap().iter().map(|app| &app["name"]).collect();
    assert_eq!(apps, ["one", "other"]);
    assert!(done.stderr.contains("one 1.0.0, other 1.0.0: 60 frames"), "{}", done.stderr);
    assert!(done.stderr.contains("  plugin other/one: 60 frames, 60 events, no faults"), "{}", done.stderr);
}

#[test]
fn an_override_is_for_one_app_or_for_all_that_have_such_an_item() {
    let (one, other) = (named("one", None), named("other", None));
    let (done, _) = run(&[&one, &other], &["--frames", "20", "--param", "other.threshold=0.99"]);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let found = |app: &str| -> usize {
        let events = done.events().into_iter().filter(|event| event["app"] == app);
        events.map(|event| event["detections"].as_array().unwrap().len()).sum()
    };
    assert!(found("one") > 0 && found("other") == 0);
    let told = |arguments: &[&str], words: &str| {
        let (done, _) = run(&[&one, &other], arguments);
        assert_eq!(done.code(), USAGE, "{}", done.stderr);
        assert!(done.stderr.contains(words), "{}", done.stderr);
    };
    told(
        &["--param", "third.threshold=1"],
        "--param third.threshold: none of the apps has that; they are `one`, `other`",
    );
    told(&["--param", "treshold=1"], "--param treshold: none of the apps has that");
    told(&["--param", "other.treshold=1"], "--param treshold: the app has no such param; it has `threshold`");
    let (done, _) = run(&[&one, &named("one", None)], &[]);
    assert!(done.stderr.contains("two apps are called `one`"), "{}", done.stderr);
}

#[test]
fn whatever_one_app_does_the_other_sees_every_frame() {
    let good = named("good", None);
    for (what, code) in [
        ("trap", PLUGIN),
        ("loop", PLUGIN),
        ("allocate", PLUGIN),
        ("log", 0),
        ("print", 0),
        ("many-events", 0),
        ("metrics", 0),
        ("crossing", PLUGIN),
    ] {
        let bad = named("bad", Some(what));
        let (done, summary) = run(&[&good, &bad], &[]);
        assert_eq!(done.code(), code, "{what}: {}", done.stderr);
        assert_eq!(frames(&done, "good"), (0..150).collect::<Vec<_>>(), "{what}");
        let plugin =
            summary["plugins"].as_array().unwrap().iter().find(|plugin| plugin["app"] == "good").unwrap();
        assert_eq!((&plugin["faults"], &plugin["seen"]), (&json!({}), &json!(150)), "{what}");
    }
}

#[test]
fn an_app_whose_events_cannot_be_written_ends_alone() {
    let (good, bad) = (named("good", None), named("bad", None));
    std::fs::write(bad.path().join("deploy.toml"), "[events]\nfile = \"/dev/full\"\n").unwrap();
    let (done, summary) = run(&[&good, &bad], &[]);
    assert_eq!(done.code(), SINK, "{}", done.stderr);
    assert_eq!(frames(&done, "good"), (0..150).collect::<Vec<_>>());
    assert_eq!(summary["errors"].as_array().map(Vec::len), Some(1), "{summary}");
}
