//! Follows things from frame to frame: detections in, tracks with numbers out.
//!
//! ```
//! use transom_sdk::tracker::{Settings, Tracker};
//! use transom_sdk::{Detection, Region};
//!
//! let mut tracker = Tracker::new(Settings::default());
//! for frame in 0..10 {
//!     let region = Region { l: 0.1 + 0.01 * frame as f32, t: 0.3, w: 0.1, h: 0.4 };
//!     let found = [Detection { label: 0, score: 0.8, region }];
//!     tracker.update(frame * 100_000, &found); // media time in microseconds
//! }
//! assert_eq!(tracker.tracks().len(), 1);
//! assert_eq!(tracker.tracks()[0].id(), 1);
//! ```
//!
//! It is SORT (Bewley et al. 2016, arXiv:1602.00763) with the two-stage association of ByteTrack (Zhang
//! et al. 2022, arXiv:2110.06864): confident detections are matched first, and what is left of the
//! tracks may then claim weak ones, which are mostly people half hidden; a weak detection never starts a
//! track. So ask the model with a `min_score` of [`Settings::low_score`].
//!
//! Both papers count frames. Here every constant is a time, or relative to the size of the thing, so that
//! the same settings serve 5 and 30 frames a second, dropped frames, and large and small pictures.
//!
//! It is deterministic, knows nothing of the host, and holds at most [`Settings::max_tracks`] tracks.
//! Things of different labels are never matched.

mod assign;
mod motion;
#[cfg(test)]
mod tests;
mod track;

use crate::Detection;
use assign::assign;
pub use track::Track;

/// How a tracker decides. The defaults suit people and vehicles seen by a fixed camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Detections of at least this score are matched first, and start tracks.
    pub high_score: f32,
    /// Detections of at least this score, but below `high_score`, keep a track alive.
    pub low_score: f32,
    /// A track is confirmed after this many matches ...
    pub confirm_hits: u32,
    /// ... and this long after its first one, in microseconds, if it was matched in most frames between.
    pub confirm_us: i64,
    /// A track not yet confirmed ends when unmatched for longer than this.
    pub forget_us: i64,
    /// A confirmed track ends when unmatched for longer than this: how long a thing may be hidden.
    pub hidden_us: i64,
    /// A confirmed track last seen leaving over the edge of the picture ends when unmatched for longer
    /// than this, so that whoever comes in there next is somebody else.
    pub leaving_us: i64,
    /// The most tracks held; while there are as many, new things are not followed.
    pub max_tracks: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            high_score: 0.5,
            low_score: 0.1,
            confirm_hits: 3,
            confirm_us: 200_000,
            forget_us: 450_000,
            hidden_us: 2_000_000,
            leaving_us: 400_000,
            max_tracks: 128,
        }
    }
}

/// Least overlap with the place foretold for a confident detection: ByteTrack's `match_thresh` of 0.8.
const IOU_HIGH: f32 = 0.2;
/// Least overlap for a weak one: ByteTrack's second association.
const IOU_LOW: f32 = 0.5;

/// Follows the things one camera sees. Keep one a camera.
#[derive(Debug, Clone)]
pub struct Tracker {
    settings: Settings,
    /// Confirmed ones first, each kind in order of birth.
    tracks: Vec<Track>,
    confirmed: usize,
    ended: Vec<u32>,
    last_id: u32,
    time_us: Option<i64>,
}

impl Tracker {
    /// A tracker that follows nothing yet.
    pub fn new(settings: Settings) -> Tracker {
        Tracker { settings, tracks: Vec::new(), confirmed: 0, ended: Vec::new(), last_id: 0, time_us: None }
    }

    /// The confirmed tracks, oldest first, as of the last update; also those not seen in it, see
    /// [`Track::is_seen`].
    pub fn tracks(&self) -> &[Track] {
        &self.tracks[..self.confirmed]
    }

    /// The numbers of the confirmed tracks that ended in the last update.
    pub fn ended(&self) -> &[u32] {
        &self.ended
    }

    /// How many tracks were ever confirmed; they are numbered from 1 to this.
    pub fn total(&self) -> u32 {
        self.last_id
    }

    /// Takes what was found in the frame of that media time, in microseconds.
    ///
    /// Call it for frames without detections, too: time passes in them. Where time runs backwards for more
    /// than [`Settings::hidden_us`] (a recording played again), all tracks end and following starts afresh;
    /// numbers go on. A smaller step back, or none, is a camera's slip and taken for a microsecond.
    /// Detections that are not finite or without area are passed over, as are those beyond the first
    /// `2 * max_tracks`.
    pub fn update(&mut self, time_us: i64, detections: &[Detection]) {
        self.ended.clear();
        let time_us = match self.time_us {
            Some(before) if time_us < before - self.settings.hidden_us => {
                self.ended.extend(self.tracks[..self.confirmed].iter().map(Track::id));
                self.tracks.clear();
                self.confirmed = 0;
                time_us
            }
            Some(before) => time_us.max(before + 1),
            None => time_us,
        };
        self.time_us = Some(time_us);

        let mut left: Vec<&Detection> = detections
            .iter()
            .filter(|d| d.region.is_valid() && d.score >= self.settings.low_score)
            .take(2 * self.settings.max_tracks)
            .collect();
        let mut low = Vec::new();
        left.retain(|d| {
            let high = d.score >= self.settings.high_score;
            if !high {
                low.push(*d);
            }
            high
        });

        for track in &mut self.tracks {
            track.foretell(time_us);
        }
        let confirmed = 0..self.confirmed;
        let tentative = self.confirmed..self.tracks.len();
        let all = 0..self.tracks.len();
        let strong = |t: &Track, d: &Detection| overlap(t, d, IOU_HIGH);
        self.associate(confirmed.clone(), &mut left, strong);
        // ByteTrack offers weak detections only to tracks seen in the frame before: a weak box far from
        // anything seen lately is more often a coat than a person.
        let weak = |t: &Track, d: &Detection| overlap(t, d, IOU_LOW).filter(|_| t.was_seen_before());
        self.associate(confirmed, &mut low, weak);
        self.associate(tentative, &mut left, strong);
        // What moved too far between two frames to overlap, or was hidden for a while.
        self.associate(all, &mut left, Track::distance);
        self.end_and_confirm(time_us);
        self.begin(time_us, &left);
    }

    /// Matches the open tracks of a range with the detections left over; takes those matched away.
    fn associate(
        &mut self,
        range: std::ops::Range<usize>,
        left: &mut Vec<&Detection>,
        cost: impl Fn(&Track, &Detection) -> Option<f32>,
    ) {
        let free: Vec<usize> = range.filter(|&i| self.tracks[i].is_open()).collect();
        let pairs = assign(free.len(), left.len(), |row, column| {
            let (track, detection) = (&self.tracks[free[row]], left[column]);
            if track.label() == detection.label { cost(track, detection) } else { None }
        });
        let mut taken = vec![false; left.len()];
        for (row, column) in pairs {
            self.tracks[free[row]].see(left[column]);
            taken[column] = true;
        }
        let mut taken = taken.into_iter();
        left.retain(|_| taken.next() == Some(false));
    }

    fn end_and_confirm(&mut self, time_us: i64) {
        let settings = &self.settings;
        let ended = &mut self.ended;
        self.tracks.retain(|track| {
            let keep = track.lives(time_us, settings);
            if !keep && track.is_confirmed() {
                ended.push(track.id());
            }
            keep
        });
        for track in &mut self.tracks {
            if track.earns_confirmation(time_us, &self.settings) {
                self.last_id += 1;
                track.confirm(self.last_id);
            }
        }
        self.tracks.sort_by_key(|track| !track.is_confirmed()); // stable: order of birth stays
        self.confirmed = self.tracks.iter().take_while(|track| track.is_confirmed()).count();
    }

    fn begin(&mut self, time_us: i64, left: &[&Detection]) {
        for detection in left {
            let explained = self.tracks.iter().any(|track| track.explains(detection));
            if !explained && self.tracks.len() < self.settings.max_tracks {
                self.tracks.push(Track::begin(time_us, detection));
            }
        }
    }
}

/// Cost of a match by overlap; `None` below `least`.
fn overlap(track: &Track, detection: &Detection, least: f32) -> Option<f32> {
    let iou = track.visible().iou(&detection.region);
    (iou >= least).then_some(1.0 - iou)
}
