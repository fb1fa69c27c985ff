//! One plugin at work: frames out of its mailbox, what it says into the sinks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{Clock, Error, Meter, Result, Shutdown, thread_cpu};
use crate::plugin::{Call, Plugin, PluginReport, Program, Said, Setup};
use crate::sink::{JsonLines, View};

use super::Surroundings;
use super::mailbox::{Item, Mailbox};

/// A plugin with its mailbox and its way out.
pub(super) struct Worker {
    plugin: Plugin,
    mailbox: Arc<Mailbox>,
    streams: Vec<Arc<str>>,
    events: Arc<JsonLines>,
    view: Option<Arc<View>>,
    clock: Clock,
    shutdown: Shutdown,
    counts: Arc<WorkerCounts>,
    deliver: Meter,
    said: Said,
    failure: Option<Error>,
    /// Plugins of the run that are not held.
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
        mailbox: Arc<Mailbox>,
        working: &Arc<AtomicUsize>,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let streams = setup.cameras.iter().map(crate::plugin::stream_name).collect();
        let name = Arc::clone(&setup.name);
        let mut said = Said::default();
        let started = Plugin::start(program, setup, &mut said);
        surroundings.events.write(&said.events)?;
        said.events.clear();
        let plugin = started.map_err(|fault| Error::plugin(format!("plugin `{name}`: {fault}")))?;
        Ok(Self {
            plugin,
            mailbox,
            streams,
            events: Arc::clone(&surroundings.events),
            view: surroundings.view.clone(),
            clock: surroundings.clock,
            shutdown: surroundings.shutdown.clone(),
            counts: Arc::default(),
            deliver: Meter::default(),
            said,
            failure: None,
            working: {
                working.fetch_add(1, Ordering::Relaxed);
                Arc::clone(working)
            },
        })
    }

    pub(super) fn name(&self) -> &Arc<str> {
        self.plugin.name()
    }

    pub(super) fn counts(&self) -> &Arc<WorkerCounts> {
        &self.counts
    }

    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    pub(super) fn report(&self) -> PluginReport {
        self.plugin.report()
    }

    pub(super) fn deliver(&self) -> &Meter {
        &self.deliver
    }

    /// Why the run cannot count as a success for this plugin, if so.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.clone()
    }

    /// Works until its streams have ended.
    pub(super) fn work(mut self) -> Self {
        while let Some(item) = self.mailbox.take() {
            let frame = &item.delivery.frame;
            let camera = u32::try_from(item.camera).unwrap_or(u32::MAX);
            let call = self.plugin.on_frame(frame, camera, &mut self.said);
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
            self.deliver_said(Some(&item));
            if self.plugin.is_held() && self.failure.is_none() {
                self.give_up();
            }
        }
        self.plugin.on_stop(&mut self.said);
        self.deliver_said(None);
        self
    }

    /// The plugin is held: the run goes on for the others, if there are any.
    fn give_up(&mut self) {
        let last = self.plugin.report().last_fault.unwrap_or_default();
        let name = self.plugin.name();
        let message = format!("plugin `{name}`: it failed too often and is held; the last fault: {last}");
        self.failure = Some(Error::plugin(message));
        if self.working.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.shutdown.stop();
        }
    }

    fn deliver_said(&mut self, item: Option<&Item>) {
        let (started, cpu) = (self.clock.now(), thread_cpu());
        self.counts.events.fetch_add(self.said.events.len() as u64, Ordering::Relaxed);
        if let Err(error) = self.events.write(&self.said.events) {
            // Analysing on with nowhere to tell it is of no use.
            self.failure.get_or_insert(error);
            self.shutdown.stop();
        }
        if self.events.reader_is_gone() {
            self.shutdown.stop();
        }
        if let Some(view) = &self.view {
            let mut metrics = self.counts.metrics.lock().unwrap_or_else(PoisonError::into_inner);
            metrics.clone_from(self.plugin.metrics());
            drop(metrics);
            for event in &self.said.events {
                view.event(event);
            }
            if let Some(item) = item {
                let stream = &self.streams[item.camera];
                view.frame(stream, self.plugin.name(), &item.delivery.frame, &mut self.said.marks);
            }
        }
        self.said.events.clear();
        self.said.marks.clear();
        self.deliver.record(self.clock.now().saturating_sub(started), thread_cpu().saturating_sub(cpu));
    }
}
