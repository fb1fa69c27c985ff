//! Real sockets on 127.0.0.1, and a resolver that says whatever a test wants.

mod answers;
mod limits;
mod redirects;
mod secure;
mod urls;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::base::Clock;

/// Answers its names in turn and the last one for ever; remembers who was asked for.
#[derive(Default)]
struct Liar {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Liar {
    fn says(self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |addresses: &&[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(name.into(), answers.iter().map(parse).collect());
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolve for Liar {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.lock().unwrap().push(host.into());
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.get_mut(host) {
            Some(turns) if turns.len() > 1 => Ok(turns.remove(0)),
            Some(turns) => Ok(turns[0].clone()),
            None => Err(io::Error::other("no such name")),
        };
        Box::pin(async { answer })
    }
}

/// An origin server: what it was sent, and where it is.
#[derive(Clone)]
struct Origin {
    at: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    /// Hands every request, read whole, to `answer` with its connection.
    async fn new<F, A>(address: &str, answer: A) -> Self
    where
        A: Fn(String, TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let origin = Self { at: listener.local_addr().unwrap(), requests: Arc::default() };
        let (requests, answer) = (Arc::clone(&origin.requests), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                tokio::spawn(async move {
                    let request = read_request(&mut stream).await;
                    requests.lock().unwrap().push(request.clone());
                    answer(request, stream).await;
                });
            }
        });
        origin
    }

    /// Answers every request with these bytes and closes.
    async fn fixed(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new("127.0.0.1:0", move |_, mut stream| {
            let answer = answer.clone();
            async move { drop(stream.write_all(&answer).await) }
        })
        .await
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn port(&self) -> u16 {
        self.at.port()
    }
}

/// Head, and the body its `content-length` or the end of its chunks tell of.
async fn read_request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_string();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length = length.map_or(0, |digits| digits.parse::<usize>().unwrap());
            let chunked = head.contains("transfer-encoding: chunked");
            if if chunked { body.ends_with("0\r\n\r\n") } else { body.len() >= length } {
                return text;
            }
        }
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return String::from_utf8_lossy(&bytes).to_string(),
        }
    }
}

fn plain(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn all_methods() -> Vec<Method> {
    vec![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH]
}

/// `http://name:port`, which may be at 127.0.0.0/8.
fn local(name: &str, port: u16) -> HostGrant {
    HostGrant { addresses: vec!["127.0.0.0/8".parse().unwrap()], ..public(name, port) }
}

/// `http://name:port`, with no address named.
fn public(name: &str, port: u16) -> HostGrant {
    let host = HostPattern::Name(name.into());
    HostGrant { scheme: Scheme::Http, host, port, methods: all_methods(), addresses: vec![] }
}

const ROOMY: EgressLimits =
    EgressLimits { requests: 1000, concurrent: 8, body_bytes: 64 << 10, timeout: Duration::from_secs(60) };

struct Trial {
    egress: Arc<Egress>,
    liar: Arc<Liar>,
    audit: Arc<Mutex<Vec<Denial>>>,
}

impl Trial {
    fn new(grants: Vec<HostGrant>, limits: EgressLimits, liar: Liar) -> Self {
        Self::trusting(grants, limits, liar, &[])
    }

    fn trusting(grants: Vec<HostGrant>, limits: EgressLimits, liar: Liar, roots: &[PathBuf]) -> Self {
        let (liar, audit) = (Arc::new(liar), Arc::new(Mutex::new(vec![])));
        let (resolver, heard) = (Arc::clone(&liar) as Arc<dyn Resolve>, Arc::clone(&audit));
        let hear: Audit = Arc::new(move |denial| heard.lock().unwrap().push(denial.clone()));
        let egress = Egress::new(
            grants,
            limits,
            resolver,
            tls_config(roots).unwrap(),
            hear,
            Clock::system(),
            crate::base::Shutdown::default(),
        );
        Self { egress: Arc::new(egress), liar, audit }
    }

    /// One origin called `site.example`.
    fn of(origin: &Origin, limits: EgressLimits) -> Self {
        Self::new(vec![local("site.example", origin.port())], limits, site())
    }

    async fn ask(&self, method: Method, url: &str, body: &str) -> Result<Response<Bytes>, EgressError> {
        let body = Bytes::from(body.to_owned());
        self.egress.send(Request::builder().method(method).uri(request_uri(url)?).body(body).unwrap()).await
    }

    async fn get(&self, url: &str) -> Result<Response<Bytes>, EgressError> {
        self.ask(Method::GET, url, "").await
    }

    /// The denial `url` meets, which must also have been heard by the audit.
    async fn denied(&self, url: &str) -> Denial {
        match self.get(url).await {
            Err(EgressError::Denied(denial)) => {
                assert_eq!(self.audit.lock().unwrap().last(), Some(&denial), "{url}");
                denial
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

fn site() -> Liar {
    Liar::default().says("site.example", &[&["127.0.0.1"]])
}

fn url_of(origin: &Origin, path: &str) -> String {
    format!("http://site.example:{}{path}", origin.port())
}
