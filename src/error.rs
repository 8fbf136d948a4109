//! What can go wrong, sorted by whose fault it is.
//!
//! Every error that leaves the library is an [`Error`]: a kind (which decides the exit status of the
//! command), one sentence that says what happened and where, and, where there is one, a hint that says what
//! to try. The library never prints and never exits; that is the command line's work.

use std::fmt;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault it is. The command line maps each kind to one exit status, see [`Kind::exit_status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A defect of p2pc itself.
    Internal,
    /// The caller asked for something impossible.
    Usage,
    /// The other side did not come within the time to wait.
    NobodyCame,
    /// The code was wrong, or somebody interfered with the pairing.
    Authentication,
    /// The relay (or a proxy on the way) cannot be reached, or it refused.
    Relay,
    /// The connection to the other side was lost and did not come back.
    ConnectionLost,
    /// This machine's disk: full, read-only, unreadable.
    Disk,
    /// The other side declined or cancelled.
    Refused,
    /// The transfer ended in order, but some entries were not delivered.
    Incomplete,
    /// The other side speaks another version, or broke the protocol.
    Protocol,
    /// This side was cancelled by its own person, or by whoever no longer reads what it writes.
    Interrupted,
}

impl Kind {
    /// The exit status of the command for this kind of error. These numbers are API: scripts rely on them.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self {
            Kind::Internal => 1,
            Kind::Usage => 2,
            Kind::NobodyCame => 3,
            Kind::Authentication => 4,
            Kind::Relay => 5,
            Kind::ConnectionLost => 6,
            Kind::Disk => 7,
            Kind::Refused => 8,
            Kind::Incomplete => 9,
            Kind::Protocol => 10,
            Kind::Interrupted => 130,
        }
    }
}

/// One failure: what kind, what happened, and what to try.
///
/// Its `Display` has all of it but the hint, causes included, on one line; `source` is there to tell one cause from another: of a full disk, it is a
/// [`std::io::Error`].
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`. `what` is one clause without a capital letter or a full stop: "cannot open x".
    pub fn new(kind: Kind, what: impl Into<String>) -> Error {
        Error { kind, what: what.into(), hint: None, source: None }
    }

    /// The end that this side's own person asked for.
    #[must_use]
    pub(crate) fn interrupted() -> Error {
        Error::new(Kind::Interrupted, "interrupted")
    }

    /// Adds what the person can do about it: a full sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the lower-level error this one came from. It is shown after the sentence.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What to try, where something helps.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
