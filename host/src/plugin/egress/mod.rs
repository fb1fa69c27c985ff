//! The only way out for plugins: HTTP to the hosts the owner granted. Owns what is asked of a url, the one
//! lookup of a name, the judgement of every address, the connection, and the bounds of both bodies. Knows
//! nothing of WIT or `wasi:http`: requests and responses are those of the `http` crate.
//!
//! A request passes these in order, each redirect once more from the second on:
//!
//! 1. a place among `concurrent` and a token of `requests`, or [`EgressError::Busy`];
//! 2. its url, headers and body (`grant`, `client`): well formed, or [`EgressError::BadRequest`];
//! 3. its scheme, host, port and method (`grant`): granted, or [`EgressError::Denied`];
//! 4. one lookup of its host; the addresses (`address`) that are public or that the grant names stay;
//! 5. a connection to one of exactly these (`connect`), TLS with the name in the url;
//! 6. the answer, its head and body bounded in bytes (`body`), all of it within one deadline.
//!
//! Every request has a connection of its own: nothing that one plugin leaves on a connection, or in a TLS
//! session, meets another.

mod address;
mod body;
mod client;
mod connect;
mod grant;
mod redirect;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

pub use body::BoundedBody;
pub use client::Egress;
pub use connect::SystemResolver;
pub use grant::{HostGrant, HostPattern, Scheme, request_uri};
pub use tls::tls_config;

/// Turns names into addresses. The system's resolver is one life of it, one that lies (in tests) the other.
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, which is in lower case, in punycode, and without a dot at its end.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Is told of every denial.
pub type Audit = Arc<dyn Fn(&Denial) + Send + Sync>;

/// How much a plugin may ask of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressLimits {
    /// Requests a second; one second's worth may come at once. Redirects are not counted.
    pub requests: u32,
    /// Requests under way at once. One whose response body is still held is under way.
    pub concurrent: u32,
    /// Bytes of one body, each way.
    pub body_bytes: u64,
    /// From the request to the last byte of its answer, with all its redirects.
    pub timeout: Duration,
}

/// Why a request was not sent or not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EgressError {
    /// The url or a header is malformed, or belongs to the host.
    BadRequest(String),
    /// The owner has not granted this host, method or address.
    Denied(Denial),
    /// A body, or the head of an answer, is larger than the limit.
    TooLarge(String),
    /// Over `requests` or `concurrent`; nothing was sent.
    Busy,
    /// There was no whole answer in time.
    TimedOut,
    /// No connection, no name, a bad certificate, or an answer that is no HTTP.
    Failed(String),
}

/// A request the owner has not granted. Never holds a path, a query or a header: they may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The host in the url, as it was understood: lower case, punycode, addresses in their usual spelling.
    pub url_host: String,
    /// The address that was refused, where the host was granted and its address was not.
    pub address: Option<IpAddr>,
    /// What is not granted, and how the owner could.
    pub reason: String,
}

/// What a plugin's requests came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EgressReport {
    /// Requests the plugin made, those refused included, redirects not.
    pub requests: u64,
    /// Requests denied.
    pub denials: u64,
    /// Requests refused for being too many.
    pub busy: u64,
    /// Requests and answers over a limit in bytes.
    pub too_large: u64,
    /// Requests without a whole answer in time.
    pub timed_out: u64,
    /// Bytes of request bodies, once for each redirect that took them along.
    pub sent_bytes: u64,
    /// Bytes of response bodies handed to the plugin.
    pub received_bytes: u64,
    /// The most requests under way at once.
    pub most_concurrent: u64,
    /// The most requests taken out of a second's worth.
    pub most_a_second: u64,
    /// Requests refused because there were too many under way; others were too many a second.
    pub busy_concurrent: u64,
    /// The largest body either way.
    pub largest_body: u64,
    /// The longest request, in milliseconds.
    pub longest_ms: u64,
}

impl fmt::Display for EgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(why) | Self::TooLarge(why) | Self::Failed(why) => f.write_str(why),
            Self::Denied(denial) => denial.fmt(f),
            Self::Busy => f.write_str("too many requests for now; none was sent, try again later"),
            Self::TimedOut => f.write_str("there was no whole answer in time"),
        }
    }
}

impl std::error::Error for EgressError {}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
