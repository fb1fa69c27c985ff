//! What the vendor wrote in `app.toml` and the owner in `deploy.toml`, and what it means.
//!
//! What was typed is not what it means: [`written`] is the files' shape as serde and the JSON Schema know
//! it; [`checked`] resolves every reference, fills every default and yields an [`App`], which is plain data
//! that `cli` and `pipeline` read. Every mistake is reported, not the first, with its file, line and column.
//!
//! Knows nothing of what the data is for: opens no camera, loads no model, and looks at nothing but the two
//! manifests and what the machine is able to enforce. `host/docs/manifest.md` is the reference for whoever
//! writes them.

mod checked;
mod document;
mod hosts;
mod inference;
mod limits;
mod machine;
mod outline;
mod params;
mod permissions;
mod report;
mod schema;
mod shape;
mod sheet;
mod source;
mod units;
mod written;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::base::{Result, Secret};

pub use inference::{Inference, Remote};
pub use outline::Outline;
pub use schema::{app_schema, deploy_schema};

/// The largest manifest read. The longest hand-written ones known to us are a hundredth of it.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// The ports plugins may be given where the owner does not say.
pub const DEFAULT_PORT_RANGE: RangeInclusive<u16> = 8000..=9000;

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
    /// The ports of this box its plugins may be given.
    pub port_range: RangeInclusive<u16>,
    /// PEM files of certificates its plugins' requests trust besides the system's.
    pub roots: Vec<PathBuf>,
    /// The folder that keeps the frame a plugin failed on, if the owner wants it kept.
    pub evidence: Option<PathBuf>,
    /// The library of onnxruntime, or its folder, if the owner names one.
    pub onnxruntime: Option<PathBuf>,
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
    /// How the owner wants it run.
    pub inference: Inference,
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
    /// Names of the models it asks; which of them it may ask is in `grants`.
    pub models: Vec<String>,
    /// Names of the params it is told.
    pub params: Vec<String>,
    /// What the vendor asks the owner for.
    pub permissions: Permissions,
    /// What of that the owner gave it.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
}

/// What a vendor asks for: nothing of it can be used before the owner has granted it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Permissions {
    /// To read the pixels of frames.
    pub pixels: bool,
    /// To take JPEG pictures of frames.
    pub jpeg: bool,
    /// Names of models to ask; [`Plugin::models`] again.
    pub models: Vec<String>,
    /// To keep values that outlive the plugin.
    pub storage: Option<StorageQuota>,
    /// To send requests to these hosts.
    pub http: Vec<HttpHost>,
    /// To answer requests from outside.
    pub ports: Vec<PortAsked>,
}

/// What may really be used. Never more than the [`Permissions`] asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grants {
    /// It may read the pixels of frames.
    pub pixels: bool,
    /// It may take JPEG pictures of frames.
    pub jpeg: bool,
    /// Names of the models it may ask.
    pub models: Vec<String>,
    /// What it may keep; the smaller of asked and granted.
    pub storage: Option<StorageQuota>,
    /// The hosts it may send requests to, each with the methods and addresses that are granted.
    pub http: Vec<HttpHost>,
    /// The ports that are opened for it.
    pub ports: Vec<PortGranted>,
}

/// How much a plugin may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageQuota {
    /// Keys and values together, 1 KiB ..= 16 GiB.
    pub bytes: u64,
    /// How many keys, 1 ..= 1,000,000.
    pub entries: u32,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpHost {
    /// `scheme://host[:port]` in its one spelling: lower case, no default port, `*.` in front of the host
    /// where it stands for all names under it.
    pub url: String,
    /// How it is asked.
    pub scheme: Scheme,
    /// Who is asked.
    pub host: HostPattern,
    /// On which port, also where the url shows none.
    pub port: u16,
    /// With which methods, at least one of GET, HEAD, POST, PUT, DELETE and PATCH, in this order.
    pub methods: Vec<String>,
    /// Where the host's name may lead though it is no public address. A host that is an address has that one.
    pub addresses: Vec<IpNet>,
}

/// The scheme of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// The host of a request. Names are in lower case and ASCII (Punycode), without a dot at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// This name.
    Name(String),
    /// Every name that ends in a dot and this one, which has at least two labels; not this one itself.
    AnyUnder(String),
    /// This address.
    Address(IpAddr),
}

/// A port the app asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortAsked {
    /// The app's name for it, such as `status`.
    pub name: String,
    /// The number the vendor knows it by; for people only.
    pub port: Option<u16>,
    /// What answers there, for people; the name where the manifest has none.
    pub title: String,
}

/// A port that is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortGranted {
    /// The app's name for it, such as `status`.
    pub name: String,
    /// What answers there, for people.
    pub title: String,
    /// The port of this box, within [`App::port_range`]; no other port of the app has it.
    pub host_port: u16,
    /// Who may ask, at least one range.
    pub from: Vec<IpNet>,
    /// What a request has to bring as `Authorization: Bearer …`, 1 ..= 256 visible ASCII characters.
    pub token: Option<Secret>,
    /// What makes it HTTPS.
    pub tls: Option<TlsFiles>,
}

/// The two PEM files of a server. They have not been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Something the app asks for that is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The plugin that asks.
    pub plugin: String,
    /// What it would do, such as `read the pixels of the cameras it watches`; one line, fit to be printed.
    pub words: String,
    /// The line that grants it, for the section `[plugins.PLUGIN.grants]`, where that has no such key yet.
    pub toml: String,
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

/// What a plugin may use; the tighter of the vendor's and the owner's. `limits.rs` has the ranges. What is
/// counted a second may come all at once, as much as one second's worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Everything the plugin keeps in memory, in bytes.
    pub memory_bytes: u64,
    /// The plugin's own time in one call.
    pub deadline: Duration,
    /// Cores it may keep busy, over 0 and at most 1.
    pub cpu: f64,
    /// Bytes of lists and texts that pass between plugin and host in one call.
    pub call_bytes: u64,
    /// Things of the host it may hold at once: frames, requests.
    pub handles: u32,
    /// Frames of a recording that wait for it, of each stream.
    pub queue: u32,
    /// Log lines a second.
    pub log_lines: u32,
    /// Events a second.
    pub events: u32,
    /// Bytes of events a second.
    pub event_bytes: u64,
    /// Marks a second.
    pub marks: u32,
    /// Names of metrics.
    pub metrics: u32,
    /// Questions to models a second.
    pub inferences: u32,
    /// Changes of its storage a second.
    pub storage_writes: u32,
    /// HTTP requests it sends a second.
    pub http_requests: u32,
    /// HTTP requests of its own at once.
    pub http_concurrent: u32,
    /// Bytes of one body of an HTTP request of its own, each way.
    pub http_bytes: u64,
    /// The time of one HTTP request of its own with its redirects.
    pub http_timeout: Duration,
    /// Requests a second to each of its ports.
    pub port_requests: u32,
    /// Connections at once to each of its ports.
    pub port_connections: u32,
    /// Requests to its ports that wait for it.
    pub port_queue: u32,
    /// Bytes of the body of one request to a port, and of one answer.
    pub port_bytes: u64,
    /// The time from a request's arrival at a port to the end of its answer.
    pub port_timeout: Duration,
}

impl Limits {
    /// What is looser than the defaults, each as `key VALUE (default VALUE)`.
    pub fn looser_than_default(&self) -> Vec<String> {
        limits::looser(self)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            deadline: Duration::from_millis(50),
            cpu: 0.5,
            call_bytes: 4 << 20,
            handles: 1000,
            queue: 4,
            log_lines: 50,
            events: 200,
            event_bytes: 1 << 20,
            marks: 20_000,
            metrics: 100,
            inferences: 200,
            storage_writes: 20,
            http_requests: 10,
            http_concurrent: 4,
            http_bytes: 1 << 20,
            http_timeout: Duration::from_secs(10),
            port_requests: 50,
            port_connections: 32,
            port_queue: 8,
            port_bytes: 1 << 20,
            port_timeout: Duration::from_secs(5),
        }
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
    /// The app is not going to run: cameras need no source, and params no value.
    pub to_look_at: bool,
}

impl App {
    /// Reads and checks the app at `path`, a folder with an `app.toml` or such a file, together with the
    /// `deploy.toml` at `deploy` (none: the one beside `app.toml`, if there is one) and `overrides`.
    ///
    /// # Errors
    /// One line a mistake, all of them. The kind is [`Usage`](crate::base::Kind::Usage) where only the
    /// command line is wrong, else [`Manifest`](crate::base::Kind::Manifest).
    pub fn load(path: &Path, deploy: Option<&Path>, overrides: &Overrides) -> Result<Self> {
        checked::load(path, deploy, overrides, &machine::Machine::here())
    }

    /// What its plugins ask for and were not granted, by plugin. Something granted in part is granted: fewer
    /// methods, a smaller quota.
    pub fn missing_grants(&self) -> Vec<Missing> {
        sheet::missing(self)
    }

    /// The sections of a `deploy.toml` that grant everything to the plugins of which something is missing;
    /// empty if nothing is. They stand in place of those plugins' present sections and keep what those say,
    /// but for tokens and the paths of TLS files, which a comment asks the owner to keep.
    pub fn grants_toml(&self) -> String {
        sheet::toml(self)
    }

    /// Grants what is missing. What the owner granted already stays as narrow as it is. A port is opened for
    /// this machine only and without a token, on the first port `free_port` offers that no other of the app
    /// has.
    ///
    /// # Errors
    /// [`Kind::Manifest`](crate::base::Kind::Manifest) where `free_port` has none left; then nothing is
    /// granted.
    pub fn grant_all(&mut self, free_port: &mut dyn FnMut() -> Option<u16>) -> Result<()> {
        sheet::grant_all(self, free_port)
    }
}
