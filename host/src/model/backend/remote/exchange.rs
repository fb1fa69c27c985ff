//! One request and its answer, over kept connections, with a bound on every part of the answer.
//! Knows nothing of tensors.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::Fault;
use super::connect::Connector;

/// The most bytes of an answer's headers, and of its trailers.
const HEADER_BYTES: u32 = 16 << 10;
/// The most headers of an answer, and trailers.
const HEADERS: usize = 64;
/// As much of a refusal is read.
const REFUSAL_BYTES: usize = 16 << 10;
/// HTTP/2 lets a server send this much before it is read.
const WINDOW: u32 = 1 << 20;

/// A request that can be sent more than once.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    /// The most bytes its answer's body may have.
    pub(super) limit: usize,
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

/// Connections to one server.
pub(super) struct Exchange {
    connector: Connector,
    /// HTTP/1: those with nothing under way, the last used at the front.
    idle: Mutex<VecDeque<http1::SendRequest<Full<Bytes>>>>,
    /// HTTP/2: the one all requests share, and how many there were before it.
    shared: tokio::sync::Mutex<(u64, Option<http2::SendRequest<Full<Bytes>>>)>,
    /// HTTP/1: the most connections kept.
    keep: usize,
}

/// Why nothing came back.
struct Broken {
    fault: Fault,
    /// Not one byte of an answer had come.
    early: bool,
}

impl Exchange {
    pub(super) fn new(connector: Connector, keep: usize) -> Self {
        Exchange {
            connector,
            idle: Mutex::new(VecDeque::new()),
            shared: tokio::sync::Mutex::new((0, None)),
            keep,
        }
    }

    /// Sends `call` and reads its whole answer. Dropping the future gives the request up.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, Fault> {
        match self.connector.address.grpc {
            true => self.send_shared(call).await,
            false => self.send_alone(call).await,
        }
    }

    /// Over HTTP/1. A kept connection may have been closed from the other side just now; what fails on one
    /// is sent again on another, which is not a retry.
    async fn send_alone(&self, call: &Call) -> Result<Answer, Fault> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let reused = kept.is_some();
            let mut sender = match kept {
                Some(mut sender) => match sender.ready().await {
                    Ok(()) => sender,
                    Err(_) => continue,
                },
                None => self.open_alone().await?,
            };
            let sent = sender.send_request(self.request(call, Version::HTTP_11)?).await;
            match read(sent, call.limit).await {
                Ok(answer) => {
                    if !sender.is_closed() {
                        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                        idle.push_front(sender);
                        idle.truncate(self.keep);
                    }
                    return Ok(answer);
                }
                Err(Broken { early: true, fault: Fault::Passing(_) }) if reused => {}
                Err(broken) => return Err(broken.fault),
            }
        }
    }

    async fn open_alone(&self) -> Result<http1::SendRequest<Full<Bytes>>, Fault> {
        let stream = TokioIo::new(self.connector.open().await?);
        let shaken = http1::Builder::new()
            .max_headers(HEADERS)
            .max_header_size(HEADER_BYTES as usize)
            .handshake(stream)
            .await;
        let (sender, connection) = shaken.map_err(|error| fault(&error))?;
        // It ends when the sender is dropped, or the server closes.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// Over HTTP/2. A connection that broke is made again once, which is not a retry.
    async fn send_shared(&self, call: &Call) -> Result<Answer, Fault> {
        loop {
            let (mut sender, number, reused) = self.open_shared().await?;
            let watch = Watch { exchange: self, number, done: false };
            let sent = sender.send_request(self.request(call, Version::HTTP_2)?).await;
            let outcome = read(sent, call.limit).await;
            watch.finish();
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(broken) => {
                    if matches!(broken.fault, Fault::Passing(_)) {
                        self.forget(number);
                        // On one that is still open, it was the stream alone that broke.
                        if reused && broken.early && sender.is_closed() {
                            continue;
                        }
                    }
                    return Err(broken.fault);
                }
            }
        }
    }

    async fn open_shared(&self) -> Result<(http2::SendRequest<Full<Bytes>>, u64, bool), Fault> {
        let mut shared = self.shared.lock().await;
        if let Some(sender) = shared.1.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok((sender.clone(), shared.0, true));
        }
        let stream = TokioIo::new(self.connector.open().await?);
        let shaken = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(HEADER_BYTES)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(stream)
            .await;
        let (sender, connection) = shaken.map_err(|error| fault(&error))?;
        tokio::spawn(async move { drop(connection.await) });
        shared.0 += 1;
        shared.1 = Some(sender.clone());
        Ok((sender, shared.0, false))
    }

    /// Keeps the connection with this number no longer. Where the lock is taken, somebody else is opening
    /// or choosing one: then it stays, and fails again.
    fn forget(&self, number: u64) {
        if let Ok(mut shared) = self.shared.try_lock()
            && shared.0 == number
        {
            shared.1 = None;
        }
    }

    fn request(&self, call: &Call, version: Version) -> Result<Request<Full<Bytes>>, Fault> {
        let address = &self.connector.address;
        let mut request = Request::builder().method(call.method.clone()).version(version);
        request = match version {
            Version::HTTP_2 => {
                let scheme = if address.secure { "https" } else { "http" };
                request.uri(format!("{scheme}://{}{}", address.authority(), call.path))
            }
            _ => request.uri(&call.path).header(HOST, address.authority()),
        };
        request = request
            .header(USER_AGENT, concat!("transom/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "identity");
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(call.body.clone()))
            .map_err(|error| Fault::Wrong(format!("the request cannot be made: {error}")))
    }
}

/// Drops a shared connection whose request was given up before it was answered: it may be one whose other
/// end is gone, and would swallow every request after this one.
struct Watch<'a> {
    exchange: &'a Exchange,
    number: u64,
    done: bool,
}

impl Watch<'_> {
    fn finish(mut self) {
        self.done = true;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.exchange.forget(self.number);
        }
    }
}

/// Reads an answer's body up to its limit.
async fn read(sent: Result<Response<Incoming>, hyper::Error>, limit: usize) -> Result<Answer, Broken> {
    let late = |fault| Broken { fault, early: false };
    let response = sent.map_err(|error| Broken { fault: fault(&error), early: true })?;
    let (parts, mut incoming) = response.into_parts();
    let coding = parts.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes).unwrap_or_default();
    if !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity") {
        return Err(late(Fault::Wrong("its answer is compressed, which was not asked for".to_owned())));
    }
    let refused = !parts.status.is_success();
    let too_long = || {
        late(Fault::Wrong(format!("its answer is longer than the {limit} bytes that its outputs can need")))
    };
    let declared = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if !refused && declared.is_some_and(|declared: u64| declared > limit as u64) {
        return Err(too_long());
    }
    // What is declared is not yet there: room for more than it grows with what comes.
    let mut body = BytesMut::with_capacity(declared.map_or(0, |bytes| bytes.min(WINDOW.into()) as usize));
    let mut trailers = HeaderMap::new();
    while let Some(frame) = incoming.frame().await {
        match frame.map_err(|error| late(fault(&error)))?.into_data() {
            Ok(data) if refused && body.len() + data.len() > REFUSAL_BYTES => break,
            Ok(data) if body.len() + data.len() > limit => return Err(too_long()),
            Ok(data) => body.extend_from_slice(&data),
            Err(other) => trailers = other.into_trailers().unwrap_or_default(),
        }
    }
    Ok(Answer { status: parts.status, headers: parts.headers, body: body.freeze(), trailers })
}

fn fault(error: &hyper::Error) -> Fault {
    if error.is_parse_too_large() {
        return Fault::Wrong(format!("its headers are longer than {HEADER_BYTES} bytes"));
    }
    if error.is_parse() {
        return Fault::Wrong(format!("it does not speak HTTP: {error}; check the port"));
    }
    let mut text = error.to_string();
    // hyper keeps what happened inside: `connection error: Connection reset by peer`.
    if let Some(inner) = std::error::Error::source(error) {
        text = format!("{text}: {inner}");
    }
    Fault::Passing(format!("the connection broke: {text}"))
}
