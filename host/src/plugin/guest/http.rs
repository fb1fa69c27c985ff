//! `http`, and what a guest that speaks `wasi:http` finds: both go out through the plugin's [`Egress`].

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use wasmtime_wasi::runtime::in_tokio;
use wasmtime_wasi_http::{
    Error as WasiError, RequestOptions, WasiBody, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use super::Guest;
use crate::plugin::bindings::transom::app::http::{self, Header, HttpError, Method};
use crate::plugin::egress::{Egress, EgressError, request_uri};

impl http::Host for Guest {
    fn send(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, HttpError>> {
        let Some(egress) = self.setup.egress.clone() else {
            return Ok(Err(HttpError::Denied("this plugin was granted no host".to_owned())));
        };
        let request = match written(request) {
            Ok(request) => request,
            Err(why) => return Ok(Err(HttpError::BadRequest(why))),
        };
        let answer = self.wait(|| in_tokio(egress.send(request)))?;
        Ok(answer.as_ref().map(told).map_err(|error| error.clone().into()))
    }
}

fn written(request: http::Request) -> Result<::http::Request<Bytes>, String> {
    let http::Request { method, url, headers, body } = request;
    let method = match method {
        Method::Get => ::http::Method::GET,
        Method::Head => ::http::Method::HEAD,
        Method::Post => ::http::Method::POST,
        Method::Put => ::http::Method::PUT,
        Method::Delete => ::http::Method::DELETE,
        Method::Patch => ::http::Method::PATCH,
    };
    let uri = request_uri(&url).map_err(|error| error.to_string())?;
    let mut written = ::http::Request::builder().method(method).uri(uri);
    for Header { name, value } in headers {
        written = written.header(name, value);
    }
    written.body(Bytes::from(body)).map_err(|error| error.to_string())
}

fn told(response: &::http::Response<Bytes>) -> http::Response {
    let headers = response.headers().iter().filter_map(|(name, value)| {
        Some(Header { name: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() })
    });
    http::Response {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: response.body().to_vec(),
    }
}

impl From<EgressError> for HttpError {
    fn from(error: EgressError) -> Self {
        match error {
            EgressError::BadRequest(why) => HttpError::BadRequest(why),
            EgressError::Denied(denial) => HttpError::Denied(denial.to_string()),
            EgressError::TooLarge(why) => HttpError::TooLarge(why),
            EgressError::Busy => HttpError::Busy,
            EgressError::TimedOut => HttpError::TimedOut,
            EgressError::Failed(why) => HttpError::Failed(why),
        }
    }
}

/// How `wasi:http` sends: through the plugin's egress, or not at all.
pub(in crate::plugin) struct Hooks(pub(super) Option<Arc<Egress>>);

impl Hooks {
    /// Whether an answer from outside is on its way.
    pub(super) fn is_waiting(&self) -> bool {
        self.0.as_ref().is_some_and(|egress| egress.is_waiting())
    }
}

type Sent = Result<
    (::http::Response<WasiBody>, Box<dyn Future<Output = Result<(), WasiError>> + Send>),
    wasmtime_wasi_http::Error,
>;

impl WasiHttpHooks for Hooks {
    /// It is the egress that sets it, from the address it checked.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: ::http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), WasiError>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let egress = self.0.clone();
        Box::new(async move {
            let Some(egress) = egress else { return Err(WasiError::HttpRequestDenied) };
            let response = egress.stream(request).await.map_err(wasi_error)?;
            let response = response.map(|body| body.map_err(wasi_error).boxed_unsync());
            let done: Box<dyn Future<Output = Result<(), WasiError>> + Send> = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

fn wasi_error(error: EgressError) -> WasiError {
    match error {
        EgressError::BadRequest(_) => WasiError::HttpRequestUriInvalid,
        EgressError::Denied(_) => WasiError::HttpRequestDenied,
        EgressError::TooLarge(_) => WasiError::HttpResponseBodySize(None),
        EgressError::Busy => WasiError::ConnectionLimitReached,
        EgressError::TimedOut => WasiError::HttpResponseTimeout,
        EgressError::Failed(why) => WasiError::InternalError(Some(why)),
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.wasi_http }
    }
}
