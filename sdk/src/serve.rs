//! Answering requests on the ports the owner opened, between frames. Asked for with
//! `ports = [{ name = "status", title = "Status page" }]` in `app.toml`; the plugin is exported with
//! `transom_sdk::export!(MyPlugin, serve)`.

use std::thread::LocalKey;

use crate::Plugin;
use crate::bindings::handler::wasi::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use crate::bindings::handler::wasi::io::streams::StreamError;
use crate::slot::Slot;

/// A plugin that answers requests.
pub trait Serve: Plugin {
    /// Called for a request, between frames; its time counts as a frame's does. The owner's address filter,
    /// token and limits are behind it already.
    fn on_request(&mut self, request: &Request) -> Response;
}

/// A request, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// In upper case, such as `GET`.
    pub method: String,
    /// Begins with `/`; not decoded.
    pub path: String,
    /// What follows the `?`, if there is one; not decoded.
    pub query: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// May be empty.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 ..= 599.
    pub status: u16,
    /// Those of the connection are the host's to set.
    pub headers: Vec<(String, Vec<u8>)>,
    /// May be empty.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with a body of that type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        let headers = vec![("content-type".to_owned(), content_type.as_bytes().to_vec())];
        Response { status, headers, body: body.into() }
    }

    /// Plain text.
    pub fn text(status: u16, text: impl Into<String>) -> Response {
        Response::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// Text that is JSON.
    pub fn json(status: u16, json: impl Into<String>) -> Response {
        Response::new(status, "application/json", json.into())
    }
}

#[doc(hidden)]
#[allow(clippy::needless_pass_by_value, reason = "the request ends with its handler")]
pub fn handle<P: Serve>(slot: &'static LocalKey<Slot<P>>, request: IncomingRequest, out: ResponseOutparam) {
    let answer = match read(&request) {
        Some(request) => slot.with_borrow_mut(|plugin| match plugin {
            Some(plugin) => plugin.on_request(&request),
            None => Response::text(503, "not configured yet\n"),
        }),
        None => Response::text(400, "the request could not be read\n"),
    };
    write(answer, out);
}

fn read(request: &IncomingRequest) -> Option<Request> {
    let target = request.path_with_query().unwrap_or_else(|| "/".to_owned());
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target, None),
    };
    let method = match request.method() {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Other(other) => other,
    };
    let mut body = Vec::new();
    let incoming = request.consume().ok()?;
    let stream = incoming.stream().ok()?;
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(more) => body.extend(more),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
    }
    Some(Request { method, path, query, headers: request.headers().entries(), body })
}

fn write(answer: Response, out: ResponseOutparam) {
    let Response { status, headers, body } = answer;
    // A header the host keeps for itself is left out, the others go.
    let fields = Fields::new();
    for (name, value) in headers {
        let _ = fields.append(&name, &value);
    }
    let response = OutgoingResponse::new(fields);
    let _ = response.set_status_code(status);
    let outgoing = response.body();
    ResponseOutparam::set(out, Ok(response));
    let Ok(outgoing) = outgoing else { return };
    if let Ok(stream) = outgoing.write() {
        // Where the client has gone there is nobody left to tell.
        let _ = body.chunks(4096).try_for_each(|chunk| stream.blocking_write_and_flush(chunk));
    }
    let _ = OutgoingBody::finish(outgoing, None);
}
