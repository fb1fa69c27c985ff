//! A command that goes on until it is told to stop: its lines as they come.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Done, wait};

/// A running command. Killed when dropped.
pub(crate) struct Live {
    child: Option<Child>,
    events: Receiver<(Instant, String)>,
    words: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Live {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the command starts");
        let (out, events) = channel();
        follow(child.stdout.take().expect("its output is piped"), move |line| {
            // A test that looks at no more events is no error.
            let _ = out.send((Instant::now(), line));
        });
        let words = Arc::<Mutex<String>>::default();
        let said = Arc::clone(&words);
        let reader = follow(child.stderr.take().expect("its words are piped"), move |line| {
            *said.lock().unwrap() += &format!("{line}\n");
        });
        Self { child: Some(child), events, words, reader: Some(reader) }
    }

    /// The next event and when it came; fails the test where none comes `within` that time.
    pub(crate) fn event(&self, within: Duration) -> (Instant, Value) {
        match self.events.recv_timeout(within) {
            Ok((at, line)) => (at, serde_json::from_str(&line).expect("an event is JSON")),
            Err(RecvTimeoutError::Timeout) => {
                panic!("no event within {within:?}; it said:\n{}", self.words())
            }
            Err(RecvTimeoutError::Disconnected) => panic!("the command ended; it said:\n{}", self.words()),
        }
    }

    /// Every event that has come and not been looked at.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.events
            .try_iter()
            .map(|(_, line)| serde_json::from_str(&line).expect("an event is JSON"))
            .collect()
    }

    /// What it has said on standard error.
    pub(crate) fn words(&self) -> String {
        self.words.lock().unwrap().clone()
    }

    /// Waits until it says `what`; fails the test where it does not `within` that time.
    pub(crate) fn says(&self, what: &str, within: Duration) {
        let since = Instant::now();
        while !self.words().contains(what) {
            assert!(since.elapsed() < within, "no `{what}` within {within:?}; it said:\n{}", self.words());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ctrl-C, and what there is to see at the end: the events not looked at so far and all words.
    pub(crate) fn interrupt(mut self, most: Duration) -> Done {
        let child = self.child.take().expect("it runs until it is interrupted");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it still runs");
        let mut done = wait(child, most);
        self.reader.take().map(JoinHandle::join);
        done.stderr = self.words();
        done.stdout = self.events.iter().map(|(_, line)| line + "\n").collect();
        done
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn follow(pipe: impl Read + Send + 'static, mut take: impl FnMut(String) + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            take(line.expect("a pipe can be read and carries UTF-8"));
        }
    })
}
