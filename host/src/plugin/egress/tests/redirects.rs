//! A redirect is a request of its own.

use super::*;

/// Answers `/` with `status` to `location`, everything else with 200.
async fn redirecting(status: &'static str, location: &str) -> Origin {
    let location = location.to_owned();
    Origin::new("127.0.0.1:0", move |request, mut stream| {
        let is_first = request.split(' ').nth(1) == Some("/");
        let (status, header) =
            if is_first { (status, format!("location: {location}\r\n")) } else { ("200 OK", String::new()) };
        async move { drop(stream.write_all(plain(status, &header, "body").as_bytes()).await) }
    })
    .await
}

#[tokio::test]
async fn a_redirect_to_what_is_not_granted_is_denied() {
    for location in [
        "http://evil.example/",
        "https://site.example/",
        "http://site.example:1/",
        "//evil.example/x",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0x7f.1/",
        "\\\\evil.example\\x",
    ] {
        let origin = redirecting("302 Found", location).await;
        let trial = Trial::of(&origin, ROOMY);
        let denial = trial.denied(&url_of(&origin, "/")).await;
        assert!(!denial.reason.contains("meta-data"), "{denial}");
        assert_eq!(origin.requests().len(), 1, "{location}");
        assert_eq!(trial.liar.asked().len(), 1, "{location}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_granted_name_at_a_forbidden_address_is_denied() {
    let origin = redirecting("307 Temporary Redirect", "http://metadata.example/").await;
    let grants = vec![local("site.example", origin.port()), public("metadata.example", 80)];
    let trial = Trial::new(grants, ROOMY, site().says("metadata.example", &[&["169.254.169.254"]]));
    let denial = trial.denied(&url_of(&origin, "/")).await;
    assert_eq!(
        (denial.url_host.as_str(), denial.address),
        ("metadata.example", Some([169, 254, 169, 254].into()))
    );
}

#[tokio::test]
async fn a_name_that_moves_inside_between_redirects_is_denied() {
    let origin = redirecting("302 Found", "/next").await;
    let liar = Liar::default().says("site.example", &[&["127.0.0.1"], &["10.0.0.1"]]);
    let trial = Trial::new(vec![local("site.example", origin.port())], ROOMY, liar);
    assert_eq!(trial.denied(&url_of(&origin, "/")).await.address, Some([10, 0, 0, 1].into()));
    assert_eq!(trial.liar.asked().len(), 2, "one lookup for each request");
}

#[tokio::test]
async fn a_redirect_to_another_scheme_or_with_a_login_leads_nowhere() {
    for location in [
        "ftp://site.example/",
        "file:///etc/passwd",
        "javascript:1",
        "http://user:pw@site.example/",
        "http://",
        "",
    ] {
        let origin = redirecting("302 Found", location).await;
        let result = Trial::of(&origin, ROOMY).get(&url_of(&origin, "/")).await;
        match location {
            // An empty reference is the same url again: RFC 3986, 4.4.
            "" => assert!(
                matches!(&result, Err(EgressError::Failed(why)) if why.contains("one redirect more")),
                "{result:?}"
            ),
            _ => assert!(
                matches!(&result, Err(EgressError::Failed(why)) if why.contains("nowhere")),
                "{location}: {result:?}"
            ),
        }
    }
}

#[tokio::test]
async fn five_redirects_are_followed_and_a_loop_ends() {
    let origin = Origin::new("127.0.0.1:0", |request, mut stream| async move {
        let path = request.split(' ').nth(1).unwrap_or("/");
        let left: u32 = path.trim_start_matches('/').parse().unwrap_or(0);
        let answer = match left {
            0 => plain("200 OK", "", "there"),
            left => {
                plain("302 Found", &format!("location: {}\r\n", if left == 99 { 99 } else { left - 1 }), "")
            }
        };
        drop(stream.write_all(answer.as_bytes()).await);
    })
    .await;
    let trial = Trial::of(&origin, ROOMY);
    assert_eq!(trial.get(&url_of(&origin, "/5")).await.unwrap().body(), "there");
    for path in ["/6", "/99"] {
        let before = origin.requests().len();
        let error = trial.get(&url_of(&origin, path)).await.unwrap_err();
        assert!(
            matches!(&error, EgressError::Failed(why) if why.contains("one redirect more than 5")),
            "{error:?}"
        );
        assert_eq!(origin.requests().len() - before, 6);
    }
    assert_eq!(trial.egress.report().requests, 3, "redirects are not the plugin's requests");
}

#[tokio::test]
async fn method_and_body_follow_rfc_9110() {
    for (status, method, becomes) in [
        ("301 x", "POST", "GET"),
        ("302 x", "POST", "GET"),
        ("303 x", "POST", "GET"),
        ("307 x", "POST", "POST"),
        ("308 x", "POST", "POST"),
        ("301 x", "PUT", "PUT"),
        ("302 x", "PATCH", "PATCH"),
        ("303 x", "PUT", "GET"),
        ("303 x", "HEAD", "HEAD"),
        ("303 x", "GET", "GET"),
        ("302 x", "DELETE", "DELETE"),
    ] {
        let origin = redirecting(status, "/next").await;
        let trial = Trial::of(&origin, ROOMY);
        let has_body = !["GET", "HEAD"].contains(&method);
        let request =
            Request::builder().method(method).uri(url_of(&origin, "/")).header("content-type", "text/plain");
        let body = if has_body { "payload" } else { "" };
        trial.egress.send(request.body(Bytes::from(body)).unwrap()).await.unwrap();
        let second = &origin.requests()[1];
        assert!(second.starts_with(&format!("{becomes} /next HTTP/1.1\r\n")), "{status} {method}: {second}");
        assert_eq!(second.contains("payload"), has_body && becomes == method, "{status} {method}: {second}");
        assert_eq!(second.contains("content-type"), becomes == method, "{status} {method}: {second}");
    }
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let other = Origin::fixed(plain("200 OK", "", "")).await;
    let port = other.port();
    for (location, is_kept) in [
        ("/next".to_owned(), true),
        (format!("http://other.example:{port}/"), false),
        (format!("http://site.example:{port}/"), false),
    ] {
        let origin = redirecting("307 x", &location).await;
        let grants = vec![
            local("site.example", origin.port()),
            local("site.example", port),
            local("other.example", port),
        ];
        let trial = Trial::new(grants, ROOMY, site().says("other.example", &[&["127.0.0.1"]]));
        let request = Request::builder().uri(url_of(&origin, "/"));
        let request = request
            .header("authorization", "Bearer hunter2")
            .header("cookie", "hunter2")
            .header("x-kept", "1");
        trial.egress.send(request.body(Bytes::new()).unwrap()).await.unwrap();
        let second = if is_kept { origin.requests()[1].clone() } else { other.requests().pop().unwrap() };
        assert_eq!((second.contains("hunter2"), second.contains("x-kept: 1")), (is_kept, true), "{second}");
        assert_eq!(second.matches("host: ").count(), 1);
    }
}

#[tokio::test]
async fn credentials_do_not_come_back_with_a_redirect_back() {
    let there = Arc::new(Mutex::new(String::new()));
    let back = Arc::clone(&there);
    let other = Origin::new("127.0.0.1:0", move |_, mut stream| {
        let answer = plain("302 x", &format!("location: {}\r\n", back.lock().unwrap()), "");
        async move { drop(stream.write_all(answer.as_bytes()).await) }
    })
    .await;
    let origin = redirecting("302 x", &format!("http://other.example:{}/", other.port())).await;
    *there.lock().unwrap() = url_of(&origin, "/last");
    let grants = vec![local("site.example", origin.port()), local("other.example", other.port())];
    let trial = Trial::new(grants, ROOMY, site().says("other.example", &[&["127.0.0.1"]]));
    let request = Request::builder().uri(url_of(&origin, "/")).header("authorization", "hunter2");
    trial.egress.send(request.body(Bytes::new()).unwrap()).await.unwrap();
    let requests = origin.requests();
    assert_eq!((requests[0].contains("hunter2"), requests[1].contains("hunter2")), (true, false));
}

#[tokio::test]
async fn redirects_without_a_location_and_other_3xx_are_answers() {
    for answer in [plain("302 x", "", "as it is"), plain("300 x", "location: /next\r\n", "as it is")] {
        let origin = Origin::fixed(answer).await;
        assert_eq!(Trial::of(&origin, ROOMY).get(&url_of(&origin, "/")).await.unwrap().body(), "as it is");
    }
}

#[tokio::test]
async fn a_streamed_request_follows_no_redirect() {
    let origin = redirecting("302 x", "/next").await;
    let request = Request::builder().uri(url_of(&origin, "/")).body(http_body_util::Empty::new()).unwrap();
    let response = Trial::of(&origin, ROOMY).egress.stream(request).await.unwrap();
    assert_eq!((response.status().as_u16(), origin.requests().len()), (302, 1));
}
