//! What stands for the internet while attacks run: a server that behaves as badly as it is asked to, and a
//! name service that lies.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::base::{Error, Result};
use crate::plugin::egress::Resolve;

/// The name of the granted host, and of the one whose lookups lie. RFC 6761 6.2: `test` is nobody's.
pub(super) const GRANTED: &str = "granted.test";
pub(super) const LYING: &str = "lying.test";
/// Where the granted server is: an address nothing else of this machine listens at, and no other is granted.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(127, 7, 7, 7);

/// The server, until dropped, and one like it where nothing is granted: at 127.0.0.1 on the same port.
pub(super) struct Internet {
    port: u16,
    stop: Arc<AtomicBool>,
}

impl Internet {
    pub(super) fn start() -> Result<Self> {
        let fail = |error: std::io::Error| Error::internal(format!("the server of the attacks: {error}"));
        let granted = TcpListener::bind(SocketAddr::from((SERVER, 0))).map_err(fail)?;
        let port = granted.local_addr().map_err(fail)?.port();
        let stop = Arc::<AtomicBool>::default();
        serve(granted, &stop, answer).map_err(fail)?;
        // Where that port is taken on 127.0.0.1 somebody listens there, which does as well.
        if let Ok(forbidden) = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
            serve(forbidden, &stop, |mut stream, _, _| {
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n!");
            })
            .map_err(fail)?;
        }
        Ok(Self { port, stop })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(
    listener: TcpListener,
    stop: &Arc<AtomicBool>,
    answer: fn(TcpStream, &str, &AtomicBool),
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let stop = Arc::clone(stop);
    std::thread::Builder::new().name("internet".to_owned()).spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, _)) => {
                    let stop = Arc::clone(&stop);
                    // A connection that finds no thread is closed, which an attack has to live with.
                    let _ = std::thread::Builder::new().name("connection".to_owned()).spawn(move || {
                        if let Some(path) = asked(&stream) {
                            answer(stream, &path, &stop);
                        }
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(_) => return,
            }
        }
    })?;
    Ok(())
}

/// The path of the request on a connection.
fn asked(stream: &TcpStream) -> Option<String> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    while reader.read_line(&mut line).ok()? > 2 {}
    Some(path)
}

/// As badly as the path says. What cannot be written any more has been cut off, as it should be.
fn answer(mut stream: TcpStream, path: &str, stop: &AtomicBool) {
    let mut on_and_on = |head: &[u8], piece: &[u8], pause: Duration| {
        let mut written = stream.write_all(head);
        while written.is_ok() && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(pause);
            written = stream.write_all(piece);
        }
    };
    match path {
        "/redirect" => {
            let _ = stream
                .write_all(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n");
        }
        "/redirect-loop" => {
            let _ = stream
                .write_all(b"HTTP/1.1 302 Found\r\nlocation: /redirect-loop\r\ncontent-length: 0\r\n\r\n");
        }
        "/slow" => on_and_on(b"HTTP/1.1 200 OK\r\n\r\n", b".", Duration::from_secs(1)),
        "/silent" => on_and_on(b"", b"", Duration::from_millis(50)),
        "/bomb" => on_and_on(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 64 << 10], Duration::ZERO),
        "/headers" => on_and_on(b"HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n", Duration::ZERO),
        _ => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    }
}

/// Names of the attacks' world; the addresses of [`LYING`] come one after the other, the last for ever.
pub(super) struct Names {
    lies: Vec<IpAddr>,
    asked: AtomicUsize,
}

impl Names {
    /// `server` as the attack's file has it.
    pub(super) fn new(server: Option<&str>) -> Self {
        let lies = server.and_then(|server| server.strip_prefix("dns:")).unwrap_or_default();
        let address = |text: &str| match text {
            "granted" => Some(IpAddr::V4(SERVER)),
            other => other.parse().ok(),
        };
        Self { lies: lies.split(',').filter_map(address).collect(), asked: AtomicUsize::new(0) }
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            match host {
                GRANTED => Ok(vec![IpAddr::V4(SERVER)]),
                LYING if !self.lies.is_empty() => {
                    let asked = self.asked.fetch_add(1, Ordering::Relaxed);
                    Ok(vec![self.lies[asked.min(self.lies.len() - 1)]])
                }
                _ => Err(std::io::Error::new(ErrorKind::NotFound, "there is no such name here")),
            }
        })
    }
}
