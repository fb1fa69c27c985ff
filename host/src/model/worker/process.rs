//! The host's side of a worker: started, asked with a time limit, stopped and buried.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::message::{GREETING, Kind, MOST_BEFORE, Message};
use crate::base::memory_of;

/// How a worker is started: the program, and what makes it one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) struct Worker {
    /// For people: `the gpu worker`.
    pub(in crate::model) called: &'static str,
    /// This very program.
    pub(in crate::model) program: PathBuf,
    /// The command that makes it one.
    pub(in crate::model) arguments: Vec<OsString>,
    /// What it takes over of its host's environment.
    pub(in crate::model) environment: Environment,
}

/// What a worker takes over of its host's environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Environment {
    /// All of it: it does what its host would do.
    Whole,
    /// What graphics drivers and their loaders look at, and no more.
    Drivers,
}

/// What a worker does before it answers.
pub(in crate::model) enum Word<'a> {
    /// It says so.
    Said(Kind, &'a str),
    /// It has said nothing for so long.
    Silent(Duration),
}

/// How often a silent worker is told of.
const TICK: Duration = Duration::from_secs(10);
/// What is kept of a worker's last words.
const MOST_WORDS: usize = 4 << 10;
/// Of a pipe, so that a picture goes through it in few pieces.
const PIPE: usize = 1 << 20;

const KEPT: [&str; 6] = ["PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "RUST_BACKTRACE"];
const KEPT_WITH: [&str; 16] = [
    "VK_", "WGPU_", "MESA_", "LIBGL_", "GALLIUM_", "LP_", "NVIDIA_", "__NV", "__GL", "CUDA_", "AMD_",
    "RADV_", "ANV_", "INTEL_", "XDG_", "DRI_",
];

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) enum Refusal {
    /// The worker goes on.
    Refused(String),
    /// The worker is gone.
    Lost(String),
}

impl Refusal {
    pub(in crate::model) fn why(self) -> String {
        match self {
            Refusal::Refused(why) | Refusal::Lost(why) => why,
        }
    }
}

/// A worker that runs. Ends with this.
#[derive(Debug)]
pub(in crate::model) struct Process {
    called: &'static str,
    child: Child,
    requests: Option<Sender<Message>>,
    answers: Receiver<Message>,
    words: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    pub(in crate::model) fn start(worker: &Worker, environment: &[(&str, &str)]) -> Result<Self, String> {
        let called = worker.called;
        let kept = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            worker.environment == Environment::Whole
                || KEPT.contains(&&*name)
                || KEPT_WITH.iter().any(|start| name.starts_with(start))
        });
        let mut child = Command::new(&worker.program)
            .args(&worker.arguments)
            .env_clear()
            .envs(kept)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{called} cannot be started: {error}"))?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        for pipe in
            [input.as_ref().map(std::os::fd::AsFd::as_fd), output.as_ref().map(std::os::fd::AsFd::as_fd)]
        {
            // A smaller pipe works as well, only slower.
            let _ = pipe.map(|pipe| rustix::pipe::fcntl_setpipe_size(pipe, PIPE));
        }
        let (requests, to_write) = channel::<Message>();
        let (to_read, answers) = channel();
        let words = Arc::new(Mutex::new(Vec::new()));
        let kept_words = Arc::clone(&words);
        let name = |name: &str| std::thread::Builder::new().name(name.to_owned());
        // A worker that has stopped reading must not stop its host; these end with its pipes.
        let started = [
            name("worker-write").spawn(move || {
                let Some(mut input) = input else { return };
                while let Ok(frame) = to_write.recv() {
                    if frame.write(&mut input).is_err() {
                        return;
                    }
                }
            }),
            name("worker-read").spawn(move || {
                let Some(output) = output else { return };
                let mut output = std::io::BufReader::with_capacity(64 << 10, output);
                if greeted(&mut output) {
                    while let Ok(Some(frame)) = Message::read(&mut output) {
                        if to_read.send(frame).is_err() {
                            return;
                        }
                    }
                }
            }),
            name("worker-words")
                .spawn(move || errors.into_iter().for_each(|errors| keep_last(errors, &kept_words))),
        ];
        let mut process = Process { called, child, requests: Some(requests), answers, words };
        for thread in started {
            if let Err(error) = thread {
                process.stop();
                return Err(format!("{called} cannot be started: {error}"));
            }
        }
        Ok(process)
    }

    /// The answer to a request, if it comes within `longest`; a worker that gives none is stopped.
    pub(in crate::model) fn ask(&mut self, request: Message, longest: Duration) -> Result<Vec<u8>, Refusal> {
        self.ask_aloud(request, longest, &mut |_| {})
    }

    /// The same; `hear` is told what the worker says before it answers and how long it is silent, and `longest` is
    /// between two words.
    pub(in crate::model) fn ask_aloud(
        &mut self,
        request: Message,
        longest: Duration,
        hear: &mut dyn FnMut(Word<'_>),
    ) -> Result<Vec<u8>, Refusal> {
        let asked = request.kind;
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(request).is_ok());
        let mut silent = Duration::ZERO;
        loop {
            let wait = longest.saturating_sub(silent).min(TICK);
            let answer =
                if sent { self.answers.recv_timeout(wait) } else { Err(RecvTimeoutError::Disconnected) };
            let Message { kind, bytes } = match answer {
                Ok(answer) => answer,
                Err(RecvTimeoutError::Timeout) if silent + wait < longest => {
                    silent += wait;
                    hear(Word::Silent(silent));
                    continue;
                }
                Err(why) => return Err(Refusal::Lost(self.silent(why, longest))),
            };
            silent = Duration::ZERO;
            if kind == asked {
                return Ok(bytes);
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            match kind {
                Kind::Doing | Kind::Progress => hear(Word::Said(kind, &text)),
                Kind::Refused => return Err(Refusal::Refused(text)),
                _ => {
                    self.stop();
                    return Err(Refusal::Lost(text));
                }
            }
        }
    }

    /// Why a worker says nothing. It is stopped.
    fn silent(&mut self, why: RecvTimeoutError, longest: Duration) -> String {
        let called = self.called;
        match why {
            RecvTimeoutError::Timeout => {
                self.stop();
                let seconds = longest.as_secs();
                format!("{called} did not answer within {seconds} s and was stopped{}", self.last_words())
            }
            RecvTimeoutError::Disconnected => {
                let status = self.ended();
                let status = status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
                format!("{called} ended by itself ({status}){}", self.last_words())
            }
        }
    }

    /// Resident memory of the worker; what a card of its own holds is not in it.
    pub(in crate::model) fn memory(&self) -> u64 {
        memory_of(self.child.id(), "VmRSS").unwrap_or_default()
    }

    #[cfg(test)]
    pub(in crate::model) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How one ended that has closed its pipes: it may still be on its way out.
    fn ended(&mut self) -> Option<std::process::ExitStatus> {
        for _ in 0..100 {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(status) => return status,
                Err(_) => break,
            }
        }
        self.stop()
    }

    fn stop(&mut self) -> Option<std::process::ExitStatus> {
        self.requests = None;
        // One that has ended by itself keeps the status it ended with.
        let _ = self.child.kill();
        self.child.wait().ok()
    }

    fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let words = String::from_utf8_lossy(&words);
        let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines.as_slice() {
            [] => String::new(),
            [.., last] => format!("; it said last: {last}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads up to the greeting.
fn greeted(output: &mut impl Read) -> bool {
    let mut last = Vec::with_capacity(GREETING.len());
    let mut byte = [0];
    // Byte by byte: what follows the greeting is for somebody else.
    for _ in 0..MOST_BEFORE {
        if output.read_exact(&mut byte).is_err() {
            return false;
        }
        if last.len() == GREETING.len() {
            last.remove(0);
        }
        last.push(byte[0]);
        if last == GREETING {
            return true;
        }
    }
    false
}

fn keep_last(mut errors: impl Read, words: &Mutex<Vec<u8>>) {
    let mut some = [0; 1024];
    while let Ok(count) = errors.read(&mut some) {
        if count == 0 {
            return;
        }
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(&some[..count]);
        let beyond = words.len().saturating_sub(MOST_WORDS);
        words.drain(..beyond);
    }
}
