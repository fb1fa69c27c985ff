use std::collections::HashSet;

use super::{Folder, GOOD_APP, GOOD_DEPLOY};
use crate::manifest::{App, Overrides, Plugin};

/// xorshift64*: the same bytes in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }
}

/// Pieces that mean something to TOML or to a manifest, so that mutations get past the parser.
const PIECES: [&str; 34] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\"",
    "'",
    "\"\"\"",
    "\n",
    "#",
    "\\u0000",
    "1e999",
    "-0",
    "nan",
    "0x7fffffffffffffffff",
    "1979-05-27",
    "[cameras.entrance]",
    "type = \"integer\"",
    "limits = {}",
    "[plugins.counter.grants]",
    "[[plugins.counter.ports]]",
    "[[plugins.counter.grants.ports]]",
    "http = [\"https://*.example.org\"]",
    "addresses = [\"10.0.0.0/8\"]",
    "host_port = 8000",
    "port_range = \"1024-1024\"",
    "queue = 1",
    "https://[::ffff:1.2.3.4%25]:0@*.",
    "/128",
    "ä\u{202e}",
];

fn mutated(good: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = good.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            2 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            _ => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
        }
    }
    bytes
}

/// However the files are mangled, whoever may do something has asked for it.
fn nothing_is_granted_unasked(app: &App) {
    let mut host_ports = HashSet::new();
    for Plugin { permissions: asks, grants, .. } in &app.plugins {
        assert!(asks.pixels >= grants.pixels && asks.jpeg >= grants.jpeg);
        assert!(grants.models.iter().all(|model| asks.models.contains(model)));
        if let Some(granted) = grants.storage {
            let asked = asks.storage.unwrap();
            assert!(granted.bytes <= asked.bytes && granted.entries <= asked.entries);
        }
        for granted in &grants.http {
            let asked = asks.http.iter().find(|asked| asked.url == granted.url).unwrap();
            assert!((granted.scheme, &granted.host, granted.port) == (asked.scheme, &asked.host, asked.port));
            assert!(!granted.methods.is_empty());
            assert!(granted.methods.iter().all(|method| asked.methods.contains(method)));
        }
        for granted in &grants.ports {
            assert!(asks.ports.iter().any(|asked| asked.name == granted.name));
            assert!(host_ports.insert(granted.host_port) && !granted.from.is_empty());
        }
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let folder = Folder::with("mutations", GOOD_APP, GOOD_DEPLOY);
    let every_key = super::root().join("manifests/every-key");
    let apps = [GOOD_APP.to_owned(), std::fs::read_to_string(every_key.join("app.toml")).unwrap()];
    let deploys = [GOOD_DEPLOY.to_owned(), std::fs::read_to_string(every_key.join("deploy.toml")).unwrap()];
    let mut random = Random(0x5eed);
    let (mut loaded, mut refused) = (0, 0);
    for round in 0..4000 {
        let pair = round / 2 % 2;
        let (app, deploy) = if round % 2 == 0 {
            (mutated(&apps[pair], &mut random), deploys[pair].clone().into_bytes())
        } else {
            (apps[pair].clone().into_bytes(), mutated(&deploys[pair], &mut random))
        };
        folder.write("app.toml", app);
        folder.write("deploy.toml", deploy);
        match folder.load() {
            Ok(mut app) => {
                loaded += 1;
                nothing_is_granted_unasked(&app);
                let printed = format!("{:?}{}", app.missing_grants(), app.grants_toml());
                assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{printed}");
                let mut ports = 20_000..;
                app.grant_all(&mut || ports.next()).unwrap();
                assert_eq!((app.missing_grants(), app.grants_toml()), (Vec::new(), String::new()));
                nothing_is_granted_unasked(&app);
                assert!(app.cameras.iter().all(|camera| !camera.sources.is_empty()));
                assert!(app.plugins.iter().all(|plugin| !plugin.cameras.is_empty()));
            }
            Err(message) => {
                refused += 1;
                assert!(!message.contains("without mistakes"), "{message}");
                assert!(
                    message.lines().all(|line| !line.chars().any(char::is_control) && line.contains(".toml")),
                    "{message}"
                );
            }
        }
    }
    assert!(
        loaded > 200 && refused > 200,
        "{loaded} loaded, {refused} refused: the mutations miss their aim"
    );
}

#[test]
fn a_command_line_cannot_make_it_panic() {
    let folder = Folder::with("flags", GOOD_APP, GOOD_DEPLOY);
    let mut random = Random(7);
    for _ in 0..2000 {
        let mut word = |good: &str| String::from_utf8_lossy(&mutated(good, &mut random)).into_owned();
        let overrides = Overrides {
            cameras: vec![("entrance".to_owned(), word("rtsp://user:pass@host:554/path"))],
            params: vec![("threshold".to_owned(), word("0.5")), (word("threshold"), "1".to_owned())],
            models: vec![(word("detector"), word("models/x").into())],
            events: Some(word("events.jsonl")),
            to_look_at: false,
        };
        if let Err(message) = folder.load_with(&overrides) {
            assert!(!message.lines().any(|line| line.chars().any(char::is_control)), "{message}");
        }
    }
}

#[test]
fn a_file_full_of_mistakes_is_answered_soon_and_in_short() {
    let mut app = GOOD_APP.to_owned();
    for index in 0..50_000 {
        app.push_str(&format!("k{index} = 1\n"));
    }
    let message = Folder::with("many", &app, GOOD_DEPLOY).load().unwrap_err();
    assert_eq!(message.lines().count(), 51);
    assert!(message.ends_with("\nand 49950 more"), "{message}");
}

#[test]
fn a_megabyte_of_anything_is_answered() {
    const SIZE: usize = 1 << 20;
    let numbered = |line: fn(usize) -> String| {
        let mut text: String = (0..SIZE / 10).map(line).collect();
        text.truncate(text[..SIZE.min(text.len())].rfind('\n').map_or(0, |newline| newline + 1));
        text
    };
    for (what, text) in [
        ("one key again and again", "a=1\n".repeat(SIZE / 4)),
        ("keys", numbered(|index| format!("k{index}=1\n"))),
        ("sections", numbered(|index| format!("[t{index}]\n"))),
        ("a long path", format!("a{}=1", ".a".repeat(SIZE / 2 - 4))),
        ("open brackets", "[".repeat(SIZE)),
        ("a long list", format!("{GOOD_APP}cameras=[{}]", "\"a\",".repeat(SIZE / 4 - 200))),
        ("a long key", format!("{}=1", "a".repeat(SIZE - 2))),
    ] {
        let message = Folder::with("megabyte", &text, GOOD_DEPLOY).load().unwrap_err();
        assert!(message.lines().count() <= 51 && message.len() < 20_000, "{what}: {message}");
    }
}
