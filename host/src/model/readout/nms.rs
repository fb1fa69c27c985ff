//! Boxes that are candidates, which of them are wanted, and which of those that overlap stay.

use std::cell::RefCell;

use super::Description;
use crate::frame::{Detection, Placement};
use crate::model::description::Nms;

/// A box as a read-out found it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) label: u32,
    pub(super) score: f32,
    /// Left, top, right, bottom in pixels of the input.
    pub(super) corners: [f32; 4],
    /// Which of the tensor's boxes it is.
    pub(super) at: u32,
}

impl Candidate {
    /// Area of the overlap over area of the union, 0 ..= 1.
    fn iou(&self, other: &Candidate) -> f32 {
        let ([l, t, r, b], [ol, ot, or, ob]) = (self.corners, other.corners);
        let (w, h) = (r.min(or) - l.max(ol), b.min(ob) - t.max(ot));
        if w <= 0.0 || h <= 0.0 {
            return 0.0;
        }
        let overlap = w * h;
        let union = (r - l) * (b - t) + (or - ol) * (ob - ot) - overlap;
        if union > 0.0 { overlap / union } else { 0.0 }
    }
}

/// Centre and size as corners.
pub(super) fn centred(x: f32, y: f32, w: f32, h: f32) -> [f32; 4] {
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

/// 0 ..= 1 of a logit.
pub(super) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// A logit that surely scores less than `score` if it is lower; for a first look without powers.
pub(super) fn logit_below(score: f32) -> f32 {
    let score = f64::from(score);
    ((score / (1.0 - score)).ln() - 0.001) as f32
}

/// Which candidates become answers.
pub(super) struct Choice {
    score: f32,
    /// The score of each label; empty: all have `score`.
    scores: Vec<f32>,
    /// Whether each label is wanted; empty: all are.
    wanted: Vec<bool>,
    /// None: no suppression.
    overlap: Option<f32>,
    across: bool,
    max: usize,
    labels: u32,
}

/// Candidates beyond these, best first, are not looked at: what ultralytics does before its own suppression
/// (ultralytics/utils/nms.py, `max_nms`).
const MOST: usize = 30_000;

impl Choice {
    /// What `model.toml` says. `done`: the graph itself suppresses boxes that overlap.
    pub(super) fn new(description: &Description, done: bool) -> Self {
        let output = &description.output;
        let labels = description.labels.len();
        let mut scores = Vec::new();
        if !output.scores.is_empty() {
            scores = vec![output.score; labels];
            for (label, score) in &output.scores {
                if let Some(of_label) = scores.get_mut(*label as usize) {
                    *of_label = *score;
                }
            }
        }
        let wanted = match &output.only {
            None => Vec::new(),
            Some(only) => (0..labels).map(|label| only.contains(&(label as u32))).collect(),
        };
        let overlap = match output.nms {
            Nms::Unsaid if done => None,
            Nms::Unsaid => Some(Nms::DEFAULT),
            Nms::Off => None,
            Nms::Above(overlap) => Some(overlap),
        };
        let (across, max) = (output.nms_across, output.max);
        Choice { score: output.score, scores, wanted, overlap, across, max, labels: labels as u32 }
    }

    /// The score below which no candidate is wanted, whatever its class.
    pub(super) fn floor(&self, min_score: Option<f32>) -> f32 {
        min_score.unwrap_or_else(|| self.scores.iter().copied().reduce(f32::min).unwrap_or(self.score))
    }

    fn wants(&self, found: &Candidate, min_score: Option<f32>) -> bool {
        let label = found.label as usize;
        let least = min_score.unwrap_or_else(|| self.scores.get(label).copied().unwrap_or(self.score));
        let [l, t, r, b] = found.corners;
        // No comparison holds for what is no number.
        found.label < self.labels
            && found.score >= least
            && found.score < f32::INFINITY
            && (r > l && b > t && r - l < f32::INFINITY && b - t < f32::INFINITY)
            && self.wanted.get(label).copied().unwrap_or(true)
    }

    /// Leaves of `found` what is wanted, best first; equal scores stay in the tensor's order. Costs at most
    /// `max` comparisons a box, however many a hostile threshold lets through.
    pub(super) fn choose(&self, found: &mut Vec<Candidate>, min_score: Option<f32>) {
        found.retain(|found| self.wants(found, min_score));
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(MOST);
        let Some(overlap) = self.overlap else {
            found.truncate(self.max);
            return;
        };
        // Those kept stand at the front.
        let mut kept = 0;
        for next in 0..found.len() {
            if kept == self.max {
                break;
            }
            let candidate = found[next];
            let rival = |other: &&Candidate| self.across || other.label == candidate.label;
            if found[..kept].iter().filter(rival).all(|other| other.iou(&candidate) <= overlap) {
                found[kept] = candidate;
                kept += 1;
            }
        }
        found.truncate(kept);
    }
}

/// A candidate in fractions of the frame and cut to it; none where nothing of it is on the frame.
pub(super) fn placed(found: &Candidate, placement: &Placement) -> Option<Detection> {
    let [x0, y0, x1, y1] = found.corners;
    let region = placement.region(x0, y0, x1, y1).clipped()?;
    Some(Detection { label: found.label, score: found.score.clamp(0.0, 1.0), region })
}

/// Memory that reading needs beside its answer; kept by each thread.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) found: Vec<Candidate>,
    pub(super) best: Best,
}

impl Scratch {
    /// What a tensor of a common model needs; more is not kept.
    const KEPT: usize = 64 << 10;

    /// Lends the thread's own; a nested loan gets a new one.
    pub(super) fn lend<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        let mut scratch = SCRATCH.take();
        scratch.found.clear();
        let done = work(&mut scratch);
        if scratch.found.capacity().max(scratch.best.score.capacity()) <= Self::KEPT {
            SCRATCH.set(scratch);
        }
        done
    }
}

/// The best class of each of many places.
#[derive(Default)]
pub(super) struct Best {
    pub(super) score: Vec<f32>,
    pub(super) label: Vec<u32>,
}

impl Best {
    /// Finds the best class of each of `count` places in `scores`, which holds one plane a class. Places
    /// whose best is less than `floor` may have any score below it. The first of equals wins; what is no
    /// number never does.
    pub(super) fn find(&mut self, scores: &[f32], count: usize, floor: f32) {
        /// Values looked at together: what four vectors of the widest kind hold.
        const BLOCK: usize = 64;
        self.score.clear();
        self.score.resize(count, f32::NEG_INFINITY);
        self.label.clear();
        self.label.resize(count, 0);
        let (best, labels) = (&mut self.score[..], &mut self.label[..]);
        crate::base::widest(
            #[inline(always)]
            || {
                for (class, plane) in scores.chunks_exact(count.max(1)).enumerate() {
                    let places = best.chunks_mut(BLOCK).zip(labels.chunks_mut(BLOCK));
                    for (plane, (best, labels)) in plane.chunks(BLOCK).zip(places) {
                        // Nearly no block of a plane has anything: one look at all of it is much less than
                        // the work below.
                        if !plane.iter().fold(false, |any, score| any | (*score >= floor)) {
                            continue;
                        }
                        for ((best, label), score) in best.iter_mut().zip(labels).zip(plane) {
                            // Written without a branch, so that it becomes vector instructions.
                            let better = *score > *best;
                            *best = if better { *score } else { *best };
                            *label = if better { class as u32 } else { *label };
                        }
                    }
                }
            },
        );
    }
}

/// Whether one of a row of class scores reaches `floor`: much quicker than to find which, and mostly enough.
pub(super) fn reaches(row: &[f32], floor: f32) -> bool {
    row.chunks(32).any(|some| some.iter().fold(false, |any, score| any | (*score >= floor)))
}

/// The best of a row of class scores; what is no number never wins.
pub(super) fn best_of(row: &[f32]) -> (u32, f32) {
    let (mut best, mut label) = (f32::NEG_INFINITY, 0);
    for (class, score) in row.iter().enumerate() {
        if *score > best {
            (best, label) = (*score, class as u32);
        }
    }
    (label, best)
}
