//! Where inference runs: as many one-thread lanes as the machine has cores, shared by all models.
//!
//! One thread an inference, not many: on two cores, FastestDet on two threads took 0.7 of the time of one
//! thread and 1.4 times its CPU, and video has other work for the second core: decoding, and other frames.
//! A lane is a thread of its own so that a plugin's thread is never charged for the host's work, and so
//! that the CPU time of one inference is that of one thread.

use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use rten::ThreadPool;

pub(super) struct Lanes {
    state: Mutex<State>,
    freed: Condvar,
    most: usize,
}

struct State {
    free: Vec<Arc<ThreadPool>>,
    made: usize,
}

/// A lane in use; goes back when dropped, also by a panic.
struct Held<'a> {
    lanes: &'a Lanes,
    lane: Arc<ThreadPool>,
}

impl Lanes {
    /// Those of this process.
    pub(super) fn shared() -> &'static Lanes {
        static LANES: OnceLock<Lanes> = OnceLock::new();
        LANES.get_or_init(|| Lanes {
            state: Mutex::new(State { free: Vec::new(), made: 0 }),
            freed: Condvar::new(),
            most: std::thread::available_parallelism().map_or(1, usize::from),
        })
    }

    /// Runs `work` in a lane and waits for it. Where all are busy it waits for one; waiters are bounded by
    /// the threads that ask, which are cameras and plugins.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce(&Arc<ThreadPool>) -> T + Send) -> T {
        let held = self.take();
        held.lane.run(|| work(&held.lane))
    }

    fn take(&self) -> Held<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(lane) = state.free.pop() {
                return Held { lanes: self, lane };
            }
            if state.made < self.most {
                state.made += 1;
                drop(state);
                return Held { lanes: self, lane: Arc::new(ThreadPool::with_num_threads(1)) };
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.lanes.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free.push(Arc::clone(&self.lane));
        drop(state);
        self.lanes.freed.notify_one();
    }
}
