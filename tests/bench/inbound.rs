//! Requests to a plugin's ports, over connections that stay open: `manifests/debug-server`'s `GET /status` as
//! `transom run` serves it, beside a handler that does the same (`handler/`) under `wasmtime serve`.

use std::io::{BufRead, BufReader, Error, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::{file, guest, transom};
use crate::measure::{self, cpu_of, median, quantile, ratio, rounds};
use crate::table::{Row, Table};

const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_millis(500);
const LASTS: Duration = Duration::from_secs(4);
/// Ports the plugin answers on, each asked in turn: on one, a manifest allows 10,000 requests a second at most,
/// and there are more.
const PORTS: usize = 4;
/// How long a server may take until it listens.
const STARTS: Duration = Duration::from_secs(30);
const REQUEST: &[u8] = b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server at work; it ends with this.
struct Server {
    child: Child,
    /// Where it is asked in turn.
    addrs: Vec<SocketAddr>,
    /// CPU time it takes a second while nobody asks: Transom also plays its camera.
    idle: f64,
    _folder: tempfile::TempDir,
    summary: PathBuf,
}

/// What a load met.
struct Load {
    a_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// CPU time of the server for a request, what it takes idle taken off.
    cpu_us: f64,
    refused: usize,
}

pub(crate) fn bench(table: &mut Table) {
    let mut ours = serve_transom();
    let peers = match wasmtime() {
        Ok((program, version)) => {
            let component = handler();
            vec![
                ("a new instance a request, its default", vec![]),
                (
                    "one instance for all, 50 ms and 16 MiB allowed",
                    vec![
                        "--max-instance-reuse-count=1000000000",
                        "--idle-instance-timeout=60s",
                        "-Wtimeout=50ms",
                        "-Wmax-memory-size=16777216",
                    ],
                ),
            ]
            .into_iter()
            .map(|(what, options)| {
                (
                    format!("`wasmtime serve` {version}, {what}"),
                    serve_wasmtime(&program, &component, &options),
                )
            })
            .collect()
        }
        Err(why) => {
            table.skip("inbound beside `wasmtime serve`", &why);
            vec![]
        }
    };
    for askers in [1, 8] {
        let mut own = Vec::new();
        let mut others: Vec<Vec<Load>> = peers.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds(ROUNDS) {
            own.push(load(&ours, askers));
            for (loads, (_, server)) in others.iter_mut().zip(&peers) {
                loads.push(load(server, askers));
            }
        }
        let what =
            |peer: &str| format!("`GET /status` on a port, connections kept open, {askers} at once{peer}");
        if peers.is_empty() {
            table.row(&Row { what: what(""), transom: figure(&own), ..Row::default() });
        }
        for (loads, (name, _)) in others.iter().zip(&peers) {
            let a_second = |loads: &[Load]| loads.iter().map(|load| load.a_second).collect::<Vec<_>>();
            table.row(&Row {
                what: what(&format!("; peer: {name}")),
                transom: figure(&own),
                peer: figure(loads),
                ratio: Some(ratio(&a_second(&own), &a_second(loads))),
                ..Row::default()
            });
        }
    }
    let summary = ours.stop();
    let plugin = &summary["plugins"][0];
    table.row(&Row {
        what: "… of all that, in Transom".to_owned(),
        transom: format!(
            "{} requests handed to the plugin, made to wait for its share {:.2} s; idle {:.1} ms CPU a second",
            plugin["requests"],
            plugin["throttled_s"].as_f64().unwrap_or(f64::NAN),
            ours.idle * 1e3
        ),
        ..Row::default()
    });
}

/// For people: medians of the rounds. The ratio in the table is of requests a second, Transom's over the peer's.
fn figure(loads: &[Load]) -> String {
    let at = |pick: fn(&Load) -> f64| median(loads.iter().map(pick));
    let refused: usize = loads.iter().map(|load| load.refused).sum();
    let refused = if refused == 0 { String::new() } else { format!("; {refused} REFUSED") };
    format!(
        "{:.0} a second, p50 {:.0} µs, p99 {:.0} µs; {:.0} µs CPU each{refused}",
        at(|load| load.a_second),
        at(|load| load.p50_us),
        at(|load| load.p99_us),
        at(|load| load.cpu_us)
    )
}

/// So many ask at once, each again as soon as it has its answer.
fn load(server: &Server, askers: usize) -> Load {
    ask(&server.addrs, askers, WARM_UP);
    let cpu = cpu_of(server.child.id());
    let began = Instant::now();
    let answers = ask(&server.addrs, askers, LASTS);
    let passed = began.elapsed().as_secs_f64();
    let cpu = cpu_of(server.child.id()).saturating_sub(cpu).as_secs_f64();
    let us = |share| quantile(answers.iter().map(|(took, _)| took.as_secs_f64() * 1e6), share);
    Load {
        a_second: answers.len() as f64 / passed,
        p50_us: us(0.5),
        p99_us: us(0.99),
        cpu_us: (cpu - server.idle * passed) * 1e6 / answers.len() as f64,
        refused: answers.iter().filter(|(_, status)| *status != 200).count(),
    }
}

/// The time and status of each answer.
fn ask(addrs: &[SocketAddr], askers: usize, lasts: Duration) -> Vec<(Duration, u16)> {
    let until = Instant::now() + lasts;
    let asking: Vec<_> = (0..askers)
        .map(|_| {
            let addrs = addrs.to_vec();
            std::thread::spawn(move || -> std::io::Result<Vec<(Duration, u16)>> {
                let open = |addr| {
                    let stream = TcpStream::connect(addr)?;
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(STARTS))?;
                    Ok((stream.try_clone()?, BufReader::new(stream)))
                };
                let mut connections = addrs.iter().map(open).collect::<std::io::Result<Vec<_>>>()?;
                let (mut all, mut line, mut body) = (Vec::new(), String::new(), Vec::new());
                while Instant::now() < until {
                    for (questions, answers) in &mut connections {
                        let began = Instant::now();
                        questions.write_all(REQUEST)?;
                        let status = answer(answers, &mut line, &mut body)?;
                        all.push((began.elapsed(), status));
                    }
                }
                Ok(all)
            })
        })
        .collect();
    let asked = asking.into_iter().map(|thread| thread.join().expect("no panic"));
    asked.flat_map(|answers| answers.expect("the connection stays open")).collect()
}

/// Reads one answer to its end and gives its status: as much of RFC 9112 as the two servers use.
fn answer(from: &mut impl BufRead, line: &mut String, body: &mut Vec<u8>) -> std::io::Result<u16> {
    let (mut status, mut length, mut chunked) = (None, 0, false);
    loop {
        next(from, line)?;
        if line.is_empty() {
            break;
        }
        if status.is_none() {
            status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        } else if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().map_err(Error::other)?,
                "transfer-encoding" => chunked = value.trim() == "chunked",
                _ => {}
            }
        }
    }
    let mut read = |from: &mut dyn Read, length: usize| {
        body.resize(length, 0);
        from.read_exact(body)
    };
    if chunked {
        loop {
            next(from, line)?;
            let length = usize::from_str_radix(line, 16).map_err(Error::other)?;
            read(from, length)?;
            next(from, line)?;
            if length == 0 {
                break;
            }
        }
    } else {
        read(from, length)?;
    }
    status.ok_or_else(|| Error::other("an answer without a status"))
}

fn next(from: &mut impl BufRead, line: &mut String) -> std::io::Result<()> {
    line.clear();
    from.read_line(line)?;
    if !line.ends_with("\r\n") {
        return Err(Error::other("the connection was closed"));
    }
    line.truncate(line.len() - 2);
    Ok(())
}

impl Server {
    fn start(mut command: Command, ports: &[u16], folder: tempfile::TempDir) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let addrs: Vec<_> = ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect();
        let summary = folder.path().join("summary.json");
        let mut server = Self { child, addrs, idle: 0.0, _folder: folder, summary };
        let began = Instant::now();
        while server.addrs.iter().any(|addr| TcpStream::connect(addr).is_err()) {
            let ended = server.child.try_wait().expect("a child can be looked at");
            assert!(ended.is_none() && began.elapsed() < STARTS, "{command:?} does not listen: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let over = Duration::from_secs(2);
        std::thread::sleep(over / 2);
        let cpu = cpu_of(server.child.id());
        std::thread::sleep(over);
        server.idle = cpu_of(server.child.id()).saturating_sub(cpu).as_secs_f64() / over.as_secs_f64();
        server
    }

    /// Ends it, and gives the numbers of its run, where it writes any.
    fn stop(&mut self) -> Value {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.child.wait();
        let summary = std::fs::read_to_string(&self.summary).unwrap_or_default();
        serde_json::from_str(&summary).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The app with all that its vendor may ask for, so that what is measured is no limit of rate.
fn serve_transom() -> Server {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ports: Vec<u16> = free_ports();
    let list = |port: &dyn Fn(usize) -> String| (0..PORTS).map(port).collect::<Vec<_>>().join(", ");
    let asked = list(&|n| format!("{{ name = \"debug{n}\", title = \"Status\" }}"));
    let granted = list(&|n| format!("{{ name = \"debug{n}\", host_port = {} }}", ports[n]));
    let app = format!(
        "[app]\nname = \"bench\"\nversion = \"1.0.0\"\ntitle = \"Bench\"\n\n[cameras.camera]\nmax_fps = 10\n\n\
         [plugins.server]\ncomponent = {:?}\ncameras = [\"camera\"]\n\
         permissions = {{ storage = {{ size = \"1KiB\", entries = 1 }} }}\nports = [{asked}]\n\n\
         [plugins.server.limits]\nmemory = \"16MiB\"\ndeadline = \"50ms\"\ncpu = 1.0\n\
         port_requests = 10000\nport_queue = 64\n",
        guest("debug_server")
    );
    let deploy = format!(
        "port_range = \"1024-65535\"\n\n[cameras.camera]\nsource = {:?}\n\n[plugins.server.grants]\n\
         storage = {{ size = \"1KiB\", entries = 1 }}\nports = [{granted}]\n",
        file("tests/clips/entrance.mp4")
    );
    std::fs::write(folder.path().join("app.toml"), app).expect("a manifest can be written");
    std::fs::write(folder.path().join("deploy.toml"), deploy).expect("a manifest can be written");
    let mut command = Command::new(transom());
    command.arg("run").arg(folder.path()).args(["--loop", "--realtime", "--events", "/dev/null"]);
    command.arg("--summary").arg(folder.path().join("summary.json"));
    command.arg("--state").arg(folder.path().join("state"));
    Server::start(command, &ports, folder)
}

/// It has one port, and the connections that Transom's ports have together.
fn serve_wasmtime(program: &Path, component: &Path, options: &[&str]) -> Server {
    let port = free_ports()[0];
    let mut command = Command::new(program);
    // A Rust component imports what its standard library links, the environment for one.
    command.args(["serve", "-Scli"]).arg(format!("--addr=127.0.0.1:{port}")).args(options).arg(component);
    Server::start(command, &[port; PORTS], tempfile::tempdir().expect("a temporary folder"))
}

/// Ports nobody has just now.
fn free_ports() -> Vec<u16> {
    let free = || TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    let listeners: Vec<_> = std::iter::repeat_with(free).take(PORTS).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("it has an address").port()).collect()
}

/// The peer, and which it is.
fn wasmtime() -> Result<(PathBuf, String), String> {
    let program = std::env::var_os("WASMTIME").map_or_else(|| "wasmtime".into(), PathBuf::from);
    let version = measure::run(Command::new(&program).arg("--version")).map_err(|why| {
        format!(
            "there is no `wasmtime` ({}); say where with WASMTIME",
            why.lines().next().unwrap_or_default()
        )
    })?;
    let version = version.stdout.split_whitespace().nth(1).unwrap_or("?").to_owned();
    Ok((program, version))
}

/// Builds the peer's handler.
fn handler() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("handler");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--locked", "--target", "wasm32-wasip2", "--target-dir"]).arg(&target);
    build.current_dir(file("tests/bench/handler"));
    measure::run(&mut build).unwrap_or_else(|error| panic!("{error}"));
    target.join("wasm32-wasip2/release/handler.wasm")
}
