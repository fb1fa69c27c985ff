//! Models in processes of their own, with limits: their first run, for what a graph computes as it runs may need
//! memory that no machine has, and a library may crash on it ([`Trial`]); and every run of a graph whose sizes
//! come out of the pixels, for another picture may do what the first did not ([`Fenced`]).

mod fenced;
mod trial;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::engine::File;
use super::loading::Loading;
use super::tensor::Port;
use super::worker::{self, Answers, Environment, Kind, Message, Worker};
use crate::base::{Error, Result, free_memory, watch_memory};

pub(super) use fenced::fence;
pub(super) use trial::Trial;

/// Memory such a process takes at most, beside [`PER_BYTE`] for each byte of the model.
const MOST_MEMORY: u64 = 2 << 30;
/// Several back ends hold the weights, some of them twice.
const PER_BYTE: u64 = 8;
/// Lowers what competes with the streams.
const NICE: i32 = 10;

/// The process: this `program`.
pub(super) fn worker(program: &Path) -> Worker {
    Worker {
        called: "its process",
        program: program.to_owned(),
        arguments: vec!["model-worker".into()],
        environment: Environment::Whole,
    }
}

/// Most memory for a model of so many bytes: 2 GiB and eight times these, and half of what is free at most, for the
/// other half is the streams'.
pub fn most_memory(model_bytes: u64) -> u64 {
    let most = MOST_MEMORY.saturating_add(PER_BYTE.saturating_mul(model_bytes));
    free_memory().map_or(most, |free| most.min(free / 2))
}

/// A model's file, and what of the machine it may run on.
#[derive(Clone, Serialize, Deserialize)]
struct Subject {
    path: PathBuf,
    digest: String,
    inputs: Vec<Port>,
    outputs: Vec<String>,
    threads: usize,
    only: Option<String>,
    onnxruntime: Option<PathBuf>,
    memory_bytes: u64,
}

impl Subject {
    /// In the process: the file, and the limit begins.
    fn open(&self, answers: &Answers) -> Result<File> {
        let (most, last) = (self.memory_bytes, answers.clone());
        watch_memory(most, move || {
            let why = format!("it took more than the {} MiB of memory that it may take", most >> 20);
            last.send(&Message::text(Kind::Lost, &why));
            std::process::exit(1);
        });
        let file = File::read(&self.path)?;
        if file.digest != self.digest {
            return Err(Error::model("the file changed while it was being loaded; load it again"));
        }
        Ok(file)
    }

    fn loading(&self) -> Loading {
        Loading {
            only: self.only.clone(),
            threads: self.threads,
            onnxruntime: self.onnxruntime.clone(),
            ..Loading::default()
        }
    }
}

/// The process's side: does what it is asked until its input closes.
///
/// # Errors
/// [`Kind::Internal`](crate::base::Kind::Internal) where the system does not let it begin.
pub fn work() -> Result<()> {
    // Where memory runs out all the same, this process is the one to go.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let mut session = None;
    worker::serve(move |request, answers| {
        let unread = |error: postcard::Error| format!("its request: {error}");
        let said = |error: Error| error.message().to_owned();
        match request.kind {
            Kind::Judge => {
                // Where the system does not allow it, it competes with all others.
                let _ = rustix::process::setpriority_process(None, NICE);
                let request = postcard::from_bytes(&request.bytes).map_err(unread)?;
                trial::judge(request, answers).map_err(said)
            }
            Kind::Load => {
                let request = postcard::from_bytes(&request.bytes).map_err(unread)?;
                session = Some(fenced::load(&request, answers).map_err(said)?);
                Ok(Vec::new())
            }
            Kind::Run => match &session {
                Some(session) => fenced::run(&**session, &request.bytes),
                None => Err("no graph is loaded".to_owned()),
            },
            _ => Err("a request that is none".to_owned()),
        }
    })
}
