//! Stopping as an argument: whoever waits or loops holds a [`Shutdown`] and looks at it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Told once to stop, seen by all its clones and children.
#[derive(Debug, Clone)]
pub struct Shutdown {
    own: Arc<watch::Sender<bool>>,
    /// What this one was made from; stopping any of them stops this one.
    parents: Vec<Arc<watch::Sender<bool>>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { own: Arc::new(watch::Sender::new(false)), parents: Vec::new() }
    }
}

impl Shutdown {
    /// One that stops with this one, and can be stopped without it.
    #[must_use]
    pub fn child(&self) -> Self {
        let parents = self.parents.iter().chain([&self.own]).cloned().collect();
        Self { own: Arc::new(watch::Sender::new(false)), parents }
    }

    /// Tells everyone to stop. Further calls do nothing.
    pub fn stop(&self) {
        self.own.send_replace(true);
    }

    /// Whether stopping was asked for.
    pub fn is_stopped(&self) -> bool {
        *self.own.borrow() || self.parents.iter().any(|parent| *parent.borrow())
    }

    /// Returns when stopping is asked for.
    pub async fn stopped(&self) {
        let all = self.parents.iter().chain([&self.own]);
        let each = all.map(|sender| {
            let mut receiver = sender.subscribe();
            // The sender lives as long as `self`, so waiting can only end by the value.
            Box::pin(async move { receiver.wait_for(|stopped| *stopped).await.is_ok() })
        });
        futures::future::select_all(each).await;
    }

    /// Sleeps for `time` on the calling thread, in steps short enough to notice a stop within 20 ms.
    /// Returns whether it slept to the end.
    pub fn sleep(&self, time: Duration) -> bool {
        const STEP: Duration = Duration::from_millis(20);
        let clock = super::Clock::system();
        loop {
            if self.is_stopped() {
                return false;
            }
            let left = time.saturating_sub(clock.now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(STEP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stops_with_its_parent_and_not_the_other_way_round() {
        let parent = Shutdown::default();
        let (one, other) = (parent.child(), parent.child());
        one.stop();
        assert!(one.is_stopped() && !parent.is_stopped() && !other.is_stopped());
        parent.stop();
        assert!(other.is_stopped());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(other.child().stopped());
    }
}
