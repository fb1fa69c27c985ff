//! What a client is told instead of the plugin's answer.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::pace::Count;

/// Why a connection is closed or a request not answered by the plugin.
pub(super) enum Refusal {
    DeniedAddress,
    OverConnections,
    NotTls,
    Malformed(&'static str),
    NotSpoken(&'static str),
    OverRate,
    DeniedToken,
    TooLarge,
    TooSlow,
    Busy,
    TooLate,
    Failed,
}

impl Refusal {
    /// What the client is told. The one place where a refusal becomes a status.
    fn says(&self) -> (StatusCode, &'static str) {
        match self {
            Self::DeniedAddress => (StatusCode::FORBIDDEN, "this port is not for your address"),
            Self::OverConnections => (StatusCode::SERVICE_UNAVAILABLE, "too many connections"),
            Self::NotTls => (StatusCode::BAD_REQUEST, "this port speaks https"),
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, why),
            Self::NotSpoken(what) => (StatusCode::NOT_IMPLEMENTED, what),
            Self::OverRate => (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            Self::DeniedToken => (StatusCode::UNAUTHORIZED, "this port asks for a token"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body came too slowly"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many requests are waiting"),
            Self::TooLate => (StatusCode::GATEWAY_TIMEOUT, "the plugin did not answer in time"),
            Self::Failed => (StatusCode::BAD_GATEWAY, "the plugin failed"),
        }
    }

    /// What of it is counted. Too slow a client counts as one that has left.
    pub(super) fn count(&self) -> Count {
        match self {
            Self::DeniedAddress => |counts| &mut counts.denied_address,
            Self::OverConnections => |counts| &mut counts.over_connections,
            Self::NotTls | Self::Malformed(_) | Self::NotSpoken(_) => |counts| &mut counts.malformed,
            Self::OverRate => |counts| &mut counts.over_rate,
            Self::DeniedToken => |counts| &mut counts.denied_token,
            Self::TooLarge => |counts| &mut counts.too_large,
            Self::TooSlow => |counts| &mut counts.gone,
            Self::Busy => |counts| &mut counts.busy,
            Self::TooLate => |counts| &mut counts.too_late,
            Self::Failed => |counts| &mut counts.failed,
        }
    }

    pub(super) fn response(&self, close: bool) -> Response<Bytes> {
        let (status, why) = self.says();
        let mut response = Response::new(format!("{why}\n").into());
        *response.status_mut() = status;
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        match self {
            Self::DeniedToken => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // Of one second's worth there is some again after a second; of the others nobody knows.
            Self::OverRate | Self::Busy | Self::OverConnections => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if close || matches!(self, Self::Malformed(_) | Self::NotSpoken(_)) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The whole answer, for a connection that is closed before HTTP is spoken on it.
    pub(super) fn as_text(&self) -> Vec<u8> {
        let response = self.response(true);
        let mut text =
            format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", response.status(), response.body().len());
        for (name, value) in response.headers() {
            text += &format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
        }
        [text.as_bytes(), b"\r\n", response.body()].concat()
    }

    /// The same for one that is to speak TLS: a fatal alert, access denied or internal error (RFC 8446 6.2).
    pub(super) fn as_alert(&self) -> [u8; 7] {
        let what = if matches!(self, Self::DeniedAddress) { 49 } else { 80 };
        [21, 3, 3, 0, 2, 2, what]
    }
}
