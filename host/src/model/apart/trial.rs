//! The first run of a model. What was at work when its process ended is left out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Subject, most_memory};
use crate::base::{Error, Result, Secret};
use crate::model::Remote;
use crate::model::engine::lanes;
use crate::model::gate::{Candidate, Ended, Fill, Gate, LeftOut, Patience, Question, label};
use crate::model::loading::Loading;
use crate::model::tensor::Array;
use crate::model::worker::{Answers, Kind, Message, Process, Refusal, Word, Worker};

/// Longest time between two words of the process: a back end may load for a minute, and a software graphics device,
/// which is only tried where all are, for five.
const LONGEST: Duration = Duration::from_secs(75);
const LONGEST_OF_ALL: Duration = Duration::from_secs(330);

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
    /// Labels of the back ends to be compared; others that the process finds are not.
    all: Vec<String>,
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
        all: &[Candidate],
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
                memory_bytes: self.loading.memory_bytes.unwrap_or_else(|| most_memory(question.size())),
            },
            name: question.name.clone(),
            fills: question.fills.clone(),
            natural: question.natural.iter().map(|inputs| inputs.to_vec()).collect(),
            wanted: question.wanted.clone(),
            thorough: question.thorough,
            all: all.iter().map(|candidate| label(candidate.backend.device())).collect(),
            left_out: left_out.to_vec(),
            remote: remote.cloned(),
            token: remote.and_then(|remote| remote.token.as_ref()).map(|token| token.expose().to_owned()),
            program: self.worker.program.clone(),
        };
        let bytes = postcard::to_stdvec(&request).map_err(|error| broken(error.to_string()))?;
        let mut process = Process::start(&self.worker, &[]).map_err(broken)?;
        let (mut device, mut last) = (None, "starting".to_owned());
        let longest = if question.thorough || question.wanted.is_some() { LONGEST_OF_ALL } else { LONGEST };
        let request = Message { kind: Kind::Judge, bytes };
        let verdict = process.ask_aloud(request, longest, &mut |word| match word {
            Word::Said(Kind::Doing, label) => device = Some(label.to_owned()),
            Word::Said(_, line) => {
                line.clone_into(&mut last);
                progress(line);
            }
            Word::Silent(time) => progress(&format!("{last}: {} s so far", time.as_secs())),
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
    let mut candidates = loading.candidates()?.all;
    candidates.retain(|candidate| request.all.contains(&label(candidate.backend.device())));
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
