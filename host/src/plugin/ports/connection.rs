//! One connection: its requests, their way to the plugin and back.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Response, Version};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::base::Secret;

use super::PortConfig;
use super::listener::Shared;
use super::pace::{Content, GRACE, Outcome, Pace, Paced};
use super::refusal::Refusal;
use super::request::{Broken, Reply, Request};

/// Bytes of a request's or an answer's head, and its headers.
const HEAD_BYTES: usize = 16 << 10;
const HEAD_HEADERS: usize = 64;
/// How long a client may take to hear why its connection closes (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(1);
/// The first byte of TLS: a handshake record (RFC 8446 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Headers of the connection, not of the message (RFC 9110 7.6.1).
const OF_CONNECTION: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// One connection from its first byte to its last.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, peer: IpAddr) {
    // Answers go out in one piece or as the plugin writes them; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let pace = Pace::new(shared.config.limits.timeout);
    tokio::select! {
        () = pace.over() => {}
        () = async {
            let Some(tls) = shared.config.tls.clone() else {
                return talk(&shared, stream, peer, &pace).await;
            };
            let mut first = [0];
            if stream.peek(&mut first).await.is_ok_and(|bytes| bytes == 1 && first[0] != TLS_HANDSHAKE) {
                Outcome::new(&shared.counts).settle(Refusal::NotTls.count());
                tell(stream, &Refusal::NotTls.as_text()).await;
            } else if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                talk(&shared, stream, peer, &pace).await;
            }
        } => {}
    }
}

/// HTTP on a connection.
async fn talk<S>(shared: &Arc<Shared>, io: S, peer: IpAddr, pace: &Arc<Pace>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = service_fn(|request| {
        let (shared, pace) = (Arc::clone(shared), Arc::clone(pace));
        Box::pin(async move { Ok::<_, Infallible>(shared.answer(request, peer, pace).await) })
    });
    let mut connection = http1::Builder::new()
        .header_read_timeout(None) // `pace` sees to it, together with all the rest.
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_HEADERS)
        .serve_connection(TokioIo::new(Paced { io, pace: Arc::clone(pace) }), answer);
    let ended = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    if let Err(error) = &ended {
        // hyper has answered what is no HTTP itself; anything else is cut.
        if !error.is_parse() {
            return;
        }
        let mut outcome = Outcome::new(&shared.counts);
        outcome.settle(if error.is_parse_too_large() {
            |counts| &mut counts.too_large
        } else {
            |counts| &mut counts.malformed
        });
    }
    let _ = timeout(LINGER, linger(connection.into_parts().io.into_inner().io)).await;
}

impl Shared {
    /// The way of one request.
    async fn answer(
        self: Arc<Self>,
        request: http::Request<Incoming>,
        peer: IpAddr,
        pace: Arc<Pace>,
    ) -> Response<Content> {
        let until = pace.asked();
        let mut outcome = Outcome::new(&self.counts);
        // What of it is not read yet is on its way; refused, it is not waited for.
        let has_body = !request.body().is_end_stream();
        let content = |inner, left, until, outcome| Content {
            inner,
            left,
            end: Box::pin(sleep_until(until)),
            outcome: Some(outcome),
            pace,
        };
        match self.ask(request, peer, until).await {
            Ok(answer) => answer.map(|body| content(body, self.config.limits.body_bytes, until, outcome)),
            Err(refusal) => {
                outcome.settle(refusal.count());
                refusal.response(has_body).map(|text| {
                    let text = Full::new(text).map_err(|never| match never {}).boxed_unsync();
                    content(text, u64::MAX, until + GRACE, outcome)
                })
            }
        }
    }

    /// Checks a request, has the plugin answer it, and checks the answer.
    async fn ask(
        &self,
        request: http::Request<Incoming>,
        peer: IpAddr,
        until: Instant,
    ) -> Result<Response<UnsyncBoxBody<Bytes, Broken>>, Refusal> {
        let PortConfig { token, limits, name, .. } = &self.config;
        let (mut parts, body) = request.into_parts();
        well_formed(&parts)?;
        if !self.is_within_rate() {
            return Err(Refusal::OverRate);
        }
        if let Some(token) = token {
            let borne = parts.headers.remove(header::AUTHORIZATION);
            if !borne.is_some_and(|borne| bears(&borne, token)) {
                return Err(Refusal::DeniedToken);
            }
        }
        if body.size_hint().lower() > limits.body_bytes {
            return Err(Refusal::TooLarge);
        }
        let most_bytes = usize::try_from(limits.body_bytes).unwrap_or(usize::MAX);
        let body = match timeout_at(until, Limited::new(body, most_bytes).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(Refusal::TooLarge);
            }
            Ok(Err(_)) => return Err(Refusal::Malformed("the body is broken off or wrongly chunked")),
            Err(_) => return Err(Refusal::TooSlow),
        };
        for header in &OF_CONNECTION {
            parts.headers.remove(header);
        }
        // hyper's own are in there: the way to an upgrade.
        parts.extensions.clear();
        let (request, reply) = Request::new(http::Request::from_parts(parts, body), peer, Arc::clone(name));
        if !self.requests.offer(request) {
            return Err(Refusal::Busy);
        }
        match timeout_at(until, reply).await {
            Ok(Ok(Reply::Answered(answer))) => self.answerable(answer),
            Ok(Ok(Reply::TooLate)) | Err(_) => Err(Refusal::TooLate),
            Ok(Err(_)) => Err(Refusal::Failed),
        }
    }

    /// The plugin's answer as it may go out. Framing is hyper's: what a plugin says of its length is dropped,
    /// because a client that believes it could take one answer's end for the next one's beginning.
    fn answerable<B: Body>(&self, answer: Response<B>) -> Result<Response<B>, Refusal> {
        let (mut told, body) = answer.into_parts();
        for header in OF_CONNECTION.iter().chain([&header::CONTENT_LENGTH]) {
            told.headers.remove(header);
        }
        let head_bytes: usize =
            told.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        // 1xx is not an answer; 101 would be an upgrade.
        if told.status.is_informational()
            || head_bytes > HEAD_BYTES
            || body.size_hint().lower() > self.config.limits.body_bytes
        {
            return Err(Refusal::Failed);
        }
        let mut answer = Response::new(body);
        *answer.status_mut() = told.status;
        *answer.headers_mut() = told.headers;
        Ok(answer)
    }
}

/// What hyper lets pass and this port does not.
fn well_formed(request: &http::request::Parts) -> Result<(), Refusal> {
    let headers = &request.headers;
    if request.method == Method::CONNECT {
        return Err(Refusal::NotSpoken("this is no proxy"));
    }
    // hyper goes by the last coding and hands the others on undone.
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || codings.next().is_some()
    {
        return Err(Refusal::NotSpoken("the only transfer coding is chunked"));
    }
    // RFC 9112 3.2
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version == Version::HTTP_11) {
        return Err(Refusal::Malformed("a request has one `host` header"));
    }
    Ok(())
}

/// Whether an `authorization` header bears `token`. It takes as long for a wrong one however much of it is
/// right, so that it cannot be found out byte by byte; how long it is is no secret.
fn bears(header: &HeaderValue, token: &Secret) -> bool {
    let Some((scheme, borne)) = header.as_bytes().split_at_checked("bearer ".len()) else { return false };
    let (borne, token) = (borne.trim_ascii(), token.expose().as_bytes());
    let differ = borne.iter().zip(token).fold(0, |differ, (a, b)| std::hint::black_box(differ | (a ^ b)));
    scheme.eq_ignore_ascii_case(b"bearer ") && borne.len() == token.len() && differ == 0
}

/// Says `words` and closes; what the client says is not looked at.
pub(super) async fn tell(mut stream: TcpStream, words: &[u8]) {
    let _ = timeout(LINGER, async {
        if stream.write_all(words).await.is_ok() {
            linger(stream).await;
        }
    })
    .await;
}

/// Closes this side and waits for the other. Closed at once, unread bytes would make the kernel send a reset,
/// which can take the answer from the client before it was read (RFC 9112 9.6).
async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let mut unread = [0; 4096];
    if io.shutdown().await.is_ok() {
        while matches!(io.read(&mut unread).await, Ok(1..)) {}
    }
}
