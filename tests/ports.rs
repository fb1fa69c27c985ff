//! Inbound ports, with the example `debug-server` behind them.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::http::{ask, free_port};
use crate::support::live::Live;
use crate::support::{app, file, finish, guest, ungranted};

const SINK: i32 = 7;
const PATIENCE: Duration = Duration::from_secs(60);

/// The debug server in a folder of its own, on `port`, with more lines for its plugin and for its port.
fn server(name: &str, port: u16, lines: &str, port_lines: &str) -> tempfile::TempDir {
    let folder = app(&format!(
        "[app]\nname = \"{name}\"\nversion = \"1.0.0\"\ntitle = \"Debug\"\n\n[cameras.camera]\nmax_fps = 10\n\n\
         [plugins.server]\ncomponent = {:?}\npermissions = {{ storage = \"1KiB\" }}\n\
         ports = [{{ name = \"debug\", title = \"Debug\" }}]\n{lines}\n",
        guest("debug_server")
    ));
    let deploy = format!(
        "port_range = \"1024-65535\"\n[cameras.camera]\nsource = {:?}\n\n[plugins.server.grants]\nstorage = \"1KiB\"\n\
         [[plugins.server.grants.ports]]\nname = \"debug\"\nhost_port = {port}\n{port_lines}\n",
        file("tests/clips/plain.mp4")
    );
    std::fs::write(folder.path().join("deploy.toml"), deploy).unwrap();
    folder
}

fn run(folders: &[&tempfile::TempDir]) -> Command {
    let mut command = ungranted(["run", "--loop", "--realtime"]);
    // A state of its own: the others run too.
    command.arg("--state").arg(folders[0].path().join("state"));
    command.args(folders.iter().map(|folder| folder.path()));
    command
}

fn started(folder: &tempfile::TempDir, port: u16) -> Live {
    let live = Live::start(&mut run(&[folder]));
    live.says(&format!("answers at http://127.0.0.1:{port}/"), PATIENCE);
    live
}

fn status(port: u16) -> Value {
    let answer = ask(port, "GET", "/status", "").expect("the port answers");
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).expect("a status is JSON")
}

#[test]
fn a_plugin_answers_between_frames_and_starts_again_when_asked_to() {
    let port = free_port();
    let folder = server("debug", port, "", "");
    let live = started(&folder, port);
    let first = status(port);
    assert_eq!((&first["starts"], &first["cameras"]), (&1.into(), &1.into()));
    assert_eq!(ask(port, "GET", "/nothing", "").unwrap().status, 404);
    assert_eq!(ask(port, "GET", "/restart", "").unwrap().status, 405);
    assert_eq!(ask(port, "POST", "/restart", "").unwrap().status, 202);
    live.says("ended itself: it asks for a fresh start", PATIENCE);
    // Its own count begins again, and what it keeps in storage goes on.
    let since = std::time::Instant::now();
    while ask(port, "GET", "/status", "").is_none_or(|answer| answer.status != 200) {
        assert!(since.elapsed() < PATIENCE, "{}", live.words());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(status(port)["starts"], 2);
    let done = live.interrupt(PATIENCE);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(done.stderr.contains("faults: 1 exit"), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("port debug on {port}: ")), "{}", done.stderr);
    // Nobody listens after the run.
    assert!(ask(port, "GET", "/status", "").is_none());
    // And in the next run it goes on still.
    let live = started(&folder, port);
    assert_eq!(status(port)["starts"], 3);
    drop(live);
}

#[test]
fn a_port_lets_in_who_the_owner_let_in() {
    let port = free_port();
    let folder = server("debug", port, "", "token = \"s3cret\"");
    let live = started(&folder, port);
    assert_eq!(ask(port, "GET", "/status", "").unwrap().status, 401);
    assert_eq!(ask(port, "GET", "/status", "authorization: Bearer wrong\r\n").unwrap().status, 401);
    assert_eq!(ask(port, "GET", "/status", "authorization: Bearer s3cret\r\n").unwrap().status, 200);
    drop(live);
    let folder = server("debug", port, "", "from = [\"192.0.2.0/24\"]");
    let live = Live::start(&mut run(&[&folder]));
    live.says("answers at http://", PATIENCE);
    assert_eq!(ask(port, "GET", "/status", "").unwrap().status, 403);
    let done = live.interrupt(PATIENCE);
    assert!(done.stderr.contains("1 connections denied by address"), "{}", done.stderr);
    assert!(done.stderr.contains("0 requests"), "{}", done.stderr);
}

#[test]
fn two_apps_that_ask_for_one_port_are_told_whose_it_is_and_which_is_free() {
    let port = free_port();
    let (one, other) = (server("one", port, "", ""), server("other", port, "", ""));
    let done = finish(&mut run(&[&one, &other]));
    assert_eq!(done.code(), SINK, "{}", done.stderr);
    let words = format!(
        "plugin `server` of app `other`: port {port} is taken by app `one` (plugin `server`, port `debug`); "
    );
    assert!(done.stderr.contains(&words) && done.stderr.contains(" is free"), "{}", done.stderr);
}

#[test]
fn a_handler_that_hangs_or_dies_is_answered_for() {
    // `misbehaves` answers nothing; the hostile suite has the handlers that do harm (`transom prove inbound`).
    let done = finish(&mut ungranted(["prove", "inbound"]));
    assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("5 of 5 attacks stopped"), "{}", done.stdout);
}
