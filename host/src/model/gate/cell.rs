//! A thread that can be given up on: what may hang runs in one, and who waits for it waits so long and no
//! longer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::base::panic_message;

/// A thread that inference runs on. Work enters it from another thread and may borrow from there.
pub(in crate::model) trait Lane: Send + Sync {
    /// Runs `work` on the lane's thread, once, and comes back when it is done.
    fn run(&self, work: &mut (dyn FnMut() + Send));
}

/// The caller's own thread, as a lane.
pub(in crate::model) struct Here;

impl Lane for Here {
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }
}

/// Makes lanes.
pub(in crate::model) type MakeLane = std::sync::Arc<dyn Fn() -> Box<dyn Lane> + Send + Sync>;

/// A thread that does what it is sent, one thing after another.
pub(in crate::model) struct Cell {
    work: Sender<Box<dyn FnOnce() + Send>>,
    given_up: AtomicBool,
}

/// Why a cell gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) enum Stopped {
    /// The work panicked; what it said.
    Panicked(String),
    /// The time was up. The thread is left to itself: it ends when the work does, if ever.
    TimedOut,
    /// There is no thread: it was given up on earlier, or the system gave none.
    Gone,
}

impl Cell {
    /// A thread called `name`, whose work runs in a lane of `lanes`.
    pub(in crate::model) fn start(name: &str, lanes: &MakeLane) -> Cell {
        let (work, queue): (_, Receiver<Box<dyn FnOnce() + Send>>) = channel();
        let lanes = std::sync::Arc::clone(lanes);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let lane = lanes();
            while let Ok(next) = queue.recv() {
                let mut next = Some(next);
                lane.run(&mut || {
                    if let Some(next) = next.take() {
                        next();
                    }
                });
            }
        });
        Cell { work, given_up: AtomicBool::new(thread.is_err()) }
    }

    /// Has `work` done within `limit`.
    pub(in crate::model) fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(Stopped::Gone);
        }
        let (answer, answered) = channel();
        let guarded = move || {
            let done =
                catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_message(&*panic).to_owned());
            // Whoever asked may have stopped waiting.
            drop(answer.send(done));
        };
        if self.work.send(Box::new(guarded)).is_err() {
            return Err(Stopped::Gone);
        }
        match answered.recv_timeout(limit) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panic)) => Err(Stopped::Panicked(panic)),
            Err(RecvTimeoutError::Timeout) => {
                self.given_up.store(true, Ordering::Relaxed);
                Err(Stopped::TimedOut)
            }
            Err(RecvTimeoutError::Disconnected) => Err(Stopped::Gone),
        }
    }
}
