//! Which host ports are whose, in this process.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpSocket;

use crate::base::{Error, Result};

use super::PortConfig;

/// The host ports that plugins may have, and who has which.
pub struct Ports {
    range: RangeInclusive<u16>,
    taken: Arc<Mutex<BTreeMap<u16, String>>>,
}

/// One host port, taken until dropped.
pub(super) struct Claim {
    ports: Arc<Ports>,
    port: u16,
}

impl Ports {
    /// None of `range` is taken by an app yet.
    pub fn new(range: RangeInclusive<u16>) -> Arc<Self> {
        Arc::new(Self { range, taken: Arc::default() })
    }

    /// The same ports, for an app whose owner has another range.
    pub fn within(&self, range: RangeInclusive<u16>) -> Arc<Self> {
        Arc::new(Self { range, taken: Arc::clone(&self.taken) })
    }

    /// The lowest port of the range that no app, no other program and none of `besides` has.
    pub fn first_free(&self, besides: &[u16]) -> Option<u16> {
        self.range
            .clone()
            .find(|port| !besides.contains(port) && !self.lock().contains_key(port) && is_free(*port))
    }

    /// Takes the port that `config` names.
    pub(super) fn claim(self: &Arc<Self>, config: &PortConfig) -> Result<Claim> {
        let PortConfig { app, plugin, name, host_port: port, .. } = config;
        if !self.range.contains(port) {
            let (first, last) = (self.range.start(), self.range.end());
            return Err(Error::manifest(format!(
                "port `{name}` of plugin `{plugin}` is granted host port {port}, which is outside \
                 `port_range` {first}-{last}; choose one inside it or change `port_range`"
            )));
        }
        let mut taken = self.lock();
        if let Some(holder) = taken.get(port).cloned() {
            drop(taken);
            return Err(self.is_taken(*port, &holder));
        }
        taken.insert(*port, format!("app `{app}` (plugin `{plugin}`, port `{name}`)"));
        Ok(Claim { ports: Arc::clone(self), port: *port })
    }

    /// The error for a port that somebody else has.
    pub(super) fn is_taken(&self, port: u16, holder: &str) -> Error {
        let remedy = match self.first_free(&[port]) {
            Some(free) => format!("{free} is free"),
            None => "no other of `port_range` is free, widen it".to_owned(),
        };
        Error::sink(format!("port {port} is taken by {holder}; {remedy}"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, String>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.ports.lock().remove(&self.port);
    }
}

/// A socket bound to `addr`. One for IPv6 is for IPv6 only, whatever the machine's default, so that it can
/// stand beside the one for IPv4.
pub(super) fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of an earlier run that linger in TIME_WAIT are no reason to refuse the port.
    socket.set_reuseaddr(true)?;
    if addr.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.bind(addr)?;
    Ok(socket)
}

/// Whether the machine has no IPv6: switched off in the kernel, or no address to be had.
pub(super) fn no_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn is_free(port: u16) -> bool {
    let on = |ip: IpAddr| bind(SocketAddr::new(ip, port));
    on(Ipv4Addr::UNSPECIFIED.into()).is_ok()
        && on(Ipv6Addr::UNSPECIFIED.into()).map_or_else(|error| no_ipv6(&error), |_| true)
}
