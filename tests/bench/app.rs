//! Apps made for a benchmark, and `transom run` on them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::measure;

/// A file of the repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

/// A guest's component, built by this package's build script.
pub(crate) fn guest(name: &str) -> PathBuf {
    file("guest-examples/target/wasm32-wasip2/release").join(name).with_extension("wasm")
}

/// The command: the one built with this benchmark, unless another is named.
pub(crate) fn transom() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_transom-under-test"));
    std::env::var_os("TRANSOM_BINARY").map_or_else(built, PathBuf::from)
}

/// Real clips and models, which are not part of the repository.
///
/// # Errors
/// Where they were looked for.
pub(crate) fn shared_data() -> Result<PathBuf, String> {
    let folder =
        std::env::var_os("TRANSOM_SHARED_DATA").map_or_else(|| file("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(format!("there is no real data at {}; say where with TRANSOM_SHARED_DATA", folder.display()))
}

/// The real clip that the shared data brings.
pub(crate) fn shared_clip(data: &Path) -> PathBuf {
    data.join("clips/one-by-one-person-detection.mp4")
}

/// An app around the `detections` guest, in a folder of its own.
pub(crate) struct App {
    folder: tempfile::TempDir,
}

/// What a run took.
pub(crate) struct Ran {
    /// The whole command, as whoever typed it sees it.
    pub(crate) wall: Duration,
    summary: Value,
}

impl App {
    /// As many plugins as said, all of the same component asking the same model, on one clip.
    pub(crate) fn new(model: &Path, clip: &Path, plugins: usize, max_fps: Option<f64>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut manifest = format!(
            "[app]\nname = \"bench\"\nversion = \"1.0.0\"\ntitle = \"Bench\"\n\n\
             [models.detector]\npath = {model:?}\n\n[params.threshold]\ntype = \"float\"\ndefault = 0.5\n\n\
             [cameras.camera]\n"
        );
        let component = guest("detections");
        // Writing to a `String` cannot fail.
        if let Some(max_fps) = max_fps {
            let _ = writeln!(manifest, "max_fps = {max_fps:?}");
        }
        for plugin in 0..plugins {
            let _ = write!(
                manifest,
                "\n[plugins.p{plugin}]\ncomponent = {component:?}\nmodels = [\"detector\"]\n"
            );
        }
        let deploy = format!("[cameras.camera]\nsource = {clip:?}\n");
        std::fs::write(folder.path().join("app.toml"), manifest).expect("a manifest can be written");
        std::fs::write(folder.path().join("deploy.toml"), deploy).expect("a manifest can be written");
        Self { folder }
    }

    /// FastestDet on the real clip: what the Python program does too.
    pub(crate) fn of_shared_data(data: &Path, plugins: usize) -> Self {
        let app = Self::new(Path::new("fastestdet"), &shared_clip(data), plugins, None);
        let folder = app.folder.path().join("fastestdet");
        std::fs::create_dir(&folder).expect("a folder can be made");
        for name in ["model.toml", "labels.txt"] {
            std::fs::copy(file("tests/models/fastestdet").join(name), folder.join(name))
                .expect("a file can be copied");
        }
        let onnx = data.join("models/fastestdet/FastestDet.onnx");
        std::os::unix::fs::symlink(onnx, folder.join("FastestDet.onnx")).expect("a link can be laid");
        app
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.path(), arguments, None)
    }

    /// Runs it on one core.
    pub(crate) fn run_on_one_core(&self, arguments: &[&str]) -> Ran {
        run(self.path(), arguments, Some(0))
    }
}

/// Runs an app; its events go where nobody reads them.
pub(crate) fn run(app: &Path, arguments: &[&str], core: Option<usize>) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().join("summary.json");
    let mut command = match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(transom());
            command
        }
        None => Command::new(transom()),
    };
    command
        .arg("run")
        .arg(app)
        .args(["--grant", "all", "--events", "/dev/null"])
        .arg("--summary")
        .arg(&report)
        .args(arguments);
    command.stdout(Stdio::null());
    let done = measure::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
    let summary = std::fs::read_to_string(&report).expect("the run wrote its summary");
    Ran { wall: done.wall, summary: serde_json::from_str(&summary).expect("the summary is JSON") }
}

impl Ran {
    /// CPU milliseconds of the whole process.
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.summary["cpu_s"].as_f64().expect("a summary has CPU time") * 1000.0
    }

    /// Frames that a plugin has seen.
    pub(crate) fn frames(&self) -> f64 {
        self.summary["frames"]["analysed"].as_f64().expect("a summary counts frames")
    }

    /// The most memory it had at once, in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.summary["peak_memory_bytes"].as_f64().unwrap_or(f64::NAN) / f64::from(1 << 20)
    }

    /// CPU milliseconds of decoding.
    pub(crate) fn decode_ms(&self) -> f64 {
        self.sum("streams", &["/decoder/time"])
    }

    /// CPU milliseconds of models: input, inference, read-out.
    pub(crate) fn model_ms(&self) -> f64 {
        self.sum("models", &["/prepare", "/inference", "/readout"])
    }

    /// CPU milliseconds of inference alone.
    pub(crate) fn inference_ms(&self) -> f64 {
        self.sum("models", &["/inference"])
    }

    /// CPU milliseconds of plugins, their calls into the host included.
    pub(crate) fn plugin_ms(&self) -> f64 {
        self.sum("plugins", &["/calls"])
    }

    /// CPU milliseconds of bringing events to their sink.
    pub(crate) fn deliver_ms(&self) -> f64 {
        self.sum("plugins", &["/deliver"])
    }

    fn sum(&self, stage: &str, meters: &[&str]) -> f64 {
        let all = self.summary[stage].as_array().expect("a summary lists its stages");
        let us = |one: &Value, meter: &&str| one.pointer(&format!("{meter}/cpu_us")).and_then(Value::as_f64);
        all.iter()
            .flat_map(|one| meters.iter().map(move |meter| us(one, meter).expect("a stage has its CPU time")))
            .sum::<f64>()
            / 1000.0
    }
}
