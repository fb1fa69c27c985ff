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

/// A plugin under supervision, for use by one thread.
pub struct Plugin {
    program: Program,
    setup: Arc<Setup>,
    life: Option<Instance>,
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
}

/// What became of a frame.
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
    /// Calls of `on-frame`: the plugin's own time, without what it waited for models.
    pub calls: MeterReport,
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
    /// Log lines beyond what one call may write.
    pub dropped_log_lines: u64,
    /// What it reports of itself.
    pub metrics: BTreeMap<String, f64>,
}

impl Plugin {
    /// Starts the plugin.
    ///
    /// # Errors
    /// The fault, where it does not even start: that is not tried again, and nothing has been lost yet.
    pub fn start(program: Program, setup: Setup, said: &mut Said) -> Result<Self, Fault> {
        let setup = Arc::new(setup);
        let life = Instance::start(&program, &setup, said)?;
        Ok(Self {
            program,
            setup,
            life: Some(life),
            recent: VecDeque::new(),
            resume_at_us: i64::MIN,
            held: false,
            tally: Tally::default(),
        })
    }

    /// Its name in the app.
    pub fn name(&self) -> &Arc<str> {
        &self.setup.name
    }

    /// Whether it failed so often that it is no longer called.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Hands over one frame of the `camera`-th stream; what the plugin said is appended to `said`, also
    /// where it then failed.
    pub fn on_frame(&mut self, frame: &Arc<Frame>, camera: u32, said: &mut Said) -> Call {
        if self.held {
            return Call::Held;
        }
        let now_us = frame.media_time_us;
        let mut life = match self.life.take() {
            Some(life) => life,
            None if now_us < self.resume_at_us => return Call::BackingOff,
            None => match Instance::start(&self.program, &self.setup, said) {
                Ok(life) => life,
                Err(fault) => return self.fault(fault, now_us),
            },
        };
        let (started, cpu) = (self.setup.clock.now(), thread_cpu());
        let events_before = said.events.len();
        let answer = life.on_frame(frame, camera, said);
        let (wall, cpu) = (self.setup.clock.now().saturating_sub(started), thread_cpu().saturating_sub(cpu));
        let (waited, waited_cpu) = life.guest().budget.waited();
        self.tally.calls.record(wall.saturating_sub(waited), cpu.saturating_sub(waited_cpu));
        self.tally.events += (said.events.len() - events_before) as u64;
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
                self.fault(fault, now_us)
            }
        }
    }

    /// Tells the plugin that there are no more frames.
    pub fn on_stop(&mut self, said: &mut Said) {
        if let Some(mut life) = self.life.take() {
            let events_before = said.events.len();
            if let Err(fault) = life.on_stop(said) {
                *self.tally.faults.entry(fault.kind).or_default() += 1;
                self.warn(&fault.to_string());
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
        };
        if let Some(life) = &self.life {
            let guest = life.guest();
            report.peak_memory_bytes = report.peak_memory_bytes.max(guest.memory.peak_bytes() as u64);
            report.dropped_events += guest.dropped.events;
            report.dropped_marks += guest.dropped.marks;
            report.dropped_metrics += guest.dropped.metrics;
            report.dropped_log_lines += guest.log.dropped();
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
    }

    fn fault(&mut self, fault: Fault, now_us: i64) -> Call {
        *self.tally.faults.entry(fault.kind).or_default() += 1;
        let window_us = i64::try_from(WINDOW.as_micros()).unwrap_or(i64::MAX);
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
            self.resume_at_us = now_us.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
            format!("it starts again in {:.1} s of the stream", wait.as_secs_f64())
        };
        self.warn(&format!("{fault}; {next}"));
        self.tally.last_fault = Some(fault.message);
        Call::Faulted
    }

    fn complain(&mut self, complaint: &str) {
        self.tally.complaints += 1;
        // Powers of two: a plugin that complains about every frame does not fill the log.
        if self.tally.complaints.is_power_of_two() {
            let (count, complaint) = (self.tally.complaints, quoted(complaint));
            self.warn(&format!("it complains about a frame ({count} so far): {complaint}"));
        }
    }

    fn warn(&self, text: &str) {
        self.setup.notices.warn(format!("plugin `{}` of app `{}`: {text}", self.setup.name, self.setup.app));
    }
}
