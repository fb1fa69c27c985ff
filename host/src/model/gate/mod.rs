//! Decides which back end may run a model. None is believed: every candidate answers the same probes as the
//! reference, those that agree are timed, and the fastest of them wins.
//! Owns the probes, the bounds, the verdicts and their cache. Knows nothing of pixels, read-outs or apps.
//!
//! The reference is the most trusted of those that load the model: onnxruntime on the processor, which
//! defines what most files mean in practice, then rten on the processor, whose operators are checked by the
//! ONNX node tests. Everything else is only ever a candidate.

mod batch;
mod cache;
mod cell;
mod compare;
mod elsewhere;
mod probe;
mod proof;
mod report;
mod trial;

#[cfg(test)]
pub(in crate::model) mod standin;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::backend::{Backend, Device, DeviceKind, Session, Source};
use super::onnx::Graph;
use super::tensor::{Array, Port};
use crate::base::{Clock, Error, Result};
pub(in crate::model) use batch::{Batching, join, split};
use cache::{Kept, Key};
pub(in crate::model) use cell::{Cell, Here, Lane, MakeLane, Stopped};
pub(in crate::model) use compare::{Precision, compare_all};
pub(in crate::model) use elsewhere::{Elsewhere, Ended, LeftOut};
pub(in crate::model) use probe::Fill;
use probe::{Probe, probes};
use proof::Proof;
pub use report::{Batched, Report, Row, Standing};
use trial::Trial;

/// A back end that might run the model.
#[derive(Clone)]
pub(in crate::model) struct Candidate {
    /// On its device.
    pub(in crate::model) backend: Arc<dyn Backend>,
    /// How it calculates, which decides how far it may be off.
    pub(in crate::model) precision: Precision,
}

/// A model, and all that its answers depend on.
#[derive(Clone)]
pub(in crate::model) struct Question {
    /// For people.
    pub(in crate::model) name: String,
    /// SHA-256 of the model file (and of its external data), in hex.
    pub(in crate::model) digest: String,
    /// See [`Source::graph`].
    pub(in crate::model) graph: Arc<Graph>,
    /// See [`Source::bytes`].
    pub(in crate::model) bytes: Bytes,
    /// See [`Source::inputs`].
    pub(in crate::model) inputs: Vec<Port>,
    /// See [`Source::outputs`].
    pub(in crate::model) outputs: Vec<String>,
    /// See [`Source::threads`].
    pub(in crate::model) threads: usize,
    /// What each input takes, in the order of `inputs`; where it ends, [`Fill::usual`].
    pub(in crate::model) fills: Vec<Fill>,
    /// Inputs made of natural pictures, each with the shapes and types of `inputs`.
    pub(in crate::model) natural: Vec<Arc<Vec<Array>>>,
    /// The back end that is asked for: its name, its device's, or both (`wonnx on NVIDIA H200 (Vulkan)`). It
    /// must agree all the same.
    pub(in crate::model) wanted: Option<String>,
    /// Whether to try those too that would not be chosen by themselves.
    pub(in crate::model) thorough: bool,
}

impl Question {
    /// What a back end is given to load.
    pub(in crate::model) fn source(&self) -> Source<'_> {
        Source {
            graph: &self.graph,
            bytes: &self.bytes,
            inputs: &self.inputs,
            outputs: &self.outputs,
            threads: self.threads,
        }
    }

    /// Bytes of the model: its file, and what of it lies in others.
    pub(in crate::model) fn size(&self) -> u64 {
        let external = self.graph.external.iter().map(Bytes::len).sum::<usize>();
        (self.bytes.len() + external) as u64
    }

    fn wants(&self, device: &Device) -> bool {
        self.wanted.as_deref().is_some_and(|wanted| is_called(device, wanted))
    }

    fn probes(&self) -> Vec<Probe> {
        probes(&self.natural)
    }
}

/// Whether somebody means a device by a name: its back end's, its own, or both as [`label`] has them.
pub(in crate::model) fn is_called(device: &Device, name: &str) -> bool {
    let label = label(device);
    [device.backend, &device.name, &label].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A device for people: `wonnx on NVIDIA H200 (Vulkan)`.
pub(in crate::model) fn label(device: &Device) -> String {
    format!("{} on {}", device.backend, device.name)
}

/// How long the gate waits, and how often it looks.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Patience {
    /// For a back end to load a model. A first CUDA context takes seconds, a cold driver 30.
    pub(in crate::model) load: Duration,
    /// For one inference.
    pub(in crate::model) run: Duration,
    /// For timing a candidate.
    pub(in crate::model) timing: Duration,
    /// Most inferences timed of a candidate.
    pub(in crate::model) runs: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            load: Duration::from_secs(60),
            run: Duration::from_secs(20),
            timing: Duration::from_millis(500),
            runs: 20,
        }
    }
}

/// Takes the [`label`] of a back end that is put to work.
pub(in crate::model) type Doing = Arc<dyn Fn(&str) + Send + Sync>;

/// Where verdicts are made and kept.
pub(in crate::model) struct Gate {
    /// Where verdicts are kept; none: nowhere.
    cache: Option<PathBuf>,
    patience: Patience,
    lanes: MakeLane,
    clock: Clock,
    /// Devices that are left alone, and why: a thread was given up on there, and no second one is.
    left_out: Mutex<HashMap<Device, String>>,
    /// Told which back end is put to work, before it is.
    doing: Doing,
    /// Folders that cannot be written, and were said.
    unkept: Mutex<HashSet<String>>,
    /// Held while back ends are compared and timed: two models at once would spoil each other's times.
    comparing: Mutex<()>,
}

/// Who may run the model.
pub(in crate::model) struct Verdict {
    /// What was found, for people.
    pub(in crate::model) report: Report,
    /// Those that agree, the chosen one first. It is loaded; another may be.
    pub(in crate::model) ranked: Vec<Ranked>,
    /// Proves a back end again.
    pub(in crate::model) again: Arc<Again>,
    /// Why it is not kept for the next start, where it should be and this is the first that is not.
    pub(in crate::model) unkept: Option<String>,
}

/// Why a device is left alone.
const HUNG: &str = "it hung earlier and is left alone until Transom starts again";

/// A back end that agrees.
#[derive(Clone)]
pub(in crate::model) struct Ranked {
    pub(in crate::model) candidate: Candidate,
    /// Loaded already, where it is.
    pub(in crate::model) session: Option<Arc<dyn Session>>,
    /// Several pictures at once, where that was measured.
    pub(in crate::model) batching: Option<Batching>,
    /// Why it is not there now; it is tried again like one that was lost.
    pub(in crate::model) away: Option<String>,
}

/// Why a back end is not believed again.
pub(in crate::model) struct Unproved {
    /// For people.
    pub(in crate::model) why: String,
    /// A thread had to be given up on: another try would cost another.
    pub(in crate::model) hung: bool,
}

/// Loads a back end again and proves it by one probe.
pub(in crate::model) struct Again {
    question: Question,
    proof: Proof,
    patience: Patience,
    lanes: MakeLane,
}

impl Again {
    /// The model.
    pub(in crate::model) fn question(&self) -> &Question {
        &self.question
    }

    /// A session of `candidate` that still says what the reference said, or why there is none.
    pub(in crate::model) fn load(&self, candidate: &Candidate) -> Result<Arc<dyn Session>, Unproved> {
        let mut trial =
            Trial::start(candidate.clone(), &self.question, self.patience, &self.lanes, &nobody());
        trial.load();
        let unproved = |why: String, hung| Err(Unproved { why, hung });
        let Some(session) = trial.session.clone() else { return unproved(trial.row.reason, trial.hung) };
        let probes = self.question.probes();
        let Some(probe) = probes.get(self.proof.probe) else {
            return unproved("the probe it was proved by is no more".to_owned(), false);
        };
        let inputs = Arc::new(probe.inputs(&self.question.inputs, &self.question.fills));
        let Some((outputs, _)) = trial.run(&inputs, &probe.name) else {
            return unproved(trial.row.reason, trial.hung);
        };
        match self.proof.check(&outputs, candidate.precision) {
            Ok(()) => Ok(session),
            Err(differs) => unproved(format!("{}: {}", probe.name, differs.why), false),
        }
    }
}

/// Nobody wants to know which back end is put to work.
fn nobody() -> Doing {
    Arc::new(|_| {})
}

impl Gate {
    /// A gate that keeps its verdicts in `cache` and lets candidates run in lanes of `lanes`, as they will be
    /// run later.
    pub(in crate::model) fn new(cache: Option<PathBuf>, patience: Patience, lanes: MakeLane) -> Self {
        Gate {
            cache,
            patience,
            lanes,
            clock: Clock::system(),
            left_out: Mutex::default(),
            doing: nobody(),
            unkept: Mutex::default(),
            comparing: Mutex::default(),
        }
    }

    /// Finds out who may run a model; `elsewhere`, where there is one, has them compared in another process. `progress`
    /// is told what is being done, a line at a time.
    ///
    /// The error says of every candidate why it may not.
    pub(in crate::model) fn judge(
        &self,
        question: &Question,
        candidates: &[Candidate],
        elsewhere: Option<Elsewhere<'_>>,
        progress: &dyn Fn(&str),
    ) -> Result<Verdict> {
        for (index, inputs) in question.natural.iter().enumerate() {
            let fits = inputs.len() == question.inputs.len()
                && inputs
                    .iter()
                    .zip(&question.inputs)
                    .all(|(array, port)| array.shape == port.shape && array.values.element() == port.element);
            if !fits {
                return Err(Error::internal(format!("natural picture {} does not fit the model", index + 1)));
            }
        }
        let mut notes = Vec::new();
        let file = self.cache.as_deref().map(|folder| cache::file(folder, &name_of(question)));
        let key = key_of(question, candidates);
        if let Some(file) = &file {
            match cache::read(file, &key, self.clock.wall_us()) {
                Ok(Some(kept)) => match self.believe(question, candidates, &kept, progress) {
                    Ok(verdict) => return Ok(verdict),
                    Err(why) => notes.push(format!(
                        "{} was the fastest that agreed and is not to be trusted any more, so all are compared \
                         anew: {why}",
                        kept.report.chosen().map(Row::label).unwrap_or_default()
                    )),
                },
                Ok(None) => {}
                Err(why) => notes.push(why),
            }
        }
        let (mut verdict, kept) = match elsewhere {
            Some(elsewhere) => self.judge_elsewhere(question, candidates, notes, elsewhere, progress)?,
            None => {
                let verdict = self.judge_anew(question, candidates, notes, progress)?;
                let kept = self.kept(key, candidates, &verdict);
                (verdict, kept)
            }
        };
        if let Some(file) = &file {
            self.keep(file, &kept, &mut verdict);
        }
        Ok(verdict)
    }

    /// A verdict of an earlier start or of another process, its winner loaded and proved by one probe.
    fn believe(
        &self,
        question: &Question,
        candidates: &[Candidate],
        kept: &Kept,
        progress: &dyn Fn(&str),
    ) -> Result<Verdict, String> {
        let again = Arc::new(Again {
            question: question.clone(),
            proof: kept.proof.clone(),
            patience: self.patience,
            lanes: Arc::clone(&self.lanes),
        });
        let mut ranked: Vec<Ranked> = Vec::new();
        for row in &kept.ranked {
            let candidate =
                candidates.get(*row).ok_or("the verdict kept names a back end that is not there")?;
            let batches = kept.report.rows[*row].batches.iter();
            let batching = Batching::best(batches.map(|batch| (batch.pictures, batch.median_ms)));
            ranked.push(Ranked { candidate: candidate.clone(), session: None, batching, away: None });
        }
        let winner = ranked.first_mut().ok_or("the verdict kept names no back end")?;
        let device = label(winner.candidate.backend.device());
        progress(&format!("loading {device}"));
        winner.session = Some(again.load(&winner.candidate).map_err(|Unproved { why, hung }| {
            if hung {
                let device = winner.candidate.backend.device().clone();
                self.leave_out(device, HUNG);
            }
            why
        })?);
        let mut report = kept.report.clone();
        report.remembered = true;
        report.model.clone_from(&question.name);
        Ok(Verdict { report, ranked, again, unkept: None })
    }

    fn kept(&self, key: String, candidates: &[Candidate], verdict: &Verdict) -> Kept {
        // What was lost may be back tomorrow; what is wrong or refused stays so as long as the key is the same.
        let lost = verdict.report.rows.iter().any(|row| row.standing == Standing::Lost);
        let until_us = lost.then(|| self.clock.wall_us().saturating_add(24 * 3_600 * 1_000_000));
        let place = |ranked: &Ranked| {
            candidates.iter().position(|candidate| Arc::ptr_eq(&candidate.backend, &ranked.candidate.backend))
        };
        let ranked = verdict.ranked.iter().filter_map(place).collect();
        Kept { key, until_us, report: verdict.report.clone(), ranked, proof: verdict.again.proof.clone() }
    }

    fn keep(&self, file: &std::path::Path, kept: &Kept, verdict: &mut Verdict) {
        if let Err(why) = cache::write(file, kept) {
            let folder = file.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
            let mut unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
            if unkept.insert(folder) {
                verdict.report.notes.push(why.clone());
                verdict.unkept = Some(why);
            }
        }
    }

    fn judge_anew(
        &self,
        question: &Question,
        candidates: &[Candidate],
        mut notes: Vec<String>,
        progress: &dyn Fn(&str),
    ) -> Result<Verdict> {
        let _alone = self.comparing.lock().unwrap_or_else(PoisonError::into_inner);
        let all = candidates.len();
        let mut trials = Vec::with_capacity(all);
        for (index, candidate) in candidates.iter().enumerate() {
            let mut trial =
                Trial::start(candidate.clone(), question, self.patience, &self.lanes, &self.doing);
            let device = candidate.backend.device();
            if device.kind == DeviceKind::SoftwareGpu && !question.thorough && !question.wants(device) {
                trial.leave(
                    Standing::Untried,
                    "a graphics interface played by the processor is never chosen by itself",
                );
            } else if let Some(why) = self.left_out(device) {
                trial.leave(Standing::Lost, &why);
            } else {
                progress(&format!("loading {} … {}/{all}", label(device), index + 1));
                trial.load();
            }
            trials.push(trial);
        }
        let mut order: Vec<usize> =
            (0..all).filter(|index| trust(candidates[*index].backend.device()).is_some()).collect();
        order.sort_by_key(|index| trust(candidates[*index].backend.device()));
        let mut compared = None;
        for index in order {
            if trials[index].session.is_none() {
                continue;
            }
            let before: Vec<_> =
                trials.iter().map(|trial| (trial.session.clone(), trial.row.clone())).collect();
            let noted = notes.len();
            compared = self.compare(question, &mut trials, index, &mut notes, progress)?;
            if compared.is_some() {
                break;
            }
            // What a reference said that then failed convicts nobody.
            notes.truncate(noted);
            for (other, (trial, before)) in trials.iter_mut().zip(before).enumerate() {
                if other != index && !trial.hung {
                    (trial.session, trial.row) = before;
                }
            }
        }
        self.remember_hung(&trials);
        let Some(compared) = compared else {
            return Err(Error::model(format!(
                "no back end can run it and be proved right: {}",
                reasons(&trials)
            )));
        };
        progress("timing those that agree");
        trial::time(&mut trials, &compared.inputs, self.patience);
        self.remember_hung(&trials);
        let ranked = rank(question, &trials)?;
        let chosen = ranked[0];
        trials[chosen].row.chosen = true;
        if trials[chosen].batches() {
            progress(&format!("timing several pictures at once on {}", trials[chosen].row.label()));
            if let Err(why) = trials[chosen].time_batches(question, &self.clock) {
                notes.push(format!("{} takes one picture at a time: {why}", trials[chosen].row.label()));
            }
        }
        explain(&mut trials, chosen);
        let report = Report {
            model: question.name.clone(),
            digest: question.digest.clone(),
            probes: question.probes().into_iter().map(|probe| probe.name).collect(),
            rows: trials.iter().map(|trial| trial.row.clone()).collect(),
            notes,
            remembered: false,
        };
        // What may be lost has a second one ready; a processor is not lost, and sessions take memory.
        let may_be_lost = candidates[chosen].backend.device().kind != DeviceKind::Cpu;
        let spare = ranked.iter().find(|index| {
            may_be_lost && **index != chosen && candidates[**index].backend.device().kind == DeviceKind::Cpu
        });
        let ranked = ranked.iter().map(|index| Ranked {
            candidate: candidates[*index].clone(),
            session: trials[*index].session.clone().filter(|_| *index == chosen || Some(index) == spare),
            batching: Batching::best(
                trials[*index].row.batches.iter().map(|batch| (batch.pictures, batch.median_ms)),
            ),
            away: None,
        });
        let again = Again {
            question: question.clone(),
            proof: compared.proof,
            patience: self.patience,
            lanes: Arc::clone(&self.lanes),
        };
        Ok(Verdict { report, ranked: ranked.collect(), again: Arc::new(again), unkept: None })
    }

    fn remember_hung(&self, trials: &[Trial]) {
        for trial in trials.iter().filter(|trial| trial.hung) {
            self.leave_out(trial.candidate.backend.device().clone(), HUNG);
        }
    }

    fn leave_out(&self, device: Device, why: &str) {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).insert(device, why.to_owned());
    }

    fn left_out(&self, device: &Device) -> Option<String> {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).get(device).cloned()
    }

    /// Asks every trial that is loaded all probes and compares it with trial `reference`. None where the
    /// reference itself cannot be one; its row says why.
    fn compare(
        &self,
        question: &Question,
        trials: &mut [Trial],
        reference: usize,
        notes: &mut Vec<String>,
        progress: &dyn Fn(&str),
    ) -> Result<Option<Compared>> {
        let others: Vec<usize> = (0..trials.len())
            .filter(|index| *index != reference && trials[*index].session.is_some())
            .collect();
        let (probes, device) = (question.probes(), trials[reference].row.label());
        let mut first: Option<Vec<Array>> = None;
        let mut seen: Vec<Seen> = question.outputs.iter().map(|_| Seen::default()).collect();
        let mut proof: Option<Proof> = None;
        let mut proof_is_firm = false;
        let mut undecided: Vec<String> = Vec::new();
        // How many probes each of the others has agreed on.
        let mut agreed = vec![0_usize; trials.len()];
        let mut steady = true;
        for (number, probe) in probes.iter().enumerate() {
            let inputs = Arc::new(probe.inputs(&question.inputs, &question.fills));
            progress(&format!("asking {device} … {}", probe.name));
            let Some((wants, _)) = trials[reference].run(&inputs, &probe.name) else { return Ok(None) };
            if wants.len() != question.outputs.len() {
                let reason = format!("it gives {} outputs, not {}", wants.len(), question.outputs.len());
                trials[reference].leave(Standing::Wrong, &reason);
                return Ok(None);
            }
            if number == 0 {
                let Some((twice, _)) = trials[reference].run(&inputs, &probe.name) else { return Ok(None) };
                steady = same(&wants, &twice);
                if !steady
                    && compare::compare_all(&question.outputs, &wants, &twice, Precision::Full).is_err()
                {
                    notes.push(format!(
                        "{device} answers differently when asked the same twice (has the model an operator that \
                         draws random numbers?), so no other back end can be compared with it"
                    ));
                    for other in &others {
                        trials[*other].leave(Standing::Untried, "there is nothing steady to compare it with");
                    }
                }
            }
            for (seen, array) in seen.iter_mut().zip(&wants) {
                seen.look(array);
            }
            let mut jumps: [Option<bool>; 2] = [None, None];
            for (count, other) in others.iter().enumerate() {
                if trials[*other].session.is_none() {
                    continue;
                }
                progress(&format!(
                    "comparing {} … {}/{}, {}",
                    trials[*other].row.label(),
                    count + 1,
                    others.len(),
                    probe.name
                ));
                let Some((has, _)) = trials[*other].run(&inputs, &probe.name) else { continue };
                let precision = trials[*other].candidate.precision;
                match compare::compare_all(&question.outputs, &wants, &has, precision) {
                    Ok(apart) => {
                        agreed[*other] += 1;
                        trials[*other].apart(apart);
                    }
                    Err(differs) => {
                        let jump = &mut jumps[usize::from(precision == Precision::Half)];
                        let undecidable = match *jump {
                            Some(known) => known,
                            None => {
                                let part = precision.bound() / 100.0;
                                let nudged = probe.nudged(&question.inputs, &question.fills, part);
                                let moved = nudged
                                    .and_then(|inputs| trials[reference].run(&Arc::new(inputs), &probe.name));
                                let known = moved.is_some_and(|(moved, _)| {
                                    compare::compare_all(&question.outputs, &wants, &moved, precision)
                                        .is_err()
                                });
                                *jump.insert(known)
                            }
                        };
                        if undecidable {
                            undecided.push(probe.name.clone());
                        } else {
                            trials[*other]
                                .wrong(&format!("{}: {}", probe.name, differs.why), differs.relative);
                        }
                    }
                }
            }
            let firm = jumps.iter().all(|jump| *jump != Some(true));
            if proof.is_none() || (firm && !proof_is_firm) {
                (proof, proof_is_firm) = (Some(Proof::of(number, &wants, steady)), firm);
            }
            match &first {
                Some(first) => {
                    for ((seen, first), now) in seen.iter_mut().zip(first).zip(&wants) {
                        seen.varies |= first != now;
                    }
                }
                None => first = Some(wants),
            }
        }
        for other in &others {
            if trials[*other].session.is_some() && agreed[*other] == 0 {
                trials[*other]
                    .wrong("it agreed on no probe, and the reference is undecided on all of them", None);
            }
        }
        for (name, seen) in question.outputs.iter().zip(&seen) {
            if seen.asked && !seen.finite {
                return Err(Error::model(format!(
                    "output `{name}` is not a number whatever the input ({device}): are there NaN among the weights?"
                )));
            }
            notes.extend(seen.note(name));
        }
        undecided.dedup();
        if !undecided.is_empty() {
            notes.push(format!(
                "On {} the reference itself jumps when its input is moved by a rounding error (two answers tie), so \
                 a difference there convicts nobody.",
                undecided.join(", ")
            ));
        }
        trials[reference].row.standing = Standing::Reference;
        let alone =
            !trials.iter().any(|trial| trial.session.is_some() && trial.row.standing == Standing::Agrees);
        let numbers = match &*question.natural {
            [] => "noise, streaks, black and white".to_owned(),
            [_] => "a natural picture, noise, streaks, black and white".to_owned(),
            many => format!("{} natural pictures, noise, streaks, black and white", many.len()),
        };
        notes.push(if alone {
            format!(
                "{device} is the only back end that can be chosen: its answers are finite{}, but no other here \
                 could confirm them.",
                if steady { " and the same when asked twice" } else { "" }
            )
        } else {
            format!(
                "Compared with {device}, the most trusted of those that run it, on {numbers}. To agree, every \
                 value may be off by a thousandth of the size of its channel (a hundredth in 16-bit arithmetic), \
                 and one whole number in a thousand."
            )
        });
        let Some(proof) = proof else { return Err(Error::internal("there is no probe")) };
        let best = probes.get(proof.probe).or(probes.first());
        let inputs = best.map(|probe| probe.inputs(&question.inputs, &question.fills)).unwrap_or_default();
        Ok(Some(Compared { proof, inputs: Arc::new(inputs) }))
    }
}

struct Compared {
    proof: Proof,
    /// What is used for timing.
    inputs: Arc<Vec<Array>>,
}

/// What the reference's answers were like, over all probes.
#[derive(Default)]
struct Seen {
    asked: bool,
    finite: bool,
    odd: bool,
    filled: bool,
    varies: bool,
}

impl Seen {
    fn look(&mut self, array: &Array) {
        let (mut some, mut odd) = (array.values.is_empty(), false);
        match compare::numbers(&array.values) {
            compare::Numbers::Real(values) => {
                for value in values {
                    some |= value.is_finite();
                    odd |= !value.is_finite();
                }
            }
            compare::Numbers::Whole(_) => some = true,
        }
        self.asked = true;
        self.finite |= some;
        self.odd |= odd;
        self.filled |= !array.values.is_empty();
    }

    fn note(&self, name: &str) -> Option<String> {
        if !self.filled {
            return Some(format!("Output `{name}` was empty on every probe: that it agrees says little."));
        }
        if !self.varies {
            return Some(format!("Output `{name}` was the same on every probe: that it agrees says little."));
        }
        self.odd.then(|| format!("Output `{name}` has values that are not finite on some probe."))
    }
}

/// Whether two answers are the same to the bit; what is not a number is the same as itself.
fn same(one: &[Array], other: &[Array]) -> bool {
    one == other
        || compare::compare_all(&[], one, other, Precision::Full).is_ok_and(|apart| apart.absolute == 0.0)
}

/// How far a back end is trusted to be the reference, the most first; none: not at all. Those that are answer none of
/// ONNX's node tests wrong by themselves; OpenVINO on the processor answers 24 wrong.
pub(in crate::model) fn trust(device: &Device) -> Option<u8> {
    match (device.kind, device.backend) {
        (DeviceKind::Cpu, "onnxruntime") if device.name == "cpu" => Some(0),
        (DeviceKind::Cpu, "rten") => Some(1),
        _ => None,
    }
}

/// Part by which another must be faster than the reference to be chosen instead: less is noise.
const WORTH: f64 = 1.03;

/// Trials that agree, the one to choose first.
fn rank(question: &Question, trials: &[Trial]) -> Result<Vec<usize>> {
    let time = |index: &usize| {
        let row = &trials[*index].row;
        let worth = if row.standing == Standing::Reference { 1.0 } else { WORTH };
        row.median_ms.map_or(f64::INFINITY, |median| median * worth)
    };
    let device = |index: usize| trials[index].candidate.backend.device();
    let agrees = |index: &usize| {
        let trial = &trials[*index];
        trial.session.is_some() && matches!(trial.row.standing, Standing::Reference | Standing::Agrees)
    };
    let mut ranked: Vec<usize> = (0..trials.len()).filter(agrees).collect();
    ranked.sort_by(|a, b| time(a).total_cmp(&time(b)));
    let wanted = ranked.iter().position(|index| question.wants(device(*index)));
    let wanted = wanted.map(|at| ranked.remove(at));
    ranked.retain(|index| device(*index).kind != DeviceKind::SoftwareGpu);
    match (wanted, &question.wanted) {
        (Some(wanted), _) => ranked.insert(0, wanted),
        (None, Some(name)) => {
            let matching: Vec<&Trial> =
                trials.iter().filter(|trial| question.wants(trial.candidate.backend.device())).collect();
            return Err(Error::model(if matching.is_empty() {
                let known: Vec<String> = trials.iter().map(|trial| trial.row.label()).collect();
                format!("there is no back end `{name}` here; there are: {}", known.join(", "))
            } else {
                let why: Vec<String> = matching
                    .iter()
                    .map(|trial| format!("{}: {}", trial.row.label(), trial.row.reason))
                    .collect();
                format!("back end `{name}` was asked for and cannot be used: {}", why.join("; "))
            }));
        }
        (None, None) => {}
    }
    if ranked.is_empty() {
        return Err(Error::model(format!("no back end can run it: {}", reasons(trials))));
    }
    Ok(ranked)
}

/// Says in each row why it is not chosen.
fn explain(trials: &mut [Trial], chosen: usize) {
    let best = trials[chosen].row.median_ms;
    for (index, trial) in trials.iter_mut().enumerate() {
        if index == chosen || !trial.row.reason.is_empty() {
            continue;
        }
        trial.row.reason = match (trial.candidate.backend.device().kind, trial.row.median_ms, best) {
            (DeviceKind::SoftwareGpu, ..) => {
                "a graphics interface played by the processor is never chosen by itself".to_owned()
            }
            (_, Some(median), Some(best)) if best > 0.0 && median / best >= 1.05 => {
                format!("takes {:.1} times as long", median / best)
            }
            (_, Some(_), Some(_)) => "no faster".to_owned(),
            _ => String::new(),
        };
    }
}

fn reasons(trials: &[Trial]) -> String {
    if trials.is_empty() {
        return "there is none here".to_owned();
    }
    let each = |trial: &Trial| {
        let device = trial.candidate.backend.device();
        if trust(device).is_none() && trial.row.reason.is_empty() {
            return format!(
                "{}: nothing on the processor runs it, so nothing can confirm it",
                trial.row.label()
            );
        }
        format!("{}: {}", trial.row.label(), trial.row.reason)
    };
    trials.iter().map(each).collect::<Vec<_>>().join("; ")
}

/// What a model's verdict file is called: its digest, and what it is asked.
fn name_of(question: &Question) -> String {
    let mut key = Key::new();
    add_question(&mut key, question);
    let digest: String = question.digest.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    format!("{digest}-{}", &key.finish()[..16])
}

fn key_of(question: &Question, candidates: &[Candidate]) -> String {
    let mut key = Key::new();
    key.add(env!("CARGO_PKG_VERSION").as_bytes());
    key.add(&probe::VERSION.to_le_bytes());
    add_question(&mut key, question);
    for candidate in candidates {
        let device = candidate.backend.device();
        for part in [device.backend, &device.version, &device.name, report::kind_word(device.kind)] {
            key.add(part.as_bytes());
        }
        key.add(format!("{:?}", candidate.precision).as_bytes());
    }
    key.finish()
}

fn add_question(key: &mut Key, question: &Question) {
    key.add(question.digest.as_bytes());
    for port in &question.inputs {
        key.add(port.name.as_bytes());
        key.add(port.element.as_str().as_bytes());
        key.add(super::tensor::shown(&port.shape).as_bytes());
    }
    for output in &question.outputs {
        key.add(output.as_bytes());
    }
    key.add(&question.threads.to_le_bytes());
    key.add(format!("{:?}", question.fills).as_bytes());
    key.add(question.wanted.as_deref().unwrap_or("").as_bytes());
    key.add(&[u8::from(question.thorough)]);
    for inputs in &question.natural {
        for array in inputs.iter() {
            key.add(format!("{:?}", array.shape).as_bytes());
            add_values(key, array);
        }
    }
}

/// A part of an array's values: enough to tell one picture from another.
fn add_values(key: &mut Key, array: &Array) {
    let some: Vec<u8> = match compare::numbers(&array.values) {
        compare::Numbers::Real(values) => {
            values.iter().step_by(7).flat_map(|value| value.to_le_bytes()).collect()
        }
        compare::Numbers::Whole(values) => {
            values.iter().step_by(7).flat_map(|value| value.to_le_bytes()).collect()
        }
    };
    key.add(&some);
}
