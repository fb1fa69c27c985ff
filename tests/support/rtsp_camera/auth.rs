//! Who may ask: MD5 (RFC 1321), base64 (RFC 4648), Basic and Digest (RFC 2617).

use super::{Login, Scheme};

const REALM: &str = "transom test camera";

/// The `WWW-Authenticate` of a 401.
pub(super) fn challenge(scheme: Scheme, nonce: &str) -> String {
    match scheme {
        Scheme::Basic => format!("Basic realm=\"{REALM}\""),
        Scheme::DigestWithoutQop => format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\""),
        Scheme::Digest => {
            let md5 = "algorithm=MD5, qop=\"auth\"";
            format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", {md5}")
        }
    }
}

/// Whether an `Authorization` proves that login for that method and URI.
pub(super) fn accepts(login: &Login, nonce: &str, method: &str, uri: &str, header: &str) -> bool {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header, ""));
    let Login { user, password, .. } = login;
    if login.scheme == Scheme::Basic {
        let proof = base64(format!("{user}:{password}").as_bytes());
        return scheme.eq_ignore_ascii_case("Basic") && rest.trim() == proof;
    }
    let given = parameters(rest);
    let value = |name: &str| {
        let found = given.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let count_and_nonce = match (login.scheme, value("qop")) {
        (Scheme::Digest, Some("auth")) => match (value("nc"), value("cnonce")) {
            (Some(nc), Some(cnonce)) if nc.len() == 8 => Some((nc, cnonce)),
            _ => return false,
        },
        // A client may leave qop out (3.2.2); it may not send one that was never offered.
        (_, None) => None,
        _ => return false,
    };
    let expected = digest([user, REALM, password], nonce, method, uri, count_and_nonce);
    scheme.eq_ignore_ascii_case("Digest")
        && value("username") == Some(user.as_str())
        && value("realm") == Some(REALM)
        && value("nonce") == Some(nonce)
        // The digest is for this very resource: 3.2.2.5.
        && value("uri") == Some(uri)
        && value("response").is_some_and(|response| response.eq_ignore_ascii_case(&expected))
}

/// The `response` of RFC 2617 section 3.2.2.1. `who` is user, realm and password; with `qop=auth`
/// come the nonce count and the client's nonce.
pub(super) fn digest(
    who: [&str; 3],
    nonce: &str,
    method: &str,
    uri: &str,
    count_and_nonce: Option<(&str, &str)>,
) -> String {
    let secret = md5_hex(who.join(":").as_bytes());
    let asked = md5_hex(format!("{method}:{uri}").as_bytes());
    md5_hex(match count_and_nonce {
        Some((nc, cnonce)) => format!("{secret}:{nonce}:{nc}:{cnonce}:auth:{asked}"),
        None => format!("{secret}:{nonce}:{asked}"),
    })
}

/// `name="value", name=value`; a comma between quotes is part of the value.
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    let mut quoted = false;
    let parts = text.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    let pairs = parts.filter_map(|part| part.split_once('='));
    pairs.map(|(name, value)| (name.trim().into(), value.trim().trim_matches('"').into())).collect()
}

/// Base64 with padding (RFC 4648 section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0, |word, i| word << 8 | u32::from(*chunk.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let sextet = (word >> (18 - 6 * i)) & 63;
            text.push(if i > chunk.len() { '=' } else { char::from(alphabet[sextet as usize]) });
        }
    }
    text
}

/// MD5 (RFC 1321) in lower-case hexadecimal.
pub(super) fn md5_hex(message: impl AsRef<[u8]>) -> String {
    let message = message.as_ref();
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let at = padded.len() - 8;
    padded[at..].copy_from_slice(&(message.len() as u64 * 8).to_le_bytes());

    let shifts = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let word = |i: usize| u32::from_le_bytes(std::array::from_fn(|byte| block[i * 4 + byte]));
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64 {
            let (mixed, index) = match i / 16 {
                0 => (b & c | !b & d, i),
                1 => (b & d | c & !d, 5 * i + 1),
                2 => (b ^ c ^ d, 3 * i + 5),
                _ => (c ^ (b | !d), 7 * i),
            };
            // The table of 3.4 is defined by this formula.
            let sine = (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mixed).wrapping_add(sine).wrapping_add(word(index % 16));
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(shifts[i / 16][i % 4]));
        }
        for (value, add) in state.iter_mut().zip([a, b, c, d]) {
            *value = value.wrapping_add(add);
        }
    }
    let bytes = state.iter().flat_map(|value| value.to_le_bytes());
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
