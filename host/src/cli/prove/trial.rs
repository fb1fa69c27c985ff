//! One attack: what it did, what stopped it, what it cost.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::{Error, Notice, Notices, Result, Shutdown, process_memory};
use crate::pipeline::{PluginSummary, Run};
use crate::plugin::{Engine, FaultKind, Linked};

use super::stage::{Neighbour, Stage, neighbour_in, options};
use super::{Attack, Body, CARRIER, grown};

/// Frames of the neighbour in which an attack has time to do harm once it is known what became of it.
const FRAMES: u64 = 8;
/// Frames after which it is asked what became of it, come what may.
const MOST_FRAMES: u64 = 15;
/// No attack takes longer.
const LONGEST: Duration = Duration::from_secs(30);
/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How far the host may grow under an attack: the plugin's 64 MiB, what it may have in flight, and what
/// frames and models take.
const MOST_GROWTH: u64 = 256 << 20;

/// What became of an attack.
pub(super) struct Outcome {
    /// What stopped it.
    pub(super) by: String,
    /// In the host's words, where it was not even started.
    pub(super) why: Option<String>,
    /// Why it counts as an escape, if it does.
    pub(super) escaped: Option<String>,
    /// From its first chance to the first sign that it was stopped, where there is one.
    pub(super) after: Option<Duration>,
    pub(super) neighbour: Neighbour,
}

/// What was seen of an attack while it ran.
#[derive(Default)]
struct Seen {
    /// The first warning about it, and when.
    warned: Option<Duration>,
    /// Answers to requests, by status.
    statuses: Vec<u16>,
}

impl Stage {
    /// Runs one attack beside the neighbour.
    pub(super) fn attack(&self, attack: &Attack) -> Result<Outcome> {
        let component = self.path("attacker.wasm");
        let bytes = match &attack.body {
            Body::Component(bytes) => (*bytes).to_vec(),
            Body::Grown(name) => grown::component(name, CARRIER)
                .ok_or_else(|| Error::internal(format!("there is nothing to grow for `{name}`")))?,
        };
        std::fs::write(&component, bytes)
            .map_err(|error| Error::internal(format!("`{}`: {error}", component.display())))?;
        // What a compiler or the linker is to refuse is tried while the neighbour works.
        if attack.stopped.contains(&"load") {
            let refused = self.load_beside_neighbour(attack, &component)?;
            if let Some(outcome) = refused {
                return Ok(outcome);
            }
        }
        self.run_beside_neighbour(attack, &component)
    }

    /// Loads the attack; none where that went well.
    fn load_beside_neighbour(&self, attack: &Attack, component: &Path) -> Result<Option<Outcome>> {
        let load = || Engine::new(self.compiler.clone())?.load(component, linked(attack)).map(drop);
        let (loaded, after, neighbour) = self.beside_neighbour(load)?;
        Ok(loaded.err().map(|error| Outcome {
            by: "not loaded".to_owned(),
            why: Some(error.message().to_owned()),
            escaped: None,
            after: Some(after),
            neighbour,
        }))
    }

    /// Does `work` while the neighbour goes about its own: what came of it, how long it took, how the neighbour
    /// fared.
    fn beside_neighbour<T>(&self, work: impl FnOnce() -> T) -> Result<(T, Duration, Neighbour)> {
        let shutdown = Shutdown::default();
        let surroundings = self.surroundings(None, Notices::none(), &shutdown);
        let run = Run::prepare(&[self.neighbour()?], options(), surroundings)?;
        let progress = run.progress();
        std::thread::scope(|scope| {
            let run = scope.spawn(|| run.run());
            let see = |frames: u64| {
                while progress.frames().analysed < frames && !run.is_finished() {
                    std::thread::sleep(LOOK);
                }
            };
            see(FRAMES / 2);
            let began = self.clock.now();
            let done = work();
            let took = self.clock.now().saturating_sub(began);
            see(progress.frames().analysed + FRAMES / 2);
            shutdown.stop();
            let summary = run.join().map_err(|_| Error::internal("the neighbour's run panicked"))?;
            Ok((done, took, neighbour_in(&summary)))
        })
    }

    fn run_beside_neighbour(&self, attack: &Attack, component: &Path) -> Result<Outcome> {
        let events = self.path("events.jsonl");
        // What an attack before this one said is not this one's.
        let _ = std::fs::remove_file(&events);
        let _ = std::fs::remove_dir_all(self.path("state"));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let clock = self.clock;
        let noticed = Arc::clone(&seen);
        let notices = Notices::new(move |notice| {
            if let Notice::Warn(text) = notice
                && text.contains("`attacker`")
            {
                lock(&noticed).warned.get_or_insert(clock.now());
            }
        });
        let shutdown = Shutdown::default();
        let attacker = self.attacker(attack, component.to_owned(), &events)?;
        let port = attacker.app.plugins[0].grants.ports.first().map(|port| port.host_port);
        let members = [self.neighbour()?, attacker];
        let surroundings = self.surroundings(attack.server, notices, &shutdown);
        let memory_before = process_memory("VmRSS").unwrap_or(0);
        let run = match Run::prepare(&members, options(), surroundings.clone()) {
            Ok(run) => run,
            // It did not get as far as to have a neighbour. Once more, beside one.
            Err(_) => {
                let prepare = || Run::prepare(&members[1..], options(), surroundings).map(drop);
                let (prepared, after, neighbour) = self.beside_neighbour(prepare)?;
                let error = prepared.err().ok_or_else(|| Error::internal("it starts alone"))?;
                return Ok(not_started(attack, &events, &error, after, neighbour));
            }
        };
        let progress = run.progress();
        let began = clock.now();
        let mut grown = 0;
        let mut after = None;
        let mut said_before_end = Said::default();
        let summary = std::thread::scope(|scope| {
            let run = scope.spawn(|| run.run());
            let asking = port.map(|port| scope.spawn(move || ask(port)));
            loop {
                std::thread::sleep(LOOK);
                grown = grown.max(process_memory("VmRSS").unwrap_or(0).saturating_sub(memory_before));
                let passed = clock.now().saturating_sub(began);
                let frames = progress.frames().analysed;
                let said = said(&events);
                if after.is_none() {
                    let warned = lock(&seen).warned;
                    after = warned.map(|at| at.saturating_sub(began)).or(said.stopped.then_some(passed));
                }
                let known = after.is_some() || said.escaped;
                let asked = asking.as_ref().is_none_or(std::thread::ScopedJoinHandle::is_finished);
                if asked && (known && frames >= FRAMES || frames >= MOST_FRAMES)
                    || passed > LONGEST
                    || run.is_finished()
                {
                    break;
                }
            }
            // A request out that the run's end cuts off gets another answer than the one it is to be refused with.
            said_before_end = said(&events);
            shutdown.stop();
            if let Some(Ok(statuses)) = asking.map(std::thread::ScopedJoinHandle::join) {
                lock(&seen).statuses = statuses;
            }
            run.join().map_err(|_| Error::internal("a run panicked"))
        })?;
        let plugin = summary.plugins.iter().find(|plugin| plugin.app == "attacker");
        let plugin = plugin.ok_or_else(|| Error::internal("the attack is not in the summary"))?;
        let said = if attack.server.is_some() { said_before_end } else { said(&events) };
        let by = stopped_by(attack, plugin, &said);
        let escaped = if said.escaped {
            Some("it did what it must not".to_owned())
        } else if grown > MOST_GROWTH {
            Some(format!("the host grew by {} MiB", grown >> 20))
        } else if lock(&seen).statuses.contains(&FORGED) {
            Some("it answered what it must not".to_owned())
        } else if by.is_none() {
            Some(format!("nothing it was to meet was met ({})", attack.stopped.join(", ")))
        } else {
            None
        };
        let neighbour = neighbour_in(&summary);
        Ok(Outcome { by: by.unwrap_or_default(), why: None, escaped, after, neighbour })
    }
}

/// It was stopped before the run began: by the linker, or in its `configure`.
fn not_started(
    attack: &Attack,
    events: &Path,
    error: &Error,
    after: Duration,
    neighbour: Neighbour,
) -> Outcome {
    let message = error.message();
    let by = [
        ("ran longer than its deadline", "deadline"),
        ("ran out of memory", "memory"),
        ("trapped", "trap"),
        ("was refused a call", "host"),
    ]
    .into_iter()
    .find(|(words, _)| message.contains(words))
    .map_or("load", |(_, kind)| kind);
    let is_known = attack.stopped.contains(&by)
        || by == "host" && attack.stopped.contains(&"trap")
        || by == "memory" && attack.stopped.contains(&"limit:memory");
    let escaped = if said(events).escaped {
        Some("it did what it must not".to_owned())
    } else if !is_known {
        Some("it did not start, and not for what it tried".to_owned())
    } else {
        None
    };
    let by = if by == "load" { "not loaded" } else { in_words(by) };
    Outcome { by: by.to_owned(), why: Some(message.to_owned()), escaped, after: Some(after), neighbour }
}

/// The status with which an attack answers where it must not be able to.
const FORGED: u16 = 418;

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn linked(attack: &Attack) -> Linked {
    let granted = |what: &str| attack.grants.contains(&what);
    Linked {
        pixels: granted("pixels"),
        jpeg: granted("jpeg"),
        models: granted("models"),
        storage: granted("storage"),
        http: granted("http"),
        ports: granted("port"),
    }
}

/// Which of what may stop the attack did.
fn stopped_by(attack: &Attack, plugin: &PluginSummary, said: &Said) -> Option<String> {
    let faults = &plugin.report.faults;
    let faulted = |kinds: &[FaultKind]| kinds.iter().any(|kind| faults.contains_key(kind));
    attack.stopped.iter().find_map(|by| {
        let met = match *by {
            "deadline" => faulted(&[FaultKind::Deadline]),
            "memory" => faulted(&[FaultKind::Memory]),
            "trap" => faulted(&[FaultKind::Trap, FaultKind::Refused, FaultKind::Exit]),
            "host" => faulted(&[FaultKind::Refused, FaultKind::Host]),
            "value" => said.stopped,
            "cut" => true,
            "load" => false,
            "dropped:events" => plugin.report.dropped_events > 0,
            "dropped:marks" => plugin.report.dropped_marks > 0,
            "dropped:metrics" => plugin.report.dropped_metrics > 0,
            limit => {
                let name = limit.strip_prefix("limit:").unwrap_or(limit);
                plugin.report.limits.get(name).is_some_and(|limit| limit.refused > 0)
            }
        };
        met.then(|| in_words(by).to_owned())
    })
}

fn in_words(by: &str) -> &str {
    match by {
        "value" => "refused, as a typed value",
        "cut" => "harmless: cut",
        "trap" => "trap",
        "host" => "refused call",
        "dropped:events" | "dropped:marks" | "dropped:metrics" => "dropped and counted",
        limit => limit.strip_prefix("limit:").unwrap_or(limit),
    }
}

/// What an attack published.
#[derive(Default)]
struct Said {
    stopped: bool,
    escaped: bool,
}

fn said(events: &Path) -> Said {
    let mut text = String::new();
    // Attacks publish floods; the names looked for come first or not at all.
    let read = std::fs::File::open(events).and_then(|file| file.take(8 << 20).read_to_string(&mut text));
    if read.is_err() {
        return Said::default();
    }
    Said { stopped: text.contains(r#""name":"stopped""#), escaped: text.contains(r#""name":"escaped""#) }
}

/// Asks the attack's port three times; the statuses.
fn ask(port: u16) -> Vec<u16> {
    let once = || -> std::io::Result<u16> {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(6)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: attacker\r\nconnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        let status = std::str::from_utf8(&answer[9..]).ok().and_then(|status| status.parse().ok());
        status.ok_or_else(|| std::io::Error::other("no HTTP"))
    };
    (0..3).filter_map(|_| once().ok()).collect()
}
