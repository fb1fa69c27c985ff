//! One plugin at work: frames out of its mailbox, what it says into the sinks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::{Clock, Error, Meter, Result, Shutdown, thread_cpu};
use crate::plugin::{Call, Plugin, PluginReport, Program, Said, Setup};
use crate::sink::{JsonLines, View};

use super::Surroundings;
use super::mailbox::{Item, Mailbox, Work};

/// How much a plugin's thread gives way to the host's own: cameras, decoding and whoever watches deadlines are
/// never to wait for a plugin.
const NICE: i32 = 5;

/// Where a plugin stands in a run.
pub(super) struct Place {
    pub(super) mailbox: Arc<Mailbox>,
    /// Its streams, as the run calls them.
    pub(super) streams: Vec<Arc<str>>,
    pub(super) events: Arc<JsonLines>,
    /// What people see it under.
    pub(super) shown: Arc<str>,
}

/// A plugin in its place.
pub(super) struct Worker {
    plugin: Plugin,
    place: Place,
    view: Option<Arc<View>>,
    clock: Clock,
    shutdown: Shutdown,
    counts: Arc<WorkerCounts>,
    deliver: Meter,
    latency: Meter,
    said: Said,
    failure: Option<Error>,
    /// It is called no more; its frames are passed over.
    given_up: bool,
    /// Plugins of the run that are called.
    working: Arc<AtomicUsize>,
}

/// What became of a plugin's frames; shared with whoever shows it.
#[derive(Default)]
pub(super) struct WorkerCounts {
    seen: AtomicU64,
    faulted: AtomicU64,
    backing_off: AtomicU64,
    held: AtomicU64,
    events: AtomicU64,
    /// What the plugin reports of itself, as of its last frame; for the page only.
    metrics: Mutex<BTreeMap<String, f64>>,
}

impl WorkerCounts {
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    pub(super) fn metrics(&self) -> BTreeMap<String, f64> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn faulted(&self) -> u64 {
        self.faulted.load(Ordering::Relaxed)
    }

    pub(super) fn backing_off(&self) -> u64 {
        self.backing_off.load(Ordering::Relaxed)
    }

    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }
}

impl Worker {
    /// Starts the plugin; what it published while it was configured is delivered.
    pub(super) fn start(
        program: Program,
        setup: Setup,
        place: Place,
        working: &Arc<AtomicUsize>,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let mut said = Said::default();
        let started = Plugin::start(program, setup, &mut said);
        place.events.write(&said.events)?;
        said.events.clear();
        let plugin = started.map_err(|fault| Error::plugin(fault.to_string()))?;
        working.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            plugin,
            place,
            view: surroundings.view.clone(),
            clock: surroundings.clock,
            shutdown: surroundings.shutdown.clone(),
            counts: Arc::default(),
            deliver: Meter::default(),
            latency: Meter::default(),
            said,
            failure: None,
            given_up: false,
            working: Arc::clone(working),
        })
    }

    /// What people see it under.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.place.shown
    }

    pub(super) fn app(&self) -> &Arc<str> {
        self.plugin.app()
    }

    pub(super) fn plugin(&self) -> &Arc<str> {
        self.plugin.name()
    }

    pub(super) fn counts(&self) -> &Arc<WorkerCounts> {
        &self.counts
    }

    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.place.mailbox
    }

    pub(super) fn report(&self) -> PluginReport {
        let mut report = self.plugin.report();
        report.limits.insert("queue", self.place.mailbox.queue());
        report
    }

    pub(super) fn deliver(&self) -> &Meter {
        &self.deliver
    }

    pub(super) fn latency(&self) -> &Meter {
        &self.latency
    }

    /// Why the run cannot count as a success for this plugin, if so.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.clone()
    }

    /// Works until its streams have ended.
    pub(super) fn work(mut self) -> Self {
        // Where the system does not let it, it competes as an equal.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
        while let Some(work) = self.place.mailbox.take() {
            match work {
                Work::Frame(item) => self.frame(&item),
                Work::Request(request) if self.given_up => request.answer.failed(),
                Work::Request(request) => {
                    self.plugin.on_request(*request, &mut self.said);
                    self.deliver_said(None);
                }
            }
            self.look();
        }
        if !self.given_up {
            self.plugin.on_stop(&mut self.said);
            self.deliver_said(None);
        }
        self
    }

    fn frame(&mut self, item: &Item) {
        let camera = u32::try_from(item.camera).unwrap_or(u32::MAX);
        let call = if self.given_up {
            Call::Held
        } else {
            self.plugin.on_frame(&item.delivery.frame, camera, &mut self.said)
        };
        let count = match call {
            Call::Done => &self.counts.seen,
            Call::Faulted => &self.counts.faulted,
            Call::BackingOff => &self.counts.backing_off,
            Call::Held => &self.counts.held,
        };
        count.fetch_add(1, Ordering::Relaxed);
        if call == Call::Done {
            item.delivery.saw();
        }
        self.deliver_said(Some(item));
        if call == Call::Done {
            self.latency.record(self.clock.now().saturating_sub(item.delivery.given_at), Duration::ZERO);
        }
    }

    /// After each call: whether it may go on, and when.
    fn look(&mut self) {
        if self.given_up {
            return;
        }
        if self.plugin.is_held() {
            let last = self.plugin.report().last_fault.unwrap_or_default();
            let name = self.name();
            let message = format!("plugin `{name}`: it failed too often and is held; the last fault: {last}");
            self.give_up(Some(Error::plugin(message)));
            return;
        }
        let debt = self.plugin.debt();
        if debt.is_zero() {
            return;
        }
        self.place.mailbox.set_throttled(true);
        let began = self.clock.now();
        self.shutdown.sleep(debt);
        self.plugin.throttled(self.clock.now().saturating_sub(began));
        self.place.mailbox.set_throttled(false);
    }

    /// It is called no more; the run goes on for the others, if there are any.
    fn give_up(&mut self, failure: Option<Error>) {
        self.failure = self.failure.take().or(failure);
        if !std::mem::replace(&mut self.given_up, true) && self.working.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.shutdown.stop();
        }
    }

    fn deliver_said(&mut self, item: Option<&Item>) {
        let (started, cpu) = (self.clock.now(), thread_cpu());
        self.counts.events.fetch_add(self.said.events.len() as u64, Ordering::Relaxed);
        // Analysing on with nowhere to tell it is of no use.
        if let Err(error) = self.place.events.write(&self.said.events) {
            self.give_up(Some(error));
        } else if self.place.events.reader_is_gone() {
            self.give_up(None);
        }
        if let Some(view) = &self.view {
            let mut metrics = self.counts.metrics.lock().unwrap_or_else(PoisonError::into_inner);
            metrics.clone_from(self.plugin.metrics());
            drop(metrics);
            for event in &self.said.events {
                view.event(event);
            }
            if let Some(item) = item {
                let stream = &self.place.streams[item.camera];
                view.frame(stream, &self.place.shown, &item.delivery.frame, &mut self.said.marks);
            }
        }
        self.said.events.clear();
        self.said.marks.clear();
        self.deliver.record(self.clock.now().saturating_sub(started), thread_cpu().saturating_sub(cpu));
    }
}
