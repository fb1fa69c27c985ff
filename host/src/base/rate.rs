//! So many a second: for what comes from many threads. A plugin's own limits are in its ledger.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A token bucket that holds one second's worth.
pub struct Rate {
    a_second: f64,
    /// Tokens left, and when they were counted.
    state: Mutex<(f64, Duration)>,
}

impl Rate {
    /// A full bucket.
    pub fn new(a_second: u32, now: Duration) -> Self {
        let a_second = f64::from(a_second);
        Self { a_second, state: Mutex::new((a_second, now)) }
    }

    /// Takes a token, if there is one at `now`: how many of a second's worth are gone then.
    pub fn take(&self, now: Duration) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, counted_at) = *state;
        let gained = now.saturating_sub(counted_at).as_secs_f64() * self.a_second;
        let tokens = (tokens + gained).min(self.a_second);
        let is_taken = tokens >= 1.0;
        let tokens = if is_taken { tokens - 1.0 } else { tokens };
        *state = (tokens, now.max(counted_at));
        is_taken.then(|| (self.a_second - tokens).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_holds_one_second_and_fills_again() {
        let at = Duration::from_millis;
        let rate = Rate::new(3, at(500));
        assert_eq!([(); 4].map(|()| rate.take(at(500))), [Some(1), Some(2), Some(3), None]);
        assert!(rate.take(at(800)).is_none() && rate.take(at(850)).is_some() && rate.take(at(850)).is_none());
        assert!(rate.take(at(100)).is_none(), "a clock that goes back gives nothing");
        assert_eq!([(); 4].map(|()| rate.take(at(3_600_000))), [Some(1), Some(2), Some(3), None]);
    }
}
