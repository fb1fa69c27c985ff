//! wonnx on wgpu: graphics cards of any maker through Vulkan. wonnx creates its device by itself and panics
//! where it cannot, drivers crash and hang, and many graphs come out silently wrong. Hence: a worker process
//! for each loaded graph (`worker`, `protocol`), adapters listed before any is used (`adapters`), and a graph made anew out of what is proved right, or refused (`rewrite`).
//!
//! Knows nothing of pictures, probes or who comes next when a device is gone.

mod adapters;
mod protocol;
mod rewrite;
mod worker;

#[cfg(test)]
mod sample;
#[cfg(test)]
pub(super) mod tests;

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use adapters::{Adapter, Listed};
use protocol::{Load, Numbers, Reader, Writer};
use rewrite::{Answer, Rewritten};

use super::{Backend, Device, DeviceKind, RunError, Session, Source};
use crate::model::tensor::{Array, Values, shown};
use crate::model::worker::{Environment, Kind, Message, Process, Refusal, Worker};

pub use worker::work;

/// How long a worker may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// To compile a graph's shaders.
    load: Duration,
    /// For one inference.
    run: Duration,
}

impl Limits {
    fn of(kind: DeviceKind) -> Self {
        match kind {
            // The processor plays the card; it is only there to compare with.
            DeviceKind::SoftwareGpu => {
                Limits { load: Duration::from_secs(300), run: Duration::from_secs(300) }
            }
            _ => Limits { load: Duration::from_secs(60), run: Duration::from_secs(10) },
        }
    }
}

/// wonnx on one adapter.
pub(in crate::model) struct Wonnx {
    device: Device,
    adapter: Adapter,
    worker: Worker,
    limits: Limits,
}

/// The processes that hold devices: this `program`.
pub(in crate::model) fn worker(program: &Path) -> Worker {
    Worker {
        called: "the gpu worker",
        program: program.to_owned(),
        arguments: vec!["gpu-worker".into()],
        environment: Environment::Drivers,
    }
}

/// What was found.
pub(in crate::model) struct Found {
    /// One for each adapter that wonnx can be told to take.
    pub(in crate::model) backends: Vec<Wonnx>,
    /// What is to be said of other adapters.
    pub(in crate::model) notes: Vec<String>,
}

/// Looks for adapters, in a worker, when first asked. The error is for people.
pub(in crate::model) fn find(worker: &Worker) -> Result<Found, String> {
    static FOUND: OnceLock<Result<Listed, String>> = OnceLock::new();
    let (adapters, notes) = FOUND.get_or_init(|| adapters::find(worker, &[])).clone()?;
    let backends = adapters
        .into_iter()
        .map(|adapter| {
            let kind = adapter.device_kind();
            let device = Device {
                backend: "wonnx",
                version: format!(
                    "wonnx 0.5.1, rewrite {}, {} {}",
                    rewrite::VERSION,
                    adapter.driver,
                    adapter.driver_version
                ),
                name: format!("{} ({})", adapter.name, adapter.interface),
                kind,
            };
            Wonnx { device, adapter, worker: worker.clone(), limits: Limits::of(kind) }
        })
        .collect();
    Ok(Found { backends, notes })
}

impl Backend for Wonnx {
    fn device(&self) -> &Device {
        &self.device
    }

    fn load(&self, source: &Source<'_>) -> Result<Box<dyn Session>, String> {
        let graph = source.graph;
        let rewritten =
            rewrite::rewrite(&graph.model, graph.opset, source.inputs, source.outputs, source.threads)?;
        Ok(Box::new(self.start(rewritten)?))
    }
}

impl Wonnx {
    fn start(&self, rewritten: Rewritten) -> Result<Running, String> {
        let Rewritten { file, wanted, fed, taken, answers } = rewritten;
        let bytes = file.len() as u64;
        let (names, inputs): (Vec<String>, Vec<usize>) = taken.into_iter().unzip();
        let state = if wanted.is_empty() {
            State::Idle
        } else {
            let environment = [
                ("WGPU_ADAPTER_NAME", self.adapter.name.as_str()),
                ("WGPU_BACKEND", self.adapter.interface.as_str()),
            ];
            let mut process = Process::start(&self.worker, &environment)?;
            let load = Load { file, wanted, fed, taken: names };
            process.ask(load.message(), self.limits.load).map_err(Refusal::why)?;
            State::Works(process)
        };
        // What lies on a card of its own is not in the worker's resident memory; the weights are known.
        let weights = if self.device.kind == DeviceKind::Gpu { bytes } else { 0 };
        Ok(Running { state: Mutex::new(state), inputs, answers, limit: self.limits.run, weights })
    }
}

/// A graph in its worker.
struct Running {
    state: Mutex<State>,
    /// Which inputs of the graph the worker gets, in order.
    inputs: Vec<usize>,
    answers: Vec<Answer>,
    limit: Duration,
    weights: u64,
}

enum State {
    Works(Process),
    /// Nothing is to be computed: every output is a constant or an input.
    Idle,
    Lost(String),
}

impl Session for Running {
    fn run(&self, inputs: &[&Array]) -> Result<Vec<Array>, RunError> {
        let mut to = Writer::default();
        for index in &self.inputs {
            let input =
                inputs.get(*index).ok_or_else(|| RunError::Failed("an input is missing".to_owned()))?;
            give(&mut to, &input.values).map_err(RunError::Failed)?;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = match &mut *state {
            State::Works(process) => {
                match process.ask(Message { kind: Kind::Run, bytes: to.bytes }, self.limit) {
                    Ok(bytes) => bytes,
                    Err(Refusal::Refused(why)) => return Err(RunError::Failed(why)),
                    Err(Refusal::Lost(why)) => {
                        *state = State::Lost(why.clone());
                        return Err(RunError::Lost(why));
                    }
                }
            }
            State::Idle => Vec::new(),
            State::Lost(why) => return Err(RunError::Lost(why.clone())),
        };
        drop(state);
        let mut from = Reader { bytes: &answered };
        let mut computed: Vec<Vec<f32>> = Vec::new();
        while !from.bytes.is_empty() {
            match from.numbers() {
                Some(Numbers::F32(values)) => computed.push(values),
                _ => return Err(RunError::Failed("the gpu worker's answer is not whole".to_owned())),
            }
        }
        self.answers.iter().map(|answer| read(answer, inputs, &computed)).collect()
    }

    fn memory(&self) -> u64 {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Works(process) => process.memory() + self.weights,
            State::Idle | State::Lost(_) => 0,
        }
    }
}

/// An input as the worker takes it: floats, or integers of 32 bits.
fn give(to: &mut Writer, values: &Values) -> Result<(), String> {
    match values {
        Values::F32(values) => to.floats(values),
        Values::I32(values) => to.integers(values.iter().copied()),
        Values::U8(values) => to.integers(values.iter().map(|value| i32::from(*value))),
        Values::I64(values) => {
            if let Some(value) = values.iter().find(|value| i32::try_from(**value).is_err()) {
                return Err(format!("an input holds {value}; wonnx counts in 32 bits"));
            }
            to.integers(values.iter().map(|value| *value as i32));
        }
        other => {
            return Err(format!("an input is {}, which wonnx does not take here", other.element().as_str()));
        }
    }
    Ok(())
}

fn read(answer: &Answer, inputs: &[&Array], computed: &[Vec<f32>]) -> Result<Array, RunError> {
    match answer {
        Answer::Constant(array) => Ok(array.clone()),
        Answer::Input(index, shape) => match inputs.get(*index) {
            Some(input) => Ok(Array { shape: shape.clone(), values: input.values.clone() }),
            None => Err(RunError::Failed("an input is missing".to_owned())),
        },
        Answer::Computed(index, shape) => match computed.get(*index) {
            Some(values) if values.len() == shape.iter().product::<usize>() => {
                Ok(Array { shape: shape.clone(), values: Values::F32(values.clone()) })
            }
            _ => Err(RunError::Failed(format!("the gpu worker did not answer with {}", shown(shape)))),
        },
    }
}
