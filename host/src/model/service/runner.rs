//! A model and the back ends that may run it, the best first. One that is lost is left for the next, so that no
//! frame goes unanswered; it is tried again later and proved again before it is believed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::Clock;
use crate::model::backend::{Device, DeviceKind, Session};
use crate::model::gate::{Again, Batching, Candidate, Ranked, Unproved, Verdict, label};
use crate::model::tensor::{Array, Port};

/// Takes a line for the owner: a back end was lost, or is back.
pub(in crate::model) type Say = Arc<dyn Fn(String) + Send + Sync>;

/// Time after which a lost back end is tried again; twice as long after every try that fails.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct BackOff {
    /// After it was lost.
    pub(in crate::model) first: Duration,
    /// At most.
    pub(in crate::model) longest: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        BackOff { first: Duration::from_secs(30), longest: Duration::from_secs(3_600) }
    }
}

/// A model ready to be asked. Cheap to clone.
#[derive(Clone)]
pub(in crate::model) struct Runner(Arc<Inner>);

struct Inner {
    name: String,
    again: Arc<Again>,
    seats: Mutex<Vec<Seat>>,
    /// Held while a back end is loaded because no other is left.
    loading: Mutex<()>,
    spare: Mutex<Vec<Arc<Vec<Array>>>>,
    back_off: BackOff,
    say: Say,
    clock: Clock,
    losses: AtomicU64,
    /// When it was last asked, and about how long lies between two questions, in nanoseconds.
    asked_ns: AtomicU64,
    gap_ns: AtomicU64,
}

struct Seat {
    candidate: Candidate,
    batching: Option<Batching>,
    session: Option<Arc<dyn Session>>,
    /// Tells one session from another, over all models.
    key: usize,
    lost: Option<Lost>,
}

struct Lost {
    why: String,
    again_at: Duration,
    tries: u32,
    trying: bool,
}

/// The back end to ask now.
pub(super) struct Pick {
    seat: usize,
    pub(super) session: Arc<dyn Session>,
    pub(super) device: Device,
    pub(super) batching: Option<Batching>,
    pub(super) key: usize,
}

/// Memory for inputs kept for the next question.
const SPARE: usize = 32;

fn next_key() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Runner {
    /// The back ends a verdict names, in its order. `say` is told of each loss once.
    pub(in crate::model) fn new(verdict: Verdict, back_off: BackOff, say: Say) -> Self {
        let clock = Clock::system();
        let again_at = clock.now() + back_off.first;
        let seat = |ranked: Ranked| Seat {
            candidate: ranked.candidate,
            batching: ranked.batching,
            session: ranked.session,
            key: next_key(),
            lost: ranked.away.map(|why| Lost { why, again_at, tries: 0, trying: false }),
        };
        Runner(Arc::new(Inner {
            name: verdict.again.question().name.clone(),
            again: verdict.again,
            seats: Mutex::new(verdict.ranked.into_iter().map(seat).collect()),
            loading: Mutex::new(()),
            spare: Mutex::default(),
            back_off,
            say,
            clock,
            losses: AtomicU64::new(0),
            asked_ns: AtomicU64::new(0),
            gap_ns: AtomicU64::new(u64::MAX / 2),
        }))
    }

    /// What runs it now; none where nothing is left.
    pub(in crate::model) fn device(&self) -> Option<Device> {
        let seats = self.0.seats();
        let seat = seats.iter().find(|seat| seat.session.is_some() && seat.lost.is_none());
        seat.map(|seat| seat.candidate.backend.device().clone())
    }

    /// Bytes all loaded sessions hold, and the memory for inputs.
    pub(in crate::model) fn memory(&self) -> u64 {
        // Asked without the lock: one that lives in another process may take its time.
        let sessions: Vec<Arc<dyn Session>> =
            self.0.seats().iter().filter_map(|seat| seat.session.clone()).collect();
        let sessions: u64 = sessions.iter().map(|session| session.memory()).sum();
        let spare = self.0.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let inputs: usize = self.0.again.question().inputs.iter().map(bytes_of).sum();
        sessions + (spare.len() * inputs) as u64
    }

    /// How often a back end was lost.
    pub(in crate::model) fn losses(&self) -> u64 {
        self.0.losses.load(Ordering::Relaxed)
    }

    /// The one to ask: the first that is loaded and not lost. Where none is, the next is loaded and proved
    /// while those who ask wait.
    pub(super) fn pick(&self) -> Result<Pick, String> {
        if let Some(pick) = self.loaded() {
            return Ok(pick);
        }
        let _one = self.0.loading.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(pick) = self.loaded() {
                return Ok(pick);
            }
            let next = {
                let seats = self.0.seats();
                let next = seats.iter().position(|seat| seat.session.is_none() && seat.lost.is_none());
                next.map(|index| (index, seats[index].candidate.clone()))
            };
            let Some((index, candidate)) = next else { return Err(self.nothing_left()) };
            match self.0.again.load(&candidate) {
                Ok(session) => self.0.seats()[index].session = Some(session),
                Err(unproved) => self.0.lose(index, unproved.why, unproved.hung),
            }
        }
    }

    fn nothing_left(&self) -> String {
        let seats = self.0.seats();
        let each = |seat: &Seat| {
            let why = seat.lost.as_ref().map_or("", |lost| lost.why.as_str());
            format!("{}: {why}", label(seat.candidate.backend.device()))
        };
        let reasons: Vec<String> = seats.iter().map(each).collect();
        format!("no back end is left to run model `{}`; {}", self.0.name, reasons.join("; "))
    }

    fn loaded(&self) -> Option<Pick> {
        let mut seats = self.0.seats();
        let (mut found, mut again) = (None, None);
        for (index, seat) in seats.iter_mut().enumerate() {
            match (&mut seat.lost, &seat.session) {
                (Some(lost), _) if again.is_none() && !lost.trying && self.0.clock.now() >= lost.again_at => {
                    lost.trying = true;
                    again = Some((index, seat.candidate.clone()));
                }
                (None, Some(session)) if found.is_none() => {
                    found = Some(Pick {
                        seat: index,
                        session: Arc::clone(session),
                        device: seat.candidate.backend.device().clone(),
                        batching: seat.batching,
                        key: seat.key,
                    });
                }
                _ => {}
            }
        }
        drop(seats);
        if let Some((index, candidate)) = again {
            self.try_again(index, candidate);
        }
        found
    }

    /// Loads and proves a lost back end in a thread of its own: the stream goes on meanwhile.
    fn try_again(&self, index: usize, candidate: Candidate) {
        let inner = Arc::clone(&self.0);
        let retry = move || {
            let loaded = inner.again.load(&candidate);
            let mut seats = inner.seats();
            let Some(seat) = seats.get_mut(index) else { return };
            match loaded {
                Ok(session) => {
                    (seat.session, seat.lost, seat.key) = (Some(session), None, next_key());
                    drop(seats);
                    (inner.say)(format!(
                        "model `{}`: {} is back",
                        inner.name,
                        label(candidate.backend.device())
                    ));
                }
                Err(Unproved { why, hung }) => {
                    if let Some(lost) = &mut seat.lost {
                        lost.tries += 1;
                        let wait = inner.back_off.first.saturating_mul(1 << lost.tries.min(16));
                        let again_at = inner.clock.now() + wait.min(inner.back_off.longest);
                        lost.again_at = if hung { Duration::MAX } else { again_at };
                        (lost.trying, lost.why) = (false, why);
                    }
                }
            }
        };
        if std::thread::Builder::new().name("model-return".to_owned()).spawn(retry).is_err()
            && let Some(Seat { lost: Some(lost), .. }) = self.0.seats().get_mut(index)
        {
            lost.trying = false;
        }
    }

    /// The back end of `pick` is lost.
    pub(super) fn lost(&self, pick: &Pick, why: &str) {
        // Several askers may have been turned away by one loss; it is one loss.
        let same =
            self.0.seats().get(pick.seat).is_some_and(|seat| seat.key == pick.key && seat.lost.is_none());
        if same {
            self.0.lose(pick.seat, why.to_owned(), false);
        }
    }

    /// Memory for inputs; what it holds is of an earlier question.
    pub(super) fn blank(&self) -> Arc<Vec<Array>> {
        let spare = self.0.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let zeros = |port: &Port| Array::zeros(port.element, &port.shape);
        spare.unwrap_or_else(|| Arc::new(self.0.again.question().inputs.iter().map(zeros).collect()))
    }

    /// Gives memory for inputs back; where somebody still reads it, it is let go.
    pub(super) fn give_back(&self, mut inputs: Arc<Vec<Array>>) {
        if Arc::get_mut(&mut inputs).is_some() {
            let mut spare = self.0.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < SPARE {
                spare.push(inputs);
            }
        }
    }

    /// Notes a question; about how long lies between two.
    pub(super) fn asked(&self) -> Duration {
        let now = u64::try_from(self.0.clock.now().as_nanos()).unwrap_or(u64::MAX);
        let before = self.0.asked_ns.swap(now, Ordering::Relaxed);
        let gap = now.saturating_sub(before);
        let known = self.0.gap_ns.load(Ordering::Relaxed);
        // Threads may overwrite each other's step; it is an estimate.
        let known = if known > gap { known - (known - gap) / 4 } else { known + (gap - known) / 4 };
        self.0.gap_ns.store(known, Ordering::Relaxed);
        Duration::from_nanos(known)
    }
}

impl Inner {
    fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, index: usize, why: String, hung: bool) {
        let (said, session) = {
            let mut seats = self.seats();
            let next =
                seats.iter().enumerate().filter(|(other, seat)| *other != index && seat.lost.is_none());
            // A loaded one is asked before one that is not.
            let next = next.min_by_key(|(other, seat)| (seat.session.is_none(), *other));
            let next = next.map(|(_, seat)| label(seat.candidate.backend.device()));
            let Some(seat) = seats.get_mut(index) else { return };
            if seat.lost.is_some() {
                return;
            }
            let said = format!(
                "model `{}`: {} is lost: {why}; {}",
                self.name,
                label(seat.candidate.backend.device()),
                next.map_or_else(
                    || "nothing else is left to run it".to_owned(),
                    |next| format!("{next} goes on in its place")
                )
            );
            let session = seat.session.take();
            let again_at = if hung { Duration::MAX } else { self.clock.now() + self.back_off.first };
            seat.lost = Some(Lost { why, again_at, tries: 0, trying: false });
            (said, session)
        };
        // Without the lock: to end a session may take its time.
        drop(session);
        self.losses.fetch_add(1, Ordering::Relaxed);
        (self.say)(said);
    }
}

/// Whether a device has workers of its own, apart from the processor's.
pub(super) fn apart(device: &Device) -> bool {
    device.kind != DeviceKind::Cpu
}

fn bytes_of(port: &Port) -> usize {
    port.shape.iter().product::<usize>() * port.element.size()
}
