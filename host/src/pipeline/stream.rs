//! One source's way from access units to the mailboxes of all plugins that watch it.
//!
//! One thread reads and decodes. A recording waits for the plugins; a live camera does not: its source
//! receives on a thread of its own and drops, counted, what the decoder is too slow for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::{Clock, Error, Notices, Result, Shutdown};
use crate::camera::{self, Health, HealthReport, Source, StreamInfo};
use crate::decoder::{Counters, Decoder, DecoderReport, Picture};
use crate::frame::{AccessUnit, Frame, Memo, Pool};
use crate::manifest;

use super::mailbox::{Delivery, Item, Mailbox};
use super::selector::Selector;
use super::{Options, Surroundings};

/// Plugins that may watch one stream.
const MOST_SUBSCRIBERS: usize = 64;

/// A source that has been opened.
pub(super) struct Opened {
    name: String,
    manifest: manifest::Source,
    source: Box<dyn Source>,
    /// Ends this stream alone.
    shutdown: Shutdown,
}

impl Opened {
    pub(super) fn open(
        camera: &str,
        manifest: &manifest::Source,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let shutdown = surroundings.shutdown.child();
        let source = open(manifest, surroundings.clock, &shutdown, &surroundings.notices)
            .map_err(|error| error.within(format!("camera `{camera}`")))?;
        Ok(Self { name: camera.to_owned(), manifest: manifest.clone(), source, shutdown })
    }

    pub(super) fn is_of(&self, source: &manifest::Source) -> bool {
        self.manifest == *source
    }
}

fn open(
    source: &manifest::Source,
    clock: Clock,
    shutdown: &Shutdown,
    notices: &Notices,
) -> Result<Box<dyn Source>> {
    let options = camera::Options {
        location: source.location.clone(),
        username: source.username.clone(),
        password: source.password.clone(),
    };
    camera::open(&options, clock, shutdown, notices)
}

/// One plugin's interest in a stream.
pub(super) struct Subscriber {
    mailbox: Arc<Mailbox>,
    /// Index of the stream among the plugin's.
    camera: usize,
    selector: Selector,
}

impl Subscriber {
    pub(super) fn new(mailbox: Arc<Mailbox>, camera: usize, max_fps: Option<f64>) -> Self {
        mailbox.open();
        Self { mailbox, camera, selector: Selector::new(max_fps) }
    }
}

impl Drop for Subscriber {
    // Also where the stream's thread panics: its plugins must not wait for more.
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

/// What a stream counts; shared with whoever shows it.
#[derive(Default)]
pub(super) struct Counts {
    /// Access units received.
    received: AtomicU64,
    /// Units to be shown that no plugin asked for.
    unwanted: AtomicU64,
    /// Frames given to plugins.
    given: AtomicU64,
    /// Frames some plugin has seen.
    analysed: AtomicU64,
}

impl Counts {
    pub(super) fn saw_one(&self) {
        self.analysed.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream's numbers, readable while it flows.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) name: Arc<str>,
    pub(super) info: StreamInfo,
    health: Arc<Health>,
    decoder: Arc<Counters>,
    counts: Arc<Counts>,
    /// A camera, or a recording that is to pass for one.
    pub(super) live: bool,
}

impl Watch {
    pub(super) fn health(&self) -> HealthReport {
        self.health.report()
    }

    pub(super) fn decoder(&self) -> DecoderReport {
        self.decoder.report()
    }

    pub(super) fn received(&self) -> u64 {
        self.counts.received.load(Ordering::Relaxed)
    }

    pub(super) fn unwanted(&self) -> u64 {
        self.counts.unwanted.load(Ordering::Relaxed)
    }

    pub(super) fn given(&self) -> u64 {
        self.counts.given.load(Ordering::Relaxed)
    }

    pub(super) fn analysed(&self) -> u64 {
        self.counts.analysed.load(Ordering::Relaxed)
    }
}

/// One source, decoded once.
pub(super) struct Stream {
    opened: Opened,
    path: Path,
    watch: Watch,
}

/// The part of a stream behind its source: units in, frames to the mailboxes.
struct Path {
    decoder: Decoder,
    subscribers: Vec<Subscriber>,
    pictures: Vec<Picture>,
    counts: Arc<Counts>,
    clock: Clock,
    shutdown: Shutdown,
    options: Options,
    live: bool,
    /// A recording given at the pace it was taken.
    paced: bool,
    is_recording: bool,
    /// When media time 0 was given on, where the stream is paced.
    paced_from: Option<Duration>,
}

impl Stream {
    pub(super) fn new(opened: Opened, options: Options, surroundings: &Surroundings) -> Self {
        let decoder = Decoder::new(Pool::default());
        let counts = Arc::<Counts>::default();
        let watch = Watch {
            name: opened.name.as_str().into(),
            info: opened.source.info().clone(),
            health: opened.source.health(),
            decoder: decoder.counters(),
            counts: Arc::clone(&counts),
            live: opened.source.info().live || options.live,
        };
        let path = Path {
            decoder,
            subscribers: Vec::new(),
            pictures: Vec::new(),
            counts,
            clock: surroundings.clock,
            shutdown: opened.shutdown.clone(),
            options,
            paced: !watch.info.live && (options.realtime || options.live),
            live: watch.live,
            is_recording: !watch.info.live,
            paced_from: None,
        };
        Self { opened, path, watch }
    }

    pub(super) fn is_of(&self, source: &manifest::Source) -> bool {
        self.opened.is_of(source)
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(super) fn subscribe(&mut self, subscriber: Subscriber) -> Result<()> {
        if self.path.subscribers.len() >= MOST_SUBSCRIBERS {
            let message =
                format!("camera `{}`: more than {MOST_SUBSCRIBERS} plugins watch it", self.watch.name);
            return Err(Error::manifest(message));
        }
        self.path.subscribers.push(subscriber);
        Ok(())
    }

    /// Runs the stream to its end. What it had given on is left with the mailboxes.
    pub(super) fn flow(self, notices: &Notices) -> Result<()> {
        let Self { mut opened, mut path, watch } = self;
        let ran = path.run(&mut opened, notices);
        // Pictures that wait for their place in the order are given on also where the source failed.
        let finished = path.finish();
        ran.and(finished).map_err(|error| error.within(format!("camera `{}`", watch.name)))
    }
}

impl Path {
    /// Feeds all units of the source; where it is a recording and looped, again and again.
    fn run(&mut self, opened: &mut Opened, notices: &Notices) -> Result<()> {
        let mut begins_us = 0;
        loop {
            let mut ends_us = begins_us;
            let mut again = begins_us > 0;
            while let Some(mut unit) = opened.source.next()? {
                unit.discontinuity |= std::mem::take(&mut again);
                unit.pts_us += begins_us;
                ends_us = ends_us.max(unit.pts_us);
                if !self.feed(&unit)? {
                    return Ok(());
                }
            }
            let nothing_came = ends_us == begins_us;
            if !self.is_recording || !self.options.looped || nothing_came || self.shutdown.is_stopped() {
                return Ok(());
            }
            begins_us = ends_us + picture_us(opened.source.info());
            opened.source = open(&opened.manifest, self.clock, &self.shutdown, notices)?;
        }
    }

    /// Takes one unit. `false`: the stream has given all frames it was asked for.
    fn feed(&mut self, unit: &AccessUnit) -> Result<bool> {
        self.counts.received.fetch_add(1, Ordering::Relaxed);
        let mut takers = 0_u64;
        if unit.shown {
            for (bit, subscriber) in self.subscribers.iter_mut().enumerate() {
                if subscriber.selector.takes(unit.pts_us) {
                    takers |= 1 << bit;
                }
            }
        }
        if takers == 0 && unit.shown {
            self.counts.unwanted.fetch_add(1, Ordering::Relaxed);
        }
        let pictures = &mut self.pictures;
        self.decoder.decode(unit, takers, &mut |picture| pictures.push(picture))?;
        Ok(self.give())
    }

    fn finish(&mut self) -> Result<()> {
        let pictures = &mut self.pictures;
        self.decoder.flush(&mut |picture| pictures.push(picture));
        self.give();
        if self.decoder.report().decoded > 0 {
            return Ok(());
        }
        if self.counts.received.load(Ordering::Relaxed) > 0 {
            return Err(Error::source("not one picture could be decoded"));
        }
        // A camera or a run that was told to stop may not have come to its first picture.
        if self.is_recording && !self.shutdown.is_stopped() {
            return Err(Error::source("there is not one picture in the recording"));
        }
        Ok(())
    }

    /// Gives decoded pictures to whoever wanted them. `false`: that was the last one asked for.
    fn give(&mut self) -> bool {
        for picture in self.pictures.drain(..) {
            let Picture { pts_us, takers, .. } = picture;
            let given = self.counts.given.load(Ordering::Relaxed);
            if self.options.frames.is_some_and(|most| given >= most) {
                return false;
            }
            if self.paced {
                let due = Duration::from_micros(u64::try_from(pts_us).unwrap_or(0));
                let from = *self.paced_from.get_or_insert(self.clock.now().saturating_sub(due));
                if !self.shutdown.sleep((from + due).saturating_sub(self.clock.now())) {
                    return false;
                }
            }
            self.counts.given.fetch_add(1, Ordering::Relaxed);
            let frame = Arc::new(Frame {
                sequence: picture.sequence,
                media_time_us: pts_us,
                captured_at_us: picture.captured_at_us,
                planes: picture.planes,
                color: picture.color,
                memo: Memo::default(),
            });
            let delivery = Arc::new(Delivery::new(frame, self.clock.now(), Arc::clone(&self.counts)));
            for (bit, subscriber) in self.subscribers.iter().enumerate() {
                if takers & (1 << bit) != 0 {
                    let item = Item { camera: subscriber.camera, delivery: Arc::clone(&delivery) };
                    subscriber.mailbox.offer(item, self.live, &self.shutdown);
                }
            }
        }
        self.options.frames.is_none_or(|most| self.counts.given.load(Ordering::Relaxed) < most)
    }
}

/// How long a recording's picture is shown.
fn picture_us(info: &StreamInfo) -> i64 {
    let fps = info.fps.filter(|fps| *fps > 0.0).unwrap_or(25.0);
    (1e6 / fps) as i64
}
