//! Events, one line of JSON each, on standard output or in a file.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::base::{Error, Result};
use crate::event::Event;

/// Writes events in the order given; whole lines, whoever writes at the same time.
///
/// What [`write`](JsonLines::write) accepted is with the operating system when it returns.
pub struct JsonLines {
    out: Mutex<Out>,
    name: String,
    reader_is_gone: AtomicBool,
}

struct Out {
    to: Box<dyn Write + Send>,
    /// The file behind it, to be made safe at the end.
    file: Option<File>,
    /// Whether the file still holds what stood in it before.
    stale: bool,
    line: Vec<u8>,
}

impl Out {
    /// Empties a file of what stood in it before. Only regular files have a length to set.
    fn begin(&mut self) -> std::io::Result<()> {
        if !std::mem::take(&mut self.stale) {
            return Ok(());
        }
        match &self.file {
            Some(file) if file.metadata()?.is_file() => file.set_len(0),
            _ => Ok(()),
        }
    }
}

impl JsonLines {
    /// Writes to standard output.
    pub fn stdout() -> Self {
        Self::new("standard output".to_owned(), Box::new(std::io::stdout()), None)
    }

    /// Writes to a file. What stood in it is replaced when the run has come so far that it has something to
    /// say, or ends without: a run that cannot begin leaves it alone.
    ///
    /// # Errors
    /// [`Kind::Sink`](crate::base::Kind::Sink) where it cannot be made.
    pub fn file(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let fail = |error| {
            Error::sink(format!(
                "events cannot be written to `{name}`: {error}; name another place with `--events`"
            ))
        };
        let file = File::options().write(true).create(true).truncate(false).open(path).map_err(fail)?;
        let also = file.try_clone().map_err(fail)?;
        Ok(Self::new(name, Box::new(file), Some(also)))
    }

    fn new(name: String, to: Box<dyn Write + Send>, file: Option<File>) -> Self {
        let out = Out { to, stale: file.is_some(), file, line: Vec::new() };
        Self { out: Mutex::new(out), name, reader_is_gone: AtomicBool::new(false) }
    }

    /// Writes `events`.
    ///
    /// # Errors
    /// [`Kind::Sink`](crate::base::Kind::Sink) where the disk is full, say. That a pipe's reader has gone is
    /// no error: nobody wants more, see [`reader_is_gone`](JsonLines::reader_is_gone).
    pub fn write(&self, events: &[Event]) -> Result<()> {
        if events.is_empty() || self.reader_is_gone() {
            return Ok(());
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = out.begin();
        let Out { to, line, .. } = &mut *out;
        line.clear();
        for event in events {
            event.write_line(line);
        }
        match begun.and_then(|()| to.write_all(line)).and_then(|()| to.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.reader_is_gone.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(self.failed(&error)),
            Ok(()) => Ok(()),
        }
    }

    /// Whether whoever read the events has gone.
    pub fn reader_is_gone(&self) -> bool {
        self.reader_is_gone.load(Ordering::Relaxed)
    }

    /// Makes sure that what was written is on the disk.
    ///
    /// # Errors
    /// [`Kind::Sink`](crate::base::Kind::Sink) where it is not.
    pub fn finish(&self) -> Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.begin().map_err(|error| self.failed(&error))?;
        match &out.file {
            // Pipes and terminals have nothing to sync and say so.
            Some(file) => match file.sync_all() {
                Err(error) if error.kind() != ErrorKind::InvalidInput => Err(self.failed(&error)),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::sink(format!(
            "events cannot be written to `{}`: {error}; free some space or name another place with `--events`",
            self.name
        ))
    }
}
