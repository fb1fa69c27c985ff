use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::super::{Events, Overrides, ParamValue, app_schema, deploy_schema, schema, units};
use super::{App, Folder, GOOD_APP, GOOD_DEPLOY, root};
use crate::base::{Kind, Secret};

#[test]
fn the_published_schemas_are_the_codes() {
    for (name, text) in [("app", app_schema()), ("deploy", deploy_schema())] {
        let path = root().join(format!("manifests/{name}.schema.json"));
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(&path, &text).unwrap();
        }
        // Compared as values: the order of keys depends on the features other crates give `serde_json`.
        let published: Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
        let current: Value = serde_json::from_str(&text).unwrap();
        assert!(published == current, "{} is stale; run the test with UPDATE_SCHEMA=1", path.display());
    }
}

#[test]
fn every_key_is_read_as_its_comment_says() {
    let app = App::load(&root().join("manifests/every-key"), None, &Overrides::default()).unwrap();
    let folder = root().join("manifests/every-key");
    assert_eq!((app.name.as_str(), app.version.to_string().as_str()), ("every-key", "1.0.0-rc.1"));
    assert_eq!((&app.folder, app.file), (&folder, folder.join("app.toml")));

    let names: Vec<_> =
        app.cameras.iter().map(|camera| (camera.name.as_str(), camera.title.as_str())).collect();
    assert_eq!(names, [("entrance", "Camera over the entrance"), ("yard", "yard")]);
    assert_eq!((app.cameras[0].max_fps, app.cameras[1].max_fps), (Some(12.5), None));
    let entrance = &app.cameras[0].sources[0];
    assert_eq!(entrance.location, "rtsp://192.0.2.20:554/stream1");
    assert_eq!(entrance.username.as_deref(), Some("viewer"));
    assert_eq!(entrance.password, Some(Secret::new("example")));
    assert_eq!(app.cameras[1].sources.len(), 2);
    assert_eq!(Path::new(&app.cameras[1].sources[1].location), folder.join("yard.mp4"));

    assert_eq!(app.models[0].path, folder.join("../../models/person"));
    let params: Vec<_> = app.params.iter().map(|param| (param.name.as_str(), param.value.clone())).collect();
    assert_eq!(
        params,
        [
            ("threshold", ParamValue::Float(0.6)),
            ("slots", ParamValue::Integer(4)),
            ("direction", ParamValue::Text("both".into())),
            ("site", ParamValue::Text("north gate".into())),
            ("announce", ParamValue::Boolean(false)),
        ]
    );

    let [counter, siren] = app.plugins.as_slice() else { panic!("two plugins") };
    assert_eq!(counter.component, folder.join("counter/target/wasm32-wasip2/release/counter.wasm"));
    assert_eq!((counter.limits.memory_bytes, counter.limits.deadline), (32 << 20, Duration::from_millis(40)));
    let build = counter.build.as_ref().unwrap();
    assert_eq!(build.folder, folder.join("counter"));
    assert_eq!(build.sources, [folder.join("counter/src"), folder.join("counter/Cargo.toml")]);
    assert_eq!(counter.params.len(), 5);
    assert_eq!((siren.cameras.as_slice(), siren.models.len()), (&["yard".to_owned()][..], 0));
    let build = siren.build.as_ref().unwrap();
    assert_eq!((build.command.as_str(), &build.folder), ("make siren.wasm", &folder));
    assert_eq!(build.sources, std::slice::from_ref(&folder));
    assert_eq!(siren.limits, super::super::Limits::default());
    assert_eq!(app.events, Some(Events::File(folder.join("events.jsonl"))));
}

/// Every path of keys, `*` for a name somebody chooses.
fn schema_keys(schema: &Value, path: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        keys.insert(format!("{path}.{key}"));
        schema_keys(value, &format!("{path}.{key}"), keys);
    }
    for value in schema["patternProperties"].as_object().into_iter().flat_map(|map| map.values()) {
        schema_keys(value, &format!("{path}.*"), keys);
    }
    for value in schema["anyOf"].as_array().into_iter().flatten() {
        schema_keys(value, path, keys);
    }
}

fn file_keys(value: &toml::Value, depth: usize, path: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in value.as_table().into_iter().flatten() {
        // The second level is a name, but in the sections that are no list of items.
        let path = match (depth, path) {
            (1, ".cameras" | ".models" | ".params" | ".plugins") => format!("{path}.*"),
            _ => format!("{path}.{key}"),
        };
        keys.insert(path.clone());
        file_keys(value, depth + 1, &path, keys);
    }
}

#[test]
fn every_key_of_the_schema_is_in_the_example() {
    let schemas = [("app.toml", &*schema::APP), ("deploy.toml", &*schema::DEPLOY)];
    for (name, schema) in schemas {
        let text = fs::read_to_string(root().join("manifests/every-key").join(name)).unwrap();
        let (mut wanted, mut there) = (BTreeSet::new(), BTreeSet::new());
        schema_keys(schema, "", &mut wanted);
        file_keys(&toml::from_str(&text).unwrap(), 0, "", &mut there);
        assert!(wanted.len() > 8);
        let missing: Vec<_> = wanted.difference(&there).collect();
        assert!(missing.is_empty(), "{name} does not show {missing:?}");
    }
}

#[test]
fn the_example_apps_load() {
    for name in ["people-counter", "detections"] {
        let app = App::load(&root().join("manifests").join(name), None, &Overrides::default()).unwrap();
        assert_eq!(app.name, name);
        assert!(app.cameras[0].sources[0].location.ends_with("tests/clips/entrance.mp4"));
        assert!(app.plugins[0].build.as_ref().unwrap().folder.ends_with("guest-examples"));
    }
}

#[test]
fn the_command_line_wins_over_the_owners_file() {
    let folder = Folder::with("wins", GOOD_APP, GOOD_DEPLOY);
    folder.write("other.toml", "[cameras.entrance]\nsource = \"/b.mp4\"\n[params]\nthreshold = 1\n");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let overrides = Overrides {
        cameras: vec![pair("entrance", "a.mp4"), pair("entrance", "rtsp://u:p@h/1")],
        params: vec![pair("threshold", "0.25")],
        models: vec![("detector".to_owned(), "elsewhere".into())],
        events: Some("-".to_owned()),
    };
    let app = folder.load_with(&overrides).unwrap();
    let locations: Vec<_> = app.cameras[0].sources.iter().map(|source| source.location.as_str()).collect();
    assert_eq!(locations, ["a.mp4", "rtsp://h/1"]);
    assert_eq!(app.params[0].value, ParamValue::Float(0.25));
    assert_eq!(app.models[0].path, Path::new("elsewhere"));
    assert_eq!(app.events, Some(Events::Stdout));
    assert!(!format!("{app:?}").contains("\"p\""), "a password stays out of debug output");

    // A manifest by its file, and another deploy.toml than the one beside it.
    let other = folder.0.join("other.toml");
    let app = App::load(&folder.0.join("app.toml"), Some(&other), &Overrides::default()).unwrap();
    assert_eq!(app.cameras[0].sources[0].location, "/b.mp4");
    assert_eq!(app.params[0].value, ParamValue::Float(1.0));
}

#[test]
fn what_only_the_command_line_has_wrong_is_a_usage_error() {
    let folder = Folder::with("usage", GOOD_APP, GOOD_DEPLOY);
    let wrong = Overrides { params: vec![("treshold".to_owned(), "1".to_owned())], ..Overrides::default() };
    assert_eq!(App::load(&folder.0, None, &wrong).unwrap_err().kind(), Kind::Usage);
    folder.write("app.toml", GOOD_APP.replace("1.0.0", "one"));
    assert_eq!(App::load(&folder.0, None, &wrong).unwrap_err().kind(), Kind::Manifest);
}

#[test]
fn a_default_is_within_its_own_range() {
    assert!(units::size("64MiB", &super::super::MEMORY_BYTES) == Ok(super::super::DEFAULT_MEMORY_BYTES));
    assert!(super::super::DEADLINE.contains(&super::super::DEFAULT_DEADLINE));
}

#[test]
fn the_reference_names_every_key() {
    let reference = fs::read_to_string(root().join("host/docs/manifest.md")).unwrap();
    for schema in [&*schema::APP, &*schema::DEPLOY] {
        let mut keys = BTreeSet::new();
        schema_keys(schema, "", &mut keys);
        for path in keys {
            let key = path.rsplit('.').next().unwrap_or_default();
            assert!(
                reference.contains(&format!("`{key}`")) || reference.contains(&format!("[{key}")),
                "{path}"
            );
        }
    }
}
