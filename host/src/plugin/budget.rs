//! The time of one call: what is the plugin's own, and what the host made it wait for.

use std::time::Duration;

use crate::base::{Clock, thread_cpu};

/// The longest one call may wait for the host in all: models, storage, the network.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Own time is time on the processor plus time asleep. A plugin that the machine has no processor for, or that
/// waits for the host, uses none of it: how busy others are is not its fault. What the host computes for it on its
/// own thread is its own, so that a loop of small questions is a loop; models run on threads of theirs.
pub(super) struct Budget {
    clock: Clock,
    deadline: Duration,
    /// When the call began.
    started: Duration,
    /// CPU time of the thread then. Reading it is a system call of some 250 ns, so it is read twice a call.
    began: Duration,
    /// Spent asleep: in a `poll` that nothing in the host was the cause of.
    slept: Duration,
    /// Spent in the host.
    waited: Duration,
}

impl Budget {
    pub(super) fn new(clock: Clock, deadline: Duration) -> Self {
        let zero = Duration::ZERO;
        Self { clock, deadline, started: clock.now(), began: thread_cpu(), slept: zero, waited: zero }
    }

    /// A call begins, on the calling thread.
    pub(super) fn begin(&mut self, deadline: Duration) {
        *self = Self::new(self.clock, deadline);
    }

    /// Own time allowed in the present call.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// CPU time of the present call.
    pub(super) fn cpu(&self) -> Duration {
        thread_cpu().saturating_sub(self.began)
    }

    /// Own time used in the present call, of which `cpu` on the processor.
    pub(super) fn used(&self, cpu: Duration) -> Duration {
        cpu + self.slept
    }

    /// Own time left in the present call.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.used(self.cpu()))
    }

    /// The soonest that no own time may be left: no more is used than passes.
    pub(super) fn due_in(&self) -> Duration {
        let passed = self.clock.now().saturating_sub(self.started).saturating_sub(self.waited);
        self.deadline.saturating_sub(passed)
    }

    /// Whether the host will let the call wait for it once more.
    pub(super) fn may_wait(&self) -> bool {
        self.waited < LONGEST_WAIT
    }

    /// Waits for the host.
    pub(super) fn wait<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let since = self.clock.now();
        let done = work();
        self.waited += self.clock.now().saturating_sub(since);
        done
    }

    /// Waits because the plugin asked to; CPU time meanwhile counts as ever.
    pub(super) fn sleep<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (since, cpu) = (self.clock.now(), thread_cpu());
        let done = work();
        let cpu = thread_cpu().saturating_sub(cpu);
        self.slept += self.clock.now().saturating_sub(since).saturating_sub(cpu);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// On the processor, as far as the thread's clock goes.
    fn work(time: Duration) {
        let began = thread_cpu();
        while thread_cpu().saturating_sub(began) < time {
            std::hint::black_box(0);
        }
    }

    #[test]
    fn own_time_is_time_on_the_processor_and_asleep() {
        let mut budget = Budget::new(Clock::system(), MS(1000));
        let used = |budget: &Budget| budget.used(budget.cpu());
        budget.wait(|| std::thread::sleep(MS(50)));
        assert!(used(&budget) < MS(40), "a wait is nobody's: {:?}", used(&budget));
        assert!(budget.due_in() > MS(1000) - budget.clock.now(), "and does not bring the deadline nearer");
        work(MS(30));
        assert!(used(&budget) >= MS(30));
        budget.wait(|| work(MS(30)));
        assert!(used(&budget) >= MS(60), "what the host computes for it is its own");
        budget.sleep(|| std::thread::sleep(MS(30)));
        assert!(used(&budget) >= MS(90), "and so is sleep");
        assert!(budget.left() <= MS(1000) - MS(90));
    }

    #[test]
    fn a_call_may_not_wait_for_the_host_for_ever() {
        let mut budget = Budget::new(Clock::system(), MS(50));
        assert!(budget.may_wait());
        budget.waited += LONGEST_WAIT;
        assert!(!budget.may_wait());
        budget.begin(MS(50));
        assert!(budget.may_wait(), "each call anew");
    }
}
