//! The back end: a model server elsewhere that speaks the Open Inference Protocol, version 2 (KServe, Triton,
//! OpenVINO model server, MLServer), over HTTP with JSON or bytes, or over gRPC.
//!
//! Blocking outside: a worker calls [`Session::run`] and waits. Inside, one thread of its own drives all
//! connections, so that neither a stalled server nor a busy host hold the other up. A server is not believed:
//! what it may send is bounded by what the model's outputs can be, and every answer is checked against them.
//!
//! gRPC is spoken here on hyper's HTTP/2, without tonic: six unary calls, their messages and five bytes of
//! framing are less than what tonic would bring (tower, its balancing and buffering), and both protocols go
//! through one connector, one set of bounds and one deadline.
//!
//! Knows nothing of falling back: it says when the server is lost ([`RunError::Lost`]) and, when asked,
//! whether it is back ([`Remote::probe`]).

mod agree;
mod connect;
mod exchange;
mod grpc;
mod patience;
mod rest;
mod settings;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use http::HeaderValue;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use settings::{Encoding, Settings};

use self::agree::{Agreed, Expected, Metadata, Sent, agree};
use self::connect::Connector;
use self::exchange::{Answer, Call, Exchange};
use self::grpc::Grpc;
use self::patience::patient;
use self::rest::Rest;
use self::settings::Checked;
use super::{Backend, Device, DeviceKind, RunError, Session, Source};
use crate::base::{Secret, deceives};
use crate::model::tensor::{Array, Element, Port, Values, shown};

/// Each question of how things are may take this long.
const ASKING: Duration = Duration::from_secs(3);
/// The first inference, for which a server may have to load the model.
const LOADING: Duration = Duration::from_secs(10);
/// A waiting worker gives up this much after the deadline, should the thread that keeps it be late.
const GRACE: Duration = Duration::from_millis(250);
/// Optional in the protocol, but KServe's own server fails over an answer without one.
const REQUEST_ID: &str = "transom";
/// The most letters of a server's words that are shown.
const MOST_LETTERS: usize = 200;

/// Why a server gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// By chance, it may be: no connection, a broken one, unavailable. Another try may do.
    Passing(String),
    /// It has too much to do.
    Busy(String),
    /// Not within the time.
    Late(String),
    /// What was asked for is not there.
    Absent(String),
    /// It refuses, or answers what it must not.
    Wrong(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Fault::Passing(why)
        | Fault::Busy(why)
        | Fault::Late(why)
        | Fault::Absent(why)
        | Fault::Wrong(why)) = self;
        f.write_str(why)
    }
}

/// What a server says of itself.
struct Server {
    name: String,
    version: String,
    /// It takes tensors as bytes.
    binary: bool,
}

/// A model in a server's index.
struct Model {
    name: String,
    state: String,
    reason: String,
}

/// One model on one server.
pub(crate) struct Remote {
    device: Device,
    shared: Arc<Shared>,
}

/// A graph that runs there.
struct RemoteSession {
    shared: Arc<Shared>,
    agreed: Agreed,
}

struct Shared {
    checked: Checked,
    link: Arc<Link>,
    binary: bool,
    places: Arc<Semaphore>,
    circuit: Mutex<Circuit>,
    /// What the server said of the model when it was loaded.
    loaded: Mutex<Option<Metadata>>,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

/// What the requests under way hold on to.
struct Link {
    exchange: Exchange,
    protocol: Protocol,
}

enum Protocol {
    Rest(Rest),
    Grpc(Grpc),
}

/// Failures in a row. Open: nothing is sent until a probe closes it.
#[derive(Default)]
struct Circuit {
    failures: u32,
    lost: Option<String>,
}

/// One of the questions before the first inference.
#[derive(Clone, Copy)]
enum Question {
    ServerReady,
    ServerMetadata,
    ModelReady,
    ModelMetadata,
    Index,
}

/// A server that was not there when it was first looked for. Loading looks again.
pub(crate) struct Awaited {
    settings: Settings,
    device: Device,
}

impl Awaited {
    /// None where the settings cannot be right.
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let name = settings.checked().ok()?.address.shown;
        let device = Device { backend: "remote", version: String::new(), name, kind: DeviceKind::Remote };
        Some(Awaited { settings: settings.clone(), device })
    }
}

impl Backend for Awaited {
    fn device(&self) -> &Device {
        &self.device
    }

    fn load(&self, source: &Source<'_>) -> Result<Box<dyn Session>, String> {
        Remote::connect(&self.settings)?.load(source)
    }
}

impl Remote {
    /// Finds the server and the model on it. Blocks for as long as that takes: three seconds for each of
    /// at most six questions, mostly milliseconds.
    ///
    /// # Errors
    /// For people, with the server's address: a setting out of its range, no server, no such model, not ready.
    pub(crate) fn connect(settings: &Settings) -> Result<Self, String> {
        let url = said(&settings.url, settings.token.as_ref());
        let checked = settings.checked().map_err(|why| {
            // An address that did not pass is not shown: a password may be in it.
            if why.starts_with("url:") { format!("remote: {why}") } else { format!("remote `{url}`: {why}") }
        })?;
        let at = |why: String| {
            let why = said(&why, settings.token.as_ref());
            format!("remote `{}`: {why}", checked.address.shown)
        };
        let connector = Connector::new(&checked).map_err(at)?;
        let authorization = authorization(settings.token.as_ref()).map_err(at)?;
        let version = settings.version.as_deref();
        let protocol = match checked.address.grpc {
            true => Protocol::Grpc(Grpc {
                model: settings.model.clone(),
                version: version.unwrap_or_default().to_owned(),
                authorization,
            }),
            false => {
                let prefix = checked.address.prefix.clone();
                Protocol::Rest(Rest::new(prefix, &settings.model, version, authorization).map_err(at)?)
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(4)
            .thread_name("transom-remote")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| at(format!("cannot start a thread: {error}")))?;
        let mut shared = Shared {
            link: Arc::new(Link { exchange: Exchange::new(connector, settings.in_flight), protocol }),
            binary: true,
            places: Arc::new(Semaphore::new(settings.in_flight)),
            circuit: Mutex::default(),
            loaded: Mutex::new(None),
            runtime: Some(runtime),
            checked,
        };
        shared.server_ready()?;
        let server = shared.server()?;
        shared.binary = match settings.encoding {
            Encoding::Auto => server.binary,
            Encoding::Json => false,
            Encoding::Binary => true,
        };
        shared.model_ready()?;
        let metadata = shared.metadata()?;
        let mut version = format!("{} {}", server.name, server.version).trim().to_owned();
        for (label, text) in [("platform ", &metadata.platform), ("version ", &metadata.versions.join(" "))] {
            if !text.is_empty() {
                version = format!("{version}, {label}{text}");
            }
        }
        let device = Device {
            backend: "remote",
            version: said(&version, settings.token.as_ref()),
            name: shared.checked.address.shown.clone(),
            kind: DeviceKind::Remote,
        };
        Ok(Remote { device, shared: Arc::new(shared) })
    }

    /// Asks whether the server and the model are there and still what they were at load. If so, inferences are
    /// sent again. Blocks; to be called now and then while the server is lost.
    ///
    /// # Errors
    /// Why not, for people.
    pub(crate) fn probe(&self) -> Result<(), String> {
        let shared = &self.shared;
        shared.server_ready()?;
        shared.model_ready()?;
        let now = shared.metadata()?;
        let before = shared.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if before.is_some_and(|before| before != now) {
            return Err(
                shared.words("the model on the server has changed since it was loaded; load it again")
            );
        }
        *shared.circuit() = Circuit::default();
        Ok(())
    }

    /// Why the server counts as lost; None while it does not.
    #[cfg(test)]
    pub(crate) fn lost(&self) -> Option<String> {
        self.shared.circuit().lost.clone()
    }
}

impl Backend for Remote {
    fn device(&self) -> &Device {
        &self.device
    }

    fn load(&self, source: &Source<'_>) -> Result<Box<dyn Session>, String> {
        let shared = &self.shared;
        let was_lost = shared.circuit().lost.is_some();
        if was_lost {
            self.probe()?;
        }
        shared.model_ready()?;
        let metadata = shared.metadata()?;
        let agreed = agree(source, &metadata, &shared.checked.settings).map_err(|why| shared.words(&why))?;
        if !shared.binary
            && let Some(name) = agreed
                .inputs
                .iter()
                .map(|sent| (&sent.port.name, sent.datatype))
                .chain(agreed.outputs.iter().map(|output| (&output.name, output.datatype)))
                .find_map(|(name, datatype)| datatype.only_as_bytes().then_some(name))
        {
            return Err(shared.words(&format!(
                "`{name}` has 16-bit floats, which cannot travel as JSON; use `grpc://`, or `encoding` \
                 `binary` where the server takes it"
            )));
        }
        let session = RemoteSession { shared: Arc::clone(shared), agreed };
        let inputs: Vec<Array> = source.inputs.iter().map(filled).collect();
        let inputs: Vec<&Array> = inputs.iter().collect();
        session
            .infer(&inputs, 1, LOADING, None)
            .map_err(|fault| shared.words(&format!("a first inference failed: {fault}")))?;
        *shared.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(metadata);
        Ok(Box::new(session))
    }
}

impl Session for RemoteSession {
    fn at_once(&self) -> usize {
        self.shared.checked.settings.in_flight
    }

    fn run(&self, inputs: &[&Array]) -> Result<Vec<Array>, RunError> {
        let shared = &self.shared;
        if let Some(lost) = &shared.circuit().lost {
            return Err(RunError::Lost(lost.clone()));
        }
        let batch = self.batch(inputs).map_err(|why| RunError::Failed(shared.words(&why)))?;
        let place = Arc::clone(&shared.places).try_acquire_owned().map_err(|_| {
            let most = shared.checked.settings.in_flight;
            RunError::Busy(
                shared.words(&format!("{most} inferences are under way, which is all `in_flight` allows")),
            )
        })?;
        match self.infer(inputs, batch, shared.checked.settings.timeout, Some(place)) {
            Ok(outputs) => {
                shared.circuit().failures = 0;
                Ok(outputs)
            }
            Err(Unmade::Input(why)) => Err(RunError::Failed(shared.words(&why))),
            Err(Unmade::Fault(Fault::Busy(why))) => Err(RunError::Busy(shared.words(&why))),
            Err(Unmade::Fault(fault)) => Err(shared.failed(&fault)),
        }
    }

    fn batches(&self) -> bool {
        self.agreed.batches
    }

    /// Of requests and answers under way; the model itself lies elsewhere.
    fn memory(&self) -> u64 {
        let sent: usize = self
            .agreed
            .inputs
            .iter()
            .map(|sent| sent.port.shape.iter().product::<usize>() * sent.datatype.size())
            .sum();
        let settings = &self.shared.checked.settings;
        let each = sent.saturating_add(self.agreed.answer_bytes(1, settings.response_bytes));
        each.saturating_mul(settings.in_flight) as u64
    }
}

/// Why an inference was not made.
enum Unmade {
    /// For what was to be sent; the server has no part in it.
    Input(String),
    Fault(Fault),
}

impl fmt::Display for Unmade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmade::Input(why) => f.write_str(why),
            Unmade::Fault(fault) => fault.fmt(f),
        }
    }
}

impl RemoteSession {
    /// How many times the first axis is what it was at load, the same for every input.
    fn batch(&self, inputs: &[&Array]) -> Result<usize, String> {
        let ports = &self.agreed.inputs;
        if inputs.len() != ports.len() {
            return Err(format!("{} inputs were given, the model has {}", inputs.len(), ports.len()));
        }
        let mut batch = None;
        for (array, Sent { port, .. }) in inputs.iter().zip(ports) {
            let same_rank = array.shape.len() == port.shape.len();
            let times = match (array.shape.first(), port.shape.first()) {
                (Some(now), Some(then)) if self.agreed.batches && *then > 0 && now % then == 0 => now / then,
                _ => 1,
            };
            let first = |then: &usize| then.saturating_mul(times);
            let fits = same_rank
                && times > 0
                && array.shape.first().copied() == port.shape.first().map(first)
                && array.shape.get(1..) == port.shape.get(1..)
                && batch.is_none_or(|before| before == times);
            let values = array.shape.iter().try_fold(1usize, |product, axis| product.checked_mul(*axis));
            if !fits || array.values.element() != port.element || values != Some(array.values.len()) {
                return Err(format!(
                    "input `{}` is {} {} with {} values, the model takes {} {}",
                    port.name,
                    array.values.element().as_str(),
                    shown(&array.shape),
                    array.values.len(),
                    port.element.as_str(),
                    shown(&port.shape)
                ));
            }
            batch = Some(times);
        }
        Ok(batch.unwrap_or(1))
    }

    fn infer(
        &self,
        inputs: &[&Array],
        batch: usize,
        timeout: Duration,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Vec<Array>, Unmade> {
        let settings = &self.shared.checked.settings;
        let expected = self.agreed.expected(batch);
        let most_bytes = self.agreed.answer_bytes(batch, settings.response_bytes);
        let inputs: Vec<_> = self.agreed.inputs.iter().zip(inputs.iter().copied()).collect();
        let call = match &self.shared.link.protocol {
            Protocol::Rest(rest) => {
                let limit = rest::limit(&expected, settings.response_bytes);
                rest.infer(&inputs, &expected, self.shared.binary, limit).map_err(Unmade::Input)?
            }
            Protocol::Grpc(grpc) => {
                let limit = grpc::limit(&expected, settings.response_bytes);
                grpc.infer(&inputs, &expected, limit, timeout)
            }
        };
        let answer = self.shared.ask(call, timeout, settings.retries, place).map_err(Unmade::Fault)?;
        self.shared.read(&answer, &expected, most_bytes).map_err(|why| Unmade::Fault(Fault::Wrong(why)))
    }
}

impl Shared {
    fn circuit(&self) -> std::sync::MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `remote `address`: model `name`: why`, without the secret and without what a terminal would obey.
    fn words(&self, why: &str) -> String {
        let settings = &self.checked.settings;
        let (address, model) = (&self.checked.address.shown, said(&settings.model, None));
        let version =
            settings.version.as_deref().map(|version| format!(" version `{}`", said(version, None)));
        let why = cleaned(why, settings.token.as_ref(), MOST_LETTERS * 5);
        format!("remote `{address}`: model `{model}`{}: {why}", version.unwrap_or_default())
    }

    fn failed(&self, fault: &Fault) -> RunError {
        let words = self.words(&fault.to_string());
        let mut circuit = self.circuit();
        circuit.failures = circuit.failures.saturating_add(1);
        if circuit.failures < self.checked.settings.failures {
            return RunError::Failed(words);
        }
        let lost = format!("{words}; {} failures in a row, it counts as lost", circuit.failures);
        circuit.lost = Some(lost.clone());
        RunError::Lost(lost)
    }

    /// Sends a call and waits. The place is given back when the request has ended, not when it is given up.
    fn ask(
        &self,
        call: Call,
        timeout: Duration,
        retries: u32,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Answer, Fault> {
        let Some(runtime) = &self.runtime else { return Err(Fault::Wrong("it is being closed".to_owned())) };
        let link = Arc::clone(&self.link);
        let (sender, receiver) = mpsc::sync_channel(1);
        let task = runtime.spawn(async move {
            let answer = patient(timeout, retries, || async {
                let answer = link.exchange.send(&call).await?;
                match &link.protocol {
                    Protocol::Rest(_) => rest::verdict(&answer)?,
                    Protocol::Grpc(_) => grpc::verdict(&answer)?,
                }
                Ok(answer)
            })
            .await;
            // A worker that gave up has dropped its end.
            drop(sender.send(answer));
            drop(place);
        });
        match receiver.recv_timeout(timeout.saturating_add(GRACE)) {
            Ok(answer) => answer,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                task.abort();
                Err(Fault::Late(format!(
                    "no answer within {timeout:?}; this host is too busy to keep the time"
                )))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Fault::Wrong(
                "the request ended without a word; this is a fault of Transom's own".to_owned(),
            )),
        }
    }

    fn read(&self, answer: &Answer, expected: &[Expected], most_bytes: usize) -> Result<Vec<Array>, String> {
        match &self.link.protocol {
            Protocol::Rest(_) => rest::outputs(answer, expected, most_bytes),
            Protocol::Grpc(_) => grpc::outputs(answer, expected, most_bytes),
        }
    }

    fn question(&self, question: Question) -> Result<Answer, Fault> {
        let call = match (&self.link.protocol, question) {
            (Protocol::Rest(rest), Question::ServerReady) => rest.server_ready(),
            (Protocol::Rest(rest), Question::ServerMetadata) => rest.server_metadata(),
            (Protocol::Rest(rest), Question::ModelReady) => rest.model_ready(),
            (Protocol::Rest(rest), Question::ModelMetadata) => rest.model_metadata(),
            (Protocol::Rest(rest), Question::Index) => rest.index(),
            (Protocol::Grpc(grpc), Question::ServerReady) => grpc.server_ready(ASKING),
            (Protocol::Grpc(grpc), Question::ServerMetadata) => grpc.server_metadata(ASKING),
            (Protocol::Grpc(grpc), Question::ModelReady) => grpc.model_ready(ASKING),
            (Protocol::Grpc(grpc), Question::ModelMetadata) => grpc.model_metadata(ASKING),
            (Protocol::Grpc(grpc), Question::Index) => grpc.index(ASKING),
        };
        self.ask(call, ASKING, self.checked.settings.retries, None)
    }

    fn is_ready(&self, answer: &Answer) -> Result<bool, Fault> {
        match &self.link.protocol {
            Protocol::Rest(_) => Ok(rest::ready(answer)),
            Protocol::Grpc(_) => grpc::ready(answer),
        }
    }

    fn server_ready(&self) -> Result<(), String> {
        let ready = self.question(Question::ServerReady).and_then(|answer| self.is_ready(&answer));
        let address = &self.checked.address.shown;
        match ready {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("remote `{address}`: the server is not ready; wait, or check its log")),
            Err(fault) => {
                let fault =
                    cleaned(&fault.to_string(), self.checked.settings.token.as_ref(), MOST_LETTERS * 2);
                Err(format!("remote `{address}`: {fault}"))
            }
        }
    }

    fn server(&self) -> Result<Server, String> {
        let answer = self.question(Question::ServerMetadata);
        let server = answer.and_then(|answer| match &self.link.protocol {
            Protocol::Rest(_) => rest::server(&answer),
            Protocol::Grpc(_) => grpc::server(&answer),
        });
        server.map_err(|fault| self.words(&format!("the server does not say what it is: {fault}")))
    }

    fn model_ready(&self) -> Result<(), String> {
        let ready = self.question(Question::ModelReady).and_then(|answer| self.is_ready(&answer));
        let why = match ready {
            Ok(true) => return Ok(()),
            Ok(false) => String::new(),
            Err(fault) => format!(": {fault}"),
        };
        Err(self.words(&format!("it is not ready{why}; {}", self.what_there_is())))
    }

    fn metadata(&self) -> Result<Metadata, String> {
        let answer = self.question(Question::ModelMetadata);
        let metadata = answer.and_then(|answer| match &self.link.protocol {
            Protocol::Rest(_) => rest::metadata(&answer),
            Protocol::Grpc(_) => grpc::metadata(&answer),
        });
        metadata.map_err(|fault| self.words(&format!("the server does not describe it: {fault}")))
    }

    /// What to do about a model that is not ready, by the server's index, where it has one.
    fn what_there_is(&self) -> String {
        const MOST: usize = 8;
        let index = self.question(Question::Index).and_then(|answer| match &self.link.protocol {
            Protocol::Rest(_) => rest::index(&answer),
            Protocol::Grpc(_) => grpc::index(&answer),
        });
        let Ok(models) = index else {
            return "check its name, and the server's log".to_owned();
        };
        if let Some(found) = models.iter().find(|model| model.name == self.checked.settings.model) {
            let state = if found.state.is_empty() { "not ready" } else { found.state.as_str() };
            let reason = if found.reason.is_empty() { String::new() } else { format!(": {}", found.reason) };
            let (state, reason) = (said(state, None), said(&reason, None));
            return format!("the server has it, as {state}{reason}; check the server's log");
        }
        let mut names: Vec<_> = models.iter().map(|model| format!("`{}`", said(&model.name, None))).collect();
        names.sort_unstable();
        names.dedup();
        match names.len() {
            // MLServer lists what lies in its folder, which may be nothing.
            0 => "check its name, and the server's log".to_owned(),
            count if count > MOST => {
                format!(
                    "check its name: the server has {} and {} more",
                    names[..MOST].join(", "),
                    count - MOST
                )
            }
            _ => format!("check its name: the server has {}", names.join(", ")),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Where an async task drops the last session, waiting for the thread is not allowed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn authorization(token: Option<&Secret>) -> Result<Option<HeaderValue>, String> {
    let Some(token) = token else { return Ok(None) };
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
    let mut value = value.map_err(|_| "token: it has characters a header cannot carry".to_owned())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What a first inference is given. Not zeros: some models divide by a sum of their input.
fn filled(port: &Port) -> Array {
    let count = port.shape.iter().product();
    let values = match port.element {
        Element::Float32 => Values::F32(vec![0.5; count]),
        Element::Float16 => Values::F16(vec![0x3800; count]),
        Element::Float64 => Values::F64(vec![0.5; count]),
        Element::Int8 => Values::I8(vec![1; count]),
        Element::Int16 => Values::I16(vec![1; count]),
        Element::Int32 => Values::I32(vec![1; count]),
        Element::Int64 => Values::I64(vec![1; count]),
        Element::Uint8 => Values::U8(vec![1; count]),
        Element::Uint16 => Values::U16(vec![1; count]),
        Element::Uint32 => Values::U32(vec![1; count]),
        Element::Uint64 => Values::U64(vec![1; count]),
        Element::Bool => Values::Bool(vec![true; count]),
    };
    Array { shape: port.shape.clone(), values }
}

/// A server's words as they can be shown: one line, not long, and without the secret it may have sent back.
fn said(text: &str, token: Option<&Secret>) -> String {
    cleaned(text, token, MOST_LETTERS)
}

fn cleaned(text: &str, token: Option<&Secret>, most: usize) -> String {
    let without = match token {
        Some(token) if !token.expose().is_empty() => text.replace(token.expose(), "…"),
        _ => text.to_owned(),
    };
    let without = without.trim().trim_end_matches('.');
    let mut letters = without.chars().map(|letter| if deceives(letter) { ' ' } else { letter });
    let mut shown: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}
