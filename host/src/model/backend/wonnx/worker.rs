//! The worker's side: a process that holds one device and one graph. wonnx and graphics drivers may panic,
//! hang, crash or print in here; nothing of that reaches the host but a reason.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use rustix::process::{Resource, Rlimit, setrlimit};
use wonnx::utils::{InputTensor, OutputTensor};

use super::adapters;
use super::protocol::{Frame, GREETING, Kind, Load, Numbers, Reader, Writer};
use super::rewrite::said;
use crate::base::{Error, Result};

/// wonnx walks a graph by calling itself.
const STACK: usize = 256 << 20;

/// Does what comes on standard input until it closes; see `protocol`.
///
/// # Errors
/// [`Kind::Internal`](crate::base::Kind::Internal) where the system does not let it begin.
pub fn work() -> Result<()> {
    let internal = |error: &dyn std::fmt::Display| Error::internal(format!("the gpu worker: {error}"));
    // A driver's crash leaves no picture of the memory behind.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|error| internal(&error))?;
    // Standard output is kept for answers; what drivers print there goes where errors go.
    let answers = rustix::io::dup(rustix::stdio::stdout()).map_err(|error| internal(&error))?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr()).map_err(|error| internal(&error))?;
    let mut answers = File::from(answers);
    answers.write_all(GREETING).map_err(|error| internal(&error))?;
    // What a panic says is in the answer.
    std::panic::set_hook(Box::new(|_| {}));
    let (give, take) = mpsc::sync_channel(1);
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    // Reads on while the device works or hangs: the host's end must end this process too.
    thread("gpu-requests")
        .spawn(move || {
            let mut input = io::stdin().lock();
            while let Ok(Some(frame)) = Frame::read(&mut input) {
                if give.send(frame).is_err() {
                    break;
                }
            }
            std::process::exit(0);
        })
        .map_err(|error| internal(&error))?;
    let done = thread("gpu-work").stack_size(STACK).spawn(move || answer_all(&take, &mut answers));
    let done = done.map_err(|error| internal(&error))?.join();
    done.unwrap_or(Ok(())).map_err(|error| internal(&error))
}

fn answer_all(requests: &mpsc::Receiver<Frame>, answers: &mut File) -> io::Result<()> {
    let mut graph: Option<Loaded> = None;
    while let Ok(request) = requests.recv() {
        let answer = catch_unwind(AssertUnwindSafe(|| match request.kind {
            Kind::Adapters => adapters::enumerate(),
            Kind::Load => {
                let load = Load::read(&request.bytes).ok_or("a graph that is not whole")?;
                drop(request.bytes);
                graph = Some(Loaded::new(load)?);
                Ok(Vec::new())
            }
            Kind::Run => match &mut graph {
                Some(graph) => graph.run(&request.bytes),
                None => Err("no graph is loaded".to_owned()),
            },
            Kind::Refused | Kind::Lost => Err("a request that is none".to_owned()),
        }));
        match answer {
            Ok(Ok(bytes)) => Frame { kind: request.kind, bytes }.write(answers)?,
            Ok(Err(why)) => Frame::text(Kind::Refused, &why).write(answers)?,
            Err(panic) => {
                // What a device is like after a panic, nobody knows.
                return Frame::text(Kind::Lost, &short(said(&*panic))).write(answers);
            }
        }
    }
    Ok(())
}

/// The first lines of a validation error say what matters.
fn short(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(8).collect();
    let mut text = lines.join("; ");
    if let Some((end, _)) = text.char_indices().nth(600) {
        text.truncate(end);
    }
    text
}

struct Loaded {
    session: wonnx::Session,
    wanted: Vec<String>,
    taken: Vec<String>,
    fed: Vec<(String, Vec<f32>)>,
}

impl Loaded {
    fn new(load: Load) -> Result<Self, String> {
        let config = wonnx::SessionConfig::new().with_outputs(Some(load.wanted.clone()));
        let session = pollster::block_on(wonnx::Session::from_bytes_with_config(&load.file, &config))
            .map_err(|error| short(&error.to_string()))?;
        Ok(Loaded { session, wanted: load.wanted, taken: load.taken, fed: load.fed })
    }

    fn run(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut from = Reader { bytes };
        let mut inputs: HashMap<String, InputTensor<'_>> = HashMap::new();
        for (name, values) in &self.fed {
            inputs.insert(name.clone(), InputTensor::F32(Cow::Borrowed(values)));
        }
        for name in &self.taken {
            let numbers = from.numbers().ok_or("an input that is not whole")?;
            let tensor = match numbers {
                Numbers::F32(values) => InputTensor::F32(Cow::Owned(values)),
                Numbers::I32(values) => InputTensor::I32(Cow::Owned(values)),
            };
            inputs.insert(name.clone(), tensor);
        }
        let mut outputs =
            pollster::block_on(self.session.run(&inputs)).map_err(|error| short(&error.to_string()))?;
        let mut to = Writer::default();
        for name in &self.wanted {
            match outputs.remove(name) {
                Some(OutputTensor::F32(values)) => to.floats(&values),
                Some(_) => return Err("an output is not of float32".to_owned()),
                None => return Err("an output is missing".to_owned()),
            }
        }
        Ok(to.bytes)
    }
}
