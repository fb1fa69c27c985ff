//! RTSP cameras: H.264 over the RTSP connection itself (TCP interleaved, RFC 2326 section 10.12), which
//! passes any network the camera can be reached through and loses nothing on the way.
//!
//! A thread of its own receives, so that times of receipt are true and the session is kept alive however
//! long the reader takes. It hands units over in a bounded queue; where that stays full it drops units and
//! counts them as `dropped_units`. A camera that goes away is tried again until it is
//! back or stopping is asked for.

mod session;
mod timeline;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use retina::codec::VideoFrame;
use url::Url;

use super::{Health, Options, Source, StreamInfo};
use crate::base::{Clock, Error, Notices, Result, Shutdown};
use crate::frame::AccessUnit;
use crate::frame::h264::Stream;
use session::Session;
use timeline::Timeline;

/// Units waiting for their reader: about five seconds.
const QUEUE: usize = 128;

/// How long a full queue holds the camera back before units are dropped.
const LONGEST_HOLD: Duration = Duration::from_secs(1);

/// The first wait before connecting again; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait: a camera that returns is found within this and the time it takes to answer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long parameter sets that come with key frames alone may take.
const LONGEST_GOP: Duration = Duration::from_secs(30);

/// How long reading blocks before it looks whether to stop.
const GLANCE: Duration = Duration::from_millis(50);

/// A camera being received.
pub(super) struct Camera {
    info: StreamInfo,
    health: Arc<Health>,
    units: Receiver<AccessUnit>,
    shutdown: Shutdown,
    /// Ends this camera alone.
    closing: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Camera {
    pub(super) fn open(
        options: &Options,
        clock: Clock,
        shutdown: Shutdown,
        notices: Notices,
    ) -> Result<Self> {
        let url = Url::parse(&options.location)
            .map_err(|error| Error::source(format!("the camera's URL is not valid: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::internal("a camera's URL must come without its credentials"));
        }
        let health = Arc::<Health>::default();
        let closing = Shutdown::default();
        let (sender, units) = sync_channel(QUEUE);
        let (opened, first) = sync_channel(1);
        let mut receiver = Reception {
            name: options.location.clone(),
            url,
            options: options.clone(),
            clock,
            notices,
            health: Arc::clone(&health),
            units: sender,
            timeline: Timeline::default(),
            gap: false,
        };
        let (stop, close) = (shutdown.clone(), closing.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::internal(format!("cannot start a runtime: {error}")))?;
        let thread = std::thread::Builder::new().name("camera".to_owned()).spawn(move || {
            runtime.block_on(receiver.run(&stop, &close, &opened));
            // A teardown that is still trying ends with the runtime.
            runtime.shutdown_background();
        });
        let thread = thread.map_err(|error| Error::internal(format!("cannot start a thread: {error}")))?;
        let answer = first.recv().unwrap_or_else(|_| Err(Error::source("stopped while connecting")));
        let info = answer.map_err(|error| error.within(format!("`{}`", options.location)))?;
        Ok(Self { info, health, units, shutdown, closing, thread: Some(thread) })
    }
}

impl Source for Camera {
    fn info(&self) -> &StreamInfo {
        &self.info
    }

    fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    fn next(&mut self) -> Result<Option<AccessUnit>> {
        while !self.shutdown.is_stopped() {
            match self.units.recv_timeout(GLANCE) {
                Ok(unit) => return Ok(Some(unit)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(None)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.closing.stop();
        if let Some(thread) = self.thread.take() {
            // It answers the call above within a TEARDOWN's time.
            let _ = thread.join();
        }
    }
}

/// The receiving thread's side.
struct Reception {
    /// The URL as it may be shown.
    name: String,
    url: Url,
    options: Options,
    clock: Clock,
    notices: Notices,
    health: Arc<Health>,
    units: SyncSender<AccessUnit>,
    timeline: Timeline,
    /// Whether units were lost since the last one handed over.
    gap: bool,
}

impl Reception {
    /// Receives until told to stop. What comes of the first connection is told to `opened`.
    async fn run(&mut self, stop: &Shutdown, close: &Shutdown, opened: &SyncSender<Result<StreamInfo>>) {
        let stopping = async || {
            tokio::select! {
                () = stop.stopped() => {}
                () = close.stopped() => {}
            }
        };
        let begun = tokio::select! {
            biased;
            () = stopping() => return,
            begun = self.begin(true) => begun,
        };
        let (mut session, stream, frame) = match begun {
            Ok(begun) => begun,
            Err(why) => {
                let _ = opened.send(Err(Error::source(why)));
                return;
            }
        };
        let _ = opened.send(Ok(StreamInfo::new("rtsp", true, &stream)));
        let mut pending = Some(frame);
        loop {
            let why = tokio::select! {
                biased;
                () = stopping() => None,
                why = self.pass_on(&mut session, pending.take()) => Some(why),
            };
            // One that is told to stop was connected to the last.
            self.health.set_connected(why.is_none());
            session.end().await;
            let Some(why) = why else { return };
            let back = tokio::select! {
                biased;
                () = stopping() => return,
                back = self.return_to(&why) => back,
            };
            session = back.0;
            pending = Some(back.2);
        }
    }

    /// Connects and waits for the first picture that comes with or behind parameter sets: without them
    /// none can be decoded.
    async fn begin(&mut self, first: bool) -> Result<(Session, Stream, VideoFrame), String> {
        let mut session = session::connect(&self.url, &self.options, first).await?;
        let since = self.clock.now();
        let why = loop {
            match session.next().await {
                Ok(frame) => {
                    if let Some(stream) = session.stream() {
                        self.health.set_connected(true);
                        return Ok((session, stream, frame));
                    }
                }
                Err(why) => break why,
            }
            if self.clock.now().saturating_sub(since) > LONGEST_GOP {
                break format!(
                    "no readable parameter sets came for {} s; set the camera to send key frames more often",
                    LONGEST_GOP.as_secs()
                );
            }
        };
        session.end().await;
        Err(format!("connected, but {why}"))
    }

    /// Hands over `first` and what else the session brings until it ends; returns why it did.
    async fn pass_on(&mut self, session: &mut Session, first: Option<VideoFrame>) -> String {
        if let Some(frame) = first {
            self.hand_over(frame).await;
        }
        loop {
            match session.next().await {
                Ok(frame) => self.hand_over(frame).await,
                Err(why) => return why,
            }
        }
    }

    /// Connects again until it succeeds. One notice an outage and one at its end, however long it lasts.
    async fn return_to(&mut self, why: &str) -> (Session, Stream, VideoFrame) {
        self.notices.warn(format!("`{}` is lost: {why}; connecting again until it is back", self.name));
        let lost_at = self.clock.now();
        let mut wait = FIRST_WAIT;
        loop {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            if let Ok(begun) = self.begin(false).await {
                let gone = self.clock.now().saturating_sub(lost_at).as_secs_f64();
                self.notices.info(format!("`{}` is back after {gone:.1} s", self.name));
                self.health.reconnected();
                self.timeline.reconnect();
                self.gap = true;
                return begun;
            }
        }
    }

    async fn hand_over(&mut self, frame: VideoFrame) {
        let camera_us = i128::from(frame.timestamp().timestamp()) * 1_000_000
            / i128::from(frame.timestamp().clock_rate().get());
        let camera_us = i64::try_from(camera_us).unwrap_or(i64::MAX);
        let (pts_us, jumped) = self.timeline.place(camera_us, self.clock.now());
        if jumped {
            self.health.clock_jumped();
        }
        if frame.loss() > 0 {
            self.health.lost(u64::from(frame.loss()));
            self.gap = true;
        }
        let key = frame.is_random_access_point();
        let unit = AccessUnit {
            pts_us,
            captured_at_us: self.clock.wall_us(),
            key,
            reference: !frame.is_disposable(),
            shown: true,
            discontinuity: self.gap,
            data: Bytes::from(frame.into_data()),
        };
        let bytes = unit.data.len();
        if self.offer(unit).await {
            self.health.received(bytes);
            self.gap = false;
        } else {
            self.health.dropped();
            self.gap = true;
        }
    }

    /// Puts a unit into the queue. Where that is full TCP holds the camera back for a while; a reader that
    /// makes no room even then does without. Returns whether the unit was taken.
    async fn offer(&self, unit: AccessUnit) -> bool {
        let since = self.clock.now();
        let mut offered = self.units.try_send(unit);
        while let Err(TrySendError::Full(unit)) = offered {
            if self.clock.now().saturating_sub(since) > LONGEST_HOLD {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            offered = self.units.try_send(unit);
        }
        offered.is_ok()
    }
}
