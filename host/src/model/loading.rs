//! How a model is to be loaded, and what might run it here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Remote;
use super::backend::{self, Backend};
use super::gate::{Candidate, Precision, is_called, label};
use crate::base::{Error, Notices, Result};

/// How a model is to be loaded.
#[derive(Clone)]
pub struct Loading {
    /// Only this back end (`rten`), or this device of one, as `transom model check` writes it.
    pub only: Option<String>,
    /// Threads of one inference on the processor.
    pub threads: usize,
    /// The library of onnxruntime or its folder; none: it is looked for.
    pub onnxruntime: Option<PathBuf>,
    /// A server that runs the model.
    pub remote: Option<Remote>,
    /// This program, which is started again for what may crash (graphics drivers); none: those are left out.
    pub program: Option<PathBuf>,
    /// The folder that keeps how back ends compared; none: they are compared each time.
    pub verdicts: Option<PathBuf>,
    /// Whether to try those too that are never chosen by themselves.
    pub thorough: bool,
    /// Whether the server, where there is one, is only tried, and nothing is amiss where it cannot be used.
    pub try_remote: bool,
    /// Most memory a model's first run may take; none: [`most_memory`](super::most_memory).
    pub memory_bytes: Option<u64>,
    /// Words for the owner: what is being done where it takes long; a back end was lost, or is back.
    pub notices: Notices,
}

impl Default for Loading {
    /// Whatever is found, one thread, nothing kept, nothing said.
    fn default() -> Self {
        Loading {
            only: None,
            threads: 1,
            onnxruntime: None,
            remote: None,
            program: None,
            verdicts: None,
            thorough: false,
            try_remote: false,
            memory_bytes: None,
            notices: Notices::none(),
        }
    }
}

/// What might run a model.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) all: Vec<Candidate>,
    /// What is to be said of what is not there.
    pub(super) notes: Vec<String>,
    /// Why the server that the owner named is not there; what it is once it comes, if it may come.
    pub(super) away: Option<(String, Option<Candidate>)>,
}

impl Loading {
    /// The same; where the owner did not say what the server calls the model, it has this name there.
    pub(super) fn named(&self, name: &str) -> Loading {
        let mut loading = self.clone();
        if let Some(remote) = loading.remote.as_mut().filter(|remote| remote.model.is_empty()) {
            name.clone_into(&mut remote.model);
        }
        loading
    }

    /// The back end that is to be chosen: a server the owner names is meant to be used.
    pub(super) fn wanted(&self) -> Option<String> {
        let server = self.remote.as_ref().filter(|_| !self.try_remote);
        self.only.clone().or_else(|| server.map(|_| "remote".to_owned()))
    }

    /// What might run a model.
    pub(super) fn candidates(&self) -> Result<Candidates> {
        let full = |backend: Arc<dyn Backend>| Candidate { backend, precision: Precision::Full };
        let mut found =
            Candidates { all: vec![full(Arc::new(backend::rten::Rten::new()))], ..Default::default() };
        let wants = |name: &str| self.only.as_deref().is_none_or(|only| only.starts_with(name));
        let names_a_library = self.onnxruntime.as_deref().is_some_and(|path| path != Path::new("none"));
        match backend::onnxruntime::devices(self.onnxruntime.as_deref()) {
            Ok(devices) => {
                if let Ok(library) = backend::onnxruntime::library(self.onnxruntime.as_deref()) {
                    found.notes.push(format!("onnxruntime is {}, {}", library.path.display(), library.from));
                }
                let precision = |backend: backend::onnxruntime::OnnxRuntime| Candidate {
                    precision: if backend.is_half() { Precision::Half } else { Precision::Full },
                    backend: Arc::new(backend),
                };
                found.all.extend(devices.into_iter().map(precision));
            }
            // Who names a library, or asks for it by name, is to know why there is none.
            Err(why) if names_a_library || self.wanted_backend() == Some("onnxruntime") => {
                return Err(Error::model(format!("onnxruntime: {why}")));
            }
            Err(why) => found.notes.push(format!("onnxruntime is not tried: {why}")),
        }
        if let Some(program) = self.program.as_ref().filter(|_| wants("wonnx")) {
            match backend::wonnx::find(&backend::wonnx::worker(program)) {
                Ok(cards) => {
                    found.all.extend(cards.backends.into_iter().map(|backend| full(Arc::new(backend))));
                    found.notes.extend(cards.notes);
                }
                Err(why) if self.wanted_backend() == Some("wonnx") => {
                    return Err(Error::model(format!("wonnx: {why}")));
                }
                Err(why) => found.notes.push(format!("wonnx is not tried: {why}")),
            }
        }
        if let Some(settings) = &self.remote {
            let precision = if settings.half { Precision::Half } else { Precision::Full };
            let server = |backend: Arc<dyn Backend>| Candidate { backend, precision };
            match backend::remote::Remote::connect(settings) {
                Ok(remote) => found.all.push(server(Arc::new(remote))),
                Err(why) => {
                    let awaited = backend::remote::Awaited::new(settings);
                    found.away = Some((why, awaited.map(|awaited| server(Arc::new(awaited)))));
                }
            }
        }
        if let Some(only) = &self.only
            && !found.all.iter().any(|one| is_called(one.backend.device(), only))
        {
            let all = Loading { only: None, remote: None, ..self.clone() }.candidates()?.all;
            let known: Vec<String> = all.iter().map(|one| label(one.backend.device())).collect();
            return Err(Error::usage(format!(
                "there is no back end `{only}` here; there are: {}",
                known.join(", ")
            )));
        }
        Ok(found)
    }

    /// The back end of the device that is to be used alone.
    fn wanted_backend(&self) -> Option<&str> {
        self.only.as_deref()?.split(' ').next()
    }
}
