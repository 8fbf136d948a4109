//! What a transfer tells its caller while it runs, what it asks, and how it is cancelled.
//!
//! The library never prints. It calls a [`Handler`] with every [`Event`], and puts its few [`Question`]s to it. The
//! command line is one such handler; a program that embeds p2pc writes its own.

#[doc(hidden)]
pub mod tally;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use crate::error::Kind;
use crate::net::RelayUrl;
use crate::proto::code::Code;

// What events are made of.
#[doc(inline)]
pub use crate::proto::frame::{Failure, Reason};
#[doc(inline)]
pub use crate::proto::manifest::KindTag;
#[doc(inline)]
pub use crate::proto::path::{Name, NameError, RelPath};
#[doc(inline)]
pub use crate::proto::role::Role;
#[doc(inline)]
pub use crate::proto::seal::Mode;

/// Something that happened. More may be added: match with a wildcard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// This side made the code, the relay has the room: the other side can start now.
    #[non_exhaustive]
    CodeReady {
        /// What the person passes on. Its `Debug` is redacted; `Code::reveal` gives the text.
        code: Code,
        /// Where the other side can reach the relay: one address of a relay somewhere else, or every address of
        /// this machine for an embedded relay, best guess first.
        relays: Vec<RelayUrl>,
        /// True when this process itself runs the relay.
        embedded: bool,
    },
    /// An argument is called something else at the other end, because another one has its name.
    #[non_exhaustive]
    Renamed {
        /// The argument.
        path: PathBuf,
        /// What it is called there.
        name: Name,
    },
    /// This side was given the code; the relay has the room, the other side is awaited.
    #[non_exhaustive]
    Waiting {
        /// The code, for whoever has yet to tell the other side.
        code: Code,
        /// The relay of the room.
        relay: RelayUrl,
    },
    /// The hop to the relay is not encrypted (the content is).
    PlainRelay(RelayUrl),
    /// While this side waits, the relay can no longer be reached, or keeps it out; it is tried again and again.
    #[non_exhaustive]
    RelayLost {
        /// What happened.
        what: String,
    },
    /// The relay has no place now, or none beside whoever is in the room, or ends connections without an answer; it is asked again. While this side
    /// waits for the other it comes once for as long as the relay says the same.
    #[non_exhaustive]
    RelayBusy {
        /// What it said.
        what: String,
        /// After how long it is asked again.
        again: Duration,
    },
    /// This relay wants a token from one of the two sides, and this one, which waits there, shows none: only a side that shows one is joined with it.
    /// Comes once.
    TokenWanted(RelayUrl),
    /// The relay is back, and this side waits on.
    RelayBack,
    /// Somebody came with a wrong code; this side waits on. After `left` more the code is burnt.
    #[non_exhaustive]
    WrongGuess {
        /// How many wrong guesses are left before the code is burnt: 2 or 1. Or 0 while a lost connection is looked for: then only
        /// a side that still has its session is let in.
        left: u8,
    },
    /// Both sides have proved that they know the code.
    #[non_exhaustive]
    Paired {
        /// What seals the records.
        cipher: Mode,
        /// This side asked for no encryption and the other did not, or the other way round: so it is encrypted.
        encryption_kept: bool,
    },
    /// The string both people compare, because one of the sides asked for it.
    Verify(String),
    /// What is offered so far. Comes again as the manifest grows; on the receiving side also before the question.
    Offer(Offer),
    /// The receiving person (or `--yes`) accepted: data moves from here on.
    Accepted,
    /// The connection was lost, and is looked for again; the transfer goes on where it was. Comes once for each loss.
    #[non_exhaustive]
    Disconnected {
        /// What happened.
        what: String,
        /// How long it is looked for at most.
        retry: Duration,
    },
    /// The connection is back.
    Reconnected,
    /// Data goes over so many lanes from now on.
    Lanes(u8),
    /// The other side was started again with the same code; what is there already is kept.
    Restarted,
    /// An entry got another name, because the one it has is taken and both were to be kept.
    #[non_exhaustive]
    KeptBoth {
        /// Where it should have been.
        path: RelPath,
        /// What it is called there.
        name: Name,
    },
    /// How far the transfer is. Comes several times a second while something changes.
    Progress(Progress),
    /// An entry reached its end.
    Entry(EntryEnd),
    /// The text that was sent in place of files, whole and verified: to be shown, since it is nowhere else. Anything may be in it: clean it before
    /// it reaches a terminal. What was not UTF-8 in it is U+FFFD.
    Text(String),
}

/// What is offered, as far as the walk has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// Files and links so far.
    pub files: u64,
    /// Of those files the streams so far, whose size only their end tells. They survive a lost connection, and no other process goes on with them.
    pub streams: u64,
    /// Directories so far.
    pub directories: u64,
    /// Bytes of all files so far.
    pub bytes: u64,
    /// The first names, at most [`OFFER_NAMES_MAX`], top level only.
    pub names: Vec<RelPath>,
    /// True once the walk has ended: before that every number is "at least".
    pub complete: bool,
    /// It is one text, to be shown and not to be written.
    pub text: bool,
}

/// How many names an [`Offer`] carries: what a person reads before answering.
pub const OFFER_NAMES_MAX: usize = 5;

/// How far the transfer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Entries (files, links, directories) whose outcome is known.
    pub entries_done: u64,
    /// Entries known so far.
    pub entries_total: u64,
    /// Bytes the receiver has taken.
    pub bytes_done: u64,
    /// Those of them that it had already, and that were compared instead of sent.
    pub bytes_held: u64,
    /// Bytes known so far.
    pub bytes_total: u64,
    /// True once the totals are exact.
    pub complete: bool,
}

/// The end of one entry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EntryEnd {
    /// Where it stands below the output directory.
    pub path: RelPath,
    /// What it was.
    pub kind: KindTag,
    /// Its size in bytes; 0 for what is not a file.
    pub bytes: u64,
    /// `None` when delivered (verified and durable), else why not.
    pub failure: Option<Failure>,
}

/// What a finished transfer leaves to say.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Entries delivered, verified and durable.
    pub delivered: u64,
    /// Bytes of delivered files.
    pub bytes: u64,
    /// How many entries were not delivered.
    pub failed: u64,
    /// The first of them, at most [`REPORT_FAILURES_MAX`], and of every reason one; each was also an [`Event::Entry`].
    pub failures: Vec<EntryEnd>,
    /// Bytes of delivered files that the receiver had already, and that were compared instead of sent.
    pub held: u64,
    /// Bytes of contents that were sent, however often, as they stand in the files.
    pub sent: u64,
    /// What those were on the line: less, where they were compressed.
    pub carried: u64,
    /// How many of the entries that were not delivered failed for the sake of the receiver's disk.
    pub unwritten: u64,
    /// How much the sender was told to leave out, and has: a directory counts once, whatever is in it. The receiver does not learn of it.
    pub excluded: u64,
    /// From the first record to the last.
    pub elapsed: Duration,
}

impl Report {
    /// What the transfer came to at this end, where it did not deliver everything: the disk's trouble where the disk is, since
    /// there it can be mended.
    #[must_use]
    pub fn shortfall(&self, role: Role) -> Option<Kind> {
        match role {
            _ if self.failed == 0 => None,
            Role::Receive if self.unwritten > 0 => Some(Kind::Disk),
            Role::Receive | Role::Send => Some(Kind::Incomplete),
        }
    }
}

/// How many undelivered entries a [`Report`] names, so that a million of them do not fill the memory.
pub const REPORT_FAILURES_MAX: usize = 100;

/// A question to the person.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Question {
    /// Take what is offered? Newer [`Event::Offer`]s may arrive while the answer is awaited.
    Accept(Offer),
    /// Do both sides show this string?
    Verify(String),
}

/// Something else stands where a file or link should be, and may be kept or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// Where, below the output directory.
    pub path: RelPath,
    /// What stands there.
    pub ours: Version,
    /// What is offered.
    pub theirs: Version,
}

/// What is known of one of two files or links of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// Its size in bytes, where that is known.
    pub size: Option<u64>,
    /// When it was last modified: seconds since 1970.
    pub mtime_s: i64,
    /// Where it leads, if it is a symbolic link. Anything may be in it: clean it before it reaches a terminal.
    pub target: Option<Box<[u8]>>,
}

/// What to do about a [`Conflict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// The new one takes the place of the old, once it is whole.
    Overwrite,
    /// The old one stays; the new one is not delivered.
    Skip,
    /// Both stay: the new one gets a number behind its name.
    Rename,
}

/// An answer to a [`Conflict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub resolution: Resolution,
    /// Whether it holds for all that come after it too.
    pub for_all: bool,
}

/// The answer to a [`Conflict`], later.
pub type Deciding<'a> = Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;

/// The answer to a [`Question`], later.
pub type Answer<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Who listens to a transfer. Methods must return quickly: the transfer waits for them.
pub trait Handler: Send + Sync {
    /// Told of everything that happens.
    fn event(&self, event: Event);

    /// Asked a question; the answer may take as long as the person does, and the connection is kept alive meanwhile. The
    /// future is dropped when the transfer ends before the answer.
    fn ask(&self, question: Question) -> Answer<'_>;

    /// Asked what to do about a conflict, where the receiver was told to ask. One at a time; otherwise like [`Handler::ask`]. Without an
    /// implementation of its own a handler leaves everything that exists alone.
    fn decide(&self, conflict: Conflict) -> Deciding<'_> {
        let _ = conflict;
        Box::pin(std::future::ready(Decision { resolution: Resolution::Skip, for_all: true }))
    }
}

/// Stops a transfer or a relay in order: the other side is told. Clones share one state.
#[derive(Clone, Debug)]
pub struct Cancel {
    close: smol::channel::Sender<()>,
    closed: smol::channel::Receiver<()>,
}

/// The receiver in it has no place that it must keep: it is never read as a stream.
impl Unpin for Cancel {}

impl Cancel {
    /// Not cancelled yet.
    #[must_use]
    pub fn new() -> Cancel {
        let (close, closed) = smol::channel::bounded(1);
        Cancel { close, closed }
    }

    /// Cancels; every clone sees it. Cancelling twice is cancelling once.
    pub fn cancel(&self) {
        self.close.close();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.close.is_closed()
    }

    /// Resolves once cancelled. Cancel safe.
    pub async fn cancelled(&self) {
        // Nothing is ever sent: the only way out is the close.
        let _ = self.closed.recv().await;
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Cancel::new()
    }
}

/// A handler that listens to nothing and answers every question the same way.
#[derive(Clone, Copy, Debug)]
pub struct Silent {
    answer: bool,
}

impl Silent {
    /// Says yes to everything: to be used where the code alone is trust enough.
    #[must_use]
    pub fn accepting() -> Silent {
        Silent { answer: true }
    }

    /// Says no to everything.
    #[must_use]
    pub fn declining() -> Silent {
        Silent { answer: false }
    }
}

impl Handler for Silent {
    fn event(&self, _: Event) {}

    fn ask(&self, _: Question) -> Answer<'_> {
        Box::pin(std::future::ready(self.answer))
    }
}
