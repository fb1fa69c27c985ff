//! Every mistake and its sentence, word for word.

use std::fs;

use super::super::checked;
use super::super::machine::Machine;
use super::{App, Folder, GOOD_APP, GOOD_DEPLOY, Overrides};

/// What is said of the good app with `from` replaced by `to`.
fn app_with(from: &str, to: &str) -> String {
    assert!(GOOD_APP.contains(from), "{from:?} is not in the good app");
    let name = std::thread::current().name().unwrap_or_default().replace("::", "-");
    let folder = Folder::with(&name, &GOOD_APP.replacen(from, to, 1), GOOD_DEPLOY);
    folder.load().err().unwrap_or_else(|| "no mistake".to_owned())
}

/// What is said of the good app with this `deploy.toml`.
fn deploy(text: &str) -> String {
    let name = std::thread::current().name().unwrap_or_default().replace("::", "-");
    Folder::with(&name, GOOD_APP, text).load().err().unwrap_or_else(|| "no mistake".to_owned())
}

/// Adds to the good app's plugin.
fn plugin_with(line: &str) -> String {
    app_with("models = [\"detector\"]\n", &format!("{line}\n"))
}

/// Puts this in place of the good app's param.
fn param(lines: &str) -> String {
    app_with("type = \"float\"\ndefault = 0.5\nmin = 0.0\nmax = 1.0\n", &format!("{lines}\n"))
}

fn overridden(overrides: &Overrides) -> String {
    let name = std::thread::current().name().unwrap_or_default().replace("::", "-");
    let folder = Folder::with(&name, GOOD_APP, GOOD_DEPLOY);
    folder.load_with(overrides).err().unwrap_or_else(|| "no mistake".to_owned())
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_misspelt_key_is_told_the_nearest() {
    assert_eq!(
        app_with("title = \"Door\"", "titel = \"Door\""),
        "app.toml:4:1: `[app]` has no key `titel`; it has `title`"
    );
    assert_eq!(
        plugin_with("build = { comand = \"make\" }"),
        "app.toml:19:11: `build` in `[plugins.counter]` has no key `comand`; it has `command`"
    );
}

#[test]
fn a_key_the_host_cannot_enforce_is_refused() {
    assert_eq!(
        plugin_with("permissions = { mqtt = [] }\nsinks = []\nlimits = { gpu = 0.5 }"),
        "app.toml:19:17: `permissions` in `[plugins.counter]` has no key `mqtt`; it has `http`, `jpeg`, `pixels` \
         and `storage`\n\
         app.toml:20:1: `[plugins.counter]` has no key `sinks`; it has `build`, `cameras`, `component`, \
         `limits`, `models`, `params`, `permissions` and `ports`\n\
         app.toml:21:12: `limits` in `[plugins.counter]` has no key `gpu`; it has `cpu`"
    );
}

#[test]
fn an_unknown_section_is_told_the_nearest_or_all() {
    assert_eq!(
        app_with("[cameras.entrance]", "[camera.entrance]"),
        "app.toml:6:2: there is no section `[camera]`; there is `[cameras]`"
    );
    assert_eq!(
        app_with("[cameras.entrance]", "[sinks]\n[cameras.entrance]"),
        "app.toml:6:2: there is no section `[sinks]`; there is `[app]`, `[cameras]`, `[models]`, `[params]` \
         and `[plugins]`"
    );
    assert_eq!(
        app_with("[app]", "name = \"door\"\n[app]"),
        "app.toml:1:1: the key `name` stands in no section; there is `[app]`, `[cameras]`, `[models]`, \
         `[params]` and `[plugins]`"
    );
}

#[test]
fn what_is_missing_is_named_with_an_example() {
    assert_eq!(
        app_with("version = \"1.0.0\"\n", ""),
        "app.toml:1:2: `[app]` has no `version`; add it, as in `version = \"1.0.0\"`"
    );
    assert_eq!(
        app_with("component = \"counter.wasm\"\n", ""),
        "app.toml:17:10: `[plugins.counter]` has no `component`; add it, as in `component = \"counter.wasm\"`"
    );
    assert_eq!(
        app_with("[cameras.entrance]", ""),
        "app.toml:1:1: the section `[cameras]` is missing; add `[cameras.NAME]`"
    );
    assert_eq!(
        app_with("[cameras.entrance]", "[cameras]"),
        "app.toml:6:2: `[cameras]` is empty; add one as `[cameras.NAME]`"
    );
}

#[test]
fn a_wrong_type_is_told_the_right_one() {
    for (line, message) in [
        ("max_fps = \"ten\"", "7:11: `max_fps` in `[cameras.entrance]` is text; it takes a number"),
        ("title = 5", "7:9: `title` in `[cameras.entrance]` is a whole number; it takes text"),
        ("title = 1979-05-27", "7:9: `title` in `[cameras.entrance]` is a date; it takes text"),
        ("title.a = 1", "7:1: `title` in `[cameras.entrance]` is a table; it takes text"),
    ] {
        let message = format!("app.toml:{message}");
        assert_eq!(app_with("[cameras.entrance]", &format!("[cameras.entrance]\n{line}")), message);
    }
    for (line, message) in [
        ("models = \"detector\"", "19:10: `models` in `[plugins.counter]` is text; it takes a list"),
        (
            "models = [5]",
            "19:11: an entry of `models` in `[plugins.counter]` is a whole number; it takes text",
        ),
        ("build = true", "19:9: `build` in `[plugins.counter]` is a boolean; it takes text or a table"),
        (
            "limits = { memory = 64 }",
            "19:21: `limits.memory` in `[plugins.counter]` is a whole number; it takes text",
        ),
    ] {
        assert_eq!(plugin_with(line), format!("app.toml:{message}"));
    }
    assert_eq!(
        app_with("[cameras.entrance]", "[cameras]\nentrance = 5"),
        "app.toml:7:12: `[cameras.entrance]` is a whole number; it takes a table"
    );
    assert_eq!(app_with("[app]", "[[app]]"), "app.toml:1:1: `[app]` is a list; it takes a table");
    assert_eq!(
        param("type = \"text\"\ndefault = []"),
        "app.toml:13:11: `default` in `[params.threshold]` is a list; it takes a number, text or a boolean"
    );
}

#[test]
fn a_number_text_or_list_keeps_its_bounds() {
    for (line, message) in [
        (
            "max_fps = 0",
            "7:11: `max_fps` in `[cameras.entrance]` is `0`; it takes a number over 0 and at most 1000",
        ),
        ("max_fps = nan", "7:11: `max_fps` in `[cameras.entrance]` is `nan`; it takes a finite number"),
        (
            "max_fps = 9223372036854775808",
            "7:11: `max_fps` in `[cameras.entrance]` is `9223372036854775808`; a whole number fits in 64 bits",
        ),
        ("title = \"\"", "7:9: `title` in `[cameras.entrance]` is empty; write something"),
    ] {
        let message = format!("app.toml:{message}");
        assert_eq!(app_with("[cameras.entrance]", &format!("[cameras.entrance]\n{line}")), message);
    }
    assert_eq!(
        app_with("\"Door\"", &format!("\"{}\"", "ä".repeat(101))),
        "app.toml:4:9: `title` in `[app]` has 101 characters; it takes at most 100"
    );
    assert_eq!(
        plugin_with("cameras = []"),
        "app.toml:19:11: `cameras` in `[plugins.counter]` is empty; it takes at least one entry"
    );
    assert_eq!(
        plugin_with(&format!("models = [{}]", "\"a\",".repeat(257))),
        "app.toml:19:10: `models` in `[plugins.counter]` has 257 entries; it takes at most 256"
    );
    let cameras: String = (0..256).map(|index| format!("[cameras.c{index}]\n")).collect();
    assert_eq!(
        app_with("[models", &format!("{cameras}[models")),
        "app.toml:6:2: `[cameras]` has 257 items; it takes at most 256"
    );
    assert_eq!(
        param("type = \"text\"\nmax_length = 0\ndefault = \"\""),
        "app.toml:13:14: `max_length` in `[params.threshold]` is `0`; it takes a number from 1 to 65536"
    );
}

#[test]
fn names_and_versions_keep_their_rules() {
    assert_eq!(
        app_with("\"door\"", "\"Front Door\""),
        "app.toml:2:8: `Front Door` cannot name an app; a name is 1 to 64 of a-z, 0-9 and `-`, first a letter"
    );
    assert_eq!(
        app_with("[models.detector]", "[models.\"a\\nb\"]\npath = \"x\"\n[models.detector]"),
        "app.toml:8:9: `a\\u{a}b` cannot name a model; a name is 1 to 64 of a-z, 0-9, `_` and `-`, first a letter"
    );
    assert_eq!(
        app_with("\"1.0.0\"", "\"1.0\""),
        "app.toml:3:11: `1.0` is no version (unexpected end of input while parsing minor version number); \
         write it as `1.0.0`"
    );
}

#[test]
fn a_reference_leads_somewhere() {
    assert_eq!(
        app_with("models = [\"detector\"]", "models = [\"detektor\"]"),
        "app.toml:19:11: plugin `counter` asks for model `detektor`; the app has `detector`"
    );
    assert_eq!(
        app_with("models = [\"detector\"]", "cameras = [\"yard\"]\nparams = [\"threshold\", \"threshold\"]"),
        "app.toml:19:12: plugin `counter` asks for camera `yard`; the app has `entrance`\n\
         app.toml:20:24: plugin `counter` asks for param `threshold` twice; once is enough"
    );
    assert_eq!(
        app_with("[models.detector]\npath = \"models/detector\"\n", ""),
        "app.toml:17:11: plugin `counter` asks for model `detector`; the app has none"
    );
    assert_eq!(
        deploy(
            "[cameras.entrace]\nsource = \"a\"\n[cameras.entrance]\nsource = \"a\"\n[models.x]\npath = \"x\"\n\
             [params]\ntreshold = 1\n[plugins.y]\n"
        ),
        "deploy.toml:1:10: the app has no camera `entrace`; it has `entrance`\n\
         deploy.toml:5:9: the app has no model `x`; it has `detector`\n\
         deploy.toml:8:1: the app has no param `treshold`; it has `threshold`\n\
         deploy.toml:9:10: the app has no plugin `y`; it has `counter`"
    );
}

#[test]
fn sizes_and_durations_have_a_unit_and_a_range() {
    assert_eq!(
        plugin_with("limits = { memory = \"64MB\", deadline = \"1m\" }"),
        "app.toml:19:21: plugin `counter`: `memory` is `64MB`; write it as `64MiB` (`KiB`, `MiB` or `GiB`)\n\
         app.toml:19:40: plugin `counter`: `deadline` is `1m`; write it as `50ms` or `2s`"
    );
    assert_eq!(
        plugin_with("limits = { memory = \"5GiB\", deadline = \"0ms\" }"),
        "app.toml:19:21: plugin `counter`: `memory` is `5GiB`; it takes `1MiB` to `4GiB`\n\
         app.toml:19:40: plugin `counter`: `deadline` is `0ms`; it takes `1ms` to `10s`"
    );
}

#[test]
fn an_owner_can_only_tighten_limits() {
    let source = GOOD_DEPLOY;
    assert_eq!(
        deploy(&format!(
            "{source}[plugins.counter]\nlimits = {{ memory = \"128MiB\", deadline = \"1s\" }}\n"
        )),
        "deploy.toml:4:21: plugin `counter`: `memory` of `128MiB` is looser than the app's `64MiB`; only \
         tighter ones can be set here\n\
         deploy.toml:4:42: plugin `counter`: `deadline` of `1s` is looser than the app's `50ms`; only tighter \
         ones can be set here"
    );
    assert_eq!(
        deploy(&format!(
            "{source}[plugins.counter]\nlimits = {{ memory = \"64MiB\", deadline = \"1ms\" }}\n"
        )),
        "no mistake"
    );
}

#[test]
fn every_limit_is_read_by_its_kind_and_kept_to_its_range() {
    for (line, message) in [
        ("queue = 0", "`limits.queue` in `[plugins.counter]` is `0`; it takes a number from 1 to 64"),
        ("queue = 1.5", "`limits.queue` in `[plugins.counter]` is a number; it takes a whole number"),
        ("queue = \"4\"", "`limits.queue` in `[plugins.counter]` is text; it takes a whole number"),
        ("cpu = 2", "`limits.cpu` in `[plugins.counter]` is `2`; it takes a number from 0.01 to 1"),
        ("cpu = nan", "`limits.cpu` in `[plugins.counter]` is `nan`; it takes a finite number"),
        ("http_bytes = 1024", "`limits.http_bytes` in `[plugins.counter]` is a whole number; it takes text"),
        ("http_bytes = \"1GiB\"", "plugin `counter`: `http_bytes` is `1GiB`; it takes `1KiB` to `64MiB`"),
        ("port_timeout = \"50ms\"", "plugin `counter`: `port_timeout` is `50ms`; it takes `100ms` to `120s`"),
        ("log_line = 1", "`limits` in `[plugins.counter]` has no key `log_line`; it has `log_lines`"),
    ] {
        let at = if line.starts_with("log") { 1 } else { line.find("= ").unwrap() + 3 };
        let message = format!("app.toml:20:{at}: {message}");
        assert_eq!(plugin_with(&format!("[plugins.counter.limits]\n{line}")), message);
    }
}

#[test]
fn an_owner_can_only_tighten_each_limit() {
    let limits = |lines: &str| deploy(&format!("{GOOD_DEPLOY}[plugins.counter.limits]\n{lines}\n"));
    assert_eq!(
        limits("cpu = 0.75\nqueue = 5\nevent_bytes = \"2MiB\"\nport_timeout = \"6s\""),
        "deploy.toml:4:7: plugin `counter`: `cpu` of `0.75` is looser than the app's `0.5`; only tighter ones can \
         be set here\n\
         deploy.toml:5:9: plugin `counter`: `queue` of `5` is looser than the app's `4`; only tighter ones can be \
         set here\n\
         deploy.toml:6:15: plugin `counter`: `event_bytes` of `2MiB` is looser than the app's `1MiB`; only \
         tighter ones can be set here\n\
         deploy.toml:7:16: plugin `counter`: `port_timeout` of `6s` is looser than the app's `5s`; only tighter \
         ones can be set here"
    );
    assert_eq!(limits("cpu = 0.5\nqueue = 4\nevent_bytes = \"1MiB\"\nport_timeout = \"5s\""), "no mistake");
}

#[test]
fn a_limit_this_machine_cannot_enforce_is_refused() {
    let on = |machine: Machine, app: &str, deploy: &str| {
        let name = std::thread::current().name().unwrap_or_default().replace("::", "-");
        let folder = Folder::with(&name, app, deploy);
        match checked::load(&folder.0, None, &Overrides::default(), &machine) {
            Ok(_) => "no mistake".to_owned(),
            Err(error) => folder.strip(error.message()),
        }
    };
    let small = Machine { memory_bytes: Some((32 << 20) + 4096), thread_cpu: true };
    let more = "is more than the `32MiB` of this machine; set a smaller one in `deploy.toml`";
    let app = format!("{GOOD_APP}limits = {{ memory = \"48MiB\" }}\n");
    let limited =
        |memory: &str| format!("{GOOD_DEPLOY}[plugins.counter]\nlimits = {{ memory = \"{memory}\" }}\n");
    assert_eq!(
        on(small, GOOD_APP, GOOD_DEPLOY),
        format!("app.toml:17:10: plugin `counter`: `memory` of `64MiB` {more}")
    );
    assert_eq!(
        on(small, &app, GOOD_DEPLOY),
        format!("app.toml:20:21: plugin `counter`: `memory` of `48MiB` {more}")
    );
    assert_eq!(
        on(small, &app, &limited("40MiB")),
        format!("deploy.toml:4:21: plugin `counter`: `memory` of `40MiB` {more}")
    );
    assert_eq!(on(small, &app, &limited("32MiB")), "no mistake");

    let silent = Machine { memory_bytes: None, thread_cpu: true };
    assert_eq!(on(silent, GOOD_APP, GOOD_DEPLOY), "no mistake");
    let no_clock = Machine { memory_bytes: None, thread_cpu: false };
    assert_eq!(
        on(no_clock, &format!("{GOOD_APP}limits = {{ cpu = 1 }}\n"), GOOD_DEPLOY),
        "app.toml:20:18: plugin `counter`: `cpu` of `1` cannot be kept, for this machine has no CPU clock of a \
         thread; run it on another"
    );
    // The default is a limit as well.
    let message = on(no_clock, GOOD_APP, GOOD_DEPLOY);
    assert!(
        message.starts_with("app.toml:17:10: plugin `counter`: `cpu` of `0.5` cannot be kept"),
        "{message}"
    );
}

#[test]
fn a_key_before_the_first_section_keeps_its_rule() {
    for (line, message) in [
        (
            "port_range = \"9000-8000\"",
            "1:14: `port_range` is `9000-8000`; it takes two ports from 1024 to 65535, the lower first, as in \
             `8000-9000`",
        ),
        (
            "port_range = \"80-90\"",
            "1:14: `port_range` is `80-90`; it takes two ports from 1024 to 65535, the lower first, as in \
             `8000-9000`",
        ),
        ("port_range = 8000", "1:14: `port_range` is a whole number; it takes text"),
        ("evidence = \"\"", "1:12: `evidence` is empty; write something"),
        ("evidense = \"e\"", "1:1: there is no key `evidense`; there is `evidence`"),
        ("port_range.low = 1", "1:1: `port_range` is a table; it takes text"),
        (
            "x = 1",
            "1:1: the key `x` stands in no section; there is `[cameras]`, `[events]`, `evidence`, `[models]`, \
             `onnxruntime`, `[params]`, `[plugins]`, `port_range` and 1 more",
        ),
    ] {
        assert_eq!(deploy(&format!("{line}\n{GOOD_DEPLOY}")), format!("deploy.toml:{message}"));
    }
    // What is wrong there hides nothing of the rest.
    assert_eq!(
        deploy(&format!("port_range = 8000\n{GOOD_DEPLOY}[plugins.x]\n")),
        "deploy.toml:1:14: `port_range` is a whole number; it takes text\n\
         deploy.toml:4:10: the app has no plugin `x`; it has `counter`"
    );
}

#[test]
fn a_param_declaration_makes_sense() {
    for (lines, message) in [
        (
            "type = \"flaot\"\ndefault = 1",
            "12:8: `type` in `[params.threshold]` is `flaot`; it takes `float`",
        ),
        (
            "type = \"number\"\ndefault = 1",
            "12:8: `type` in `[params.threshold]` is `number`; it takes `float`, `integer`, `text` or `boolean`",
        ),
        (
            "type = \"text\"\ndefault = \"\"\nmin = 1",
            "14:7: param `threshold`: `min` is for numbers, and it is text; leave `min` out",
        ),
        (
            "type = \"integer\"\ndefault = 1\nmax = 1.5",
            "14:7: param `threshold`: `max` of an integer is a whole number; write it without a point",
        ),
        (
            "type = \"float\"\ndefault = 1\nmin = 2\nmax = 1.5",
            "14:7: param `threshold`: `min` is greater than `max`; exchange them",
        ),
        (
            "type = \"boolean\"\ndefault = true\nchoices = [\"a\"]",
            "14:11: param `threshold`: `choices` is for text, and it is a boolean; leave `choices` out",
        ),
        (
            "type = \"text\"\ndefault = \"a\"\nchoices = [\"a\", \"a\"]",
            "14:17: param `threshold`: `choices` has `a` twice; once is enough",
        ),
        (
            "type = \"float\"\ndefault = 1\nmax_length = 5",
            "14:14: param `threshold`: `max_length` is for text, and it is a float; leave `max_length` out",
        ),
        (
            "type = \"text\"\ndefault = \"a\"\nmax_length = 5\nchoices = [\"a\"]",
            "14:14: param `threshold`: `choices` already says how long it can be; leave `max_length` out",
        ),
    ] {
        assert_eq!(param(lines), format!("app.toml:{message}"));
    }
}

#[test]
fn a_default_keeps_what_its_param_takes() {
    for (lines, message) in [
        (
            "type = \"float\"\nmin = 0\nmax = 1\ndefault = 1.5",
            "15:11: the default of param `threshold` is `1.5`; it takes a number from 0 to 1",
        ),
        (
            "type = \"float\"\nmin = 0\ndefault = \"1\"",
            "14:11: the default of param `threshold` is the text `1`; it takes a number of at least 0",
        ),
        (
            "type = \"integer\"\nmax = 9\ndefault = 10",
            "14:11: the default of param `threshold` is `10`; it takes a whole number of at most 9",
        ),
        (
            "type = \"integer\"\ndefault = 1.0",
            "13:11: the default of param `threshold` is `1`; it takes a whole number",
        ),
        (
            "type = \"text\"\nmax_length = 2\ndefault = \"äöü\"",
            "14:11: the default of param `threshold` is the text `äöü`; it takes text of at most 2 characters",
        ),
        (
            "type = \"text\"\nchoices = [\"in\", \"out\"]\ndefault = \"up\"",
            "14:11: the default of param `threshold` is the text `up`; it takes `in` or `out`",
        ),
        (
            "type = \"boolean\"\ndefault = 0",
            "13:11: the default of param `threshold` is `0`; it takes `true` or `false`",
        ),
    ] {
        assert_eq!(param(lines), format!("app.toml:{message}"));
    }
    assert_eq!(
        deploy(&format!("{GOOD_DEPLOY}[params]\nthreshold = 2\n")),
        "deploy.toml:4:13: param `threshold` is `2`; it takes a number from 0 to 1"
    );
}

#[test]
fn what_the_owner_must_give_is_asked_for() {
    assert_eq!(
        param("type = \"integer\""),
        "app.toml:11:9: param `threshold` has no value and no default; give `--param threshold=VALUE`, or set \
         it in `deploy.toml`"
    );
    assert_eq!(
        deploy(""),
        "app.toml:6:10: camera `entrance` has no source; give `--camera entrance=SOURCE`, or `source` in \
         `deploy.toml`"
    );
    assert_eq!(
        deploy("[cameras.entrance]\n"),
        "deploy.toml:1:10: camera `entrance` has neither `source` nor `sources`; add `source`"
    );
    assert_eq!(
        deploy("[cameras.entrance]\nsource = \"a\"\nsources = [\"b\"]\n"),
        "deploy.toml:3:11: camera `entrance` has both `source` and `sources`; keep one"
    );
}

#[test]
fn a_login_belongs_to_a_camera_and_does_not_print() {
    for (lines, message) in [
        (
            "source = \"a.mp4\"\nusername = \"me\"",
            "3:12: camera `entrance`: `username` is for `rtsp://` sources; leave it out",
        ),
        (
            "source = \"rtsp://a:hunter2@h/\"\nusername = \"me\"",
            "3:12: camera `entrance`: its source has a login as well as `username`; keep one",
        ),
        (
            "source = \"rtsp://h/\"\npassword = \"hunter2\"",
            "3:12: camera `entrance` has a `password` and no `username`; add it",
        ),
        (
            "source = \"rtsp://a:hun/ter2@h/\"",
            "2:10: camera `entrance`: an `@` stands after the host of the source; write it as `%40`, a `/` in a password as `%2F`",
        ),
        (
            "source = \"rtsps://a:hunter2@h/\"",
            "2:10: camera `entrance`: the source begins with `rtsps://`; it takes `rtsp://…` or a path",
        ),
    ] {
        assert_eq!(deploy(&format!("[cameras.entrance]\n{lines}\n")), format!("deploy.toml:{message}"));
    }
}

#[test]
fn the_command_line_is_told_by_its_option() {
    let wrong = Overrides {
        cameras: vec![pair("entrnce", "a.mp4"), pair("entrance", "ftp://h/")],
        params: vec![pair("treshold", "1"), pair("threshold", "abc"), pair("threshold", "inf")],
        models: vec![("person".to_owned(), "x".into())],
        events: None,
        to_look_at: false,
    };
    assert_eq!(
        overridden(&wrong),
        "--camera entrance: the source begins with `ftp://`; it takes `rtsp://…` or a path\n\
         --camera entrnce: the app has no such camera; it has `entrance`\n\
         --model person: the app has no such model; it has `detector`\n\
         --param threshold: the value is `inf`; it takes a number from 0 to 1\n\
         --param threshold: the value is the text `abc`; it takes a number from 0 to 1\n\
         --param treshold: the app has no such param; it has `threshold`"
    );
}

#[test]
fn all_mistakes_are_told_in_the_order_of_the_files() {
    let app = GOOD_APP
        .replace("1.0.0", "one")
        .replace("[cameras.entrance]", "[cameras.entrance]\nmax_fsp = 5")
        .replace("default = 0.5", "default = 5")
        .replace("[\"detector\"]", "[\"detektor\"]");
    let folder = Folder::with("all", &app, "[cameras.entrance]\nsorce = \"a\"\n");
    let wrong = Overrides { params: vec![pair("threshold", "-1")], ..Overrides::default() };
    assert_eq!(
        folder.load_with(&wrong).unwrap_err(),
        "app.toml:3:11: `one` is no version (unexpected character 'o' while parsing major version number); write \
         it as `1.0.0`\n\
         app.toml:7:1: `[cameras.entrance]` has no key `max_fsp`; it has `max_fps`\n\
         app.toml:14:11: the default of param `threshold` is `5`; it takes a number from 0 to 1\n\
         app.toml:20:11: plugin `counter` asks for model `detektor`; the app has `detector`\n\
         deploy.toml:2:1: `[cameras.entrance]` has no key `sorce`; it has `source`\n\
         --param threshold: the value is `-1`; it takes a number from 0 to 1"
    );
}

#[test]
fn what_is_no_toml_comes_in_the_same_form() {
    assert_eq!(app_with("[app]", "[app"), "app.toml:1:5: unclosed table, expected `]`");
    assert_eq!(app_with("\"1.0.0\"", "\"1.0.0"), "app.toml:3:17: invalid basic string, expected `\"`");
    assert_eq!(
        app_with("max = 1.0", "max = 1.0\nmax = 2.0"),
        "app.toml:16:1: `max` is here a second time; keep one"
    );
    assert_eq!(
        app_with("[models.detector]", "[cameras.entrance]\n[models.detector]"),
        "app.toml:8:10: `entrance` is here a second time; keep one"
    );
    let deep = "app.toml:4:89: this is nested too deep; no manifest goes deeper than seven levels";
    assert_eq!(app_with("\"Door\"", &format!("{}1{}", "[".repeat(5000), "]".repeat(5000))), deep);
    // Columns count characters, as editors do, and a byte order mark is none.
    assert_eq!(
        app_with("[app]", "\u{feff}[app]\n\"ä\" = x"),
        "app.toml:2:7: string values must be quoted, expected literal string"
    );
    assert_eq!(app_with("[app]", "\u{feff}[app"), "app.toml:1:5: unclosed table, expected `]`");
}

#[test]
fn a_file_that_is_no_manifest_is_refused() {
    let folder = Folder::new("no-manifest");
    let load = |path: &str| {
        folder.strip(App::load(&folder.0.join(path), None, &Overrides::default()).unwrap_err().message())
    };
    assert_eq!(load("absent"), "`absent` is not there; give an app's folder or its `app.toml`");
    assert_eq!(load("."), "the folder `.` has no `app.toml`; give an app's folder or its `app.toml`");

    folder.write("app.toml", b"[app]\nname = \"caf\xe9\"\n");
    assert_eq!(load("app.toml"), "app.toml:2:12: this is no UTF-8; save the file as UTF-8");
    folder.write("app.toml", vec![b'#'; 10 << 20]);
    assert_eq!(load("app.toml"), "app.toml: is larger than `1MiB`; no manifest needs as much");
    fs::remove_file(folder.0.join("app.toml")).unwrap();
    fs::create_dir(folder.0.join("app.toml")).unwrap();
    assert_eq!(load("."), "./app.toml: is not a file; a manifest is a text file");
    assert_eq!(
        load("app.toml"),
        "the folder `app.toml` has no `app.toml`; give an app's folder or its `app.toml`"
    );
}

#[test]
fn a_deploy_file_that_was_asked_for_is_there() {
    let folder = Folder::with("deploy-asked", GOOD_APP, GOOD_DEPLOY);
    let error = App::load(&folder.0, Some(&folder.0.join("site.toml")), &Overrides::default()).unwrap_err();
    assert_eq!(folder.strip(error.message()), "site.toml: is not there; give the path of a manifest");
    fs::remove_file(folder.0.join("deploy.toml")).unwrap();
    let camera = Overrides { cameras: vec![pair("entrance", "a.mp4")], ..Overrides::default() };
    assert!(folder.load_with(&camera).is_ok());
    std::os::unix::fs::symlink("nowhere", folder.0.join("deploy.toml")).unwrap();
    assert_eq!(
        folder.load_with(&camera).unwrap_err(),
        "deploy.toml: is not there; give the path of a manifest"
    );
}
