//! The sink: puts what arrives on the disk, and says what became of it.
//!
//! ```text
//! Prepare → Planned            something in the way, a bad name → Resolved at once
//! Write   → part file, hashed  → Taken
//! Finish  → size and root compared, mode and time set → waits for its group
//! commit  → sync data → rename → modes and times of directories → sync directories → Resolved
//! ```
//!
//! It is synchronous and belongs on a thread of its own. The driver feeds it jobs and passes on its events; when there is no job
//! at hand it calls [`Output::commit`]. Groups are bounded ([`GROUP_ITEMS_MAX`], [`GROUP_BYTES_MAX`]), and a full one is committed
//! without being asked.
//!
//! What holds whatever comes:
//! - A file stands under its final name only whole, verified, and after its data was made durable. Until then it is a part file
//!   beside it. Part files are removed when their entry fails and when the sink is dropped; after a crash the next receiver of the
//!   same name removes them.
//! - Nothing that exists is touched: a file or link in the way fails the entry with `Exists`, looked for when it is announced and
//!   again, atomically, when it is renamed. An existing directory of exactly that name is entered; a link to one is not.
//! - Names that the disk takes for one another (case, normalisation) fail with `Collides` and are never merged.
//! - A directory is made for our eyes only and gets its mode and time after everything in it has its outcome. One that existed keeps
//!   its own, unlike with `cp -p` and `rsync -a`: a sender does not decide who may look into a `.ssh` of ours. So does the output
//!   directory, and so does what an interrupted transfer made and left behind.
//! - What belongs into a directory that could not be made fails with `NoDirectory` and is put nowhere else.
//! - The beginning and the end of a directory are two items with one outcome: a failure to make it is told for both.
//! - Once its [`Stop`] is set, which may happen at any moment from another thread, nothing more gets a final name.
//! - Memory and descriptors are bounded by the items without an outcome, never by the tree's depth or size.

mod commit;
mod part;
mod place;
mod spelling;
mod stop;
mod stream;
#[cfg(test)]
mod tests;
mod tree;
#[cfg(all(test, unix))]
mod unix_tests;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::disk::dirs::Dirs;
use crate::disk::{Dir, DiskError, Fault};
use crate::error::{Error, Kind, Result};
use crate::events::{Conflict, Resolution};
use crate::proto::chunk::ChunkSize;
use crate::proto::frame::{Failure, FileEnd, Get, Piece, Verdict};
use crate::proto::manifest::{Entry, EntryKind};
use crate::proto::path::RelPath;

use commit::Group;
use part::Part;
use spelling::Spellings;
use tree::{Told, Tree};

pub use commit::{GROUP_BYTES_MAX, GROUP_ITEMS_MAX};
pub use stop::Stop;
pub use stream::StreamSink;

/// Something to be done about what arrived.
#[derive(Debug)]
pub enum Job {
    /// An item of the manifest, in its order.
    Prepare(Entry),
    /// Contents of files.
    Write {
        /// Where they belong.
        pieces: Vec<Piece>,
        /// The bytes of those pieces that have some, one after the other.
        payload: Bytes,
        /// What the frame counts for in the window; comes back with [`SinkEvent::Taken`].
        cost: u64,
    },
    /// A file is complete.
    Finish(FileEnd),
    /// A file will not be completed.
    Drop {
        /// Its number in the manifest.
        entry: u64,
        /// Why.
        failure: Failure,
    },
    /// What to do about a conflict that [`SinkEvent::Conflict`] told of.
    Decide {
        /// Its number in the manifest.
        entry: u64,
        /// What the person wants.
        resolution: Resolution,
    },
}

/// What the sink has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkEvent {
    /// What is wanted of an item: once for each, in the manifest's order.
    Planned {
        /// Its number in the manifest.
        entry: u64,
        /// What is wanted.
        verdict: Verdict,
    },
    /// What is wanted of a file that was planned with `Wait`, or, after its end, again because it differs.
    Get(Get),
    /// Something stands where a file or link should be, and the person is to be asked. [`Job::Decide`] answers.
    Conflict {
        /// Its number in the manifest.
        entry: u64,
        /// Both of them.
        conflict: Conflict,
    },
    /// A write was taken from the queue.
    Taken {
        /// As it was given.
        cost: u64,
    },
    /// The end of an item, once for each. Without a failure: it is in place, verified and durable.
    Resolved {
        /// Its number in the manifest.
        entry: u64,
        /// Why it was not delivered.
        failure: Option<Failure>,
    },
}

/// Where jobs go: a directory ([`Sink`]) or a stream ([`StreamSink`]).
pub trait Output: Send {
    /// Does one job.
    ///
    /// # Errors
    /// The transfer cannot go on: kind `Disk`, `Protocol` when the job contradicts an earlier one, or `Interrupted` when the
    /// [`Stop`] was set. Nothing stands under a final name then that is not whole.
    fn handle(&mut self, job: Job, events: &mut Vec<SinkEvent>) -> Result<()>;

    /// Brings everything that is complete to its end. Call it when no job is at hand.
    ///
    /// # Errors
    /// The transfer cannot go on, as with [`Output::handle`].
    fn commit(&mut self, events: &mut Vec<SinkEvent>) -> Result<()>;
}

/// Writes below one directory.
#[derive(Debug)]
pub struct Sink<D: Dir> {
    dirs: Dirs<D>,
    chunk: ChunkSize,
    stop: Stop,
    tree: Tree,
    spellings: Spellings,
    next: u64,
    /// Files announced and not complete.
    parts: HashMap<u64, Part<D::File>>,
    /// Their paths and those of the files in the group: no two files of one name are received at once.
    taken: HashSet<RelPath>,
    /// Those of `parts` that have an open file, the one used last at the end.
    open: Vec<u64>,
    group: Group<D::File>,
}

/// Why something cannot be done: for this entry, or for the transfer.
enum Refusal {
    Entry(Failure),
    Fatal(Error),
}

type Attempt<T> = std::result::Result<T, Refusal>;

impl<D: Dir> Sink<D> {
    /// Writes below `root`, hashing in chunks of `chunk`, until `stop` is set.
    #[must_use]
    pub fn new(root: D, chunk: ChunkSize, stop: Stop) -> Sink<D> {
        Sink {
            dirs: Dirs::new(root),
            chunk,
            stop,
            tree: Tree::default(),
            spellings: Spellings::default(),
            next: 0,
            parts: HashMap::new(),
            taken: HashSet::new(),
            open: Vec::new(),
            group: Group::default(),
        }
    }

    fn prepare(&mut self, entry: Entry, events: &mut Vec<SinkEvent>) -> Result<()> {
        let Entry { id, path, kind } = entry;
        if id != self.next {
            return Err(breach("an item came out of its order"));
        }
        self.next += 1;
        let mut verdict = Verdict::Nothing;
        let told = match kind {
            EntryKind::File { size, meta, .. } => match fatal(self.announce_file(id, path, size, meta))? {
                Ok(()) => {
                    verdict = Verdict::Send;
                    Told::Later
                }
                Err(failure) => Told::Now(Some(failure)),
            },
            EntryKind::Link { target, meta } => match fatal(self.place_link(id, &path, &target, &meta))? {
                Ok(()) => Told::Later,
                Err(failure) => Told::Now(Some(failure)),
            },
            EntryKind::Directory => self.begin_directory(id, path)?,
            EntryKind::DirectoryEnd { meta } => self
                .tree
                .end(id, meta, &mut self.group.ready)
                .ok_or_else(|| breach("a directory ended that was not begun"))?,
            EntryKind::Unsent { failure } => Told::Now(Some(failure)),
        };
        events.push(SinkEvent::Planned { entry: id, verdict });
        if let Told::Now(failure) = told {
            events.push(SinkEvent::Resolved { entry: id, failure });
        }
        Ok(())
    }

    /// What an error of the disk means for the entry at `path` and for the transfer.
    fn refuse(&mut self, error: DiskError, path: &RelPath) -> Refusal {
        let is_gone = error.fault() == Fault::Missing
            && self
                .dirs
                .get(&RelPath::root())
                .and_then(Dir::stat_self)
                .is_ok_and(|root| root.links == Some(0));
        if is_gone {
            return Refusal::Fatal(
                Error::new(Kind::Disk, "the output directory was removed")
                    .hint("Run it again; what was not yet complete is sent again."),
            );
        }
        if error.is_fatal() {
            Refusal::Fatal(error.into_error(format!("cannot write {path:?}")))
        } else {
            Refusal::Entry(error.failure())
        }
    }
}

impl<D: Dir> Output for Sink<D> {
    fn handle(&mut self, job: Job, events: &mut Vec<SinkEvent>) -> Result<()> {
        self.stop.check()?;
        match job {
            Job::Prepare(entry) => self.prepare(entry, events)?,
            Job::Write { pieces, payload, cost } => {
                self.write(&pieces, &payload, events)?;
                events.push(SinkEvent::Taken { cost });
            }
            Job::Finish(end) => self.finish(&end, events)?,
            Job::Drop { entry, failure } => self.give_up(entry, failure, events)?,
            Job::Decide { .. } => {}
        }
        if self.group.is_full() { self.commit(events) } else { Ok(()) }
    }

    fn commit(&mut self, events: &mut Vec<SinkEvent>) -> Result<()> {
        self.stop.check()?;
        self.commit_group(events)
    }
}

impl<D: Dir> Drop for Sink<D> {
    /// Without a journal a part file is of no use to anybody.
    fn drop(&mut self) {
        let begun = self.parts.values().filter(|part| part.is_begun()).map(Part::place);
        let finished = self.group.files.iter().map(|file| (&file.path, &file.part_name));
        for (path, part_name) in begun.chain(finished) {
            if let Some((parent, _)) = path.split() {
                // It stays where it cannot be removed; the next receiver of the same name finds it.
                let _ = self.dirs.get(&parent).and_then(|dir| dir.remove_file(part_name));
            }
        }
    }
}

/// One piece of a data frame, with its bytes; zeros have none.
struct Portion<'a> {
    entry: u64,
    offset: u64,
    length: u32,
    bytes: Option<&'a [u8]>,
}

/// The pieces of a data frame, each with what is its own of the payload.
fn portions<'a>(pieces: &'a [Piece], mut payload: &'a [u8]) -> impl Iterator<Item = Result<Portion<'a>>> {
    pieces.iter().map(move |piece| {
        let (entry, offset, length) = piece.place();
        let mut bytes = None;
        if let Piece::Same { .. } = piece {
            return Err(breach("a value of a chunk nobody asked for"));
        }
        if let Piece::Bytes { .. } = piece {
            let parts = usize::try_from(length).ok().and_then(|length| payload.split_at_checked(length));
            let (own, later) = parts.ok_or_else(|| breach("a data frame shorter than its pieces"))?;
            (bytes, payload) = (Some(own), later);
        }
        Ok(Portion { entry, offset, length, bytes })
    })
}

/// The sender contradicts itself, which an honest one never does.
fn breach(what: &str) -> Error {
    Error::new(Kind::Protocol, format!("the sender broke the protocol: {what}"))
}

/// Sorts what ends the transfer from what ends one entry.
fn fatal<T>(attempt: Attempt<T>) -> Result<std::result::Result<T, Failure>> {
    match attempt {
        Ok(value) => Ok(Ok(value)),
        Err(Refusal::Entry(failure)) => Ok(Err(failure)),
        Err(Refusal::Fatal(error)) => Err(error),
    }
}
