//! What a plugin says: `events`, `marks`, `metrics`, `log`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Guest, cut};
use crate::base::{Notice, deceives};
use crate::event::{self, Event, Mark, Object};
use crate::plugin::Setup;
use crate::plugin::bindings::transom::app::frames::Region;
use crate::plugin::bindings::transom::app::{events, log, marks, metrics};
use crate::plugin::ledger::{Ledger, Limit};

/// Bytes of one event's data and detections, about what they take as JSON.
const LARGEST_EVENT: usize = 256 << 10;
/// Marks taken of one call.
const MOST_MARKS: usize = 1_000;
/// What a mark takes in memory besides its text and corners.
const MARK_BYTES: usize = 64;
/// Corners of a polygon.
const MOST_CORNERS: usize = 256;
/// Characters drawn of a caption or label.
const LONGEST_CAPTION: usize = 200;
/// Bytes of a log line.
const LONGEST_LOG: usize = 4096;

/// What a mark counts for: a polygon is as many lines as it has corners to draw.
fn weight(mark: &Mark) -> usize {
    match mark {
        Mark::Polygon { points, .. } => points.len().max(1),
        _ => 1,
    }
}

impl Guest {
    /// One look at the bucket a call instead of one a mark: a hundred marks a frame are usual.
    pub(super) fn begin_marks(&mut self) {
        let room = usize::try_from(self.ledger.room(Limit::Marks)).unwrap_or(MOST_MARKS);
        self.marks_left = room.min(MOST_MARKS);
    }

    pub(super) fn end_marks(&mut self) {
        self.ledger.take(Limit::Marks, self.said.marks.iter().map(weight).sum::<usize>() as u64);
    }

    fn mark(&mut self, mark: Mark) {
        if !self.setup.watched.load(Ordering::Relaxed) {
            return;
        }
        let (has_its_corners, more) = match &mark {
            Mark::Polygon { points, .. } => {
                ((3..=MOST_CORNERS).contains(&points.len()), size_of_val(points.as_slice()))
            }
            Mark::Box { caption: text, .. } | Mark::Label { text, .. } => (true, text.len()),
            Mark::Line { .. } => (true, 0),
        };
        let sound = has_its_corners && mark.is_finite() && self.present.is_some();
        let left = self.marks_left.checked_sub(weight(&mark));
        if let Some(left) = left.filter(|_| sound && self.memory.hold(MARK_BYTES + more)) {
            self.marks_left = left;
            self.said.marks.push(mark);
        } else {
            self.dropped.marks += 1;
            self.ledger.refuse(Limit::Marks, u64::from(sound));
        }
    }

    fn metric(&mut self, name: String, change: impl FnOnce(f64) -> f64) {
        let good = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let after = change(self.metrics.get(&name).copied().unwrap_or(0.0));
        let room = self.metrics.len() < self.limits().metrics as usize || self.metrics.contains_key(&name);
        if good && room && after.is_finite() {
            self.metrics.insert(name, after);
            self.ledger.peak(Limit::Metrics, self.metrics.len() as f64);
        } else {
            self.dropped.metrics += 1;
            self.ledger.refuse(Limit::Metrics, u64::from(good && !room));
        }
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
        let room = self.ledger.room(Limit::Events) > 0 && self.memory.hold(size);
        if !room || !self.ledger.take(Limit::EventBytes, size as u64) {
            self.ledger.refuse(Limit::Events, u64::from(!room));
            return Err(EventError::TooMany);
        }
        self.ledger.take(Limit::Events, 1);
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
pub(in crate::plugin) struct Log {
    setup: Arc<Setup>,
    ledger: Arc<Ledger>,
    dropped: AtomicU64,
}

impl Log {
    pub(super) fn new(setup: Arc<Setup>, ledger: Arc<Ledger>) -> Self {
        Self { setup, ledger, dropped: AtomicU64::new(0) }
    }

    /// Lines beyond the limit.
    pub(in crate::plugin) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn write(&self, level: &'static str, text: &str) {
        if !self.ledger.take(Limit::LogLines, 1) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let text = &text[..text.floor_char_boundary(LONGEST_LOG)];
        // Escaped, so that a plugin can neither forge a second line nor steer the owner's terminal.
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            if deceives(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
        }
        let Setup { app, name, notices, .. } = &*self.setup;
        notices.send(Notice::Log { from: format!("{app}/{name}"), level, text: escaped });
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
