//! Joins the stations for one app; nothing else knows two of them.
//!
//! ```text
//! stream: camera -> decoder --frames--> mailbox -> worker: plugin -> sinks
//!                                                   | asks
//!                                                   +-> models, answers remembered with the frame
//! ```
//!
//! One stream a source, however many plugins watch it; one worker a plugin. Recordings wait for the slowest
//! plugin; a live camera's frame that nobody took in time is replaced by the next one, and counted.

mod ask;
mod mailbox;
mod selector;
mod stream;
mod summary;
mod worker;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::base::{Clock, Error, Notices, Result, Shutdown};
use crate::manifest::{self, App};
use crate::model::Model;
use crate::plugin;
use crate::sink::{JsonLines, View};

use mailbox::Mailbox;
use stream::{Stream, Subscriber, Watch};
pub use summary::{Frames, ModelSummary, PluginSummary, Progress, StreamSummary, Summary};
use worker::Worker;

/// How a run is to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Start a recording again where it ends; its media time goes on.
    pub looped: bool,
    /// Give a recording's frames at the pace they were taken.
    pub realtime: bool,
    /// End each stream after this many frames given to plugins.
    pub frames: Option<u64>,
}

/// What a run is given from outside.
#[derive(Clone)]
pub struct Surroundings {
    /// Time.
    pub clock: Clock,
    /// Ends the run.
    pub shutdown: Shutdown,
    /// Words for the owner.
    pub notices: Notices,
    /// Where events go.
    pub events: Arc<JsonLines>,
    /// The live page, where there is one.
    pub view: Option<Arc<View>>,
}

/// An app ready to run: models loaded, plugins started, sources open.
pub struct Run {
    app: Arc<str>,
    version: String,
    surroundings: Surroundings,
    models: Vec<Arc<Model>>,
    streams: Vec<Stream>,
    workers: Vec<Worker>,
}

impl Run {
    /// Makes everything ready; the slow parts side by side.
    ///
    /// # Errors
    /// The first thing that cannot work: a model, a component, a plugin's `configure`, a source.
    pub fn prepare(app: &App, options: Options, surroundings: Surroundings) -> Result<Self> {
        let (models, programs, sources) = std::thread::scope(|scope| {
            let models = scope.spawn(|| load_models(app));
            let programs = scope.spawn(|| load_programs(app));
            let sources = open_sources(app, &surroundings);
            (joined(models), joined(programs), sources)
        });
        let (models, programs, sources) = (models?, programs?, sources?);

        let app_name: Arc<str> = app.name.as_str().into();
        let mut streams: Vec<Stream> =
            sources.into_iter().map(|source| Stream::new(source, options, &surroundings)).collect();
        let mut workers = Vec::new();
        let working = Arc::default();
        for (manifest, program) in app.plugins.iter().zip(programs) {
            let setup = setup(app, &app_name, manifest, &models, &surroundings);
            let mailbox = Arc::new(Mailbox::default());
            for (index, (camera, source)) in watched(app, manifest).enumerate() {
                let stream = streams.iter_mut().find(|stream| stream.is_of(source));
                let stream = stream.expect("every source of the manifest was opened");
                stream.subscribe(Subscriber::new(Arc::clone(&mailbox), index, camera.max_fps))?;
            }
            workers.push(Worker::start(program, setup, mailbox, &working, &surroundings)?);
        }
        Ok(Self {
            app: app_name,
            version: app.version.to_string(),
            models: distinct(models),
            streams,
            workers,
            surroundings,
        })
    }

    /// Numbers of the run while it goes.
    pub fn progress(&self) -> Progress {
        Progress::of(&self.streams, &self.workers)
    }

    /// Runs to the end of all streams, or until told to stop. What was accepted is delivered first.
    ///
    /// The summary comes also where the run failed; its `errors` say so.
    pub fn run(self) -> Summary {
        let Self { app, version, surroundings, models, streams, workers } = self;
        let started = surroundings.clock.now();
        let watches: Vec<Watch> = streams.iter().map(|stream| stream.watch().clone()).collect();
        let shutdown = &surroundings.shutdown;
        let (flows, workers) = std::thread::scope(|scope| {
            let workers: Vec<_> = workers
                .into_iter()
                .map(|worker| {
                    let name = format!("plugin {}", worker.name());
                    spawn(scope, &name, shutdown, move || worker.work())
                })
                .collect();
            let notices = &surroundings.notices;
            let streams: Vec<_> = streams
                .into_iter()
                .map(|stream| {
                    let name = format!("camera {}", stream.watch().name);
                    spawn(scope, &name, shutdown, move || stream.flow(notices))
                })
                .collect();
            let flows: Vec<Result<()>> = streams.into_iter().map(joined).collect();
            let workers: Vec<Worker> = workers.into_iter().map(joined).collect();
            (flows, workers)
        });
        let mut errors: Vec<Error> = flows.into_iter().filter_map(Result::err).collect();
        errors.extend(workers.iter().filter_map(Worker::failure));
        errors.extend(surroundings.events.finish().err());
        let wall = surroundings.clock.now().saturating_sub(started);
        Summary::new(&app, &version, wall, &watches, &workers, &models, &errors)
    }
}

/// Ends the run when the thread that holds it panics: others may be waiting for what it will not do now.
struct StopOnPanic(Shutdown);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    name: &str,
    shutdown: &Shutdown,
    work: impl FnOnce() -> T + Send + 'scope,
) -> std::thread::ScopedJoinHandle<'scope, T> {
    let stop = StopOnPanic(shutdown.clone());
    // The system shows 15 bytes of a thread's name.
    let name = name.chars().take(15).collect();
    let thread = std::thread::Builder::new().name(name).spawn_scoped(scope, move || {
        let _stop = stop;
        work()
    });
    thread.expect("the system has a thread left for a camera or plugin")
}

/// The result of a thread; its panic, should there be one, goes on here.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The app's models in the manifest's order; one that stands there twice is loaded once.
fn load_models(app: &App) -> Result<Vec<Arc<Model>>> {
    let mut loaded: HashMap<PathBuf, Arc<Model>> = HashMap::new();
    let mut models = Vec::new();
    for manifest in &app.models {
        let path = manifest.path.canonicalize().unwrap_or_else(|_| manifest.path.clone());
        let model = match loaded.get(&path) {
            Some(model) => Arc::clone(model),
            None => Arc::new(
                Model::load(&manifest.path)
                    .map_err(|error| error.within(format!("model `{}`", manifest.name)))?,
            ),
        };
        loaded.insert(path, Arc::clone(&model));
        models.push(model);
    }
    Ok(models)
}

fn load_programs(app: &App) -> Result<Vec<plugin::Program>> {
    let engine = plugin::Engine::new()?;
    app.plugins
        .iter()
        .map(|manifest| {
            engine
                .load(&manifest.component)
                .map_err(|error| error.within(format!("plugin `{}`", manifest.name)))
        })
        .collect()
}

/// Opens every source that some plugin watches, each once.
fn open_sources(app: &App, surroundings: &Surroundings) -> Result<Vec<stream::Opened>> {
    let mut opened: Vec<stream::Opened> = Vec::new();
    for manifest in &app.plugins {
        let cameras = streams(app, manifest);
        for ((_, source), camera) in watched(app, manifest).zip(&cameras) {
            if !opened.iter().any(|stream| stream.is_of(source)) {
                opened.push(stream::Opened::open(&plugin::stream_name(camera), source, surroundings)?);
            }
        }
    }
    Ok(opened)
}

/// The streams a plugin watches, in the order of its cameras and of their sources.
fn watched<'a>(
    app: &'a App,
    plugin: &'a manifest::Plugin,
) -> impl Iterator<Item = (&'a manifest::Camera, &'a manifest::Source)> {
    plugin.cameras.iter().flat_map(|name| {
        let camera = app.cameras.iter().find(|camera| camera.name == *name);
        let camera = camera.expect("a checked manifest names only its own cameras");
        camera.sources.iter().map(move |source| (camera, source))
    })
}

/// The streams a plugin watches, as it is told of them.
fn streams(app: &App, manifest: &manifest::Plugin) -> Vec<plugin::Camera> {
    let mut cameras: Vec<plugin::Camera> = Vec::new();
    for (camera, _) in watched(app, manifest) {
        let stream = cameras.iter().filter(|other| other.name == camera.name).count();
        cameras.push(plugin::Camera {
            name: camera.name.clone(),
            stream: u32::try_from(stream).unwrap_or(u32::MAX),
            title: camera.title.clone(),
            max_fps: camera.max_fps.unwrap_or(0.0) as f32,
        });
    }
    cameras
}

fn setup(
    app: &App,
    app_name: &Arc<str>,
    manifest: &manifest::Plugin,
    models: &[Arc<Model>],
    surroundings: &Surroundings,
) -> plugin::Setup {
    let named = |name: &String| {
        let at = app.models.iter().position(|model| model.name == *name);
        let at = at.expect("a checked manifest names only its own models");
        (name.clone(), Arc::clone(&models[at]))
    };
    let asked: Vec<(String, Arc<Model>)> = manifest.models.iter().map(named).collect();
    plugin::Setup {
        app: Arc::clone(app_name),
        name: manifest.name.as_str().into(),
        params: app.params.iter().filter(|param| manifest.params.contains(&param.name)).map(param).collect(),
        cameras: streams(app, manifest),
        models: asked
            .iter()
            .map(|(name, model)| plugin::ModelInfo { name: name.clone(), labels: model.labels().to_vec() })
            .collect(),
        ask: Arc::new(ask::Asked(asked.into_iter().map(|(_, model)| model).collect())),
        limits: plugin::Limits {
            memory_bytes: manifest.limits.memory_bytes,
            deadline: manifest.limits.deadline,
        },
        watched: match &surroundings.view {
            Some(view) => view.watched(),
            None => Arc::new(AtomicBool::new(false)),
        },
        clock: surroundings.clock,
        notices: surroundings.notices.clone(),
    }
}

fn param(param: &manifest::Param) -> plugin::Param {
    let value = match &param.value {
        manifest::ParamValue::Float(value) => plugin::ParamValue::Float(*value),
        manifest::ParamValue::Integer(value) => plugin::ParamValue::Integer(*value),
        manifest::ParamValue::Text(value) => plugin::ParamValue::Text(value.clone()),
        manifest::ParamValue::Boolean(value) => plugin::ParamValue::Boolean(*value),
    };
    plugin::Param { name: param.name.clone(), value }
}

fn distinct(models: Vec<Arc<Model>>) -> Vec<Arc<Model>> {
    let mut once: Vec<Arc<Model>> = Vec::new();
    for model in models {
        if !once.iter().any(|other| Arc::ptr_eq(other, &model)) {
            once.push(model);
        }
    }
    once
}
