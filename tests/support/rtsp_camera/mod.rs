//! A camera for tests: plays one H.264 clip over RTSP 1.0 (RFC 2326), interleaved in TCP, and
//! misbehaves on request.
//!
//! Owns its listener, its connections and their threads; all of them end with the value. Knows
//! nothing of the host under test. Standard library only, so the two share no RTSP code and no bug.
//!
//! ```ignore
//! let camera = RtspCamera::start(clip, Behaviour::default())?; // as fast as it is read, then BYE
//! camera.set(Behaviour { fault: Some(Fault::StallAfter(30)), ..Behaviour::default() });
//! camera.kill();
//! camera.restart()?; // the same address
//! ```
#![forbid(unsafe_code)]
#![allow(dead_code, unreachable_pub, reason = "each test binary mounts it and uses its own share")]

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// Who may ask: MD5, base64, Basic and Digest.
mod auth;
/// What is played: access units, and how an Annex B stream falls into them.
mod clip;
/// How it travels: RTP packets (RFC 6184) and RTCP reports.
mod rtp;
/// One connection: requests answered, the clip played.
mod session;
#[cfg(test)]
mod tests;

pub use clip::{Clip, Unit};

/// How the camera behaves. The default is a good one: no login, no fault, as fast as it is read.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Who may watch; `None` lets everyone in. OPTIONS is open to all.
    pub login: Option<Login>,
    /// 1.0 is real time, 2.0 twice that; 0.0 or infinite is as fast as the client reads.
    pub speed: f64,
    /// Index of the access unit played first: a live camera is seldom met at an IDR.
    pub start_at: usize,
    /// When the first unit played was captured, as told in RTCP sender reports; `None` is now.
    pub clock: Option<SystemTime>,
    /// Where SPS and PPS are found.
    pub parameter_sets: ParameterSets,
    /// What follows the last unit.
    pub end: End,
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// Only the next connection meets the fault; those after it find a good camera.
    pub once: bool,
}

/// A user, a password and the way they are proved. Prints without the password.
#[derive(Clone)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
    /// How the client has to prove it.
    pub scheme: Scheme,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}, redacted, {:?})", self.user, self.scheme)
    }
}

/// The challenge of a 401 (RFC 2617).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Digest with `qop="auth"`.
    Digest,
    /// Digest without `qop`, as in RFC 2069.
    DigestWithoutQop,
    /// Basic: the password in base64.
    Basic,
}

/// Where SPS and PPS are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParameterSets {
    /// In the SDP and before every IDR.
    #[default]
    Both,
    /// In the SDP alone.
    SdpOnly,
    /// Before every IDR alone.
    InBandOnly,
}

/// What follows the last access unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// RTCP BYE; the connection stays open until the client closes it.
    #[default]
    Bye,
    /// The connection closes without a word.
    Close,
    /// The first unit again; sequence numbers and timestamps run on.
    Loop,
    /// Nothing, on an open connection.
    Silence,
}

/// One thing that goes wrong. Counts are of access units or RTP packets on one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 401 whatever the client sends, but to OPTIONS.
    Unauthorized,
    /// 404 to DESCRIBE.
    NotFound,
    /// The first request of this method, as `DESCRIBE`, and all later ones are never answered.
    NoAnswer(&'static str),
    /// 200 to DESCRIBE, with a web page where the SDP should be.
    BadSdp,
    /// The SDP announces H.265; what is played stays H.264.
    H265,
    /// The SDP is this text.
    Sdp(String),
    /// So many units, then silence; requests are still answered.
    StallAfter(usize),
    /// So many units, then the connection closes.
    CloseAfter(usize),
    /// Every n-th RTP packet is never sent: a gap in the sequence numbers.
    Loss {
        /// n, at least 1.
        every: usize,
    },
    /// Every n-th RTP packet, where it holds a slice or a part of one, has bytes of it overturned.
    Damage {
        /// n, at least 1.
        every: usize,
    },
    /// After so many units the RTP timestamps jump; sender reports keep true wall time.
    TimeJumpAfter {
        /// Units before the jump.
        units: usize,
        /// 90 kHz ticks, negative for a jump back.
        ticks: i32,
    },
    /// After so many units, 512 bytes that are neither RTP nor RTSP; then the stream goes on.
    GarbageAfter(usize),
}

/// A request as the camera read it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// The method as written.
    pub method: String,
    /// The URI as written.
    pub uri: String,
    /// Names and values as written, in order.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The first header of that name; case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// The camera. Killed when dropped.
pub struct RtspCamera {
    addr: SocketAddr,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

/// What the camera and its connections both see.
struct Shared {
    clip: Clip,
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    units_sent: AtomicUsize,
}

struct Running {
    stop: Arc<AtomicBool>,
    listener: JoinHandle<()>,
}

impl RtspCamera {
    /// A camera on a free port of 127.0.0.1.
    pub fn start(clip: Clip, behaviour: Behaviour) -> io::Result<Self> {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into(), clip, behaviour)
    }

    /// A camera on that address. Fails as `bind` does.
    pub fn start_on(addr: SocketAddr, clip: Clip, behaviour: Behaviour) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        let camera = Self {
            addr: listener.local_addr()?,
            shared: Arc::new(Shared {
                clip,
                behaviour: Mutex::new(behaviour),
                requests: Mutex::default(),
                connections: AtomicUsize::new(0),
                open: AtomicUsize::new(0),
                units_sent: AtomicUsize::new(0),
            }),
            running: Mutex::new(None),
        };
        camera.run(listener)?;
        Ok(camera)
    }

    /// `rtsp://127.0.0.1:PORT/stream`, without credentials.
    pub fn url(&self) -> String {
        format!("rtsp://{}/stream", self.addr)
    }

    /// The address, the same through every restart.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From the next connection on, behave like this; those already open go on as they were.
    pub fn set(&self, behaviour: Behaviour) {
        *lock(&self.shared.behaviour) = behaviour;
    }

    /// Closes the listener and every connection, and waits for their threads. The address then
    /// refuses until [`restart`](Self::restart). A second call does nothing.
    pub fn kill(&self) {
        let running = lock(&self.running).take();
        if let Some(Running { stop, listener }) = running {
            stop.store(true, Ordering::Relaxed);
            // A panic of that thread has been printed; the test fails by what it then misses.
            let _ = listener.join();
        }
    }

    /// Kills the camera, if it lives, and brings it back at the same address. Fails as `bind` does.
    pub fn restart(&self) -> io::Result<()> {
        self.kill();
        self.run(TcpListener::bind(self.addr)?)
    }

    /// Connections accepted so far, through every restart.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Access units handed to the network so far, over all connections.
    pub fn units_sent(&self) -> usize {
        self.shared.units_sent.load(Ordering::Relaxed)
    }

    /// Every request read so far, answered or not.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    fn run(&self, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, flag) = (Arc::clone(&self.shared), Arc::clone(&stop));
        let listener =
            thread::Builder::new().name("camera".into()).spawn(move || accept(&listener, &shared, &flag))?;
        *lock(&self.running) = Some(Running { stop, listener });
        Ok(())
    }
}

impl Drop for RtspCamera {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Accepts until told to stop, then ends every connection it began.
fn accept(listener: &TcpListener, shared: &Arc<Shared>, stop: &Arc<AtomicBool>) {
    let mut open: Vec<(TcpStream, JoinHandle<()>)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            open.retain(|(_, thread)| !thread.is_finished());
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let mut next = lock(&shared.behaviour);
        let behaviour = next.clone();
        if next.once {
            next.fault = None;
        }
        drop(next);
        let (shared, stop) = (Arc::clone(shared), Arc::clone(stop));
        let begun = stream.try_clone().and_then(|ours| {
            let serve = move || session::serve(&stream, number, behaviour, shared, &stop);
            let name = format!("camera connection {number}");
            Ok((ours, thread::Builder::new().name(name).spawn(serve)?))
        });
        open.extend(begun);
    }
    for (stream, _) in &open {
        // Wakes reads and blocked writes; an error means that the client was faster.
        let _ = stream.shutdown(Shutdown::Both);
    }
    for (_, thread) in open {
        let _ = thread.join();
    }
}

/// Locks; what a panicked thread left behind is still counters and lists.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
