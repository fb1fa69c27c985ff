//! Ports: HTTP listeners the host owns for plugins. A plugin never sees a socket; it takes whole requests from
//! a queue and answers them, when it comes to it. Knows nothing of plugins but their names, and nothing of
//! manifests: what was granted comes checked.
//!
//! A connection passes, in this order: source address (403, before a byte of it is read), free connection
//! (503), TLS. A request on it: shape (400, 501), rate (429), token (401), body limit (413), room in the queue
//! (503). Then it waits for the plugin (504, 502). From a request's first byte to the last byte of its answer
//! at most `port_timeout` passes; a client that takes longer is cut, and so is an answer that grows over the
//! limit, stops midway or comes too slowly: the client sees that it is not whole.

mod connection;
mod listener;
mod pace;
mod refusal;
mod registry;
mod request;
mod tls;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use crate::base::Secret;

pub use listener::Listener;
pub use registry::Ports;
pub use request::{Answer, Request, Requests};
pub use tls::tls_server;

/// One port of one plugin, as granted.
#[derive(Debug, Clone)]
pub struct PortConfig {
    /// The app's name; said to whoever asks for the same port.
    pub app: Arc<str>,
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// What the app calls the port.
    pub name: Arc<str>,
    /// Where it is on this machine.
    pub host_port: u16,
    /// Who may connect. Where that is loopback only, the port is opened on loopback only.
    pub from: Vec<IpNet>,
    /// What a request must bear (RFC 6750 2.1). The plugin does not see it. An empty one fits nothing.
    pub token: Option<Secret>,
    /// With it the port speaks TLS and nothing else.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What all its clients together may use.
    pub limits: PortLimits,
}

/// What all clients of a port together may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PortLimits {
    /// Requests a second; a second's worth may come at once.
    pub requests: u32,
    /// Connections at a time.
    pub connections: u32,
    /// Bytes of one request's body, and of one answer's.
    pub body_bytes: u64,
    /// From a request's first byte to its answer's last; also how long a connection may be idle.
    pub timeout: Duration,
}

/// What came to a port. Every request ends in exactly one of the counters from `answered` to `gone`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PortReport {
    /// What the app calls the port.
    #[serde(serialize_with = "as_text")]
    pub name: Arc<str>,
    /// Where it is on this machine.
    pub host_port: u16,
    /// What it may use: `over_connections`, `over_rate`, `too_large`, `too_late` count what went beyond.
    pub limits: PortLimits,
    /// Connections closed because of where they came from (403).
    pub denied_address: u64,
    /// Connections closed because there were too many (503).
    pub over_connections: u64,
    /// Requests whose head has come.
    pub requests: u64,
    /// The plugin's answer went out whole.
    pub answered: u64,
    /// No HTTP, or more of it than is spoken here (400, 414, 501).
    pub malformed: u64,
    /// Too many a second (429).
    pub over_rate: u64,
    /// No token or a wrong one (401).
    pub denied_token: u64,
    /// Head or body over the limit (413, 431).
    pub too_large: u64,
    /// No room in the queue (503).
    pub busy: u64,
    /// The plugin did not answer in time (504), or not to the end: then the answer was cut.
    pub too_late: u64,
    /// The plugin failed (502), or its answer did midway or grew over the limit: then it was cut.
    pub failed: u64,
    /// The client left before its answer was whole, or was too slow to send (408) or to take.
    pub gone: u64,
}

impl PortReport {
    fn new(config: &PortConfig) -> Self {
        Self {
            name: Arc::clone(&config.name),
            host_port: config.host_port,
            limits: config.limits,
            ..Self::default()
        }
    }
}

fn as_text<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
