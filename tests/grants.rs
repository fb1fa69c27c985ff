//! What an app may do, and who says so.

use serde_json::json;

use crate::support::{app, file, finish, guest, summary, transom, ungranted};

const MANIFEST: i32 = 3;
const PLUGIN: i32 = 6;

/// An app of the guest `misbehaves`, which imports pixels, JPEG and models, with these lines for its plugin.
fn manifest(lines: &str) -> String {
    format!(
        "[app]\nname = \"asks\"\nversion = \"1.0.0\"\ntitle = \"Asks\"\n\n[cameras.camera]\n\n\
         [models.person]\npath = {model:?}\n\n\
         [params.what]\ntype = \"text\"\ndefault = \"nothing\"\n\n[params.at]\ntype = \"integer\"\ndefault = 0\n\n\
         [plugins.one]\ncomponent = {component:?}\n{lines}\n",
        model = file("models/person"),
        component = guest("misbehaves"),
    )
}

const ALL: &str = "models = [\"person\"]\npermissions = { pixels = true, jpeg = true }";

fn camera() -> String {
    format!("camera={}", file("tests/clips/plain.mp4").display())
}

#[test]
fn what_is_not_granted_ends_a_run_before_it_begins_with_the_lines_that_grant_it() {
    let folder = app(&manifest(ALL));
    let done = finish(ungranted(["run", "--frames", "2", "--camera", &camera()]).arg(folder.path()));
    assert_eq!((done.code(), done.stdout.as_str()), (MANIFEST, ""), "{}", done.stderr);
    let shown = folder.path().display();
    assert_eq!(
        done.stderr,
        format!(
            "error: app `asks`: plugin `one` wants to ask model `person`, which is not granted\n\
             error: app `asks`: plugin `one` wants to read the pixels of the cameras it watches, which is not granted\n\
             error: app `asks`: plugin `one` wants to take JPEG pictures of the cameras it watches, which is not granted\n\
             error: to grant it, put into `{shown}/deploy.toml` (or `--grant all` for this run):\n\
             error:   [plugins.one.grants]\nerror:   models = [\"person\"]\nerror:   pixels = true\nerror:   jpeg = true\n"
        )
    );
    // And so they do.
    let granting: String = done
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("error:   "))
        .fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(folder.path().join("deploy.toml"), granting).unwrap();
    let done = finish(ungranted(["run", "--frames", "2", "--camera", &camera()]).arg(folder.path()));
    assert_eq!(done.code(), 0, "{}", done.stderr);
}

#[test]
fn what_a_component_imports_and_never_asked_for_is_refused_by_name() {
    for (lines, import, key) in [
        ("models = [\"person\"]\npermissions = { jpeg = true }", "frames.frame.read", "pixels"),
        ("models = [\"person\"]\npermissions = { pixels = true }", "frames.frame.jpeg", "jpeg"),
        ("permissions = { pixels = true, jpeg = true }", "transom:app/models@0.1.0", "models"),
    ] {
        let folder = app(&manifest(lines));
        // `--grant all` grants what is asked for, and no more.
        let done = finish(transom(["run", "--frames", "2", "--camera", &camera()]).arg(folder.path()));
        assert_eq!(done.code(), PLUGIN, "{}", done.stderr);
        let words = format!(
            "it imports `{import}`, which needs `{key}`, and that is not granted; ask for it in app.toml and grant it in deploy.toml"
        );
        assert!(done.stderr.contains(&words), "{}", done.stderr);
    }
}

#[test]
fn a_model_that_is_not_granted_ends_a_run_before_it_begins() {
    let folder = app(&manifest(ALL));
    let granted = "[plugins.one.grants]\npixels = true\njpeg = true\n";
    std::fs::write(folder.path().join("deploy.toml"), granted).unwrap();
    let done = finish(ungranted(["run", "--frames", "2", "--camera", &camera()]).arg(folder.path()));
    assert_eq!(done.code(), MANIFEST);
    assert!(
        done.stderr.starts_with("error: app `asks`: plugin `one` wants to ask model `person`"),
        "{}",
        done.stderr
    );
}

#[test]
fn inspect_tells_what_a_component_wants_and_what_its_manifest_left_out() {
    let done = finish(transom(["inspect"]).arg(guest("misbehaves")));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    for line in [
        "  needs `pixels`: it can read the pixels of the cameras it watches (frames.frame.read)\n",
        "  needs `jpeg`: it can take JPEG pictures of the cameras it watches (frames.frame.jpeg)\n",
        "  needs `models`: it can ask models (transom:app/models@0.1.0)\n",
    ] {
        assert!(done.stdout.contains(line), "{}", done.stdout);
    }
    let folder = app(&manifest(
        "models = [\"person\"]\npermissions = { pixels = true, storage = \"1MiB\", http = [\"https://api.example.com\"] }\n\
         ports = [{ name = \"status\", title = \"Status page\" }]",
    ));
    std::fs::write(folder.path().join("deploy.toml"), "[plugins.one.grants]\npixels = true\n").unwrap();
    let done = finish(transom(["inspect"]).arg(folder.path()));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    for line in [
        "  wants to read the pixels of the cameras it watches [granted]\n",
        "  wants to ask model `person` [NOT GRANTED]\n",
        "  wants to keep up to 1 MiB in 1000 entries [NOT GRANTED]\n",
        "  wants to send GET, HEAD, POST, PUT, DELETE, PATCH requests to https://api.example.com [NOT GRANTED]\n",
        "  wants to answer on a port: status (Status page) [NOT GRANTED]\n",
        "  imports `frames.frame.jpeg` and never asks for `jpeg`: it will not be loaded\n",
        "  asks for `storage` and its component never uses it\n",
        "  asks for `http` and its component never uses it\n",
        "  asks for `ports` and its component never uses it\n",
    ] {
        assert!(done.stdout.contains(line), "`{line}` is not in:\n{}", done.stdout);
    }
}

#[test]
fn the_shipped_apps_use_all_they_ask_for_and_have_it_granted() {
    for name in ["people-counter", "detections", "debug-server"] {
        let done = finish(transom(["inspect"]).arg(file("manifests").join(name)));
        assert_eq!(done.code(), 0, "{}", done.stderr);
        for words in ["NOT GRANTED", "never"] {
            assert!(!done.stdout.contains(words), "{}", done.stdout);
        }
    }
}

#[test]
fn every_limit_is_told_with_what_was_used_allowed_and_refused() {
    let folder =
        app(&manifest(&format!("{ALL}\nlimits = {{ events = 30, deadline = \"10s\", memory = \"32MiB\" }}")));
    std::fs::write(folder.path().join("deploy.toml"), "[plugins.one.limits]\nevents = 20\n").unwrap();
    let report = folder.path().join("summary.json");
    let mut command = transom(["run", "--frames", "1", "--param", "what=many-events", "--camera", &camera()]);
    let done = finish(command.arg(folder.path()).arg("--summary").arg(&report));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let summary = summary(&report);
    let limits = summary["plugins"][0]["limits"].as_object().unwrap();
    assert_eq!(limits["events"], json!({ "used": 20.0, "allowed": 20.0, "refused": 1 }));
    assert_eq!(limits["memory"]["allowed"], f64::from(32 << 20));
    assert!(
        limits["memory"]["used"].as_f64().unwrap() > 1e6
            && limits["deadline"]["used"].as_f64().unwrap() > 0.0
    );
    for name in [
        "memory",
        "deadline",
        "cpu",
        "call_bytes",
        "handles",
        "log_lines",
        "events",
        "event_bytes",
        "marks",
        "metrics",
        "inferences",
        "storage_bytes",
        "storage_entries",
        "storage_writes",
        "http_requests",
        "http_concurrent",
        "http_bytes",
        "http_timeout",
    ] {
        assert!(limits[name]["allowed"].is_number(), "{name}");
    }
    assert!(done.stderr.contains("events 20 of 20 (1 refused)"), "{}", done.stderr);
}
