//! The threads that rten runs on. rten runs everything in a rayon pool; called from a thread of another
//! pool or of none, it hands the work over, and a hand-over costs two wake-ups, more on a busy machine.

use std::cell::RefCell;
use std::sync::Arc;

use rten::ThreadPool;

use crate::model::gate::Lane;

thread_local! {
    /// The pools of this thread, one for each number of threads asked for: the one it is a worker of, and
    /// those made for it.
    static POOLS: RefCell<Vec<(usize, Arc<ThreadPool>)>> = const { RefCell::new(Vec::new()) };
}

/// A thread of rten's own kind, which work enters from elsewhere: every inference inside it that is to use one
/// thread runs there without changing threads.
pub(in crate::model) struct PoolLane(Arc<ThreadPool>);

impl PoolLane {
    pub(in crate::model) fn new() -> Self {
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        let own = Arc::clone(&pool);
        pool.run(|| POOLS.set(vec![(1, own)]));
        PoolLane(pool)
    }
}

impl Lane for PoolLane {
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.0.run(work);
    }
}

impl Drop for PoolLane {
    /// A pool's own thread must not be what keeps the pool.
    fn drop(&mut self) {
        self.0.run(|| POOLS.set(Vec::new()));
    }
}

/// The pool to run in from this thread; made at a thread's first inference.
pub(super) fn here(threads: usize) -> Arc<ThreadPool> {
    let threads = threads.max(1);
    POOLS.with_borrow_mut(|pools| {
        if let Some((_, pool)) = pools.iter().find(|(has, _)| *has == threads) {
            return Arc::clone(pool);
        }
        let made = Arc::new(ThreadPool::with_num_threads(threads));
        pools.push((threads, Arc::clone(&made)));
        made
    })
}
