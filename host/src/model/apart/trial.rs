//! The first run of a model. What was at work when its process ended is left out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Subject, most_memory};
use crate::base::{Error, Result, Secret};
use crate::model::Remote;
use crate::model::engine::{Loading, lanes};
use crate::model::gate::{Ended, Fill, Gate, LeftOut, Patience, Question};
use crate::model::tensor::Array;
use crate::model::worker::{Answers, Kind, Message, Process, Refusal, Worker};

/// Longest time between two words: a software graphics device may load for five minutes.
const LONGEST: Duration = Duration::from_secs(330);

/// Has a model judged in another process.
pub(in crate::model) struct Trial<'a> {
    /// The model's file.
    pub(in crate::model) path: &'a Path,
    pub(in crate::model) loading: &'a Loading,
    pub(in crate::model) worker: Worker,
}

/// What is to be judged, and with what.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    subject: Subject,
    name: String,
    fills: Vec<Fill>,
    natural: Vec<Vec<Array>>,
    wanted: Option<String>,
    thorough: bool,
    left_out: Vec<LeftOut>,
    remote: Option<Remote>,
    /// The remote's; a secret is in no other way sent.
    token: Option<String>,
    program: PathBuf,
}

impl Trial<'_> {
    /// The verdict of another process on `question`.
    pub(in crate::model) fn judge(
        &self,
        question: &Question,
        left_out: &[LeftOut],
        progress: &dyn Fn(&str),
    ) -> Result<Vec<u8>, Ended> {
        let broken = |why: String| Ended::Died { device: None, why };
        let remote = self.loading.remote.as_ref();
        let request = Request {
            subject: Subject {
                path: self.path.to_owned(),
                digest: question.digest.clone(),
                inputs: question.inputs.clone(),
                outputs: question.outputs.clone(),
                threads: question.threads,
                only: self.loading.only.clone(),
                onnxruntime: self.loading.onnxruntime.clone(),
                memory_bytes: self.loading.memory_bytes.unwrap_or_else(most_memory),
            },
            name: question.name.clone(),
            fills: question.fills.clone(),
            natural: question.natural.iter().map(|inputs| inputs.to_vec()).collect(),
            wanted: question.wanted.clone(),
            thorough: question.thorough,
            left_out: left_out.to_vec(),
            remote: remote.cloned(),
            token: remote.and_then(|remote| remote.token.as_ref()).map(|token| token.expose().to_owned()),
            program: self.worker.program.clone(),
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

/// The process's side.
pub(super) fn judge(request: Request, answers: &Answers) -> Result<Vec<u8>> {
    let Request { subject, token, .. } = request;
    let file = subject.open(answers)?;
    let remote = request.remote.map(|remote| Remote { token: token.map(Secret::new), ..remote });
    let loading = Loading { remote, program: Some(request.program), ..subject.loading() };
    let candidates = loading.candidates()?.all;
    let question = Question {
        name: request.name,
        digest: subject.digest,
        graph: Arc::clone(&file.graph),
        bytes: file.bytes.clone(),
        inputs: subject.inputs,
        outputs: subject.outputs,
        threads: subject.threads,
        fills: request.fills,
        natural: request.natural.into_iter().map(Arc::new).collect(),
        wanted: request.wanted,
        thorough: request.thorough,
    };
    let (doing, progress) = (answers.clone(), answers.clone());
    Gate::new(None, Patience::default(), lanes()).judge_for(
        &question,
        &candidates,
        &request.left_out,
        Arc::new(move |device: &str| doing.send(&Message::text(Kind::Doing, device))),
        &move |line| progress.send(&Message::text(Kind::Progress, line)),
    )
}
