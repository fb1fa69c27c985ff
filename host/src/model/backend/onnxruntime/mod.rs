//! The back end: onnxruntime, through a library found when the program runs (`find`), with every execution
//! provider the library has (`provider`). Nothing of it is in the program itself.

mod denied;
mod find;
mod library;
mod provider;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use half::slice::HalfBitsSliceExt as _;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, SessionInputValue};
use ort::value::{DynValue, PrimitiveTensorElementType, TensorElementType, TensorRef, ValueType};

use super::super::onnx::escaped;
use super::super::tensor::{Array, Element, Port, Values, shown};
use super::whole::whole;
use super::{Backend, Device, RunError, Session, Source, batches};
use crate::base::panic_message;
use library::Library;
use provider::Provider;

pub(in crate::model) use library::library;

/// onnxruntime on one device.
pub(in crate::model) struct OnnxRuntime {
    device: Device,
    provider: Provider,
    library: &'static Library,
}

/// Every device that the library of this process can run on, the processor first; or why there is none.
/// `configured`: a library, or a folder that has one, named by the owner's configuration.
pub(in crate::model) fn devices(configured: Option<&Path>) -> Result<Vec<OnnxRuntime>, String> {
    let library = library(configured)?;
    let providers = catch_unwind(Provider::all).unwrap_or_else(|_| vec![Provider::Cpu]);
    Ok(providers.into_iter().map(|provider| OnnxRuntime::new(provider, library)).collect())
}

impl OnnxRuntime {
    fn new(provider: Provider, library: &'static Library) -> OnnxRuntime {
        let version = match provider.driver() {
            Some(driver) => format!("{}, {driver}", library.version),
            None => library.version.clone(),
        };
        let device = Device { backend: "onnxruntime", version, name: provider.name(), kind: provider.kind() };
        OnnxRuntime { device, provider, library }
    }
}

impl OnnxRuntime {
    /// Whether it calculates with less than 32 bits.
    pub(in crate::model) fn is_half(&self) -> bool {
        self.provider.is_half()
    }
}

impl Backend for OnnxRuntime {
    fn device(&self) -> &Device {
        &self.device
    }

    fn load(&self, source: &Source<'_>) -> Result<Box<dyn Session>, String> {
        let loaded = catch_unwind(AssertUnwindSafe(|| Loaded::new(self, source)));
        match loaded {
            Ok(loaded) => Ok(Box::new(loaded?)),
            Err(panic) => Err(format!("loading it failed: {}", panic_message(&*panic))),
        }
    }
}

/// A graph ready to run: a session for each inference that runs at the same time, for one session runs one
/// at a time. The second is made when two first meet.
struct Loaded {
    maker: Maker,
    inputs: Vec<Port>,
    outputs: Vec<(String, Element)>,
    idle: Mutex<Vec<Lane>>,
    freed: Condvar,
    made: AtomicUsize,
    most: usize,
    /// Of one session.
    memory: u64,
    may_batch: bool,
    batches: OnceLock<bool>,
}

struct Lane {
    session: ort::session::Session,
    options: RunOptions<HasSelectedOutputs>,
}

/// Makes sessions of one graph.
struct Maker {
    library: &'static Library,
    provider: Provider,
    bytes: Bytes,
    outputs: Vec<String>,
    /// Names of open sizes and what they are.
    sizes: Vec<(String, i64)>,
    threads: usize,
}

impl Loaded {
    fn new(backend: &OnnxRuntime, source: &Source<'_>) -> Result<Loaded, String> {
        denied::check(source, backend.library.minor())?;
        let outputs =
            source.outputs.iter().map(|name| declared(source, name)).collect::<Result<Vec<_>, _>>()?;
        let may_batch = batches::declared(source.graph, source.inputs, source.outputs);
        let on_processor = backend.provider == Provider::Cpu;
        let maker = Maker {
            library: backend.library,
            provider: backend.provider.clone(),
            bytes: whole(source),
            outputs: source.outputs.to_vec(),
            sizes: sizes(source, may_batch),
            threads: source.threads.max(1),
        };
        let first = maker.make()?;
        let most = if on_processor {
            (std::thread::available_parallelism().map_or(1, usize::from) / maker.threads).max(1)
        } else {
            // A card's memory is not to be had twice, and it runs one thing at a time anyway.
            1
        };
        // The library does not say. Weights are held as read and again as its kernels want them, and there is
        // working memory: 2.5 times the file for ResNet-50, 3.7 for MobileNetV2.
        let memory = maker.bytes.len() as u64 * 5 / 2;
        Ok(Loaded {
            maker,
            inputs: source.inputs.to_vec(),
            outputs,
            idle: Mutex::new(vec![first]),
            freed: Condvar::new(),
            made: AtomicUsize::new(1),
            most,
            memory,
            may_batch,
            batches: OnceLock::new(),
        })
    }

    /// A session to oneself: an idle one, a new one, or, where there are as many as cores, the next to be
    /// free. Waiters are bounded by the threads that run inferences.
    fn take(&self) -> Result<Held<'_>, RunError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(lane) = idle.pop() {
                return Ok(Held { loaded: self, lane: Some(lane) });
            }
            if self.made.load(Ordering::Relaxed) < self.most {
                self.made.fetch_add(1, Ordering::Relaxed);
                drop(idle);
                let mut held = Held { loaded: self, lane: None };
                held.lane = Some(self.maker.make().map_err(RunError::Lost)?);
                return Ok(held);
            }
            idle = self.freed.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn unguarded(&self, arrays: &[&Array]) -> Result<Vec<Array>, RunError> {
        if arrays.len() != self.inputs.len() {
            let (given, has) = (arrays.len(), self.inputs.len());
            return Err(RunError::Failed(format!("{given} inputs were given; the graph has {has}")));
        }
        let mut given: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(arrays.len());
        for (port, array) in self.inputs.iter().zip(arrays) {
            given.push((Cow::Borrowed(port.name.as_str()), value(port, array).map_err(RunError::Failed)?));
        }
        let mut held = self.take()?;
        let Some(lane) = held.lane.as_mut() else {
            return Err(RunError::Failed("no session could be made".to_owned()));
        };
        let result = match lane.session.run_with_options(given, &lane.options) {
            Ok(values) => {
                self.outputs.iter().map(|(name, element)| read(name, *element, values.get(name))).collect()
            }
            Err(error) => Err(failed(&error)),
        };
        if matches!(result, Err(RunError::Lost(_))) {
            held.lane = None;
        }
        result
    }
}

/// A session in use, or one being made; goes back when dropped, also by a panic. One that could not be made,
/// or that is lost, leaves its place to another.
struct Held<'a> {
    loaded: &'a Loaded,
    lane: Option<Lane>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut idle = self.loaded.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match self.lane.take() {
            Some(lane) => idle.push(lane),
            None => {
                self.loaded.made.fetch_sub(1, Ordering::Relaxed);
            }
        }
        drop(idle);
        self.loaded.freed.notify_one();
    }
}

impl Session for Loaded {
    fn run(&self, inputs: &[&Array]) -> Result<Vec<Array>, RunError> {
        catch_unwind(AssertUnwindSafe(|| self.unguarded(inputs))).unwrap_or_else(|panic| {
            Err(RunError::Failed(format!("inference failed: {}", panic_message(&*panic))))
        })
    }

    fn batches(&self) -> bool {
        self.may_batch && *self.batches.get_or_init(|| batches::tried(self, &self.inputs))
    }

    fn memory(&self) -> u64 {
        self.memory * self.made.load(Ordering::Relaxed) as u64
    }
}

impl Maker {
    fn make(&self) -> Result<Lane, String> {
        let placed = Arc::new(Mutex::new(Placed::default()));
        // What was complained of before is not about this.
        library::complaint();
        let session =
            self.session(&placed).map_err(|error| match (library::complaint(), &self.provider) {
                (Some(said), provider) if *provider != Provider::Cpu => {
                    format!("{}: {}", explain(&error), plain(&said))
                }
                _ => explain(&error),
            })?;
        let placed = std::mem::take(&mut *placed.lock().unwrap_or_else(PoisonError::into_inner));
        self.took_part(&placed)?;
        let options = self.options().map_err(|error| explain(&error))?;
        Ok(Lane { session, options })
    }

    fn session(&self, placed: &Arc<Mutex<Placed>>) -> ort::Result<ort::session::Session> {
        let mut builder = SessionBuilder::new(&self.library.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(self.threads)?
            .with_inter_threads(1)?
            // Between two operators the other threads wait by spinning: waking them takes as long as many an
            // operator. After the last one they sleep, for the cores have video to decode.
            .with_intra_op_spinning(true)?
            .with_config_entry("session.force_spinning_stop", "1")?
            .with_inter_op_spinning(false)?;
        for (name, size) in &self.sizes {
            builder = builder.with_dimension_override(name, *size)?;
        }
        if let Some(provider) = self.provider.dispatch(self.threads) {
            let hears = Arc::clone(placed);
            let logger = move |_: LogLevel, _: &str, _: &str, _: &str, message: &str| {
                hears.lock().unwrap_or_else(PoisonError::into_inner).hear(message);
            };
            builder = builder
                .with_execution_providers([provider])?
                // Which nodes went where is said only to the log, and only at this level.
                .with_logger(Arc::new(logger))?
                .with_log_level(LogLevel::Verbose)?;
        }
        builder.commit_from_memory(&self.bytes)
    }

    /// Refuses a provider that took no node: the processor would answer in its name.
    fn took_part(&self, placed: &Placed) -> Result<(), String> {
        if self.provider == Provider::Cpu || !placed.said || placed.on(self.provider.library_name()) > 0 {
            return Ok(());
        }
        let why = library::complaint().map(|why| format!(": {}", plain(&why))).unwrap_or_default();
        Err(format!("{} took none of the graph's {} nodes{why}", self.provider.name(), placed.all()))
    }

    fn options(&self) -> ort::Result<RunOptions<HasSelectedOutputs>> {
        let mut options = RunOptions::new()?;
        // The session may have been told to log all.
        options.set_log_level(LogLevel::Fatal)?;
        let mut selected = OutputSelector::no_default();
        for name in &self.outputs {
            selected = selected.with(name);
        }
        Ok(options.with_outputs(selected))
    }
}

/// A line of the library's log without the place in its source that it leads with:
/// `/onnxruntime/…factory.cc:141 … [ERROR] [OpenVINO] Specified device - GPU is not available`.
fn plain(said: &str) -> String {
    let said = said.rsplit("] ").next().unwrap_or(said);
    escaped(said.split_whitespace().collect::<Vec<_>>().join(" ").as_str(), 300)
}

/// Which provider took how many nodes, from the library's log.
#[derive(Default)]
struct Placed {
    said: bool,
    nodes: Vec<(String, usize)>,
}

impl Placed {
    /// " All nodes placed on [CPUExecutionProvider]. Number of nodes: 12", or a line for each provider:
    /// " Node(s) placed on [CUDAExecutionProvider]. Number of nodes: 10".
    fn hear(&mut self, message: &str) {
        let Some((_, rest)) = message.split_once("placed on [") else { return };
        let Some((provider, rest)) = rest.split_once(']') else { return };
        let digits = rest.rsplit(' ').next().unwrap_or_default();
        if let Ok(count) = digits.trim().parse() {
            self.said = true;
            self.nodes.push((provider.to_owned(), count));
        }
    }

    fn on(&self, provider: &str) -> usize {
        self.nodes.iter().filter(|(name, _)| name == provider).map(|(_, count)| count).sum()
    }

    fn all(&self) -> usize {
        self.nodes.iter().map(|(_, count)| count).sum()
    }
}

/// Sizes that the graph leaves open under a name, and what they are here; the first axis stays open where
/// a batch may come.
fn sizes(source: &Source<'_>, may_batch: bool) -> Vec<(String, i64)> {
    use super::super::onnx::Size;
    let mut sizes: Vec<(String, i64)> = Vec::new();
    let mut batch = None;
    for (input, port) in source.graph.inputs.iter().zip(source.inputs) {
        for (axis, (declared, size)) in input.shape.iter().flatten().zip(&port.shape).enumerate() {
            let Size::Open(name) = declared else { continue };
            if axis == 0 && may_batch {
                batch = Some(name.clone());
            }
            if let Ok(size) = i64::try_from(*size)
                && !name.is_empty()
                && !sizes.iter().any(|(known, _)| known == name)
            {
                sizes.push((name.clone(), size));
            }
        }
    }
    sizes.retain(|(name, _)| batch.as_ref() != Some(name));
    sizes
}

fn declared(source: &Source<'_>, name: &str) -> Result<(String, Element), String> {
    let output = source.graph.outputs.iter().find(|output| output.name == *name);
    let output = output.ok_or_else(|| format!("the graph has no output `{name}`"))?;
    let element = output.element.ok_or_else(|| format!("output `{name}` is no tensor of numbers"))?;
    Ok((name.to_owned(), element))
}

/// An input as the library takes it: a view.
fn value<'a>(port: &Port, array: &'a Array) -> Result<SessionInputValue<'a>, String> {
    fn view<'a, T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
        shape: &'a [usize],
        values: &'a [T],
    ) -> ort::Result<SessionInputValue<'a>> {
        TensorRef::from_array_view((shape, values)).map(SessionInputValue::from)
    }
    let name = &port.name;
    if array.values.element() != port.element {
        let (has, wants) = (array.values.element().as_str(), port.element.as_str());
        return Err(format!("input `{name}` was given as {has}; the graph has {wants}"));
    }
    let shape = array.shape.as_slice();
    let made = match &array.values {
        Values::F32(values) => view(shape, values),
        Values::F16(values) => view(shape, values.reinterpret_cast::<half::f16>()),
        Values::F64(values) => view(shape, values),
        Values::I8(values) => view(shape, values),
        Values::I16(values) => view(shape, values),
        Values::I32(values) => view(shape, values),
        Values::I64(values) => view(shape, values),
        Values::U8(values) => view(shape, values),
        Values::U16(values) => view(shape, values),
        Values::U32(values) => view(shape, values),
        Values::U64(values) => view(shape, values),
        Values::Bool(values) => view(shape, values),
    };
    made.map_err(|error| format!("input `{name}` of {}: {error}", shown(shape)))
}

/// An output, where it came.
fn read(name: &str, element: Element, value: Option<&DynValue>) -> Result<Array, RunError> {
    let value = value.ok_or_else(|| RunError::Failed(format!("output `{name}` did not come")))?;
    array(name, element, value).map_err(RunError::Failed)
}

/// An output, copied out of the library's memory.
fn array(name: &str, element: Element, value: &DynValue) -> Result<Array, String> {
    fn copied<T: PrimitiveTensorElementType + Clone>(value: &DynValue) -> ort::Result<(Vec<i64>, Vec<T>)> {
        let (shape, values) = value.try_extract_tensor::<T>()?;
        Ok((shape.iter().copied().collect(), values.to_vec()))
    }
    let ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err(format!("output `{name}` is no tensor"));
    };
    macro_rules! copy {
        ($($tensor:ident $element:ident $variant:ident;)*) => {
            match (ty, element) {
                $((TensorElementType::$tensor, Element::$element) => {
                    copied(value).map(|(shape, values)| (shape, Values::$variant(values)))
                })*
                (TensorElementType::Float16, Element::Float16) => copied::<half::f16>(value)
                    .map(|(shape, values)| (shape, Values::F16(values.iter().map(|value| value.to_bits()).collect()))),
                (got, _) => {
                    let wants = element.as_str();
                    return Err(format!("output `{name}` came as {got}; the graph declares {wants}"));
                }
            }
        };
    }
    let copied = copy! {
        Float32 Float32 F32; Float64 Float64 F64; Int8 Int8 I8; Int16 Int16 I16; Int32 Int32 I32;
        Int64 Int64 I64; Uint8 Uint8 U8; Uint16 Uint16 U16; Uint32 Uint32 U32; Uint64 Uint64 U64; Bool Bool Bool;
    };
    let (shape, values) = copied.map_err(|error| format!("output `{name}`: {error}"))?;
    let shape = shape.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
    Ok(Array { shape: shape.map_err(|_| format!("output `{name}` has a negative size"))?, values })
}

/// What went wrong in a run: these inputs, or the device.
fn failed(error: &ort::Error) -> RunError {
    use ort::ErrorCode as Code;
    let text = explain(error);
    let lost = match error.code() {
        Code::InvalidArgument | Code::NotImplemented | Code::InvalidGraph => false,
        Code::DeviceReset | Code::EngineError | Code::ExecutionProviderFailure => true,
        _ => is_loss(error.message()),
    };
    if lost { RunError::Lost(text) } else { RunError::Failed(text) }
}

/// Whether a message tells of memory or of a device that is gone; onnxruntime has no code of its own for
/// either on most providers.
fn is_loss(message: &str) -> bool {
    let message = message.to_lowercase();
    let signs = [
        "out of memory",
        "failed to allocate",
        "bad_alloc",
        "cuda failure",
        "cuda error",
        "cudnn",
        "cublas",
        "device lost",
        "device removed",
    ];
    signs.iter().any(|sign| message.contains(sign))
}

/// The library's words on one line.
fn explain<R>(error: &ort::Error<R>) -> String {
    let words: Vec<&str> = error.message().split_whitespace().collect();
    words.join(" ")
}
