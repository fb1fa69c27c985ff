//! One deadline for all tries of a request.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::Fault;

/// Before the second try; twice as long before each after it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Tries until it is done, refused, out of tries, or `timeout` is over. Only [`Fault::Passing`] is tried again,
/// and only where the pause before it ends in time.
pub(super) async fn patient<T, F: Future<Output = Result<T, Fault>>>(
    timeout: Duration,
    retries: u32,
    mut once: impl FnMut() -> F,
) -> Result<T, Fault> {
    let deadline = Instant::now() + timeout;
    let mut before: Option<String> = None;
    let mut tries = 0;
    loop {
        let fault = match timeout_at(deadline, once()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(fault)) => fault,
            Err(_) => {
                let before = before.map(|before| format!("; the try before: {before}")).unwrap_or_default();
                return Err(Fault::Late(format!("no answer within {timeout:?}{before}")));
            }
        };
        let Fault::Passing(why) = fault else { return Err(fault) };
        let pause = pause(tries);
        if tries == retries || Instant::now() + pause >= deadline {
            return Err(Fault::Passing(why));
        }
        sleep(pause).await;
        before = Some(why);
        tries += 1;
    }
}

/// Half of it is chance, so that many hosts do not come back to a server all at once.
fn pause(tries: u32) -> Duration {
    let most = FIRST_PAUSE * 2u32.saturating_pow(tries.min(8));
    let chance = RandomState::new().hash_one(tries) >> 40;
    most / 2 + (most / 2).mul_f64(chance as f64 / (1u64 << 24) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_differ() {
        for tries in 0..5 {
            let most = FIRST_PAUSE * 2u32.pow(tries);
            let pauses: Vec<_> = (0..100).map(|_| pause(tries)).collect();
            assert!(pauses.iter().all(|pause| (most / 2..=most).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
    }
}
