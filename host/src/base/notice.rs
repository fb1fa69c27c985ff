//! Words for the owner while things run: a camera that went away, a plugin's log line. The command line
//! prints them; nothing else writes to standard error.

use std::sync::Arc;

/// Whether a character steers a terminal, or hides or reorders what stands around it: control characters,
/// bidirectional marks, zero widths (Unicode Technical Report 36, 3).
pub fn deceives(c: char) -> bool {
    let hides =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    c.is_control() || hides
}

/// One line for the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// All is well; this is progress.
    Info(String),
    /// Something was lost or is being tried again.
    Warn(String),
    /// A line a plugin wrote, with who wrote it (`app/plugin`) and its level.
    Log {
        /// `app/plugin`.
        from: String,
        /// `error`, `warn`, `info` or `debug`.
        level: &'static str,
        /// The line, control characters escaped.
        text: String,
    },
}

/// Where notices go. Cheap to clone; callable from any thread; never blocks for long.
#[derive(Clone)]
pub struct Notices(Arc<dyn Fn(Notice) + Send + Sync>);

impl Notices {
    /// Hands every notice to `take`.
    pub fn new(take: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Drops every notice.
    pub fn none() -> Self {
        Self::new(|_| {})
    }

    /// Says that something goes as it should.
    pub fn info(&self, text: impl Into<String>) {
        (self.0)(Notice::Info(text.into()));
    }

    /// Says that something went wrong and what is done about it.
    pub fn warn(&self, text: impl Into<String>) {
        (self.0)(Notice::Warn(text.into()));
    }

    /// Passes on a notice made elsewhere.
    pub fn send(&self, notice: Notice) {
        (self.0)(notice);
    }
}
