//! What a run has done, in numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Error, Kind, MeterReport, process_cpu};
use crate::camera::{HealthReport, StreamInfo};
use crate::decoder::DecoderReport;
use crate::model::{Model, ModelReport};
use crate::plugin::PluginReport;

use super::mailbox::Mailbox;
use super::stream::{Stream, Watch};
use super::worker::{Worker, WorkerCounts};

/// All numbers of a run; `--summary` writes it as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The app's name.
    pub app: String,
    /// The app's version.
    pub version: String,
    /// From the first unit read to the last event delivered, in seconds.
    pub wall_s: f64,
    /// CPU time of the whole process since its start, in seconds.
    pub cpu_s: f64,
    /// The most memory the process had at once, where the system says.
    pub peak_memory_bytes: Option<u64>,
    /// Frames of all streams together.
    pub frames: Frames,
    /// One a stream.
    pub streams: Vec<StreamSummary>,
    /// One a model.
    pub models: Vec<ModelSummary>,
    /// One a plugin.
    pub plugins: Vec<PluginSummary>,
    /// What went wrong and ended a stream, a plugin or the run; empty on success.
    pub errors: Vec<String>,
    /// The kind of the first error: it decides the exit code.
    #[serde(skip)]
    pub failed: Option<Kind>,
}

/// What became of frames.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Frames {
    /// Access units received.
    pub received: u64,
    /// Access units decoded.
    pub decoded: u64,
    /// Frames that at least one plugin has seen.
    pub analysed: u64,
    /// Frames that were not analysed, by reason. `not_wanted`: no plugin asked for it (`max_fps`).
    /// `damaged`, `waited_for_key`, `late`: see the decoder's report. `decoder_behind`: a live camera's
    /// units dropped because the decoder had fallen behind. And counted once a plugin: `replaced` (a newer
    /// frame of a live camera came first), `fault` (the plugin died on it), `backing_off` (the plugin was
    /// waiting after a fault), `held` (the plugin had failed too often). Reasons that never happened are
    /// left out.
    pub dropped: BTreeMap<&'static str, u64>,
}

/// One stream's numbers.
#[derive(Debug, Clone, Serialize)]
pub struct StreamSummary {
    /// The camera's name in the app.
    pub camera: String,
    /// What the stream is.
    pub stream: StreamInfo,
    /// What was received.
    pub health: HealthReport,
    /// What was decoded.
    pub decoder: DecoderReport,
    /// Frames given to plugins.
    pub given: u64,
    /// Frames at least one plugin has seen.
    pub analysed: u64,
}

/// One model's numbers.
#[derive(Debug, Clone, Serialize)]
pub struct ModelSummary {
    /// What it did.
    #[serde(flatten)]
    pub report: ModelReport,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// One plugin's numbers.
#[derive(Debug, Clone, Serialize)]
pub struct PluginSummary {
    /// What it did.
    #[serde(flatten)]
    pub report: PluginReport,
    /// Frames it has seen.
    pub seen: u64,
    /// Time spent on bringing its events and marks to the sinks, once a frame.
    pub deliver: MeterReport,
}

impl Summary {
    pub(super) fn new(
        app: &str,
        version: &str,
        wall: Duration,
        streams: &[Watch],
        workers: &[Worker],
        models: &[Arc<Model>],
        errors: &[Error],
    ) -> Self {
        Self {
            app: app.to_owned(),
            version: version.to_owned(),
            wall_s: wall.as_secs_f64(),
            cpu_s: process_cpu().as_secs_f64(),
            peak_memory_bytes: peak_memory_bytes(),
            frames: frames(streams, workers.iter().map(|worker| (worker.counts(), worker.mailbox()))),
            streams: streams.iter().map(StreamSummary::of).collect(),
            models: models
                .iter()
                .map(|model| ModelSummary { report: model.report(), sha256: model.digest().to_owned() })
                .collect(),
            plugins: workers
                .iter()
                .map(|worker| PluginSummary {
                    report: worker.report(),
                    seen: worker.counts().seen(),
                    deliver: worker.deliver().report(),
                })
                .collect(),
            errors: errors.iter().map(ToString::to_string).collect(),
            failed: errors.first().map(Error::kind),
        }
    }
}

impl StreamSummary {
    fn of(watch: &Watch) -> Self {
        Self {
            camera: watch.name.to_string(),
            stream: watch.info.clone(),
            health: watch.health(),
            decoder: watch.decoder(),
            given: watch.given(),
            analysed: watch.analysed(),
        }
    }
}

fn frames<'a>(
    streams: &[Watch],
    plugins: impl Iterator<Item = (&'a Arc<WorkerCounts>, &'a Arc<Mailbox>)>,
) -> Frames {
    let mut frames = Frames::default();
    let mut drop = |reason: &'static str, count: u64| {
        if count > 0 {
            *frames.dropped.entry(reason).or_default() += count;
        }
    };
    for stream in streams {
        let decoder = stream.decoder();
        let behind = stream.health().dropped_units;
        frames.received += stream.received() + behind;
        frames.decoded += decoder.decoded;
        frames.analysed += stream.analysed();
        drop("not_wanted", stream.unwanted());
        drop("damaged", decoder.corrupt);
        drop("waited_for_key", decoder.waited_for_key);
        drop("late", decoder.late);
        drop("decoder_behind", behind);
    }
    for (counts, mailbox) in plugins {
        drop("replaced", mailbox.replaced());
        drop("fault", counts.faulted());
        drop("backing_off", counts.backing_off());
        drop("held", counts.held());
    }
    frames
}

/// Numbers of a run while it goes; cheap to read again and again.
#[derive(Clone)]
pub struct Progress {
    streams: Vec<Watch>,
    plugins: Vec<(Arc<str>, Arc<WorkerCounts>, Arc<Mailbox>)>,
}

impl Progress {
    pub(super) fn of(streams: &[Stream], workers: &[Worker]) -> Self {
        Self {
            streams: streams.iter().map(|stream| stream.watch().clone()).collect(),
            plugins: workers
                .iter()
                .map(|worker| {
                    (Arc::clone(worker.name()), Arc::clone(worker.counts()), Arc::clone(worker.mailbox()))
                })
                .collect(),
        }
    }

    /// Frames of all streams together.
    pub fn frames(&self) -> Frames {
        frames(&self.streams, self.plugins.iter().map(|(_, counts, mailbox)| (counts, mailbox)))
    }

    /// Events delivered so far.
    pub fn events(&self) -> u64 {
        self.plugins.iter().map(|(_, counts, _)| counts.events()).sum()
    }

    /// Access units of all streams, where every stream is a recording that says how many it has.
    pub fn length(&self) -> Option<u64> {
        self.streams.iter().map(|stream| stream.info.pictures).sum()
    }

    /// What each plugin reports of itself: its name, the metric's and the value. Kept up to date only while
    /// the page is served.
    pub fn metrics(&self) -> Vec<(Arc<str>, String, f64)> {
        let of = |(plugin, counts, _): &(Arc<str>, Arc<WorkerCounts>, Arc<Mailbox>)| {
            let plugin = Arc::clone(plugin);
            counts.metrics().into_iter().map(move |(name, value)| (Arc::clone(&plugin), name, value))
        };
        self.plugins.iter().flat_map(of).collect()
    }

    /// The streams as they stand.
    pub fn streams(&self) -> Vec<StreamSummary> {
        self.streams.iter().map(StreamSummary::of).collect()
    }
}

/// The most memory this process had at once: `VmHWM` of proc(5).
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The summary for people: several lines, the last one without a line break.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Frames { received, decoded, analysed, dropped } = &self.frames;
        let rate = *analysed as f64 / self.wall_s.max(1e-9);
        writeln!(
            f,
            "{} {}: {analysed} frames in {:.2} s ({rate:.0} a second)",
            self.app, self.version, self.wall_s
        )?;
        write!(f, "  frames     {received} received, {decoded} decoded, {analysed} analysed")?;
        for (reason, count) in dropped {
            write!(f, ", {count} {}", reason.replace('_', " "))?;
        }
        writeln!(f)?;
        write!(f, "  process    {:.2} s CPU", self.cpu_s)?;
        if let Some(peak) = self.peak_memory_bytes {
            write!(f, ", {} MiB at most", peak >> 20)?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "  {:<28} {:>8} {:>9} {:>9} {:>9} {:>9}",
            "stage", "count", "CPU s", "p50 ms", "p95 ms", "p99 ms"
        )?;
        for (stage, name, report) in self.stages() {
            let ms = |us: f64| us / 1000.0;
            writeln!(
                f,
                "  {:<28} {:>8} {:>9.3} {:>9.3} {:>9.3} {:>9.3}",
                format!("{stage} {name}"),
                report.count,
                report.cpu_us as f64 / 1e6,
                ms(report.p50_us),
                ms(report.p95_us),
                ms(report.p99_us)
            )?;
        }
        for ModelSummary { report, sha256 } in &self.models {
            let digest = sha256.get(..12).unwrap_or(sha256);
            writeln!(
                f,
                "  model {}: {}, sha256 {digest}…, {} asked",
                report.name, report.backend, report.asks
            )?;
        }
        for PluginSummary { report, seen, .. } in &self.plugins {
            write!(
                f,
                "  plugin {}: {seen} frames, {} events, {:.1} MiB at most, ",
                report.name,
                report.events,
                report.peak_memory_bytes as f64 / f64::from(1 << 20)
            )?;
            match report
                .faults
                .iter()
                .map(|(kind, count)| format!("{count} {}", kind.as_str()))
                .collect::<Vec<_>>()
            {
                faults if faults.is_empty() => write!(f, "no faults")?,
                faults => write!(f, "faults: {}", faults.join(", "))?,
            }
            for (count, what) in [
                (report.complaints, "frames complained about"),
                (report.dropped_events, "events refused"),
                (report.dropped_marks, "marks refused"),
                (report.dropped_metrics, "metrics refused"),
                (report.dropped_log_lines, "log lines dropped"),
            ] {
                if count > 0 {
                    write!(f, ", {count} {what}")?;
                }
            }
            for (name, value) in &report.metrics {
                write!(f, ", {name} {value}")?;
            }
            writeln!(f)?;
        }
        for StreamSummary { camera, health, .. } in &self.streams {
            if health.reconnects + health.lost_packets > 0 {
                let (times, lost) = (health.reconnects, health.lost_packets);
                writeln!(f, "  camera {camera}: came back {times} times, {lost} packets lost")?;
            }
        }
        match self.errors.as_slice() {
            [] => write!(f, "  ended well"),
            errors => write!(f, "  ended with: {}", errors.join("\n              ")),
        }
    }
}

impl Summary {
    /// Every stage that did something: what it is, of what, and its meter.
    pub fn stages(&self) -> Vec<(&'static str, &str, &MeterReport)> {
        let mut stages = Vec::new();
        for stream in &self.streams {
            stages.push(("decode", stream.camera.as_str(), &stream.decoder.time));
        }
        for ModelSummary { report, .. } in &self.models {
            stages.push(("prepare", report.name.as_str(), &report.prepare));
            stages.push(("infer", report.name.as_str(), &report.inference));
            stages.push(("read out", report.name.as_str(), &report.readout));
        }
        for plugin in &self.plugins {
            stages.push(("plugin", plugin.report.name.as_str(), &plugin.report.calls));
            stages.push(("deliver", plugin.report.name.as_str(), &plugin.deliver));
        }
        stages.retain(|(_, _, report)| report.count > 0);
        stages
    }
}
