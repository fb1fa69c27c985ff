//! Hostile answers.

use http_body_util::{BodyExt, Empty};
use tokio::sync::mpsc;

use super::*;

const SMALL: EgressLimits = EgressLimits { body_bytes: 1000, ..ROOMY };
const HASTY: EgressLimits = EgressLimits { timeout: Duration::from_millis(300), ..ROOMY };

/// Answers with `start`, then `more` again and again until the connection closes, `pause` between them. The
/// receiver hears how many bytes went out.
async fn endless(
    start: &'static str,
    more: &'static str,
    pause: Duration,
) -> (Origin, mpsc::UnboundedReceiver<usize>) {
    let (tell, hear) = mpsc::unbounded_channel();
    let origin = Origin::new("127.0.0.1:0", move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let mut sent = 0;
            let mut next = start;
            while stream.write_all(next.as_bytes()).await.is_ok() {
                sent += next.len();
                next = more;
                match pause {
                    NO_PAUSE => tokio::task::yield_now().await,
                    pause => tokio::time::sleep(pause).await,
                }
            }
            let _ = tell.send(sent);
        }
    })
    .await;
    (origin, hear)
}

const NO_PAUSE: Duration = Duration::ZERO;
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn an_answer_comes_with_its_head_and_whole_body() {
    let origin = Origin::fixed(
        "HTTP/1.1 201 Created\r\nX-Thing: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    )
    .await;
    let trial = Trial::of(&origin, ROOMY);
    let response = trial.ask(Method::POST, &url_of(&origin, "/a%20b?c=d#e"), "hello").await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (201, b"abcde".as_slice()));
    assert_eq!(response.headers()["x-thing"], "a");
    assert_eq!(
        response.headers().len(),
        1,
        "what belongs to the connection stays there: {:?}",
        response.headers()
    );
    let request = &origin.requests()[0];
    assert!(
        request.starts_with("POST /a%20b?c=d HTTP/1.1\r\n") && request.ends_with("\r\n\r\nhello"),
        "{request}"
    );
    assert!(request.contains(&format!("host: site.example:{}\r\n", origin.port())), "{request}");
    let report = trial.egress.report();
    assert_eq!(
        (report.requests, report.sent_bytes, report.received_bytes, report.most_concurrent),
        (1, 5, 5, 1)
    );
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_whole_and_one_byte_more_is_too_large() {
    for (length, is_whole) in [(1000, true), (1001, false)] {
        let body = "x".repeat(length);
        let chunked =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
        let until_close = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
        for answer in [plain("200 OK", "", &body), chunked, until_close] {
            let origin = Origin::fixed(answer).await;
            let trial = Trial::of(&origin, SMALL);
            let result = trial.get(&url_of(&origin, "/")).await;
            assert_eq!(result.is_ok(), is_whole, "{result:?}");
            assert_eq!(trial.egress.report().too_large, u64::from(!is_whole));
        }
    }
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_refused_at_its_head() {
    let (origin, _) = endless("HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\n", "", PAUSE).await;
    let trial = Trial::of(&origin, SMALL);
    let error = trial.get(&url_of(&origin, "/")).await.unwrap_err();
    assert!(matches!(&error, EgressError::TooLarge(why) if why.contains("1000 bytes")), "{error:?}");
    assert_eq!(trial.egress.report().received_bytes, 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_the_limit_and_its_connection_closed() {
    const KIB: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    for (start, more) in [
        ("HTTP/1.1 200 OK\r\n\r\n", KIB),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "5\r\nhello\r\n"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
    ] {
        let (origin, mut sent) = endless(start, more, NO_PAUSE).await;
        let trial = Trial::of(&origin, SMALL);
        let error = trial.get(&url_of(&origin, "/")).await.unwrap_err();
        assert!(matches!(&error, EgressError::TooLarge(_)), "{error:?}");
        assert!(trial.egress.report().received_bytes <= 1000);
        // Ends only because nobody reads any more.
        sent.recv().await.unwrap();
    }
}

#[tokio::test]
async fn an_endless_row_of_interim_answers_ends() {
    let (origin, mut sent) = endless("", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", NO_PAUSE).await;
    let error = Trial::of(&origin, SMALL).get(&url_of(&origin, "/")).await.unwrap_err();
    assert!(matches!(&error, EgressError::Failed(_)), "{error:?}");
    sent.recv().await.unwrap();
}

#[tokio::test]
async fn a_head_of_too_many_bytes_or_headers_is_too_large() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(101));
    for answer in [long, many] {
        let origin = Origin::fixed(answer).await;
        let error = Trial::of(&origin, ROOMY).get(&url_of(&origin, "/")).await.err();
        assert!(matches!(&error, Some(EgressError::TooLarge(why)) if why.contains("head")), "{error:?}");
    }
    let (origin, _) =
        endless("HTTP/1.1 200 OK\r\n", "x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", NO_PAUSE)
            .await;
    let error = Trial::of(&origin, ROOMY).get(&url_of(&origin, "/")).await.unwrap_err();
    assert!(matches!(&error, EgressError::TooLarge(_)), "{error:?}");
    let fits = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "x: y\r\n".repeat(99));
    let origin = Origin::fixed(fits).await;
    assert_eq!(Trial::of(&origin, ROOMY).get(&url_of(&origin, "/")).await.unwrap().headers().len(), 100);
}

#[tokio::test]
async fn endless_trailers_and_chunk_extensions_end() {
    let start = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for more in [
        "0\r\nx: y\r\nx: y\r\n",
        "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n",
        "0000000000000000",
    ] {
        let (origin, mut sent) = endless(start, more, NO_PAUSE).await;
        let error = Trial::of(&origin, ROOMY).get(&url_of(&origin, "/")).await.unwrap_err();
        assert!(matches!(&error, EgressError::Failed(_) | EgressError::TooLarge(_)), "{error:?}");
        sent.recv().await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_trickles_ends_at_the_deadline() {
    for (start, more) in [
        ("", "H"),
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", "x"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("HTTP/1.1 200 OK\r\n\r\n", "x"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        // `H` again and again is soon no HTTP any more.
        let pause = if start.is_empty() { Duration::from_secs(3600) } else { PAUSE };
        let (origin, _) = endless(start, more, pause).await;
        let trial = Trial::of(&origin, HASTY);
        let error = trial.get(&url_of(&origin, "/")).await.unwrap_err();
        assert_eq!(error, EgressError::TimedOut, "{start}");
        assert_eq!(trial.egress.report().timed_out, 1);
    }
}

#[tokio::test]
async fn redirects_share_one_deadline() {
    let origin = Origin::new("127.0.0.1:0", |_, mut stream| async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        drop(stream.write_all(plain("302 x", "location: /\r\n", "").as_bytes()).await);
    })
    .await;
    let limits = EgressLimits { timeout: Duration::from_secs(1), ..ROOMY };
    assert_eq!(
        Trial::of(&origin, limits).get(&url_of(&origin, "/")).await.unwrap_err(),
        EgressError::TimedOut
    );
    assert!(origin.requests().len() <= 3);
}

#[tokio::test]
async fn an_answer_cut_short_is_a_failure() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nx: ",
        "",
    ] {
        let origin = Origin::fixed(answer).await;
        let error = Trial::of(&origin, ROOMY).get(&url_of(&origin, "/")).await.unwrap_err();
        assert!(matches!(&error, EgressError::Failed(_)), "{answer}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_a_failure() {
    for answer in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "<html></html>",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 700 x\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ] {
        let origin = Origin::fixed(answer).await;
        let error = Trial::of(&origin, ROOMY).get(&url_of(&origin, "/")).await.unwrap_err();
        assert!(matches!(&error, EgressError::Failed(_)), "{answer}: {error:?}");
    }
}

#[tokio::test]
async fn nothing_is_decoded() {
    let origin = Origin::fixed(plain("200 OK", "content-encoding: gzip\r\n", "not gzip at all")).await;
    let response = Trial::of(&origin, ROOMY).get(&url_of(&origin, "/")).await.unwrap();
    assert_eq!(
        (response.headers()["content-encoding"].as_bytes(), response.body().as_ref()),
        (b"gzip".as_slice(), b"not gzip at all".as_slice())
    );
    assert!(!origin.requests()[0].contains("accept-encoding"));
}

#[tokio::test]
async fn the_length_of_what_head_would_answer_is_no_body() {
    let origin = Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 9000000000\r\n\r\n").await;
    let response = Trial::of(&origin, ROOMY).ask(Method::HEAD, &url_of(&origin, "/"), "").await.unwrap();
    assert_eq!(
        (response.body().len(), response.headers()["content-length"].as_bytes()),
        (0, b"9000000000".as_slice())
    );
}

#[tokio::test]
async fn a_streamed_answer_is_bounded_in_bytes_and_time() {
    let start = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let (origin, mut sent) = endless(start, "5\r\nhello\r\n", NO_PAUSE).await;
    let trial = Trial::of(&origin, SMALL);
    let mut body = stream(&trial, &origin).await.unwrap().into_body();
    let mut read = 0;
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(frame) => read += frame.into_data().unwrap().len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, EgressError::TooLarge(_)) && read <= 1000, "{error:?} after {read}");
    assert!(body.frame().await.is_none());
    sent.recv().await.unwrap();
    assert_eq!(trial.egress.report().too_large, 1);

    // The head comes whole and at once; what follows does not.
    let (origin, _) = endless(start, "", Duration::from_millis(50)).await;
    let trial = Trial::of(&origin, EgressLimits { timeout: Duration::from_secs(2), ..ROOMY });
    let body = stream(&trial, &origin).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap_err(), EgressError::TimedOut);
    assert_eq!(trial.egress.report().timed_out, 1);
}

#[tokio::test]
async fn the_connection_of_an_answer_nobody_reads_closes_at_the_deadline() {
    let (origin, mut sent) = endless("HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxxxxxxx", PAUSE).await;
    let trial = Trial::of(&origin, EgressLimits { timeout: Duration::from_secs(2), ..ROOMY });
    let response = stream(&trial, &origin).await.unwrap();
    sent.recv().await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap_err(), EgressError::TimedOut);
}

#[tokio::test]
async fn dropping_an_answer_closes_its_connection() {
    let (origin, mut sent) = endless("HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxxxxxxx", PAUSE).await;
    let trial = Trial::of(&origin, ROOMY);
    drop(stream(&trial, &origin).await.unwrap());
    sent.recv().await.unwrap();
}

async fn stream(trial: &Trial, origin: &Origin) -> Result<Response<BoundedBody>, EgressError> {
    trial.egress.stream(Request::builder().uri(url_of(origin, "/")).body(Empty::new()).unwrap()).await
}
