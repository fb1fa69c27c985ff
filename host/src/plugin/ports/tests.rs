//! What a port promises, tried with plain sockets.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use ipnet::IpNet;

use super::listener::judge;
use super::*;
use crate::base::{Clock, Kind};

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});
/// Below those that the kernel gives to clients, and not the same for two runs at a time.
static PORTS: LazyLock<Arc<Ports>> =
    LazyLock::new(|| Ports::new(20000 + (std::process::id() % 90) as u16 * 100..=29999));
static OPENING: Mutex<()> = Mutex::new(());

/// So long that only a broken test waits for it.
const LONG: Duration = Duration::from_secs(30);
/// So short that a test can wait for it.
const SHORT: Duration = Duration::from_millis(300);

/// An open port and the plugin's side of it.
struct Open {
    listener: Listener,
    requests: Arc<Requests>,
    woken: mpsc::Receiver<()>,
}

fn config() -> PortConfig {
    PortConfig {
        app: "gate".into(),
        plugin: "counter".into(),
        name: "status".into(),
        host_port: 0,
        from: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        token: None,
        tls: None,
        limits: PortLimits { requests: 10000, connections: 32, body_bytes: 1 << 20, timeout: LONG },
    }
}

fn try_open(config: PortConfig) -> Result<Open, crate::base::Error> {
    let (wake, woken) = mpsc::channel();
    let requests = Requests::new(2, move || wake.send(()).unwrap_or_default());
    let listener = Listener::open(&PORTS, config, Arc::clone(&requests), RUNTIME.handle(), Clock::system())?;
    Ok(Open { listener, requests, woken })
}

fn opening() -> MutexGuard<'static, ()> {
    OPENING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port on a free number.
fn open(change: impl FnOnce(&mut PortConfig)) -> Open {
    let _turn = opening();
    let mut config = config();
    change(&mut config);
    loop {
        config.host_port = PORTS.first_free(&[]).unwrap();
        match try_open(config.clone()) {
            Ok(open) => return open,
            // Another program was quicker.
            Err(error) => assert!(error.message().contains("another program"), "{error}"),
        }
    }
}

impl Open {
    /// Waits for a request.
    fn take(&self) -> Request {
        loop {
            self.woken.recv_timeout(LONG).expect("a request");
            if let Some(request) = self.requests.take() {
                return request;
            }
        }
    }

    /// Nothing has come to the plugin.
    fn assert_untouched(&self) {
        assert!(self.requests.take().is_none());
        assert!(self.woken.try_recv().is_err());
    }

    fn client(&self) -> Client {
        Client::connect(self.listener.addr())
    }

    /// Answers all that comes with `answer`, on a thread of its own.
    fn answering(
        change: impl FnOnce(&mut PortConfig),
        answer: impl Fn(Request) + Send + 'static,
    ) -> (Listener, SocketAddr) {
        let Open { listener, requests, woken } = open(change);
        let requests = Arc::downgrade(&requests);
        std::thread::spawn(move || {
            while woken.recv().is_ok() {
                while let Some(request) = requests.upgrade().and_then(|requests| requests.take()) {
                    answer(request);
                }
            }
        });
        let addr = listener.addr();
        (listener, addr)
    }

    /// Waits until the report is as it should be; what is counted may come after what is seen.
    fn settles(&self, when: impl Fn(&PortReport) -> bool) {
        settles(&self.listener, when);
    }
}

fn settles(listener: &Listener, when: impl Fn(&PortReport) -> bool) {
    eventually(|| when(&listener.report()), || format!("{:?}", listener.report()));
    let report = listener.report();
    let ended = report.answered
        + report.malformed
        + report.over_rate
        + report.denied_token
        + report.too_large
        + report.busy
        + report.too_late
        + report.failed
        + report.gone;
    assert_eq!(report.requests, ended, "{report:?}");
}

fn eventually(is: impl Fn() -> bool, what: impl Fn() -> String) {
    for _ in 0..3000 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{}", what());
}

/// An answer as the client has it.
#[derive(Debug)]
struct Told {
    status: u16,
    /// In lower case.
    head: String,
    body: Vec<u8>,
    /// The body came to its end.
    whole: bool,
}

struct Client<S = TcpStream>(S);

impl Client {
    fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Self(stream)
    }
}

impl<S: Read + Write> Client<S> {
    fn say(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.0.write_all(text.as_ref()).unwrap();
        self
    }

    fn get(&mut self) -> Told {
        self.say("GET / HTTP/1.1\r\nHost: here\r\n\r\n").told()
    }

    /// The next answer.
    fn told(&mut self) -> Told {
        self.told_to("GET")
    }

    fn told_to(&mut self, method: &str) -> Told {
        let head = self.line_end(b"\r\n\r\n").to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no HTTP: {head:?}"));
        let mut told = Told { status, head, body: Vec::new(), whole: true };
        if method == "HEAD" || matches!(status, 100..200 | 204 | 304) {
        } else if let Some(bytes) = told.header("content-length") {
            told.body = self.bytes(bytes.parse().unwrap());
            told.whole = told.body.len().to_string() == bytes;
        } else if told.header("transfer-encoding").as_deref() == Some("chunked") {
            told.whole = self.chunks(|chunk| told.body.extend(chunk));
        } else {
            self.0.read_to_end(&mut told.body).unwrap();
        }
        told
    }

    /// Whether they came to their end.
    fn chunks(&mut self, mut each: impl FnMut(Vec<u8>)) -> bool {
        while let Some(chunk) = self.chunk() {
            if chunk.is_empty() {
                return true;
            }
            each(chunk);
        }
        false
    }

    fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line_end(b"\r\n");
        let bytes = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = self.bytes(bytes + 2);
        (chunk.len() == bytes + 2).then(|| {
            chunk.truncate(bytes);
            chunk
        })
    }

    fn line_end(&mut self, end: &[u8]) -> String {
        let mut line = Vec::new();
        while !line.ends_with(end) {
            match self.bytes(1)[..] {
                [byte] => line.push(byte),
                _ => break,
            }
        }
        String::from_utf8(line).unwrap()
    }

    /// So many, or fewer where the connection ends before.
    fn bytes(&mut self, many: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        match (&mut self.0).take(many as u64).read_to_end(&mut bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing comes"),
            _ => bytes,
        }
    }

    /// Nothing more comes: the host has closed the connection.
    fn assert_closed(&mut self) {
        let rest = self.bytes(1000);
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

impl Told {
    fn header(&self, name: &str) -> Option<String> {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }
}

fn said(text: &str) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())))
}

/// Answers with what the plugin sees of the request's body.
fn echo(request: Request) {
    let body = request.head.body().clone();
    request.answer.send(Response::new(Full::new(body)));
}

/// A body that comes as the test sends it; `Err` fails it.
struct Pieces(tokio::sync::mpsc::UnboundedReceiver<Result<Bytes, std::io::Error>>);

type Pen = tokio::sync::mpsc::UnboundedSender<Result<Bytes, std::io::Error>>;

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

fn pieces() -> (Pen, Response<Pieces>) {
    let (pen, pieces) = tokio::sync::mpsc::unbounded_channel();
    (pen, Response::new(Pieces(pieces)))
}

// Who may connect.

#[test]
fn a_refused_address_is_told_so_before_a_byte_of_it_is_read() {
    let port = open(|config| config.from = vec!["10.0.0.0/8".parse().unwrap()]);
    let addr = SocketAddr::new([127, 0, 0, 1].into(), port.listener.addr().port());
    let mut silent = Client::connect(addr);
    let told = silent.told();
    assert_eq!((told.status, &told.body[..]), (403, &b"this port is not for your address\n"[..]));
    silent.assert_closed();
    let mut loud = Client::connect(addr);
    loud.say("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    assert_eq!(loud.told().status, 403);
    port.assert_untouched();
    port.settles(|report| report.denied_address == 2 && report.requests == 0);
}

#[test]
fn a_port_for_this_machine_is_not_open_to_others() {
    let port = open(|_| {});
    assert!(port.listener.addr().ip().is_loopback());
    let loopback = |from: &[&str]| {
        let port = open(|config| config.from = from.iter().map(|net| net.parse().unwrap()).collect());
        port.listener.addr().ip().is_loopback()
    };
    assert!(loopback(&["127.0.0.1/32"]));
    assert!(loopback(&["::1/128"]));
    for wide in ["192.168.1.0/24", "127.0.0.0/7", "0.0.0.0/0", "::1/127", "::/0"] {
        assert!(!loopback(&["127.0.0.0/8", wide]), "{wide}");
    }
}

#[test]
fn an_ipv4_peer_in_ipv6_clothes_is_judged_as_ipv4() {
    let from: Vec<IpNet> = vec!["192.168.1.0/24".parse().unwrap()];
    let peer = |ip: &str| judge(ip.parse().unwrap(), &from);
    assert_eq!(peer("::ffff:192.168.1.7"), (IpAddr::from([192, 168, 1, 7]), true));
    assert!(peer("192.168.1.7").1);
    assert!(!peer("::ffff:192.168.2.7").1);
    assert!(!peer("::192.168.1.7").1);
    let all_v6: Vec<IpNet> = vec!["::/0".parse().unwrap()];
    assert!(!judge("::ffff:192.168.1.7".parse().unwrap(), &all_v6).1);
}

#[test]
fn ipv6_loopback_is_served_where_there_is_ipv6() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let (listener, addr) = Open::answering(
        |_| {},
        |request| {
            let peer = request.peer.to_string();
            request.answer.send(said(&peer));
        },
    );
    let mut client = Client::connect(SocketAddr::new("::1".parse().unwrap(), addr.port()));
    assert_eq!(client.get().body, b"::1");
    // Open to all, it is so beside IPv4.
    let wide = open(|config| config.from = vec!["10.0.0.0/8".parse().unwrap()]);
    let told = Client::connect(SocketAddr::new("::1".parse().unwrap(), wide.listener.addr().port())).told();
    assert_eq!(told.status, 403);
    drop(listener);
}

#[test]
fn a_connection_over_the_limit_is_told_so_and_closed() {
    let port = open(|config| config.limits.connections = 1);
    let mut first = port.client();
    first.say("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    let request = port.take();
    let mut second = port.client();
    let told = second.told();
    assert_eq!((told.status, told.header("retry-after").as_deref()), (503, Some("1")));
    second.assert_closed();
    assert_eq!(port.listener.report().over_connections, 1);
    // The first has its place, and leaves it.
    request.answer.send(said("yes"));
    assert_eq!(first.told().body, b"yes");
    drop(first);
    eventually(
        || {
            let mut third = port.client();
            let _ = third.0.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n");
            while port.woken.recv_timeout(Duration::from_millis(100)).is_ok() {
                if let Some(request) = port.requests.take() {
                    request.answer.send(said("yes"));
                }
            }
            third.told().status == 200
        },
        || "no place was left".to_owned(),
    );
}

// Tokens.

#[test]
fn a_token_is_asked_for_and_not_shown_to_the_plugin() {
    let (listener, addr) = Open::answering(
        |config| config.token = Some(Secret::new("s3cret")),
        |request| {
            let shown = format!("{:?}", request.head);
            request.answer.send(said(&shown));
        },
    );
    let ask = |headers: &str| {
        Client::connect(addr).say(format!("GET / HTTP/1.1\r\nHost: here\r\n{headers}\r\n")).told()
    };
    let wrong = [
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer s3cre\r\n",
        "Authorization: Bearer s3cret1\r\n",
        "Authorization: Bearer S3cret\r\n",
        "Authorization: Bearer x3cret\r\n",
        "Authorization: Bearer s3crex\r\n",
        "Authorization: Basic s3cret\r\n",
        "Authorization: Digest s3cret\r\n",
        "Authorization: Bearer:s3cret\r\n",
        "Authorization: s3cret\r\n",
        "Authorization: Bearer x\r\nAuthorization: Bearer s3cret\r\n",
        "X-Authorization: Bearer s3cret\r\n",
    ];
    for headers in wrong {
        let told = ask(headers);
        assert_eq!(
            (told.status, told.header("www-authenticate").as_deref()),
            (401, Some("bearer")),
            "{headers}"
        );
    }
    for headers in [
        "Authorization: Bearer s3cret\r\n",
        "authorization: bearer   s3cret\r\n",
        "Authorization: Bearer s3cret\r\nAuthorization: Bearer other\r\n",
    ] {
        let told = ask(headers);
        let shown = String::from_utf8(told.body).unwrap().to_lowercase();
        assert_eq!(told.status, 200, "{headers}");
        assert!(!shown.contains("authorization") && !shown.contains("s3cret"), "{shown}");
    }
    settles(&listener, |report| report.denied_token == wrong.len() as u64 && report.answered == 3);
}

#[test]
fn an_empty_token_fits_nothing() {
    let port = open(|config| config.token = Some(Secret::new("")));
    let mut client = port.client();
    assert_eq!(client.say("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \r\n\r\n").told().status, 401);
    port.assert_untouched();
}

#[test]
fn without_a_token_the_authorization_is_the_plugins_to_judge() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: here\r\nAuthorization: Basic YTpi\r\n\r\n");
    assert_eq!(port.take().head.headers()["authorization"], "Basic YTpi");
}

// What may be asked.

#[test]
fn a_request_comes_to_the_plugin_whole() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("POST /a/b?c=d HTTP/1.1\r\nHost: here\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello");
    let request = port.take();
    assert_eq!((request.head.method().as_str(), request.head.uri().to_string()), ("POST", "/a/b?c=d".into()));
    assert_eq!(
        (request.head.headers()["x-one"].as_bytes(), &request.head.body()[..]),
        (&b"1"[..], &b"hello"[..])
    );
    assert_eq!((request.peer, &*request.port), (IpAddr::from([127, 0, 0, 1]), "status"));
    let mut answer = said("done");
    *answer.status_mut() = http::StatusCode::ACCEPTED;
    answer.headers_mut().insert("x-two", http::HeaderValue::from_static("2"));
    request.answer.send(answer);
    let told = client.told();
    assert_eq!(
        (told.status, told.header("x-two").as_deref(), &told.body[..]),
        (202, Some("2"), &b"done"[..])
    );
    port.settles(|report| report.answered == 1);
}

#[test]
fn a_body_is_held_to_its_limit_however_it_is_sent() {
    let (listener, addr) = Open::answering(|config| config.limits.body_bytes = 10, echo);
    let head = "POST / HTTP/1.1\r\nHost: here\r\n";
    let ask = |rest: &str| Client::connect(addr).say(format!("{head}{rest}")).told();
    assert_eq!(ask("Content-Length: 10\r\n\r\n0123456789").body, b"0123456789");
    assert_eq!(
        ask("Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n").body,
        b"0123456789"
    );
    // Announced: refused before any of it is sent, and not asked for.
    let told = ask("Content-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!((told.status, told.header("connection").as_deref()), (413, Some("close")));
    // Not announced: refused when it is crossed, though more could come.
    assert_eq!(ask("Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n567890\r\n").status, 413);
    assert_eq!(ask("Transfer-Encoding: chunked\r\n\r\nffffffff\r\n01234567890").status, 413);
    settles(&listener, |report| report.too_large == 3 && report.answered == 2);
}

#[test]
fn a_refused_body_that_is_on_its_way_does_not_cost_the_client_its_answer() {
    let port = open(|config| config.limits.body_bytes = 10);
    let mut client = port.client();
    let bytes = 64 << 10;
    let head = format!("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: {bytes}\r\n\r\n");
    client.say([head.into_bytes(), vec![0; bytes]].concat());
    assert_eq!(client.told().status, 413);
    // An end and not a reset, which on some machines takes what was not read yet with it.
    assert_eq!(client.0.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_body_shorter_than_announced_never_comes_to_the_plugin() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n01234");
    client.0.shutdown(Shutdown::Write).unwrap();
    client.0.read_to_end(&mut Vec::new()).unwrap();
    port.assert_untouched();
    port.settles(|report| report.requests == 1 && report.answered == 0);
}

#[test]
fn a_body_longer_than_announced_is_not_part_of_it() {
    let (listener, addr) = Open::answering(|_| {}, echo);
    let mut client = Client::connect(addr);
    client.say("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n01234\0not HTTP\r\n\r\n");
    assert_eq!(client.told().body, b"01234");
    assert_eq!(client.told().status, 400);
    client.assert_closed();
    settles(&listener, |report| report.answered == 1 && report.malformed == 1);
}

#[test]
fn a_head_is_held_to_its_limits() {
    let port = open(|_| {});
    let ask = |headers: String| {
        let mut client = port.client();
        // The answer may come before all of it is sent.
        let _ = client.0.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes());
        client
    };
    assert_eq!(ask("a: b\r\n".repeat(64)).told().status, 431);
    assert_eq!(ask(format!("a: {}\r\n", "b".repeat(17 << 10))).told().status, 431);
    assert_eq!(ask(format!("a: {}\r\n", "b".repeat(17 << 10)).repeat(20)).told().status, 431);
    port.assert_untouched();
    port.settles(|report| report.too_large == 3);
    let _allowed = ask("a: b\r\n".repeat(63));
    assert_eq!(port.take().head.headers().len(), 64);
}

#[test]
fn requests_over_the_rate_are_told_to_come_later() {
    let (listener, addr) = Open::answering(|config| config.limits.requests = 1, echo);
    let mut client = Client::connect(addr);
    // Twenty in one go; even a machine that takes ten seconds for them refuses some.
    client.say("GET / HTTP/1.1\r\nHost: here\r\n\r\n".repeat(20));
    let told: Vec<_> = (0..20).map(|_| client.told()).collect();
    assert_eq!(told[0].status, 200);
    let late: Vec<_> = told.iter().filter(|told| told.status == 429).collect();
    assert!(!late.is_empty() && late.iter().all(|told| told.header("retry-after").as_deref() == Some("1")));
    settles(&listener, |report| report.over_rate == late.len() as u64);
}

#[test]
fn a_wrong_token_is_guessed_no_faster_than_the_rate() {
    let port = open(|config| {
        config.token = Some(Secret::new("s3cret"));
        config.limits.requests = 1;
    });
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n".repeat(20));
    assert!((0..20).any(|_| client.told().status == 429));
}

// Smuggling and what is not spoken.

#[test]
fn with_two_lengths_the_chunks_count_and_nothing_is_smuggled() {
    for lengths in [
        "Content-Length: 100\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let port = open(|_| {});
        let mut client = port.client();
        client.say(format!("POST /one HTTP/1.1\r\nHost: here\r\n{lengths}\r\n5\r\n01234\r\n0\r\n\r\n"));
        client.say("GET /smuggled HTTP/1.1\r\nHost: here\r\n\r\n");
        let request = port.take();
        assert_eq!((request.head.uri().path(), &request.head.body()[..]), ("/one", &b"01234"[..]));
        assert!(!request.head.headers().contains_key("content-length"));
        assert!(!request.head.headers().contains_key("transfer-encoding"));
        request.answer.send(said("yes"));
        assert_eq!(client.told().body, b"yes");
        // RFC 9112 6.1: such a connection is closed after the answer.
        client.assert_closed();
        port.assert_untouched();
    }
}

#[test]
fn a_request_of_two_meanings_is_refused() {
    let port = open(|_| {});
    for (status, headers) in [
        (400, "Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n"),
        (400, "Host: a\r\nContent-Length: 5, 6\r\n"),
        (400, "Host: a\r\nContent-Length: +5\r\n"),
        (400, "Host: a\r\nContent-Length: -1\r\n"),
        (400, "Host: a\r\nContent-Length: 0x5\r\n"),
        (400, "Host: a\r\nContent-Length: 99999999999999999999999\r\n"),
        (400, "Host: a\r\nTransfer-Encoding: gzip\r\n"),
        (400, "Host: a\r\nTransfer-Encoding: chunked, identity\r\n"),
        (400, "Host: a\r\nTransfer-Encoding: xchunked\r\n"),
        (501, "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n"),
        (501, "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        (400, "Host: a\r\nTransfer-Encoding : chunked\r\n"),
        (400, "Host: a\r\n Transfer-Encoding: chunked\r\n"),
        (400, "Host: a\r\nX: a\0b\r\n"),
        (400, "Host: a\r\nHost: b\r\n"),
        (400, "X: no host\r\n"),
    ] {
        let mut client = port.client();
        client.say(format!("POST / HTTP/1.1\r\n{headers}\r\n0\r\n\r\n"));
        assert_eq!(client.told().status, status, "{headers}");
    }
    for (bytes, what) in [
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "chunks in HTTP/1.0"),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", "a version to come"),
        ("GET /\r\n\r\n", "HTTP/0.9"),
        ("\x16\x03\x01\x02\0\x01\0\x01\x7c\x03\x03", "TLS"),
    ] {
        assert_eq!(port.client().say(bytes).told().status, 400, "{what}");
    }
    // HTTP/2 without being asked: closed without an answer it would understand.
    port.client().say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").assert_closed();
    port.assert_untouched();
    port.settles(|report| report.malformed == 21 && report.requests == 21);
}

#[test]
fn a_wrong_chunk_ends_the_connection() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    let _ = client.0.read_to_end(&mut Vec::new());
    port.assert_untouched();
    port.settles(|report| report.requests == 1 && report.answered == 0);
}

#[test]
fn a_port_is_no_proxy_and_nothing_else_than_http() {
    let port = open(|_| {});
    let mut proxy = port.client();
    proxy.say("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    assert_eq!(proxy.told().status, 501);
    proxy.assert_closed();
    port.assert_untouched();
    // An upgrade is not heeded (RFC 9110 7.8), the plugin does not see it and cannot agree to it.
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n\
                   Keep-Alive: 5\r\nTE: trailers\r\nTrailer: x\r\nProxy-Connection: keep-alive\r\n\r\n";
    let mut client = port.client();
    client.say(upgrade);
    let request = port.take();
    let seen: Vec<_> = request.head.headers().keys().map(|name| name.as_str()).collect();
    assert_eq!(seen, ["host"]);
    request.answer.send(said("plain"));
    assert_eq!(client.told().body, b"plain");
    client.say(upgrade);
    let mut agreed = said("");
    *agreed.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
    port.take().answer.send(agreed);
    assert_eq!(client.told().status, 502);
    port.settles(|report| report.failed == 1 && report.malformed == 1);
}

#[test]
fn http_1_0_is_served_and_closed() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("GET / HTTP/1.0\r\n\r\n");
    let (pen, answer) = pieces();
    pen.send(Ok("old".into())).unwrap();
    drop(pen);
    port.take().answer.send(answer);
    let told = client.told();
    assert_eq!((told.status, &told.body[..], told.header("transfer-encoding")), (200, &b"old"[..], None));
}

// Time.

#[test]
fn a_head_that_trickles_is_cut_at_the_time_limit() {
    let port = open(|config| config.limits.timeout = SHORT);
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    trickle(&mut client, "a");
    port.assert_untouched();
}

/// Says `bytes` again and again until the host has closed the connection.
fn trickle(client: &mut Client, bytes: &str) {
    for _ in 0..600 {
        std::thread::sleep(Duration::from_millis(50));
        if client.0.write_all(bytes.as_bytes()).is_err() {
            return;
        }
    }
    panic!("it was never cut");
}

#[test]
fn a_body_that_trickles_is_refused_at_the_time_limit() {
    let port = open(|config| config.limits.timeout = SHORT);
    let mut client = port.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    let mut slow = Client(client.0.try_clone().unwrap());
    let slow = std::thread::spawn(move || trickle(&mut slow, "a"));
    assert_eq!(client.told().status, 408);
    slow.join().unwrap();
    port.assert_untouched();
    port.settles(|report| report.gone == 1);
}

#[test]
fn an_idle_connection_is_closed() {
    let (_listener, addr) = Open::answering(|config| config.limits.timeout = SHORT, echo);
    Client::connect(addr).assert_closed();
    let mut client = Client::connect(addr);
    assert_eq!(client.get().status, 200);
    client.assert_closed();
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let (listener, addr) = Open::answering(|_| {}, echo);
    let mut client = Client::connect(addr);
    for _ in 0..3 {
        assert_eq!(client.get().status, 200);
    }
    client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(client.told().status, 200);
    client.assert_closed();
    settles(&listener, |report| report.answered == 4);
}

#[test]
fn a_connection_may_serve_longer_than_the_time_of_one_request() {
    let timeout = Duration::from_secs(2);
    let (_listener, addr) = Open::answering(move |config| config.limits.timeout = timeout, echo);
    let mut client = Client::connect(addr);
    // More than the timeout and its grace together.
    for _ in 0..16 {
        assert_eq!(client.get().status, 200);
        std::thread::sleep(timeout / 8);
    }
}

// The queue and the plugin.

#[test]
fn a_full_queue_is_told_to_the_client() {
    let port = open(|_| {});
    let mut waiting: Vec<_> = (0..2).map(|_| port.client()).collect();
    for client in &mut waiting {
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        port.woken.recv_timeout(LONG).unwrap();
    }
    let mut third = port.client();
    let told = third.get();
    assert_eq!((told.status, told.header("retry-after").as_deref()), (503, Some("1")));
    eventually(|| port.listener.report().busy == 1, || format!("{:?}", port.listener.report()));
    // Its connection is not to blame: with room it is served.
    port.requests.take().unwrap().answer.send(said("one"));
    assert_eq!(waiting[0].told().body, b"one");
    third.say("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    port.woken.recv_timeout(LONG).unwrap();
    port.requests.take().unwrap().answer.send(said("two"));
    assert_eq!(waiting[1].told().body, b"two");
    assert_eq!(port.requests.take().unwrap().head.uri().path(), "/later");
}

#[test]
fn who_has_left_takes_no_room_in_the_queue() {
    let port = open(|_| {});
    for _ in 0..2 {
        let mut client = port.client();
        client.say("GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
        port.woken.recv_timeout(LONG).unwrap();
    }
    port.settles(|report| report.gone == 2);
    let mut client = port.client();
    client.say("GET /here HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(port.take().head.uri().path(), "/here");
}

#[test]
fn a_request_that_nobody_waits_for_is_not_given_to_the_plugin() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
    port.woken.recv_timeout(LONG).unwrap();
    drop(client);
    port.settles(|report| report.gone == 1);
    assert!(port.requests.take().is_none());
}

#[test]
fn a_client_that_leaves_is_noticed_while_the_plugin_works() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = port.take();
    assert!(request.answer.is_wanted());
    drop(client);
    eventually(|| !request.answer.is_wanted(), || "it is still wanted".to_owned());
    request.answer.send(said("to nobody"));
    port.settles(|report| report.gone == 1 && report.answered == 0);
}

#[test]
fn an_answer_that_does_not_come_in_time_is_a_504() {
    let port = open(|config| config.limits.timeout = SHORT);
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = port.take();
    assert_eq!(client.told().status, 504);
    assert!(!request.answer.is_wanted());
    port.settles(|report| report.too_late == 1);
}

#[test]
fn a_plugin_stopped_at_its_deadline_is_a_504_and_a_failed_one_a_502() {
    let port = open(|_| {});
    let mut client = port.client();
    let mut status = |end: fn(Answer)| {
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        end(port.take().answer);
        client.told().status
    };
    assert_eq!(status(Answer::too_late), 504);
    assert_eq!(status(Answer::failed), 502);
    assert_eq!(status(drop), 502);
    port.settles(|report| report.too_late == 1 && report.failed == 2);
}

// Answers.

#[test]
fn an_answer_goes_out_as_it_is_written() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (pen, answer) = pieces();
    port.take().answer.send(answer);
    let head = client.line_end(b"\r\n\r\n");
    assert!(head.contains("chunked"), "{head}");
    for piece in ["one", "two"] {
        pen.send(Ok(piece.into())).unwrap();
        assert_eq!(client.chunk().unwrap(), piece.as_bytes());
    }
    drop(pen);
    assert!(client.chunk().unwrap().is_empty());
    assert!(client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").0.peer_addr().is_ok());
    port.take().answer.send(said("next"));
    assert_eq!(client.told().body, b"next");
    port.settles(|report| report.answered == 2);
}

#[test]
fn an_answer_that_grows_over_the_limit_is_cut() {
    let port = open(|config| config.limits.body_bytes = 10);
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (pen, answer) = pieces();
    port.take().answer.send(answer);
    pen.send(Ok("0123456789".into())).unwrap();
    client.line_end(b"\r\n\r\n");
    assert_eq!(client.chunk().unwrap(), b"0123456789");
    pen.send(Ok("0".into())).unwrap();
    assert_eq!(client.chunk(), None);
    client.assert_closed();
    port.settles(|report| report.failed == 1);
    assert!(pen.is_closed());
}

#[test]
fn an_answer_known_to_be_too_large_is_a_502() {
    let (listener, addr) = Open::answering(
        |config| config.limits.body_bytes = 10,
        |request| match request.head.uri().path() {
            "/body" => request.answer.send(said("0123456789a")),
            "/head" => {
                let mut answer = said("");
                let long = http::HeaderValue::try_from("a".repeat(17 << 10)).unwrap();
                answer.headers_mut().insert("x", long);
                request.answer.send(answer);
            }
            _ => request.answer.send(said("0123456789")),
        },
    );
    let mut client = Client::connect(addr);
    let mut status = |path: &str| client.say(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).told().status;
    assert_eq!([status("/body"), status("/head"), status("/")], [502, 502, 200]);
    settles(&listener, |report| report.failed == 2 && report.answered == 1);
}

#[test]
fn an_answer_that_fails_midway_is_cut() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (pen, answer) = pieces();
    port.take().answer.send(answer);
    pen.send(Ok("some".into())).unwrap();
    client.line_end(b"\r\n\r\n");
    assert_eq!(client.chunk().unwrap(), b"some");
    pen.send(Err(std::io::Error::other("trap"))).unwrap();
    assert_eq!(client.chunk(), None);
    client.assert_closed();
    port.settles(|report| report.failed == 1);
}

#[test]
fn an_answer_that_does_not_end_in_time_is_cut() {
    let port = open(|config| config.limits.timeout = SHORT);
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (pen, answer) = pieces();
    port.take().answer.send(answer);
    pen.send(Ok("some".into())).unwrap();
    let told = client.told();
    assert!(!told.whole, "{told:?}");
    client.assert_closed();
    port.settles(|report| report.too_late == 1);
}

#[test]
fn a_client_that_does_not_take_its_answer_is_cut() {
    let (listener, addr) = Open::answering(
        |config| {
            config.limits.timeout = SHORT;
            config.limits.body_bytes = 64 << 20;
        },
        // More than the kernel keeps for a connection.
        |request| request.answer.send(Response::new(Full::new(Bytes::from(vec![0; 32 << 20])))),
    );
    let mut client = Client::connect(addr);
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    settles(&listener, |report| report.gone == 1 && report.answered == 0);
    assert!(!client.told().whole);
}

#[test]
fn a_client_that_leaves_midway_is_noticed_by_who_writes() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (pen, answer) = pieces();
    port.take().answer.send(answer);
    client.line_end(b"\r\n\r\n");
    drop(client);
    eventually(|| pen.send(Ok("more".into())).is_err(), || "nobody noticed".to_owned());
    port.settles(|report| report.gone == 1);
}

#[test]
fn a_plugin_cannot_lie_about_how_its_answer_is_framed() {
    let (listener, addr) = Open::answering(
        |_| {},
        |request| {
            let lies = match request.head.uri().path() {
                "/long" => ("content-length", "100"),
                "/short" => ("content-length", "1"),
                "/chunked" => ("transfer-encoding", "chunked"),
                _ => ("connection", "upgrade"),
            };
            let mut answer = said("0123456789");
            answer.headers_mut().insert(lies.0, http::HeaderValue::from_static(lies.1));
            *answer.version_mut() = http::Version::HTTP_3;
            request.answer.send(answer);
        },
    );
    let mut client = Client::connect(addr);
    for path in ["/long", "/short", "/chunked", "/connection"] {
        let told = client.say(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).told();
        assert_eq!((told.status, &told.body[..]), (200, &b"0123456789"[..]), "{path}");
        assert_eq!(told.header("content-length").as_deref(), Some("10"), "{path}");
        assert_eq!((told.header("transfer-encoding"), told.header("connection")), (None, None), "{path}");
    }
    settles(&listener, |report| report.answered == 4);
}

#[test]
fn an_answer_without_a_body_leaves_the_connection_in_step() {
    let (listener, addr) = Open::answering(
        |_| {},
        |request| {
            let (pen, mut answer) = pieces();
            pen.send(Ok("not to be seen".into())).unwrap();
            *answer.status_mut() = request.head.uri().path()[1..].parse().unwrap();
            request.answer.send(answer);
        },
    );
    let mut client = Client::connect(addr);
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)] {
        client.say(format!("{method} /{status} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.told_to(method).status, status);
    }
    settles(&listener, |report| report.answered == 4);
}

#[test]
fn an_answer_takes_any_kind_of_body() {
    let port = open(|_| {});
    let mut client = port.client();
    let boxed: http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error> =
        Full::new(Bytes::from("boxed")).map_err(|never: Infallible| match never {}).boxed_unsync();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    port.take().answer.send(Response::new(boxed));
    assert_eq!(client.told().body, b"boxed");
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    port.take().answer.send(Response::new(http_body_util::Empty::<Bytes>::new()));
    assert_eq!(client.told().body, b"");
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x", http::HeaderValue::from_static("y"));
    let trailing = Full::new(Bytes::from("body")).with_trailers(std::future::ready(Some(Ok(trailers))));
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    port.take().answer.send(Response::new(trailing));
    assert_eq!(client.told().body, b"body");
    port.settles(|report| report.answered == 3);
}

// TLS.

struct Pem {
    folder: tempfile::TempDir,
    certificate: rustls::pki_types::CertificateDer<'static>,
}

impl Pem {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder, certificate: made.cert.der().clone() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self) -> Arc<rustls::ServerConfig> {
        tls_server(&self.path("cert.pem"), &self.path("key.pem")).unwrap()
    }

    fn client(&self, addr: SocketAddr) -> Client<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        Client(rustls::StreamOwned::new(tls, Client::connect(addr).0))
    }
}

#[test]
fn a_port_with_a_certificate_speaks_tls() {
    let pem = Pem::new();
    let tls = pem.server();
    let (listener, addr) = Open::answering(|config| config.tls = Some(tls), echo);
    let mut client = pem.client(addr);
    for _ in 0..2 {
        client.say("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nsecret");
        assert_eq!(client.told().body, b"secret");
    }
    settles(&listener, |report| report.answered == 2);
}

#[test]
fn plain_http_to_a_tls_port_is_told_so() {
    let pem = Pem::new();
    let port = open(|config| config.tls = Some(pem.server()));
    let mut client = port.client();
    let told = client.get();
    assert_eq!((told.status, &told.body[..]), (400, &b"this port speaks https\n"[..]));
    client.assert_closed();
    port.assert_untouched();
    port.settles(|report| report.malformed == 1);
}

#[test]
fn a_handshake_that_never_ends_is_cut() {
    let pem = Pem::new();
    let port = open(|config| {
        config.tls = Some(pem.server());
        config.limits.timeout = SHORT;
    });
    port.client().assert_closed();
    port.client().say("\x16\x03\x01").assert_closed();
}

#[test]
fn a_refused_address_is_told_so_in_the_words_of_tls() {
    let pem = Pem::new();
    let port = open(|config| {
        config.tls = Some(pem.server());
        config.from = vec!["10.0.0.0/8".parse().unwrap()];
    });
    let addr = SocketAddr::new([127, 0, 0, 1].into(), port.listener.addr().port());
    let error = pem.client(addr).0.write_all(b"GET").unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    port.settles(|report| report.denied_address == 1);
}

#[test]
fn a_certificate_or_key_that_cannot_be_used_is_told_in_words() {
    let (one, other) = (Pem::new(), Pem::new());
    let cert = one.path("cert.pem");
    let said = |certificate: &Path, key: &Path| {
        let error = tls_server(certificate, key).unwrap_err();
        assert_eq!(error.kind(), Kind::Manifest);
        error
            .message()
            .replace(&one.folder.path().display().to_string(), "")
            .replace(&other.folder.path().display().to_string(), "OTHER")
    };
    assert_eq!(
        said(&one.path("none.pem"), &one.path("key.pem")),
        "certificate file `/none.pem` cannot be read: No such file or directory (os error 2)"
    );
    assert_eq!(
        said(&cert, &one.path("none.pem")),
        "key file `/none.pem` cannot be read: No such file or directory (os error 2)"
    );
    assert_eq!(
        said(&one.path("key.pem"), &one.path("key.pem")),
        "there is no certificate in `/key.pem`; it must hold one in PEM, `-----BEGIN CERTIFICATE-----`"
    );
    assert_eq!(
        said(&cert, &cert),
        "there is no private key in `/cert.pem`; it must hold one in PEM, `-----BEGIN PRIVATE KEY-----`, \
         without a passphrase"
    );
    assert_eq!(
        said(&cert, &other.path("key.pem")),
        "the key in `OTHER/key.pem` does not belong to the certificate in `/cert.pem`; \
         name the two that were made together"
    );
    let broken = one.path("broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n").unwrap();
    assert!(said(&broken, &one.path("key.pem")).starts_with("certificate file `/broken.pem` is not PEM: "));
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(
        said(&broken, &one.path("key.pem"))
            .starts_with("certificate `/broken.pem` with key `/key.pem` cannot be used: ")
    );
}

// Whose port.

#[test]
fn a_port_of_another_app_is_refused_with_its_name_and_a_free_one() {
    let first = open(|_| {});
    let _turn = opening();
    let port = first.listener.addr().port();
    let asked = PortConfig { app: "other".into(), host_port: port, ..config() };
    let error = try_open(asked.clone()).err().unwrap();
    let free = PORTS.first_free(&[port]).unwrap();
    assert_eq!(error.kind(), Kind::Sink);
    assert_eq!(
        error.message(),
        format!("port {port} is taken by app `gate` (plugin `counter`, port `status`); {free} is free")
    );
    // Refused, it has taken nothing; closed, the port is free at once.
    drop(first);
    assert!(try_open(asked).is_ok());
}

#[test]
fn a_port_of_another_program_is_refused_with_a_free_one() {
    let _turn = opening();
    let port = PORTS.first_free(&[]).unwrap();
    for bound in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
        let ip: IpAddr = bound.parse().unwrap();
        let Ok(program) = std::net::TcpListener::bind(SocketAddr::new(ip, port)) else { continue };
        let error = try_open(PortConfig { host_port: port, ..config() }).err().unwrap();
        let free = PORTS.first_free(&[]).unwrap();
        assert_ne!(free, port);
        assert_eq!(error.message(), format!("port {port} is taken by another program; {free} is free"));
        drop(program);
    }
    assert!(try_open(PortConfig { host_port: port, ..config() }).is_ok());
}

#[test]
fn a_port_outside_the_range_is_refused() {
    let ports = Ports::new(8000..=9000);
    let requests = Requests::new(1, || {});
    let config = PortConfig { host_port: 7999, ..config() };
    let error = Listener::open(&ports, config, requests, RUNTIME.handle(), Clock::system()).err().unwrap();
    assert_eq!(error.kind(), Kind::Manifest);
    assert_eq!(
        error.message(),
        "port `status` of plugin `counter` is granted host port 7999, which is outside `port_range` \
         8000-9000; choose one inside it or change `port_range`"
    );
}

#[test]
fn the_first_free_port_is_nobodys() {
    let _turn = opening();
    let first = PORTS.first_free(&[]).unwrap();
    let second = PORTS.first_free(&[first]).unwrap();
    assert!(second > first);
    let small = Ports::new(first..=first);
    let config = PortConfig { host_port: first, ..config() };
    let open =
        |config| Listener::open(&small, config, Requests::new(1, || {}), RUNTIME.handle(), Clock::system());
    assert_eq!(small.first_free(&[first]), None);
    let listener = open(config.clone()).unwrap();
    assert_eq!(small.first_free(&[]), None);
    assert_eq!(
        open(config).err().unwrap().message(),
        format!(
            "port {first} is taken by app `gate` (plugin `counter`, port `status`); \
             no other of `port_range` is free, widen it"
        )
    );
    drop(listener);
    assert_eq!(small.first_free(&[]), Some(first));
}

#[test]
fn a_dropped_listener_closes_its_connections_too() {
    let port = open(|_| {});
    let mut client = port.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = port.take();
    let Open { listener, .. } = port;
    let addr = listener.addr();
    drop(listener);
    assert!(TcpStream::connect(addr).is_err());
    client.assert_closed();
    eventually(|| !request.answer.is_wanted(), || "it is still wanted".to_owned());
}

#[test]
fn a_port_is_free_again_though_its_connections_linger_in_the_kernel() {
    let (listener, addr) = Open::answering(|_| {}, echo);
    let mut client = Client::connect(addr);
    client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").told();
    // The host has closed first, so its side is the one that lingers (RFC 9293 3.6.1).
    client.assert_closed();
    drop(client);
    let _turn = opening();
    drop(listener);
    assert!(try_open(PortConfig { host_port: addr.port(), ..config() }).is_ok());
}

#[test]
fn a_port_closes_after_its_runtime_has() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let turn = opening();
    let config = PortConfig { host_port: PORTS.first_free(&[]).unwrap(), ..config() };
    let listener = Listener::open(&PORTS, config, Requests::new(1, || {}), runtime.handle(), Clock::system());
    drop(turn);
    runtime.shutdown_timeout(LONG);
    drop(listener);
}
