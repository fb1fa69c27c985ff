//! The workers of a device and the queue before them.
//!
//! A worker is a lane: a thread that an asker's work enters for one turn. The asker's own thread waits
//! meanwhile, so a job may borrow from it (a frame, its memory for inputs), a panic in a job comes back to
//! the asker, and a lane is never lost: it goes back when the turn is dropped, however that happens. Nobody
//! spins: each waiter sleeps on its own condition and is woken when the turn is its.
//!
//! A worker that becomes free takes the job whose turn it is ([`super::fair`]) and, where that can be run with
//! others at once, those of them that wait. Inputs of such jobs are ready when they queue, so that whoever
//! has the turn can run them all.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fair::{Fair, Held};
use crate::base::Clock;
use crate::model::backend::RunError;
use crate::model::gate::{Cell, Lane};
use crate::model::tensor::Array;

/// A worker.
#[derive(Clone)]
pub(super) enum Worker {
    /// Work enters it and may borrow.
    Lane(Arc<dyn Lane>),
    /// Work is sent to it, and it can be given up on.
    Cell(Arc<Cell>),
}

/// Makes a worker; called with its number.
pub(super) type MakeWorker = Box<dyn Fn(usize) -> Worker + Send + Sync>;

pub(super) struct Pool {
    state: Mutex<State>,
    /// Told when a job that can be run with others queues; whoever waits for company listens.
    company: Condvar,
    make: MakeWorker,
    most: usize,
    /// Jobs an app may have waiting here.
    bound: usize,
    clock: Clock,
}

struct State {
    fair: Fair<Arc<Ticket>>,
    free: Vec<Worker>,
    made: usize,
    /// Turns that wait for company.
    lingering: usize,
}

/// A job in the queue.
pub(super) struct Ticket {
    shared: Option<Shared>,
    step: Mutex<Step>,
    woken: Condvar,
}

enum Step {
    Waiting,
    /// Its asker has a worker, and company.
    Turn(Worker, Held, Vec<Mate>),
    /// Another asker ran it along.
    Answered(Along),
    Over,
}

/// What a job brings that can be run with others.
pub(super) struct Shared {
    /// Jobs of one key fit together: same session, same shapes.
    pub(super) key: usize,
    /// Taken by whoever runs it along.
    pub(super) inputs: Mutex<Option<Arc<Vec<Array>>>>,
    /// Most of them at once.
    pub(super) most: usize,
}

/// A job that another one's asker runs along.
pub(super) struct Mate {
    ticket: Arc<Ticket>,
    held: Option<Held>,
}

/// What became of a job that was run along.
pub(super) struct Along {
    pub(super) outputs: Result<Vec<Array>, RunError>,
    /// Its share of the inference.
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    /// Jobs in the inference.
    pub(super) batch: usize,
}

/// What an asker gets for its ticket.
pub(super) enum Outcome<'a> {
    /// A worker.
    Turn(Turn<'a>),
    /// The answer.
    Along(Along),
}

/// A worker in use. Dropped, it goes back, and what it was used for is charged.
pub(super) struct Turn<'a> {
    pool: &'a Pool,
    worker: Option<Worker>,
    held: Option<Held>,
    mates: Vec<Mate>,
    began: Duration,
}

/// Too many jobs of the app wait already.
pub(super) struct Full;

impl Pool {
    pub(super) fn new(most: usize, bound: usize, clock: Clock, make: MakeWorker) -> Self {
        let state = State { fair: Fair::new(), free: Vec::new(), made: 0, lingering: 0 };
        Pool { state: Mutex::new(state), company: Condvar::new(), make, most: most.max(1), bound, clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, or for the answer where another asker ran the job along.
    pub(super) fn wait(&self, app: u64, weight: u32, shared: Option<Shared>) -> Result<Outcome<'_>, Full> {
        let ticket = {
            let mut state = self.state();
            let free = state.free.pop();
            let number = state.made;
            if free.is_some() || number < self.most {
                state.made += usize::from(free.is_none());
                let held = state.fair.start(app, weight);
                drop(state);
                // Made outside the lock: making one starts a thread.
                let worker = free.unwrap_or_else(|| (self.make)(number));
                return Ok(Outcome::Turn(self.turn(worker, held, Vec::new())));
            }
            if state.fair.waiting_of(app) >= self.bound {
                return Err(Full);
            }
            let company = shared.is_some() && state.lingering > 0;
            let ticket = Arc::new(Ticket { shared, step: Mutex::new(Step::Waiting), woken: Condvar::new() });
            state.fair.push(app, weight, Arc::clone(&ticket));
            if company {
                self.company.notify_all();
            }
            ticket
        };
        let mut step = ticket.step();
        loop {
            match std::mem::replace(&mut *step, Step::Over) {
                Step::Waiting => *step = Step::Waiting,
                Step::Turn(worker, held, mates) => return Ok(Outcome::Turn(self.turn(worker, held, mates))),
                Step::Answered(along) => return Ok(Outcome::Along(along)),
                // Only the asker takes a step away, and it has left by then.
                Step::Over => return Err(Full),
            }
            step = ticket.woken.wait(step).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn turn(&self, worker: Worker, held: Held, mates: Vec<Mate>) -> Turn<'_> {
        Turn { pool: self, worker: Some(worker), held: Some(held), mates, began: self.clock.now() }
    }

    /// Gives a worker that is free to whose turn it is.
    fn pass(&self, state: &mut State, worker: Worker) {
        let Some((ticket, held)) = state.fair.take() else {
            state.free.push(worker);
            return;
        };
        let mates = match &ticket.shared {
            Some(shared) if shared.most > 1 => company(state, shared.key, shared.most - 1),
            _ => Vec::new(),
        };
        ticket.set(Step::Turn(worker, held, mates));
    }

    /// An app that asks no more.
    pub(super) fn forget(&self, app: u64) {
        self.state().fair.forget(app);
    }

    #[cfg(test)]
    pub(super) fn apps(&self) -> usize {
        self.state().fair.apps()
    }

    #[cfg(test)]
    pub(super) fn waiting_of(&self, app: u64) -> usize {
        self.state().fair.waiting_of(app)
    }

    #[cfg(test)]
    pub(super) fn idle(&self) -> bool {
        let state = self.state();
        state.fair.is_empty() && state.free.len() == state.made
    }
}

fn company(state: &mut State, key: usize, most: usize) -> Vec<Mate> {
    let like = |ticket: &Arc<Ticket>| ticket.shared.as_ref().is_some_and(|shared| shared.key == key);
    let taken = state.fair.take_like(most, like);
    taken.into_iter().map(|(ticket, held)| Mate { ticket, held: Some(held) }).collect()
}

impl Ticket {
    fn step(&self) -> MutexGuard<'_, Step> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, step: Step) {
        *self.step() = step;
        self.woken.notify_one();
    }
}

impl Mate {
    /// Takes its inputs, once: so that its asker finds them unused when it has its answer.
    pub(super) fn take_inputs(&self) -> Option<Arc<Vec<Array>>> {
        let shared = self.ticket.shared.as_ref()?;
        shared.inputs.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Turn<'_> {
    /// The worker.
    pub(super) fn worker(&self) -> Worker {
        // It is there until the turn is dropped.
        self.worker.clone().unwrap_or_else(|| Worker::Lane(Arc::new(crate::model::gate::Here)))
    }

    /// Another worker in the place of one that hangs.
    pub(super) fn replace_worker(&mut self) {
        self.worker = Some((self.pool.make)(0));
    }

    /// Jobs to run along.
    pub(super) fn mates(&self) -> &[Mate] {
        &self.mates
    }

    /// Takes in those that wait by now, and waits up to `limit` for more, until there are `most` jobs.
    pub(super) fn gather(&mut self, key: usize, most: usize, limit: Duration) {
        let until = self.pool.clock.now() + limit;
        let mut state = self.pool.state();
        loop {
            let missing = most.saturating_sub(1 + self.mates.len());
            let more = company(&mut state, key, missing);
            self.mates.extend(more);
            let left = until.saturating_sub(self.pool.clock.now());
            if self.mates.len() + 1 >= most || left.is_zero() {
                return;
            }
            state.lingering += 1;
            state = self.pool.company.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.lingering -= 1;
        }
    }

    /// Time since the turn began.
    pub(super) fn used(&self) -> Duration {
        self.pool.clock.now().saturating_sub(self.began)
    }

    /// Tells the jobs run along what became of them, in their order.
    pub(super) fn answer(&mut self, answers: impl IntoIterator<Item = Along>) {
        let share = nanoseconds(self.used()) / (self.mates.len() as u64 + 1);
        let mut answers = answers.into_iter();
        let mates: Vec<Mate> = std::mem::take(&mut self.mates);
        let all = mates.len() as u64;
        let mut state = self.pool.state();
        for mut mate in mates {
            if let Some(held) = mate.held.take() {
                state.fair.charge(held, share);
            }
            if let Some(along) = answers.next() {
                mate.ticket.set(Step::Answered(along));
                // Its own asker is not waiting any more: nothing is said twice.
                continue;
            }
            drop(mate);
        }
        // What the others were charged is not this one's.
        self.began += Duration::from_nanos(share * all);
    }
}

impl Drop for Mate {
    fn drop(&mut self) {
        let mut step = self.ticket.step();
        if matches!(*step, Step::Waiting) {
            *step = Step::Answered(Along {
                outputs: Err(RunError::Failed("the inference it was part of panicked".to_owned())),
                wall: Duration::ZERO,
                cpu: Duration::ZERO,
                batch: 1,
            });
            self.ticket.woken.notify_one();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let used = nanoseconds(self.used());
        let mut state = self.pool.state();
        for mut mate in std::mem::take(&mut self.mates) {
            if let Some(held) = mate.held.take() {
                state.fair.charge(held, 0);
            }
        }
        if let Some(held) = self.held.take() {
            state.fair.charge(held, used);
        }
        if let Some(worker) = self.worker.take() {
            self.pool.pass(&mut state, worker);
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
