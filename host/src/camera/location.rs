//! URLs as people write them: with the password inside.

use url::Url;

use crate::base::{Error, Result, Secret};

/// Takes the credentials out of a camera's URL, percent-decoded: `rtsp://user:pass@host/…` becomes
/// `rtsp://host/…`, `user` and the password. Anything but a URL is returned as it is.
///
/// # Errors
/// Where it is meant as a URL but is none; the message does not repeat it, as it may hold a password.
pub fn split_credentials(location: &str) -> Result<(String, Option<String>, Option<Secret>)> {
    if !location.contains("://") {
        return Ok((location.to_owned(), None, None));
    }
    let mut url = Url::parse(location)
        .map_err(|error| Error::source(format!("the camera's URL is not valid: {error}")))?;
    if url[url::Position::BeforePath..].contains('@') {
        // `rtsp://admin:1/2@host/` reads as host `admin`, port 1: what follows would print a password.
        return Err(Error::source(
            "an `@` stands after the host of the camera's URL; write it as `%40`, a `/` in a password as `%2F`",
        ));
    }
    let username = Some(decoded(url.username())).filter(|name| !name.is_empty());
    let password = url.password().map(|password| Secret::new(decoded(password)));
    if username.is_none() && password.is_none() {
        return Ok((location.to_owned(), None, None));
    }
    let stripped = url.set_username("").and_then(|()| url.set_password(None));
    stripped.map_err(|()| Error::source("the camera's URL has credentials but no host"))?;
    Ok((url.to_string(), username, password))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url() {
        let (url, username, password) =
            split_credentials("rtsp://ad%40min:p%3Aa%2fss%25@10.0.0.9:8554/live?ch=1").unwrap();
        assert_eq!(url, "rtsp://10.0.0.9:8554/live?ch=1");
        assert_eq!(username.as_deref(), Some("ad@min"));
        assert_eq!(password.unwrap().expose(), "p:a/ss%");
    }

    #[test]
    fn what_has_no_credentials_stays_as_it_is() {
        for location in ["rtsp://camera/live", "clips/a@b:c.mp4", "/tmp/x.mp4"] {
            assert_eq!(split_credentials(location).unwrap(), (location.to_owned(), None, None));
        }
    }

    #[test]
    fn a_broken_url_is_not_repeated() {
        for location in
            ["rtsp://user:hunter2@[::1/live", "rtsp://user:1/hunter2@h/", "rtsp://user:1#hunter2@h/"]
        {
            let error = split_credentials(location).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
