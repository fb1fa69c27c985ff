//! Does what the people-counter example does, without a host.

use transom_sdk::Detection;
use transom_sdk::line::{Crossings, Direction, Line};
use transom_sdk::tracker::{Settings, Tracker};

/// What a counter says, or should say.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) people: u32,
    pub(crate) entered: u32,
    pub(crate) left: u32,
}

impl Count {
    pub(crate) fn plus(self, other: Count) -> Count {
        Count {
            people: self.people + other.people,
            entered: self.entered + other.entered,
            left: self.left + other.left,
        }
    }
}

pub(crate) struct Counter {
    tracker: Tracker,
    crossings: Crossings,
    count: Count,
}

impl Counter {
    pub(crate) fn new(line: Line) -> Counter {
        Counter {
            tracker: Tracker::new(Settings::default()),
            crossings: Crossings::new(line),
            count: Count::default(),
        }
    }

    pub(crate) fn count(&self) -> Count {
        self.count
    }

    pub(crate) fn look(&mut self, time_us: i64, people: &[Detection]) {
        self.tracker.update(time_us, people);
        for &track in self.tracker.ended() {
            self.crossings.forget(track);
        }
        for track in self.tracker.tracks().iter().filter(|track| track.is_seen()) {
            if track.is_new() {
                self.count.people += 1;
                self.crossings.update(track.id(), track.first());
            }
            match self.crossings.update(track.id(), track.region()) {
                Some(Direction::In) => self.count.entered += 1,
                Some(Direction::Out) => self.count.left += 1,
                None => {}
            }
        }
    }
}
