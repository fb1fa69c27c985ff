//! What runs a model's graph: found once for a file and the way it is fed, shared by all models that agree in
//! both.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::Remote;
use super::apart::{self, fence};
use super::backend::{self, DeviceKind};
use super::description::{Description, Input, Wiring};
use super::gate::{
    Candidate, Elsewhere, Fill, Gate, LeftOut, MakeLane, Patience, Question, Ranked, Report, Verdict,
};
use super::loading::{Candidates, Loading};
use super::onnx::Graph;
use super::prepare::Prepare;
use super::service::{App, AppReport, BackOff, Limits, Refusal, Runner, Service};
use super::tensor::Array;
use crate::base::{Clock, Error, Meter, MeterReport, Result, read_file};
use crate::frame::{self, AskError, Frame, PixelRect, Placement};

/// Who asks: an app. Inference time is shared fairly between them. Cheap to clone.
#[derive(Clone)]
pub struct Asker(App);

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asker").field(&self.0.report().name).finish()
    }
}

impl Asker {
    /// One more who asks.
    pub fn new(name: &str) -> Self {
        Asker(service().app(name, 1))
    }

    /// What it has used so far.
    pub fn report(&self) -> AppReport {
        self.0.report()
    }
}

/// The workers of this process.
fn service() -> &'static Arc<Service> {
    static SERVICE: LazyLock<Arc<Service>> = LazyLock::new(|| Service::new(Limits::default(), lanes()));
    &SERVICE
}

pub(super) fn lanes() -> MakeLane {
    Arc::new(|| Box::new(backend::rten::PoolLane::new()))
}

/// What tells one engine from another.
#[derive(PartialEq)]
struct Key {
    digest: String,
    input: Input,
    wiring: Wiring,
    only: Option<String>,
    threads: usize,
    onnxruntime: Option<PathBuf>,
    remote: Option<Remote>,
}

/// A graph, what may run it, and how frames become its input.
pub(super) struct Engine {
    id: u64,
    key: Key,
    runner: Runner,
    report: Report,
    prepare: Prepare,
    /// What the graph says to the natural picture.
    trial: Vec<Array>,
    /// Of the outputs of one inference together.
    output_bytes: usize,
    batched: AtomicU64,
    prepared: Meter,
    inferred: Meter,
    clock: Clock,
}

/// A file and its graph.
pub(super) struct File {
    pub(super) bytes: Bytes,
    /// Of the file.
    pub(super) sha256: String,
    /// Of the file and what of its weights lies in others; `sha256` where nothing does.
    pub(super) digest: String,
    pub(super) graph: Arc<Graph>,
}

impl File {
    /// Reads an ONNX file. Errors do not name it: the caller does.
    pub(super) fn read(path: &Path) -> Result<File> {
        let bytes =
            Bytes::from(read_file(path).map_err(|error| Error::model(format!("cannot be read: {error}")))?);
        let folder = path.parent().unwrap_or(Path::new(""));
        let graph = Arc::new(Graph::read(bytes.clone(), folder)?);
        let sha256 = hex(Sha256::new_with_prefix(&bytes));
        let digest = if graph.external.is_empty() {
            sha256.clone()
        } else {
            let whole = graph
                .external
                .iter()
                .fold(Sha256::new_with_prefix(&bytes), |hash, part| hash.chain_update(part));
            hex(whole)
        };
        Ok(File { bytes, sha256, digest, graph })
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Engine {
    /// The engine for a description. Errors do not name the file: the caller does.
    pub(super) fn of(description: &Description, loading: &Loading) -> Result<Arc<Engine>> {
        static KNOWN: Mutex<Vec<Weak<Engine>>> = Mutex::new(Vec::new());
        let file = File::read(&description.file)?;
        if let Some(wanted) = &description.sha256
            && *wanted != file.sha256
        {
            return Err(Error::model(format!(
                "its sha256 is {}, but model.toml says {wanted}: it is another file than the one described",
                file.sha256
            )));
        }
        let wiring = description.wire(&file.graph.inputs, &file.graph.outputs)?;
        let loading = &loading.named(&description.name);
        let key = Key {
            digest: file.digest.clone(),
            input: description.input.clone(),
            wiring,
            only: loading.only.clone(),
            threads: loading.threads,
            onnxruntime: loading.onnxruntime.clone(),
            remote: loading.remote.clone(),
        };
        // Held while it is loaded: who wants the same one then waits for it instead of loading it too.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|engine| engine.strong_count() > 0);
        if let Some(engine) = known.iter().filter_map(Weak::upgrade).find(|engine| engine.key == key) {
            return Ok(engine);
        }
        let engine = Arc::new(Engine::load(&description.name, &description.file, &file, key, loading)?);
        known.push(Arc::downgrade(&engine));
        Ok(engine)
    }

    fn load(name: &str, path: &Path, file: &File, key: Key, loading: &Loading) -> Result<Engine> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let prepare = Prepare::new(&key.input);
        let natural = key.wiring.natural(&prepare)?;
        let question = question(name, file, &key, &prepare, &natural, loading);
        let verdict = judge(&question, path, loading)?;
        let report = verdict.report.clone();
        let notices = loading.notices.clone();
        let runner =
            Runner::new(verdict, BackOff::default(), Arc::new(move |line: String| notices.warn(line)));
        let trial = trial(&runner, &natural)?;
        let output_bytes = trial.iter().map(|array| array.values.len() * array.values.element().size()).sum();
        Ok(Engine {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            key,
            runner,
            report,
            prepare,
            trial,
            output_bytes,
            batched: AtomicU64::new(0),
            prepared: Meter::default(),
            inferred: Meter::default(),
            clock: Clock::system(),
        })
    }

    /// Runs the graph on the pixels of `rect` for `asker`, who waits.
    pub(super) fn ask(
        &self,
        asker: &Asker,
        frame: &Frame,
        rect: PixelRect,
    ) -> Result<(Vec<Array>, Placement), AskError> {
        let Key { wiring, .. } = &self.key;
        let answer = service().ask(&asker.0, &self.runner, |inputs| {
            self.prepared.time(self.clock, || {
                // What is no picture never changes, but the memory may be new.
                for (input, constant) in inputs.iter_mut().zip(&wiring.constants) {
                    if let Some(constant) = constant {
                        input.clone_from(constant);
                    }
                }
                let picture = inputs.get_mut(wiring.picture);
                let picture = picture.ok_or_else(|| AskError::Failed("the graph has no input".to_owned()))?;
                Ok::<_, AskError>(self.prepare.prepare(picture, frame, rect)?)
            })
        });
        match answer {
            Ok(answer) => {
                self.inferred.record(answer.wall, answer.cpu);
                self.batched.fetch_add(u64::from(answer.batch > 1), Ordering::Relaxed);
                Ok((answer.outputs, answer.prepared))
            }
            Err(Refusal::Unprepared(error)) => Err(error),
            Err(Refusal::Busy(why)) => Err(AskError::Busy(why)),
            Err(Refusal::Failed(why)) => Err(AskError::Failed(why)),
        }
    }

    /// What the graph says to the natural picture.
    pub(super) fn trial(&self) -> &[Array] {
        &self.trial
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn digest(&self) -> &str {
        &self.key.digest
    }

    /// Names of the outputs, in the order they come.
    pub(super) fn outputs(&self) -> &[String] {
        &self.key.wiring.outputs
    }

    pub(super) fn backend(&self) -> String {
        match self.runner.device() {
            Some(device) => {
                let version = device.version.split([' ', ',']).next().unwrap_or_default().to_owned();
                format!("{} {version} on {}", device.backend, device.name)
            }
            None => "nothing: every back end is lost".to_owned(),
        }
    }

    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    pub(super) fn losses(&self) -> u64 {
        self.runner.losses()
    }

    pub(super) fn memory(&self) -> u64 {
        self.runner.memory()
    }

    pub(super) fn batched(&self) -> u64 {
        self.batched.load(Ordering::Relaxed)
    }

    pub(super) fn prepared(&self) -> MeterReport {
        self.prepared.report()
    }

    pub(super) fn inferred(&self) -> MeterReport {
        self.inferred.report()
    }

    /// Of the outputs of one inference together.
    pub(super) fn output_bytes(&self) -> usize {
        self.output_bytes
    }
}

/// The first inference in the place where all others will run: what is slow only once is done.
fn trial(runner: &Runner, natural: &Arc<Vec<Array>>) -> Result<Vec<Array>> {
    static LOADER: OnceLock<App> = OnceLock::new();
    let app = LOADER.get_or_init(|| service().app("loading", 1));
    let answer = service().ask(app, runner, |inputs| {
        inputs.clone_from_slice(natural);
        Ok::<(), String>(())
    });
    answer.map(|answer| answer.outputs).map_err(|refusal| {
        let (Refusal::Unprepared(why) | Refusal::Busy(why) | Refusal::Failed(why)) = refusal;
        Error::model(format!("a trial run failed: {why}"))
    })
}

fn question(
    name: &str,
    file: &File,
    key: &Key,
    prepare: &Prepare,
    natural: &Arc<Vec<Array>>,
    loading: &Loading,
) -> Question {
    let (low, high) = prepare.range();
    let fill = |constant: &Option<Array>| match constant {
        Some(constant) => Fill::Only(constant.clone()),
        None => Fill::Between(low, high),
    };
    Question {
        name: name.to_owned(),
        digest: file.digest.clone(),
        graph: Arc::clone(&file.graph),
        bytes: file.bytes.clone(),
        inputs: key.wiring.inputs.clone(),
        outputs: key.wiring.outputs.clone(),
        threads: loading.threads,
        fills: key.wiring.constants.iter().map(fill).collect(),
        natural: vec![Arc::clone(natural)],
        wanted: loading.wanted(),
        thorough: loading.thorough,
    }
}

/// How long a load goes on without a word.
const QUIET: Duration = Duration::from_secs(2);

/// Finds out who may run a model.
pub(super) fn judge(question: &Question, path: &Path, loading: &Loading) -> Result<Verdict> {
    let Candidates { all: candidates, mut notes, away } = loading.candidates()?;
    let (mut question, mut loading) = (question.clone(), loading.clone());
    let alone = loading.remote.as_ref().is_some_and(|remote| !remote.fallback);
    if let Some((why, _)) = &away {
        if alone {
            return Err(Error::model(why.clone()));
        }
        let name = &question.name;
        loading.notices.warn(format!("{why}; model `{name}` is run on this machine instead"));
        question.wanted = loading.only.clone();
        loading.remote = None;
        notes.push(why.clone());
    }
    let gate = Gate::new(loading.verdicts.clone(), Patience::default(), lanes());
    let clock = Clock::system();
    let began = clock.now();
    let worker = loading.program.as_deref().map(apart::worker);
    let fenced = worker.as_ref().and_then(|worker| Some((worker, question.graph.sizes_from_values()?)));
    let candidates = match &fenced {
        Some((worker, node)) => {
            notes.push(format!(
                "Sizes in this graph come out of the pixels ({node}), so it runs in a process of its own, with limits."
            ));
            fence(candidates, path, &question, &loading, worker)
        }
        None => candidates,
    };
    let trial = worker.clone().map(|worker| apart::Trial { path, loading: &loading, worker });
    let elsewhere = trial.as_ref().map(|trial| {
        |question: &Question, all: &[Candidate], left_out: &[LeftOut], progress: &dyn Fn(&str)| {
            trial.judge(question, all, left_out, progress)
        }
    });
    let elsewhere = elsewhere.as_ref().map(|judge| judge as Elsewhere<'_>);
    let mut verdict = gate.judge(&question, &candidates, elsewhere, &|line| {
        if clock.now().saturating_sub(began) > QUIET {
            loading.notices.info(format!("model `{}`: {line}", question.name));
        }
    })?;
    if let Some(why) = &verdict.unkept {
        // Once a process: the folder is the same for all models.
        static SAID: AtomicBool = AtomicBool::new(false);
        if !SAID.swap(true, Ordering::Relaxed) {
            loading.notices.warn(why.clone());
        }
    }
    if let Some((why, Some(candidate))) = away {
        verdict.ranked.insert(0, Ranked { candidate, session: None, batching: None, away: Some(why) });
    }
    if alone {
        verdict.ranked.retain(|ranked| ranked.candidate.backend.device().kind == DeviceKind::Remote);
    }
    verdict.report.notes.extend(notes);
    verdict.report.notes.extend(
        question.graph.unheld.iter().take(3).map(|unheld| {
            format!("{} is of {}, a type that few back ends have", unheld.place, unheld.element)
        }),
    );
    Ok(verdict)
}

impl Wiring {
    /// The inputs for a natural picture, a rendered street scene that lies beside this file.
    fn natural(&self, prepare: &Prepare) -> Result<Arc<Vec<Array>>> {
        let broken = |why: String| Error::internal(format!("the natural picture: {why}"));
        let frame = frame::still(include_bytes!("gate/natural.jpg")).map_err(broken)?;
        let rect = PixelRect::of(&frame, None).map_err(|error| broken(error.to_string()))?;
        let mut inputs = Vec::new();
        for constant in &self.constants {
            inputs.push(match constant {
                Some(constant) => constant.clone(),
                None => {
                    let mut input = prepare.blank();
                    prepare.prepare(&mut input, &frame, rect).map_err(|error| broken(error.to_string()))?;
                    input
                }
            });
        }
        Ok(Arc::new(inputs))
    }
}
