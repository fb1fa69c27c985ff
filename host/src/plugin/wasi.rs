//! The part of WASI 0.2 a plugin finds: clocks, randomness, and standard output and error, whose lines
//! become log lines. A standard library also links files, environment and arguments; they are there and
//! empty. Sockets are not there at all. The types of HTTP are; what sends with them has to be granted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random, sync};
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::{ResourceTable, WasiView};
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

use super::guest::Guest;

/// Links what the front page of this file lists.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let l = linker;
    cli::environment::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::exit::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_input::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_output::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    clocks::wall_clock::add_to_linker::<Guest, WasiClocks>(l, Guest::clocks)?;
    monotonic_clock::add_to_linker::<Guest, BoundedClock>(l, |guest| guest)?;
    filesystem::preopens::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    sync::filesystem::types::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    random::random::add_to_linker::<Guest, WasiRandom>(l, Guest::random)?;
    random::insecure::add_to_linker::<Guest, WasiRandom>(l, Guest::random)?;
    random::insecure_seed::add_to_linker::<Guest, WasiRandom>(l, Guest::random)?;
    wasmtime_wasi::p2::bindings::io::error::add_to_linker::<Guest, Io>(l, |guest| guest.ctx().table)?;
    sync::io::poll::add_to_linker::<Guest, Guest>(l, |guest| guest)?;
    sync::io::streams::add_to_linker::<Guest, Io>(l, |guest| guest.ctx().table)?;
    let options = wasmtime_wasi_http::p2::bindings::LinkOptions::default();
    wasmtime_wasi_http::p2::bindings::sync::http::types::add_to_linker::<Guest, WasiHttp>(
        l,
        &(&options).into(),
        Guest::http,
    )
}

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// The monotonic clock, except that nobody sleeps past the deadline of the present call: while a plugin
/// sleeps in the host no epoch callback runs that could stop it.
struct BoundedClock;

impl HasData for BoundedClock {
    type Data<'a> = &'a mut Guest;
}

impl monotonic_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        monotonic_clock::Host::now(&mut self.clocks())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        monotonic_clock::Host::resolution(&mut self.clocks())
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = monotonic_clock::Host::now(&mut self.clocks())?;
        monotonic_clock::Host::subscribe_duration(self, when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, nanoseconds: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let longest = self.budget.left() + Duration::from_millis(2);
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        monotonic_clock::Host::subscribe_duration(&mut self.clocks(), nanoseconds.min(longest))
    }
}

/// Longest line taken from standard output; a longer one is cut into several.
const LONGEST_LINE: usize = 4096;

/// Turns what a plugin writes to standard output or error into lines; empty ones are left out, and what is
/// begun when the plugin ends counts as a line.
#[derive(Clone)]
pub(super) struct Lines(Arc<Begun>);

struct Begun {
    take: Box<dyn Fn(&str) + Send + Sync>,
    line: Mutex<Vec<u8>>,
}

impl Lines {
    pub(super) fn new(take: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Begun { take: Box::new(take), line: Mutex::default() }))
    }
}

impl Begun {
    fn end(&self, line: &mut Vec<u8>) {
        if !line.is_empty() {
            (self.take)(&String::from_utf8_lossy(line));
            line.clear();
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut line = std::mem::take(self.line.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.end(&mut line);
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and it is not linked.
        Box::new(tokio::io::sink())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut line = self.0.line.lock().unwrap_or_else(PoisonError::into_inner);
        for &byte in &bytes {
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() >= LONGEST_LINE {
                self.0.end(&mut line);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}
