//! Back ends compared in another process, which a model may take down: what was at work then is left out, and
//! the others are compared again.

use serde::{Deserialize, Serialize};

use super::cache::Kept;
use super::{Candidate, Doing, Gate, Question, Row, Verdict, key_of, label};
use crate::base::{Error, Result};

/// Has a model judged in another process: what [`Gate::judge_for`] gave there.
pub(in crate::model) type Elsewhere<'a> =
    &'a dyn Fn(&Question, &[Candidate], &[LeftOut], &dyn Fn(&str)) -> Result<Vec<u8>, Ended>;

/// A back end that is not to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::model) struct LeftOut {
    /// As [`label`] has it.
    pub(in crate::model) device: String,
    /// For people.
    pub(in crate::model) why: String,
}

/// Why another process gave no verdict.
#[derive(Debug)]
pub(in crate::model) enum Ended {
    /// It judged: nothing can run the model.
    Judged(Error),
    /// It ended, or had to be ended.
    Died {
        /// The back end that was at work, as [`label`] has it.
        device: Option<String>,
        /// For people.
        why: String,
    },
}

impl Gate {
    /// The other process's side: the verdict for whoever asked, who left `left_out` out. `doing` is told which
    /// back end is put to work.
    pub(in crate::model) fn judge_for(
        mut self,
        question: &Question,
        candidates: &[Candidate],
        left_out: &[LeftOut],
        doing: Doing,
        progress: &dyn Fn(&str),
    ) -> Result<Vec<u8>> {
        self.doing = doing;
        for candidate in candidates {
            let device = candidate.backend.device();
            if let Some(left) = left_out.iter().find(|left| left.device == label(device)) {
                self.leave_out(device.clone(), &left.why);
            }
        }
        let verdict = self.judge_anew(question, candidates, Vec::new(), progress)?;
        let kept = self.kept(key_of(question, candidates), candidates, &verdict);
        serde_json::to_vec(&kept).map_err(|error| Error::internal(format!("the verdict: {error}")))
    }

    /// Asks until there is a verdict whose winner does here what it did there.
    pub(super) fn judge_elsewhere(
        &self,
        question: &Question,
        candidates: &[Candidate],
        mut notes: Vec<String>,
        elsewhere: Elsewhere<'_>,
        progress: &dyn Fn(&str),
    ) -> Result<(Verdict, Kept)> {
        let (mut candidates, mut left_out) = (candidates.to_vec(), Vec::<LeftOut>::new());
        let mut died = false;
        loop {
            let (device, why) = match elsewhere(question, &candidates, &left_out, progress) {
                Ok(verdict) => {
                    let mut kept: Kept = serde_json::from_slice(&verdict)
                        .map_err(|error| Error::internal(format!("the verdict: {error}")))?;
                    if kept.key != key_of(question, &candidates) {
                        let gone = gone(&mut candidates, &kept);
                        if gone.is_empty() {
                            let why =
                                "what can run models here changes while it is being loaded; load it again";
                            return Err(Error::model(why));
                        }
                        notes.extend(gone);
                        continue;
                    }
                    kept.report.notes.splice(0..0, notes.iter().cloned());
                    match self.believe(question, &candidates, &kept, progress) {
                        Ok(mut verdict) => {
                            verdict.report.remembered = false;
                            return Ok((verdict, kept));
                        }
                        Err(why) => (kept.report.chosen().map(Row::label), why),
                    }
                }
                Err(Ended::Judged(error)) => return Err(error),
                Err(Ended::Died { device, why }) => (device, why),
            };
            match device {
                Some(device) if !left_out.iter().any(|left| left.device == device) => {
                    progress(&format!("{device} is left out: {why}"));
                    left_out.push(LeftOut { device, why });
                }
                // Before it put anything to work: once may be chance.
                None if !std::mem::replace(&mut died, true) => {}
                _ => return Err(Error::model(why)),
            }
        }
    }
}

/// Takes off what is not in a verdict: a card or a server that went away since it was found.
fn gone(candidates: &mut Vec<Candidate>, kept: &Kept) -> Vec<String> {
    let mut gone = Vec::new();
    candidates.retain(|candidate| {
        let label = label(candidate.backend.device());
        let there = kept.report.rows.iter().any(|row| row.label() == label);
        if !there {
            gone.push(format!("{label} was there and went away, so it is left out."));
        }
        there
    });
    gone
}
