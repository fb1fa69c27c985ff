//! Joins the stations for the apps of a run; nothing else knows two of them.
//!
//! ```text
//! stream: camera -> decoder --frames--> mailbox -> worker: plugin -> sinks
//!                                                   | asks
//!                                                   +-> models, answers remembered with the frame
//! ```
//!
//! One stream a source, however many plugins of however many apps watch it; one worker a plugin. Recordings
//! wait for the slowest plugin; a live camera's frame that nobody took in time is replaced by the next one, and
//! counted. What a plugin was granted beyond its frames is made ready in [`doors`].

mod ask;
mod doors;
mod mailbox;
mod selector;
mod stream;
mod summary;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::base::{Clock, Error, Notices, Result, Shutdown};
use crate::manifest::{self, App};
use crate::model::{self, Asker, Loading, Model};
use crate::plugin::egress::Resolve;
use crate::plugin::{self, Compiler};
use crate::sink::{JsonLines, View};

use doors::Doors;
use mailbox::Mailbox;
use stream::{Stream, Subscriber, Watch};
pub use summary::{AppSummary, Frames, ModelSummary, PluginSummary, Progress, StreamSummary, Summary};
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
    /// Treat recordings as live cameras: at their own pace, and nobody waits for a plugin.
    pub live: bool,
    /// Take marks though nobody looks.
    pub marks: bool,
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
    /// The live page, where there is one.
    pub view: Option<Arc<View>>,
    /// How components are compiled.
    pub compiler: Compiler,
    /// Where plugins' storage lies; none: plugins that were granted storage cannot start.
    pub state: Option<PathBuf>,
    /// This program, which is started again for what may crash: graphics drivers; none: they are left out.
    pub program: Option<PathBuf>,
    /// How names of granted hosts become addresses.
    pub resolver: Arc<dyn Resolve>,
}

/// An app and where its events go.
pub struct Member {
    /// The app.
    pub app: App,
    /// Its sink; several apps may share one.
    pub events: Arc<JsonLines>,
}

/// Apps ready to run: models loaded, plugins started, sources open.
pub struct Run {
    apps: Vec<(App, Asker)>,
    surroundings: Surroundings,
    sinks: Vec<Arc<JsonLines>>,
    models: Vec<Arc<Model>>,
    streams: Vec<Stream>,
    workers: Vec<Worker>,
    /// Closed before the workers end: nobody is let in to a plugin that is gone.
    doors: Doors,
}

impl Run {
    /// Makes everything ready; the slow parts side by side. Apps share what they have in common: a source is
    /// opened and decoded once, a model loaded once.
    ///
    /// # Errors
    /// The first thing that cannot work: a model, a component, a grant, a plugin's `configure`, a source.
    pub fn prepare(members: &[Member], options: Options, surroundings: Surroundings) -> Result<Self> {
        let (models, programs, sources) = std::thread::scope(|scope| {
            let models = scope.spawn(|| load_models(members, &surroundings));
            let programs = scope.spawn(|| load_programs(members, &surroundings.compiler));
            let sources = open_sources(members, &surroundings);
            (joined(models), joined(programs), sources)
        });
        let (models, programs, sources) = (models?, programs?, sources?);

        let mut doors = Doors::new(members)?;
        let askers: Vec<Asker> = members.iter().map(|member| Asker::new(&member.app.name)).collect();
        let mut streams: Vec<Stream> =
            sources.into_iter().map(|source| Stream::new(source, options, &surroundings)).collect();
        let mut workers = Vec::new();
        let working = Arc::<AtomicUsize>::default();
        let mut programs = programs.into_iter();
        for ((member, models), asker) in members.iter().zip(&models).zip(&askers) {
            let App { plugins, .. } = &member.app;
            for (manifest, program) in plugins.iter().zip(&mut programs) {
                let within = |error: Error| error.within(whose(members, &member.app, &manifest.name));
                let limits = &manifest.limits;
                let mailbox = Mailbox::new(limits.queue as usize, limits.port_queue);
                let mut seen = Vec::new();
                for (index, (camera, source)) in watched(&member.app, manifest).enumerate() {
                    let stream = streams.iter_mut().find(|stream| stream.is_of(source));
                    let stream = stream.expect("every source of the manifest was opened");
                    stream.subscribe(Subscriber::new(Arc::clone(&mailbox), index, camera.max_fps))?;
                    seen.push(stream.watch().clone());
                }
                let setup = doors
                    .setup(
                        &member.app,
                        manifest,
                        (models, asker),
                        options,
                        seen.iter().any(|stream| stream.live),
                        &surroundings,
                    )
                    .map_err(within)?;
                let place = worker::Place {
                    mailbox: Arc::clone(&mailbox),
                    streams: seen.iter().map(|stream| Arc::clone(&stream.name)).collect(),
                    events: Arc::clone(&member.events),
                    shown: shown(members, &member.app.name, &manifest.name),
                };
                let worker = Worker::start(program, setup, place, &working, &surroundings).map_err(within)?;
                doors.open(&member.app, manifest, mailbox.requests(), &surroundings).map_err(within)?;
                workers.push(worker);
            }
        }
        let mut sinks: Vec<Arc<JsonLines>> = Vec::new();
        for member in members {
            if !sinks.iter().any(|sink| Arc::ptr_eq(sink, &member.events)) {
                sinks.push(Arc::clone(&member.events));
            }
        }
        Ok(Self {
            apps: members.iter().map(|member| member.app.clone()).zip(askers).collect(),
            models: distinct(models.into_iter().flatten()),
            sinks,
            streams,
            workers,
            doors,
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
        let Self { apps, surroundings, sinks, models, streams, workers, doors } = self;
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
        let ports = doors.close();
        let apps = apps.iter().map(|(app, asker)| AppSummary::of(app, asker)).collect();
        let mut errors: Vec<Error> = flows.into_iter().filter_map(Result::err).collect();
        errors.extend(workers.iter().filter_map(Worker::failure));
        errors.extend(sinks.iter().filter_map(|sink| sink.finish().err()));
        let wall = surroundings.clock.now().saturating_sub(started);
        Summary::new(apps, wall, &watches, &workers, &models, &ports, &errors)
    }
}

/// What a plugin is called where people see it: with its app only where there are several.
fn shown(members: &[Member], app: &str, plugin: &str) -> Arc<str> {
    if members.len() == 1 { plugin.into() } else { format!("{app}/{plugin}").into() }
}

/// The same as the beginning of an error.
fn whose(members: &[Member], app: &App, plugin: &str) -> String {
    if members.len() == 1 {
        format!("plugin `{plugin}`")
    } else {
        format!("plugin `{plugin}` of app `{}`", app.name)
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

/// Each app's models in its manifest's order; one that is asked for twice is loaded once.
fn load_models(members: &[Member], surroundings: &Surroundings) -> Result<Vec<Vec<Arc<Model>>>> {
    let mut loaded: Vec<(PathBuf, manifest::Inference, Arc<Model>)> = Vec::new();
    let mut all = Vec::new();
    for Member { app, .. } in members {
        let mut models = Vec::new();
        for manifest in &app.models {
            let path = manifest.path.canonicalize().unwrap_or_else(|_| manifest.path.clone());
            let known = loaded.iter().find(|(at, how, _)| *at == path && *how == manifest.inference);
            if let Some((.., model)) = known {
                models.push(Arc::clone(model));
                continue;
            }
            let model = Model::load(&manifest.path, &loading(app, manifest, surroundings));
            let model = Arc::new(model.map_err(|error| error.within(format!("model `{}`", manifest.name)))?);
            loaded.push((path, manifest.inference.clone(), Arc::clone(&model)));
            models.push(model);
        }
        all.push(models);
    }
    Ok(all)
}

/// How the owner wants a model run.
fn loading(app: &App, manifest: &manifest::ModelRef, surroundings: &Surroundings) -> Loading {
    let manifest::Inference { backend, threads, remote } = &manifest.inference;
    Loading {
        only: backend.map(str::to_owned),
        threads: threads.unwrap_or(1),
        onnxruntime: app.onnxruntime.clone(),
        remote: remote.as_ref().map(server),
        program: surroundings.program.clone(),
        verdicts: surroundings.state.as_ref().map(|state| state.join("models")),
        thorough: false,
        try_remote: false,
        memory_bytes: None,
        notices: surroundings.notices.clone(),
    }
}

fn server(written: &manifest::Remote) -> model::Remote {
    let usual = model::Remote::new(written.url.clone(), written.model.clone().unwrap_or_default());
    model::Remote {
        version: written.version.clone(),
        timeout: written.timeout.unwrap_or(usual.timeout),
        connect_timeout: written.connect_timeout.unwrap_or(usual.connect_timeout),
        retries: written.retries.unwrap_or(usual.retries),
        in_flight: written.in_flight.unwrap_or(usual.in_flight),
        fallback: written.fallback,
        half: written.half,
        token: written.token.clone(),
        authorities: written.roots.clone(),
        ..usual
    }
}

/// The programs of all plugins of all apps, in order.
fn load_programs(members: &[Member], compiler: &Compiler) -> Result<Vec<plugin::Program>> {
    let engine = plugin::Engine::new(compiler.clone())?;
    let mut programs = Vec::new();
    for Member { app, .. } in members {
        for manifest in &app.plugins {
            let program = engine.load(&manifest.component, doors::linked(&manifest.grants));
            programs.push(program.map_err(|error| error.within(whose(members, app, &manifest.name)))?);
        }
    }
    Ok(programs)
}

/// Opens every source that some plugin watches, each once.
fn open_sources(members: &[Member], surroundings: &Surroundings) -> Result<Vec<stream::Opened>> {
    let mut opened: Vec<stream::Opened> = Vec::new();
    for Member { app, .. } in members {
        for manifest in &app.plugins {
            let cameras = streams(app, manifest);
            for ((_, source), camera) in watched(app, manifest).zip(&cameras) {
                if !opened.iter().any(|stream| stream.is_of(source)) {
                    let name = shown(members, &app.name, &plugin::stream_name(camera));
                    opened.push(stream::Opened::open(&name, source, surroundings)?);
                }
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

fn param(param: &manifest::Param) -> plugin::Param {
    let value = match &param.value {
        manifest::ParamValue::Float(value) => plugin::ParamValue::Float(*value),
        manifest::ParamValue::Integer(value) => plugin::ParamValue::Integer(*value),
        manifest::ParamValue::Text(value) => plugin::ParamValue::Text(value.clone()),
        manifest::ParamValue::Boolean(value) => plugin::ParamValue::Boolean(*value),
    };
    plugin::Param { name: param.name.clone(), value }
}

fn distinct(models: impl Iterator<Item = Arc<Model>>) -> Vec<Arc<Model>> {
    let mut once: Vec<Arc<Model>> = Vec::new();
    for model in models {
        if !once.iter().any(|other| Arc::ptr_eq(other, &model)) {
            once.push(model);
        }
    }
    once
}
