//! Secrets stay where they were put: canaries are fed into everything that takes a secret, and looked for in
//! everything that comes out.

use std::time::Duration;

use crate::support::http::{ask, free_port};
use crate::support::live::Live;
use crate::support::rtsp_camera::{Behaviour, End, Login, RtspCamera, Scheme};
use crate::support::video::clip;
use crate::support::{app, file, finish, guest, transom};

const PATIENCE: Duration = Duration::from_secs(60);

/// Passwords and a token, each in the spellings it may be met in.
const PASSWORD: &str = "canary-Passw0rd";
const TOKEN: &str = "canary-t0ken";
const QUERY: &str = "canary-que7y";

fn is_clean(what: &str, text: &str) {
    for canary in [PASSWORD, TOKEN, QUERY, "Y2FuYXJ5"] {
        assert!(!text.contains(canary), "`{canary}` is in {what}:\n{text}");
    }
}

#[test]
fn no_secret_comes_out_of_a_run() {
    let behaviour = Behaviour {
        speed: 1.0,
        end: End::Loop,
        login: Some(Login { scheme: Scheme::Digest, user: "viewer".into(), password: PASSWORD.into() }),
        ..Behaviour::default()
    };
    let camera = RtspCamera::start(clip(&file("tests/clips/plain.mp4"), 150), behaviour).unwrap();
    let port = free_port();
    let folder = app(&format!(
        "[app]\nname = \"debug\"\nversion = \"1.0.0\"\ntitle = \"Debug\"\n\n[cameras.camera]\nmax_fps = 5\n\n\
         [plugins.server]\ncomponent = {:?}\npermissions = {{ storage = \"1KiB\" }}\nports = [{{ name = \"debug\" }}]\n",
        guest("debug_server")
    ));
    let path = folder.path();
    let source = camera.url();
    let deploy = format!(
        "port_range = \"1024-65535\"\nevidence = \"evidence\"\n\
         [cameras.camera]\nsource = \"{source}\"\nusername = \"viewer\"\npassword = \"{PASSWORD}\"\n\n\
         [plugins.server.grants]\nstorage = \"1KiB\"\n\
         [[plugins.server.grants.ports]]\nname = \"debug\"\nhost_port = {port}\ntoken = \"{TOKEN}\"\n"
    );
    std::fs::write(path.join("deploy.toml"), &deploy).unwrap();
    let report = path.join("summary.json");
    let mut command = transom(["run", "--view", "0"]);
    command.arg(path).arg("--state").arg(path.join("state")).arg("--summary").arg(&report);
    let live = Live::start(&mut command);
    live.says("answers at http://", PATIENCE);
    // The right token, a wrong one that is nearly right, and the camera's password for a token.
    let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
    let since = std::time::Instant::now();
    while ask(port, "GET", "/status", &bearer(TOKEN)).is_none_or(|answer| answer.status != 200) {
        assert!(since.elapsed() < PATIENCE, "{}", live.words());
    }
    ask(port, "GET", &format!("/status?{QUERY}"), &bearer(&format!("{TOKEN}x")));
    ask(port, "GET", "/status", &bearer(PASSWORD));
    let status = ask(port, "GET", "/status", &bearer(TOKEN)).unwrap();
    ask(port, "POST", "/restart", &bearer(TOKEN));
    live.says("it asks for a fresh start", PATIENCE);
    let done = live.interrupt(PATIENCE);
    is_clean("the plugin's answer", &status.body);
    is_clean("the words", &done.stderr);
    is_clean("the events", &done.stdout);
    is_clean("the summary", &std::fs::read_to_string(&report).unwrap());
    // What was written beside it: evidence, storage, compiled code.
    let mut left = vec![path.join("state"), path.join("evidence")];
    let mut files = 0;
    while let Some(at) = left.pop() {
        if at.is_dir() {
            left.extend(std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(bytes) = std::fs::read(&at) {
            files += 1;
            is_clean(&at.display().to_string(), &String::from_utf8_lossy(&bytes));
        }
    }
    assert!(files >= 2, "storage and evidence are there");
}

#[test]
fn no_secret_comes_out_of_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let url = |scheme: &str| format!("{scheme}://viewer:{PASSWORD}@127.0.0.1:1/x?key={QUERY}");
    let with_app = |arguments: &[&str]| {
        let mut command = transom(arguments);
        command.arg(file("manifests/detections"));
        finish(&mut command)
    };
    for source in [
        url("rtsp"),
        url("http"),
        format!("rtsp://viewer:{PASSWORD}@"),
        format!("rtsp://a:{PASSWORD}@h:port/"),
    ] {
        let camera = format!("camera={source}");
        let done = with_app(&["run", "--frames", "1", "--camera", &camera]);
        assert_ne!(done.code(), 0);
        assert!(!done.stderr.contains(PASSWORD), "{}", done.stderr);
        let done = finish(&mut transom(["probe", &source]));
        assert!(!done.stderr.contains(PASSWORD) && !done.stdout.contains(PASSWORD), "{}", done.stderr);
    }
    // A manifest with mistakes beside its secrets.
    let manifest = std::fs::read_to_string(file("manifests/detections/app.toml")).unwrap();
    std::fs::write(folder.path().join("app.toml"), manifest).unwrap();
    for broken in [
        format!("[cameras.camera]\nsource = \"door.mp4\"\nusername = \"u\"\npassword = \"{PASSWORD}\"\n"),
        format!(
            "[cameras.camera]\nsource = \"rtsp://u:{PASSWORD}@h/\"\nusername = \"u\"\npassword = \"{PASSWORD}\"\n"
        ),
        format!("[cameras.camera]\nsource = \"rtsp://h/\"\npasswrd = \"{PASSWORD}\"\n"),
        format!("[cameras.camera]\nsource = \"rtsp://h/\"\npassword = [\"{PASSWORD}\"]\n"),
        format!("[[plugins.detections.grants.ports]]\nname = \"x\"\nhost_port = 8080\ntoken = \"{TOKEN}\"\n"),
        format!(
            "[[plugins.detections.grants.ports]]\nname = \"x\"\nhost_port = 8080\ntoken = \"{TOKEN} \u{1}\"\n"
        ),
        format!(
            "[plugins.detections.grants]\nhttp = [\"https://u:{PASSWORD}@h\", \"https://h/?k={QUERY}\"]\n"
        ),
    ] {
        std::fs::write(folder.path().join("deploy.toml"), &broken).unwrap();
        for command in ["run", "inspect"] {
            let done = finish(transom([command]).arg(folder.path()));
            assert_ne!(done.code(), 0, "{broken}");
            is_clean(&broken.replace("canary", "…"), &(done.stderr + &done.stdout));
        }
    }
}
