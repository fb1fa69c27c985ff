//! Keeps one plugin going: starts it, calls it, and after a fault gives it a fresh store, later each time,
//! until it has failed so often that it is held. Time is the stream's own, so that a recording ends the same
//! however fast it runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::engine::Program;
use super::fault::{Fault, FaultKind, quoted};
use super::instance::Instance;
use super::ledger::{Ledger, Limit, LimitReport};
use super::limits::Quota;
use super::ports::Request;
use super::share::Share;
use super::{Said, Setup};
use crate::base::{Meter, MeterReport, thread_cpu};
use crate::frame::Frame;

/// Faults within [`WINDOW`] after which a plugin is held.
const MOST_FAULTS: usize = 5;
/// Stream time in which faults count together.
const WINDOW: Duration = Duration::from_secs(60);
/// Stream time without frames after the second fault in a window; it doubles with each further one. After
/// the first the plugin is back with the next frame.
const BACK_OFF: Duration = Duration::from_millis(500);
/// Stream time without frames after a plugin has asked for a fresh start.
const RESTART: Duration = Duration::from_millis(100);

/// A plugin under supervision, for use by one thread.
pub struct Plugin {
    program: Program,
    setup: Arc<Setup>,
    life: Option<Instance>,
    ledger: Arc<Ledger>,
    share: Share,
    /// When the last call was, by the machine's clock and the stream's.
    last: (Duration, i64),
    /// Stream time of recent faults.
    recent: VecDeque<i64>,
    resume_at_us: i64,
    held: bool,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    calls: Meter,
    complaints: u64,
    faults: BTreeMap<FaultKind, u64>,
    peak_memory_bytes: u64,
    events: u64,
    dropped_events: u64,
    dropped_marks: u64,
    dropped_metrics: u64,
    dropped_log_lines: u64,
    last_fault: Option<String>,
    metrics: BTreeMap<String, f64>,
    requests: u64,
}

/// What became of a frame or a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The plugin saw it (and may have complained about it).
    Done,
    /// The plugin died on it.
    Faulted,
    /// The plugin is waiting after a fault and did not see it.
    BackingOff,
    /// The plugin failed too often and sees no frames any more.
    Held,
}

/// A plugin's numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PluginReport {
    /// Its name in the app.
    pub name: String,
    /// Calls of `on-frame`: the plugin's own time, on the processor or asleep.
    pub calls: MeterReport,
    /// Requests on its ports it was handed.
    pub requests: u64,
    /// What it used of what it may use, by the limit's name in the manifest.
    pub limits: BTreeMap<&'static str, LimitReport>,
    /// How long it was made to wait because it had used its share of the processor, in seconds.
    pub throttled_s: f64,
    /// Requests out that were denied.
    pub denials: u64,
    /// Calls that returned an error.
    pub complaints: u64,
    /// Faults by kind.
    pub faults: BTreeMap<FaultKind, u64>,
    /// The last fault, in words.
    pub last_fault: Option<String>,
    /// Whether it failed so often that it is no longer called.
    pub held: bool,
    /// The most memory it had at once.
    pub peak_memory_bytes: u64,
    /// Events taken.
    pub events: u64,
    /// Events refused.
    pub dropped_events: u64,
    /// Marks refused.
    pub dropped_marks: u64,
    /// Metrics refused.
    pub dropped_metrics: u64,
    /// Log lines beyond its limit.
    pub dropped_log_lines: u64,
    /// What it reports of itself.
    pub metrics: BTreeMap<String, f64>,
}

impl Plugin {
    /// Starts the plugin. What its first `configure` costs is not charged to its share of the processor.
    ///
    /// # Errors
    /// The fault, where it does not even start: that is not tried again, and nothing has been lost yet.
    pub fn start(program: Program, setup: Setup, said: &mut Said) -> Result<Self, Fault> {
        let quota = setup.storage.as_ref().map_or(Quota::default(), |storage| storage.quota());
        let ledger = Arc::new(Ledger::new(&setup.limits, quota));
        let setup = Arc::new(setup);
        let life = Instance::start(&program, &setup, &ledger, said)?;
        Ok(Self {
            program,
            life: Some(life),
            ledger,
            share: Share::new(setup.clock, setup.limits.cpu),
            last: (setup.clock.now(), i64::MIN),
            setup,
            recent: VecDeque::new(),
            resume_at_us: i64::MIN,
            held: false,
            tally: Tally::default(),
        })
    }

    /// The app it belongs to.
    pub fn app(&self) -> &Arc<str> {
        &self.setup.app
    }

    /// Its name in the app.
    pub fn name(&self) -> &Arc<str> {
        &self.setup.name
    }

    /// Whether it failed so often that it is no longer called.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// How long the plugin has to wait before its next call, because it has used its share of the processor.
    /// Whoever makes it wait says so with [`throttled`](Self::throttled).
    pub fn debt(&mut self) -> Duration {
        self.share.debt()
    }

    /// It was made to wait.
    pub fn throttled(&mut self, time: Duration) {
        self.share.throttled(time);
    }

    /// Hands over one frame of the `camera`-th stream; what the plugin said is appended to `said`, also
    /// where it then failed.
    pub fn on_frame(&mut self, frame: &Arc<Frame>, camera: u32, said: &mut Said) -> Call {
        let now_us = frame.media_time_us;
        self.pass(Some(now_us));
        let mut life = match self.alive(now_us, said) {
            Ok(life) => life,
            Err(call) => return call,
        };
        let events_before = said.events.len();
        let answer = life.on_frame(frame, camera, said);
        self.tally.events += (said.events.len() - events_before) as u64;
        let (own, cpu) = self.charge(&life);
        self.tally.calls.record(own, cpu);
        match answer {
            Ok(complaint) => {
                self.life = Some(life);
                if let Err(complaint) = complaint {
                    self.complain(&complaint);
                }
                Call::Done
            }
            Err(fault) => {
                self.bury(&life);
                if let Some(evidence) = &self.setup.evidence {
                    evidence.keep(&self.setup, frame, camera, &fault);
                }
                self.fault(fault, now_us)
            }
        }
    }

    /// Hands over one request. A plugin that is waiting after a fault, or is held, cannot answer; the client is
    /// told so.
    pub fn on_request(&mut self, request: Request, said: &mut Said) -> Call {
        self.pass(None);
        let now_us = self.last.1;
        let mut life = match self.alive(now_us, said) {
            Ok(life) => life,
            Err(call) => {
                request.answer.failed();
                return call;
            }
        };
        self.tally.requests += 1;
        let most = usize::try_from(self.setup.limits.port_bytes).unwrap_or(usize::MAX);
        let events_before = said.events.len();
        let answer = life.on_request(request, most, said);
        self.tally.events += (said.events.len() - events_before) as u64;
        self.charge(&life);
        match answer {
            Ok(()) => {
                self.life = Some(life);
                Call::Done
            }
            Err(fault) => {
                self.bury(&life);
                self.fault(fault, now_us)
            }
        }
    }

    /// The present life, or a new one where it is time for it.
    fn alive(&mut self, now_us: i64, said: &mut Said) -> Result<Instance, Call> {
        if self.held {
            return Err(Call::Held);
        }
        match self.life.take() {
            Some(life) => Ok(life),
            None if now_us < self.resume_at_us => Err(Call::BackingOff),
            None => {
                let cpu = thread_cpu();
                let life = Instance::start(&self.program, &self.setup, &self.ledger, said);
                self.share.charge(thread_cpu().saturating_sub(cpu));
                life.map_err(|fault| self.fault(fault, now_us))
            }
        }
    }

    /// Lets the buckets fill: by the machine's clock for live streams and requests, else by the stream's, so
    /// that a recording ends the same however fast it runs.
    fn pass(&mut self, media_time_us: Option<i64>) {
        let now = self.setup.clock.now();
        let (at, media_us) = self.last;
        let by_stream =
            |media: i64| Duration::from_micros(media.saturating_sub(media_us).max(0).unsigned_abs());
        let passed = match media_time_us {
            Some(_) if media_us == i64::MIN => Duration::ZERO,
            Some(media) if !self.setup.live => by_stream(media),
            _ => now.saturating_sub(at),
        };
        self.ledger.pass(passed);
        self.last = (now, media_us.max(media_time_us.unwrap_or(i64::MIN)));
    }

    /// Charges the call that has just ended; its own time and its CPU time.
    fn charge(&mut self, life: &Instance) -> (Duration, Duration) {
        let budget = &life.guest().budget;
        let cpu = budget.cpu();
        let own = budget.used(cpu);
        self.share.charge(cpu);
        self.ledger.peak(Limit::Deadline, own.as_secs_f64() * 1e3);
        (own, cpu)
    }

    /// Tells the plugin that there are no more frames.
    pub fn on_stop(&mut self, said: &mut Said) {
        if let Some(mut life) = self.life.take() {
            let events_before = said.events.len();
            if let Err(fault) = life.on_stop(said) {
                *self.tally.faults.entry(fault.kind).or_default() += 1;
                self.setup.warn(&fault.to_string());
                self.tally.last_fault = Some(fault.message);
            }
            self.tally.events += (said.events.len() - events_before) as u64;
            self.bury(&life);
        }
    }

    /// What it reports of itself.
    pub fn metrics(&self) -> &BTreeMap<String, f64> {
        match &self.life {
            Some(life) => &life.guest().metrics,
            None => &self.tally.metrics,
        }
    }

    /// Its numbers so far.
    pub fn report(&self) -> PluginReport {
        let tally = &self.tally;
        let mut report = PluginReport {
            name: self.setup.name.to_string(),
            calls: tally.calls.report(),
            complaints: tally.complaints,
            faults: tally.faults.clone(),
            last_fault: tally.last_fault.clone(),
            held: self.held,
            peak_memory_bytes: tally.peak_memory_bytes,
            events: tally.events,
            dropped_events: tally.dropped_events,
            dropped_marks: tally.dropped_marks,
            dropped_metrics: tally.dropped_metrics,
            dropped_log_lines: tally.dropped_log_lines,
            metrics: self.metrics().clone(),
            requests: tally.requests,
            limits: BTreeMap::new(),
            throttled_s: 0.0,
            denials: 0,
        };
        let (cores, throttled) = self.share.report();
        self.ledger.set(Limit::Cpu, cores, self.share.times());
        report.throttled_s = throttled.as_secs_f64();
        if let Some(egress) = &self.setup.egress {
            let went = egress.report();
            let set = |limit, used: u64, refused| self.ledger.set(limit, used as f64, refused);
            set(Limit::HttpRequests, went.most_a_second, went.busy - went.busy_concurrent);
            set(Limit::HttpConcurrent, went.most_concurrent, went.busy_concurrent);
            set(Limit::HttpBytes, went.largest_body, went.too_large);
            set(Limit::HttpTimeout, went.longest_ms, went.timed_out);
            report.denials = went.denials;
        }
        report.limits = self.ledger.report();
        if let Some(life) = &self.life {
            let guest = life.guest();
            report.peak_memory_bytes = report.peak_memory_bytes.max(guest.memory.peak_bytes() as u64);
            report.dropped_events += guest.dropped.events;
            report.dropped_marks += guest.dropped.marks;
            report.dropped_metrics += guest.dropped.metrics;
            report.dropped_log_lines += guest.log.dropped();
            if let Some(memory) = report.limits.get_mut("memory") {
                memory.refused += guest.memory.refused_ever();
            }
        }
        report
    }

    /// Keeps what a finished life knew.
    fn bury(&mut self, life: &Instance) {
        let guest = life.guest();
        let tally = &mut self.tally;
        tally.peak_memory_bytes = tally.peak_memory_bytes.max(guest.memory.peak_bytes() as u64);
        tally.dropped_events += guest.dropped.events;
        tally.dropped_marks += guest.dropped.marks;
        tally.dropped_metrics += guest.dropped.metrics;
        tally.dropped_log_lines += guest.log.dropped();
        tally.metrics.clone_from(&guest.metrics);
        self.ledger.refuse(Limit::Memory, guest.memory.refused_ever());
    }

    fn fault(&mut self, fault: Fault, now_us: i64) -> Call {
        *self.tally.faults.entry(fault.kind).or_default() += 1;
        if fault.kind == FaultKind::Exit {
            self.resume_at_us = now_us.saturating_add(micros(RESTART));
            let count = self.tally.faults.get(&FaultKind::Exit).copied().unwrap_or_default();
            // Powers of two: one that does nothing else does not fill the log.
            if count.is_power_of_two() {
                self.setup.warn(&format!("{fault} ({count} so far)"));
            }
            self.tally.last_fault = Some(fault.message);
            return Call::Faulted;
        }
        let window_us = micros(WINDOW);
        self.recent.retain(|at| now_us.saturating_sub(*at) < window_us);
        self.recent.push_back(now_us);
        let count = self.recent.len();
        let next = if count >= MOST_FAULTS {
            self.held = true;
            format!(
                "that was fault {count} within {} s: it is held and sees no more frames",
                WINDOW.as_secs()
            )
        } else if count == 1 {
            self.resume_at_us = i64::MIN;
            "it starts again with the next frame".to_owned()
        } else {
            let wait = BACK_OFF * 2_u32.pow(u32::try_from(count).unwrap_or(2).saturating_sub(2));
            self.resume_at_us = now_us.saturating_add(micros(wait));
            format!("it starts again in {:.1} s of the stream", wait.as_secs_f64())
        };
        self.setup.warn(&format!("{fault}; {next}"));
        self.tally.last_fault = Some(fault.message);
        Call::Faulted
    }

    fn complain(&mut self, complaint: &str) {
        self.tally.complaints += 1;
        // Powers of two: a plugin that complains about every frame does not fill the log.
        if self.tally.complaints.is_power_of_two() {
            let (count, complaint) = (self.tally.complaints, quoted(complaint));
            self.setup.warn(&format!("it complains about a frame ({count} so far): {complaint}"));
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
