//! The time of one connection, and what is counted of its requests.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::PortReport;
use super::request::Broken;

/// How long after a request's time its refusal may take to go out.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// Until when a connection may go on as it does. One deadline covers head, queue, answer and its way out, so
/// that no slowness of either side adds to another.
pub(super) struct Pace {
    timeout: Duration,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    until: Instant,
    /// Of answers that are made and not yet out.
    told: Vec<Outcome>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// Nothing of a request has come; the deadline is that of being idle.
    Idle,
    /// A request has begun to come.
    Asked,
    /// Its answer is made and on its way out, still within the request's time.
    Told,
}

impl Pace {
    pub(super) fn new(timeout: Duration) -> Arc<Self> {
        let state = State { stage: Stage::Idle, until: Instant::now() + timeout, told: Vec::new() };
        Arc::new(Self { timeout, state: Mutex::new(state) })
    }

    /// A whole head has come: until when its answer must be out.
    pub(super) fn asked(&self) -> Instant {
        let mut state = self.lock();
        // The first byte has begun the time, unless it came together with the request before.
        if state.stage != Stage::Asked {
            self.begin(&mut state, Stage::Asked);
        }
        state.until
    }

    /// Returns when the time is over, however often it was begun anew meanwhile.
    pub(super) async fn over(&self) {
        loop {
            let end = self.lock().until + GRACE;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }

    fn read(&self) {
        let mut state = self.lock();
        if state.stage == Stage::Idle {
            self.begin(&mut state, Stage::Asked);
        }
    }

    fn told(&self, outcome: Option<Outcome>) {
        let mut state = self.lock();
        state.stage = Stage::Told;
        state.told.extend(outcome);
    }

    /// All that hyper had to write is out.
    fn flushed(&self) {
        let mut state = self.lock();
        for mut outcome in state.told.drain(..) {
            outcome.settle(|counts| &mut counts.answered);
        }
        if state.stage == Stage::Told {
            self.begin(&mut state, Stage::Idle);
        }
    }

    fn begin(&self, state: &mut State, stage: Stage) {
        state.stage = stage;
        state.until = Instant::now() + self.timeout;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that tells its [`Pace`] what happens on it.
pub(super) struct Paced<S> {
    pub(super) io: S,
    pub(super) pace: Arc<Pace>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.pace.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.pace.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// One of a report's numbers.
pub(super) type Count = fn(&mut PortReport) -> &mut u64;

pub(super) fn count(counts: &Mutex<PortReport>, which: Count) {
    *which(&mut counts.lock().unwrap_or_else(PoisonError::into_inner)) += 1;
}

/// Counts a request once, when all about it is dropped: as what was settled first, or as gone.
pub(super) struct Outcome {
    counts: Arc<Mutex<PortReport>>,
    settled: Option<Count>,
}

impl Outcome {
    pub(super) fn new(counts: &Arc<Mutex<PortReport>>) -> Self {
        count(counts, |counts| &mut counts.requests);
        Self { counts: Arc::clone(counts), settled: None }
    }

    pub(super) fn settle(&mut self, which: Count) {
        self.settled.get_or_insert(which);
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        count(&self.counts, self.settled.unwrap_or(|counts| &mut counts.gone));
    }
}

/// An answer's body on its way out, held to its size and its time. An error of it makes hyper close the
/// connection without the end of the message, so the client knows that it is not whole (RFC 9112 8).
pub(super) struct Content {
    pub(super) inner: UnsyncBoxBody<Bytes, Broken>,
    /// Bytes it may still bring.
    pub(super) left: u64,
    pub(super) end: Pin<Box<Sleep>>,
    /// Taken when it is dropped.
    pub(super) outcome: Option<Outcome>,
    pub(super) pace: Arc<Pace>,
}

impl Content {
    fn cut(&mut self, why: Count) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(outcome) = &mut self.outcome {
            outcome.settle(why);
        }
        Poll::Ready(Some(Err(Broken)))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if this.end.as_mut().poll(cx).is_ready() {
            return this.cut(|counts| &mut counts.too_late);
        }
        match ready!(Pin::new(&mut this.inner).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => match this.left.checked_sub(data.len() as u64) {
                Some(left) => {
                    this.left = left;
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                None => this.cut(|counts| &mut counts.failed),
            },
            Some(Err(Broken)) => this.cut(|counts| &mut counts.failed),
            // Trailers are the end of a body too; they are not sent on.
            None | Some(Ok(Err(_))) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        // Counted once it is out: of one that was cut, hyper flushes nothing any more.
        self.pace.told(self.outcome.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_request_begins_once_and_that_of_being_idle_after_its_answer() {
        let pace = Pace::new(Duration::from_secs(30));
        let begins = |is: fn(&Pace)| {
            let before = pace.lock().until;
            std::thread::sleep(Duration::from_millis(1));
            is(&pace);
            pace.lock().until > before
        };
        let asked = |pace: &Pace| {
            pace.asked();
        };
        for _ in 0..2 {
            assert!(!begins(Pace::flushed), "idle is not longer for nothing");
            assert!(begins(Pace::read), "a first byte");
            assert!(
                !begins(Pace::read) && !begins(asked) && !begins(Pace::flushed),
                "the rest of the request"
            );
            assert!(!begins(|pace| pace.told(None)) && !begins(Pace::read), "its answer");
            assert!(begins(Pace::flushed), "idle again");
        }
        pace.told(None);
        assert!(begins(asked), "one that came together with the one before");
    }
}
