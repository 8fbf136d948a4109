//! Why something is not delivered: of one entry, or of the whole transfer.

use serde::{Deserialize, Serialize};

use crate::proto::limits::TEXT_BYTES_MAX;

/// Why one entry was not delivered, on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireFailure<'a> {
    /// The kind of reason.
    pub reason: Reason,
    /// Details for people, at most 512 bytes; may be empty.
    pub text: &'a str,
}

/// Why one entry was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The kind of reason.
    pub reason: Reason,
    /// Details for people; may be empty. From the other side: clean it before it reaches a terminal.
    pub text: String,
}

/// Kinds of reasons why one entry is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// The sender cannot read it.
    Unreadable,
    /// A FIFO, socket or device: never opened, never sent.
    Special,
    /// It changed while it was sent.
    Changed,
    /// It was gone when its turn came.
    Vanished,
    /// Its name or path cannot travel: too long, or kept for part files.
    NameUnusable,
    /// Its name cannot exist on the receiving system.
    NameUnfit,
    /// A link that points, or may point, outside the output directory.
    LinkOutside,
    /// Something stands there already, and is left alone.
    Exists,
    /// The receiving file system takes its name for that of another entry.
    Collides,
    /// The directory it belongs to could not be made.
    NoDirectory,
    /// The receiver cannot write it.
    Unwritable,
    /// What arrived is not what was sent.
    Corrupt,
    /// A directory stands where a file or link should be.
    DirectoryThere,
    /// A list names it, and there is no such path.
    Missing,
    /// The receiver writes to a stream, which takes one file and nothing else.
    OnlyOne,
}

/// Why a side ends the transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled<'a> {
    /// The kind of reason.
    pub reason: CancelReason,
    /// Details for people, at most 512 bytes; may be empty.
    pub text: &'a str,
}

/// Kinds of reasons for a side to end the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelReason {
    /// The person answered no.
    Declined,
    /// The person interrupted it.
    Interrupted,
    /// The strings to compare were not the same, or a record was altered on the way.
    Untrusted,
    /// The disk: full, read-only, gone.
    Disk,
    /// The other side broke the protocol.
    Protocol,
    /// A defect.
    Internal,
}

/// Cuts a text for people to what may travel, between characters.
#[must_use]
pub fn bounded_text(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

impl WireFailure<'_> {
    /// Whether its text is no longer than any may be.
    pub(super) fn is_bounded(&self) -> bool {
        self.text.len() <= TEXT_BYTES_MAX
    }
}

impl Failure {
    /// A reason with details, cut to what may travel.
    #[doc(hidden)]
    #[must_use]
    pub fn new(reason: Reason, text: impl Into<String>) -> Failure {
        Failure { reason, text: bounded_text(text.into()) }
    }

    /// The form on the wire.
    #[doc(hidden)]
    #[must_use]
    pub fn as_wire(&self) -> WireFailure<'_> {
        WireFailure { reason: self.reason, text: &self.text }
    }
}

#[doc(hidden)]
impl From<&WireFailure<'_>> for Failure {
    fn from(wire: &WireFailure<'_>) -> Failure {
        Failure::new(wire.reason, wire.text)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.reason {
            Reason::Unreadable => "cannot be read",
            Reason::Special => "is a device, FIFO or socket and is not sent",
            Reason::Changed => "changed while it was sent",
            Reason::Vanished => "was gone when its turn came",
            Reason::NameUnusable => "has a name that cannot travel",
            Reason::NameUnfit => "cannot exist under this name on the receiving system",
            Reason::LinkOutside => "is a link that may lead outside the output directory",
            Reason::Exists => "exists already and was left as it is",
            Reason::Collides => "has a name that the receiving file system takes for another one",
            Reason::NoDirectory => "has no directory to be put in",
            Reason::Unwritable => "cannot be written",
            Reason::Corrupt => "arrived damaged",
            Reason::DirectoryThere => "cannot be written where a directory stands",
            Reason::Missing => "is on the list and is not there",
            Reason::OnlyOne => "does not fit into a stream, which takes one file",
        })?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}
