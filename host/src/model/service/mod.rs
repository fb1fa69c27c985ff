//! Where inference runs: the workers of each device, shared fairly between apps by the time they use.
//! Knows nothing of pixels and read-outs: a closure of the asker's fills the inputs, tensors come back.
//!
//! The processor has as many one-thread workers as cores, shared by all models. One thread an inference, not
//! many: on two cores, FastestDet on two threads took 0.7 of the time of one thread and 1.4 times its CPU, and
//! video has other work for the second core. Every other device has one worker, and its inputs are prepared by
//! the processor's, so that a graphics card does not wait for pixels.
//!
//! Queues are bounded: an app has at most [`Limits::waiting`] jobs waiting at a device. The next is refused
//! ([`Refusal::Busy`]) and counted ([`AppReport::refused`]).

mod fair;
mod pool;
mod runner;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;

use super::backend::{Device, RunError, Session};
use super::gate::{Cell, Here, MakeLane, Stopped, join, split};
use super::tensor::Array;
use crate::base::{Clock, panic_message, thread_cpu};
use pool::{Along, Mate, Outcome, Pool, Shared, Turn, Worker};
pub(in crate::model) use runner::{BackOff, Runner};
use runner::{Pick, apart};

/// What the service allows.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Limits {
    /// Inferences on the processor at once.
    pub(in crate::model) lanes: usize,
    /// Jobs an app may have waiting at a device.
    pub(in crate::model) waiting: usize,
    /// Longest inference on a device apart; a longer one means that the device is lost.
    pub(in crate::model) run: Duration,
    /// Longest that a job waits for others to be run with; zero: it takes those along that wait already.
    pub(in crate::model) company: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            lanes: std::thread::available_parallelism().map_or(1, usize::from),
            waiting: 64,
            run: Duration::from_secs(10),
            company: Duration::ZERO,
        }
    }
}

/// All workers of the process.
pub(in crate::model) struct Service {
    processor: Pool,
    devices: Mutex<HashMap<Device, Arc<Pool>>>,
    limits: Limits,
    clock: Clock,
    apps: Mutex<Vec<Weak<Account>>>,
    next: AtomicU64,
}

/// Who asks. Time is shared fairly between apps, however many threads ask for each. Cheap to clone.
#[derive(Clone)]
pub(in crate::model) struct App(Arc<Account>);

struct Account {
    id: u64,
    name: String,
    weight: u32,
    service: Weak<Service>,
    jobs: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    batched: AtomicU64,
    used_ns: AtomicU64,
    waited_ns: AtomicU64,
}

/// What an app has used so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppReport {
    /// The app's name.
    pub name: String,
    /// Inferences answered.
    pub jobs: u64,
    /// Those that gave an error.
    pub failed: u64,
    /// Those turned away because too many waited.
    pub refused: u64,
    /// Those answered that were run together with others.
    pub batched: u64,
    /// Time of workers used, in microseconds: preparing and inference, its share of one run with others.
    pub used_us: u64,
    /// Time waited for a worker, in microseconds.
    pub waited_us: u64,
}

/// An answer, and what it cost.
#[derive(Debug)]
pub(in crate::model) struct Answer<P> {
    /// In the order of the outputs that were asked for.
    pub(in crate::model) outputs: Vec<Array>,
    /// What ran it.
    #[cfg(test)]
    pub(in crate::model) device: Device,
    /// What preparing gave.
    pub(in crate::model) prepared: P,
    /// Time of the inference; its share of one run with others.
    pub(in crate::model) wall: Duration,
    /// Time of the processor that the worker's thread used for it, likewise.
    pub(in crate::model) cpu: Duration,
    /// Pictures in the inference.
    pub(in crate::model) batch: usize,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) enum Refusal<E> {
    /// The inputs could not be prepared.
    Unprepared(E),
    /// There is too much to do; a later question may be answered.
    Busy(String),
    /// The inference failed.
    Failed(String),
}

/// An inference done, by whomever.
struct Done {
    outputs: Result<Vec<Array>, RunError>,
    wall: Duration,
    cpu: Duration,
    batch: usize,
}

impl Service {
    /// A service whose inferences on the processor run in lanes of `lanes`.
    pub(in crate::model) fn new(limits: Limits, lanes: MakeLane) -> Arc<Service> {
        let clock = Clock::system();
        let make = Box::new(move |_| Worker::Lane(Arc::from(lanes())));
        Arc::new(Service {
            processor: Pool::new(limits.lanes, limits.waiting, clock, make),
            devices: Mutex::default(),
            limits,
            clock,
            apps: Mutex::default(),
            next: AtomicU64::new(0),
        })
    }

    /// One more who asks. An app of weight 2 may use twice the time of one of weight 1 where both want more.
    pub(in crate::model) fn app(self: &Arc<Self>, name: &str, weight: u32) -> App {
        let account = Arc::new(Account {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            name: name.to_owned(),
            weight: weight.max(1),
            service: Arc::downgrade(self),
            jobs: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            batched: AtomicU64::new(0),
            used_ns: AtomicU64::new(0),
            waited_ns: AtomicU64::new(0),
        });
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.retain(|app| app.strong_count() > 0);
        apps.push(Arc::downgrade(&account));
        App(account)
    }

    /// What each app has used so far.
    #[cfg(test)]
    pub(in crate::model) fn report(&self) -> Vec<AppReport> {
        let apps: Vec<Arc<Account>> = self
            .apps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        apps.iter().map(|account| account.report()).collect()
    }

    /// Answers a question of `app` to a model. `prepare` fills the inputs, which hold those of some earlier
    /// question, in a worker of the processor. The calling thread waits; a panic of `prepare` or of a back
    /// end is an error here.
    pub(in crate::model) fn ask<P: Send, E: Send>(
        &self,
        app: &App,
        runner: &Runner,
        prepare: impl FnOnce(&mut [Array]) -> Result<P, E> + Send,
    ) -> Result<Answer<P>, Refusal<E>> {
        let mut inputs = runner.blank();
        let answer = self.ask_with(&app.0, runner, &mut inputs, prepare);
        runner.give_back(inputs);
        let counter = match &answer {
            Ok(answer) => {
                app.0.batched.fetch_add(u64::from(answer.batch > 1), Ordering::Relaxed);
                &app.0.jobs
            }
            Err(Refusal::Busy(_)) => &app.0.refused,
            Err(_) => &app.0.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn ask_with<P: Send, E: Send>(
        &self,
        app: &Account,
        runner: &Runner,
        inputs: &mut Arc<Vec<Array>>,
        prepare: impl FnOnce(&mut [Array]) -> Result<P, E> + Send,
    ) -> Result<Answer<P>, Refusal<E>> {
        let gap = runner.asked();
        let mut prepare = Some(prepare);
        let mut prepared = None;
        let mut waited = Duration::ZERO;
        loop {
            let pick = runner.pick().map_err(Refusal::Failed)?;
            let best = pick.batching.map_or(1, |batching| batching.best);
            let mut done = None;
            if prepared.is_none() {
                // Preparing and inference are one turn, unless the inference is another worker's or may be
                // run with others, whose inputs must be ready when they queue.
                let here = !apart(&pick.device) && best == 1;
                let mut lane = || -> Result<P, Refusal<E>> {
                    let memory = Arc::get_mut(inputs).ok_or_else(|| broken("its memory is in use"))?;
                    let prepare = prepare.take().ok_or_else(|| broken("it was prepared already"))?;
                    let made = prepare(memory).map_err(Refusal::Unprepared)?;
                    if here {
                        done = Some(run_here(&pick, inputs));
                    }
                    Ok(made)
                };
                let (made, wait) = self.in_lane(app, &mut lane)?;
                waited += wait;
                prepared = Some(made?);
            }
            let done = match done {
                Some(done) => done,
                None => {
                    self.infer(app, &pick, inputs, best, gap, &mut waited).map_err(|()| self.full(app))?
                }
            };
            match done.outputs {
                Ok(outputs) => {
                    let Some(prepared) = prepared else { return Err(broken("it was not prepared")) };
                    let Done { wall, cpu, batch, .. } = done;
                    return Ok(Answer {
                        outputs,
                        prepared,
                        #[cfg(test)]
                        device: pick.device,
                        wall,
                        cpu,
                        batch,
                    });
                }
                Err(RunError::Busy(why)) => return Err(Refusal::Busy(why)),
                Err(RunError::Lost(why)) => runner.lost(&pick, &why),
                Err(RunError::Failed(why)) => return Err(Refusal::Failed(why)),
            }
        }
    }

    fn full<E>(&self, app: &Account) -> Refusal<E> {
        let Limits { waiting, .. } = self.limits;
        Refusal::Busy(format!("app `{}` has {waiting} inferences waiting, as many as may", app.name))
    }

    /// Has `work` done in a lane of the processor; with it, how long it waited for one.
    fn in_lane<T: Send, E>(
        &self,
        app: &Account,
        work: &mut (dyn FnMut() -> T + Send),
    ) -> Result<(T, Duration), Refusal<E>> {
        let asked = self.clock.now();
        let outcome = self.processor.wait(app.id, app.weight, None).map_err(|_| self.full(app))?;
        let waited = self.clock.now().saturating_sub(asked);
        app.wait(waited);
        let Outcome::Turn(turn) = outcome else { return Err(broken("it was answered before it was asked")) };
        let done = enter(&turn.worker(), work);
        app.use_up(turn.used());
        drop(turn);
        let done = done.map_err(|panic| Refusal::Failed(format!("inference panicked: {panic}")))?;
        Ok((done, waited))
    }

    /// An inference whose inputs are ready.
    fn infer(
        &self,
        app: &Account,
        pick: &Pick,
        inputs: &Arc<Vec<Array>>,
        best: usize,
        gap: Duration,
        waited: &mut Duration,
    ) -> Result<Done, ()> {
        let own;
        let pool = if apart(&pick.device) {
            own = self.pool(pick);
            &*own
        } else {
            &self.processor
        };
        let asked = self.clock.now();
        let shared = Shared { key: pick.key, inputs: Mutex::new(Some(Arc::clone(inputs))), most: best };
        let outcome = pool.wait(app.id, app.weight, (best > 1).then_some(shared)).map_err(|_| ())?;
        let wait = self.clock.now().saturating_sub(asked);
        let mut turn = match outcome {
            Outcome::Turn(turn) => turn,
            Outcome::Along(Along { outputs, wall, cpu, batch }) => {
                // What it waited includes the inference, which is not waiting.
                let wait = wait.saturating_sub(wall.saturating_mul(u32::try_from(batch).unwrap_or(1)));
                *waited += wait;
                app.wait(wait);
                app.use_up(wall);
                return Ok(Done { outputs, wall, cpu, batch });
            }
        };
        *waited += wait;
        app.wait(wait);
        if let Some(limit) = self.company(pick, best, turn.mates().len() + 1, gap) {
            turn.gather(pick.key, best, limit);
        }
        let done = self.run_turn(&mut turn, pick, inputs);
        app.use_up(turn.used());
        Ok(done)
    }

    /// How long it is worth waiting for more company: while one is expected sooner than what it saves.
    fn company(&self, pick: &Pick, best: usize, have: usize, gap: Duration) -> Option<Duration> {
        let missing = u32::try_from(best.checked_sub(have)?).unwrap_or(u32::MAX);
        let batching = pick.batching.as_ref()?;
        let saves = Duration::from_secs_f64((batching.alone_ms - batching.each_ms).max(0.0) / 1000.0);
        let limit = self.limits.company.min(gap.saturating_mul(missing));
        (gap < saves && gap <= self.limits.company && !limit.is_zero()).then_some(limit)
    }

    /// Runs a job and those along with it, and answers the latter.
    fn run_turn(&self, turn: &mut Turn<'_>, pick: &Pick, inputs: &Arc<Vec<Array>>) -> Done {
        let mut questions = vec![Arc::clone(inputs)];
        questions.extend(turn.mates().iter().filter_map(Mate::take_inputs));
        let many = questions.len();
        let (together, wall, cpu) = self.run_together(turn, pick, questions.clone());
        let together = match together {
            // The inputs of one may spoil it for all; each is asked alone.
            Err(RunError::Failed(_)) if many > 1 => None,
            Err(error) => Some(vec![Err(error); many]),
            Ok(answers) => Some(answers.into_iter().map(Ok).collect()),
        };
        let share = |time: Duration| time / u32::try_from(many).unwrap_or(1);
        let mut all: Vec<Done> = match together {
            Some(answers) => {
                drop(questions);
                let each = |outputs| Done { outputs, wall: share(wall), cpu: share(cpu), batch: many };
                answers.into_iter().map(each).collect()
            }
            None => questions
                .into_iter()
                .map(|question| {
                    let (answer, wall, cpu) = self.run_together(turn, pick, vec![question]);
                    let outputs = answer.and_then(|mut answers| {
                        answers.pop().ok_or_else(|| RunError::Failed("it gave no answer".to_owned()))
                    });
                    Done { outputs, wall, cpu, batch: 1 }
                })
                .collect(),
        };
        let rest = all.split_off(1.min(all.len()));
        let along = |Done { outputs, wall, cpu, batch, .. }: Done| Along { outputs, wall, cpu, batch };
        turn.answer(rest.into_iter().map(along));
        all.pop().unwrap_or_else(|| Done {
            outputs: Err(RunError::Failed("it gave no answer".to_owned())),
            wall,
            cpu,
            batch: 1,
        })
    }

    /// One inference of several questions, in the turn's worker.
    fn run_together(
        &self,
        turn: &mut Turn<'_>,
        pick: &Pick,
        questions: Vec<Arc<Vec<Array>>>,
    ) -> (Result<Vec<Vec<Array>>, RunError>, Duration, Duration) {
        let (session, clock) = (Arc::clone(&pick.session), self.clock);
        let work = move || {
            let (wall, cpu) = (clock.now(), thread_cpu());
            let answers = run_questions(&*session, &questions);
            // Let go before the answer is out, so that its asker finds its memory unused.
            drop(questions);
            (answers, clock.now().saturating_sub(wall), thread_cpu().saturating_sub(cpu))
        };
        let lost = |why: String| (Err(RunError::Lost(why)), Duration::ZERO, Duration::ZERO);
        match turn.worker() {
            worker @ Worker::Lane(_) => {
                let mut work = Some(work);
                match enter(&worker, &mut || work.take().map(|work| work())) {
                    Ok(Some(done)) => done,
                    Ok(None) => lost("its worker is gone".to_owned()),
                    Err(panic) => lost(format!("it panicked: {panic}")),
                }
            }
            Worker::Cell(cell) => match cell.call(self.limits.run, work) {
                Ok(done) => done,
                Err(Stopped::Panicked(panic)) => lost(format!("it panicked: {panic}")),
                Err(stopped) => {
                    turn.replace_worker();
                    lost(match stopped {
                        Stopped::TimedOut => format!("it gave no answer in {:?}", self.limits.run),
                        _ => "its worker is gone".to_owned(),
                    })
                }
            },
        }
    }

    /// The workers of a device apart: as many as it takes inferences at once.
    fn pool(&self, Pick { device, session, .. }: &Pick) -> Arc<Pool> {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = devices.get(device) {
            return Arc::clone(pool);
        }
        let name = device.backend;
        let lanes: MakeLane = Arc::new(|| Box::new(Here));
        let make = Box::new(move |_| Worker::Cell(Arc::new(Cell::start(&format!("model-{name}"), &lanes))));
        let pool = Arc::new(Pool::new(session.at_once(), self.limits.waiting, self.clock, make));
        devices.insert(device.clone(), Arc::clone(&pool));
        pool
    }
}

/// A fault of this module's own, which would rather be an error than a panic.
fn broken<E>(why: &str) -> Refusal<E> {
    Refusal::Failed(format!("a fault in the model service: {why}"))
}

/// Has `work` done by a worker that may borrow; what a panic said where it panicked.
fn enter<T: Send>(worker: &Worker, work: &mut (dyn FnMut() -> T + Send)) -> Result<T, String> {
    let Worker::Lane(lane) = worker else { return Err("it needs a lane".to_owned()) };
    let mut done = None;
    // Caught inside the lane: what a lane does with a panic is its own affair.
    lane.run(&mut || {
        let caught = catch_unwind(AssertUnwindSafe(&mut *work));
        done = Some(caught.map_err(|panic| panic_message(&*panic).to_owned()));
    });
    done.unwrap_or_else(|| Err("its worker did nothing".to_owned()))
}

/// One inference on the thread it is called on.
fn run_here(pick: &Pick, inputs: &[Array]) -> Done {
    let (clock, cpu) = (Clock::system(), thread_cpu());
    let given: Vec<&Array> = inputs.iter().collect();
    // A back end that panics has broken its word: what it says from then on is not to be trusted.
    let outputs = catch_unwind(AssertUnwindSafe(|| pick.session.run(&given)))
        .unwrap_or_else(|panic| Err(RunError::Lost(format!("it panicked: {}", panic_message(&*panic)))));
    let (wall, cpu) = (clock.now(), thread_cpu().saturating_sub(cpu));
    Done { outputs, wall, cpu, batch: 1 }
}

/// One inference of several questions; their answers in their order.
fn run_questions(session: &dyn Session, questions: &[Arc<Vec<Array>>]) -> Result<Vec<Vec<Array>>, RunError> {
    if let [one] = questions {
        let given: Vec<&Array> = one.iter().collect();
        return session.run(&given).map(|outputs| vec![outputs]);
    }
    let failed = |why: &str| RunError::Failed(why.to_owned());
    let parts: Vec<&[Array]> = questions.iter().map(|question| question.as_slice()).collect();
    let joined = join(&parts).ok_or_else(|| failed("inputs of several questions do not fit together"))?;
    let given: Vec<&Array> = joined.iter().collect();
    let outputs = session.run(&given)?;
    split(outputs, questions.len()).ok_or_else(|| failed("outputs of several questions cannot be told apart"))
}

impl App {
    /// What it has used so far.
    pub(in crate::model) fn report(&self) -> AppReport {
        self.0.report()
    }
}

impl Account {
    fn wait(&self, time: Duration) {
        self.waited_ns.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn use_up(&self, time: Duration) {
        self.used_ns.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn report(&self) -> AppReport {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AppReport {
            name: self.name.clone(),
            jobs: count(&self.jobs),
            failed: count(&self.failed),
            refused: count(&self.refused),
            batched: count(&self.batched),
            used_us: count(&self.used_ns) / 1000,
            waited_us: count(&self.waited_ns) / 1000,
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Some(service) = self.service.upgrade() else { return };
        service.processor.forget(self.id);
        for pool in service.devices.lock().unwrap_or_else(PoisonError::into_inner).values() {
            pool.forget(self.id);
        }
    }
}
