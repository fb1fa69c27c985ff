//! Hosts that plugins may ask, and ranges of addresses: read from text, one spelling for each.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

use super::report::quoted;
use super::{HostPattern, HttpHost, Scheme};

/// What an `http` entry is like.
pub(super) const HOST_PATTERN: &str = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\\\s]+$";

/// Reads `scheme://host[:port]`. Methods are the caller's; `addresses` is what a literal address implies.
///
/// # Errors
/// What is wrong and what to do. Quotes no login, path or query: they may hold secrets.
pub(super) fn host(typed: &str) -> Result<HttpHost, String> {
    if typed.contains('@') {
        return Err("a login stands before an `@`; leave it out".to_owned());
    }
    let (scheme, rest) = typed.split_once("://").unwrap_or(("", typed));
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    if scheme.is_empty() {
        return Err(format!("{} has no scheme; write it as `https://HOST`", quoted(authority)));
    }
    let shown = quoted(&format!("{scheme}://{authority}"));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(format!("{shown} is neither `http://…` nor `https://…`; no other can be asked for")),
    };
    if !path.is_empty() {
        return Err(format!(
            "a path or query follows {shown}; leave it out, for a host is granted as a whole"
        ));
    }
    // `Url` would leave white space out and go on.
    if authority.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!("{shown} has white space in it; leave it out"));
    }
    let (any_under, name) = match authority.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, authority),
    };
    let no_url =
        |why: &str| format!("{shown} is no URL ({why}); write it as `https://HOST` or `https://HOST:PORT`");
    let url =
        Url::parse(&format!("{}://{name}", scheme.as_str())).map_err(|error| no_url(&error.to_string()))?;
    let port = url.port_or_known_default().filter(|port| *port != 0).ok_or_else(|| no_url("no port 0"))?;
    let host = match url.host() {
        Some(Host::Domain(name)) => {
            let labels = name.split('.').count();
            if name.contains('*') {
                return Err(format!(
                    "{shown} has a `*` that is not in front; write it as `https://*.example.org`"
                ));
            }
            if name.ends_with('.') {
                return Err(format!("{shown} ends with a dot; leave it out"));
            }
            if name.split('.').any(str::is_empty) {
                return Err(no_url("empty label"));
            }
            if any_under && labels < 2 {
                return Err(format!(
                    "{shown} is all of a top level domain; name at least two levels, as in `https://*.example.org`"
                ));
            }
            if any_under {
                HostPattern::AnyUnder(name.to_owned())
            } else {
                HostPattern::Name(name.to_owned())
            }
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) if any_under => {
            return Err(format!(
                "{shown} has an address, and there is nothing under an address; leave `*.` out"
            ));
        }
        Some(Host::Ipv4(address)) => HostPattern::Address(address.into()),
        Some(Host::Ipv6(address)) => match mapped(address) {
            Some(v4) => return Err(format!("{shown} is an IPv4 address; write it as `{v4}`")),
            None => HostPattern::Address(address.into()),
        },
        None => return Err(no_url("no host")),
    };
    let addresses = match host {
        HostPattern::Address(address) => vec![IpNet::from(address)],
        _ => Vec::new(),
    };
    let mut canonical = format!("{}://", scheme.as_str());
    if any_under {
        canonical.push_str("*.");
    }
    canonical.push_str(url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        canonical.push_str(&format!(":{port}"));
    }
    Ok(HttpHost { url: canonical, scheme, host, port, methods: Vec::new(), addresses })
}

/// Reads a range of addresses, `192.168.1.0/24`, or one address.
///
/// # Errors
/// What is wrong and what to do.
pub(super) fn net(typed: &str) -> Result<IpNet, String> {
    let shown = quoted(typed);
    let net = (typed.parse::<IpAddr>().map(IpNet::from)).or_else(|_| typed.parse::<IpNet>());
    let Ok(net) = net else {
        return Err(format!("{shown} is no range of addresses; write it as `192.168.1.0/24`"));
    };
    if let IpAddr::V6(address) = net.addr()
        && mapped(address).is_some()
    {
        // Peers and hosts are judged by the IPv4 address inside, so this would never match.
        return Err(format!("{shown} stands for IPv4 addresses; write it as IPv4"));
    }
    if net != net.trunc() {
        return Err(format!(
            "{shown} goes beyond its prefix; write `{}`, or `{}` for one address",
            net.trunc(),
            net.addr()
        ));
    }
    Ok(net)
}

/// This machine: what a port answers where nobody says more.
pub(super) fn this_machine() -> Vec<IpNet> {
    ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse().ok()).collect()
}

/// The IPv4 address in `::ffff:0:0/96` (RFC 4291, 2.5.5.2).
fn mapped(address: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    address.to_ipv4_mapped()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        for (typed, url, port) in [
            ("https://api.example.com", "https://api.example.com", 443),
            ("HTTPS://API.Example.COM:443", "https://api.example.com", 443),
            ("http://api.example.com:443", "http://api.example.com:443", 443),
            ("http://localhost:80", "http://localhost", 80),
            ("https://*.Example.org:8443", "https://*.example.org:8443", 8443),
            ("https://bücher.example", "https://xn--bcher-kva.example", 443),
            ("http://0x7f.1", "http://127.0.0.1", 80),
            ("http://2130706433:8080", "http://127.0.0.1:8080", 8080),
            ("http://[::1]:8080", "http://[::1]:8080", 8080),
        ] {
            let host = host(typed).unwrap();
            assert_eq!((host.url.as_str(), host.port), (url, port), "{typed}");
            assert_eq!(super::host(&host.url).unwrap(), host, "{typed}: what is shown means the same");
        }
        assert_eq!(host("https://a.example").unwrap().host, HostPattern::Name("a.example".into()));
        let any = host("https://*.example.org").unwrap();
        assert_eq!((any.host, any.addresses), (HostPattern::AnyUnder("example.org".into()), Vec::new()));
        let literal = host("http://192.168.1.9:81").unwrap();
        assert_eq!(literal.host, HostPattern::Address("192.168.1.9".parse().unwrap()));
        assert_eq!(literal.addresses, ["192.168.1.9/32".parse().unwrap()]);
    }

    #[test]
    fn what_is_no_host_is_refused_without_printing_a_secret() {
        for (typed, message) in [
            ("https://me:secret@example.com", "a login stands before an `@`; leave it out"),
            ("me:secret@example.com", "a login stands before an `@`; leave it out"),
            ("example.com/secret", "`example.com` has no scheme; write it as `https://HOST`"),
            ("", "`` has no scheme; write it as `https://HOST`"),
            (
                "https://example.com/secret",
                "a path or query follows `https://example.com`; leave it out, for a host is granted as a whole",
            ),
            (
                "https://example.com?key=secret",
                "a path or query follows `https://example.com`; leave it out, for a host is granted as a whole",
            ),
            (
                "https://example.com\\secret",
                "a path or query follows `https://example.com`; leave it out, for a host is granted as a whole",
            ),
            (
                "ftp://example.com/secret",
                "`ftp://example.com` is neither `http://…` nor `https://…`; no other can be asked for",
            ),
            ("https://exa\tmple.com", "`https://exa\\u{9}mple.com` has white space in it; leave it out"),
            (
                "https://",
                "`https://` is no URL (empty host); write it as `https://HOST` or `https://HOST:PORT`",
            ),
            (
                "https://example.com:http",
                "`https://example.com:http` is no URL (invalid port number); write it as `https://HOST` or `https://HOST:PORT`",
            ),
            (
                "https://example.com:0",
                "`https://example.com:0` is no URL (no port 0); write it as `https://HOST` or `https://HOST:PORT`",
            ),
            (
                "https://a..example",
                "`https://a..example` is no URL (empty label); write it as `https://HOST` or `https://HOST:PORT`",
            ),
            ("https://example.com.", "`https://example.com.` ends with a dot; leave it out"),
            (
                "https://*.com",
                "`https://*.com` is all of a top level domain; name at least two levels, as in `https://*.example.org`",
            ),
            (
                "https://api.*.example.com",
                "`https://api.*.example.com` has a `*` that is not in front; write it as `https://*.example.org`",
            ),
            (
                "https://%2a.example.com",
                "`https://%2a.example.com` has a `*` that is not in front; write it as `https://*.example.org`",
            ),
            (
                "https://*.192.168.1.9",
                "`https://*.192.168.1.9` has an address, and there is nothing under an address; leave `*.` out",
            ),
            (
                "http://[::ffff:10.0.0.1]",
                "`http://[::ffff:10.0.0.1]` is an IPv4 address; write it as `10.0.0.1`",
            ),
        ] {
            let refused = host(typed).unwrap_err();
            assert_eq!(refused, message, "{typed}");
            assert!(!refused.contains("secret"));
        }
        for typed in
            ["*", "https://*", "https://[fe80::1%eth0]", "https://exa mple.com", "https:///", "https://[::1"]
        {
            assert!(host(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn a_range_of_addresses_has_one_spelling() {
        for (typed, shown) in [
            ("192.168.1.0/24", "192.168.1.0/24"),
            ("192.168.1.9", "192.168.1.9/32"),
            ("fd00::/8", "fd00::/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(net(typed).unwrap().to_string(), shown);
        }
        for (typed, message) in [
            ("192.168.1.0/33", "`192.168.1.0/33` is no range of addresses; write it as `192.168.1.0/24`"),
            ("localhost", "`localhost` is no range of addresses; write it as `192.168.1.0/24`"),
            (
                "192.168.1.9/24",
                "`192.168.1.9/24` goes beyond its prefix; write `192.168.1.0/24`, or `192.168.1.9` for one address",
            ),
            ("::ffff:10.0.0.0/104", "`::ffff:10.0.0.0/104` stands for IPv4 addresses; write it as IPv4"),
        ] {
            assert_eq!(net(typed).unwrap_err(), message);
        }
        assert_eq!(this_machine().len(), 2);
    }
}
