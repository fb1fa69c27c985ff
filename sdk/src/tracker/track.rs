//! One thing followed.

use super::Settings;
use super::motion::Axis;
use crate::{Detection, Point, Region};

/// How much of the way from the old size to the measured one is gone in an update. Sizes change slowly;
/// a velocity of sizes made boxes of hidden people grow without end (ByteTrack sets it to zero for them).
const SIZE_GAIN: f32 = 0.3;
/// The farthest a thing may turn up from where it was foretold, in sizes of its own.
const FARTHEST: f32 = 1.0;
/// How much larger or smaller it may turn up there.
const SIZE_CHANGE: f32 = 2.0;
/// Overlap at which a second detection is taken for the same thing.
const SAME: f32 = 0.7;
/// Overlap at which a detection is taken for the rest of a thing that is leaving: little, as it is narrow.
const REST: f32 = 0.1;
/// How near the edge of the picture a box counts as touching it. Detectors often end a little short of it.
const AT_EDGE: f32 = 0.015;
/// How fast a thing at the edge must move outwards to count as leaving, in sizes a second.
const LEAVING: f32 = 0.2;

/// One thing followed from frame to frame.
#[derive(Debug, Clone)]
pub struct Track {
    /// 0 until confirmed.
    id: u32,
    label: u32,
    score: f32,
    x: Axis,
    y: Axis,
    w: f32,
    h: f32,
    first: Region,
    last: Region,
    born_us: i64,
    seen_us: i64,
    time_us: i64,
    hits: u32,
    frames: u32,
    new: bool,
    seen_before: bool,
    /// Its middle went out over the edge: it takes no more detections.
    gone: bool,
}

impl Track {
    pub(super) fn begin(time_us: i64, detection: &Detection) -> Track {
        let region = detection.region;
        let centre = region.centre();
        Track {
            id: 0,
            label: detection.label,
            score: detection.score,
            x: Axis::begin(centre.x, region.w),
            y: Axis::begin(centre.y, region.h),
            w: region.w,
            h: region.h,
            first: region,
            last: region,
            born_us: time_us,
            seen_us: time_us,
            time_us,
            hits: 1,
            frames: 1,
            new: false,
            seen_before: false,
            gone: false,
        }
    }

    /// Its number: 1 for the first one confirmed, then 2, and so on.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Index of its label.
    pub fn label(&self) -> u32 {
        self.label
    }

    /// Score of the detection last matched.
    pub fn score(&self) -> f32 {
        self.score
    }

    /// Where it is: smoothed where it was seen, foretold where not. May reach over the edge.
    pub fn region(&self) -> Region {
        Region::around(Point { x: self.x.position, y: self.y.position }, self.w, self.h)
    }

    /// The part of it inside the picture, where a detector would see it.
    pub(super) fn visible(&self) -> Region {
        let region = self.region();
        let (l, t) = (region.l.max(0.0), region.t.max(0.0));
        Region { l, t, w: region.right().min(1.0) - l, h: region.bottom().min(1.0) - t }
    }

    /// Where it was first detected, before it was confirmed.
    pub fn first(&self) -> Region {
        self.first
    }

    /// The detection last matched, as the model gave it.
    pub fn detection(&self) -> Detection {
        Detection { label: self.label, score: self.score, region: self.last }
    }

    /// Media time of the first detection, in microseconds.
    pub fn born_us(&self) -> i64 {
        self.born_us
    }

    /// Media time of the last detection, in microseconds.
    pub fn seen_us(&self) -> i64 {
        self.seen_us
    }

    /// Whether it was detected in the last update.
    pub fn is_seen(&self) -> bool {
        self.seen_us == self.time_us
    }

    /// Whether it was confirmed in the last update: the moment to count it.
    pub fn is_new(&self) -> bool {
        self.new
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.id != 0
    }

    /// Whether it was seen in the update before this one.
    pub(super) fn was_seen_before(&self) -> bool {
        self.seen_before
    }

    /// Whether it may still be matched. What has half walked out may not: somebody coming in at the same
    /// place would take over its number, and never be counted.
    pub(super) fn is_open(&self) -> bool {
        !self.gone && !self.is_seen()
    }

    /// Whether a detection that nothing claimed is part of this track all the same: a second box around it,
    /// or what is still to be seen of somebody walking out.
    pub(super) fn explains(&self, detection: &Detection) -> bool {
        let over = |region: &Region, least: f32| region.iou(&detection.region) > least;
        self.label == detection.label
            && ((self.is_seen() && over(&self.last, SAME)) || (self.gone && over(&self.visible(), REST)))
    }

    /// Moves it to where it should be by now.
    pub(super) fn foretell(&mut self, time_us: i64) {
        self.seen_before = self.is_seen();
        self.new = false;
        self.frames += 1;
        let seconds = (time_us - self.time_us) as f32 / 1e6;
        self.x.advance(seconds, self.w);
        self.y.advance(seconds, self.h);
        self.time_us = time_us;
        self.gone |= self.is_leaving() && !self.is_inside();
    }

    /// Takes a detection of the present time for its own.
    pub(super) fn see(&mut self, detection: &Detection) {
        let Region { l, t, w, h } = detection.region;
        self.w = grown(self.w, w, cut(l, w));
        self.h = grown(self.h, h, cut(t, h));
        self.x.correct(middle(l, w, self.w), self.w);
        self.y.correct(middle(t, h, self.h), self.h);
        self.score = detection.score;
        self.last = detection.region;
        self.seen_us = self.time_us;
        self.hits += 1;
    }

    /// Cost of a match by distance alone, 0.0 ..= 1.0; `None` where it cannot be the same thing: outside
    /// three standard deviations of the motion, farther than its size allows, or of another size.
    pub(super) fn distance(&self, detection: &Detection) -> Option<f32> {
        let alike = |a: f32, b: f32| a < SIZE_CHANGE * b && b < SIZE_CHANGE * a;
        let visible = self.visible();
        if !alike(visible.w, detection.region.w) || !alike(visible.h, detection.region.h) {
            return None;
        }
        let off = |axis: &Axis, measured: f32, size: f32| {
            (measured - axis.position) / (3.0 * axis.spread(size)).min(FARTHEST * size)
        };
        let Region { l, t, w, h } = detection.region;
        let (x, y) = (off(&self.x, middle(l, w, self.w), self.w), off(&self.y, middle(t, h, self.h), self.h));
        let distance = x.hypot(y);
        (distance <= 1.0).then_some(distance)
    }

    /// Whether it is still followed.
    pub(super) fn lives(&self, time_us: i64, settings: &Settings) -> bool {
        let unseen_us = time_us - self.seen_us;
        if unseen_us == 0 {
            return true;
        }
        if self.gone {
            let visible = self.visible();
            return visible.w > 0.0 && visible.h > 0.0 && unseen_us <= settings.hidden_us;
        }
        let patience = match () {
            () if !self.is_confirmed() => settings.forget_us,
            () if self.is_leaving() || !self.is_inside() => settings.leaving_us.min(settings.hidden_us),
            () => settings.hidden_us,
        };
        unseen_us <= patience
    }

    fn is_inside(&self) -> bool {
        let inside = |v: f32| (0.0..=1.0).contains(&v);
        inside(self.x.position) && inside(self.y.position)
    }

    /// Whether it was last seen at an edge of the picture, on its way out.
    fn is_leaving(&self) -> bool {
        let (vx, vy) = (self.x.velocity / self.w, self.y.velocity / self.h);
        let out = |cut: (bool, bool), v: f32| (cut.0 && v < -LEAVING) || (cut.1 && v > LEAVING);
        out(cut(self.last.l, self.last.w), vx) || out(cut(self.last.t, self.last.h), vy)
    }

    /// Whether it has shown itself often and steadily enough to be counted.
    pub(super) fn earns_confirmation(&self, time_us: i64, settings: &Settings) -> bool {
        !self.is_confirmed()
            && self.is_seen()
            && self.hits >= settings.confirm_hits
            && time_us - self.born_us >= settings.confirm_us
            && 2 * self.hits > self.frames
    }

    pub(super) fn confirm(&mut self, id: u32) {
        self.id = id;
        self.new = true;
    }
}

/// Whether the edge of the picture cuts a box at its low end (left or top) and at its high end.
fn cut(low: f32, size: f32) -> (bool, bool) {
    (low < AT_EDGE, low + size > 1.0 - AT_EDGE)
}

/// The size of a thing whose box measures that now: one that the edge cuts has not become smaller.
fn grown(size: f32, measured: f32, cut: (bool, bool)) -> f32 {
    let step = if measured > size || cut == (false, false) { SIZE_GAIN * (measured - size) } else { 0.0 };
    size + step
}

/// The middle of a thing of size `size`, from the end of its box that the edge does not cut. The middle of
/// what is left of the box would seem to move at half the speed, and to stop at the edge.
fn middle(low: f32, measured: f32, size: f32) -> f32 {
    match cut(low, measured) {
        (true, false) => low + measured - size.max(measured) / 2.0,
        (false, true) => low + size.max(measured) / 2.0,
        _ => low + measured / 2.0,
    }
}
