//! What a plugin does wrong: it is stopped, counted and told, and costs nobody but itself.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Done, app, file, finish, guest, summary, transom};

const PLUGIN: i32 = 6;

/// A run of the guest `misbehaves` on a clip of 150 frames.
struct Bad {
    what: &'static str,
    /// The frame it begins at.
    at: u32,
    /// Long enough for a busy machine, unless it is the deadline that is tried.
    deadline: &'static str,
    frames: u32,
}

impl Default for Bad {
    fn default() -> Self {
        Self { what: "nothing", at: 0, deadline: "10s", frames: 150 }
    }
}

/// How it ended.
struct Ended {
    done: Done,
    summary: Value,
}

impl Bad {
    fn new(what: &'static str) -> Self {
        Self { what, ..Self::default() }
    }

    fn manifest(&self) -> String {
        format!(
            "[app]\nname = \"faults\"\nversion = \"1.0.0\"\ntitle = \"Faults\"\n\n[cameras.camera]\ntitle = \"Any\"\n\n\
             [models.person]\npath = \"{model}\"\n\n\
             [params.what]\ntype = \"text\"\ndefault = \"{what}\"\n\n[params.at]\ntype = \"integer\"\ndefault = {at}\n\n\
             [plugins.bad]\ncomponent = \"{component}\"\nparams = [\"what\", \"at\"]\nmodels = [\"person\"]\n\
             permissions = {{ pixels = true, jpeg = true }}\n\
             limits = {{ memory = \"64MiB\", deadline = \"{deadline}\" }}\n\n",
            model = file("models/person").display(),
            component = guest("misbehaves").display(),
            what = self.what,
            at = self.at,
            deadline = self.deadline,
        )
    }

    fn run(&self) -> Ended {
        self.run_with("")
    }

    /// Runs it with more in its manifest.
    fn run_with(&self, more: &str) -> Ended {
        let folder = app(&(self.manifest() + more));
        let report = folder.path().join("summary.json");
        let clip = file("tests/clips/plain.mp4");
        let mut command = transom(["run", "--frames", &self.frames.to_string()]);
        command.arg(folder.path()).arg("--camera").arg(format!("camera={}", clip.display()));
        let done = finish(command.arg("--summary").arg(&report));
        assert!(!done.stderr.contains("broken:"), "{}", done.stderr);
        assert!(!done.stderr.contains('\u{1b}'), "{}", done.stderr);
        assert_no_panic_of_the_host(&done);
        // Where a plugin did not even start there was no run to sum up.
        let written = std::fs::metadata(&report).is_ok_and(|file| file.len() > 0);
        let summary = if written { summary(Path::new(&report)) } else { Value::Null };
        Ended { done, summary }
    }
}

/// A plugin's panic is a log line of the plugin's.
fn assert_no_panic_of_the_host(done: &Done) {
    let panic = done
        .stderr
        .lines()
        .find(|line| line.contains("panicked at") && !line.starts_with("faults/bad [warn] "));
    assert_eq!(panic, None, "{}", done.stderr);
}

impl Ended {
    fn says(&self, words: &str) -> &Self {
        assert!(self.done.stderr.contains(words), "`{words}` is not in:\n{}", self.done.stderr);
        self
    }

    #[track_caller]
    fn plugin(&self, name: &str) -> &Value {
        let plugins = self.summary["plugins"].as_array().expect("the run was summed up");
        plugins.iter().find(|plugin| plugin["name"] == name).expect("the plugin is there")
    }

    #[track_caller]
    fn well(&self) -> &Self {
        assert_eq!(self.done.code(), 0, "{}", self.done.stderr);
        assert_eq!(self.summary["errors"], json!([]));
        self
    }

    /// Held after five faults of one kind; what came between them was analysed.
    #[track_caller]
    fn held(&self, kind: &str, fault: &str) {
        assert_eq!(self.done.code(), PLUGIN, "{}", self.done.stderr);
        let plugin = self.plugin("bad");
        assert_eq!((&plugin["faults"], &plugin["held"]), (&json!({ kind: 5 }), &json!(true)));
        assert_eq!(self.summary["frames"]["dropped"]["fault"], 5);
        self.says(&format!(
            "warning: plugin `bad` of app `faults`: {fault}; it starts again with the next frame"
        ));
        self.says(&format!("{fault}; it starts again in 0.5 s of the stream"));
        self.says(&format!("{fault}; that was fault 5 within 60 s: it is held and sees no more frames"));
        self.says(&format!(
            "ended with: plugin `bad`: it failed too often and is held; the last fault: {fault}"
        ));
    }
}

#[test]
fn a_plugin_that_dies_of_one_frame_sees_all_the_others() {
    let ended = Bad { what: "trap-once", at: 9, ..Bad::default() }.run();
    ended.well();
    let frames = &ended.summary["frames"];
    assert_eq!((&frames["analysed"], &frames["dropped"]), (&json!(149), &json!({ "fault": 1 })));
    assert_eq!(ended.plugin("bad")["faults"], json!({ "trap": 1 }));
    ended
        .says("faults/bad [warn] told to trap\n")
        .says("warning: plugin `bad` of app `faults`: `on-frame` trapped: it stopped itself, as a panic does; its log may say why; it starts again with the next frame")
        .says("150 received, 150 decoded, 149 analysed, 1 fault\n")
        .says("plugin bad: 149 frames, 0 events")
        .says("faults: 1 trap");
}

#[test]
fn a_plugin_that_keeps_dying_is_held_and_ends_the_run() {
    Bad { what: "trap", at: 9, ..Bad::default() }
        .run()
        .held("trap", "`on-frame` trapped: it stopped itself, as a panic does; its log may say why");
}

#[test]
fn a_plugin_that_never_returns_is_stopped_at_its_deadline() {
    let fault = "`on-frame` ran longer than its deadline of 250 ms; it was stopped";
    for what in ["loop", "sleep"] {
        Bad { what, at: 9, deadline: "250ms", ..Bad::default() }.run().held("deadline", fault);
    }
}

#[test]
fn a_plugin_that_takes_memory_without_end_meets_its_limit() {
    let ended = Bad { what: "allocate", at: 9, ..Bad::default() }.run();
    ended.held("memory", "`on-frame` ran out of memory: its limit is 64 MiB");
    let peak = ended.plugin("bad")["peak_memory_bytes"].as_u64().unwrap();
    assert!((32 << 20..=64 << 20).contains(&peak), "{peak}");
}

#[test]
fn a_plugin_that_calls_itself_without_end_is_stopped() {
    Bad { what: "recurse", at: 9, ..Bad::default() }
        .run()
        .held("trap", "`on-frame` trapped: it touched memory it does not have, as too deep a recursion does");
}

#[test]
fn a_plugin_that_hoards_handles_is_stopped() {
    let ended = Bad { what: "handles", at: 9, ..Bad::default() }.run();
    assert_eq!(ended.done.code(), PLUGIN, "{}", ended.done.stderr);
    assert_eq!(ended.plugin("bad")["faults"], json!({ "refused": 5 }));
    ended.says("`on-frame` was refused a call: ");
    assert_eq!(ended.plugin("bad")["limits"]["handles"]["refused"], 5);
}

#[test]
fn a_plugin_that_does_not_start_ends_the_run_before_it_begins() {
    let not_started = |what, deadline, words: &str| {
        let ended = Bad { what, deadline, ..Bad::default() }.run();
        assert_eq!((ended.done.code(), ended.done.stdout.as_str()), (PLUGIN, ""), "{}", ended.done.stderr);
        ended.says(&format!("error: plugin `bad`: {words}\n"));
        assert_eq!(ended.summary, Value::Null);
    };
    not_started(
        "configure-error",
        "10s",
        r"it cannot work with what it was given: told to refuse\nto start \u{1b}[31m",
    );
    not_started(
        "configure-trap",
        "10s",
        "`configure` trapped: it stopped itself, as a panic does; its log may say why",
    );
    // `configure` has twenty times the deadline of a frame.
    for what in ["configure-loop", "configure-sleep"] {
        not_started(what, "20ms", "`configure` ran longer than its deadline of 400 ms; it was stopped");
    }
}

#[test]
fn a_fault_at_the_stop_is_counted_and_does_not_hold_the_end() {
    let ended = Bad::new("stop-trap").run();
    assert_eq!(ended.well().plugin("bad")["faults"], json!({ "trap": 1 }));
    let ended = Bad { what: "stop-loop", deadline: "50ms", ..Bad::default() }.run();
    ended.well().says("`on-stop` ran longer than its deadline of 1000 ms; it was stopped");
    assert_eq!(ended.plugin("bad")["faults"], json!({ "deadline": 1 }));
}

#[test]
fn what_is_published_at_the_stop_is_delivered() {
    let ended = Bad { what: "stop-event", frames: 7, ..Bad::default() }.run();
    let events = ended.well().done.events();
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["name"], &events[0]["data"]), (&json!("stopped"), &json!({ "frames": 7 })));
    assert_eq!((&events[0]["camera"], &events[0]["frame"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_plugin_that_complains_of_every_frame_goes_on() {
    let ended = Bad { what: "error", at: 10, ..Bad::default() }.run();
    assert_eq!(ended.well().plugin("bad")["complaints"], 140);
    ended.says("warning: plugin `bad` of app `faults`: it complains about a frame (1 so far): told to fail at frame 10\n");
    ended.says("no faults, 140 frames complained about");
    let told = ended.done.stderr.matches("it complains about a frame").count();
    assert_eq!(told, 8, "1, 2, 4 … 128");
}

#[test]
fn a_plugin_has_no_model_it_was_not_given() {
    // The guest says `broken:` where it gets one.
    Bad { what: "unknown-model", frames: 3, ..Bad::default() }.run().well();
}

#[test]
fn bad_events_are_refused_and_counted() {
    let ended = Bad { what: "bad-events", frames: 10, ..Bad::default() }.run();
    assert_eq!(
        (ended.well().plugin("bad")["dropped_events"].as_u64(), ended.done.stdout.as_str()),
        (Some(130), "")
    );
    ended.says("no faults, 130 events refused");
    let ended = Bad { what: "large-events", frames: 10, ..Bad::default() }.run();
    assert_eq!(
        (ended.well().plugin("bad")["dropped_events"].as_u64(), ended.done.stdout.as_str()),
        (Some(30), "")
    );
}

#[test]
fn a_flood_of_events_is_cut_and_counted() {
    let ended = Bad { what: "many-events", frames: 3, ..Bad::default() }.run();
    // 200 a second, of which the clip's frames last a 25th each.
    assert_eq!(ended.well().done.events().len(), 200 + 8 + 8);
    assert_eq!(ended.plugin("bad")["dropped_events"], 3);
    assert_eq!(
        ended.plugin("bad")["limits"]["events"],
        json!({ "used": 200.0, "allowed": 200.0, "refused": 3 })
    );
}

#[test]
fn what_is_too_much_for_one_call_costs_the_plugin_its_life_at_most() {
    let ended = Bad { what: "crossing", frames: 4, ..Bad::default() }.run();
    ended.well();
    assert_eq!(ended.plugin("bad")["faults"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(ended.done.stdout, "");
}

#[test]
fn marks_and_metrics_beyond_their_limits_are_counted() {
    let ended = Bad { what: "metrics", frames: 2, ..Bad::default() }.run();
    let plugin = ended.well().plugin("bad");
    assert_eq!(plugin["metrics"].as_object().map(serde_json::Map::len), Some(100));
    assert!(plugin["dropped_metrics"].as_u64().unwrap() > 2 * 9_900);
    // Nobody looks, so none is kept and none refused.
    let ended = Bad { what: "marks", frames: 2, ..Bad::default() }.run();
    assert_eq!(ended.well().plugin("bad")["dropped_marks"], 0);
}

#[test]
fn a_flood_of_log_lines_is_cut_and_counted() {
    for what in ["log", "print"] {
        let ended = Bad { what, frames: 2, ..Bad::default() }.run();
        let lines: Vec<&str> =
            ended.well().done.stderr.lines().filter(|line| line.starts_with("faults/bad [")).collect();
        assert_eq!(lines.len(), 52, "50 a second, and the frames are a 25th of one apart");
        assert!(lines.iter().all(|line| line.len() <= 4096 + 20), "a line is cut");
        assert!(ended.plugin("bad")["dropped_log_lines"].as_u64().unwrap() >= 2 * 9_900);
        ended.says("log lines dropped");
    }
}

#[test]
fn what_a_plugin_prints_cannot_steer_a_terminal_nor_forge_a_line() {
    let ended = Bad { what: "log", frames: 1, ..Bad::default() }.run();
    ended.says("faults/bad [warn] two\\nlines\\r\\u{1b}[31mred\\u{0}\n");
    let ended = Bad { what: "print", frames: 1, ..Bad::default() }.run();
    ended.says("faults/bad [info] printed: out\n").says("faults/bad [warn] printed: err\\u{1b}[31m\n");
}

#[test]
fn pixels_come_in_every_shape_asked_for() {
    // The guest checks sizes, formats and refusals itself and says `broken:` where one is wrong.
    let ended = Bad { what: "pixels", frames: 3, ..Bad::default() }.run();
    let events = ended.well().done.events();
    assert_eq!(events.len(), 3);
    let sums: Vec<&Value> = events.iter().map(|event| &event["data"]["checksum"]).collect();
    assert!(sums[0] != sums[1] && sums[1] != sums[2], "each frame has pixels of its own: {sums:?}");
    assert!(events.iter().all(|event| event["data"]["reads"] == 316), "{events:?}");
}

#[test]
fn one_plugins_faults_cost_another_no_frame() {
    let good = format!(
        "[params.threshold]\ntype = \"float\"\ndefault = 0.5\n\n\
         [plugins.good]\ncomponent = \"{}\"\nmodels = [\"person\"]\nparams = [\"threshold\"]\nlimits = {{ deadline = \"10s\" }}\n",
        guest("detections").display()
    );
    for (what, deadline, code) in
        [("trap-once", "10s", 0), ("trap", "10s", PLUGIN), ("loop", "250ms", PLUGIN)]
    {
        let ended = Bad { what, at: 9, deadline, ..Bad::default() }.run_with(&good);
        assert_eq!(ended.done.code(), code, "{what}: {}", ended.done.stderr);
        let frames: Vec<u64> =
            ended.done.events().iter().map(|event| event["frame"].as_u64().unwrap()).collect();
        assert_eq!(frames, (0..150).collect::<Vec<_>>(), "{what}");
        assert_eq!(ended.plugin("good")["faults"], json!({}));
        assert_eq!(ended.summary["frames"]["analysed"], 150);
    }
}

#[test]
fn the_frame_a_plugin_died_on_is_kept_where_the_owner_wants_it() {
    let bad = Bad { what: "trap-once", at: 9, ..Bad::default() };
    let folder = app(&bad.manifest());
    std::fs::write(folder.path().join("deploy.toml"), "evidence = \"kept\"\n").unwrap();
    let clip = format!("camera={}", file("tests/clips/plain.mp4").display());
    let done = finish(transom(["run", "--frames", "12", "--camera", &clip]).arg(folder.path()));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let kept = folder.path().join("kept/faults/bad");
    let facts = summary(&kept.join("000000-trap.json"));
    assert_eq!(
        (&facts["frame"], &facts["camera"], &facts["fault"]),
        (&json!(9), &json!("camera"), &json!("trap"))
    );
    let jpeg = std::fs::read(kept.join("000000-trap.jpg")).unwrap();
    let mut decoder = jpeg_decoder::Decoder::new(jpeg.as_slice());
    decoder.decode().expect("evidence is a picture");
    let info = decoder.info().unwrap();
    assert_eq!(
        (facts["width"].as_u64(), facts["height"].as_u64()),
        (Some(info.width.into()), Some(info.height.into()))
    );
}

#[test]
fn a_plugin_is_held_to_its_share_of_the_processor() {
    let bad = Bad { what: "work", ..Bad::default() };
    let folder = app(&bad.manifest());
    // So little that a busy machine leaves more.
    std::fs::write(folder.path().join("deploy.toml"), "[plugins.bad.limits]\ncpu = 0.02\n").unwrap();
    let clip = format!("camera={}", file("tests/clips/plain.mp4").display());
    let report = folder.path().join("summary.json");
    let mut command = transom(["run", "--frames", "8", "--camera", &clip]);
    let done = finish(command.arg(folder.path()).arg("--summary").arg(&report));
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let summary = summary(&report);
    let plugin = &summary["plugins"][0];
    assert!(plugin["throttled_s"].as_f64().unwrap() > 0.0, "{plugin}");
    assert!(plugin["limits"]["cpu"]["refused"].as_u64().unwrap() > 0, "{plugin}");
    assert_eq!(summary["frames"]["analysed"], 8, "a recording waits");
}
