//! A camera's time becomes the stream's: from 0, never back, on through reconnects and clock jumps.

use std::time::Duration;

/// A step between units, against the time that passed here, that no camera makes by accident.
const JUMP_US: i64 = 10_000_000;

/// A step back that B pictures do not explain: 16 pictures at 8 a second.
const BACK_US: i64 = -2_000_000;

/// Turns RTP timestamps into presentation times.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    started: Option<Duration>,
    /// Last unit's camera time and time here, in this session.
    last: Option<(i64, i64)>,
    /// What is added to camera time.
    offset_us: i64,
    highest_us: i64,
}

impl Timeline {
    /// The next unit belongs to a new session, whose camera time has nothing to do with the last one's.
    pub(super) fn reconnect(&mut self) {
        self.last = None;
    }

    /// The presentation time of a unit with this camera time, received `now`; and whether the camera's
    /// clock jumped before it.
    pub(super) fn place(&mut self, camera_us: i64, now: Duration) -> (i64, bool) {
        let first = self.started.is_none();
        let started = *self.started.get_or_insert(now);
        let now_us = i64::try_from(now.saturating_sub(started).as_micros()).unwrap_or(i64::MAX);
        let mut jumped = false;
        if let Some((last_us, received_us)) = self.last {
            let step = camera_us.saturating_sub(last_us);
            let passed = now_us - received_us;
            jumped = step < BACK_US || (step > JUMP_US && step.saturating_sub(passed) > JUMP_US);
        }
        if self.last.is_none() || jumped {
            let from = if first { 0 } else { now_us.max(self.highest_us + 1) };
            self.offset_us = from.saturating_sub(camera_us);
        }
        self.last = Some((camera_us, now_us));
        let pts_us = camera_us.saturating_add(self.offset_us).max(0);
        self.highest_us = self.highest_us.max(pts_us);
        (pts_us, jumped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1000;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn time_starts_at_zero_and_follows_the_camera() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.place(777_000 * MS, at(5000)), (0, false));
        assert_eq!(timeline.place(777_040 * MS, at(5100)), (40 * MS, false));
        // A B picture is shown before the one it came behind.
        assert_eq!(timeline.place(777_020 * MS, at(5101)), (20 * MS, false));
    }

    #[test]
    fn a_new_session_goes_on_by_the_time_that_passed() {
        let mut timeline = Timeline::default();
        timeline.place(0, at(1000));
        timeline.place(40 * MS, at(1040));
        timeline.reconnect();
        assert_eq!(timeline.place(999_999 * MS, at(4000)), (3000 * MS, false));
        timeline.reconnect();
        // A camera that sent ahead of time does not send the stream back.
        assert_eq!(timeline.place(50 * MS, at(2000)), (3000 * MS + 1, false));
    }

    #[test]
    fn a_clock_jump_does_not_move_the_stream() {
        let mut timeline = Timeline::default();
        timeline.place(0, at(0));
        timeline.place(40 * MS, at(40));
        assert_eq!(timeline.place(3_600_000 * MS, at(80)), (80 * MS, true));
        assert_eq!(timeline.place(3_600_040 * MS, at(120)), (120 * MS, false));
        assert_eq!(timeline.place(0, at(160)), (160 * MS, true));
        // A pause is no jump: as much time passed here.
        assert_eq!(timeline.place(60_000 * MS, at(60_160)), (60_160 * MS, false));
    }
}
