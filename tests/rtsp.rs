//! Cameras over RTSP: the same answers as a file gives, whatever the camera does.
//!
//! The other side is `support::rtsp_camera`, which shares no code with the host. Bounds on time are promises
//! made to owners or there to end a test that hangs; none measures speed.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::live::Live;
use crate::support::rtsp_camera::{Behaviour, End, Fault, Login, RtspCamera, Scheme};
use crate::support::video::clip;
use crate::support::{Done, app, file, finish, guest, summary, transom, wait};

/// Long enough for anything that is not promised sooner.
const PATIENCE: Duration = Duration::from_secs(60);

/// A camera that plays `plain.mp4` again and again at its own pace.
fn plays() -> Behaviour {
    Behaviour { speed: 1.0, end: End::Loop, ..Behaviour::default() }
}

fn camera(behaviour: Behaviour) -> RtspCamera {
    RtspCamera::start(clip(&file("tests/clips/plain.mp4"), 150), behaviour).unwrap()
}

/// `transom run` of the app that says what the model finds on every frame.
fn watch(source: &str) -> Command {
    let mut command = transom(["run"]);
    command.arg(file("manifests/detections")).args(["--camera", &format!("camera={source}")]);
    command
}

fn media_time(event: &Value) -> i64 {
    event["media_time_us"].as_i64().expect("the event belongs to a frame")
}

/// Fails where media time or frame numbers do not go up from event to event.
fn goes_on(events: &[Value]) {
    for two in events.windows(2) {
        assert!(media_time(&two[0]) < media_time(&two[1]), "{two:#?}");
        assert!(two[0]["frame"].as_u64() < two[1]["frame"].as_u64(), "{two:#?}");
    }
}

/// The clip's events from a camera against those from the file.
fn tells_the_same(recording: &Path, count: usize) {
    let frames = ["--frames", &count.to_string()];
    let expected = finish(watch(recording.to_str().unwrap()).args(frames)).events();
    assert_eq!(expected.len(), count);
    // Slower than life: a busy machine has 60 ms a frame before a newer one takes its place.
    let behaviour = Behaviour { speed: 0.65, ..plays() };
    let camera = RtspCamera::start(clip(recording, count), behaviour).unwrap();
    let done = finish(watch(&camera.url()).args(frames));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let told = done.events();
    // A busy machine loses live frames, which is no matter here: those analysed are to be the recording's.
    assert!(told.len() * 2 >= count, "{} of {count} frames were analysed\n{}", told.len(), done.stderr);
    goes_on(&told);
    for event in &told {
        let at = event["frame"].as_u64().unwrap() as usize;
        // RTP's clock ticks every 11 us.
        assert!((media_time(event) - media_time(&expected[at])).abs() <= 12, "{event}");
        assert_eq!(event["detections"], expected[at]["detections"], "frame {at}");
    }
    assert_eq!(camera.connections(), 1);
}

#[test]
fn a_camera_gives_the_events_its_recording_gives() {
    tells_the_same(&file("tests/clips/plain.mp4"), 150);
}

#[test]
fn a_camera_with_b_frames_gives_the_events_its_recording_gives() {
    tells_the_same(&file("tests/clips/entrance.mp4"), 150);
}

const PASSWORD: &str = "s3cr/t:p@ss";
const ENCODED: &str = "s3cr%2Ft%3Ap%40ss";

fn asks_for_a_login(scheme: Scheme) -> RtspCamera {
    let login = Login { user: "ada".to_owned(), password: PASSWORD.to_owned(), scheme };
    camera(Behaviour { login: Some(login), ..plays() })
}

#[test]
fn a_password_is_proved_and_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let (report, deploy) = (folder.path().join("summary.json"), folder.path().join("deploy.toml"));
    let secret = folder.path().join("password");
    std::fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    for scheme in [Scheme::Digest, Scheme::DigestWithoutQop] {
        let camera = asks_for_a_login(scheme);
        let in_url = camera.url().replace("rtsp://", &format!("rtsp://ada:{ENCODED}@"));
        let login = format!("username = \"ada\"\npassword = {PASSWORD:?}");
        std::fs::write(&deploy, format!("[cameras.camera]\nsource = {:?}\n{login}\n", camera.url())).unwrap();
        let mut by_deploy = transom(["run"]);
        by_deploy.arg(file("manifests/detections")).arg("--deploy").arg(&deploy);
        let mut by_file = transom(["probe", &camera.url(), "--seconds", "1", "--username", "ada"]);
        let short = ["--frames", "3", "--summary"];
        for command in [
            watch(&in_url).args(short).arg(&report),
            by_deploy.args(short).arg(&report),
            &mut transom(["probe", &in_url, "--seconds", "1", "--json"]),
            by_file.arg("--password-file").arg(&secret),
        ] {
            let done = finish(command);
            assert_eq!(done.code(), 0, "{}", done.stderr);
            let told = format!("{done:?} {}", std::fs::read_to_string(&report).unwrap());
            assert!(!told.contains(PASSWORD) && !told.contains(ENCODED), "{told}");
        }
        let asked = format!("{:?}", camera.requests());
        assert!(asked.contains("username=\\\"ada\\\""), "{asked}");
        assert!(!asked.contains(PASSWORD) && !asked.contains(ENCODED) && !asked.contains("Basic"), "{asked}");
    }
}

#[test]
fn a_wrong_password_ends_a_run_with_a_word_on_it() {
    let camera = asks_for_a_login(Scheme::Digest);
    for (login, words) in [
        ("ada:wr0ng@", "wrong user name or password"),
        ("", "it asks for a user name and password; give them with the camera"),
    ] {
        let url = camera.url().replace("rtsp://", &format!("rtsp://{login}"));
        for done in [finish(&mut watch(&url)), finish(&mut transom(["probe", &url]))] {
            assert_eq!((done.code(), done.stdout.as_str()), (4, ""), "{}", done.stderr);
            assert!(done.stderr.contains(words) && done.stderr.contains(&camera.url()), "{}", done.stderr);
            assert!(!done.stderr.contains("wr0ng"), "{}", done.stderr);
        }
    }
}

#[test]
fn a_camera_that_cannot_be_watched_is_named_with_the_reason() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let sdp = |media: &str| {
        Fault::Sdp(format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n{media}\r\n"
        ))
    };
    let faults = [
        (Fault::NotFound, "it has no stream of this name (404 Not Found); check the URL's path"),
        (Fault::Unauthorized, "it asks for a user name and password"),
        (Fault::BadSdp, "its answer to DESCRIBE cannot be understood"),
        (Fault::H265, "it sends H.265; set the camera's video codec to H.264"),
        (sdp("m=video 0 RTP/AVP 26\r\na=control:x"), "it sends Motion JPEG"),
        (sdp("m=audio 0 RTP/AVP 0\r\na=control:x"), "it offers no video"),
        (Fault::NoAnswer("DESCRIBE"), "it takes connections but does not answer RTSP within 5 s"),
        (Fault::NoAnswer("SETUP"), "no answer to SETUP within 5 s"),
        (Fault::NoAnswer("PLAY"), "no answer to PLAY within 5 s"),
        (Fault::StallAfter(0), "connected, but no picture came for 5 s"),
        (Fault::CloseAfter(0), "connected, but"),
    ];
    let cameras: Vec<(RtspCamera, &str)> =
        faults.map(|(fault, words)| (camera(Behaviour { fault: Some(fault), ..plays() }), words)).into();
    let mut tried: Vec<(String, &str)> =
        cameras.iter().map(|(camera, words)| (camera.url(), *words)).collect();
    tried.push((format!("rtsp://{nobody}/stream"), "it cannot be reached"));
    // Side by side: most of the time is waiting for an answer that does not come.
    thread::scope(|scope| {
        for (url, words) in &tried {
            scope.spawn(move || {
                let started = Instant::now();
                let done = finish(&mut transom(["probe", url.as_str()]));
                let took = started.elapsed();
                assert_eq!((done.code(), done.stdout.as_str()), (4, ""), "{}", done.stderr);
                assert!(done.stderr.starts_with(&format!("error: `{url}`: ")), "{}", done.stderr);
                assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
                assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
                assert!(took < Duration::from_secs(20), "{words}: {took:?}");
            });
        }
    });
    let done = finish(&mut watch(&tried[0].0));
    assert_eq!((done.code(), done.stdout.as_str()), (4, ""), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("camera `camera`: `{}`: ", tried[0].0)), "{}", done.stderr);
}

#[test]
fn a_camera_that_dies_is_back_within_5_s_of_its_return() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("summary.json");
    let camera = camera(plays());
    let run = Live::start(watch(&camera.url()).arg("--summary").arg(&report));
    let mut events: Vec<Value> = (0..15).map(|_| run.event(PATIENCE).1).collect();
    camera.kill();
    run.says("is lost", PATIENCE);
    thread::sleep(Duration::from_secs(3));
    // What came before it was lost.
    events.extend(run.events());
    let before = media_time(events.last().unwrap());
    let returned = Instant::now();
    camera.restart().unwrap();
    let (at, first) = run.event(PATIENCE);
    assert!(at - returned < Duration::from_secs(5), "{:?}\n{}", at - returned, run.words());
    // Three seconds passed, in the stream too; a little less, as frames were on their way.
    assert!(media_time(&first) - before > 2_000_000, "{before} {first}");
    events.push(first);
    events.extend((0..15).map(|_| run.event(PATIENCE).1));
    let done = run.interrupt(PATIENCE);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    events.extend(done.events());
    goes_on(&events);
    assert_eq!(done.stderr.matches("is lost").count(), 1, "{}", done.stderr);
    assert_eq!(done.stderr.matches("is back after").count(), 1, "{}", done.stderr);
    assert_eq!(summary(&report)["streams"][0]["health"]["reconnects"], 1);
}

#[test]
fn a_probe_ends_in_its_time_though_the_camera_is_gone() {
    let camera = camera(plays());
    let probe = |seconds| transom(["probe", &camera.url(), "--json", "--seconds", seconds]);
    let connected = |done: &Done| {
        assert_eq!(done.code(), 0, "{}", done.stderr);
        let report: Value = serde_json::from_str(&done.stdout).unwrap();
        assert!(report["units"]["count"].as_u64() > Some(0), "{report}");
        report["health"]["connected"].clone()
    };
    assert_eq!(connected(&finish(&mut probe("1"))), true);
    let sent = camera.units_sent();
    let child = probe("3").spawn().unwrap();
    while camera.units_sent() < sent + 10 {
        thread::sleep(Duration::from_millis(10));
    }
    camera.kill();
    assert_eq!(connected(&wait(child, PATIENCE)), false);
}

#[test]
fn a_camera_that_falls_silent_is_connected_to_again() {
    for end in [End::Bye, End::Close] {
        // A clip's end is a camera's: it is asked again.
        let camera =
            RtspCamera::start(clip(&file("tests/clips/plain.mp4"), 10), Behaviour { end, ..plays() });
        let camera = camera.unwrap();
        let done = finish(watch(&camera.url()).args(["--frames", "11"]));
        assert_eq!(done.code(), 0, "{}", done.stderr);
        goes_on(&done.events());
        assert_eq!(camera.connections(), 2, "{}", done.stderr);
    }
    let camera = camera(Behaviour { fault: Some(Fault::StallAfter(10)), once: true, ..plays() });
    let done = finish(watch(&camera.url()).args(["--frames", "15"]));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(done.stderr.contains("is lost: no picture came for 5 s"), "{}", done.stderr);
    goes_on(&done.events());
    assert_eq!(camera.connections(), 2);
}

#[test]
fn ctrl_c_ends_a_run_whose_camera_is_away() {
    let camera = camera(plays());
    let run = Live::start(&mut watch(&camera.url()));
    run.event(PATIENCE);
    camera.kill();
    run.says("is lost", PATIENCE);
    let done = run.interrupt(Duration::from_secs(10));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(done.stderr.contains("ended well"), "{}", done.stderr);
}

#[test]
fn lost_and_damaged_packets_cost_pictures_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("summary.json");
    for fault in [Fault::Loss { every: 40 }, Fault::Damage { every: 40 }, Fault::GarbageAfter(20)] {
        let camera = camera(Behaviour { fault: Some(fault.clone()), speed: 2.0, once: true, ..plays() });
        let done = finish(watch(&camera.url()).args(["--frames", "60", "--summary"]).arg(&report));
        assert_eq!(done.code(), 0, "{fault:?}: {}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{fault:?}: {}", done.stderr);
        goes_on(&done.events());
        let summary = summary(&report);
        let health = &summary["streams"][0]["health"];
        let lost = health["lost_packets"].as_u64().unwrap();
        match fault {
            Fault::Loss { .. } => {
                assert!(lost > 0 && summary["frames"]["dropped"]["waited_for_key"].as_u64() > Some(0));
                assert!(done.stderr.contains("packets lost"), "{}", done.stderr);
            }
            Fault::GarbageAfter(_) => assert_eq!(health["reconnects"], 1, "{}", done.stderr),
            _ => assert_eq!(lost, 0),
        }
    }
}

#[test]
fn a_camera_whose_clock_jumps_does_not_move_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("summary.json");
    for hours in [5, -5] {
        let fault = Fault::TimeJumpAfter { units: 20, ticks: hours * 3600 * 90_000 };
        let camera = camera(Behaviour { fault: Some(fault), once: true, ..plays() });
        let done = finish(watch(&camera.url()).args(["--frames", "40", "--summary"]).arg(&report));
        assert_eq!(done.code(), 0, "{}", done.stderr);
        let events = done.events();
        goes_on(&events);
        assert!(media_time(events.last().unwrap()) < 30_000_000, "{hours}: {}", done.stderr);
        let summary = summary(&report);
        let health = &summary["streams"][0]["health"];
        let count = |name: &str| health[name].as_u64().unwrap();
        assert_eq!(count("clock_jumps") + count("reconnects"), 1, "{health}");
    }
}

#[test]
fn a_plugin_too_slow_for_a_camera_gets_its_newest_frames() {
    // Reads every frame in some 300 shapes: several times as long as the camera takes to send it.
    let folder = app(&format!(
        "[app]\nname = \"slow\"\nversion = \"1.0.0\"\ntitle = \"Test\"\n[cameras.camera]\n\
         [params.what]\ntype = \"text\"\ndefault = \"pixels\"\n[params.at]\ntype = \"integer\"\ndefault = 0\n\
         [models.person]\npath = {:?}\n\
         [plugins.slow]\ncomponent = {:?}\nmodels = [\"person\"]\npermissions = {{ pixels = true, jpeg = true }}\n\
         limits = {{ deadline = \"10s\", cpu = 1.0 }}\n",
        file("models/person"),
        guest("misbehaves")
    ));
    let report = folder.path().join("summary.json");
    let camera = camera(Behaviour { speed: 4.0, ..plays() });
    let mut command = transom(["run"]);
    command.arg(folder.path()).args(["--camera", &format!("camera={}", camera.url())]);
    let run = Live::start(command.arg("--summary").arg(&report));
    let mut events = vec![run.event(PATIENCE).1];
    // 24 s of the camera in 6 s of ours.
    while camera.units_sent() < 600 {
        events.push(run.event(PATIENCE).1);
    }
    let sent_us = camera.units_sent() as i64 * 40_000;
    let told_us = media_time(&run.event(PATIENCE).1);
    // Were every frame kept for it, it would be at a third of the stream at most.
    assert!(sent_us - told_us < 10_000_000, "at {told_us} us of {sent_us}");
    let done = run.interrupt(PATIENCE);
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let summary = summary(&report);
    let frames = &summary["frames"];
    // Some of it because it has used up its share of the processor.
    let replaced = |reason: &str| frames["dropped"][reason].as_u64().unwrap_or(0);
    assert!(replaced("replaced") + replaced("throttled") > frames["analysed"].as_u64().unwrap(), "{frames}");
    assert_eq!(summary["plugins"][0]["faults"], serde_json::json!({}));
    goes_on(&events);
}

#[test]
fn two_inputs_of_one_camera_are_one_connection_and_one_decode() {
    let folder = app(&format!(
        "[app]\nname = \"two\"\nversion = \"1.0.0\"\ntitle = \"Test\"\n[cameras.door]\n[cameras.yard]\n\
         [models.detector]\npath = {:?}\n[params.threshold]\ntype = \"float\"\ndefault = 0.5\n\
         [plugins.detections]\ncomponent = {:?}\nmodels = [\"detector\"]\n\
         [plugins.also]\ncomponent = {:?}\nmodels = [\"detector\"]\ncameras = [\"yard\"]\n",
        file("models/person"),
        guest("detections"),
        guest("detections")
    ));
    let report = folder.path().join("summary.json");
    let camera = camera(plays());
    let mut command = transom(["run", "--frames", "20"]);
    for input in ["door", "yard"] {
        command.args(["--camera", &format!("{input}={}", camera.url())]);
    }
    let done = finish(command.arg(folder.path()).arg("--summary").arg(&report));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    for (plugin, input) in [("detections", "door"), ("detections", "yard"), ("also", "yard")] {
        let mut events = done.events();
        events.retain(|event| event["plugin"] == plugin && event["camera"] == input);
        assert!(!events.is_empty(), "{plugin} saw nothing of {input}");
        goes_on(&events);
    }
    assert_eq!(camera.connections(), 1);
    let summary = summary(&report);
    assert_eq!(summary["streams"].as_array().unwrap().len(), 1);
    assert!(summary["frames"]["decoded"].as_u64() <= summary["frames"]["received"].as_u64());
}
