//! What the vendor wrote in `app.toml` and the owner in `deploy.toml`, and what it means.
//!
//! What was typed is not what it means: [`written`] is the files' shape as serde and the JSON Schema know
//! it; [`checked`] resolves every reference, fills every default and yields an [`App`], which is plain data
//! that `cli` and `pipeline` read. Every mistake is reported, not the first, with its file, line and column.
//!
//! Knows nothing of what the data is for: opens no camera, loads no model, and looks at no file but the two
//! manifests. `host/docs/manifest.md` is the reference for whoever writes them.

mod checked;
mod document;
mod params;
mod report;
mod schema;
mod shape;
mod source;
mod units;
mod written;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::{Result, Secret};

pub use schema::{app_schema, deploy_schema};

/// The largest manifest read. The longest hand-written ones known to us are a hundredth of it.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// What `limits.memory` takes, in bytes.
pub const MEMORY_BYTES: RangeInclusive<u64> = (1 << 20)..=(4 << 30);
/// What `limits.memory` is where nobody says: 64 MiB.
pub const DEFAULT_MEMORY_BYTES: u64 = 64 << 20;
/// What `limits.deadline` takes.
pub const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);
/// What `limits.deadline` is where nobody says: 50 ms.
pub const DEFAULT_DEADLINE: Duration = Duration::from_millis(50);

/// An app as it is going to run: every reference resolved, every default filled, the owner's `deploy.toml`
/// and the command line applied. Lists keep the order of the file, but for [`Plugin`]'s, which keep the
/// order the plugin gives.
#[derive(Debug, Clone, PartialEq)]
pub struct App {
    /// 1 ..= 64 of a-z, 0-9 and `-`, first a letter; unique on a box.
    pub name: String,
    /// The vendor's version of it.
    pub version: semver::Version,
    /// Its name for people.
    pub title: String,
    /// What it does, for people; may be empty.
    pub description: String,
    /// The folder `app.toml` stands in; what its paths start from.
    pub folder: PathBuf,
    /// The `app.toml` itself.
    pub file: PathBuf,
    /// The cameras it asks for, at least one, each with at least one source.
    pub cameras: Vec<Camera>,
    /// The models it brings.
    pub models: Vec<ModelRef>,
    /// Its params, each with its value.
    pub params: Vec<Param>,
    /// Its plugins, at least one.
    pub plugins: Vec<Plugin>,
    /// Where its events go, if anyone said.
    pub events: Option<Events>,
}

/// A camera the app asks for, and what the owner put there.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// The app's name for it, such as `entrance`.
    pub name: String,
    /// For people; the name where the manifest has none.
    pub title: String,
    /// The most frames a second the app wants of each stream, over 0 and at most 1000; none: all.
    pub max_fps: Option<f64>,
    /// The streams that stand for it, at least one.
    pub sources: Vec<Source>,
}

/// One stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// `rtsp://…` without user name and password, or the path of a file or folder.
    pub location: String,
    /// Whom to log in as; RTSP only.
    pub username: Option<String>,
    /// With what password; RTSP only.
    pub password: Option<Secret>,
}

impl Source {
    /// Reads a source as it is typed on a command line: a path starts from the current folder.
    ///
    /// # Errors
    /// [`Kind::Source`](crate::base::Kind::Source): what is wrong, quoting nothing that may hold a password.
    pub fn parse(typed: &str) -> Result<Self> {
        source::parse(typed, Path::new(".")).map_err(crate::base::Error::source)
    }
}

/// A model and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRef {
    /// The app's name for it, such as `person`.
    pub name: String,
    /// The folder its `model.toml` is expected in.
    pub path: PathBuf,
}

/// A param with the value it has in this run.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// The app's name for it, such as `threshold`.
    pub name: String,
    /// The command line's, else `deploy.toml`'s, else the default.
    pub value: ParamValue,
    /// For people; the name where the manifest has none.
    pub title: String,
    /// What it does, for people; may be empty.
    pub description: String,
}

/// The value of a param, of the type the manifest declares.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamValue {
    /// A finite number.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
    /// `true` or `false`.
    Boolean(bool),
}

/// One plugin of the app.
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    /// The app's name for it, such as `counter`.
    pub name: String,
    /// The WebAssembly component; need not be there yet where there is a `build`.
    pub component: PathBuf,
    /// How the vendor makes the component. Never run on an owner's box.
    pub build: Option<Build>,
    /// Names of the cameras it watches, at least one.
    pub cameras: Vec<String>,
    /// Names of the models it may ask.
    pub models: Vec<String>,
    /// Names of the params it is told.
    pub params: Vec<String>,
    /// What it may use.
    pub limits: Limits,
}

/// How a component is built from its sources.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// One command line for `sh -c`.
    pub command: String,
    /// The folder it runs in.
    pub folder: PathBuf,
    /// Files and folders the component is made of: a change in one of them makes it stale.
    pub sources: Vec<PathBuf>,
}

/// What a plugin may use; the tighter of the vendor's and the owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Everything the plugin keeps in memory, in bytes, within [`MEMORY_BYTES`].
    pub memory_bytes: u64,
    /// The plugin's own time in one call, within [`DEADLINE`].
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: DEFAULT_MEMORY_BYTES, deadline: DEFAULT_DEADLINE }
    }
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Events {
    /// Standard output; written `-`.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// What the command line says about an app; it wins over `deploy.toml`. Paths start from the current folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--camera NAME=SOURCE`: replaces the sources of that camera; a name given twice has several streams.
    pub cameras: Vec<(String, String)>,
    /// `--param NAME=VALUE`, read by the param's type; the last of a name counts.
    pub params: Vec<(String, String)>,
    /// `--model NAME=DIR`; the last of a name counts.
    pub models: Vec<(String, PathBuf)>,
    /// `--events FILE|-`.
    pub events: Option<String>,
}

impl App {
    /// Reads and checks the app at `path`, a folder with an `app.toml` or such a file, together with the
    /// `deploy.toml` at `deploy` (none: the one beside `app.toml`, if there is one) and `overrides`.
    ///
    /// # Errors
    /// One line a mistake, all of them. The kind is [`Usage`](crate::base::Kind::Usage) where only the
    /// command line is wrong, else [`Manifest`](crate::base::Kind::Manifest).
    pub fn load(path: &Path, deploy: Option<&Path>, overrides: &Overrides) -> Result<Self> {
        checked::load(path, deploy, overrides)
    }
}
