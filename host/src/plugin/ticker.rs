//! Wakes calls that have run out of time.
//!
//! A running plugin looks at its budget when the engine's epoch advances. Advancing it every millisecond, as
//! is usual, cost 10-16 µs of CPU a time, more a frame than everything else the host does about it. So one
//! thread sleeps until the earliest deadline of any call under way, and nearly every call is over by then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use wasmtime::EngineWeak;

use crate::base::Clock;

/// How often a call that has not ended at its deadline is woken again: it may have been in the host.
const AGAIN: Duration = Duration::from_millis(1);
/// The longest sleep. A call whose deadline is further away than this never has to wake the thread.
const LONGEST: Duration = Duration::from_millis(50);
/// No call, or a call off its clock.
const NEVER: u64 = u64::MAX;

/// The thread that advances the epoch, and what it looks at.
pub(super) struct Ticker {
    clock: Clock,
    calls: Mutex<Vec<Weak<AtomicU64>>>,
    changed: Condvar,
    /// When the thread wakes, in nanoseconds of `clock`; [`NEVER`] while it decides.
    wakes_ns: AtomicU64,
}

/// One store's place with the ticker.
pub(super) struct Alarm {
    ticker: Arc<Ticker>,
    /// When the present call has run out of time, in nanoseconds of the ticker's clock.
    due_ns: Arc<AtomicU64>,
}

impl Ticker {
    /// Starts the thread, which ends with the engine.
    pub(super) fn start(engine: EngineWeak) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Self {
            clock: Clock::system(),
            calls: Mutex::default(),
            changed: Condvar::new(),
            wakes_ns: AtomicU64::new(NEVER),
        });
        let watched = Arc::clone(&ticker);
        std::thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || watched.tick(&engine))?;
        Ok(ticker)
    }

    /// A place for one more store.
    pub(super) fn alarm(self: &Arc<Self>) -> Alarm {
        let due_ns = Arc::new(AtomicU64::new(NEVER));
        self.lock().push(Arc::downgrade(&due_ns));
        Alarm { ticker: Arc::clone(self), due_ns }
    }

    fn tick(&self, engine: &EngineWeak) {
        let mut calls = self.lock();
        while let Some(engine) = engine.upgrade() {
            // Whoever sets an alarm from here on sees this and wakes the thread; whoever did before is seen
            // below.
            self.wakes_ns.store(NEVER, Ordering::SeqCst);
            let now_ns = self.now_ns();
            let mut wakes_ns = now_ns + nanoseconds(LONGEST);
            let mut overdue = false;
            calls.retain(|call| {
                let Some(due_ns) = call.upgrade() else { return false };
                let due_ns = due_ns.load(Ordering::SeqCst);
                overdue |= due_ns <= now_ns;
                wakes_ns = wakes_ns.min(due_ns);
                true
            });
            if overdue {
                engine.increment_epoch();
                wakes_ns = now_ns + nanoseconds(AGAIN);
            }
            drop(engine);
            self.wakes_ns.store(wakes_ns, Ordering::SeqCst);
            let sleep = Duration::from_nanos(wakes_ns.saturating_sub(self.now_ns()));
            calls = self.changed.wait_timeout(calls, sleep).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn now_ns(&self) -> u64 {
        nanoseconds(self.clock.now())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<AtomicU64>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarm {
    /// The present call runs out of time when it has gone on for `left` from now.
    pub(super) fn set(&self, left: Duration) {
        let due_ns = self.ticker.now_ns().saturating_add(nanoseconds(left));
        self.due_ns.store(due_ns, Ordering::SeqCst);
        if due_ns < self.ticker.wakes_ns.load(Ordering::SeqCst) {
            // The thread holds the lock unless it sleeps, so it cannot miss this.
            drop(self.ticker.lock());
            self.ticker.changed.notify_one();
        }
    }

    /// There is no call, or it waits for the host, which is not on its clock.
    pub(super) fn clear(&self) {
        self.due_ns.store(NEVER, Ordering::SeqCst);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}
