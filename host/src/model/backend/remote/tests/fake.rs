//! Model servers that give back what they were given, and misbehave when told. One speaks HTTP, on plain
//! sockets, so that nothing keeps it from sending nonsense; one speaks gRPC, on hyper.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::super::grpc::{
    Contents, Indexed, InferRequest, InferResponse, ModelMetadata, Ready, RepositoryIndex, ServerMetadata,
    Tensor, frame,
};

/// How an inference ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    /// Values as JSON, or in typed contents, whatever was asked.
    Plain,
    /// No answer.
    Stall,
    /// The connection ends within the answer.
    CloseMidway,
    /// 503, UNAVAILABLE.
    Unavailable,
    /// Unavailable once, then good.
    UnavailableOnce,
    /// 429, RESOURCE_EXHAUSTED.
    Busy,
    /// 400, INVALID_ARGUMENT, and the request's Authorization in the text.
    Refuse,
    /// 401, UNAUTHENTICATED.
    Unauthorized,
    WrongShape,
    WrongRank,
    NegativeShape,
    HugeShape,
    WrongType,
    /// Fewer values than the shape has.
    TooFew,
    /// More values than the shape has, or bytes after the last.
    TooMany,
    MissingOutput,
    /// Another 10,000 outputs.
    ManyOutputs,
    /// Neither JSON nor a message.
    Malformed,
    /// A body without an end.
    Endless,
    /// A body declared longer than it may be.
    DeclaredLong,
    /// A byte now and then.
    Drip,
    Compressed,
    /// More headers than fit.
    HugeHeaders,
    Redirect,
}

/// What a fake says of its model.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) binary: bool,
    pub(super) server_ready: bool,
    pub(super) model_ready: bool,
    /// Name, type and shape.
    pub(super) inputs: Vec<(String, String, Vec<i64>)>,
    pub(super) outputs: Vec<(String, String, Vec<i64>)>,
    pub(super) version: String,
}

impl Said {
    /// A model that gives back each of `ports`, as `out_…`.
    pub(super) fn echo(ports: &[(&str, &str, &[i64])]) -> Self {
        let named = |start: &str| {
            ports
                .iter()
                .map(|(name, datatype, shape)| {
                    (format!("{start}{name}"), (*datatype).to_owned(), shape.to_vec())
                })
                .collect()
        };
        Said {
            binary: true,
            server_ready: true,
            model_ready: true,
            inputs: named(""),
            outputs: named("out_"),
            version: "1".to_owned(),
        }
    }
}

/// What a fake was asked, and how it answers.
pub(super) struct State {
    pub(super) mood: Mutex<Mood>,
    pub(super) said: Mutex<Said>,
    pub(super) inferences: AtomicUsize,
    pub(super) connections: AtomicUsize,
    /// Of the last inference.
    pub(super) headers: Mutex<HeaderMap>,
    /// Shape of the first input of the last inference.
    pub(super) shape: Mutex<Vec<i64>>,
}

impl State {
    fn new(said: Said) -> Arc<Self> {
        Arc::new(State {
            mood: Mutex::new(Mood::Good),
            said: Mutex::new(said),
            inferences: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            headers: Mutex::default(),
            shape: Mutex::default(),
        })
    }

    fn said(&self) -> Said {
        self.said.lock().unwrap().clone()
    }

    /// Counts an inference; how it ends.
    fn next(&self) -> Mood {
        self.inferences.fetch_add(1, Ordering::SeqCst);
        let mut mood = self.mood.lock().unwrap();
        let now = *mood;
        if now == Mood::UnavailableOnce {
            *mood = Mood::Good;
            return Mood::Unavailable;
        }
        now
    }
}

/// A server that runs until it is dropped.
pub(super) struct Fake {
    pub(super) url: String,
    pub(super) state: Arc<State>,
    address: SocketAddr,
    closed: Arc<AtomicUsize>,
    runtime: Option<Runtime>,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
}

impl Fake {
    pub(super) fn mood(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    pub(super) fn inferences(&self) -> usize {
        self.state.inferences.load(Ordering::SeqCst)
    }

    pub(super) fn http(said: Said) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State::new(said);
        let closed = Arc::new(AtomicUsize::new(0));
        let sockets: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        {
            let (state, closed, sockets) = (Arc::clone(&state), Arc::clone(&closed), Arc::clone(&sockets));
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { return };
                    if closed.load(Ordering::SeqCst) > 0 {
                        return;
                    }
                    state.connections.fetch_add(1, Ordering::SeqCst);
                    sockets.lock().unwrap().extend(stream.try_clone());
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || serve_http(stream, &state));
                }
            });
        }
        Fake { url: format!("http://{address}"), state, address, closed, runtime: None, sockets }
    }

    pub(super) fn grpc(said: Said) -> Self {
        Self::grpc_over(said, None)
    }

    /// In TLS where there is an acceptor for it.
    pub(super) fn grpc_over(said: Said, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "grpcs" } else { "grpc" };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State::new(said);
        {
            let state = Arc::clone(&state);
            runtime.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    state.connections.fetch_add(1, Ordering::SeqCst);
                    let state = Arc::clone(&state);
                    let service = service_fn(move |request| answer_grpc(request, Arc::clone(&state)));
                    let tls = tls.clone();
                    tokio::spawn(async move {
                        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        drop(match tls {
                            None => server.serve_connection(TokioIo::new(stream), service).await,
                            Some(tls) => {
                                let Ok(stream) = tls.accept(stream).await else { return };
                                server.serve_connection(TokioIo::new(stream), service).await
                            }
                        });
                    });
                }
            });
        }
        Fake {
            url: format!("{scheme}://{address}"),
            state,
            address,
            closed: Arc::default(),
            runtime: Some(runtime),
            sockets: Arc::default(),
        }
    }

    /// Closes all connections of an HTTP server, which goes on accepting.
    pub(super) fn hang_up(&self) {
        for socket in self.sockets.lock().unwrap().drain(..) {
            drop(socket.shutdown(std::net::Shutdown::Both));
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.closed.store(1, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.hang_up();
    }
}

struct Asked {
    method: String,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65536];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let mut headers = HeaderMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        headers.insert(http::HeaderName::from_bytes(name.as_bytes()).ok()?, value.parse().ok()?);
    }
    let length =
        headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
    Some(Asked { method, path, headers, body: bytes[end..].to_vec() })
}

fn plain(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn serve_http(mut stream: TcpStream, state: &State) {
    while let Some(asked) = read_request(&mut stream) {
        let said = state.said();
        let answer = match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/v2/health/ready") if said.server_ready => plain("200 OK", "", b""),
            ("GET", "/v2/health/ready") => plain("400 Bad Request", "", b""),
            ("GET", "/v2") => {
                let extensions = if said.binary { json!(["binary_tensor_data"]) } else { json!([]) };
                let body = json!({"name": "fake", "version": "7", "extensions": extensions}).to_string();
                plain("200 OK", "content-type: application/json\r\n", body.as_bytes())
            }
            ("GET", "/v2/models/echo/ready") if said.model_ready => plain("200 OK", "", b"{\"ready\": true}"),
            ("GET", "/v2/models/echo/ready") => plain("200 OK", "", b"{\"name\":\"echo\",\"ready\":false}"),
            ("GET", "/v2/models/echo") => {
                let told = |tensors: &[(String, String, Vec<i64>)]| -> Vec<Value> {
                    let one = |(name, datatype, shape): &(String, String, Vec<i64>)| json!({"name": name, "datatype": datatype, "shape": shape});
                    tensors.iter().map(one).collect()
                };
                let body = json!({
                    "name": "echo", "platform": "mirror", "versions": [said.version],
                    "inputs": told(&said.inputs), "outputs": told(&said.outputs)
                });
                plain("200 OK", "", body.to_string().as_bytes())
            }
            ("POST", "/v2/repository/index") => {
                let state = if said.model_ready { "READY" } else { "UNAVAILABLE" };
                let body =
                    json!([{"name": "echo", "version": "1", "state": state, "reason": "out of memory"}]);
                plain("200 OK", "", body.to_string().as_bytes())
            }
            ("POST", "/v2/models/echo/infer") => match infer_http(&mut stream, &asked, state) {
                Some(answer) => answer,
                None => return,
            },
            _ => plain("404 Not Found", "", b"{\"error\":\"nothing here\"}"),
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

/// None: the connection is over.
fn infer_http(stream: &mut TcpStream, asked: &Asked, state: &State) -> Option<Vec<u8>> {
    let mood = state.next();
    *state.headers.lock().unwrap() = asked.headers.clone();
    let json_length = asked.headers.get("inference-header-content-length");
    let json_length =
        json_length.map_or(asked.body.len(), |length| length.to_str().unwrap().parse().unwrap());
    let (head, mut rest) = asked.body.split_at(json_length);
    let request: Value = serde_json::from_slice(head).unwrap();
    let mut outputs = Vec::new();
    let mut bytes = Vec::new();
    for (index, input) in request["inputs"].as_array().unwrap().iter().enumerate() {
        if index == 0 {
            *state.shape.lock().unwrap() = serde_json::from_value(input["shape"].clone()).unwrap();
        }
        let name = format!("out_{}", input["name"].as_str().unwrap());
        let mut output = json!({"name": name, "datatype": input["datatype"], "shape": input["shape"]});
        let size = input["parameters"]["binary_data_size"].as_u64();
        match size {
            Some(size) => {
                let (mine, after) = rest.split_at(usize::try_from(size).unwrap());
                rest = after;
                if mood == Mood::Plain {
                    assert_eq!(input["datatype"], "FP32");
                    let values = mine.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
                    output["data"] = values.map(f64::from).collect();
                } else {
                    output["parameters"] = json!({"binary_data_size": size});
                    bytes.extend_from_slice(mine);
                }
            }
            None => output["data"] = input["data"].clone(),
        }
        outputs.push(output);
    }
    assert!(rest.is_empty());
    let first = &mut outputs[0];
    match mood {
        Mood::WrongShape => first["shape"][1] = json!(2),
        Mood::WrongRank => first["shape"] = json!([12]),
        Mood::NegativeShape => first["shape"][0] = json!(-1),
        Mood::HugeShape => first["shape"][0] = json!(i64::MAX),
        Mood::WrongType => first["datatype"] = json!("FP64"),
        Mood::TooFew if json_length < asked.body.len() => {
            let short = first["parameters"]["binary_data_size"].as_u64().unwrap() - 4;
            first["parameters"]["binary_data_size"] = json!(short);
        }
        Mood::TooFew => drop(first["data"].as_array_mut().unwrap().pop()),
        Mood::TooMany if json_length < asked.body.len() => bytes.extend_from_slice(&[0; 4]),
        Mood::TooMany => first["data"].as_array_mut().unwrap().push(json!(0)),
        Mood::MissingOutput => first["name"] = json!("another"),
        Mood::ManyOutputs => {
            let more = json!({"name": "", "datatype": "", "shape": []});
            outputs.extend(std::iter::repeat_n(more, 10_000));
        }
        _ => {}
    }
    let response = json!({"model_name": "echo", "outputs": outputs}).to_string();
    let mut body = response.clone().into_bytes();
    let mut headers = String::new();
    if !bytes.is_empty() {
        headers = format!("inference-header-content-length: {}\r\n", response.len());
        body.extend_from_slice(&bytes);
    }
    let whole = plain("200 OK", &headers, &body);
    Some(match mood {
        Mood::Stall => {
            // Until the client has had enough.
            drop(stream.read(&mut [0]));
            return None;
        }
        Mood::CloseMidway => {
            drop(stream.write_all(&whole[..whole.len() - 3]));
            // `sockets` holds on to it, too.
            drop(stream.shutdown(std::net::Shutdown::Both));
            return None;
        }
        Mood::Unavailable | Mood::UnavailableOnce => {
            plain("503 Service Unavailable", "", b"{\"error\":\"model is loading\"}")
        }
        Mood::Busy => plain("429 Too Many Requests", "", b"{\"error\":\"queue is full\"}"),
        Mood::Refuse => {
            let token = asked.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
            let body = format!("{{\"error\":\"bad request of {token}\\u001b[2J\"}}");
            plain("400 Bad Request", "", body.as_bytes())
        }
        Mood::Unauthorized => plain("401 Unauthorized", "", b"{\"error\":\"who are you\"}"),
        Mood::Malformed => plain("200 OK", "", b"{\"outputs\":[{\"name\":"),
        Mood::Endless => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"));
            let chunk = [b"1000\r\n".as_slice(), &[b' '; 0x1000], b"\r\n"].concat();
            while stream.write_all(&chunk).is_ok() {}
            return None;
        }
        Mood::DeclaredLong => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4000000000\r\n\r\n{"));
            drop(stream.read(&mut [0]));
            return None;
        }
        Mood::Drip => {
            for byte in whole {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            return None;
        }
        Mood::Compressed => plain("200 OK", "content-encoding: gzip\r\n", &[0x1f, 0x8b, 8, 0]),
        Mood::HugeHeaders => plain("200 OK", &format!("x-long: {}\r\n", "x".repeat(100_000)), b""),
        Mood::Redirect => plain("307 Temporary Redirect", "location: http://10.9.9.9/\r\n", b""),
        _ => whole,
    })
}

/// A gRPC answer's parts, one after the other.
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Wait(Pin<Box<tokio::time::Sleep>>),
    Break,
    Forever(Bytes),
}

struct Steps(VecDeque<Step>);

impl http_body::Body for Steps {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        loop {
            match self.0.front_mut() {
                Some(Step::Wait(sleep)) => {
                    if sleep.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    self.0.pop_front();
                    continue;
                }
                Some(Step::Forever(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes.clone())))),
                _ => {}
            }
            return Poll::Ready(match self.0.pop_front() {
                Some(Step::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
                Some(Step::Break) => Some(Err(std::io::Error::other("over"))),
                _ => None,
            });
        }
    }
}

fn status(code: u32, text: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    if !text.is_empty() {
        trailers.insert("grpc-message", text.parse().unwrap());
    }
    trailers
}

fn good(message: &impl prost::Message) -> Vec<Step> {
    vec![Step::Data(frame(message)), Step::Trailers(status(0, ""))]
}

async fn answer_grpc(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Steps>, Infallible> {
    let said = state.said();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let message = body.slice(5..);
    let mut headers = HeaderMap::new();
    let tensors = |tensors: &[(String, String, Vec<i64>)]| {
        let one = |(name, datatype, shape): &(String, String, Vec<i64>)| Tensor {
            name: name.clone(),
            datatype: datatype.clone(),
            shape: shape.clone(),
            contents: None,
        };
        tensors.iter().map(one).collect()
    };
    let method = parts.uri.path().strip_prefix("/inference.GRPCInferenceService/").unwrap();
    let steps = match method {
        "ServerReady" => good(&Ready { ready: said.server_ready }),
        "ModelReady" => good(&Ready { ready: said.model_ready }),
        "ServerMetadata" => good(&ServerMetadata { name: "fake".to_owned(), version: "7".to_owned() }),
        "ModelMetadata" => good(&ModelMetadata {
            name: "echo".to_owned(),
            versions: vec![said.version.clone()],
            platform: "mirror".to_owned(),
            inputs: tensors(&said.inputs),
            outputs: tensors(&said.outputs),
        }),
        "RepositoryIndex" => good(&RepositoryIndex {
            models: vec![Indexed {
                name: "echo".to_owned(),
                state: if said.model_ready { "READY" } else { "UNAVAILABLE" }.to_owned(),
                reason: "out of memory".to_owned(),
            }],
        }),
        _ => {
            *state.headers.lock().unwrap() = parts.headers.clone();
            infer_grpc(message, &parts.headers, &state, &mut headers)
        }
    };
    let mut response = Response::new(Steps(steps.into()));
    if headers.contains_key("x-status-503") {
        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    }
    if headers.contains_key("location") {
        *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
    }
    *response.headers_mut() = headers;
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    Ok(response)
}

fn infer_grpc(message: Bytes, asked: &HeaderMap, state: &State, headers: &mut HeaderMap) -> Vec<Step> {
    let mood = state.next();
    let request = InferRequest::decode(message).unwrap();
    *state.shape.lock().unwrap() = request.inputs[0].shape.clone();
    assert_eq!(request.inputs.len(), request.raw_input_contents.len());
    let mut response = InferResponse {
        outputs: request
            .inputs
            .iter()
            .map(|input| Tensor { name: format!("out_{}", input.name), ..input.clone() })
            .collect(),
        raw_output_contents: request.raw_input_contents.clone(),
    };
    let first = &mut response.outputs[0];
    match mood {
        Mood::WrongShape => first.shape[1] = 2,
        Mood::WrongRank => first.shape = vec![12],
        Mood::NegativeShape => first.shape[0] = -1,
        Mood::HugeShape => first.shape[0] = i64::MAX,
        Mood::WrongType => first.datatype = "FP64".to_owned(),
        Mood::TooFew => {
            let raw = &mut response.raw_output_contents[0];
            *raw = raw.slice(4..);
        }
        Mood::TooMany => {
            let raw = &mut response.raw_output_contents[0];
            *raw = [raw, [0; 4].as_slice()].concat().into();
        }
        Mood::MissingOutput => first.name = "another".to_owned(),
        Mood::ManyOutputs => response.outputs.extend(std::iter::repeat_n(Tensor::default(), 5_000)),
        Mood::Plain => {
            let raw = response.raw_output_contents.remove(0);
            let floats = raw.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
            first.contents = Some(Contents { floats, ..Contents::default() });
        }
        _ => {}
    }
    let whole = frame(&response);
    match mood {
        Mood::Stall => vec![Step::Wait(Box::pin(tokio::time::sleep(Duration::from_secs(60))))],
        Mood::CloseMidway => vec![Step::Data(whole.slice(..whole.len() - 3)), Step::Break],
        Mood::Unavailable | Mood::UnavailableOnce => vec![Step::Trailers(status(14, "model is loading"))],
        Mood::Busy => vec![Step::Trailers(status(8, "queue is full"))],
        Mood::Refuse => {
            let token = asked.get("authorization").map_or("", |value| value.to_str().unwrap());
            vec![Step::Trailers(status(3, &format!("bad request of {token}%1b[2J")))]
        }
        Mood::Unauthorized => vec![Step::Trailers(status(16, "who are you"))],
        Mood::Malformed => vec![
            Step::Data(Bytes::from_static(&[0, 0, 0, 0, 4, 0x2a, 0xff, 0xff, 0xff])),
            Step::Trailers(status(0, "")),
        ],
        Mood::Endless => vec![Step::Forever(Bytes::from_static(&[0; 4096]))],
        Mood::DeclaredLong => {
            vec![
                Step::Data(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 1])),
                Step::Trailers(status(0, "")),
            ]
        }
        Mood::Drip => {
            let mut steps = Vec::new();
            for place in 0..whole.len() {
                steps.push(Step::Data(whole.slice(place..=place)));
                steps.push(Step::Wait(Box::pin(tokio::time::sleep(Duration::from_millis(
                    20 * (place as u64 + 1),
                )))));
            }
            steps
        }
        Mood::Compressed => {
            let mut bytes = whole.to_vec();
            bytes[0] = 1;
            vec![Step::Data(bytes.into()), Step::Trailers(status(0, ""))]
        }
        Mood::HugeHeaders => {
            headers.insert("x-long", "x".repeat(100_000).parse().unwrap());
            good(&response)
        }
        Mood::Redirect => {
            headers.insert("location", "http://10.9.9.9/".parse().unwrap());
            Vec::new()
        }
        _ => vec![Step::Data(whole), Step::Trailers(status(0, ""))],
    }
}
