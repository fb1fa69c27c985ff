//! A port that is open, and who may connect to it.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::base::{Clock, Error, Rate, Result};

use super::connection::{serve, tell};
use super::pace::count;
use super::refusal::Refusal;
use super::registry::{self, Claim};
use super::request::Requests;
use super::{PortConfig, PortReport, Ports};

/// Connections that the kernel holds for us.
const BACKLOG: u32 = 128;
/// Connections that are being told why they are closed; beyond, they are closed without a word.
const REFUSALS: usize = 32;
/// Pause before the next connection where the process has no file descriptor left for one.
const NO_DESCRIPTOR: Duration = Duration::from_millis(50);
/// How long dropping a listener waits until its port is free.
const CLOSE: Duration = Duration::from_secs(1);

/// An open port. Dropping it closes the port, which is then free at once, and all its connections.
pub struct Listener {
    shared: Arc<Shared>,
    addr: SocketAddr,
    accepting: Vec<AbortHandle>,
    /// Ends when nothing accepts any more.
    closed: mpsc::Receiver<Infallible>,
    /// Last: the port is free for others once it is closed.
    _claim: Claim,
}

/// What the connections of a port have in common.
pub(super) struct Shared {
    pub(super) config: PortConfig,
    pub(super) requests: Arc<Requests>,
    pub(super) counts: Arc<Mutex<PortReport>>,
    rate: Rate,
    clock: Clock,
    connections: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

impl Listener {
    /// Opens the port. Requests are put into `requests` until the listener is dropped.
    ///
    /// # Errors
    /// [`Kind::Sink`](crate::base::Kind::Sink) where somebody else has the port or it cannot be opened,
    /// [`Kind::Manifest`](crate::base::Kind::Manifest) where it is outside the range.
    pub fn open(
        ports: &Arc<Ports>,
        config: PortConfig,
        requests: Arc<Requests>,
        runtime: &Handle,
        clock: Clock,
    ) -> Result<Self> {
        let claim = ports.claim(&config)?;
        let _runtime = runtime.enter();
        let listeners = bind(&config).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => ports.is_taken(config.host_port, "another program"),
            _ => Error::sink(format!(
                "port {} cannot be opened: {error}; choose another `host_port` for port `{}` of plugin `{}`",
                config.host_port, config.name, config.plugin
            )),
        })?;
        let addr = SocketAddr::new(reach(&config.from).0.into(), config.host_port);
        let limits = &config.limits;
        let shared = Arc::new(Shared {
            rate: Rate::new(limits.requests, clock.now()),
            connections: Arc::new(Semaphore::new(usize::try_from(limits.connections).unwrap_or(usize::MAX))),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            counts: Arc::new(Mutex::new(PortReport::new(&config))),
            requests,
            clock,
            config,
        });
        let (open, closed) = mpsc::channel();
        let accept =
            |listener| runtime.spawn(accept(Arc::clone(&shared), (listener, open.clone()))).abort_handle();
        let accepting = listeners.into_iter().map(accept).collect();
        Ok(Self { shared, addr, accepting, closed, _claim: claim })
    }

    /// Where the port is. The IPv6 twin of the address is open too, on a machine that has IPv6.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What came to the port so far.
    pub fn report(&self) -> PortReport {
        self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.iter().for_each(AbortHandle::abort);
        // An error is what is waited for: the last sender is gone, and the sockets with it.
        let _ = self.closed.recv_timeout(CLOSE);
    }
}

/// Opens what `from` can reach: this machine only, or all of its addresses.
fn bind(config: &PortConfig) -> io::Result<Vec<TcpListener>> {
    let (v4, v6) = reach(&config.from);
    let listen = |ip| registry::bind(SocketAddr::new(ip, config.host_port))?.listen(BACKLOG);
    let mut listeners = vec![listen(v4.into())?];
    match listen(v6.into()) {
        Ok(listener) => listeners.push(listener),
        Err(error) if registry::no_ipv6(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(listeners)
}

fn reach(from: &[IpNet]) -> (Ipv4Addr, Ipv6Addr) {
    if from.iter().all(|net| net.network().is_loopback()) {
        (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST)
    } else {
        (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED)
    }
}

/// Takes connections until aborted; then all of them end. The sender is dropped right after the socket.
async fn accept(shared: Arc<Shared>, open: (TcpListener, mpsc::Sender<Infallible>)) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = open.0.accept() => match accepted {
                Ok((stream, peer)) => shared.admit(stream, peer.ip(), &mut connections),
                Err(_) => sleep(NO_DESCRIPTOR).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Shared {
    /// Whether one more request is within the rate.
    pub(super) fn is_within_rate(&self) -> bool {
        self.rate.take(self.clock.now()).is_some()
    }

    /// Judges a connection before a byte of it is read.
    fn admit(self: &Arc<Self>, stream: TcpStream, peer: IpAddr, connections: &mut JoinSet<()>) {
        let (peer, may) = judge(peer, &self.config.from);
        let refusal = match Arc::clone(&self.connections).try_acquire_owned() {
            Ok(place) if may => {
                let shared = Arc::clone(self);
                connections.spawn(async move {
                    serve(shared, stream, peer).await;
                    drop(place);
                });
                return;
            }
            _ if !may => Refusal::DeniedAddress,
            _ => Refusal::OverConnections,
        };
        count(&self.counts, refusal.count());
        let Ok(turn) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        let words = match self.config.tls {
            None => refusal.as_text(),
            Some(_) => refusal.as_alert().to_vec(),
        };
        connections.spawn(async move {
            tell(stream, &words).await;
            drop(turn);
        });
    }
}

/// A client's address, and whether it is among `from`. One of IPv4 that comes in IPv6 clothes (RFC 4291
/// 2.5.5.2) is judged as what it is.
pub(super) fn judge(peer: IpAddr, from: &[IpNet]) -> (IpAddr, bool) {
    let peer = peer.to_canonical();
    (peer, from.iter().any(|net| net.contains(&peer)))
}
