//! `GET /status` as `guest-examples/debug-server` answers it: the request read whole, an answer as long.

use bindings::exports::wasi::http::incoming_handler::Guest;
use bindings::wasi::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use bindings::wasi::io::streams::StreamError;

#[allow(unsafe_code, missing_docs, unreachable_pub, rust_2018_idioms, clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "handler", generate_all });
}

struct Handler;

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_else(|| "/".to_owned());
        let path = target.split_once('?').map_or(target.as_str(), |(path, _)| path);
        let (status, kind, body) = match read(&request) {
            None => (400, "text/plain; charset=utf-8", "the request could not be read\n".to_owned()),
            Some(_) if matches!(request.method(), Method::Get) && path == "/status" => {
                (200, "application/json", status())
            }
            Some(_) => (404, "text/plain; charset=utf-8", "GET /status\n".to_owned()),
        };
        let fields = Fields::new();
        let _ = fields.append("content-type", kind.as_bytes());
        let response = OutgoingResponse::new(fields);
        let _ = response.set_status_code(status);
        let outgoing = response.body();
        ResponseOutparam::set(out, Ok(response));
        let Ok(outgoing) = outgoing else { return };
        if let Ok(stream) = outgoing.write() {
            let _ = body.as_bytes().chunks(4096).try_for_each(|chunk| stream.blocking_write_and_flush(chunk));
        }
        let _ = OutgoingBody::finish(outgoing, None);
    }
}

/// The headers and the body; both are read, as debug-server's SDK does.
fn read(request: &IncomingRequest) -> Option<(Vec<(String, Vec<u8>)>, Vec<u8>)> {
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
    Some((request.headers().entries(), body))
}

fn status() -> String {
    let [camera, sequence, captured_at_us, width, height] =
        std::hint::black_box([0_u64, 1_234, 1_700_000_000_000_000, 960, 540]);
    let newest = format!(
        r#"{{"camera":{camera},"sequence":{sequence},"captured_at_us":{captured_at_us},"width":{width},"height":{height}}}"#
    );
    let [starts, cameras, frames] = std::hint::black_box([1, 1, 1_234]);
    format!("{{\"starts\":{starts},\"cameras\":{cameras},\"frames\":{frames},\"newest\":{newest}}}\n")
}

bindings::export!(Handler with_types_in bindings);
