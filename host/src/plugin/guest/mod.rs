//! What a plugin's store holds, and the host's answers to what the plugin imports: a file an interface.

mod frames;
mod http;
mod models;
mod speech;
mod storage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::sync::io::poll;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use {frames::FrameHandle, models::ModelHandle};
pub(super) use {frames::link_frames, http::Hooks};

use super::budget::Budget;
use super::fault::WaitedTooLong;
use super::ledger::{Ledger, Limit};
use super::limits::MemoryMeter;
use super::ticker::Alarm;
use super::wasi::Lines;
use super::{Limits, Said, Setup, stream_name};
use speech::Log;

/// Bytes a plugin gets of one request for randomness.
const MOST_RANDOM: u64 = 64 << 10;
/// Bytes of headers of one `wasi:http` resource, as they lie in memory.
const MOST_FIELDS: usize = 32 << 10;

/// How long before its deadline a call begins to look at its own clock at every turn: whoever is to wake it then
/// may be late by a tick of the system's scheduler, 4 ms on many, where all processors are busy.
pub(super) const CLOSE: Duration = Duration::from_millis(2);

/// The frame of the present call, as far as events name it.
pub(super) struct Present {
    pub(super) camera: Arc<str>,
    pub(super) frame: u64,
    pub(super) media_time_us: i64,
    pub(super) captured_at_us: i64,
}

/// What was dropped of what a plugin said, for whatever reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) events: u64,
    pub(super) marks: u64,
    pub(super) metrics: u64,
}

/// One store's data.
pub(super) struct Guest {
    table: ResourceTable,
    wasi: WasiCtx,
    wasi_http: wasmtime_wasi_http::WasiHttpCtx,
    hooks: Hooks,
    pub(super) memory: MemoryMeter,
    pub(super) budget: Budget,
    alarm: Alarm,
    pub(super) present: Option<Present>,
    pub(super) said: Said,
    storage_failures: u64,
    /// Marks the present call may still draw.
    marks_left: usize,
    pub(super) dropped: Dropped,
    pub(super) log: Arc<Log>,
    pub(super) metrics: BTreeMap<String, f64>,
    /// Names of the streams, by the index the plugin knows them under.
    pub(super) streams: Vec<Arc<str>>,
    pub(super) ledger: Arc<Ledger>,
    setup: Arc<Setup>,
}

impl Guest {
    pub(super) fn new(setup: Arc<Setup>, ledger: Arc<Ledger>, alarm: Alarm) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(setup.limits.handles as usize);
        let log = Arc::new(Log::new(Arc::clone(&setup), Arc::clone(&ledger)));
        let lines = |level: &'static str| {
            let log = Arc::clone(&log);
            Lines::new(move |text| log.write(level, text))
        };
        let mut wasi = WasiCtx::builder();
        // Files, the one thing that would block here, are not there; the calling thread may answer for itself.
        wasi.stdout(lines("info")).stderr(lines("warn")).allow_blocking_current_thread(true);
        wasi.max_random_size(MOST_RANDOM);
        let mut wasi_http = wasmtime_wasi_http::WasiHttpCtx::new();
        wasi_http.set_field_size_limit(MOST_FIELDS);
        Self {
            table,
            wasi: wasi.build(),
            wasi_http,
            hooks: Hooks(setup.egress.clone()),
            memory: MemoryMeter::new(setup.limits.memory_bytes),
            budget: Budget::new(setup.clock, setup.limits.deadline),
            alarm,
            present: None,
            said: Said::default(),
            storage_failures: 0,
            marks_left: 0,
            dropped: Dropped::default(),
            log,
            metrics: BTreeMap::new(),
            streams: setup.cameras.iter().map(stream_name).collect(),
            ledger,
            setup,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.setup.limits
    }

    /// Starts the clock of a call.
    pub(super) fn begin_call(&mut self, deadline: Duration) {
        self.budget.begin(deadline);
        self.memory.begin_call();
        self.begin_marks();
        self.set_alarm(deadline);
    }

    /// Stops the clock of a call.
    pub(super) fn end_call(&mut self) {
        self.alarm.clear();
        self.end_marks();
        self.memory.end_call();
        self.ledger.peak(Limit::Memory, self.memory.peak_bytes() as f64);
    }

    /// Own time left in the present call; where there is some, when to look again is set.
    pub(super) fn time_left(&self) -> Duration {
        let left = self.budget.left();
        if !left.is_zero() {
            self.set_alarm(left);
        }
        left
    }

    fn set_alarm(&self, left: Duration) {
        self.alarm.set(left.saturating_sub(CLOSE));
    }

    /// Waits for the host, off the plugin's clock.
    fn wait<T>(&mut self, work: impl FnOnce() -> T) -> wasmtime::Result<T> {
        if !self.budget.may_wait() {
            return Err(WaitedTooLong.into());
        }
        self.alarm.clear();
        let done = self.budget.wait(work);
        self.set_alarm(self.budget.due_in());
        Ok(done)
    }

    /// Waits for what a plugin polls: asleep, unless an answer from outside is on its way.
    fn poll<T>(&mut self, poll: impl FnOnce(&mut ResourceTable) -> T) -> wasmtime::Result<T> {
        if !self.hooks.is_waiting() {
            return Ok(self.budget.sleep(|| poll(&mut self.table)));
        }
        if !self.budget.may_wait() {
            return Err(WaitedTooLong.into());
        }
        self.alarm.clear();
        let done = self.budget.wait(|| poll(&mut self.table));
        self.set_alarm(self.budget.due_in());
        Ok(done)
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl HasData for Guest {
    type Data<'a> = &'a mut Guest;
}

/// As the host's own, with the wait accounted for.
impl poll::Host for Guest {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.poll(|table| poll::Host::poll(table, pollables))?
    }
}

impl poll::HostPollable for Guest {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        poll::HostPollable::ready(&mut self.table, pollable)
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.poll(|table| poll::HostPollable::block(table, pollable))?
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(&mut self.table, pollable)
    }
}

/// At most `longest` characters of `text`.
fn cut(text: String, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}
