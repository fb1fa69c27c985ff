//! What ends a call to a plugin before it returned.

use std::fmt;

use serde::Serialize;
use wasmtime::Trap;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;

use super::guest::Guest;

/// Characters shown of what a plugin says about itself.
const LONGEST_COMPLAINT: usize = 300;

/// The kinds of [`Fault`], for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It took longer than its deadline.
    Deadline,
    /// It needed more memory than its limit and gave up.
    Memory,
    /// It broke a rule of WebAssembly or stopped itself (a panic, an `unreachable`, too deep a recursion).
    Trap,
    /// A call of it into the host broke a rule: more bytes or handles than it may have, a handle that is not
    /// its own, a text that is none.
    Refused,
    /// The host could not go on with it: it waited for models, storage or the network too long.
    Host,
    /// Its `configure` said it cannot work so.
    Configure,
    /// It ended itself with success (`exit(0)`): it asks for a fresh start.
    Exit,
}

impl FaultKind {
    /// The kind as a word, as in summaries and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Deadline => "deadline",
            FaultKind::Memory => "memory",
            FaultKind::Trap => "trap",
            FaultKind::Refused => "refused",
            FaultKind::Host => "host",
            FaultKind::Configure => "configure",
            FaultKind::Exit => "exit",
        }
    }
}

/// Why a plugin was stopped. Its store is gone with it; the next call finds a fresh one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kind, for whoever counts or reacts.
    pub kind: FaultKind,
    /// What happened, for the owner.
    pub message: String,
}

impl Fault {
    /// The plugin's `configure` returned an error.
    pub(super) fn configure(complaint: &str) -> Self {
        let message = format!("it cannot work with what it was given: {}", quoted(complaint));
        Self { kind: FaultKind::Configure, message }
    }

    /// What `error` means that ended a call.
    pub(super) fn of(guest: &Guest, during: &str, error: &wasmtime::Error) -> Self {
        let fault = |kind, what: String| Self { kind, message: format!("{during} {what}") };
        if error.is::<DeadlinePassed>() {
            let deadline = guest.budget.deadline().as_millis();
            let what = format!("ran longer than its deadline of {deadline} ms; it was stopped");
            return fault(FaultKind::Deadline, what);
        }
        // An allocator that gets no memory ends in a trap of its own; the meter knows why.
        if guest.memory.refused() > 0 {
            let limit = guest.limits().memory_bytes >> 20;
            return fault(FaultKind::Memory, format!("ran out of memory: its limit is {limit} MiB"));
        }
        if error.is::<WaitedTooLong>() {
            return fault(FaultKind::Host, format!("was stopped: {WaitedTooLong}"));
        }
        if let Some(I32Exit(code)) = error.downcast_ref() {
            return match code {
                0 => fault(FaultKind::Exit, "ended itself: it asks for a fresh start".to_owned()),
                code => fault(FaultKind::Trap, format!("trapped: it ended itself with code {code}")),
            };
        }
        let cause = error.root_cause().to_string();
        match error.downcast_ref::<Trap>() {
            Some(Trap::UnreachableCodeReached) => {
                let cause = "it stopped itself, as a panic does; its log may say why";
                fault(FaultKind::Trap, format!("trapped: {cause}"))
            }
            Some(Trap::MemoryOutOfBounds) => {
                let cause = "it touched memory it does not have, as too deep a recursion does";
                fault(FaultKind::Trap, format!("trapped: {cause}"))
            }
            Some(Trap::StackOverflow) => {
                fault(FaultKind::Trap, "trapped: its calls nest too deep".to_owned())
            }
            Some(_) => fault(FaultKind::Trap, format!("trapped: {cause}")),
            // Not WebAssembly's word but ours or wasmtime's at the boundary.
            None => {
                let why = match Self::broke(error) {
                    Some(super::ledger::Limit::CallBytes) => {
                        "more than its `call_bytes` were to cross at once"
                    }
                    Some(_) => "it holds more than its `handles`",
                    None => &cause,
                };
                fault(FaultKind::Refused, format!("was refused a call: {why}"))
            }
        }
    }

    /// Which limit a refused call broke, if it was one. wasmtime gives these as texts only.
    pub(super) fn broke(error: &wasmtime::Error) -> Option<super::ledger::Limit> {
        use super::ledger::Limit;
        let cause = error.root_cause().to_string();
        if cause.contains("fuel allocated for hostcalls") {
            return Some(Limit::CallBytes);
        }
        let full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
        (full || cause.contains("handle limit exceeded")).then_some(Limit::Handles)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A plugin's own words as part of a message: cut, and with nothing in them that could forge a line.
pub(super) fn quoted(complaint: &str) -> String {
    complaint.chars().take(LONGEST_COMPLAINT).flat_map(char::escape_debug).collect()
}

/// Raised inside the store where the deadline has passed.
#[derive(Debug)]
pub(super) struct DeadlinePassed;

impl fmt::Display for DeadlinePassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call deadline has passed")
    }
}

impl std::error::Error for DeadlinePassed {}

/// Raised inside the store where a call has made the host work for it without end.
#[derive(Debug)]
pub(super) struct WaitedTooLong;

impl fmt::Display for WaitedTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it waited for the host more than a minute in one call")
    }
}

impl std::error::Error for WaitedTooLong {}
