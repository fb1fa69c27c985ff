//! What a vendor asks for, what an owner grants of it, and every mistake in either, word for word.

use super::super::{Missing, StorageQuota};
use super::{App, Folder, GOOD_APP, GOOD_DEPLOY};
use crate::base::Kind;

/// Asks for one thing of each kind, ports in a second plugin as well.
const ASKS: &str = r#"
[plugins.counter.permissions]
pixels = true
jpeg = true
storage = { size = "1MiB", entries = 2000 }
http = [
    { url = "https://api.example.com", methods = ["POST", "GET"] },
    "http://*.example.org:8443",
    "http://192.168.1.9",
]

[[plugins.counter.ports]]
name = "status"
port = 80
title = "Status page"

[[plugins.counter.ports]]
name = "hooks"
port = 8500

[plugins.siren]
component = "siren.wasm"
ports = [{ name = "status" }]
"#;

fn folder(app: &str, deploy: &str) -> Folder {
    let name = std::thread::current().name().unwrap_or_default().replace("::", "-");
    Folder::with(&name, app, deploy)
}

/// The app that asks for everything, with this `deploy.toml`.
fn load(deploy: &str) -> Result<App, String> {
    folder(&format!("{GOOD_APP}{ASKS}"), deploy).load()
}

/// What is said of these lines in `[plugins.counter.grants]`, which begins in line 4.
fn granting(lines: &str) -> String {
    let grants = format!("{GOOD_DEPLOY}[plugins.counter.grants]\n{lines}\n");
    load(&grants).err().unwrap_or_else(|| "no mistake".to_owned())
}

/// What is said of these lines in the plugin's section of `app.toml`, which go on in line 20.
fn asking(lines: &str) -> String {
    let app = format!("{GOOD_APP}{lines}\n");
    folder(&app, GOOD_DEPLOY).load().err().unwrap_or_else(|| "no mistake".to_owned())
}

/// A port as it is granted, with these lines added.
fn port(lines: &str) -> String {
    granting(&format!("[[plugins.counter.grants.ports]]\nname = \"status\"\nhost_port = 8080\n{lines}"))
}

#[test]
fn nothing_is_granted_where_nobody_says_so() {
    let app = load(GOOD_DEPLOY).unwrap();
    for plugin in &app.plugins {
        assert_eq!(plugin.grants, super::super::Grants::default());
    }
    assert_eq!(app.plugins[0].permissions.models, app.plugins[0].models);
    assert_eq!((app.port_range, app.evidence), (8000..=9000, None));
}

#[test]
fn only_what_is_asked_for_can_be_granted() {
    assert_eq!(
        granting("models = [\"detektor\", \"detector\", \"detector\"]"),
        "deploy.toml:4:11: plugin `counter` is granted model `detektor`; it asks for `detector`\n\
         deploy.toml:4:35: plugin `counter` is granted model `detector` twice; once is enough"
    );
    assert_eq!(
        granting("http = [\"https://api.example.org\", \"https://api.example.com/x\"]"),
        "deploy.toml:4:9: plugin `counter` is granted `https://api.example.org`; it asks for `https://api.example.com`\n\
         deploy.toml:4:36: plugin `counter`: in `http`, a path or query follows `https://api.example.com`; leave it \
         out, for a host is granted as a whole"
    );
    // Another port, another scheme and one name of many are other hosts.
    for url in ["https://api.example.com:8443", "http://api.example.com", "http://cam.example.org:8443"] {
        let message = granting(&format!("http = [\"{url}\"]"));
        assert!(
            message.starts_with(&format!("deploy.toml:4:9: plugin `counter` is granted `{url}`; ")),
            "{message}"
        );
    }
    assert_eq!(
        granting("[[plugins.counter.grants.ports]]\nname = \"stats\"\nhost_port = 8080"),
        "deploy.toml:5:8: plugin `counter` is granted port `stats`; it asks for `status`"
    );
    let of_siren =
        "pixels = true\njpeg = false\nstorage = \"1MiB\"\nmodels = [\"detector\"]\nhttp = [\"http://h\"]";
    assert_eq!(
        load(&format!("{GOOD_DEPLOY}[plugins.siren.grants]\n{of_siren}\n")).unwrap_err(),
        "deploy.toml:4:10: plugin `siren` is granted `pixels` and does not ask for it; leave it out\n\
         deploy.toml:6:11: plugin `siren` is granted `storage` and does not ask for it; leave it out\n\
         deploy.toml:7:11: plugin `siren` is granted model `detector`; it asks for none\n\
         deploy.toml:8:9: plugin `siren` is granted `http://h`; it asks for none"
    );
}

#[test]
fn a_grant_may_be_narrower_than_what_is_asked() {
    let app = load(&format!(
        "{GOOD_DEPLOY}[plugins.counter.grants]\nstorage = \"512KiB\"\n\
         http = [{{ url = \"HTTPS://API.example.com:443\", methods = [\"GET\"] }}, \"http://192.168.1.9\"]\n"
    ))
    .unwrap();
    let grants = &app.plugins[0].grants;
    assert_eq!(grants.storage, Some(StorageQuota { bytes: 512 << 10, entries: 2000 }));
    assert_eq!(
        (grants.http[0].url.as_str(), &grants.http[0].methods[..]),
        ("https://api.example.com", &["GET".to_owned()][..])
    );
    assert_eq!(grants.http[1].addresses, ["192.168.1.9/32".parse().unwrap()]);
    assert!(
        !app.missing_grants()
            .iter()
            .any(|missing| missing.toml.contains("storage") || missing.toml.contains("api."))
    );

    // The order is the owner's, and nothing of it is missing.
    let app =
        format!("{GOOD_APP}[models.b]\npath = \"b\"\n").replace("[\"detector\"]", "[\"detector\", \"b\"]");
    let deploy = format!("{GOOD_DEPLOY}[plugins.counter.grants]\nmodels = [\"b\", \"detector\"]\n");
    let app = folder(&app, &deploy).load().unwrap();
    assert_eq!((app.missing_grants(), app.grants_toml()), (Vec::new(), String::new()));

    // Where more is granted, what is asked for counts.
    let more = "storage = { size = \"1GiB\", entries = 1000000 }";
    let app = load(&format!("{GOOD_DEPLOY}[plugins.counter.grants]\n{more}\n")).unwrap();
    assert_eq!(app.plugins[0].grants.storage, app.plugins[0].permissions.storage);
}

#[test]
fn a_host_is_granted_with_its_methods_and_addresses() {
    assert_eq!(
        granting("http = [{ url = \"https://api.example.com\", methods = [\"GET\", \"DELETE\"] }]"),
        "deploy.toml:4:9: plugin `counter` is granted `DELETE` at `https://api.example.com`; it asks for `GET` and \
         `POST` there"
    );
    assert_eq!(
        granting("http = [{ url = \"https://api.example.com\", methods = [\"get\"] }]"),
        "deploy.toml:4:55: an entry of `methods` of an entry of `grants.http` in `[plugins.counter]` is `get`; it \
         takes `GET`, `HEAD`, `POST`, `PUT`, `DELETE` or `PATCH`"
    );
    assert_eq!(
        granting("http = [{ url = \"https://api.example.com\", addresses = [\"192.168.1.9/24\", \"lan\"] }]"),
        "deploy.toml:4:9: plugin `counter`: in `addresses`, `192.168.1.9/24` goes beyond its prefix; write \
         `192.168.1.0/24`, or `192.168.1.9` for one address\n\
         deploy.toml:4:9: plugin `counter`: in `addresses`, `lan` is no range of addresses; write it as \
         `192.168.1.0/24`"
    );
    assert_eq!(
        granting("http = [{ url = \"http://192.168.1.9\", addresses = [\"192.168.1.0/24\"] }]"),
        "deploy.toml:4:9: plugin `counter`: `http://192.168.1.9` is an address, which is granted with it; leave \
         `addresses` out"
    );
    assert_eq!(
        granting("http = [\"https://api.example.com\", \"https://API.example.com:443\"]"),
        "deploy.toml:4:36: plugin `counter` is granted `https://api.example.com` twice; once is enough"
    );
}

#[test]
fn a_port_is_granted_once_and_within_the_range() {
    assert_eq!(port(""), "no mistake");
    let two = "[[plugins.counter.grants.ports]]\nname = \"hooks\"\nhost_port = 8080\n\
               [[plugins.siren.grants.ports]]\nname = \"status\"\nhost_port = 8080";
    assert_eq!(
        port(two),
        "deploy.toml:9:13: plugin `counter`: port `hooks` has `host_port` `8080`, which port `status` of plugin \
         `counter` has already; `8000` is free\n\
         deploy.toml:12:13: plugin `siren`: port `status` has `host_port` `8080`, which port `status` of plugin \
         `counter` has already; `8000` is free"
    );
    assert_eq!(
        port("[[plugins.counter.grants.ports]]\nname = \"status\"\nhost_port = 8081"),
        "deploy.toml:8:8: plugin `counter` is granted port `status` twice; once is enough"
    );
    let ranged = |range: &str, host_port: &str| {
        let ports = format!("[{{ name = \"status\", host_port = {host_port} }}]");
        let deploy =
            format!("port_range = \"{range}\"\n{GOOD_DEPLOY}[plugins.counter.grants]\nports = {ports}\n");
        load(&deploy).err().unwrap_or_else(|| "no mistake".to_owned())
    };
    assert_eq!(
        ranged("8000-8010", "8011"),
        "deploy.toml:5:41: plugin `counter`: port `status` has `host_port` `8011`; `port_range` is `8000-8010`"
    );
    assert_eq!(
        ranged("8000-8010", "80"),
        "deploy.toml:5:41: `host_port` of an entry of `grants.ports` in `[plugins.counter]` is `80`; it takes a \
         number from 1024 to 65535"
    );
    // Of a range that cannot be read nothing is said to lie outside.
    assert_eq!(
        ranged("8010-8000", "9999"),
        "deploy.toml:1:14: `port_range` is `8010-8000`; it takes two ports from 1024 to 65535, the lower first, as \
         in `8000-9000`"
    );
}

#[test]
fn a_port_says_who_may_ask_and_with_what() {
    for (lines, message) in [
        (
            "from = []",
            "7:8: `from` of an entry of `grants.ports` in `[plugins.counter]` is empty; it takes at least one entry",
        ),
        (
            "from = [\"192.168.1.0/24\", \"everyone\"]",
            "7:27: plugin `counter`: in `from` of port `status`, `everyone` is no range of addresses; write it as \
             `192.168.1.0/24`",
        ),
        (
            "token = \"\"",
            "7:9: `token` of an entry of `grants.ports` in `[plugins.counter]` is empty; write something",
        ),
        (
            "token = \"hunter 2\"",
            "7:9: plugin `counter`: the `token` of port `status` has other than visible ASCII characters; leave them \
             out",
        ),
        (
            "certificate = \"c.pem\"",
            "7:15: plugin `counter`: port `status` has a `certificate` and no `key`; add it",
        ),
        ("key = \"k.pem\"", "7:7: plugin `counter`: port `status` has a `key` and no `certificate`; add it"),
        (
            "tokn = \"hunter2\"",
            "7:1: an entry of `grants.ports` in `[plugins.counter]` has no key `tokn`; it has `token`",
        ),
        (
            "token = [\"hunter2\"]",
            "7:9: `token` of an entry of `grants.ports` in `[plugins.counter]` is a list; it takes text",
        ),
    ] {
        assert_eq!(port(lines), format!("deploy.toml:{message}"));
    }
    assert_eq!(
        granting("ports = [{ name = \"status\" }]"),
        "deploy.toml:4:10: an entry of `grants.ports` in `[plugins.counter]` has no `host_port`; add it, as in \
         `host_port = 8080`"
    );
    let deploy =
        "[plugins.counter.grants]\nports = [{ name = \"status\", host_port = 8080, token = \"hunter2\" }]\n";
    let app = load(&format!("{GOOD_DEPLOY}{deploy}")).unwrap();
    let granted = &app.plugins[0].grants.ports[0];
    let from: Vec<_> = granted.from.iter().map(ToString::to_string).collect();
    assert_eq!(
        (from.as_slice(), granted.tls.as_ref()),
        (&["127.0.0.0/8".to_owned(), "::1/128".to_owned()][..], None)
    );
    assert_eq!(granted.token.as_ref().map(crate::base::Secret::expose), Some("hunter2"));
    assert!(!format!("{app:?}{:?}{}", app.missing_grants(), app.grants_toml()).contains("hunter2"));
}

#[test]
fn what_is_asked_for_makes_sense() {
    for (lines, message) in [
        (
            "permissions = { storage = \"1MB\" }",
            "20:27: plugin `counter`: `storage` is `1MB`; write it as `64MiB` (`KiB`, `MiB` or `GiB`)",
        ),
        (
            "permissions = { storage = { size = \"32GiB\" } }",
            "20:27: plugin `counter`: `storage` is `32GiB`; it takes `1KiB` to `16GiB`",
        ),
        (
            "permissions = { storage = { size = \"1MiB\", entries = 0 } }",
            "20:54: `permissions.storage.entries` in `[plugins.counter]` is `0`; it takes a number from 1 to 1000000",
        ),
        (
            "permissions = { storage = {} }",
            "20:17: `permissions.storage` in `[plugins.counter]` has no `size`; add it, as in `size = \"1MiB\"`",
        ),
        (
            "permissions = { storage = 5 }",
            "20:27: `permissions.storage` in `[plugins.counter]` is a whole number; it takes text or a table",
        ),
        (
            "permissions = { pixels = 1 }",
            "20:26: `permissions.pixels` in `[plugins.counter]` is a whole number; it takes a boolean",
        ),
        (
            "permissions = { http = [\"api.example.com\"] }",
            "20:25: plugin `counter`: in `http`, `api.example.com` has no scheme; write it as `https://HOST`",
        ),
        (
            "permissions = { http = [\"https://me:hunter2@h\"] }",
            "20:25: plugin `counter`: in `http`, a login stands before an `@`; leave it out",
        ),
        (
            "permissions = { http = [\"https://h\", { url = \"https://H:443\" }] }",
            "20:38: plugin `counter` asks for `https://h` twice; once is enough",
        ),
        (
            "permissions = { http = [{ url = \"https://h\", methods = [\"GET\", \"GET\"] }] }",
            "20:25: plugin `counter`: a method of `https://h` is there twice; once is enough",
        ),
        (
            "permissions = { http = [{ host = \"https://h\" }] }",
            "20:25: an entry of `permissions.http` in `[plugins.counter]` has no `url`; add it, as in \
             `url = \"https://api.example.com\"`\n\
             app.toml:20:27: an entry of `permissions.http` in `[plugins.counter]` has no key `host`; it has \
             `methods` and `url`",
        ),
        (
            "permissions = { http = [5] }",
            "20:25: an entry of `permissions.http` in `[plugins.counter]` is a whole number; it takes text or a table",
        ),
        (
            "ports = [{ name = \"Status\" }]",
            "20:19: `Status` cannot name a port; a name is 1 to 64 of a-z, 0-9, `_` and `-`, first a letter",
        ),
        (
            "ports = [{ name = \"a\" }, { name = \"a\" }]",
            "20:35: plugin `counter` asks for port `a` twice; once is enough",
        ),
        (
            "ports = [{ name = \"a\", port = 0 }]",
            "20:31: `port` of an entry of `ports` in `[plugins.counter]` is `0`; it takes a number from 1 to 65535",
        ),
        (
            "[[plugins.counter.ports]]\ntitle = \"A\"",
            "20:1: an entry of `ports` in `[plugins.counter]` has no `name`; add it, as in `name = \"status\"`",
        ),
        ("ports = { name = \"a\" }", "20:1: `ports` in `[plugins.counter]` is a table; it takes a list"),
    ] {
        assert_eq!(asking(lines), format!("app.toml:{message}"));
    }
}

#[test]
fn a_grant_of_what_cannot_be_read_is_not_reported_as_well() {
    let app = format!(
        "{GOOD_APP}permissions = {{ http = [\"https://h/x\"], storage = \"1MB\" }}\nports = [{{ name = \"A\" }}]\n"
    );
    let deploy = format!(
        "{GOOD_DEPLOY}[plugins.counter.grants]\nhttp = [\"https://h\"]\nstorage = \"1MiB\"\n\
         ports = [{{ name = \"A\", host_port = 8000 }}]\n"
    );
    let message = folder(&app, &deploy).load().unwrap_err();
    assert_eq!(message.lines().filter(|line| line.starts_with("app.toml:")).count(), 3, "{message}");
    assert_eq!(message.lines().count(), 3, "{message}");
}

#[test]
fn what_is_missing_is_told_in_words_and_as_toml() {
    let missing = |plugin: &str, words: &str, toml: &str| Missing {
        plugin: plugin.to_owned(),
        words: words.to_owned(),
        toml: toml.to_owned(),
    };
    let app = load(GOOD_DEPLOY).unwrap();
    assert_eq!(
        app.missing_grants(),
        [
            missing("counter", "ask model `detector`", "models = [\"detector\"]"),
            missing("counter", "read the pixels of the cameras it watches", "pixels = true"),
            missing("counter", "take JPEG pictures of the cameras it watches", "jpeg = true"),
            missing("counter", "keep up to 1 MiB in 2000 entries", "storage = \"1MiB\""),
            missing(
                "counter",
                "send GET, POST requests to https://api.example.com",
                "http = [\"https://api.example.com\"]"
            ),
            missing(
                "counter",
                "send GET, HEAD, POST, PUT, DELETE, PATCH requests to http://*.example.org:8443",
                "http = [\"http://*.example.org:8443\"]"
            ),
            missing(
                "counter",
                "send GET, HEAD, POST, PUT, DELETE, PATCH requests to http://192.168.1.9",
                "http = [\"http://192.168.1.9\"]"
            ),
            missing(
                "counter",
                "answer on a port: status (Status page)",
                "ports = [{ name = \"status\", host_port = 8000 }]"
            ),
            missing("counter", "answer on a port: hooks", "ports = [{ name = \"hooks\", host_port = 8500 }]"),
            missing("siren", "answer on a port: status", "ports = [{ name = \"status\", host_port = 8001 }]"),
        ]
    );
    assert_eq!(
        app.grants_toml(),
        "[plugins.counter.grants]\n\
         models = [\"detector\"]\n\
         pixels = true\n\
         jpeg = true\n\
         storage = \"1MiB\"\n\
         http = [\"https://api.example.com\", \"http://*.example.org:8443\", \"http://192.168.1.9\"]\n\n\
         [[plugins.counter.grants.ports]]\nname = \"status\"\nhost_port = 8000\n\n\
         [[plugins.counter.grants.ports]]\nname = \"hooks\"\nhost_port = 8500\n\n\
         [plugins.siren.grants]\n\n\
         [[plugins.siren.grants.ports]]\nname = \"status\"\nhost_port = 8001\n"
    );
    let granted = load(&format!("{GOOD_DEPLOY}{}", app.grants_toml())).unwrap();
    assert_eq!(granted.missing_grants(), []);
    // Each line alone grants what it says.
    for one in app.missing_grants() {
        let deploy = format!("{GOOD_DEPLOY}[plugins.{}.grants]\n{}\n", one.plugin, one.toml);
        let words: Vec<_> =
            load(&deploy).unwrap().missing_grants().into_iter().map(|one| (one.plugin, one.words)).collect();
        assert!(!words.contains(&(one.plugin, one.words)) && words.len() == 9, "{deploy}");
    }
}

#[test]
fn the_toml_to_paste_keeps_what_the_owner_narrowed() {
    let grants = "[plugins.counter.grants]\n\
                  storage = { size = \"512KiB\", entries = 10 }\n\
                  http = [{ url = \"http://*.example.org:8443\", methods = [\"GET\"], addresses = [\"10.0.0.0/8\"] }]\n\n\
                  [[plugins.counter.grants.ports]]\n\
                  name = \"hooks\"\n\
                  host_port = 8000\n\
                  from = [\"192.168.1.0/24\"]\n";
    let login = "token = \"hunter2\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n";
    let before = load(&format!("{GOOD_DEPLOY}{grants}{login}")).unwrap();
    let text = before.grants_toml();
    assert_eq!(
        text.split("\n[plugins.siren").next().unwrap(),
        "[plugins.counter.grants]\n\
         models = [\"detector\"]\n\
         pixels = true\n\
         jpeg = true\n\
         storage = { size = \"512KiB\", entries = 10 }\n\
         http = [{ url = \"http://*.example.org:8443\", methods = [\"GET\"], addresses = [\"10.0.0.0/8\"] }, \
         \"https://api.example.com\", \"http://192.168.1.9\"]\n\n\
         [[plugins.counter.grants.ports]]\nname = \"hooks\"\nhost_port = 8000\nfrom = [\"192.168.1.0/24\"]\n\
         # keep your `token` here\n\
         # keep your `certificate` and `key` here\n\n\
         [[plugins.counter.grants.ports]]\nname = \"status\"\nhost_port = 8001\n"
    );
    let after = load(&format!("{GOOD_DEPLOY}{text}")).unwrap();
    assert_eq!(after.missing_grants(), []);
    assert_eq!(after.plugins[0].grants.http[0], before.plugins[0].grants.http[0]);
    assert_eq!(after.plugins[0].grants.storage, before.plugins[0].grants.storage);
}

#[test]
fn everything_can_be_granted_at_once() {
    let deploy = format!(
        "{GOOD_DEPLOY}[plugins.counter.grants]\nstorage = \"512KiB\"\n\
         ports = [{{ name = \"status\", host_port = 8001, from = [\"192.168.1.0/24\"], token = \"hunter2\" }}]\n"
    );
    let mut app = load(&deploy).unwrap();
    let mut free = 8000..;
    app.grant_all(&mut || free.next()).unwrap();
    assert_eq!(app.missing_grants(), []);
    let counter = &app.plugins[0].grants;
    assert_eq!((counter.pixels, counter.jpeg, &counter.models), (true, true, &app.plugins[0].models));
    assert_eq!(counter.http, app.plugins[0].permissions.http);
    // What the owner granted stays as narrow as it was.
    assert_eq!(counter.storage, Some(StorageQuota { bytes: 512 << 10, entries: 2000 }));
    let ports: Vec<_> = app.plugins.iter().flat_map(|plugin| &plugin.grants.ports).collect();
    let host_ports: Vec<_> = ports.iter().map(|port| (port.name.as_str(), port.host_port)).collect();
    assert_eq!(host_ports, [("status", 8001), ("hooks", 8000), ("status", 8002)]);
    assert!(ports[0].token.is_some() && ports[1].token.is_none());
    assert!(ports[1].from.iter().all(|net| net.addr().is_loopback()));

    let before = load(GOOD_DEPLOY).unwrap();
    for offer in [None, Some(8000)] {
        let mut app = before.clone();
        let error = app.grant_all(&mut || offer).unwrap_err();
        assert_eq!(error.kind(), Kind::Manifest);
        let (plugin, port) = if offer.is_none() { ("counter", "status") } else { ("counter", "hooks") };
        assert_eq!(
            error.message(),
            format!(
                "plugin `{plugin}`: no port of this box is free for its port `{port}`; widen `port_range`, which is `8000-9000`"
            )
        );
        assert_eq!(app, before, "all or nothing");
    }
}

#[test]
fn a_title_cannot_deceive_whoever_reads_the_sheet() {
    let app = format!("{GOOD_APP}ports = [{{ name = \"a\", title = \"\\u001b[2Jx\\u202e\\ny\" }}]\n");
    let app = folder(&app, GOOD_DEPLOY).load().unwrap();
    let words = &app.missing_grants()[1].words;
    assert_eq!(words, "answer on a port: a (\\u{1b}[2Jx\\u{202e}\\u{a}y)");
}
