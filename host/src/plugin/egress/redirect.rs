//! What becomes of a request that is sent elsewhere: RFC 9110, 15.4.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode, header};

/// The headers that speak of a body and go with it: RFC 9110, 15.4, step 6.
const OF_A_BODY: [&str; 8] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-type",
    "digest",
    "last-modified",
    "content-digest",
];

/// The `location` of `response`, if it is a redirect to follow.
pub(super) fn location<B>(response: &Response<B>) -> Option<&[u8]> {
    match response.status() {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => {
            response.headers().get(header::LOCATION).map(|value| value.as_bytes())
        }
        _ => None,
    }
}

/// Makes the request into the one that follows `status`.
pub(super) fn rewrite(status: StatusCode, is_same_origin: bool, head: &mut Parts, body: &mut Bytes) {
    let becomes_get = match status {
        StatusCode::SEE_OTHER => ![Method::GET, Method::HEAD].contains(&head.method),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => head.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        head.method = Method::GET;
        *body = Bytes::new();
        for name in OF_A_BODY {
            head.headers.remove(name);
        }
    }
    if !is_same_origin {
        head.headers.remove(header::AUTHORIZATION);
        head.headers.remove(header::COOKIE);
    }
}
