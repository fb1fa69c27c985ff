//! Bodies that end at their limit.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{EgressError, EgressReport};

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// What [`EgressReport`] reports, while it is counted.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) requests: AtomicU64,
    denials: AtomicU64,
    busy: AtomicU64,
    too_large: AtomicU64,
    timed_out: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    pub(super) most_concurrent: AtomicU64,
    pub(super) most_a_second: AtomicU64,
    pub(super) busy_concurrent: AtomicU64,
    largest_body: AtomicU64,
    longest_ms: AtomicU64,
}

impl Ledger {
    /// To be called once for a request that failed.
    pub(super) fn failed(&self, error: &EgressError) {
        let counter = match error {
            EgressError::Denied(_) => &self.denials,
            EgressError::Busy => &self.busy,
            EgressError::TooLarge(_) => &self.too_large,
            EgressError::TimedOut => &self.timed_out,
            EgressError::BadRequest(_) | EgressError::Failed(_) => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// To be called once for a request that came to its answer or its error.
    pub(super) fn took(&self, time: Duration) {
        self.longest_ms.fetch_max(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn report(&self) -> EgressReport {
        EgressReport {
            requests: self.requests.load(Relaxed),
            denials: self.denials.load(Relaxed),
            busy: self.busy.load(Relaxed),
            too_large: self.too_large.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            most_concurrent: self.most_concurrent.load(Relaxed),
            most_a_second: self.most_a_second.load(Relaxed),
            busy_concurrent: self.busy_concurrent.load(Relaxed),
            largest_body: self.largest_body.load(Relaxed),
            longest_ms: self.longest_ms.load(Relaxed),
        }
    }
}

/// A body over its limit: `whose` is `request` or `answer`.
pub(super) fn too_large(whose: &str, limit: u64) -> EgressError {
    EgressError::TooLarge(format!(
        "the {whose}'s body is larger than {limit} bytes; the limit is `http_bytes`"
    ))
}

/// A request's body on its way out.
pub(super) struct Upload {
    body: UnsyncBoxBody<Bytes, BoxError>,
    limit: u64,
    left: u64,
    ledger: Arc<Ledger>,
    /// Why it ended early: hyper says so only to whoever happens to wait.
    fault: Arc<OnceLock<EgressError>>,
}

impl Upload {
    pub(super) fn new<B>(body: B, limit: u64, ledger: &Arc<Ledger>) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let body = body.map_err(Into::into).boxed_unsync();
        Self { body, limit, left: limit, ledger: Arc::clone(ledger), fault: Arc::default() }
    }

    pub(super) fn fault(&self) -> Arc<OnceLock<EgressError>> {
        Arc::clone(&self.fault)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let fault = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                if let Some(left) = self.left.checked_sub(length) {
                    self.left = left;
                    self.ledger.sent_bytes.fetch_add(length, Relaxed);
                    self.ledger.largest_body.fetch_max(self.limit - left, Relaxed);
                    return Poll::Ready(Some(Ok(frame)));
                }
                too_large("request", self.limit)
            }
            Some(Err(_)) => EgressError::Failed("the request's body broke off".into()),
        };
        Poll::Ready(Some(Err(self.fault.get_or_init(|| fault).clone().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body: ends with an error at its limit in bytes or in time, and then reads nothing more. Holds
/// its request's place among `concurrent`; dropping it closes the connection.
#[derive(Debug)]
pub struct BoundedBody {
    /// None after an error.
    incoming: Option<Incoming>,
    limit: u64,
    left: u64,
    deadline: Instant,
    fault: Arc<OnceLock<EgressError>>,
    ledger: Arc<Ledger>,
    connection: JoinSet<()>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl BoundedBody {
    pub(super) fn new(
        incoming: Incoming,
        limit: u64,
        deadline: Instant,
        fault: Arc<OnceLock<EgressError>>,
        ledger: Arc<Ledger>,
        connection: JoinSet<()>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            incoming: Some(incoming),
            limit,
            left: limit,
            deadline,
            fault,
            ledger,
            connection,
            _place: place,
        }
    }
}

impl Body for BoundedBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        let error = match ready!(Pin::new(incoming).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                if let Some(left) = this.left.checked_sub(length) {
                    this.left = left;
                    this.ledger.received_bytes.fetch_add(length, Relaxed);
                    this.ledger.largest_body.fetch_max(this.limit - left, Relaxed);
                    return Poll::Ready(Some(Ok(frame)));
                }
                too_large("answer", this.limit)
            }
            // The connection's task ends at the deadline, and hyper says only that it has ended.
            Some(Err(_)) if Instant::now() >= this.deadline => EgressError::TimedOut,
            Some(Err(error)) => {
                let broke_off = || EgressError::Failed(format!("the answer broke off: {error}"));
                this.fault.get().cloned().unwrap_or_else(broke_off)
            }
        };
        this.incoming = None;
        this.connection.abort_all();
        this.ledger.failed(&error);
        Poll::Ready(Some(Err(error)))
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
