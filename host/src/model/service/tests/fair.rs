use std::collections::{BTreeMap, HashMap};

use crate::model::service::fair::{Fair, Held};

const MS: u64 = 1_000_000;

/// Workers that serve a queue, by a clock that only the test moves.
struct Played {
    fair: Fair<(u64, u64)>,
    now: u64,
    workers: usize,
    /// Jobs under way, by when they end.
    running: BTreeMap<(u64, usize), (u64, u64, Held)>,
    used: HashMap<u64, u64>,
    /// Which app's job started when.
    started: Vec<(u64, u64)>,
    serial: usize,
}

impl Played {
    fn new(workers: usize) -> Self {
        let (running, used) = (BTreeMap::new(), HashMap::new());
        Played { fair: Fair::new(), now: 0, workers, running, used, started: Vec::new(), serial: 0 }
    }

    fn push(&mut self, app: u64, weight: u32, takes: u64) {
        self.fair.push(app, weight, (app, takes));
    }

    fn start(&mut self) {
        while self.running.len() < self.workers
            && let Some(((app, takes), held)) = self.fair.take()
        {
            self.serial += 1;
            self.started.push((app, self.now));
            self.running.insert((self.now + takes, self.serial), (app, takes, held));
        }
    }

    /// Ends the job that ends next; its app.
    fn end(&mut self) -> Option<u64> {
        let ((at, _), (app, takes, held)) = self.running.pop_first()?;
        self.now = at;
        self.fair.charge(held, takes);
        *self.used.entry(app).or_default() += takes;
        Some(app)
    }
}

/// Apps that always have `threads` jobs waiting or running each: (app, weight, threads, time of a job).
fn play(workers: usize, apps: &[(u64, u32, usize, u64)], until: u64) -> Played {
    let mut played = Played::new(workers);
    for (app, weight, threads, takes) in apps {
        for _ in 0..*threads {
            played.push(*app, *weight, *takes);
        }
    }
    while played.now < until {
        played.start();
        let Some(app) = played.end() else { break };
        let (_, weight, _, takes) = apps.iter().find(|known| known.0 == app).unwrap();
        played.push(app, *weight, *takes);
    }
    played
}

#[test]
fn short_and_long_jobs_get_equal_time() {
    for workers in [1, 2, 4] {
        let played = play(workers, &[(1, 1, 32, 10 * MS), (2, 1, 32, MS)], 10_000 * MS);
        let (long, short) = (played.used[&1] as f64, played.used[&2] as f64);
        assert!((long / short - 1.0).abs() < 0.02, "{workers} workers: {long} against {short}");
        assert!(long + short > 9_900.0 * MS as f64 * workers as f64);
    }
}

#[test]
fn more_threads_do_not_give_more_time() {
    let played = play(2, &[(1, 1, 1000, 5 * MS), (2, 1, 4, 5 * MS), (3, 1, 4, 5 * MS)], 10_000 * MS);
    for app in [1, 2, 3] {
        let share = played.used[&app] as f64 / (20_000.0 * MS as f64);
        assert!((share - 1.0 / 3.0).abs() < 0.01, "{app}: {share}");
    }
}

#[test]
fn weights_share_time_out() {
    let played = play(1, &[(1, 3, 8, 7 * MS), (2, 1, 8, 2 * MS)], 10_000 * MS);
    let ratio = played.used[&1] as f64 / played.used[&2] as f64;
    assert!((ratio - 3.0).abs() < 0.1, "{ratio}");
}

#[test]
fn a_flood_delays_another_app_by_one_job_a_worker() {
    for workers in [1, 2, 4] {
        let mut played = Played::new(workers);
        for _ in 0..10_000 {
            played.push(1, 1, 10 * MS);
        }
        played.start();
        for round in 0..500 {
            // Some time into the flood, a single job of another.
            for _ in 0..round % 7 {
                played.end();
                played.start();
            }
            let asked = played.now;
            played.push(2, 1, MS);
            let before = played.started.len();
            while !played.started[before..].iter().any(|(app, _)| *app == 2) {
                played.end();
                played.start();
            }
            let others = played.started[before..].iter().filter(|(app, _)| *app == 1).count();
            assert!(others <= workers, "{workers} workers, round {round}: {others} jobs went before");
            assert!(played.now - asked <= 10 * MS);
        }
    }
}

#[test]
fn an_idle_app_gathers_no_credit() {
    let mut played = Played::new(1);
    // The other asked a little once, and then not for a long time.
    played.push(2, 1, 1);
    for _ in 0..1000 {
        played.push(1, 1, 10 * MS);
    }
    for _ in 0..500 {
        played.start();
        played.end();
    }
    for _ in 0..1000 {
        played.push(2, 1, MS);
    }
    let (from, before) = (played.now, played.used[&2]);
    while played.now < from + 1000 * MS {
        played.start();
        played.end();
    }
    let used = played.used[&2] - before;
    assert!((480 * MS..=520 * MS).contains(&used), "{used}");
}

#[test]
fn a_job_far_longer_than_expected_is_paid_back() {
    let mut played = Played::new(1);
    played.push(1, 1, 1000 * MS);
    played.start();
    for _ in 0..2000 {
        played.push(1, 1, MS);
        played.push(2, 1, MS);
    }
    played.end();
    // Now the other has a second to itself, less what a turn is.
    for _ in 0..990 {
        played.start();
        assert_eq!(played.end(), Some(2));
    }
}

#[test]
fn apps_that_are_gone_leave_nothing() {
    let mut fair: Fair<u8> = Fair::new();
    let held = fair.start(1, 1);
    fair.push(1, 1, 7);
    fair.forget(1);
    let (job, other) = fair.take().unwrap();
    assert_eq!(job, 7);
    fair.charge(held, 5);
    fair.charge(other, 5);
    assert!(fair.is_empty() && fair.take().is_none());
    assert_eq!(fair.waiting_of(1), 0);
    assert_eq!(fair.apps(), 0);
}

#[test]
fn jobs_alike_are_taken_across_apps_in_turn() {
    let mut fair: Fair<(u64, &str)> = Fair::new();
    for app in [1, 2, 3] {
        for what in ["a", "b", "a", "b"] {
            fair.push(app, 1, (app, what));
        }
    }
    let taken: Vec<u64> = fair
        .take_like(5, |job| job.1 == "b")
        .into_iter()
        .map(|(job, held)| {
            fair_charge(held);
            job.0
        })
        .collect();
    assert_eq!(taken, [1, 2, 3, 1, 2]);
    assert_eq!(fair.take_like(5, |job| job.1 == "b").len(), 1);
    assert_eq!([1, 2, 3].map(|app| fair.waiting_of(app)), [2, 2, 2]);
    let all = fair.take_like(100, |_| true).len();
    assert_eq!(all, 6);
    assert!(fair.take().is_none());
}

/// What is held back stays held: the jobs of this test never end.
fn fair_charge(_: Held) {}

#[test]
fn workers_that_are_free_at_once_are_shared() {
    let mut played = Played::new(4);
    for app in [1, 2] {
        for _ in 0..8 {
            played.push(app, 1, 10 * MS);
        }
    }
    played.start();
    let of = |app| played.started.iter().filter(|(other, _)| *other == app).count();
    assert_eq!((of(1), of(2)), (2, 2));
}

#[test]
fn what_was_held_back_for_nothing_is_no_credit() {
    let mut fair: Fair<()> = Fair::new();
    let mut held: Vec<Held> = (0..4).map(|_| fair.start(1, 1)).collect();
    fair.push(1, 1, ());
    held.push(fair.take().unwrap().1);
    for held in held {
        fair.charge(held, 0);
    }
    assert!(fair.account_of(1).unwrap() <= MS as i64);
}
