//! One error type. Its kind decides the exit code (and later the HTTP status), in one place each.

use std::fmt;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error is about, as far as anyone who reacts to it needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The command line asks for something impossible.
    Usage,
    /// A manifest (`app.toml`, `deploy.toml`) is wrong.
    Manifest,
    /// A camera or file cannot be opened, read or decoded.
    Source,
    /// A model or its `model.toml` cannot be loaded or run.
    Model,
    /// A plugin cannot be built, loaded or kept running.
    Plugin,
    /// Results cannot be delivered: a full disk, a port in use.
    Sink,
    /// A fault of Transom's own.
    Internal,
}

impl Kind {
    /// The process exit code; `host/docs/cli.md` is the published list.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Internal => 1,
            Kind::Usage => 2,
            Kind::Manifest => 3,
            Kind::Source => 4,
            Kind::Model => 5,
            Kind::Plugin => 6,
            Kind::Sink => 7,
        }
    }

    /// The kind as a word for machine output.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::Manifest => "manifest",
            Kind::Source => "source",
            Kind::Model => "model",
            Kind::Plugin => "plugin",
            Kind::Sink => "sink",
            Kind::Internal => "internal",
        }
    }
}

/// What happened, where, and what to do: lower case, no full stop, values in backticks, remedy last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    message: String,
}

impl Error {
    /// An error of `kind` with its whole message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Shorthand for [`Kind::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Shorthand for [`Kind::Manifest`].
    pub fn manifest(message: impl Into<String>) -> Self {
        Self::new(Kind::Manifest, message)
    }

    /// Shorthand for [`Kind::Source`].
    pub fn source(message: impl Into<String>) -> Self {
        Self::new(Kind::Source, message)
    }

    /// Shorthand for [`Kind::Model`].
    pub fn model(message: impl Into<String>) -> Self {
        Self::new(Kind::Model, message)
    }

    /// Shorthand for [`Kind::Plugin`].
    pub fn plugin(message: impl Into<String>) -> Self {
        Self::new(Kind::Plugin, message)
    }

    /// Shorthand for [`Kind::Sink`].
    pub fn sink(message: impl Into<String>) -> Self {
        Self::new(Kind::Sink, message)
    }

    /// Shorthand for [`Kind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// What the error is about.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message without its kind.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error, its message led by where it happened: `context: message`.
    #[must_use]
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
