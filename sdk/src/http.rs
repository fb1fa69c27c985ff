//! Requests to hosts the owner granted. Asked for with `permissions = { http = ["https://api.example.com"] }`
//! in `app.toml`. The wait is not on the plugin's clock, but its frames wait meanwhile.

pub use crate::bindings::transom::app::http::{Header, HttpError, Method, Request, Response, send};

/// Asks for `url`.
pub fn get(url: &str) -> Result<Response, HttpError> {
    send(Request { method: Method::Get, url, headers: &[], body: &[] })
}

/// Sends `body` to `url`.
pub fn post(url: &str, content_type: &str, body: &[u8]) -> Result<Response, HttpError> {
    let content_type = Header { name: "content-type".to_owned(), value: content_type.to_owned() };
    send(Request { method: Method::Post, url, headers: &[&content_type], body })
}
