//! Between streams and a plugin. Bounded; who drops what is said at [`Mailbox::offer`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::base::Shutdown;
use crate::frame::Frame;
use crate::plugin::LimitReport;
use crate::plugin::ports::{Request, Requests};

use super::stream::Counts;

/// How often a waiting stream looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// A frame on its way to plugins.
pub(super) struct Delivery {
    pub(super) frame: Arc<Frame>,
    /// When it was given on, by the run's clock.
    pub(super) given_at: Duration,
    seen: AtomicBool,
    counts: Arc<Counts>,
}

impl Delivery {
    pub(super) fn new(frame: Arc<Frame>, given_at: Duration, counts: Arc<Counts>) -> Self {
        Self { frame, given_at, seen: AtomicBool::new(false), counts }
    }

    /// A plugin has seen it; the first one counts.
    pub(super) fn saw(&self) {
        if !self.seen.swap(true, Ordering::Relaxed) {
            self.counts.saw_one();
        }
    }
}

/// A frame for one plugin.
pub(super) struct Item {
    /// Index of the stream among the plugin's.
    pub(super) camera: usize,
    pub(super) delivery: Arc<Delivery>,
}

/// What a plugin is to do next.
pub(super) enum Work {
    Frame(Item),
    Request(Box<Request>),
}

/// Frames waiting for one plugin, from all its streams, and requests from all its ports.
pub(super) struct Mailbox {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    /// Frames of one recording that may wait.
    waiting: usize,
    requests: Arc<Requests>,
    /// The plugin waits for its share of the processor.
    throttled: AtomicBool,
    replaced: AtomicU64,
    replaced_throttled: AtomicU64,
    /// The most frames of one stream that waited at once, and how often a recording found no room.
    most_waiting: AtomicU64,
    found_full: AtomicU64,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// Streams that may still offer.
    open: usize,
    /// What was taken last was a request.
    had_request: bool,
}

impl Mailbox {
    /// One where `waiting` frames of each recording and `requests` requests find room.
    pub(super) fn new(waiting: usize, requests: u32) -> Arc<Self> {
        Arc::new_cyclic(|mailbox: &Weak<Self>| {
            let mailbox = Weak::clone(mailbox);
            let wake = move || {
                if let Some(mailbox) = mailbox.upgrade() {
                    // Under the lock, so that a plugin about to wait does not miss it.
                    drop(mailbox.lock());
                    mailbox.filled.notify_one();
                }
            };
            Self {
                state: Mutex::default(),
                filled: Condvar::new(),
                emptied: Condvar::new(),
                waiting,
                requests: Requests::new(requests, wake),
                throttled: AtomicBool::new(false),
                replaced: AtomicU64::new(0),
                replaced_throttled: AtomicU64::new(0),
                most_waiting: AtomicU64::new(0),
                found_full: AtomicU64::new(0),
            }
        })
    }

    /// Where its ports put requests.
    pub(super) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    /// Whether what is replaced from now on is so because the plugin waits for its share.
    pub(super) fn set_throttled(&self, throttled: bool) {
        self.throttled.store(throttled, Ordering::Relaxed);
    }

    /// One more stream is going to offer.
    pub(super) fn open(&self) {
        self.lock().open += 1;
    }

    /// A stream has ended.
    pub(super) fn close(&self) {
        self.lock().open -= 1;
        self.filled.notify_all();
    }

    /// Puts a frame in. A live camera's frame takes the place of an older one of the same camera that the
    /// plugin has not come to; that one is dropped and counted in [`Mailbox::replaced`] or
    /// [`Mailbox::replaced_throttled`]. A recording's frame
    /// waits for room instead; it is dropped only where the run is stopped meanwhile.
    pub(super) fn offer(&self, item: Item, live: bool, shutdown: &Shutdown) {
        let mut state = self.lock();
        if live {
            if let Some(older) = state.items.iter_mut().find(|other| other.camera == item.camera) {
                let throttled = self.throttled.load(Ordering::Relaxed);
                let counter = if throttled { &self.replaced_throttled } else { &self.replaced };
                counter.fetch_add(1, Ordering::Relaxed);
                *older = item;
                return;
            }
        } else {
            let waiting =
                |state: &State| state.items.iter().filter(|other| other.camera == item.camera).count();
            if waiting(&state) >= self.waiting {
                self.found_full.fetch_add(1, Ordering::Relaxed);
            }
            while waiting(&state) >= self.waiting {
                if shutdown.is_stopped() {
                    return;
                }
                state = self.emptied.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            }
            self.most_waiting.fetch_max(waiting(&state) as u64 + 1, Ordering::Relaxed);
        }
        state.items.push_back(item);
        drop(state);
        self.filled.notify_one();
    }

    /// The next frame or request; waits for one. Both in turn where both wait, so that neither starves the
    /// other. `None`: all streams have ended and nothing is left.
    pub(super) fn take(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            let had_request = std::mem::take(&mut state.had_request);
            if !had_request && let Some(request) = self.requests.take() {
                state.had_request = true;
                return Some(Work::Request(Box::new(request)));
            }
            if let Some(item) = state.items.pop_front() {
                drop(state);
                self.emptied.notify_all();
                return Some(Work::Frame(item));
            }
            if had_request {
                continue;
            }
            if state.open == 0 {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Live frames that were replaced by newer ones before the plugin came to them.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Relaxed)
    }

    /// Those that were while the plugin waited for its share of the processor.
    pub(super) fn replaced_throttled(&self) -> u64 {
        self.replaced_throttled.load(Ordering::Relaxed)
    }

    /// Frames of a recording that wait: the most at once, what may, and how often one found no room and had to be
    /// waited with.
    pub(super) fn queue(&self) -> LimitReport {
        LimitReport {
            used: Some(self.most_waiting.load(Ordering::Relaxed) as f64),
            allowed: self.waiting as f64,
            refused: self.found_full.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
