//! From the command to the first event, and where that time goes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use transom::base::{Clock, Notices, Shutdown};
use transom::model::{Loading, Model};
use transom::{camera, plugin};

use crate::app::{App, file, guest, shared_data, transom};
use crate::measure::{median, rounds, spread};
use crate::table::{Row, Table};

const ROUNDS: usize = 10;

pub(crate) fn bench(table: &mut Table) {
    let clip = file("tests/clips/entrance.mp4");
    let app = App::new(&file("models/person"), &clip, 1, None);
    row(table, "the shipped model and clip", app.path());
    match shared_data() {
        Ok(data) => row(table, "FastestDet and the real clip", App::of_shared_data(&data, 1).path()),
        Err(why) => table.skip("start with FastestDet", &why),
    }
    parts(table, &clip);
}

fn row(table: &mut Table, what: &str, app: &Path) {
    let seconds: Vec<f64> = (0..rounds(ROUNDS)).map(|_| first_event(app)).collect();
    table.row(&Row {
        what: format!("from start to the first event, {what}"),
        target: "under 1 s",
        transom: spread(&seconds, 3, "s"),
        reached: Some(median(seconds) < 1.0),
        ..Row::default()
    });
}

/// Seconds until the first line is there.
fn first_event(app: &Path) -> f64 {
    let started = Instant::now();
    let mut command = Command::new(transom());
    command
        .arg("run")
        .arg(app)
        .args(["--grant", "all"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it has a standard output"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("its output can be read");
    let seconds = started.elapsed().as_secs_f64();
    assert!(line.starts_with('{'), "the first line is no event: {line}");
    child.kill().expect("a child can be killed");
    child.wait().expect("a child can be waited for");
    seconds
}

/// The slow parts, one after the other in this process. In a run the first two go side by side.
fn parts(table: &mut Table, clip: &Path) {
    let ms = |work: &dyn Fn()| {
        median((0..rounds(ROUNDS)).map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64() * 1000.0
        }))
    };
    let compile = |name: &str| {
        let component = guest(name);
        ms(&|| {
            drop(
                plugin::Engine::new(plugin::Compiler::Here)
                    .and_then(|engine| engine.load(&component, plugin::Linked::ALL))
                    .expect("a guest compiles"),
            );
        })
    };
    let (detections, counter) = (compile("detections"), compile("people_counter"));
    let model = ms(&|| {
        drop(Model::load(&file("models/person"), &Loading::default()).expect("the shipped model loads"));
    });
    let options = camera::Options { location: clip.display().to_string(), ..camera::Options::default() };
    let source = ms(&|| {
        let opened = camera::open(&options, Clock::system(), &Shutdown::default(), &Notices::none());
        drop(opened.expect("the clip opens"));
    });
    table.row(&Row {
        what: "… its parts, wall".to_owned(),
        transom: format!(
            "compile `detections` {detections:.0} ms, `people-counter` {counter:.0} ms; load and try the model \
             {model:.0} ms; open the clip {source:.1} ms"
        ),
        ..Row::default()
    });
}
