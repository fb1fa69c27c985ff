//! Stopping as an argument: whoever waits or loops holds a [`Shutdown`] and looks at it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Told once to stop, seen by all its clones.
#[derive(Debug, Clone)]
pub struct Shutdown {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }
}

impl Shutdown {
    /// Tells everyone to stop. Further calls do nothing.
    pub fn stop(&self) {
        self.sender.send_replace(true);
    }

    /// Whether stopping was asked for.
    pub fn is_stopped(&self) -> bool {
        *self.sender.borrow()
    }

    /// Returns when stopping is asked for.
    pub async fn stopped(&self) {
        // The sender lives as long as `self`, so waiting can only end by the value.
        let _ = self.sender.subscribe().wait_for(|stopped| *stopped).await;
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
