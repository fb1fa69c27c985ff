//! One candidate on trial: loaded, asked and timed in a thread that can be given up on.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{join, split};
use super::cell::{Cell, MakeLane, Stopped};
use super::compare::{Apart, compare_all};
use super::report::{Batched, Row, Standing, kind_word};
use super::{Candidate, Doing, Patience, Question};
use crate::base::Clock;
use crate::model::backend::{DeviceKind, RunError, Session};
use crate::model::tensor::Array;

pub(super) struct Trial {
    pub(super) candidate: Candidate,
    /// None where it does not load, or is out of the running.
    pub(super) session: Option<Arc<dyn Session>>,
    pub(super) row: Row,
    /// Whether a thread had to be given up on.
    pub(super) hung: bool,
    question: Question,
    patience: Patience,
    doing: Doing,
    cell: Cell,
}

/// How often, and how far apart, one that has too much to do is asked again.
const AGAIN: (usize, Duration) = (20, Duration::from_millis(100));
/// Runs before timing.
const WARM_UP: usize = 2;
/// Runs timed in one turn, of a model that takes no longer than this.
const TURN: usize = 4;
const SHORT: Duration = Duration::from_millis(30);
/// Fewest runs timed, however long they take.
const FEWEST: usize = 3;
/// Pictures at once.
const BATCHES: [usize; 4] = [1, 2, 4, 8];

impl Trial {
    pub(super) fn start(
        candidate: Candidate,
        question: &Question,
        patience: Patience,
        lanes: &MakeLane,
        doing: &Doing,
    ) -> Trial {
        let device = candidate.backend.device().clone();
        let row = Row {
            backend: device.backend.to_owned(),
            version: device.version,
            kind: kind_word(device.kind).to_owned(),
            device: device.name,
            standing: Standing::Untried,
            chosen: false,
            load_ms: None,
            max_error: None,
            max_difference: None,
            bound: candidate.precision.bound(),
            median_ms: None,
            p95_ms: None,
            runs: 0,
            memory_bytes: None,
            batches: Vec::new(),
            reason: String::new(),
        };
        let cell = Cell::start("model-trial", lanes);
        // Tried only where it is asked for; then it is to be waited for.
        let patience = match candidate.backend.device().kind {
            DeviceKind::SoftwareGpu => {
                Patience { load: patience.load * 5, run: patience.run * 10, ..patience }
            }
            _ => patience,
        };
        Trial {
            candidate,
            session: None,
            row,
            hung: false,
            question: question.clone(),
            patience,
            doing: Arc::clone(doing),
            cell,
        }
    }

    /// Takes it out of the running.
    pub(super) fn leave(&mut self, standing: Standing, reason: &str) {
        self.session = None;
        self.row.standing = standing;
        reason.clone_into(&mut self.row.reason);
    }

    /// It gave a wrong answer.
    pub(super) fn wrong(&mut self, why: &str, error: Option<f64>) {
        self.row.max_error = error.filter(|error| error.is_finite());
        self.leave(Standing::Wrong, why);
    }

    /// It gave a right answer, so far off.
    pub(super) fn apart(&mut self, apart: Apart) {
        let most = |known: Option<f64>, now: f64| Some(known.map_or(now, |known| known.max(now)));
        self.row.standing = Standing::Agrees;
        self.row.max_error = most(self.row.max_error, apart.relative);
        self.row.max_difference = most(self.row.max_difference, apart.absolute);
    }

    pub(super) fn load(&mut self) {
        let (candidate, question) = (self.candidate.clone(), self.question.clone());
        let clock = Clock::system();
        (self.doing)(&self.row.label());
        let loaded = self.cell.call(self.patience.load, move || {
            let session = candidate.backend.load(&question.source())?;
            Ok::<Arc<dyn Session>, String>(Arc::from(session))
        });
        let took = clock.now();
        match loaded {
            Ok(Ok(session)) => {
                self.row.load_ms = Some(milliseconds(took));
                self.row.memory_bytes = Some(session.memory());
                self.session = Some(session);
            }
            Ok(Err(why)) => self.leave(Standing::Refused, &why),
            Err(stopped) => self.stopped(&stopped, "load", self.patience.load),
        }
    }

    fn stopped(&mut self, stopped: &Stopped, what: &str, limit: Duration) {
        let reason = match stopped {
            Stopped::Panicked(said) => format!("to {what} it panicked: {said}"),
            Stopped::TimedOut => {
                self.hung = true;
                format!("it took longer than {limit:?} to {what}")
            }
            Stopped::Gone => "there is no thread for it".to_owned(),
        };
        let standing =
            if matches!(stopped, Stopped::Panicked(_)) { Standing::Refused } else { Standing::Lost };
        self.leave(standing, &reason);
    }

    /// Whether it says that it takes several pictures at once. It may run some to find out.
    pub(super) fn batches(&self) -> bool {
        let Some(session) = self.session.clone() else { return false };
        (self.doing)(&self.row.label());
        self.cell.call(self.patience.run, move || session.batches()).unwrap_or(false)
    }

    /// Its answer, and how long it took; where there is none it is out of the running.
    pub(super) fn run(&mut self, inputs: &Arc<Vec<Array>>, what: &str) -> Option<(Vec<Array>, Duration)> {
        let session = self.session.clone()?;
        (self.doing)(&self.row.label());
        for attempt in 0.. {
            let (session, inputs) = (Arc::clone(&session), Arc::clone(inputs));
            let done = self.cell.call(self.patience.run, move || {
                let given: Vec<&Array> = inputs.iter().collect();
                let clock = Clock::system();
                let outputs = session.run(&given);
                (outputs, clock.now())
            });
            match done {
                Ok((Ok(outputs), took)) => return Some((outputs, took)),
                Ok((Err(RunError::Failed(why)), _)) => {
                    self.leave(Standing::Refused, &format!("{what}: {why}"));
                }
                Ok((Err(RunError::Lost(why)), _)) => self.leave(Standing::Lost, &format!("{what}: {why}")),
                Ok((Err(RunError::Busy(_)), _)) if attempt < AGAIN.0 => {
                    std::thread::sleep(AGAIN.1);
                    continue;
                }
                Ok((Err(RunError::Busy(why)), _)) => {
                    self.leave(Standing::Lost, &format!("{what}: it has too much to do: {why}"));
                }
                Err(stopped) => self.stopped(&stopped, &format!("answer {what}"), self.patience.run),
            }
            break;
        }
        None
    }

    /// Times several pictures at once, each answer compared with the one it gives alone. That it does not run
    /// eight costs it nothing else: one that is truly lost is found out when it is next asked.
    pub(super) fn time_batches(&mut self, question: &Question, clock: &Clock) -> Result<(), String> {
        let before = (self.session.clone(), self.row.standing, self.row.reason.clone());
        let timed = self.try_batches(question, clock);
        if timed.is_err() {
            (self.session, self.row.standing, self.row.reason) = before;
        }
        timed
    }

    fn try_batches(&mut self, question: &Question, clock: &Clock) -> Result<(), String> {
        let probes = question.probes();
        let mut alone = Vec::new();
        for probe in &probes {
            let inputs = Arc::new(probe.inputs(&question.inputs, &question.fills));
            let (outputs, _) = self.run(&inputs, &probe.name).ok_or("it was lost on the way")?;
            alone.push((inputs, outputs));
        }
        let mut batches = Vec::new();
        for pictures in BATCHES {
            let asked = || alone.iter().cycle().take(pictures);
            let inputs: Vec<&[Array]> = asked().map(|(inputs, _)| inputs.as_slice()).collect();
            let joined = join(&inputs).ok_or("its inputs have no first axis to join them along")?;
            let joined = Arc::new(joined);
            let many = format!("{pictures} pictures at once");
            let (outputs, _) = self.run(&joined, &many).ok_or_else(|| self.row.reason.clone())?;
            let answers = split(outputs, pictures).ok_or("its outputs do not grow with its inputs")?;
            for ((_, wants), has) in asked().zip(&answers) {
                compare_all(&question.outputs, wants, has, self.candidate.precision).map_err(|differs| {
                    format!("{many}, it answers otherwise than of each alone: {}", differs.why)
                })?;
            }
            let (mut times, began) = (Vec::new(), clock.now());
            while times.len() < FEWEST || (times.len() < 10 && clock.now() - began < self.patience.timing / 2)
            {
                let (_, took) = self.run(&joined, &many).ok_or("it was lost on the way")?;
                times.push(took);
            }
            batches.push(Batched { pictures, median_ms: quantile(&mut times, 0.5) });
        }
        self.row.batches = batches;
        Ok(())
    }
}

/// Times all that are still in the running, in turns, so that what else the machine does hits all alike.
pub(super) fn time(trials: &mut [Trial], inputs: &Arc<Vec<Array>>, patience: Patience) {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); trials.len()];
    let mut spent = vec![Duration::ZERO; trials.len()];
    let mut shortest = vec![Duration::MAX; trials.len()];
    let most = patience.runs.max(FEWEST);
    for _ in 0..most {
        for (index, trial) in trials.iter_mut().enumerate() {
            let (timed, long) = (times[index].len(), spent[index] >= patience.timing);
            if trial.session.is_none() || timed >= most || (timed >= FEWEST && long) {
                continue;
            }
            // The others have emptied the caches since its last turn, as none of them will where it runs alone.
            // One that takes long does not notice.
            let short = shortest[index] < SHORT;
            let untimed = if timed == 0 { WARM_UP } else { usize::from(short) };
            for run in 0..untimed + if short { TURN } else { 1 } {
                // One that takes seconds was warmed up by the probes.
                if run < untimed && long {
                    continue;
                }
                let Some((_, took)) = trial.run(inputs, "the timing") else { break };
                spent[index] += took;
                shortest[index] = shortest[index].min(took);
                if run >= untimed {
                    times[index].push(took);
                }
            }
        }
    }
    for (trial, times) in trials.iter_mut().zip(&mut times) {
        if let (Some(session), false) = (&trial.session, times.is_empty()) {
            trial.row.runs = times.len();
            trial.row.median_ms = Some(quantile(times, 0.5));
            trial.row.p95_ms = Some(quantile(times, 0.95));
            trial.row.memory_bytes = Some(session.memory());
        }
    }
}

/// The value below which a part of the times lie, in milliseconds.
fn quantile(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    let at = (times.len() as f64 * part).ceil() as usize;
    times.get(at.saturating_sub(1)).copied().map_or(0.0, milliseconds)
}

/// With no more digits than a clock has.
fn milliseconds(time: Duration) -> f64 {
    (time.as_nanos() as f64 / 100.0).round() / 10_000.0
}
