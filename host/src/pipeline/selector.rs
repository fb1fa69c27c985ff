//! Which frames an app that wants at most so many a second is given.

use std::collections::BTreeSet;

/// Slots remembered: more than a decoder reorders.
const REMEMBERED: usize = 64;

/// Picks access units, before they are decoded, so that what nobody wants need not be.
///
/// Media time is cut into slots of `1 / max_fps`; the first unit of a slot in decoding order is taken. In a
/// stream with B-frames that favours the pictures others are predicted from, which must be decoded anyway.
/// The choice depends on the stream alone, so a recording and its replay over RTSP choose alike.
pub(super) struct Selector {
    max_fps: Option<f64>,
    taken: BTreeSet<i64>,
}

impl Selector {
    pub(super) fn new(max_fps: Option<f64>) -> Self {
        Self { max_fps, taken: BTreeSet::new() }
    }

    /// Whether the unit shown at `pts_us` is wanted.
    pub(super) fn takes(&mut self, pts_us: i64) -> bool {
        let Some(max_fps) = self.max_fps else { return true };
        // A camera's clock ticks in 1/90000 s: a unit due at a slot's start may come 11 us before it.
        const SLACK_US: f64 = 12.0;
        let slot = ((pts_us as f64 + SLACK_US) * max_fps / 1e6).floor() as i64;
        if !self.taken.insert(slot) {
            return false;
        }
        while self.taken.len() > REMEMBERED {
            self.taken.pop_first();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(max_fps: f64, order: &[i64]) -> Vec<i64> {
        let mut selector = Selector::new(Some(max_fps));
        order.iter().copied().filter(|frame| selector.takes(frame * 40_000)).collect()
    }

    #[test]
    fn every_other_frame_of_25_is_taken_at_12_5() {
        let order: Vec<i64> = (0..10).collect();
        assert_eq!(taken(12.5, &order), [0, 2, 4, 6, 8]);
    }

    #[test]
    fn ten_a_second_are_ten_a_second() {
        let order: Vec<i64> = (0..250).collect();
        assert_eq!(taken(10.0, &order).len(), 100);
    }

    #[test]
    fn with_b_frames_the_reference_pictures_are_taken_first() {
        let order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11];
        assert_eq!(taken(25.0 / 3.0, &order), [0, 3, 6, 9, 12]);
    }

    #[test]
    fn a_rounded_clock_changes_nothing() {
        let mut selector = Selector::new(Some(10.0));
        let rounded = (0..100).map(|frame| (frame * 9_000 / 90) * 1_000 - 11);
        assert_eq!(rounded.filter(|pts| selector.takes(*pts)).count(), 100);
    }
}
