//! What a run has done, in numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Error, Kind, MeterReport, process_cpu, process_memory};
use crate::camera::{HealthReport, StreamInfo};
use crate::decoder::DecoderReport;
use crate::manifest::App;
use crate::model::{AppReport, Asker, Model, ModelReport};
use crate::plugin::ports::PortReport;
use crate::plugin::{LimitReport, PluginReport};

use super::mailbox::Mailbox;
use super::stream::{Stream, Watch};
use super::worker::{Worker, WorkerCounts};

/// All numbers of a run; `--summary` writes it as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The apps that ran.
    pub apps: Vec<AppSummary>,
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

/// One app of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppSummary {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What its questions to models have used.
    pub inference: AppReport,
}

impl AppSummary {
    pub(super) fn of(app: &App, asker: &Asker) -> Self {
        Self { name: app.name.clone(), version: app.version.to_string(), inference: asker.report() }
    }
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
    /// frame of a live camera came first), `throttled` (the same, while the plugin waited for its share of the
    /// processor), `fault` (the plugin died on it), `backing_off` (the plugin was
    /// waiting after a fault), `held` (the plugin had failed too often,
    /// or what it says could not be delivered). Reasons that never happened are
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
    /// Its app.
    pub app: String,
    /// Frames it has seen.
    pub seen: u64,
    /// What came to its ports.
    pub ports: Vec<PortReport>,
    /// Time spent on bringing its events and marks to the sinks, once a frame or request.
    pub deliver: MeterReport,
    /// From a decoded frame to what the plugin said about it at the sinks, waiting in the mailbox included.
    pub latency: MeterReport,
    /// Live frames replaced before it came to them.
    pub replaced: u64,
}

impl Summary {
    pub(super) fn new(
        apps: Vec<AppSummary>,
        wall: Duration,
        streams: &[Watch],
        workers: &[Worker],
        models: &[Arc<Model>],
        ports: &[(Arc<str>, Arc<str>, PortReport)],
        errors: &[Error],
    ) -> Self {
        let ports_of = |worker: &Worker| {
            let its =
                ports.iter().filter(|(app, plugin, _)| (app, plugin) == (worker.app(), worker.plugin()));
            its.map(|(.., report)| report.clone()).collect()
        };
        Self {
            apps,
            wall_s: wall.as_secs_f64(),
            cpu_s: process_cpu().as_secs_f64(),
            peak_memory_bytes: process_memory("VmHWM"),
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
                    app: worker.app().to_string(),
                    ports: ports_of(worker),
                    seen: worker.counts().seen(),
                    deliver: worker.deliver().report(),
                    latency: worker.latency().report(),
                    replaced: worker.mailbox().replaced() + worker.mailbox().replaced_throttled(),
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
        drop("throttled", mailbox.replaced_throttled());
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

/// The summary for people: several lines, the last one without a line break.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Frames { received, decoded, analysed, dropped } = &self.frames;
        let rate = *analysed as f64 / self.wall_s.max(1e-9);
        let apps: Vec<String> = self.apps.iter().map(|app| format!("{} {}", app.name, app.version)).collect();
        let apps = apps.join(", ");
        writeln!(f, "{apps}: {analysed} frames in {:.2} s ({rate:.0} a second)", self.wall_s)?;
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
        for plugin in &self.plugins {
            plugin.write(f, &self.shown(plugin))?;
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

impl PluginSummary {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let Self { report, seen, ports, .. } = self;
        let events = if report.events == 1 { "event" } else { "events" };
        write!(f, "  plugin {name}: {seen} frames, {} {events}, ", report.events)?;
        let faults: Vec<String> =
            report.faults.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
        match faults.as_slice() {
            [] => write!(f, "no faults")?,
            faults => write!(f, "faults: {}", faults.join(", "))?,
        }
        for (count, what) in [
            (report.complaints, "frames complained about"),
            (report.dropped_events, "events refused"),
            (report.dropped_marks, "marks refused"),
            (report.dropped_metrics, "metrics refused"),
            (report.dropped_log_lines, "log lines dropped"),
            (report.denials, "requests out denied"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if report.throttled_s > 0.0 {
            write!(f, ", waited {:.1} s for its share of the processor", report.throttled_s)?;
        }
        for (name, value) in &report.metrics {
            write!(f, ", {name} {value}")?;
        }
        writeln!(f)?;
        let lines: Vec<String> =
            report.limits.iter().filter_map(|(name, limit)| limit_in_words(name, limit)).collect();
        for few in lines.chunks(LIMITS_A_LINE) {
            writeln!(f, "    {}", few.join("; "))?;
        }
        for port in ports {
            write!(f, "    port {} on {}: {} requests", port.name, port.host_port, port.requests)?;
            for (count, what) in [
                (port.answered, "answered"),
                (port.denied_address, "connections denied by address"),
                (port.over_connections, "connections too many"),
                (port.denied_token, "without the token"),
                (port.over_rate, "over the rate"),
                (port.too_large, "too large"),
                (port.malformed, "malformed"),
                (port.busy, "found no room"),
                (port.too_late, "not answered in time"),
                (port.failed, "failed"),
                (port.gone, "left by the client"),
            ] {
                if count > 0 {
                    write!(f, ", {count} {what}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Limits shown on one line.
const LIMITS_A_LINE: usize = 5;

/// `used of allowed`, of a limit that was touched at all.
fn limit_in_words(name: &str, limit: &LimitReport) -> Option<String> {
    let used = limit.used.unwrap_or(0.0);
    if used == 0.0 && limit.refused == 0 {
        return None;
    }
    // In the unit that suits what is allowed.
    let (unit, bytes_in) =
        if limit.allowed < f64::from(1 << 20) { ("KiB", 1 << 10) } else { ("MiB", 1 << 20) };
    let mib = |bytes: f64| format!("{:.1}", bytes / f64::from(bytes_in));
    let (used, allowed) = match name {
        "memory" | "call_bytes" | "event_bytes" | "http_bytes" | "storage_bytes" => {
            (mib(used), format!("{} {unit}", mib(limit.allowed)))
        }
        "deadline" | "http_timeout" => (format!("{used:.1}"), format!("{} ms", limit.allowed)),
        "cpu" => (format!("{used:.3}"), format!("{} cores", limit.allowed)),
        _ => (format!("{used:.0}"), limit.allowed.to_string()),
    };
    let refused = if limit.refused > 0 { format!(" ({} refused)", limit.refused) } else { String::new() };
    Some(match limit.used {
        Some(_) => format!("{name} {used} of {allowed}{refused}"),
        None => format!("{name} at most {allowed}{refused}"),
    })
}

impl Summary {
    /// What people see a plugin under: with its app only where there are several.
    fn shown(&self, plugin: &PluginSummary) -> String {
        match self.apps.as_slice() {
            [_] => plugin.report.name.clone(),
            _ => format!("{}/{}", plugin.app, plugin.report.name),
        }
    }

    /// Every stage that did something: what it is, of what, and its meter.
    pub fn stages(&self) -> Vec<(&'static str, String, &MeterReport)> {
        let mut stages = Vec::new();
        for stream in &self.streams {
            stages.push(("decode", stream.camera.clone(), &stream.decoder.time));
        }
        for ModelSummary { report, .. } in &self.models {
            stages.push(("prepare", report.name.clone(), &report.prepare));
            stages.push(("infer", report.name.clone(), &report.inference));
            stages.push(("read out", report.name.clone(), &report.readout));
        }
        for plugin in &self.plugins {
            stages.push(("plugin", self.shown(plugin), &plugin.report.calls));
            stages.push(("deliver", self.shown(plugin), &plugin.deliver));
        }
        stages.retain(|(_, _, report)| report.count > 0);
        stages
    }
}
