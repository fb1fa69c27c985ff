//! What attacks and their neighbour are given: a folder, a clip, a model, and an app each.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;

use crate::base::{Clock, Error, Notices, Result, Shutdown};
use crate::manifest::{
    App, Camera, Grants, HostPattern, HttpHost, Inference, Limits, ModelRef, Param, ParamValue, Permissions,
    Plugin, PortAsked, PortGranted, Scheme, Source, StorageQuota,
};
use crate::pipeline::{Member, Options, PluginSummary, Run, Summary, Surroundings};
use crate::plugin::Compiler;
use crate::plugin::egress::Resolve;
use crate::plugin::ports::Ports;
use crate::sink::JsonLines;

use super::internet::{GRANTED, Internet, LYING, Names, SERVER};
use super::{Attack, NEIGHBOUR};
use crate::cli::place::apart;

/// Frames a second of the neighbour, as of the attack.
const FPS: f64 = 10.0;
/// Frames the neighbour is watched for alone, to compare with.
const ALONE_FRAMES: u64 = 50;

const CLIP: &[u8] = include_bytes!("../../../../tests/clips/plain.mp4");
const MODEL: [(&str, &[u8]); 3] = [
    ("model.onnx", include_bytes!("../../../../models/person/model.onnx")),
    ("model.toml", include_bytes!("../../../../models/person/model.toml")),
    ("labels.txt", include_bytes!("../../../../models/person/labels.txt")),
];

/// A folder of this process, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("transom-prove-{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Error::internal(format!("`{}` cannot be made: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind it takes a few megabytes of a temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How the neighbour fared.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Neighbour {
    pub(super) frames: u64,
    pub(super) lost: u64,
    pub(super) p50_ms: f64,
    pub(super) slowest_ms: f64,
    /// p99 of its own frames.
    pub(super) p99_ms: f64,
}

impl Neighbour {
    pub(super) fn of(plugin: &PluginSummary) -> Self {
        let faults: u64 = plugin.report.faults.values().sum();
        Self {
            frames: plugin.seen + plugin.replaced + faults,
            lost: plugin.replaced + faults,
            p50_ms: plugin.latency.p50_us / 1e3,
            p99_ms: plugin.latency.p99_us / 1e3,
            slowest_ms: plugin.latency.max_us / 1e3,
        }
    }
}

/// The 99th percentile of the 99th percentiles of `all`.
pub(super) fn p99<'a>(all: impl IntoIterator<Item = &'a Neighbour>) -> f64 {
    let mut slowest: Vec<f64> = all.into_iter().map(|neighbour| neighbour.p99_ms).collect();
    slowest.sort_by(f64::total_cmp);
    let at = (slowest.len() as f64 * 0.99).ceil() as usize;
    slowest.get(at.saturating_sub(1)).copied().unwrap_or_default()
}

/// Everything in its place.
pub(super) struct Stage {
    folder: Folder,
    internet: Internet,
    pub(super) compiler: Compiler,
    pub(super) clock: Clock,
}

impl Stage {
    pub(super) fn set() -> Result<Self> {
        let folder = Folder::make()?;
        let stage =
            Self { folder, internet: Internet::start()?, compiler: apart(None)?, clock: Clock::system() };
        let model = stage.path("model");
        let made = fs::create_dir(&model)
            .and_then(|()| MODEL.iter().try_for_each(|(name, bytes)| fs::write(model.join(name), bytes)))
            .and_then(|()| fs::write(stage.path("clip.mp4"), CLIP))
            .and_then(|()| fs::write(stage.path("neighbour.wasm"), NEIGHBOUR));
        made.map_err(|error| Error::internal(format!("`{}`: {error}", stage.folder.0.display())))?;
        Ok(stage)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    /// The neighbour with nobody beside it.
    pub(super) fn alone(&self) -> Result<Neighbour> {
        let members = [self.neighbour()?];
        let options = Options { frames: Some(ALONE_FRAMES), ..options() };
        let run =
            Run::prepare(&members, options, self.surroundings(None, Notices::none(), &Shutdown::default()))?;
        Ok(neighbour_in(&run.run()))
    }

    pub(super) fn surroundings(
        &self,
        server: Option<&str>,
        notices: Notices,
        shutdown: &Shutdown,
    ) -> Surroundings {
        let resolver: Arc<dyn Resolve> = Arc::new(Names::new(server));
        Surroundings {
            program: None,
            clock: self.clock,
            shutdown: shutdown.clone(),
            notices,
            view: None,
            compiler: self.compiler.clone(),
            state: Some(self.path("state")),
            resolver,
        }
    }

    pub(super) fn neighbour(&self) -> Result<Member> {
        let grants = Grants { models: vec!["person".to_owned()], ..Grants::default() };
        let app =
            self.app("neighbour", self.path("neighbour.wasm"), grants, Limits::default(), String::new());
        Ok(Member { app, events: Arc::new(JsonLines::file(Path::new("/dev/null"))?) })
    }

    /// The attack as an app: with what its owner granted, and limits as anybody's, but that it is not to take
    /// long until they are met.
    pub(super) fn attacker(&self, attack: &Attack, component: PathBuf, events: &Path) -> Result<Member> {
        let granted = |what: &str| attack.grants.contains(&what);
        let lies = attack.server.is_some_and(|server| server.starts_with("dns:"));
        let host = if lies { LYING } else { GRANTED };
        let port = self.internet.port();
        let address = IpNet::from(std::net::IpAddr::V4(SERVER));
        let ports = Ports::new(PORT_RANGE);
        let grants = Grants {
            pixels: granted("pixels"),
            jpeg: granted("jpeg"),
            models: if granted("models") { vec!["person".to_owned()] } else { Vec::new() },
            storage: granted("storage").then_some(StorageQuota { bytes: 256 << 10, entries: 16 }),
            http: if granted("http") {
                vec![HttpHost {
                    url: format!("http://{host}:{port}"),
                    scheme: Scheme::Http,
                    host: HostPattern::Name(host.to_owned()),
                    port,
                    methods: vec!["GET".to_owned(), "POST".to_owned()],
                    addresses: vec![address],
                }]
            } else {
                Vec::new()
            },
            ports: if granted("port") {
                let free =
                    ports.first_free(&[]).ok_or_else(|| Error::internal("no port from 20000 on is free"))?;
                vec![PortGranted {
                    name: "port".to_owned(),
                    title: "port".to_owned(),
                    host_port: free,
                    from: vec![IpNet::from(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))],
                    token: None,
                    tls: None,
                }]
            } else {
                Vec::new()
            },
        };
        let path = attack.server.filter(|_| !lies).unwrap_or("/");
        let limits =
            Limits { http_timeout: std::time::Duration::from_millis(500), cpu: 0.1, ..Limits::default() };
        let app = self.app("attacker", component, grants, limits, format!("http://{host}:{port}{path}"));
        Ok(Member { app, events: Arc::new(JsonLines::file(events)?) })
    }

    fn app(&self, name: &str, component: PathBuf, grants: Grants, limits: Limits, url: String) -> App {
        let person = || "person".to_owned();
        let clip =
            Source { location: self.path("clip.mp4").display().to_string(), username: None, password: None };
        let port =
            |port: &PortGranted| PortAsked { name: port.name.clone(), port: None, title: port.title.clone() };
        let permissions = Permissions {
            pixels: grants.pixels,
            jpeg: grants.jpeg,
            models: grants.models.clone(),
            storage: grants.storage,
            http: grants.http.clone(),
            ports: grants.ports.iter().map(port).collect(),
        };
        App {
            name: name.to_owned(),
            version: semver::Version::new(1, 0, 0),
            title: name.to_owned(),
            description: String::new(),
            folder: self.folder.0.clone(),
            file: self.path("app.toml"),
            cameras: vec![Camera {
                name: "camera".to_owned(),
                title: "camera".to_owned(),
                max_fps: Some(FPS),
                sources: vec![clip],
            }],
            // On one back end: which of several is the fastest is no matter here, and costs time to find out.
            models: vec![ModelRef {
                name: person(),
                path: self.path("model"),
                inference: Inference { backend: Some("rten"), ..Inference::default() },
            }],
            params: vec![Param {
                name: "url".to_owned(),
                value: ParamValue::Text(url),
                title: "url".to_owned(),
                description: String::new(),
            }],
            plugins: vec![Plugin {
                name: "plugin".to_owned(),
                component,
                build: None,
                cameras: vec!["camera".to_owned()],
                models: grants.models.clone(),
                params: vec!["url".to_owned()],
                permissions,
                grants,
                limits,
            }],
            events: None,
            port_range: PORT_RANGE,
            roots: Vec::new(),
            evidence: None,
            onnxruntime: None,
        }
    }
}

const PORT_RANGE: std::ops::RangeInclusive<u16> = 20_000..=29_999;

/// A recording that passes for a camera, on and on; marks are taken as if somebody looked.
pub(super) fn options() -> Options {
    Options { looped: true, live: true, marks: true, ..Options::default() }
}

/// How the neighbour fared in a run.
pub(super) fn neighbour_in(summary: &Summary) -> Neighbour {
    summary.plugins.iter().find(|plugin| plugin.app == "neighbour").map(Neighbour::of).unwrap_or_default()
}
