//! What the tests share: the command, its apps and files.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) mod http;
pub(crate) mod live;
pub(crate) mod rtsp_camera;
pub(crate) mod video;

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> PathBuf {
    root().join(path)
}

/// The built command. `run` is given whatever the app asks for; see [`ungranted`].
pub(crate) fn transom<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut arguments = arguments.into_iter().peekable();
    let runs = arguments.peek().is_some_and(|first| first.as_ref() == "run");
    let mut command = ungranted(arguments);
    if runs {
        command.args(["--grant", "all"]);
    }
    command
}

/// The built command, its lasting state in a folder of the tests.
pub(crate) fn ungranted<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_transom-under-test"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("XDG_STATE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/state"));
    command
}

/// A guest's component, built by this package's build script.
pub(crate) fn guest(name: &str) -> PathBuf {
    file("guest-examples/target/wasm32-wasip2/release").join(name).with_extension("wasm")
}

/// What a finished command left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// The events it printed.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.stdout)
    }
}

/// Lines of JSON.
pub(crate) fn events(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Runs a command to its end; fails the test where it takes longer than two minutes.
pub(crate) fn finish(command: &mut Command) -> Done {
    let child = command.spawn().expect("the command starts");
    wait(child, Duration::from_secs(120))
}

/// Waits for a command's end; kills it and fails the test where it takes longer than `most`.
pub(crate) fn wait(mut child: Child, most: Duration) -> Done {
    let drain = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut text).expect("a pipe can be read");
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let stdout = drain(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = drain(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if started.elapsed() > most {
            child.kill().expect("a child can be killed");
            let said = stderr.join().expect("the reader ends");
            panic!("the command did not end within {most:?}; it said:\n{said}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Done {
        status,
        stdout: stdout.join().expect("the reader ends"),
        stderr: stderr.join().expect("the reader ends"),
    }
}

/// The summary a run wrote.
pub(crate) fn summary(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the run wrote its summary");
    serde_json::from_str(&text).expect("the summary is JSON")
}

/// Real clips and models that are not part of the repository; tests that use them say so and are skipped
/// where they are not there.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let folder =
        std::env::var_os("TRANSOM_SHARED_DATA").map_or_else(|| file("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    skip(&format!("there is no real data at {}", folder.display()));
    None
}

/// Says that a test did not try what it promises.
pub(crate) fn skip(why: &str) {
    // The test harness swallows what passing tests print; this goes past it.
    use std::io::Write;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "SKIPPED {name}: {why}").expect("standard error is there");
}

/// An app in a folder of its own, made of an `app.toml` with `PLUGIN` and `CLIP` filled in.
pub(crate) fn app(manifest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("app.toml"), manifest).expect("a manifest can be written");
    folder
}
