//! What a plugin may ask.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use futures::stream;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::{Notify, Semaphore};

use super::*;

const SMALL: EgressLimits = EgressLimits { body_bytes: 1000, ..ROOMY };

/// `count` chunks of `chunk`, none of them announced.
fn chunks(chunk: &'static str, count: usize) -> UnsyncBoxBody<Bytes, Infallible> {
    let frames = (0..count).map(move |_| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))));
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

#[tokio::test]
async fn headers_that_are_the_hosts_are_bad_requests() {
    let trial = Trial::new(vec![public("site.example", 80)], ROOMY, site());
    for name in [
        "Host",
        "connection",
        "Keep-Alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "content-length",
    ] {
        let request = Request::builder().uri("http://site.example/").header(name, "7");
        let error = trial.egress.send(request.body(Bytes::from("payload")).unwrap()).await.unwrap_err();
        assert!(
            matches!(&error, EgressError::BadRequest(why) if why.contains(&name.to_lowercase())),
            "{error:?}"
        );
        if name != "content-length" {
            let request = Request::builder().uri("http://site.example/").header(name, "7");
            let error =
                trial.egress.stream(request.body(Full::new(Bytes::new())).unwrap()).await.unwrap_err();
            assert!(matches!(&error, EgressError::BadRequest(_)), "{error:?}");
        }
    }
    assert!(trial.liar.asked().is_empty());
}

#[tokio::test]
async fn too_many_headers_are_a_bad_request() {
    let trial = Trial::new(vec![public("site.example", 80)], ROOMY, site());
    let many = (0..65).fold(Request::builder(), |request, n| request.header(format!("x-{n}"), "y"));
    let long = Request::builder().header("x", "y".repeat(16 << 10));
    for request in [many, long] {
        let request = request.uri("http://site.example/").body(Bytes::new()).unwrap();
        let error = trial.egress.send(request).await.unwrap_err();
        assert!(matches!(&error, EgressError::BadRequest(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_sent() {
    let origin = Origin::fixed(plain("200 OK", "", "")).await;
    let trial = Trial::of(&origin, SMALL);
    let url = url_of(&origin, "/");
    assert!(trial.ask(Method::POST, &url, &"x".repeat(1000)).await.is_ok());
    let error = trial.ask(Method::POST, &url, &"x".repeat(1001)).await.unwrap_err();
    assert!(matches!(&error, EgressError::TooLarge(why) if why.contains("request")), "{error:?}");

    let known = Full::new(Bytes::from("x".repeat(1001))).boxed_unsync();
    let request = Request::builder().method(Method::POST).uri(&url).body(known).unwrap();
    assert!(matches!(trial.egress.stream(request).await, Err(EgressError::TooLarge(_))));
    let announced = Request::builder().method(Method::POST).uri(&url).header("content-length", "1001");
    assert!(matches!(
        trial.egress.stream(announced.body(chunks("x", 1)).unwrap()).await,
        Err(EgressError::TooLarge(_))
    ));
    assert_eq!(
        (origin.requests().len(), trial.egress.report().too_large, trial.egress.report().sent_bytes),
        (1, 3, 1000)
    );
}

#[tokio::test]
async fn a_streamed_body_ends_at_the_limit() {
    let origin = Origin::fixed(plain("200 OK", "", "")).await;
    let trial = Trial::of(&origin, SMALL);
    let request = |count| {
        Request::builder()
            .method(Method::POST)
            .uri(url_of(&origin, "/"))
            .body(chunks("0123456789", count))
            .unwrap()
    };
    assert!(trial.egress.stream(request(100)).await.is_ok());
    assert_eq!(trial.egress.report().sent_bytes, 1000);
    let error = trial.egress.stream(request(101)).await.unwrap_err();
    assert!(matches!(&error, EgressError::TooLarge(why) if why.contains("request")), "{error:?}");
    assert_eq!((trial.egress.report().too_large, trial.egress.report().sent_bytes), (1, 2000));
}

#[tokio::test]
async fn a_declared_length_holds_or_nothing_follows_the_request() {
    let origin = Origin::fixed(plain("200 OK", "", "")).await;
    let trial = Trial::of(&origin, ROOMY);
    let request = |length: &str| {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url_of(&origin, "/"))
            .header("content-length", length);
        request.body(chunks("GET /smuggled HTTP/1.1\r\n\r\n", 1)).unwrap()
    };
    assert!(trial.egress.stream(request("26")).await.is_ok());
    drop(trial.egress.stream(request("5")).await);
    for request in origin.requests() {
        assert!(request.contains("content-length: 26\r\n") || !request.contains("smuggled"), "{request}");
    }
    for length in ["", "-1", "+5", "5, 5", "0x5", "99999999999999999999"] {
        let error = trial.egress.stream(request(length)).await.unwrap_err();
        assert!(matches!(&error, EgressError::BadRequest(_)), "{length}: {error:?}");
    }
    let mut twice = request("26");
    twice.headers_mut().append("content-length", "26".parse().unwrap());
    assert!(matches!(trial.egress.stream(twice).await, Err(EgressError::BadRequest(_))));
}

#[tokio::test]
async fn a_streamed_body_that_breaks_off_is_a_failure() {
    let origin = Origin::fixed(plain("200 OK", "", "")).await;
    let frames = [Ok(Frame::data(Bytes::from("x"))), Err(io::Error::other("gone"))];
    let body = StreamBody::new(stream::iter(frames));
    let request = Request::builder().method(Method::POST).uri(url_of(&origin, "/")).body(body).unwrap();
    let error = Trial::of(&origin, ROOMY).egress.stream(request).await.unwrap_err();
    assert!(matches!(&error, EgressError::Failed(why) if why.contains("broke off")), "{error:?}");
}

#[tokio::test]
async fn a_streamed_body_goes_on_after_the_answer_began_and_is_bounded_still() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin { at: listener.local_addr().unwrap(), requests: Arc::default() };
    let (tell, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe").await.unwrap();
        let mut bytes = Vec::new();
        while let Ok(1..) = stream.read_buf(&mut bytes).await {
            if String::from_utf8_lossy(&bytes).contains("0123456789") {
                let _ = tell.send(());
            }
        }
    });
    let (upload, chunks) = tokio::sync::mpsc::channel::<&str>(1);
    let frames = stream::unfold(chunks, |mut chunks| async {
        let chunk = chunks.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(chunk.as_bytes()))), chunks))
    });
    let body = StreamBody::new(frames).boxed_unsync();
    let trial = Trial::of(&origin, SMALL);
    let request = Request::builder().method(Method::POST).uri(url_of(&origin, "/")).body(body).unwrap();
    let response = trial.egress.stream(request).await.unwrap();
    upload.send("0123456789").await.unwrap();
    arrived.recv().await.unwrap();
    while upload.send("0123456789").await.is_ok() {}
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(&error, EgressError::TooLarge(why) if why.contains("request")), "{error:?}");
    assert_eq!((trial.egress.report().too_large, trial.egress.report().sent_bytes), (1, 1000));
}

#[tokio::test]
async fn dropping_an_answer_ends_its_upload() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin { at: listener.local_addr().unwrap(), requests: Arc::default() };
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
        std::future::pending::<()>().await;
    });
    let (upload, chunks) = tokio::sync::mpsc::channel::<()>(1);
    let frames = stream::unfold(chunks, |mut chunks| async {
        chunks.recv().await.map(|()| (Ok::<_, Infallible>(Frame::data(Bytes::new())), chunks))
    });
    let limits = EgressLimits { timeout: Duration::from_secs(86400), ..ROOMY };
    let body = StreamBody::new(frames).boxed_unsync();
    let request = Request::builder().method(Method::POST).uri(url_of(&origin, "/")).body(body).unwrap();
    drop(Trial::of(&origin, limits).egress.stream(request).await.unwrap());
    upload.closed().await;
}

/// An origin that says when it has a request, and answers when told.
async fn patient() -> (Origin, Arc<Semaphore>, Arc<Notify>) {
    let (has, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&has), Arc::clone(&answer));
    let origin = Origin::new("127.0.0.1:0", move |_, mut stream| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            tell.add_permits(1);
            wait.notified().await;
            drop(stream.write_all(plain("200 OK", "", "late").as_bytes()).await);
        }
    })
    .await;
    (origin, has, answer)
}

#[tokio::test]
async fn a_request_beyond_those_under_way_is_busy() {
    let (origin, has, answer) = patient().await;
    let trial = Arc::new(Trial::of(&origin, EgressLimits { concurrent: 2, ..ROOMY }));
    let first: Vec<_> = (0..2)
        .map(|_| {
            let (trial, url) = (Arc::clone(&trial), url_of(&origin, "/"));
            tokio::spawn(async move { trial.get(&url).await })
        })
        .collect();
    has.acquire_many(2).await.unwrap().forget();
    assert_eq!(trial.get(&url_of(&origin, "/")).await.unwrap_err(), EgressError::Busy);
    assert_eq!(origin.requests().len(), 2);
    answer.notify_waiters();
    for request in first {
        assert_eq!(request.await.unwrap().unwrap().body(), "late");
    }
    answer.notify_one();
    assert!(trial.get(&url_of(&origin, "/")).await.is_ok());
    let report = trial.egress.report();
    assert_eq!((report.requests, report.busy, report.most_concurrent), (4, 1, 2));
}

#[tokio::test]
async fn an_answer_that_is_held_keeps_its_place() {
    let origin = Origin::fixed(plain("200 OK", "", "x")).await;
    let trial = Trial::of(&origin, EgressLimits { concurrent: 1, ..ROOMY });
    let request = Request::builder().uri(url_of(&origin, "/")).body(Full::new(Bytes::new())).unwrap();
    let held = trial.egress.stream(request).await.unwrap();
    assert_eq!(trial.get(&url_of(&origin, "/")).await.unwrap_err(), EgressError::Busy);
    drop(held);
    assert!(trial.get(&url_of(&origin, "/")).await.is_ok());
}

/// Never answers until told.
struct Stuck(Arc<Notify>, Arc<AtomicBool>);

impl Resolve for Stuck {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async {
            self.0.notified().await;
            self.1.store(true, SeqCst);
            Ok(vec![])
        })
    }
}

#[tokio::test]
async fn a_lookup_that_outlives_its_request_keeps_its_place() {
    let (end, has_ended) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let resolver = Arc::new(Stuck(Arc::clone(&end), Arc::clone(&has_ended)));
    let limits = EgressLimits { concurrent: 1, timeout: Duration::from_millis(200), ..ROOMY };
    let tls = tls_config(&[]).unwrap();
    let egress = Egress::new(
        vec![public("site.example", 80)],
        limits,
        resolver,
        tls,
        Arc::new(|_| {}),
        Clock::system(),
        crate::base::Shutdown::default(),
    );
    let request = || Request::builder().uri("http://site.example/").body(Bytes::new()).unwrap();
    assert_eq!(egress.send(request()).await.unwrap_err(), EgressError::TimedOut);
    assert_eq!(egress.send(request()).await.unwrap_err(), EgressError::Busy);
    end.notify_one();
    while !has_ended.load(SeqCst) || egress.send(request()).await.err() == Some(EgressError::Busy) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn more_requests_than_the_rate_are_busy_whatever_they_ask() {
    let limits = EgressLimits { requests: 1, ..ROOMY };
    let trial = Trial::new(vec![], limits, Liar::default());
    let mut busy = 0;
    for _ in 0..1000 {
        busy += u64::from(trial.get("http://evil.example/").await.err() == Some(EgressError::Busy));
    }
    let report = trial.egress.report();
    assert!(busy > 0);
    assert_eq!((report.requests, report.busy, report.denials), (1000, busy, 1000 - busy));
    assert_eq!(trial.audit.lock().unwrap().len() as u64, 1000 - busy);
}

#[test]
fn requests_can_be_sent_from_a_thread_that_blocks() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let origin = runtime.block_on(Origin::fixed(plain("200 OK", "", "x")));
    let trial = Trial::of(&origin, ROOMY);
    let handle = runtime.handle().clone();
    let answer = std::thread::spawn(move || handle.block_on(trial.get(&url_of(&origin, "/"))));
    assert_eq!(answer.join().unwrap().unwrap().body(), "x");
}

#[test]
fn futures_and_bodies_can_be_what_wasi_http_wants() {
    type WasiBody = UnsyncBoxBody<Bytes, String>;
    type Sent = Box<dyn Future<Output = Result<Response<WasiBody>, EgressError>> + Send>;
    let _ = |egress: Arc<Egress>, request: Request<WasiBody>| -> Sent {
        Box::new(async move {
            let response = egress.stream(request).await?;
            Ok(response.map(|body| body.map_err(|error| error.to_string()).boxed_unsync()))
        })
    };
}
