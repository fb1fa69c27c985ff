//! What ends a call to a plugin before it returned.

use std::fmt;

use serde::Serialize;

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
    /// Its `configure` said it cannot work so.
    Configure,
}

impl FaultKind {
    /// The kind as a word, as in summaries and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Deadline => "deadline",
            FaultKind::Memory => "memory",
            FaultKind::Trap => "trap",
            FaultKind::Configure => "configure",
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
