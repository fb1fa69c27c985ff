//! The live page, as a browser meets it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::support::{app, file, guest, transom, wait};

/// Nothing here takes as long; a read that does fails its test.
const LONGEST: Duration = Duration::from_secs(60);

/// A run with its page open; killed where a test ends early.
struct Page {
    child: Option<Child>,
    addr: SocketAddr,
    words: Option<JoinHandle<String>>,
}

impl Page {
    /// Runs an app, playing the shipped clip at its own pace.
    fn of(app: &std::path::Path, arguments: &[&str]) -> Self {
        let mut command = transom(["run", "--realtime", "--view", "0", "--events", "/dev/null"]);
        command.arg(app).args(arguments);
        let mut child = command
            .arg("--camera")
            .arg(format!("camera={}", file("tests/clips/plain.mp4").display()))
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut words = String::new();
        let addr = loop {
            let before = words.len();
            assert!(lines.read_line(&mut words).unwrap() > 0, "the run ended: {words}");
            if let Some(url) = words[before..].trim().strip_prefix("the live page is at http://") {
                break url.trim_end_matches('/').parse().unwrap();
            }
        };
        let rest = std::thread::spawn(move || {
            lines.read_to_string(&mut words).unwrap();
            words
        });
        Self { child: Some(child), addr, words: Some(rest) }
    }

    fn detections(arguments: &[&str]) -> Self {
        Self::of(&file("manifests/detections"), arguments)
    }

    fn ask(&self, path: &str, host: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(LONGEST)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        BufReader::new(stream)
    }

    /// Status code, headers and body.
    fn get_as(&self, path: &str, host: &str) -> (u16, String, String) {
        let mut answer = String::new();
        self.ask(path, host).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String, String) {
        self.get_as(path, &self.addr.to_string())
    }

    fn status(&self, after: usize) -> Value {
        serde_json::from_str(&self.get(&format!("/status?after={after}")).2).unwrap()
    }

    /// Waits until the first frame has come: the page has a picture then.
    fn wait_for_picture(&self) {
        while self.status(0)["streams"] != serde_json::json!(["camera"]) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn pictures(&self) -> Pictures {
        self.wait_for_picture();
        let mut stream = self.ask("/picture/camera", "localhost");
        let head = Pictures::lines(&mut stream).join("\n").to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("content-type: multipart/x-mixed-replace; boundary=transom-picture"), "{head}");
        Pictures { stream, chunk: Vec::new() }
    }

    /// Waits for the run's end, which must be a good one.
    fn end(mut self) -> String {
        let done = wait(self.child.take().unwrap(), LONGEST);
        let words = self.words.take().unwrap().join().unwrap();
        assert_eq!(done.code(), 0, "{words}");
        words
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// The endless answer: pictures one after another.
struct Pictures {
    stream: BufReader<TcpStream>,
    /// What is left of the present chunk of the transfer (RFC 9112, 7.1).
    chunk: Vec<u8>,
}

impl Pictures {
    /// Lines up to an empty one.
    fn lines(stream: &mut impl BufRead) -> Vec<String> {
        let lines = stream.lines().map(|line| line.unwrap());
        lines.take_while(|line| !line.is_empty()).collect()
    }

    /// The next picture; none where the answer ends.
    fn next(&mut self) -> Option<Vec<u8>> {
        assert_eq!(self.line()?, "--transom-picture");
        let (mut length, mut kind) = (0, String::new());
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("content-type", value)) => kind = value.to_owned(),
                _ => break,
            }
        }
        let jpeg: Vec<u8> = (0..length).map(|_| self.byte()).collect::<Option<_>>()?;
        assert_eq!((kind.as_str(), self.line()?.as_str()), ("image/jpeg", ""));
        assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]), "a whole JPEG");
        Some(jpeg)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.byte()?);
        }
        line.truncate(line.len() - 2);
        Some(String::from_utf8(line).unwrap())
    }

    fn byte(&mut self) -> Option<u8> {
        if self.chunk.is_empty() {
            let mut size = String::new();
            self.stream.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0)?;
            self.chunk = vec![0; size + 2];
            self.stream.read_exact(&mut self.chunk).ok()?;
            self.chunk.truncate(size);
            self.chunk.reverse();
        }
        self.chunk.pop()
    }
}

/// The share of magenta in a picture, in percent.
fn magenta(jpeg: &[u8]) -> usize {
    let pixels = jpeg_decoder::Decoder::new(jpeg).decode().expect("a browser can decode it");
    let painted = pixels.chunks(3).filter(|p| p[0] > 180 && p[1] < 100 && p[2] > 180).count();
    painted * 100 / (pixels.len() / 3)
}

#[test]
fn the_page_comes_with_its_policy_and_needs_nothing_from_elsewhere() {
    let page = Page::detections(&["--loop"]);
    let (code, head, body) = page.get("/");
    assert_eq!(code, 200);
    assert!(body.starts_with("<!doctype html>") && body.trim_end().ends_with("</html>"));
    // The name of SVG is no place.
    assert!(
        !body.replace("http://www.w3.org/2000/svg", "").contains("://"),
        "nothing is loaded from elsewhere"
    );
    for header in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(head.contains(header), "{header} is not in {head}");
    }
}

#[test]
fn the_status_tells_what_is_new() {
    let page = Page::detections(&["--loop"]);
    page.wait_for_picture();
    let status = page.status(0);
    assert_eq!(status["app"], "Detections 1.0.0");
    let numbers = status["numbers"].as_array().unwrap();
    for name in ["frames received", "frames decoded", "frames analysed", "events", "decode camera (median)"] {
        assert!(numbers.iter().any(|row| row[0] == name), "{name} is not in {numbers:?}");
    }
    let events = status["events"].as_array().unwrap();
    assert_eq!((&events[0]["name"], &events[0]["camera"]), (&"detections".into(), &"camera".into()));
    let after = usize::try_from(status["after"].as_u64().unwrap()).unwrap();
    let newer = page.status(after);
    let count = newer["after"].as_u64().unwrap() as usize - after;
    assert_eq!(newer["events"].as_array().unwrap().len(), count.min(100));
    assert_eq!(page.status(usize::MAX)["events"], serde_json::json!([]));
    assert_eq!(page.get("/status?after=soon").0, 400);
}

#[test]
fn what_a_plugin_counts_is_among_the_numbers() {
    let manifest = std::fs::read_to_string(file("manifests/people-counter/app.toml")).unwrap();
    let here = manifest.replace("../../", &format!("{}/", file("").display())).replace("entrance", "camera");
    let folder = app(&here);
    let page = Page::of(folder.path(), &["--frames", "100"]);
    let people = || {
        let status = page.status(0);
        let numbers = status["numbers"].as_array().unwrap().clone();
        numbers
            .iter()
            .find(|row| row[0] == "counter: people")
            .and_then(|row| row[1].as_str()?.parse::<u32>().ok())
    };
    // The test is ended by its run's end, should nobody be counted.
    while people().is_none_or(|people| people == 0) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_page_on_this_machine_answers_to_no_other_name() {
    let page = Page::detections(&["--loop"]);
    let port = page.addr.port();
    for path in ["/", "/status", "/picture/camera"] {
        for host in [
            "evil.example",
            &format!("evil.example:{port}"),
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "",
        ] {
            assert_eq!(page.get_as(path, host).0, 403, "{host}{path}");
        }
    }
    for host in ["localhost", &format!("localhost:{port}"), &format!("127.0.0.1:{port}"), "[::1]:80"] {
        assert_eq!(page.get_as("/", host).0, 200, "{host}");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let page = Page::detections(&["--loop"]);
    page.wait_for_picture();
    for path in
        ["/picture/nobody", "/picture/", "/picture/..%2F..%2Fetc%2Fpasswd", "/etc/passwd", "/../etc/passwd"]
    {
        assert_eq!(page.get(path).0, 404, "{path}");
    }
}

#[test]
fn pictures_carry_the_marks_from_the_first_look_on() {
    let manifest = |what: &str| {
        app(&format!(
            "[app]\nname = \"paint\"\nversion = \"1.0.0\"\ntitle = \"Paint\"\n\n[cameras.camera]\ntitle = \"Any\"\n\n\
             [params.what]\ntype = \"text\"\ndefault = \"{what}\"\n\n[params.at]\ntype = \"integer\"\ndefault = 0\n\n\
             [models.person]\npath = {:?}\n\n\
             [plugins.painter]\ncomponent = {:?}\nmodels = [\"person\"]\n\
             permissions = {{ pixels = true, jpeg = true }}\nlimits = {{ deadline = \"10s\", cpu = 1.0 }}\n",
            file("models/person"),
            guest("misbehaves")
        ))
    };
    let (plain, painted, wild) = (manifest("nothing"), manifest("paint"), manifest("marks"));
    let page = Page::of(plain.path(), &["--loop"]);
    assert_eq!(magenta(&page.pictures().next().unwrap()), 0);
    // Nobody had looked before: the plugin hears of it with the frame after.
    let page = Page::of(painted.path(), &["--loop"]);
    let mut pictures = page.pictures();
    let shares: Vec<usize> = (0..4).map(|_| magenta(&pictures.next().unwrap())).collect();
    assert!(shares[3] >= 3, "{shares:?}");
    // Whatever is drawn, a picture comes out.
    let page = Page::of(wild.path(), &["--loop"]);
    let mut pictures = page.pictures();
    for _ in 0..4 {
        magenta(&pictures.next().unwrap());
    }
}

#[test]
fn two_who_look_see_pictures_that_move() {
    let page = Page::detections(&["--loop"]);
    let (mut one, mut other) = (page.pictures(), page.pictures());
    let mut seen = (one.next().unwrap(), other.next().unwrap());
    for _ in 0..5 {
        let new = (one.next().unwrap(), other.next().unwrap());
        assert!(new.0 != seen.0 && new.1 != seen.1);
        seen = new;
    }
}

#[test]
fn a_run_ends_though_somebody_still_looks() {
    let page = Page::detections(&["--frames", "40"]);
    let mut pictures = page.pictures();
    let mut idle = page.ask("/status", "localhost");
    let mut count = 0;
    while pictures.next().is_some() {
        count += 1;
    }
    assert!(count > 0);
    assert!(page.end().contains("ended well"));
    idle.read_to_string(&mut String::new()).unwrap();
}
