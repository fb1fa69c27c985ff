//! The live page of a run: the annotated picture as MJPEG, the last events, the running numbers.
//!
//! Pictures are drawn and encoded only while somebody looks, at most [`SHOWN_FPS`] a second, once however
//! many look. Nothing here ever makes a plugin wait.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::base::{Error, Result, Shutdown};
use crate::event::{Event, Mark};
use crate::frame::Frame;

use super::draw;

/// Most pictures a second for those who look.
const SHOWN_FPS: u32 = 25;
/// Events kept for the page.
const KEPT_EVENTS: usize = 100;
const BOUNDARY: &str = "transom-picture";

/// Rows of names and values for the page's table.
type Numbers = Vec<(String, String)>;

/// The page and what it shows.
pub struct View {
    shared: Arc<Shared>,
    addr: SocketAddr,
    shutdown: Shutdown,
    server: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    streams: Mutex<BTreeMap<Arc<str>, Arc<Picture>>>,
    events: Mutex<Kept>,
    numbers: OnceLock<Box<dyn Fn() -> Numbers + Send + Sync>>,
    app: Mutex<String>,
    lookers: AtomicUsize,
    watched: Arc<AtomicBool>,
    shutdown: Shutdown,
    local: bool,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Box<RawValue>>,
    /// How many came before and with the last one kept.
    count: usize,
}

/// The newest picture of one stream.
#[derive(Default)]
struct Picture {
    state: Mutex<Newest>,
    /// Its number, so that whoever looks knows when there is a newer one.
    number: watch::Sender<u64>,
    /// Held by whoever encodes it; the others wait and take what that one made.
    encoding: Mutex<()>,
}

#[derive(Default)]
struct Newest {
    frame: Option<Arc<Frame>>,
    /// By plugin: what it drew on the frame it saw last.
    marks: BTreeMap<Arc<str>, Vec<Mark>>,
    /// The picture encoded, and which number it was.
    jpeg: Option<(u64, Bytes)>,
}

impl View {
    /// Opens the port and serves the page until dropped.
    ///
    /// # Errors
    /// [`Kind::Sink`](crate::base::Kind::Sink) where the port cannot be had.
    pub fn start(addr: SocketAddr) -> Result<Self> {
        let fail = |error: std::io::Error| {
            Error::sink(format!(
                "the page cannot be served at {addr}: {error}; choose another port with `--view`"
            ))
        };
        let listener = std::net::TcpListener::bind(addr).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let addr = listener.local_addr().map_err(fail)?;
        let shutdown = Shutdown::default();
        let shared = Arc::new(Shared {
            streams: Mutex::default(),
            events: Mutex::default(),
            numbers: OnceLock::new(),
            app: Mutex::default(),
            lookers: AtomicUsize::new(0),
            watched: Arc::default(),
            shutdown: shutdown.clone(),
            local: addr.ip().is_loopback(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(2)
            .thread_name("view")
            .enable_all()
            .build()
            .map_err(fail)?;
        let (router, stop) = (router(Arc::clone(&shared)), shutdown.clone());
        let server = std::thread::Builder::new().name("view".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let until = stop.clone();
                let serve = axum::serve(listener, router).with_graceful_shutdown(async move { until.stopped().await });
                // A connection somebody holds open must not hold up the end.
                tokio::select! {
                    _ = serve => {}
                    () = async { stop.stopped().await; tokio::time::sleep(Duration::from_millis(300)).await } => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_millis(200));
        });
        let server = server.map_err(fail)?;
        Ok(Self { shared, addr, shutdown, server: Some(server) })
    }

    /// Where the page is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// True while somebody looks: marks are worth keeping.
    pub fn watched(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.watched)
    }

    /// Says what runs and where its numbers come from; once, before the run.
    pub fn show(&self, app: &str, numbers: impl Fn() -> Numbers + Send + Sync + 'static) {
        app.clone_into(&mut lock(&self.shared.app));
        // A second call would be a second run on one page, which nobody makes.
        let _ = self.shared.numbers.set(Box::new(numbers));
    }

    /// Takes an event for the page's list.
    pub fn event(&self, event: &Event) {
        let Ok(line) = serde_json::value::to_raw_value(event) else { return };
        let mut kept = lock(&self.shared.events);
        kept.count += 1;
        if kept.lines.len() == KEPT_EVENTS {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
    }

    /// Takes the newest frame of `stream` and what `plugin` drew on it; `marks` is left with older ones.
    pub fn frame(&self, stream: &Arc<str>, plugin: &Arc<str>, frame: &Arc<Frame>, marks: &mut Vec<Mark>) {
        let picture = {
            let mut streams = lock(&self.shared.streams);
            match streams.get(stream) {
                Some(picture) => Arc::clone(picture),
                None => {
                    let picture = Arc::<Picture>::default();
                    streams.insert(Arc::clone(stream), Arc::clone(&picture));
                    picture
                }
            }
        };
        let mut newest = lock(&picture.state);
        match newest.marks.get_mut(plugin) {
            Some(drawn) => std::mem::swap(drawn, marks),
            None => {
                newest.marks.insert(Arc::clone(plugin), std::mem::take(marks));
            }
        }
        newest.frame = Some(Arc::clone(frame));
        drop(newest);
        picture.number.send_modify(|number| *number += 1);
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.shutdown.stop();
        if let Some(server) = self.server.take() {
            // It ends within half a second; a panic in it has nothing to add at the end of a run.
            let _ = server.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/status", get(status))
        .route("/picture/{stream}", get(mjpeg))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

/// A page on loopback is for this machine: a name that some web site made point here is refused (DNS
/// rebinding), and no other site may frame or read the page.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if shared.local && !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        return (StatusCode::FORBIDDEN, "this page answers to localhost only").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src 'unsafe-inline'; \
                  script-src 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, header::HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

async fn page() -> Html<&'static str> {
    Html(include_str!("../../console/view.html"))
}

#[derive(serde::Deserialize)]
struct After {
    #[serde(default)]
    after: usize,
}

#[derive(serde::Serialize)]
struct Status {
    app: String,
    streams: Vec<String>,
    numbers: Numbers,
    events: Vec<Box<RawValue>>,
    after: usize,
}

async fn status(
    State(shared): State<Arc<Shared>>,
    Query(After { after }): Query<After>,
) -> impl IntoResponse {
    let kept = lock(&shared.events);
    let new = kept.count.saturating_sub(after).min(kept.lines.len());
    let events = kept.lines.iter().skip(kept.lines.len() - new).cloned().collect();
    let after = kept.count;
    drop(kept);
    axum::Json(Status {
        app: lock(&shared.app).clone(),
        streams: lock(&shared.streams).keys().map(ToString::to_string).collect(),
        numbers: shared.numbers.get().map(|numbers| numbers()).unwrap_or_default(),
        events,
        after,
    })
}

async fn mjpeg(State(shared): State<Arc<Shared>>, Path(stream): Path<String>) -> Response {
    let Some(picture) = lock(&shared.streams).get(stream.as_str()).cloned() else {
        return (StatusCode::NOT_FOUND, "there is no such camera").into_response();
    };
    let looker = Looker::new(&shared);
    let numbers = picture.number.subscribe();
    let pictures = futures::stream::unfold((looker, picture, numbers, 0), next_part);
    let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(pictures)).into_response()
}

/// Who looks, at what, how it hears of a newer picture, and the number of the one it has.
type Looking = (Looker, Arc<Picture>, watch::Receiver<u64>, u64);

/// Waits for the next picture and makes one part of the endless answer of it.
async fn next_part(
    (looker, picture, mut numbers, shown): Looking,
) -> Option<(Result<Bytes, Infallible>, Looking)> {
    if shown > 0 {
        tokio::time::sleep(Duration::from_secs(1) / SHOWN_FPS).await;
    }
    let shutdown = looker.0.shutdown.clone();
    loop {
        let number = *numbers.borrow_and_update();
        if number > shown {
            let of = Arc::clone(&picture);
            let jpeg = tokio::task::spawn_blocking(move || of.jpeg(number)).await.ok().flatten();
            if let Some(jpeg) = jpeg {
                let head = format!(
                    "--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
                    jpeg.len()
                );
                let part = Bytes::from([head.as_bytes(), &jpeg, b"\r\n"].concat());
                return Some((Ok(part), (looker, picture, numbers, number)));
            }
        }
        wait(&mut numbers, &shutdown).await?;
    }
}

async fn wait(numbers: &mut watch::Receiver<u64>, shutdown: &Shutdown) -> Option<()> {
    tokio::select! {
        changed = numbers.changed() => changed.ok(),
        () = shutdown.stopped() => None,
    }
}

impl Picture {
    /// The picture with its marks; encoded once for all who look.
    fn jpeg(&self, number: u64) -> Option<Bytes> {
        let _turn = lock(&self.encoding);
        let (frame, marks) = {
            let newest = lock(&self.state);
            if let Some((of, jpeg)) = &newest.jpeg
                && *of >= number
            {
                return Some(jpeg.clone());
            }
            (newest.frame.clone()?, newest.marks.values().flatten().cloned().collect::<Vec<_>>())
        };
        let jpeg = Bytes::from(draw::annotated(&frame, &marks).ok()?);
        lock(&self.state).jpeg = Some((number, jpeg.clone()));
        Some(jpeg)
    }
}

/// Somebody who looks; marks are kept while there is one.
struct Looker(Arc<Shared>);

impl Looker {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.lookers.fetch_add(1, Ordering::SeqCst);
        shared.watched.store(true, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Looker {
    fn drop(&mut self) {
        if self.0.lookers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.watched.store(false, Ordering::SeqCst);
        }
    }
}
