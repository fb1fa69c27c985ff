//! What the owner granted, and what a url asks for.

use std::net::IpAddr;

use http::{Method, Uri};
use ipnet::IpNet;
use url::{Host, Position, Url};

use super::{Denial, EgressError, address};

/// Longest url. RFC 9110, 4.1 asks for 8000 bytes at least.
const MOST_URL_BYTES: usize = 8 << 10;
/// Longest host name. RFC 1035, 2.3.4.
const MOST_HOST_BYTES: usize = 253;

/// How a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// In TLS.
    Https,
}

impl Scheme {
    /// As it is written in a url.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port of a url that names none.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Which hosts a grant is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// This name, in punycode.
    Name(String),
    /// Every name under this one, at any depth, but not itself: `example.org` for `*.example.org`.
    AnyUnder(String),
    /// This address, and it alone, whatever it is.
    Address(IpAddr),
}

/// The owner's yes to requests of one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostGrant {
    /// `http` is no `https` and the other way round.
    pub scheme: Scheme,
    /// The hosts.
    pub host: HostPattern,
    /// The port; the scheme's own where the owner wrote none.
    pub port: u16,
    /// The methods.
    pub methods: Vec<Method>,
    /// Addresses the host may have although they are not on the public Internet.
    pub addresses: Vec<IpNet>,
}

impl HostGrant {
    fn is_for(&self, target: &Target) -> bool {
        let host = match (&self.host, &target.host) {
            (HostPattern::Name(name), Host::Domain(host)) => name.eq_ignore_ascii_case(host),
            (HostPattern::AnyUnder(suffix), Host::Domain(host)) => is_under(host, suffix),
            (HostPattern::Address(address), _) => {
                target.address().map(|literal| literal.to_canonical()) == Some(address.to_canonical())
            }
            _ => false,
        };
        host && self.scheme == target.scheme && self.port == target.port
    }

    /// Whether this grant lets its host be at `address`.
    fn names(&self, address: IpAddr) -> bool {
        let destination = address::destination(address);
        self.addresses.iter().any(|net| net.contains(&address) || net.contains(&destination))
            || matches!(self.host, HostPattern::Address(granted) if granted.to_canonical() == address)
    }
}

fn is_under(host: &str, suffix: &str) -> bool {
    let Some(cut) = host.len().checked_sub(suffix.len()) else { return false };
    let (Some(labels), Some(tail)) = (host.get(..cut), host.get(cut..)) else { return false };
    tail.eq_ignore_ascii_case(suffix) && labels.len() > 1 && labels.ends_with('.')
}

/// A url a plugin wrote, as the request the host will make: who connects, the `Host` header and the request
/// line all follow this one reading of it.
///
/// # Errors
/// [`EgressError::BadRequest`].
pub fn request_uri(url: &str) -> Result<Uri, EgressError> {
    let target = Target::parse(url).map_err(EgressError::BadRequest)?;
    target.url.as_str().parse().map_err(|_| EgressError::BadRequest("the url is malformed".into()))
}

/// A url that may be asked for, if it is granted.
#[derive(Debug, Clone)]
pub(super) struct Target {
    url: Url,
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        Self::new(Url::parse(url))
    }

    /// Where `location` of an answer leads.
    pub(super) fn join(&self, location: &str) -> Result<Self, String> {
        Self::new(self.url.join(location))
    }

    /// `url` is the WHATWG's reading: `0x7f.1` and `2130706433` are addresses, IDNA is punycode, names are in
    /// lower case, and zone ids are no part of an address.
    fn new(url: Result<Url, url::ParseError>) -> Result<Self, String> {
        let url = url.map_err(|error| format!("the url is malformed: {error}"))?;
        if url.as_str().len() > MOST_URL_BYTES {
            return Err(format!("the url is longer than {MOST_URL_BYTES} bytes"));
        }
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err("the url is neither `http` nor `https`".into()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the url holds a login; send it in a header".into());
        }
        let host = match url.host().map(|host| host.to_owned()) {
            // RFC 1034, 3.1: a dot at the end is the root's, and the name is the same without.
            Some(Host::Domain(name)) => Host::Domain(name.strip_suffix('.').unwrap_or(&name).to_owned()),
            Some(literal) => literal,
            None => return Err("the url has no host".into()),
        };
        if matches!(&host, Host::Domain(name) if name.is_empty() || name.len() > MOST_HOST_BYTES) {
            return Err(format!("the url's host is empty or longer than {MOST_HOST_BYTES} bytes"));
        }
        let port = url.port().unwrap_or(scheme.default_port());
        Ok(Self { url, scheme, host, port })
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn host(&self) -> &Host<String> {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The address in the url, if there is one instead of a name.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// The `Host` header: RFC 9110, 7.2.
    pub(super) fn authority(&self) -> String {
        match self.port {
            port if port == self.scheme.default_port() => self.host.to_string(),
            port => format!("{}:{port}", self.host),
        }
    }

    pub(super) fn path_and_query(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    /// RFC 6454, 4.
    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }

    fn denial(&self, address: Option<IpAddr>, reason: String) -> Denial {
        Denial { url_host: self.host.to_string(), address, reason }
    }
}

/// The grants that are for `method` of `target`.
pub(super) fn granting<'g>(
    grants: &'g [HostGrant],
    target: &Target,
    method: &Method,
) -> Result<Vec<&'g HostGrant>, Denial> {
    let origin = target.origin();
    let mut found: Vec<_> = grants.iter().filter(|grant| grant.is_for(target)).collect();
    if found.is_empty() {
        let reason =
            format!("`{origin}` is not granted; the owner can add it to `http` of the plugin's grants");
        return Err(target.denial(None, reason));
    }
    found.retain(|grant| grant.methods.contains(method));
    if found.is_empty() {
        // The method itself may be any word of the plugin's.
        let reason =
            format!("`{origin}` is granted, but not with this method; the owner can add it to `methods`");
        return Err(target.denial(None, reason));
    }
    Ok(found)
}

/// Those of `addresses` that `target` may be at.
pub(super) fn permitted(
    grants: &[&HostGrant],
    target: &Target,
    addresses: &[IpAddr],
) -> Result<Vec<IpAddr>, Denial> {
    let mut refused = None;
    let permitted: Vec<_> = addresses
        .iter()
        .map(IpAddr::to_canonical)
        .filter(|&address| {
            let what = address::special(address);
            let is_permitted = what.is_none() || grants.iter().any(|grant| grant.names(address));
            if !is_permitted {
                refused = refused.or(what.map(|what| (address, what)));
            }
            is_permitted
        })
        .collect();
    match refused {
        Some((address, what)) if permitted.is_empty() => {
            let origin = target.origin();
            let reason = format!(
                "`{origin}` is at `{address}`, {what}; the owner can add it to `addresses` of the grant"
            );
            Err(target.denial(Some(address), reason))
        }
        _ => Ok(permitted),
    }
}
