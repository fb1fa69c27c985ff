use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::super::{
    Events, Grants, HostPattern, HttpHost, Limits, ModelRef, Outline, Overrides, ParamValue, Permissions,
    Plugin, PortAsked, PortGranted, Remote, Scheme, StorageQuota, TlsFiles, app_schema, deploy_schema,
    limits, schema,
};
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

    let ModelRef { path, inference, .. } = &app.models[0];
    assert_eq!(*path, folder.join("../../models/person"));
    assert_eq!((inference.backend, inference.threads), (Some("onnxruntime"), Some(2)));
    let remote = Remote {
        url: "grpcs://192.0.2.30:8001".into(),
        model: Some("person".into()),
        version: Some("2".into()),
        timeout: Some(Duration::from_millis(300)),
        connect_timeout: Some(Duration::from_secs(1)),
        retries: Some(2),
        in_flight: Some(8),
        fallback: true,
        half: false,
        token: Some(Secret::new("example")),
        roots: vec![folder.join("our-ca.pem")],
    };
    assert_eq!(inference.remote, Some(remote));
    assert_eq!(app.onnxruntime.as_deref(), Some(Path::new("/opt/onnxruntime/lib")));
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
    assert_eq!(siren.limits, Limits::default());
    assert_eq!((&siren.permissions, &siren.grants), (&Permissions::default(), &Grants::default()));
    assert_eq!((app.port_range.clone(), app.evidence.clone()), (8000..=8099, Some(folder.join("evidence"))));
    assert_eq!(app.roots, [folder.join("our-ca.pem")]);
    assert_eq!(app.events, Some(Events::File(folder.join("events.jsonl"))));
}

#[test]
fn what_is_asked_and_granted_is_read_as_its_comment_says() {
    let folder = root().join("manifests/every-key");
    let app = App::load(&folder, None, &Overrides::default()).unwrap();
    let Plugin { permissions, grants, .. } = &app.plugins[0];
    let status = PortAsked { name: "status".into(), port: Some(80), title: "Status page".into() };
    let api = HttpHost {
        url: "https://api.example.com".into(),
        scheme: Scheme::Https,
        host: HostPattern::Name("api.example.com".into()),
        port: 443,
        methods: ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"].map(str::to_owned).to_vec(),
        addresses: Vec::new(),
    };
    let any = HttpHost {
        url: "https://*.example.org:8443".into(),
        host: HostPattern::AnyUnder("example.org".into()),
        port: 8443,
        methods: ["GET", "POST"].map(str::to_owned).to_vec(),
        ..api.clone()
    };
    assert_eq!(
        *permissions,
        Permissions {
            pixels: true,
            jpeg: true,
            models: vec!["person".into()],
            storage: Some(StorageQuota { bytes: 1 << 20, entries: 500 }),
            http: vec![api.clone(), any.clone()],
            ports: vec![status],
        }
    );
    let nets = |nets: &[&str]| nets.iter().map(|net| net.parse().unwrap()).collect::<Vec<_>>();
    let granted_any =
        HttpHost { methods: vec!["GET".into()], addresses: nets(&["192.168.1.0/24"]), ..any.clone() };
    let port = PortGranted {
        name: "status".into(),
        title: "Status page".into(),
        host_port: 8080,
        from: nets(&["192.168.1.0/24", "127.0.0.1/32"]),
        token: Some(Secret::new("example")),
        tls: Some(TlsFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") }),
    };
    assert_eq!(
        *grants,
        Grants {
            pixels: true,
            jpeg: true,
            models: vec!["person".into()],
            storage: Some(StorageQuota { bytes: 512 << 10, entries: 100 }),
            http: vec![api, granted_any],
            ports: vec![port],
        }
    );
    assert!(!format!("{app:?}").contains("\"example\""), "a token stays out of debug output");
    assert_eq!((app.missing_grants(), app.grants_toml()), (Vec::new(), String::new()));
}

#[test]
fn every_limit_is_read_and_tightened() {
    let app = App::load(&root().join("manifests/every-key"), None, &Overrides::default()).unwrap();
    let tighter = Limits {
        memory_bytes: 32 << 20,
        deadline: Duration::from_millis(40),
        cpu: 0.25,
        call_bytes: 2 << 20,
        handles: 500,
        queue: 2,
        log_lines: 20,
        events: 100,
        event_bytes: 512 << 10,
        marks: 10_000,
        metrics: 50,
        inferences: 100,
        storage_writes: 10,
        http_requests: 5,
        http_concurrent: 2,
        http_bytes: 512 << 10,
        http_timeout: Duration::from_secs(5),
        port_requests: 20,
        port_connections: 16,
        port_queue: 4,
        port_bytes: 512 << 10,
        port_timeout: Duration::from_secs(2),
    };
    assert_eq!(app.plugins[0].limits, tighter);
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
    if schema["items"].is_object() {
        schema_keys(&schema["items"], path, keys);
    }
}

fn file_keys(value: &toml::Value, depth: usize, path: &str, keys: &mut BTreeSet<String>) {
    for entry in value.as_array().into_iter().flatten() {
        file_keys(entry, depth, path, keys);
    }
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
    for name in ["people-counter", "detections", "debug-server"] {
        let app = App::load(&root().join("manifests").join(name), None, &Overrides::default()).unwrap();
        assert_eq!(app.name, name);
        assert!(app.cameras[0].sources[0].location.ends_with("tests/clips/entrance.mp4"));
        assert!(app.plugins[0].build.as_ref().unwrap().folder.ends_with("guest-examples"));
        assert_eq!(app.missing_grants(), [], "`transom run {name}` asks nothing back");
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
        to_look_at: false,
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
fn an_app_that_is_only_looked_at_needs_nothing_of_its_owner() {
    let app = GOOD_APP.replace("default = 0.5\n", "");
    let folder = Folder::with("looked-at", &app, "");
    assert!(folder.load().is_err());
    let app = folder.load_with(&Overrides { to_look_at: true, ..Overrides::default() }).unwrap();
    assert_eq!((app.cameras[0].sources.len(), app.params.len()), (0, 0));
    assert_eq!(app.missing_grants().len(), 1);
}

#[test]
fn the_outline_of_an_app_is_told_whatever_else_is_wrong() {
    let app = GOOD_APP.replace("\"1.0.0\"", "\"one\"").replace("component", "componant");
    let folder = Folder::with("outline", &app, "");
    let outline = Outline::read(&folder.0).unwrap();
    assert_eq!(outline.name, "door");
    assert_eq!(
        [outline.cameras, outline.models, outline.params],
        [["entrance"], ["detector"], ["threshold"]]
    );
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

#[test]
fn the_reference_tells_every_limits_range_and_default() {
    let reference = fs::read_to_string(root().join("host/docs/manifest.md")).unwrap();
    for row in &limits::TABLE {
        let [kind, least, most, default] = row.in_words();
        // Texts are shown as they are typed.
        let is_text = matches!(kind.as_str(), "size" | "duration");
        let typed = |word: String| if is_text { format!("`\"{word}\"`") } else { word };
        let [least, most, default] = [least, most, default].map(typed);
        let line = format!("| `{}` | {kind}, {least} to {most} | {default} |", row.key);
        assert!(reference.contains(&line), "{line}");
    }
}

#[test]
fn the_examples_of_the_reference_load() {
    let reference = fs::read_to_string(root().join("host/docs/manifest.md")).unwrap();
    let manifest = |schema: &str| {
        let from = reference.find(&format!("```toml\n#:schema ../{schema}.schema.json\n[")).unwrap()
            + "```toml\n".len();
        reference[from..].split_once("```").unwrap().0
    };
    let app = Folder::with("reference", manifest("app"), manifest("deploy")).load().unwrap();
    assert_eq!(app.missing_grants(), []);
}
