//! What a plugin's store holds, and the host's answers to what the plugin imports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use super::bindings::transom::app::frames::{self, Fit, FrameError, PixelFormat, Region, Shape};
use super::bindings::transom::app::models::{ClassScore, Detection, ModelError, Tensor};
use super::bindings::transom::app::{events, log, marks, metrics, models};
use super::limits::MemoryMeter;
use super::ticker::Alarm;
use super::wasi::Lines;
use super::{Limits, Said, Setup, stream_name};
use crate::base::{Clock, Notice, thread_cpu};
use crate::event::{self, Event, Mark, Object};
use crate::frame::{self, Frame};

/// Events taken of one call.
const MOST_EVENTS: usize = 1_000;
/// Bytes of one event's data and detections, about what they take as JSON.
const LARGEST_EVENT: usize = 256 << 10;
/// Bytes of the events taken of one call; they wait in memory until it returns.
const MOST_EVENT_BYTES: usize = 4 << 20;
/// Marks taken of one call.
const MOST_MARKS: usize = 1_000;
/// Names of metrics of one plugin.
const MOST_METRICS: usize = 100;
/// Corners of a polygon.
const MOST_CORNERS: usize = 256;
/// Characters drawn of a caption or label.
const LONGEST_CAPTION: usize = 200;
/// Bytes of a log line.
const LONGEST_LOG: usize = 4096;
/// Log lines taken of one call, those on standard output and error among them.
const MOST_LOG_LINES: u32 = 100;
/// Handles a plugin may hold open at once.
const MOST_HANDLES: usize = 1_000;

/// A frame as the plugin's handle stands for it.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct FrameHandle(pub(super) Arc<Frame>);

/// A model the plugin opened: its index in [`Setup::models`].
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct ModelHandle(usize);

/// Time of the present call.
pub(super) struct Budget {
    clock: Clock,
    deadline: Duration,
    started: Duration,
    /// Spent in the host on models, which is not the plugin's fault.
    waited: Duration,
    /// CPU time of that on this thread.
    waited_cpu: Duration,
}

impl Budget {
    /// Own time left in the present call.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.used())
    }

    /// Own time allowed in the present call.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Own time used in the present call.
    fn used(&self) -> Duration {
        self.clock.now().saturating_sub(self.started).saturating_sub(self.waited)
    }

    /// Wall and CPU time of the present call that went to models.
    pub(super) fn waited(&self) -> (Duration, Duration) {
        (self.waited, self.waited_cpu)
    }

    pub(super) fn is_spent(&self) -> bool {
        self.used() >= self.deadline
    }
}

/// The frame of the present call, as far as events name it.
pub(super) struct Present {
    pub(super) camera: Arc<str>,
    pub(super) frame: u64,
    pub(super) media_time_us: i64,
    pub(super) captured_at_us: i64,
}

/// What was dropped of what a plugin said, by reason.
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
    pub(super) memory: MemoryMeter,
    pub(super) budget: Budget,
    alarm: Alarm,
    pub(super) present: Option<Present>,
    pub(super) said: Said,
    /// Bytes of the events of the present call.
    said_bytes: usize,
    pub(super) dropped: Dropped,
    pub(super) log: Arc<Log>,
    pub(super) metrics: BTreeMap<String, f64>,
    /// Names of the streams, by the index the plugin knows them under.
    pub(super) streams: Vec<Arc<str>>,
    setup: Arc<Setup>,
}

impl Guest {
    pub(super) fn new(setup: Arc<Setup>, alarm: Alarm) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        let log = Arc::new(Log::new(Arc::clone(&setup)));
        let lines = |level: &'static str| {
            let log = Arc::clone(&log);
            Lines::new(move |text| log.write(level, text))
        };
        let mut wasi = WasiCtx::builder();
        // Nothing a plugin does here waits, so the calling thread may answer for itself.
        wasi.stdout(lines("info")).stderr(lines("warn")).allow_blocking_current_thread(true);
        Self {
            table,
            wasi: wasi.build(),
            memory: MemoryMeter::new(setup.limits.memory_bytes),
            budget: Budget {
                clock: setup.clock,
                deadline: setup.limits.deadline,
                started: setup.clock.now(),
                waited: Duration::ZERO,
                waited_cpu: Duration::ZERO,
            },
            alarm,
            present: None,
            said: Said::default(),
            said_bytes: 0,
            dropped: Dropped::default(),
            log,
            metrics: BTreeMap::new(),
            streams: setup.cameras.iter().map(stream_name).collect(),
            setup,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.setup.limits
    }

    /// Starts the clock of a call.
    pub(super) fn begin_call(&mut self, deadline: Duration) {
        self.budget.deadline = deadline;
        self.budget.started = self.setup.clock.now();
        self.budget.waited = Duration::ZERO;
        self.budget.waited_cpu = Duration::ZERO;
        self.memory.begin_call();
        self.log.begin_call();
        self.said_bytes = 0;
        self.alarm.set(deadline);
    }

    /// Stops the clock of a call.
    pub(super) fn end_call(&self) {
        self.alarm.clear();
    }

    pub(super) fn lend(&mut self, frame: &Arc<Frame>) -> wasmtime::Result<Resource<FrameHandle>> {
        Ok(self.table.push(FrameHandle(Arc::clone(frame)))?)
    }

    pub(super) fn take_back(&mut self, frame: Resource<FrameHandle>) -> wasmtime::Result<()> {
        self.table.delete(frame)?;
        Ok(())
    }

    /// Asks a model, off the plugin's clock.
    fn ask<T>(
        &mut self,
        model: &Resource<ModelHandle>,
        frame: &Resource<FrameHandle>,
        question: impl FnOnce(&Setup, usize, &Frame) -> Result<T, ModelError>,
    ) -> wasmtime::Result<Result<T, ModelError>> {
        let index = self.table.get(model)?.0;
        let frame = Arc::clone(&self.table.get(frame)?.0);
        self.alarm.clear();
        let (asked, cpu) = (self.setup.clock.now(), thread_cpu());
        let answer = question(&self.setup, index, &frame);
        self.budget.waited_cpu += thread_cpu().saturating_sub(cpu);
        self.budget.waited += self.setup.clock.now().saturating_sub(asked);
        self.alarm.set(self.budget.left());
        Ok(answer)
    }

    fn mark(&mut self, mark: Mark) {
        if !self.setup.watched.load(Ordering::Relaxed) {
            return;
        }
        let has_its_corners = match &mark {
            Mark::Polygon { points, .. } => (3..=MOST_CORNERS).contains(&points.len()),
            _ => true,
        };
        let room = self.said.marks.len() < MOST_MARKS;
        if room && has_its_corners && mark.is_finite() && self.present.is_some() {
            self.said.marks.push(mark);
        } else {
            self.dropped.marks += 1;
        }
    }

    fn metric(&mut self, name: String, change: impl FnOnce(f64) -> f64) {
        let fits = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && (self.metrics.len() < MOST_METRICS || self.metrics.contains_key(&name));
        let after = change(self.metrics.get(&name).copied().unwrap_or(0.0));
        if fits && after.is_finite() {
            self.metrics.insert(name, after);
        } else {
            self.dropped.metrics += 1;
        }
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

impl frames::Host for Guest {}

impl frames::HostFrame for Guest {
    fn read(
        &mut self,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
        shape: Shape,
    ) -> wasmtime::Result<Result<Vec<u8>, FrameError>> {
        let frame = Arc::clone(&self.table.get(&frame)?.0);
        let shape = frame::Shape {
            width: shape.width,
            height: shape.height,
            fit: match shape.fit {
                Fit::Stretch => frame::Fit::Stretch,
                Fit::Letterbox => frame::Fit::Letterbox,
                Fit::Crop => frame::Fit::Crop,
            },
            format: match shape.format {
                PixelFormat::Rgb8 => frame::PixelFormat::Rgb8,
                PixelFormat::Bgr8 => frame::PixelFormat::Bgr8,
                PixelFormat::Gray8 => frame::PixelFormat::Gray8,
            },
        };
        Ok(frame::picture(&frame, region.map(Into::into), shape)
            .map(|picture| picture.pixels.to_vec())
            .map_err(Into::into))
    }

    fn jpeg(
        &mut self,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
        width: u32,
        quality: u8,
    ) -> wasmtime::Result<Result<Vec<u8>, FrameError>> {
        let frame = Arc::clone(&self.table.get(&frame)?.0);
        Ok(frame::jpeg(&frame, region.map(Into::into), width, quality)
            .map(|jpeg| jpeg.to_vec())
            .map_err(Into::into))
    }

    fn drop(&mut self, frame: Resource<FrameHandle>) -> wasmtime::Result<()> {
        self.take_back(frame)
    }
}

impl models::Host for Guest {}

impl models::HostModel for Guest {
    fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<ModelHandle>, ModelError>> {
        match self.setup.models.iter().position(|model| model.name == name) {
            Some(index) => Ok(Ok(self.table.push(ModelHandle(index))?)),
            None => {
                let has: Vec<&str> = self.setup.models.iter().map(|model| model.name.as_str()).collect();
                let has = if has.is_empty() { "none".to_owned() } else { format!("`{}`", has.join("`, `")) };
                Ok(Err(ModelError::UnknownModel(format!(
                    "there is no model `{name}` for this plugin; it has {has}"
                ))))
            }
        }
    }

    fn labels(&mut self, model: Resource<ModelHandle>) -> wasmtime::Result<Vec<String>> {
        let index = self.table.get(&model)?.0;
        Ok(self.setup.models[index].labels.clone())
    }

    fn detect(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> wasmtime::Result<Result<Vec<Detection>, ModelError>> {
        self.ask(&model, &frame, |setup, index, frame| {
            setup.ask.detect(index, frame, region.map(Into::into), min_score)
        })
    }

    fn classify(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
        top: u32,
    ) -> wasmtime::Result<Result<Vec<ClassScore>, ModelError>> {
        self.ask(&model, &frame, |setup, index, frame| {
            setup.ask.classify(index, frame, region.map(Into::into), top)
        })
    }

    fn infer(
        &mut self,
        model: Resource<ModelHandle>,
        frame: Resource<FrameHandle>,
        region: Option<Region>,
    ) -> wasmtime::Result<Result<Vec<Tensor>, ModelError>> {
        self.ask(&model, &frame, |setup, index, frame| setup.ask.infer(index, frame, region.map(Into::into)))
    }

    fn drop(&mut self, model: Resource<ModelHandle>) -> wasmtime::Result<()> {
        self.table.delete(model)?;
        Ok(())
    }
}

impl marks::Host for Guest {
    fn watched(&mut self) -> wasmtime::Result<bool> {
        Ok(self.setup.watched.load(Ordering::Relaxed))
    }

    fn box_(&mut self, at: Region, caption: String, color: marks::Color) -> wasmtime::Result<()> {
        self.mark(Mark::Box {
            region: at.into(),
            caption: cut(caption, LONGEST_CAPTION),
            color: color.into(),
        });
        Ok(())
    }

    fn line(&mut self, a: marks::Point, b: marks::Point, color: marks::Color) -> wasmtime::Result<()> {
        self.mark(Mark::Line { a: a.into(), b: b.into(), color: color.into() });
        Ok(())
    }

    fn polygon(&mut self, points: Vec<marks::Point>, color: marks::Color) -> wasmtime::Result<()> {
        let points = points.into_iter().map(Into::into).collect();
        self.mark(Mark::Polygon { points, color: color.into() });
        Ok(())
    }

    fn label(&mut self, at: marks::Point, text: String, color: marks::Color) -> wasmtime::Result<()> {
        self.mark(Mark::Label { at: at.into(), text: cut(text, LONGEST_CAPTION), color: color.into() });
        Ok(())
    }
}

impl events::Host for Guest {
    fn publish(&mut self, event: events::Event) -> wasmtime::Result<Result<(), events::EventError>> {
        let taken = self.stamp(event).map(|event| self.said.events.push(event));
        if taken.is_err() {
            self.dropped.events += 1;
        }
        Ok(taken)
    }
}

impl Guest {
    fn stamp(&mut self, event: events::Event) -> Result<Event, events::EventError> {
        use events::EventError;
        if self.said.events.len() >= MOST_EVENTS {
            return Err(EventError::TooMany);
        }
        let events::Event { name, data, detections } = event;
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if !(1..=64).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(EventError::BadName(
                "an event's name is 1 to 64 of a-z, 0-9, `-`, `_` and `.`".to_owned(),
            ));
        }
        // 96 bytes are what a detection takes as JSON without its label.
        let size = data.len() + detections.iter().map(|object| object.label.len() + 96).sum::<usize>();
        if size > LARGEST_EVENT {
            return Err(EventError::TooLarge);
        }
        let detections: Vec<Object> = detections.into_iter().map(Into::into).collect();
        if let Some(bad) = detections.iter().find(|d| !d.score.is_finite() || !d.region.is_finite()) {
            return Err(EventError::BadDetection(format!("`{}` has a number that is not finite", bad.label)));
        }
        let data = event::object_on_one_line(data).map_err(EventError::BadData)?;
        if self.said_bytes + size > MOST_EVENT_BYTES {
            return Err(EventError::TooMany);
        }
        self.said_bytes += size;
        let present = self.present.as_ref();
        Ok(Event {
            time_us: present.map_or_else(|| self.setup.clock.wall_us(), |present| present.captured_at_us),
            media_time_us: present.map(|present| present.media_time_us),
            app: Arc::clone(&self.setup.app),
            plugin: Arc::clone(&self.setup.name),
            camera: present.map(|present| Arc::clone(&present.camera)),
            frame: present.map(|present| present.frame),
            name,
            data,
            detections,
        })
    }
}

impl metrics::Host for Guest {
    fn add(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.metric(name, |before| if value >= 0.0 { before + value } else { f64::NAN });
        Ok(())
    }

    fn set(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.metric(name, |_| value);
        Ok(())
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, text: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Error => "error",
            log::Level::Warn => "warn",
            log::Level::Info => "info",
            log::Level::Debug => "debug",
        };
        self.log.write(level, &text);
        Ok(())
    }
}

/// Where a plugin's log lines pass: its own, and those it prints.
pub(super) struct Log {
    setup: Arc<Setup>,
    /// Lines left in the present call.
    left: AtomicU32,
    dropped: AtomicU64,
}

impl Log {
    fn new(setup: Arc<Setup>) -> Self {
        Self { setup, left: AtomicU32::new(MOST_LOG_LINES), dropped: AtomicU64::new(0) }
    }

    fn begin_call(&self) {
        self.left.store(MOST_LOG_LINES, Ordering::Relaxed);
    }

    /// Lines beyond what one call may write.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn write(&self, level: &'static str, text: &str) {
        let Some(left) = self.left.load(Ordering::Relaxed).checked_sub(1) else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.left.store(left, Ordering::Relaxed);
        let text = &text[..text.floor_char_boundary(LONGEST_LOG)];
        // Escaped, so that a plugin can neither forge a second line nor steer the owner's terminal.
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            if c.is_control() { escaped.extend(c.escape_default()) } else { escaped.push(c) }
        }
        let Setup { app, name, notices, .. } = &*self.setup;
        notices.send(Notice::Log { from: format!("{app}/{name}"), level, text: escaped });
    }
}

fn cut(text: String, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

impl From<Region> for frame::Region {
    fn from(Region { l, t, w, h }: Region) -> Self {
        Self { l, t, w, h }
    }
}

impl From<frame::Region> for Region {
    fn from(frame::Region { l, t, w, h }: frame::Region) -> Self {
        Self { l, t, w, h }
    }
}

impl From<frame::PictureError> for FrameError {
    fn from(error: frame::PictureError) -> Self {
        match error {
            frame::PictureError::BadRegion(why) => FrameError::BadRegion(why),
            frame::PictureError::BadShape(why) => FrameError::BadShape(why),
        }
    }
}

impl From<marks::Color> for event::Color {
    fn from(marks::Color { r, g, b }: marks::Color) -> Self {
        Self { r, g, b }
    }
}

impl From<marks::Point> for event::Point {
    fn from(marks::Point { x, y }: marks::Point) -> Self {
        Self { x, y }
    }
}

impl From<events::Object> for Object {
    fn from(events::Object { label, score, box_, track }: events::Object) -> Self {
        Self { label, score, region: box_.into(), track }
    }
}
