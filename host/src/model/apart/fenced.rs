//! Back ends of the processor whose sessions run in processes of their own, for graphs whose sizes come out of the
//! pixels. A picture costs a copy of its tensors there and back.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Subject, most_memory};
use crate::base::{Error, Result};
use crate::model::backend::{Backend, Device, DeviceKind, RunError, Session, Source};
use crate::model::engine::File;
use crate::model::gate::{Candidate, Question, label};
use crate::model::loading::Loading;
use crate::model::tensor::Array;
use crate::model::worker::{Answers, Kind, Message, Process, Refusal, Worker};

/// Longest time a load takes, and a run.
const LONGEST: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

/// A back end behind a fence.
struct Fenced {
    device: Device,
    subject: Subject,
    worker: Worker,
}

/// A graph, and the device that is to run it.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    subject: Subject,
    device: String,
}

/// The same candidates; those that would run in this process run in others.
pub(in crate::model) fn fence(
    candidates: Vec<Candidate>,
    path: &Path,
    question: &Question,
    loading: &Loading,
    worker: &Worker,
) -> Vec<Candidate> {
    let here = |candidate: &Candidate| {
        let device = candidate.backend.device();
        device.kind != DeviceKind::Remote && device.backend != "wonnx"
    };
    let fenced = |candidate: Candidate| {
        let subject = Subject {
            path: path.to_owned(),
            digest: question.digest.clone(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            threads: loading.threads,
            only: None,
            onnxruntime: loading.onnxruntime.clone(),
            memory_bytes: loading.memory_bytes.unwrap_or_else(|| most_memory(question.size())),
        };
        let device = candidate.backend.device().clone();
        Candidate { backend: Arc::new(Fenced { device, subject, worker: worker.clone() }), ..candidate }
    };
    candidates
        .into_iter()
        .map(|candidate| if here(&candidate) { fenced(candidate) } else { candidate })
        .collect()
}

impl Backend for Fenced {
    fn device(&self) -> &Device {
        &self.device
    }

    fn load(&self, source: &Source<'_>) -> Result<Box<dyn Session>, String> {
        let request = Request {
            subject: Subject {
                inputs: source.inputs.to_vec(),
                outputs: source.outputs.to_vec(),
                ..self.subject.clone()
            },
            device: label(&self.device),
        };
        let bytes = postcard::to_stdvec(&request).map_err(|error| error.to_string())?;
        let mut process = Process::start(&self.worker, &[])?;
        process.ask(Message { kind: Kind::Load, bytes }, LONGEST.0).map_err(Refusal::why)?;
        Ok(Box::new(Running(Mutex::new(process))))
    }
}

/// A graph in its process. One that has ended says so at every run: whoever loads it again gets another.
struct Running(Mutex<Process>);

impl Session for Running {
    fn run(&self, inputs: &[&Array]) -> Result<Vec<Array>, RunError> {
        let bytes = postcard::to_stdvec(inputs).map_err(|error| RunError::Failed(error.to_string()))?;
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs =
            process.ask(Message { kind: Kind::Run, bytes }, LONGEST.1).map_err(|refusal| match refusal {
                Refusal::Refused(why) => RunError::Failed(why),
                Refusal::Lost(why) => RunError::Lost(why),
            })?;
        drop(process);
        postcard::from_bytes(&outputs).map_err(|error| RunError::Failed(format!("its answer: {error}")))
    }

    fn memory(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).memory()
    }
}

/// The process's side: the graph on the device that is asked for.
pub(super) fn load(request: &Request, answers: &Answers) -> Result<Box<dyn Session>> {
    let Request { subject, device } = request;
    let file: File = subject.open(answers)?;
    let candidates = subject.loading().candidates()?.all;
    let wanted = candidates.iter().find(|candidate| label(candidate.backend.device()) == *device);
    let wanted = wanted.ok_or_else(|| Error::model(format!("{device} is no longer there")))?;
    let source = Source {
        graph: &file.graph,
        bytes: &file.bytes,
        inputs: &subject.inputs,
        outputs: &subject.outputs,
        threads: subject.threads,
    };
    wanted.backend.load(&source).map_err(Error::model)
}

/// The process's side: the outputs for a request's inputs.
pub(super) fn run(session: &dyn Session, inputs: &[u8]) -> Result<Vec<u8>, String> {
    let inputs: Vec<Array> = postcard::from_bytes(inputs).map_err(|error| format!("its request: {error}"))?;
    let outputs = session.run(&inputs.iter().collect::<Vec<_>>()).map_err(|error| match error {
        RunError::Failed(why) | RunError::Lost(why) | RunError::Busy(why) => why,
    })?;
    postcard::to_stdvec(&outputs).map_err(|error| error.to_string())
}
