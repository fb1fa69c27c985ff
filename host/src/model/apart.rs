//! The first run of a model, in a process of its own: what a graph computes as it runs may need memory that no
//! machine has, and a library may crash on it. The process has limits; what was at work when it met them is
//! left out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Remote;
use super::engine::{File, Loading, lanes};
use super::gate::{Ended, Fill, Gate, LeftOut, Patience, Question};
use super::tensor::{Array, Port};
use super::worker::{self, Answers, Environment, Kind, Message, Process, Refusal, Worker};
use crate::base::{Error, Result, Secret, free_memory, watch_memory};

/// Most memory a first run takes, where the machine has twice as much to give.
const MOST_MEMORY: u64 = 8 << 30;
/// Longest time between two words: a software graphics device may load for five minutes.
const LONGEST: Duration = Duration::from_secs(330);
/// Lowers what competes with the streams.
const NICE: i32 = 10;

/// The other process: this `program`.
pub(super) fn worker(program: &Path) -> Worker {
    Worker {
        called: "the process of its first run",
        program: program.to_owned(),
        arguments: vec!["trial-worker".into()],
        environment: Environment::Whole,
    }
}

/// Has models judged in another process.
pub(super) struct Apart<'a> {
    /// The model's file.
    pub(super) path: &'a Path,
    pub(super) loading: &'a Loading,
    pub(super) worker: Worker,
}

/// What is to be judged, and with what.
#[derive(Serialize, Deserialize)]
struct Request {
    path: PathBuf,
    name: String,
    digest: String,
    inputs: Vec<Port>,
    outputs: Vec<String>,
    threads: usize,
    fills: Vec<Fill>,
    natural: Vec<Vec<Array>>,
    wanted: Option<String>,
    thorough: bool,
    left_out: Vec<LeftOut>,
    only: Option<String>,
    onnxruntime: Option<PathBuf>,
    remote: Option<Remote>,
    /// The remote's; a secret is in no other way sent.
    token: Option<String>,
    program: PathBuf,
    memory_bytes: u64,
}

impl Apart<'_> {
    /// The verdict of another process on `question`.
    pub(super) fn judge(
        &self,
        question: &Question,
        left_out: &[LeftOut],
        progress: &dyn Fn(&str),
    ) -> Result<Vec<u8>, Ended> {
        let broken = |why: String| Ended::Died { device: None, why };
        let natural = question.natural.iter().map(|inputs| inputs.to_vec()).collect();
        let loading = self.loading;
        let request = Request {
            path: self.path.to_owned(),
            name: question.name.clone(),
            digest: question.digest.clone(),
            inputs: question.inputs.clone(),
            outputs: question.outputs.clone(),
            threads: question.threads,
            fills: question.fills.clone(),
            natural,
            wanted: question.wanted.clone(),
            thorough: question.thorough,
            left_out: left_out.to_vec(),
            only: loading.only.clone(),
            onnxruntime: loading.onnxruntime.clone(),
            token: loading
                .remote
                .as_ref()
                .and_then(|remote| remote.token.as_ref())
                .map(|token| token.expose().to_owned()),
            remote: loading.remote.clone(),
            program: self.worker.program.clone(),
            memory_bytes: loading.memory_bytes.unwrap_or_else(most_memory),
        };
        let bytes = postcard::to_stdvec(&request).map_err(|error| broken(error.to_string()))?;
        let mut process = Process::start(&self.worker, &[]).map_err(broken)?;
        let mut device = None;
        let verdict =
            process.ask_aloud(Message { kind: Kind::Judge, bytes }, LONGEST, &mut |kind, said| match kind {
                Kind::Doing => device = Some(said.to_owned()),
                _ => progress(said),
            });
        verdict.map_err(|refusal| match refusal {
            Refusal::Refused(why) => Ended::Judged(Error::model(why)),
            Refusal::Lost(why) => Ended::Died { device, why },
        })
    }
}

/// Half of what is free: the other half is the streams'.
fn most_memory() -> u64 {
    free_memory().map_or(MOST_MEMORY, |free| MOST_MEMORY.min(free / 2))
}

/// The other process's side: judges what it is asked until its input closes.
///
/// # Errors
/// [`Kind::Internal`](crate::base::Kind::Internal) where the system does not let it begin.
pub fn work() -> Result<()> {
    // Where the system does not allow it, it competes with all others.
    let _ = rustix::process::setpriority_process(None, NICE);
    // Where memory runs out all the same, this process is the one to go.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    worker::serve(|request, answers| match request.kind {
        Kind::Judge => {
            let request: Request =
                postcard::from_bytes(&request.bytes).map_err(|error| format!("its request: {error}"))?;
            judge(request, answers).map_err(|error| error.message().to_owned())
        }
        _ => Err("a request that is none".to_owned()),
    })
}

fn judge(request: Request, answers: &Answers) -> Result<Vec<u8>> {
    let most = request.memory_bytes;
    let last = answers.clone();
    watch_memory(most, move || {
        let why = format!("it took more than the {} MiB of memory that a first run may take", most >> 20);
        last.send(&Message::text(Kind::Lost, &why));
        std::process::exit(1);
    });
    let file = File::read(&request.path)?;
    if file.digest != request.digest {
        return Err(Error::model("the file changed while it was being loaded; load it again"));
    }
    let remote = request.remote.map(|remote| Remote { token: request.token.map(Secret::new), ..remote });
    let loading = Loading {
        only: request.only,
        threads: request.threads,
        onnxruntime: request.onnxruntime,
        remote,
        program: Some(request.program),
        ..Loading::default()
    };
    let question = Question {
        name: request.name,
        digest: request.digest,
        graph: Arc::clone(&file.graph),
        bytes: file.bytes.clone(),
        inputs: request.inputs,
        outputs: request.outputs,
        threads: request.threads,
        fills: request.fills,
        natural: request.natural.into_iter().map(Arc::new).collect(),
        wanted: request.wanted,
        thorough: request.thorough,
    };
    let (candidates, _) = loading.candidates()?;
    let (doing, progress) = (answers.clone(), answers.clone());
    Gate::new(None, Patience::default(), lanes()).judge_for(
        &question,
        &candidates,
        &request.left_out,
        Arc::new(move |device: &str| doing.send(&Message::text(Kind::Doing, device))),
        &move |line| progress.send(&Message::text(Kind::Progress, line)),
    )
}
