//! What an owner may say of a server, and what of it is allowed.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::base::Secret;

/// How tensors travel over HTTP. Over gRPC they always travel as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Encoding {
    /// As bytes where the server announces the extension, as JSON where it does not.
    #[default]
    Auto,
    /// As numbers in JSON.
    Json,
    /// As bytes, announced or not: KServe's and OpenVINO's servers take them without saying so.
    Binary,
}

/// One model on one server, as written in `deploy.toml`. [`Settings::new`] has the defaults,
/// [`Settings::check`] the ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// `http://host:8000`, `https://…`, `grpc://host:8001` or `grpcs://…`. HTTP may have a path in front.
    pub url: String,
    /// The model, as the server calls it.
    pub model: String,
    /// Its version. Without one the server chooses.
    pub version: Option<String>,
    /// An inference with all its tries has to end within this. 500 ms; 1 ms to 60 s.
    pub timeout: Duration,
    /// Finding the server and shaking hands. 2 s; 10 ms to 60 s.
    pub connect_timeout: Duration,
    /// More tries after one that may have failed by chance: no connection, 503, UNAVAILABLE. 1; 0 to 5.
    pub retries: u32,
    /// Inferences under way at once; one more is refused as busy. 4; 1 to 64.
    pub in_flight: usize,
    /// Failures in a row after which the server counts as lost. 5; 1 to 100.
    pub failures: u32,
    /// The most bytes of tensors one answer may have. 64 MiB; 64 KiB to 1 GiB.
    pub response_bytes: usize,
    /// How tensors travel over HTTP.
    pub encoding: Encoding,
    /// The server's copy may have 16-bit floats where the file has 32: they are converted here. Off.
    pub half: bool,
    /// Whether several regions may go in one request where the server's model has an open first axis. On.
    pub batch: bool,
    /// Whether a local back end takes over while the server is lost. On. Only read by whoever falls back.
    pub fallback: bool,
    /// Sent as `Authorization: Bearer …`; not over an open connection to another machine.
    #[serde(skip)]
    pub token: Option<Secret>,
    /// PEM files of authorities to believe besides the system's.
    pub authorities: Vec<PathBuf>,
}

/// [`Settings`] that passed.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) address: Address,
    pub(super) settings: Settings,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) grpc: bool,
    pub(super) secure: bool,
    pub(super) host: Host<String>,
    pub(super) port: u16,
    /// In front of `/v2/…`; empty or `/some/path` without a slash at its end.
    pub(super) prefix: String,
    /// For people: `grpc://10.0.0.7:8001`.
    pub(super) shown: String,
}

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
const CONNECT_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const RETRIES: RangeInclusive<u32> = 0..=5;
const IN_FLIGHT: RangeInclusive<usize> = 1..=64;
const FAILURES: RangeInclusive<u32> = 1..=100;
const RESPONSE_BYTES: RangeInclusive<usize> = 64 << 10..=1 << 30;
/// Longer names are a mistake; they would be printed with every error.
const NAME_LENGTH: RangeInclusive<usize> = 1..=256;

impl Settings {
    /// Defaults for `model` at `url`.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Settings {
            url: url.into(),
            model: model.into(),
            version: None,
            timeout: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(2),
            retries: 1,
            in_flight: 4,
            failures: 5,
            response_bytes: 64 << 20,
            encoding: Encoding::Auto,
            half: false,
            batch: true,
            fallback: true,
            token: None,
            authorities: Vec::new(),
        }
    }

    /// Compares every value with its range. The error starts with the key.
    ///
    /// # Errors
    /// The first value that is not allowed, with what is.
    pub fn check(&self) -> Result<(), String> {
        self.checked().map(|_| ())
    }

    pub(super) fn checked(&self) -> Result<Checked, String> {
        let address = Address::read(&self.url)?;
        name("model", &self.model)?;
        if let Some(version) = &self.version {
            name("version", version)?;
        }
        within("timeout", &self.timeout, &TIMEOUT, |value| format!("{value:?}"))?;
        within("connect_timeout", &self.connect_timeout, &CONNECT_TIMEOUT, |value| format!("{value:?}"))?;
        within("retries", &self.retries, &RETRIES, u32::to_string)?;
        within("in_flight", &self.in_flight, &IN_FLIGHT, usize::to_string)?;
        within("failures", &self.failures, &FAILURES, u32::to_string)?;
        within("response_bytes", &self.response_bytes, &RESPONSE_BYTES, usize::to_string)?;
        if address.grpc && self.encoding == Encoding::Json {
            return Err("encoding: JSON is for `http://` and `https://`; gRPC has none".to_owned());
        }
        if let Some(token) = &self.token {
            let token = token.expose();
            if token.is_empty() || token.len() > 8192 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("token: it is empty, too long or has characters a header cannot carry".to_owned());
            }
            if !address.secure && !address.is_here() {
                return Err(format!(
                    "token: it would travel in the clear to `{}`; use `https://` or `grpcs://`",
                    address.shown
                ));
            }
        }
        Ok(Checked { address, settings: self.clone() })
    }
}

fn name(key: &str, value: &str) -> Result<(), String> {
    // `.` and `..` as a part of a path are taken out of it by the rules of urls.
    let path = matches!(value, "." | "..");
    if NAME_LENGTH.contains(&value.len()) && !path && !value.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!("{key}: it has to be 1 to {} printable characters", NAME_LENGTH.end()))
}

fn within<T: PartialOrd>(
    key: &str,
    value: &T,
    range: &RangeInclusive<T>,
    shown: impl Fn(&T) -> String,
) -> Result<(), String> {
    if range.contains(value) {
        return Ok(());
    }
    let (least, most) = (shown(range.start()), shown(range.end()));
    Err(format!("{key}: {} is not within {least} to {most}", shown(value)))
}

impl Address {
    fn read(text: &str) -> Result<Self, String> {
        const FORMS: &str = "write `http://host:8000`, `https://…`, `grpc://host:8001` or `grpcs://…`";
        let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("url: no scheme; {FORMS}"))?;
        let (grpc, secure) = match scheme {
            "http" => (false, false),
            "https" => (false, true),
            "grpc" => (true, false),
            "grpcs" => (true, true),
            other => {
                return Err(format!("url: the scheme `{}` is unknown; {FORMS}", super::said(other, None)));
            }
        };
        // The rules of urls know nothing of gRPC's schemes; with HTTP's the host is read as one.
        let stand_in = format!("{}://{rest}", if secure { "https" } else { "http" });
        let url = Url::parse(&stand_in).map_err(|error| format!("url: {error}; {FORMS}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("url: a name or password does not belong in it; use `token`".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("url: `?` and `#` do not belong in it".to_owned());
        }
        let host = url.host().ok_or_else(|| format!("url: no host; {FORMS}"))?.to_owned();
        let port = url.port_or_known_default().ok_or_else(|| format!("url: no port; {FORMS}"))?;
        let prefix = url.path().trim_end_matches('/').to_owned();
        if grpc && !prefix.is_empty() {
            return Err(format!("url: gRPC has no path, `{prefix}` does not belong in it"));
        }
        let shown = format!("{scheme}://{host}:{port}{prefix}");
        Ok(Address { grpc, secure, host, port, prefix, shown })
    }

    /// Whether it is this machine.
    fn is_here(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        }
    }

    /// `host:port`, as in the Host header.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
