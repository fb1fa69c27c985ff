//! Between a live camera's reader and its decoder.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::frame::AccessUnit;

/// Access units that may wait: about 3 s of a camera.
const WAITING: usize = 90;

/// A bounded queue of a live camera's access units. Where the decoder has fallen behind by more than it
/// holds, all that waits is dropped, and what follows up to the next unit decoding can start at.
#[derive(Default)]
pub(super) struct Units {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    units: VecDeque<AccessUnit>,
    dropping: bool,
    closed: bool,
}

impl Units {
    /// Puts a unit in; never waits. Returns how many units were dropped over it.
    pub(super) fn push(&self, mut unit: AccessUnit) -> u64 {
        let mut state = self.lock();
        let mut dropped = 0;
        if state.units.len() >= WAITING {
            dropped = state.units.len() as u64;
            state.units.clear();
            state.dropping = true;
        }
        if state.dropping && !unit.key {
            return dropped + 1;
        }
        unit.discontinuity |= std::mem::take(&mut state.dropping);
        state.units.push_back(unit);
        drop(state);
        self.filled.notify_one();
        dropped
    }

    /// No more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// The next unit; waits for one. `None`: closed and empty.
    pub(super) fn take(&self) -> Option<AccessUnit> {
        let mut state = self.lock();
        loop {
            if let Some(unit) = state.units.pop_front() {
                return Some(unit);
            }
            if state.closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(number: i64, key: bool) -> AccessUnit {
        AccessUnit {
            data: bytes::Bytes::new(),
            pts_us: number,
            captured_at_us: 0,
            key,
            reference: true,
            shown: true,
            discontinuity: false,
        }
    }

    #[test]
    fn a_decoder_that_falls_behind_goes_on_at_the_next_key_unit() {
        let units = Units::default();
        let waiting = i64::try_from(WAITING).unwrap();
        let dropped: u64 = (0..waiting + 10).map(|number| units.push(unit(number, number == 0))).sum();
        assert_eq!(dropped, WAITING as u64 + 10);
        assert_eq!(units.push(unit(1_000, true)), 0);
        units.close();
        let next = units.take().unwrap();
        assert!(next.pts_us == 1_000 && next.discontinuity);
        assert!(units.take().is_none());
    }
}
