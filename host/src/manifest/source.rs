//! What stands for a camera: `rtsp://…`, or a path. Takes user name and password out of the URL, so that
//! everything that prints a source prints none of them.

use std::path::Path;

use super::Source;
use super::document::join;
use super::report::quoted;
use crate::base::Secret;

/// Reads a source as it was typed; a path starts from `folder`.
///
/// # Errors
/// What is wrong and what to do. Quotes no text that could hold a password.
pub(super) fn parse(typed: &str, folder: &Path) -> Result<Source, String> {
    let Some((scheme, rest)) = scheme(typed) else {
        if typed.is_empty() || typed.contains('\0') {
            return Err("this is no source; write `rtsp://…` or a path".to_owned());
        }
        let path = join(folder, typed);
        let location = path.to_str().ok_or_else(|| {
            format!("the folder {} is no UTF-8; move the app", quoted(&folder.to_string_lossy()))
        })?;
        return Ok(Source { location: location.to_owned(), username: None, password: None });
    };
    if !scheme.eq_ignore_ascii_case("rtsp") {
        return Err(format!(
            "the source begins with {}; it takes `rtsp://…` or a path",
            quoted(&format!("{scheme}://"))
        ));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    if path.contains('@') {
        // `rtsp://admin:1/2@host/` reads as host `admin`, port 1: what follows would print a password.
        return Err(
            "an `@` stands after the host of the source; write it as `%40`, a `/` in a password as `%2F`"
                .to_owned(),
        );
    }
    let location = format!("rtsp://{host}{path}");
    match url::Url::parse(&location) {
        Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => {}
        Ok(_) => {
            return Err(format!("the source {} names no host; write `rtsp://HOST/PATH`", quoted(&location)));
        }
        Err(error) => {
            return Err(format!(
                "the source {} is no URL ({error}); write `rtsp://HOST/PATH`",
                quoted(&location)
            ));
        }
    }
    let (username, password) = match login {
        None => (None, None),
        Some(login) => {
            let (username, password) = match login.split_once(':') {
                Some((username, password)) => (username, Some(password)),
                None => (login, None),
            };
            let decode =
                |text| decode(text).ok_or("the login in the source is no UTF-8 once decoded; mind its `%`");
            (Some(decode(username)?), password.map(decode).transpose()?.map(Secret::new))
        }
    };
    Ok(Source { location, username, password })
}

/// `scheme://rest`, if that is what it is and no path.
fn scheme(typed: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = typed.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some((scheme, rest))
}

/// Undoes percent-encoding (RFC 3986, 2.1); a `%` without two digits stands for itself, as browsers have it.
fn decode(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_here(typed: &str) -> Result<Source, String> {
        parse(typed, Path::new("apps/door"))
    }

    #[test]
    fn a_login_leaves_the_url() {
        let source = parse_here("RTSP://admin:p%40s%2Fs@cam.local:8554/live?x=1").unwrap();
        assert_eq!(source.location, "rtsp://cam.local:8554/live?x=1");
        assert_eq!(source.username.as_deref(), Some("admin"));
        assert_eq!(source.password.as_ref().map(Secret::expose), Some("p@s/s"));
        assert!(!format!("{source:?}").contains("p@s"));
        // The last `@` ends the login, as in every browser.
        assert_eq!(parse_here("rtsp://a:b@c@host/").unwrap().password.unwrap().expose(), "b@c");
        assert_eq!(parse_here("rtsp://a@[::1]:554/").unwrap().location, "rtsp://[::1]:554/");
    }

    #[test]
    fn a_path_starts_from_the_folder_of_its_file() {
        assert_eq!(parse_here("door.mp4").unwrap().location, "apps/door/door.mp4");
        assert_eq!(parse_here("/clips/door.mp4").unwrap().location, "/clips/door.mp4");
        assert_eq!(parse("door.mp4", Path::new(".")).unwrap().location, "door.mp4");
        assert_eq!(parse(".", Path::new(".")).unwrap().location, ".");
        assert_eq!(parse_here("a b/c://d").unwrap().location, "apps/door/a b/c://d");
    }

    #[test]
    fn what_is_neither_is_refused_without_printing_a_password() {
        let cases = [
            ("", "this is no source; write `rtsp://…` or a path"),
            ("rtsps://h/", "the source begins with `rtsps://`; it takes `rtsp://…` or a path"),
            ("http://u:secret@h/", "the source begins with `http://`; it takes `rtsp://…` or a path"),
            ("rtsp:///x", "the source `rtsp:///x` names no host; write `rtsp://HOST/PATH`"),
            (
                "rtsp://u:secret@h:port/x",
                "the source `rtsp://h:port/x` is no URL (invalid port number); write `rtsp://HOST/PATH`",
            ),
            (
                "rtsp://u:12/secret@h/x",
                "an `@` stands after the host of the source; write it as `%40`, a `/` in a password as `%2F`",
            ),
            ("rtsp://u:%ff@h/x", "the login in the source is no UTF-8 once decoded; mind its `%`"),
        ];
        for (typed, message) in cases {
            assert_eq!(parse_here(typed).unwrap_err(), message, "{typed}");
        }
    }
}
