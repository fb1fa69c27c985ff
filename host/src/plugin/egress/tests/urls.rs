//! What is granted, and where it may be.

use super::*;

#[test]
fn every_kind_of_address_that_is_not_public_is_refused_in_all_its_spellings() {
    let kinds: [(&str, &[&str]); 13] = [
        ("an unspecified address", &["0.0.0.0", "::", "::ffff:0.0.0.0"]),
        ("an address of this network", &["0.1.2.3", "::2"]),
        (
            "a loopback address",
            &[
                "127.0.0.1",
                "127.255.255.254",
                "::1",
                "::ffff:127.0.0.1",
                "::127.0.0.1",
                "64:ff9b::127.0.0.1",
                "2002:7f00:1::",
            ],
        ),
        (
            "a private address",
            &[
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.0.1",
                "::ffff:10.0.0.1",
                "::10.0.0.1",
                "64:ff9b::c0a8:1",
                "2002:a00:1::5",
                "2002:c0a8:101::",
            ],
        ),
        ("a shared address", &["100.64.0.1", "100.127.255.255", "100.100.100.200", "::ffff:100.64.0.1"]),
        ("a link-local address", &["169.254.0.1", "fe80::1", "febf::1", "fe80::a9fe:a9fe"]),
        (
            "a metadata address",
            &[
                "169.254.169.254",
                "::ffff:169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "2002:a9fe:a9fe::",
                "168.63.129.16",
            ],
        ),
        ("a unique local address", &["fc00::1", "fd00:ec2::254", "fd20:ce::254", "fdff::1"]),
        ("a multicast address", &["224.0.0.1", "239.255.255.255", "ff02::1"]),
        ("a documentation address", &["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"]),
        ("a benchmarking address", &["198.18.0.1", "198.19.255.255", "2001:2::1"]),
        ("a site-local address", &["fec0::1", "feff::1"]),
        (
            "a reserved address",
            &[
                "240.0.0.1",
                "255.255.255.254",
                "192.0.0.192",
                "192.88.99.1",
                "100::1",
                "4000::1",
                "5f00::1",
                "2001:1::1",
                "e000::1",
                "200::1",
            ],
        ),
    ];
    for (kind, spellings) in kinds {
        for spelling in spellings {
            assert_eq!(address::special(spelling.parse().unwrap()), Some(kind), "{spelling}");
        }
    }
    assert_eq!(address::special("255.255.255.255".parse().unwrap()), Some("a broadcast address"));
    assert_eq!(address::special("2001::5ef5:79fd:1:2".parse().unwrap()), Some("a Teredo address"));
    assert_eq!(address::special("64:ff9b:1::808:808".parse().unwrap()), Some("a local NAT64 address"));
}

#[test]
fn public_addresses_and_those_that_lead_to_them_are_not_refused() {
    for public in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2400::1",
        "2a00::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2001:200::1",
        "2001:db7::1",
        "2001:db9::1",
    ] {
        assert_eq!(address::special(public.parse().unwrap()), None, "{public}");
    }
}

#[tokio::test]
async fn a_name_at_an_address_that_is_not_public_is_denied_with_the_address() {
    for at in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00:ec2::254", "64:ff9b::a00:1"] {
        let liar = Liar::default().says("inside.example", &[&[at]]);
        let trial = Trial::new(vec![public("inside.example", 80)], ROOMY, liar);
        let denial = trial.denied("http://inside.example/").await;
        assert_eq!((denial.url_host.as_str(), denial.address), ("inside.example", Some(at.parse().unwrap())));
        assert!(denial.reason.contains(at) && denial.reason.contains("`addresses`"), "{denial}");
    }
}

#[tokio::test]
async fn an_ipv4_address_written_as_ipv6_is_shown_as_what_it_is() {
    let liar = Liar::default().says("inside.example", &[&["::ffff:10.0.0.1"]]);
    let denial =
        Trial::new(vec![public("inside.example", 80)], ROOMY, liar).denied("http://inside.example/").await;
    assert_eq!(denial.address, Some("10.0.0.1".parse().unwrap()));
}

#[tokio::test]
async fn an_address_in_a_url_is_judged_as_itself_however_it_is_spelled() {
    let origin = Origin::fixed(plain("200 OK", "", "here")).await;
    let port = origin.port();
    let grant = HostGrant { host: HostPattern::Address([127, 0, 0, 1].into()), ..public("", port) };
    let granted = Trial::new(vec![grant], ROOMY, Liar::default());
    let other = Trial::new(vec![local("site.example", port)], ROOMY, site());
    for spelling in [
        "127.0.0.1",
        "0x7f.1",
        "0x7F000001",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "0177.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
    ] {
        let url = format!("http://{spelling}:{port}/");
        assert_eq!(granted.get(&url).await.unwrap().body(), "here", "{spelling}");
        assert!(other.denied(&url).await.reason.contains("is not granted"), "{spelling}");
    }
    assert_eq!(granted.denied(&format!("http://127.0.0.2:{port}/")).await.url_host, "127.0.0.2");
    assert!(granted.liar.asked().is_empty() && other.liar.asked().is_empty(), "an address needs no lookup");
}

#[tokio::test]
async fn a_url_that_is_not_plain_is_a_bad_request() {
    let trial = Trial::new(vec![public("site.example", 80)], ROOMY, site());
    let long_path = format!("http://site.example/{}", "a".repeat(9000));
    let long_host = format!("http://{}example/", "a.".repeat(200));
    for url in [
        "ftp://site.example/",
        "file:///etc/passwd",
        "unix:/run/docker.sock",
        "gopher://site.example/",
        "http://user@site.example/",
        "http://user:pass@site.example/",
        "http://site.example@evil.example/",
        "http://:pw@site.example/",
        "http:///",
        "http://",
        "site.example",
        "/path",
        "",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://site.example:99999/",
        "http://256.1.1.1/",
        "http://1.2.3.4.5/",
        "http://si te.example/",
        "http://site.exa<mple/",
        "http://./",
        &long_path,
        &long_host,
    ] {
        let error = trial.get(url).await.unwrap_err();
        assert!(matches!(error, EgressError::BadRequest(_)), "{url}: {error:?}");
    }
    // The same where a guest gives no string but an `http::Uri`, as those of wasi:http do.
    for uri in
        ["http://user@site.example/", "http://site.example@evil.example/", "/path", "ftp://site.example/"]
    {
        let request = Request::builder().uri(uri).body(Bytes::new()).unwrap();
        let error = trial.egress.send(request).await.unwrap_err();
        assert!(matches!(error, EgressError::BadRequest(_)), "{uri}: {error:?}");
    }
    assert!(trial.liar.asked().is_empty());
}

#[tokio::test]
async fn one_host_has_one_name() {
    let origin = Origin::fixed(plain("200 OK", "", "here")).await;
    let port = origin.port();
    let liar = site().says("xn--bcher-kva.example", &[&["127.0.0.1"]]);
    let grants = vec![local("site.example", port), local("xn--bcher-kva.example", port)];
    let trial = Trial::new(grants, ROOMY, liar);
    for host in [
        "site.example",
        "SITE.Example",
        "site.example.",
        "s%69te.example",
        "ｓite.example",
        "site。example",
        "bücher.example",
        "BÜCHER.example.",
        "xn--bcher-kva.example",
    ] {
        assert_eq!(trial.get(&format!("http://{host}:{port}/")).await.unwrap().body(), "here", "{host}");
    }
    for host in trial.liar.asked() {
        assert!(["site.example", "xn--bcher-kva.example"].contains(&host.as_str()), "{host}");
    }
    let sent = format!("host: site.example:{port}\r\n");
    assert!(origin.requests()[1].contains(&sent), "{}", origin.requests()[1]);
}

#[tokio::test]
async fn what_the_owner_did_not_grant_is_denied_before_any_lookup() {
    let under = HostGrant { host: HostPattern::AnyUnder("site.example".into()), ..public("", 8080) };
    let trial = Trial::new(vec![public("api.example", 80), under], ROOMY, Liar::default());
    for url in [
        "http://evil.example/",
        "https://api.example/",
        "https://api.example:80/",
        "http://api.example:81/",
        "http://a.api.example/",
        "http://api.example.evil.example/",
        "http://evilapi.example/",
        "http://site.example:8080/",
        "http://evilsite.example:8080/",
        "http://a.site.example/",
        "http://.site.example:8080/",
        "http://api.example../",
        "http://localhost/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://a.site.example.evil.example:8080/",
        "http://evil.example\\@api.example/",
        "http://evil.example#@api.example/",
        "http://evil.example?@api.example/",
    ] {
        let denial = trial.denied(url).await;
        assert!(denial.reason.contains("is not granted") && denial.address.is_none(), "{url}: {denial}");
    }
    assert!(trial.liar.asked().is_empty());
    assert_eq!(trial.egress.report().denials, 19);
}

#[tokio::test]
async fn a_grant_for_all_names_under_one_is_for_every_depth() {
    let origin = Origin::fixed(plain("200 OK", "", "")).await;
    let liar =
        Liar::default().says("a.site.example", &[&["127.0.0.1"]]).says("a.b.site.example", &[&["127.0.0.1"]]);
    let host = HostPattern::AnyUnder("site.example".into());
    let trial = Trial::new(vec![HostGrant { host, ..local("", origin.port()) }], ROOMY, liar);
    for host in ["a.site.example", "a.b.site.example"] {
        assert!(trial.get(&format!("http://{host}:{}/", origin.port())).await.is_ok(), "{host}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_granted_is_denied() {
    let grant = HostGrant { methods: vec![Method::GET], ..public("site.example", 80) };
    let trial = Trial::new(vec![grant], ROOMY, site());
    for method in ["POST", "HEAD", "CONNECT", "TRACE", "OPTIONS", "get", "SECRET"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let Err(EgressError::Denied(denial)) = trial.ask(method, "http://site.example/", "").await else {
            panic!()
        };
        assert!(denial.reason.contains("`methods`") && !denial.reason.contains("SECRET"), "{denial}");
    }
    assert!(trial.liar.asked().is_empty());
}

#[tokio::test]
async fn a_denial_holds_no_path_query_or_header() {
    let liar = Liar::default().says("inside.example", &[&["10.0.0.1"]]);
    let only_get = HostGrant { methods: vec![Method::GET], ..public("read.example", 80) };
    let trial = Trial::new(vec![public("inside.example", 80), only_get], ROOMY, liar);
    for (method, host) in [(Method::GET, "inside"), (Method::GET, "evil"), (Method::POST, "read")] {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{host}.example/hunter2?key=hunter2"))
            .header("authorization", "hunter2")
            .header("hunter2", "x");
        let error = trial.egress.send(request.body(Bytes::from("hunter2")).unwrap()).await.unwrap_err();
        assert!(matches!(error, EgressError::Denied(_)), "{error:?}");
        assert!(
            !format!("{error} {error:?} {:?}", trial.audit.lock().unwrap()).contains("hunter2"),
            "{error:?}"
        );
    }
    assert_eq!(trial.audit.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_the_connection_goes_to_the_address_that_was_checked() {
    let good = Origin::new("127.0.0.2:0", |_, mut stream| async move {
        drop(stream.write_all(plain("200 OK", "", "good").as_bytes()).await);
    })
    .await;
    let evil = Origin::new(&format!("127.0.0.3:{}", good.port()), |_, _| async {}).await;
    let grant =
        HostGrant { addresses: vec!["127.0.0.2/32".parse().unwrap()], ..public("site.example", good.port()) };
    let liar = Liar::default().says("site.example", &[&["127.0.0.2"], &["127.0.0.3"]]);
    let trial = Trial::new(vec![grant], ROOMY, liar);
    assert_eq!(trial.get(&url_of(&good, "/")).await.unwrap().body(), "good");
    assert_eq!(trial.liar.asked(), ["site.example"]);
    // The next request looks again, and judges what it finds.
    assert_eq!(trial.denied(&url_of(&good, "/")).await.address, Some([127, 0, 0, 3].into()));
    assert!(evil.requests().is_empty());
}

#[tokio::test]
async fn of_several_addresses_only_the_permitted_are_used() {
    let good = Origin::new("127.0.0.2:0", |_, mut stream| async move {
        drop(stream.write_all(plain("200 OK", "", "good").as_bytes()).await);
    })
    .await;
    let evil = Origin::new(&format!("127.0.0.3:{}", good.port()), |_, _| async {}).await;
    let grant =
        HostGrant { addresses: vec!["127.0.0.2/32".parse().unwrap()], ..public("site.example", good.port()) };
    let liar = Liar::default().says("site.example", &[&["127.0.0.3", "::1", "::ffff:127.0.0.2", "10.0.0.1"]]);
    let trial = Trial::new(vec![grant], ROOMY, liar);
    assert_eq!(trial.get(&url_of(&good, "/")).await.unwrap().body(), "good");
    assert!(evil.requests().is_empty() && trial.audit.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_followed_by_the_next() {
    let origin = Origin::fixed(plain("200 OK", "", "second")).await;
    let liar = Liar::default().says("site.example", &[&["127.0.0.9", "127.0.0.1"]]);
    let trial = Trial::new(vec![local("site.example", origin.port())], ROOMY, liar);
    assert_eq!(trial.get(&url_of(&origin, "/")).await.unwrap().body(), "second");
}

#[tokio::test]
async fn ranges_named_in_a_grant_hold_for_that_host_alone() {
    let origin = Origin::fixed(plain("200 OK", "", "")).await;
    let grants = vec![local("site.example", origin.port()), public("other.example", origin.port())];
    let trial = Trial::new(grants, ROOMY, site().says("other.example", &[&["127.0.0.1"]]));
    assert!(trial.get(&url_of(&origin, "/")).await.is_ok());
    trial.denied(&format!("http://other.example:{}/", origin.port())).await;
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failure_and_no_denial() {
    let trial = Trial::new(
        vec![public("none.example", 80), public("empty.example", 80)],
        ROOMY,
        Liar::default().says("empty.example", &[&[]]),
    );
    for (url, words) in
        [("http://none.example/", "cannot look up"), ("http://empty.example/", "has no address")]
    {
        let error = trial.get(url).await.unwrap_err();
        assert!(matches!(&error, EgressError::Failed(why) if why.contains(words)), "{error:?}");
    }
    assert_eq!(trial.egress.report().denials, 0);
}

#[tokio::test]
async fn the_systems_resolver_knows_this_machine() {
    let found = SystemResolver.resolve("localhost").await.unwrap();
    assert!(found.iter().any(IpAddr::is_loopback), "{found:?}");
}
