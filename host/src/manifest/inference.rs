//! How this box runs an app's models: `[models.NAME]` of `deploy.toml`.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::Secret;

use super::document::{Document, join};
use super::report::Report;
use super::units;
use super::written::{At, BackendWritten, DeployFile, DeployModel, RemoteSection};

/// How a model is to be run, where the owner says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inference {
    /// The one back end to use; none: the fastest that is right.
    pub backend: Option<&'static str>,
    /// Threads of one inference on the processor, 1 ..= 64; none: one.
    pub threads: Option<usize>,
    /// The server that runs it.
    pub remote: Option<Remote>,
}

/// A model on a server that speaks the Open Inference Protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    /// `http://…`, `https://…`, `grpc://…` or `grpcs://…`.
    pub url: String,
    /// What the server calls the model; none: as its `model.toml` does.
    pub model: Option<String>,
    /// The version; none: the server chooses.
    pub version: Option<String>,
    /// For one inference with all its tries.
    pub timeout: Option<Duration>,
    /// For finding the server.
    pub connect_timeout: Option<Duration>,
    /// More tries after one that may have failed by chance.
    pub retries: Option<u32>,
    /// Inferences under way at once.
    pub in_flight: Option<usize>,
    /// Whether the model is run here while the server is away.
    pub fallback: bool,
    /// Whether the server's copy has 16-bit floats.
    pub half: bool,
    /// Sent with every request.
    pub token: Option<Secret>,
    /// PEM files of authorities to believe besides the system's.
    pub roots: Vec<PathBuf>,
}

const TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
const CONNECT_TIMEOUT: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(60);

/// What was written for one model; mistakes go to `report`.
pub(super) fn check(
    name: &str,
    written: &DeployModel,
    deploy: &Document<DeployFile>,
    report: &mut Report,
) -> Inference {
    let backend = written.backend.as_ref().map(|backend| match **backend {
        BackendWritten::Rten => "rten",
        BackendWritten::Onnxruntime => "onnxruntime",
        BackendWritten::Wonnx => "wonnx",
    });
    if let (Some(backend), Some(remote)) = (&written.backend, &written.remote)
        && remote.fallback.as_ref().is_some_and(|fallback| !**fallback)
    {
        let what = format!(
            "model `{name}` is run by a server alone (`fallback = false`), so `backend` has no meaning; remove one"
        );
        report.at(deploy.file, backend.at(), what);
    }
    Inference {
        backend,
        threads: written.threads.as_deref().map(|threads| usize::from(*threads)),
        remote: written.remote.as_ref().map(|written| remote(name, written, deploy, report)),
    }
}

fn remote(name: &str, written: &RemoteSection, deploy: &Document<DeployFile>, report: &mut Report) -> Remote {
    let mut time = |key: &str, typed: &Option<At<String>>, range| {
        let typed = typed.as_ref()?;
        match units::duration(typed, range) {
            Ok(duration) => Some(duration),
            Err(what) => {
                report.at(deploy.file, typed.at(), format!("model `{name}`: `{key}`: {what}"));
                None
            }
        }
    };
    Remote {
        timeout: time("timeout", &written.timeout, &TIMEOUT),
        connect_timeout: time("connect_timeout", &written.connect_timeout, &CONNECT_TIMEOUT),
        url: (*written.url).clone(),
        model: written.model.as_deref().cloned(),
        version: written.version.as_deref().cloned(),
        retries: written.retries.as_deref().map(|tries| u32::from(*tries)),
        in_flight: written.in_flight.as_deref().map(|most| usize::from(*most)),
        fallback: written.fallback.as_deref().copied().unwrap_or(true),
        half: written.half.as_deref().copied().unwrap_or(false),
        token: written.token.as_deref().map(Secret::new),
        roots: written.roots.iter().flatten().map(|path| join(&deploy.folder, path)).collect(),
    }
}
