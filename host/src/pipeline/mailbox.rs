//! Between streams and a plugin. Bounded; who drops what is said at [`Mailbox::offer`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::base::Shutdown;
use crate::frame::Frame;

use super::stream::Counts;

/// Frames of one recording that wait for a plugin. Enough to keep decoder and plugin both busy.
const WAITING: usize = 4;
/// How often a waiting stream looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// A frame on its way to plugins.
pub(super) struct Delivery {
    pub(super) frame: Arc<Frame>,
    seen: AtomicBool,
    counts: Arc<Counts>,
}

impl Delivery {
    pub(super) fn new(frame: Arc<Frame>, counts: Arc<Counts>) -> Self {
        Self { frame, seen: AtomicBool::new(false), counts }
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

/// Frames waiting for one plugin, from all its streams.
#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    replaced: AtomicU64,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    /// Streams that may still offer.
    open: usize,
}

impl Mailbox {
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
    /// plugin has not come to; that one is dropped and counted in [`Mailbox::replaced`]. A recording's frame
    /// waits for room instead; it is dropped only where the run is stopped meanwhile.
    pub(super) fn offer(&self, item: Item, live: bool, shutdown: &Shutdown) {
        let mut state = self.lock();
        if live {
            if let Some(older) = state.items.iter_mut().find(|other| other.camera == item.camera) {
                self.replaced.fetch_add(1, Ordering::Relaxed);
                *older = item;
                return;
            }
        } else {
            while state.items.iter().filter(|other| other.camera == item.camera).count() >= WAITING {
                if shutdown.is_stopped() {
                    return;
                }
                state = self.emptied.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state.items.push_back(item);
        drop(state);
        self.filled.notify_one();
    }

    /// The next frame; waits for one. `None`: all streams have ended and nothing is left.
    pub(super) fn take(&self) -> Option<Item> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                drop(state);
                self.emptied.notify_all();
                return Some(item);
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

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
