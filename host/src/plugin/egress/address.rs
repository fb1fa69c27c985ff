//! Which addresses lie on the public Internet. The others lead into the owner's network, this machine or a
//! cloud's metadata service, and are refused unless a grant names them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, c: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

/// IANA's special-purpose IPv4 addresses, less those that are globally reachable (AS112, AMT).
const SPECIAL_V4: [(Ipv4Net, &str); 18] = [
    (v4(0, 0, 0, 0, 32), "an unspecified address"),
    (v4(0, 0, 0, 0, 8), "an address of this network"),
    (v4(10, 0, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 0, 10), "a shared address"), // RFC 6598; 100.100.100.200 is Alibaba's metadata
    (v4(127, 0, 0, 0, 8), "a loopback address"),
    // Azure's wire server answers every virtual machine there; it is no special-purpose address to IANA.
    (v4(168, 63, 129, 16, 32), "a metadata address"),
    (v4(169, 254, 169, 254, 32), "a metadata address"),
    (v4(169, 254, 0, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 0, 12), "a private address"),
    (v4(192, 0, 0, 0, 24), "a reserved address"), // RFC 6890; 192.0.0.192 is Oracle's metadata
    (v4(192, 0, 2, 0, 24), "a documentation address"),
    (v4(192, 88, 99, 0, 24), "a reserved address"), // RFC 7526: the 6to4 relays of old
    (v4(192, 168, 0, 0, 16), "a private address"),
    (v4(198, 18, 0, 0, 15), "a benchmarking address"),
    (v4(198, 51, 100, 0, 24), "a documentation address"),
    (v4(203, 0, 113, 0, 24), "a documentation address"),
    (v4(224, 0, 0, 0, 4), "a multicast address"),
    (v4(255, 255, 255, 255, 32), "a broadcast address"),
];

/// What IANA has set aside inside of 2000::/3, and what people have names for outside of it.
const SPECIAL_V6: [(Ipv6Net, &str); 10] = [
    (v6(0x64, 0xff9b, 1, 48), "a local NAT64 address"), // RFC 8215: where the IPv4 lies in it is local too
    (v6(0x2001, 0, 0, 32), "a Teredo address"),
    (v6(0x2001, 2, 0, 48), "a benchmarking address"),
    (v6(0x2001, 0, 0, 23), "a reserved address"), // RFC 2928: protocol assignments
    (v6(0x2001, 0xdb8, 0, 32), "a documentation address"),
    (v6(0x3fff, 0, 0, 20), "a documentation address"), // RFC 9637
    (v6(0xfc00, 0, 0, 7), "a unique local address"),   // RFC 4193; fd00:ec2::254 is Amazon's metadata
    (v6(0xfe80, 0, 0, 10), "a link-local address"),
    (v6(0xfec0, 0, 0, 10), "a site-local address"), // RFC 3879
    (v6(0xff00, 0, 0, 8), "a multicast address"),
];

/// RFC 4291, 2.4: the only block global unicast addresses are given from.
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);
/// RFC 6052, 2.1: IPv4 through a translator, as DNS64 hands it out on networks without IPv4.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
/// RFC 3056.
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 16);
/// RFC 4291, 2.5.5.1: IPv4-compatible, with `::` and `::1` in it.
const COMPATIBLE: Ipv6Net = v6(0, 0, 0, 96);

/// What `address` is, if it is not on the public Internet.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    let find_v4 = |address: Ipv4Addr| {
        let found = SPECIAL_V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, what)| *what);
        found.or((address.octets()[0] >= 240).then_some("a reserved address"))
    };
    match destination(address) {
        IpAddr::V4(address) => find_v4(address),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Some("a loopback address"),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some("an unspecified address"),
        IpAddr::V6(address) => {
            let found = SPECIAL_V6.iter().find(|(net, _)| net.contains(&address)).map(|(_, what)| *what);
            found.or((!GLOBAL_UNICAST.contains(&address)).then_some("a reserved address"))
        }
    }
}

/// Where a packet to `address` ends up: the IPv4 address within an IPv6 one that stands for it.
pub(super) fn destination(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    let octets = v6.octets();
    let within = |at: usize| IpAddr::from([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
    match v6 {
        Ipv6Addr::LOCALHOST | Ipv6Addr::UNSPECIFIED => address,
        _ if NAT64.contains(&v6) || COMPATIBLE.contains(&v6) => within(12),
        _ if SIX_TO_FOUR.contains(&v6) => within(2),
        _ => address,
    }
}
