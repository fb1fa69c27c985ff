//! A request from its admission to its answer.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::body::{BoundedBody, BoxError, Ledger, Upload, too_large};
use super::connect::{self, Wire};
use super::grant::{HostGrant, Target, granting};
use super::{Audit, EgressError, EgressLimits, EgressReport, Resolve, redirect};
use crate::base::{Clock, Rate, Shutdown};

/// The most redirects that are followed; `http.wit` says so.
const MOST_REDIRECTS: usize = 5;
/// The most headers of a request and their bytes, names and values; `http.wit` says so.
const MOST_HEADERS: usize = 64;
const MOST_HEADER_BYTES: usize = 16 << 10;
/// Bytes of an answer's head, and headers in it.
const MOST_HEAD_BYTES: usize = 64 << 10;
const MOST_ANSWER_HEADERS: usize = 100;
/// Headers that belong to the connection, RFC 9110, 7.6.1, and with it to the host.
const OF_THE_CONNECTION: [&str; 11] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One plugin's way out.
pub struct Egress {
    grants: Vec<HostGrant>,
    limits: EgressLimits,
    resolver: Arc<dyn Resolve>,
    tls: Arc<ClientConfig>,
    audit: Audit,
    clock: Clock,
    shutdown: Shutdown,
    places: Arc<Semaphore>,
    /// When the last request under way is over, whatever comes of it; in microseconds of `clock`.
    latest_us: AtomicU64,
    rate: Rate,
    ledger: Arc<Ledger>,
}

/// A request that was admitted: when it must be over, and its place among `concurrent`.
struct Passage {
    deadline: Instant,
    place: Arc<OwnedSemaphorePermit>,
}

impl Egress {
    /// A way out to `grants` within `limits`; `audit` hears of every denial. Its futures need a tokio runtime
    /// with time and sockets.
    pub fn new(
        grants: Vec<HostGrant>,
        limits: EgressLimits,
        resolver: Arc<dyn Resolve>,
        tls: Arc<ClientConfig>,
        audit: Audit,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        let places = Arc::new(Semaphore::new(limits.concurrent as usize));
        let rate = Rate::new(limits.requests, clock.now());
        Self {
            grants,
            limits,
            resolver,
            tls,
            audit,
            clock,
            shutdown,
            places,
            latest_us: AtomicU64::new(0),
            rate,
            ledger: Arc::default(),
        }
    }

    /// Sends `request`, follows its redirects, each checked as a request of its own, and waits for the whole
    /// answer.
    ///
    /// # Errors
    /// See [`EgressError`].
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, EgressError> {
        let began = self.clock.now();
        let answer = async {
            let (head, body) = self.note(self.follow(request).await)?.into_parts();
            Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
        };
        let answer = answer.await;
        self.ledger.took(self.clock.now().saturating_sub(began));
        answer
    }

    /// Sends `request` and returns at the head of its answer. Redirects are the caller's to follow, each a
    /// request of its own. `content-length` may be given, and holds.
    ///
    /// # Errors
    /// See [`EgressError`]; the answer's body has the same.
    pub async fn stream<B>(&self, request: Request<B>) -> Result<Response<BoundedBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let began = self.clock.now();
        let answer = self.note(self.pass(request).await);
        self.ledger.took(self.clock.now().saturating_sub(began));
        answer
    }

    /// Whether an answer may still come: a request is under way and has time left.
    pub fn is_waiting(&self) -> bool {
        let under_way = self.places.available_permits() < self.limits.concurrent as usize;
        under_way && self.clock.now() < Duration::from_micros(self.latest_us.load(Relaxed))
    }

    /// What this plugin's requests came to so far.
    pub fn report(&self) -> EgressReport {
        self.ledger.report()
    }

    fn note<T>(&self, result: Result<T, EgressError>) -> Result<T, EgressError> {
        result.inspect_err(|error| {
            self.ledger.failed(error);
            if let EgressError::Denied(denial) = error {
                (self.audit)(denial);
            }
        })
    }

    fn admit(&self) -> Result<Passage, EgressError> {
        self.ledger.requests.fetch_add(1, Relaxed);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.ledger.busy_concurrent.fetch_add(1, Relaxed);
            return Err(EgressError::Busy);
        };
        let taken = self.rate.take(self.clock.now()).ok_or(EgressError::Busy)?;
        self.ledger.most_a_second.fetch_max(taken, Relaxed);
        let under_way = (self.limits.concurrent as usize).saturating_sub(self.places.available_permits());
        self.ledger.most_concurrent.fetch_max(under_way as u64, Relaxed);
        let over = self.clock.now() + self.limits.timeout;
        self.latest_us.fetch_max(u64::try_from(over.as_micros()).unwrap_or(u64::MAX), Relaxed);
        Ok(Passage { deadline: Instant::now() + self.limits.timeout, place: Arc::new(place) })
    }

    async fn pass<B>(&self, request: Request<B>) -> Result<Response<BoundedBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let passage = self.admit()?;
        let (head, body) = request.into_parts();
        let target = Target::parse(&head.uri.to_string()).map_err(EgressError::BadRequest)?;
        check_headers(&head.headers)?;
        let length = declared_length(&head.headers)?.unwrap_or(0).max(body.size_hint().lower());
        self.check_upload(length)?;
        self.exchange(&passage, &target, self.outgoing(head.method, head.headers, body)).await
    }

    async fn follow(&self, request: Request<Bytes>) -> Result<Response<BoundedBody>, EgressError> {
        let passage = self.admit()?;
        let (mut head, mut body) = request.into_parts();
        let mut target = Target::parse(&head.uri.to_string()).map_err(EgressError::BadRequest)?;
        check_headers(&head.headers)?;
        if head.headers.contains_key(header::CONTENT_LENGTH) {
            return Err(EgressError::BadRequest("the header `content-length` is the host's to set".into()));
        }
        self.check_upload(body.len() as u64)?;
        for _ in 0..=MOST_REDIRECTS {
            let request = self.outgoing(head.method.clone(), head.headers.clone(), Full::new(body.clone()));
            let response = self.exchange(&passage, &target, request).await?;
            let Some(location) = redirect::location(&response) else { return Ok(response) };
            let next = str::from_utf8(location).map_err(|_| "it is no UTF-8".into());
            let next = next.and_then(|location| target.join(location)).map_err(|why| {
                EgressError::Failed(format!("`{}` redirects to nowhere: {why}", target.origin()))
            })?;
            redirect::rewrite(response.status(), next.is_same_origin(&target), &mut head, &mut body);
            target = next;
        }
        let origin = target.origin();
        Err(EgressError::Failed(format!("`{origin}` is one redirect more than {MOST_REDIRECTS}")))
    }

    /// The request that goes out, as yet without what [`Egress::converse`] sets.
    fn outgoing<B>(&self, method: Method, headers: HeaderMap, body: B) -> Request<Upload>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut request = Request::new(Upload::new(body, self.limits.body_bytes, &self.ledger));
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        request
    }

    fn check_upload(&self, length: u64) -> Result<(), EgressError> {
        let limit = self.limits.body_bytes;
        if length > limit { Err(too_large("request", limit)) } else { Ok(()) }
    }

    /// One request, and the head of its answer.
    async fn exchange(
        &self,
        passage: &Passage,
        target: &Target,
        request: Request<Upload>,
    ) -> Result<Response<BoundedBody>, EgressError> {
        let exchange = async {
            let grants = granting(&self.grants, target, request.method()).map_err(EgressError::Denied)?;
            let addresses = connect::find(&self.resolver, &grants, target, &passage.place).await?;
            let wire = connect::open(&addresses, target, &self.tls, self.limits.timeout).await?;
            self.converse(passage, target, request, wire).await
        };
        tokio::select! {
            done = timeout_at(passage.deadline, exchange) => done.unwrap_or(Err(EgressError::TimedOut)),
            // Nobody waits for the rest of a run's answers when it is told to end.
            () = self.shutdown.stopped() => Err(EgressError::TimedOut),
        }
    }

    async fn converse(
        &self,
        passage: &Passage,
        target: &Target,
        mut request: Request<Upload>,
        wire: Box<dyn Wire>,
    ) -> Result<Response<BoundedBody>, EgressError> {
        let malformed = || EgressError::BadRequest("the url is malformed".into());
        let host = HeaderValue::try_from(target.authority()).map_err(|_| malformed())?;
        request.headers_mut().insert(header::HOST, host);
        *request.uri_mut() = target.path_and_query().parse().map_err(|_| malformed())?;
        let fault = request.body().fault();

        // A body in chunks of one byte takes six for each. What lies beyond can only be an endless row of
        // heads with status 1xx, or of zeros before a chunk's length.
        let most_bytes = self.limits.body_bytes.saturating_mul(6).saturating_add(4 * MOST_HEAD_BYTES as u64);
        let (reader, writer) = tokio::io::split(wire);
        let wire = TokioIo::new(tokio::io::join(reader.take(most_bytes), writer));
        let failed = |error: hyper::Error| match fault.get() {
            Some(fault) => fault.clone(),
            // The connection's task ends at the deadline too, and may do so a moment before the wait does.
            None if Instant::now() >= passage.deadline => EgressError::TimedOut,
            None if error.is_parse_too_large() => EgressError::TooLarge(format!(
                "the answer's head is larger than {MOST_HEAD_BYTES} bytes or {MOST_ANSWER_HEADERS} headers"
            )),
            None => EgressError::Failed(format!("`{}` gave no answer in HTTP: {error}", target.origin())),
        };
        let mut http = http1::Builder::new();
        http.max_buf_size(MOST_HEAD_BYTES).max_header_size(MOST_HEAD_BYTES).max_headers(MOST_ANSWER_HEADERS);
        let (mut sender, connection) = http.handshake(wire).await.map_err(failed)?;
        // The request's body must move although nobody may be reading the answer's. Ends with the set, which
        // the answer's body holds, or at the deadline; its errors reach whoever waits for the answer.
        let mut task = JoinSet::new();
        let deadline = passage.deadline;
        let shutdown = self.shutdown.clone();
        task.spawn(async move {
            tokio::select! { _ = timeout_at(deadline, connection) => {} () = shutdown.stopped() => {} }
        });
        let (mut head, incoming) = sender.send_request(request).await.map_err(failed)?.into_parts();

        let status = head.status.as_u16();
        if !(200..600).contains(&status) {
            return Err(EgressError::Failed(format!("`{}` answers with status {status}", target.origin())));
        }
        let limit = self.limits.body_bytes;
        if incoming.size_hint().lower() > limit {
            return Err(too_large("answer", limit));
        }
        OF_THE_CONNECTION.iter().for_each(|name| drop(head.headers.remove(*name)));
        let (ledger, place) = (Arc::clone(&self.ledger), Arc::clone(&passage.place));
        let body = BoundedBody::new(incoming, limit, deadline, fault, ledger, task, place);
        Ok(Response::from_parts(head, body))
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), EgressError> {
    if let Some(name) = OF_THE_CONNECTION.iter().find(|name| headers.contains_key(**name)) {
        return Err(EgressError::BadRequest(format!("the header `{name}` is the host's to set")));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > MOST_HEADERS || bytes > MOST_HEADER_BYTES {
        let words =
            format!("there are more than {MOST_HEADERS} headers or {MOST_HEADER_BYTES} bytes of them");
        return Err(EgressError::BadRequest(words));
    }
    Ok(())
}

/// The one `content-length`: RFC 9110, 8.6.
fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, EgressError> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (digits.and_then(|digits| digits.parse().ok()), values.next()) {
        (Some(length), None) => Ok(Some(length)),
        _ => Err(EgressError::BadRequest("the header `content-length` is no number".into())),
    }
}
