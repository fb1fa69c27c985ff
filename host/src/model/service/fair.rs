//! Whose turn it is: deficit round robin (Shreedhar and Varghese, 1995) by time used instead of bytes sent.
//!
//! Each app has a queue and an account of time. The app at the front is served while its account is above
//! zero; then it goes to the back, and the next one is given its quantum. What a job takes is known only when
//! it is done: until then what the app's jobs usually take is held back from its account, so that an app cannot
//! take every worker at once on credit; then what it really took is charged. An account may fall below zero
//! and is paid back, also by an app that had nothing waiting meanwhile; credit is one quantum at most.
//!
//! A plain structure: no locks, no clock.

use std::collections::{HashMap, VecDeque};

/// Time an app may use before it is the next one's turn, for an app of weight 1. Short against a job, so that
/// turns change with every job; it decides only how many tiny ones an app may do in a row.
const QUANTUM_NS: i64 = 1_000_000;

/// Queues of apps, and whose turn it is.
pub(super) struct Fair<T> {
    apps: HashMap<u64, App<T>>,
    /// Apps with something waiting, the one being served first.
    ring: VecDeque<u64>,
    waiting: usize,
}

struct App<T> {
    waiting: VecDeque<T>,
    quantum_ns: i64,
    account_ns: i64,
    /// What a job of this app has taken, about.
    usual_ns: i64,
    running: usize,
    gone: bool,
}

/// What was held back for a job.
#[derive(Debug)]
#[must_use]
pub(super) struct Held {
    app: u64,
    ns: i64,
}

impl<T> Fair<T> {
    pub(super) fn new() -> Self {
        Fair { apps: HashMap::new(), ring: VecDeque::new(), waiting: 0 }
    }

    fn app(&mut self, id: u64, weight: u32) -> &mut App<T> {
        self.apps.entry(id).or_insert_with(|| App {
            waiting: VecDeque::new(),
            quantum_ns: QUANTUM_NS * i64::from(weight.max(1)),
            account_ns: 0,
            usual_ns: QUANTUM_NS,
            running: 0,
            gone: false,
        })
    }

    /// How many jobs an app has waiting.
    pub(super) fn waiting_of(&self, id: u64) -> usize {
        self.apps.get(&id).map_or(0, |app| app.waiting.len())
    }

    #[cfg(test)]
    pub(super) fn account_of(&self, id: u64) -> Option<i64> {
        self.apps.get(&id).map(|app| app.account_ns)
    }

    /// Apps it knows of.
    #[cfg(test)]
    pub(super) fn apps(&self) -> usize {
        self.apps.len()
    }

    /// Whether nothing waits.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Puts a job at the end of its app's queue.
    pub(super) fn push(&mut self, id: u64, weight: u32, job: T) {
        let app = self.app(id, weight);
        app.waiting.push_back(job);
        let new = app.waiting.len() == 1;
        self.waiting += 1;
        if new {
            self.ring.push_back(id);
        }
    }

    /// A job starts that did not have to wait.
    pub(super) fn start(&mut self, id: u64, weight: u32) -> Held {
        self.app(id, weight);
        self.hold(id)
    }

    fn hold(&mut self, id: u64) -> Held {
        let mut ns = 0;
        if let Some(app) = self.apps.get_mut(&id) {
            ns = app.usual_ns;
            app.account_ns = app.account_ns.saturating_sub(ns);
            app.running += 1;
        }
        Held { app: id, ns }
    }

    /// The job whose turn it is.
    pub(super) fn take(&mut self) -> Option<(T, Held)> {
        let front = *self.ring.front()?;
        if self.apps.get(&front).is_some_and(|app| app.account_ns <= 0) {
            self.ring.rotate_left(1);
            self.credit();
        }
        let id = *self.ring.front()?;
        let job = self.apps.get_mut(&id)?.waiting.pop_front()?;
        self.waiting -= 1;
        let held = self.hold(id);
        self.leave_ring(id);
        Some((job, held))
    }

    /// Gives quanta, as many rounds as it takes until an app may be served, and brings it to the front.
    fn credit(&mut self) {
        let rounds = |app: &App<T>| if app.account_ns > 0 { 0 } else { -app.account_ns / app.quantum_ns + 1 };
        let least = self.ring.iter().filter_map(|id| self.apps.get(id)).map(rounds).min().unwrap_or(0);
        for id in &self.ring {
            if let Some(app) = self.apps.get_mut(id) {
                app.account_ns = app.account_ns.saturating_add(app.quantum_ns.saturating_mul(least));
            }
        }
        for _ in 0..self.ring.len() {
            let may = |id: &u64| self.apps.get(id).is_some_and(|app| app.account_ns > 0);
            if self.ring.front().is_none_or(may) {
                break;
            }
            self.ring.rotate_left(1);
        }
    }

    /// Takes up to `most` waiting jobs that `wanted` picks, one of each app in turn.
    pub(super) fn take_like(&mut self, most: usize, wanted: impl Fn(&T) -> bool) -> Vec<(T, Held)> {
        let mut taken = Vec::new();
        let ids: Vec<u64> = self.ring.iter().copied().collect();
        loop {
            let before = taken.len();
            for id in &ids {
                if taken.len() == most {
                    return taken;
                }
                let Some(app) = self.apps.get_mut(id) else { continue };
                let Some(at) = app.waiting.iter().position(&wanted) else { continue };
                let Some(job) = app.waiting.remove(at) else { continue };
                self.waiting -= 1;
                let held = self.hold(*id);
                taken.push((job, held));
                self.leave_ring(*id);
            }
            if taken.len() == before {
                return taken;
            }
        }
    }

    /// A job is done and took `ns`.
    #[expect(clippy::needless_pass_by_value, reason = "what was held back is settled once")]
    pub(super) fn charge(&mut self, held: Held, ns: u64) {
        let ns = i64::try_from(ns).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        let Some(app) = self.apps.get_mut(&held.app) else { return };
        let account_ns = app.account_ns.saturating_add(held.ns).saturating_sub(ns);
        // Rounds that came while too much was held back are not saved up for later.
        app.account_ns = account_ns.min(app.quantum_ns);
        app.usual_ns += (ns - app.usual_ns) / 4;
        app.running -= 1;
        if app.waiting.is_empty() && app.gone && app.running == 0 {
            self.apps.remove(&held.app);
        }
    }

    /// An app that asks no more.
    pub(super) fn forget(&mut self, id: u64) {
        if let Some(app) = self.apps.get_mut(&id) {
            app.gone = true;
            if app.running == 0 && app.waiting.is_empty() {
                self.apps.remove(&id);
            }
        }
    }

    fn leave_ring(&mut self, id: u64) {
        let Some(app) = self.apps.get_mut(&id) else { return };
        if app.waiting.is_empty() {
            self.ring.retain(|other| *other != id);
        }
    }
}
