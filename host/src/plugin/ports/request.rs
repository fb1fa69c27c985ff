//! Requests that wait for a plugin, and how it answers them.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::oneshot;

/// A request that passed every check and waits to be answered.
pub struct Request {
    /// As it came, its body whole. Without the headers that belong to the connection, and without
    /// `authorization` where the port has a token.
    pub head: http::Request<Bytes>,
    /// Who asks. An IPv4 address is one, however it came.
    pub peer: IpAddr,
    /// What the app calls the port.
    pub port: Arc<str>,
    /// Where the answer goes.
    pub answer: Answer,
}

/// Where a request's answer goes. Dropped, the client is told that the plugin failed (502).
pub struct Answer(oneshot::Sender<Reply>);

/// What became of a request.
pub(super) enum Reply {
    Answered(http::Response<UnsyncBoxBody<Bytes, Broken>>),
    TooLate,
}

/// The answer's body is at its end though it is not whole.
#[derive(Debug)]
pub(super) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is not whole")
    }
}

impl std::error::Error for Broken {}

impl Answer {
    /// Answers. The body may come later, in pieces; it is cut where it goes over the limit, fails, or is not
    /// at its end in time. How it is framed is the host's: `content-length` and the like are not heeded.
    pub fn send<B>(self, response: http::Response<B>)
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        self.reply(Reply::Answered(response.map(|body| body.map_err(|_| Broken).boxed_unsync())));
    }

    /// The plugin was stopped because it took too long (504).
    pub fn too_late(self) {
        self.reply(Reply::TooLate);
    }

    /// The plugin failed (502).
    pub fn failed(self) {}

    /// False once nobody waits for it any more: the client has left or the time is over.
    pub fn is_wanted(&self) -> bool {
        !self.0.is_closed()
    }

    fn reply(self, reply: Reply) {
        // Whoever is not there any more has no use for it.
        let _ = self.0.send(reply);
    }
}

impl Request {
    /// A request and where its reply will come.
    pub(super) fn new(
        head: http::Request<Bytes>,
        peer: IpAddr,
        port: Arc<str>,
    ) -> (Self, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        (Self { head, peer, port, answer: Answer(sender) }, receiver)
    }
}

/// The requests that wait for one plugin, from all its ports. Bounded: one for which there is no room is
/// refused (503) and counted as [`busy`](super::PortReport::busy).
pub struct Requests {
    waiting: Mutex<VecDeque<Request>>,
    most: usize,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Requests {
    /// Room for `most` requests. `wake` is called after one was put in, on a thread of the listener's and
    /// with nothing locked; it must not block.
    pub fn new(most: u32, wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Arc::new(Self { waiting: Mutex::default(), most, wake: Box::new(wake) })
    }

    /// The one that has waited longest and is still wanted; does not wait.
    pub fn take(&self) -> Option<Request> {
        let mut waiting = self.lock();
        std::iter::from_fn(|| waiting.pop_front()).find(|request| request.answer.is_wanted())
    }

    /// Puts one in; false where there is no room. Those that nobody wants any more take none.
    pub(super) fn offer(&self, request: Request) -> bool {
        let mut waiting = self.lock();
        if waiting.len() >= self.most {
            waiting.retain(|request| request.answer.is_wanted());
        }
        if waiting.len() >= self.most {
            return false;
        }
        waiting.push_back(request);
        drop(waiting);
        (self.wake)();
        true
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
