//! The sink: puts what arrives on the disk, and says what became of it.
//!
//! ```text
//! Prepare → Planned            something in the way → Get, Conflict; a bad name → Resolved at once
//! Write   → part file, hashed; or compared with what is there → Taken
//! Finish  → size and root compared, mode and time set → waits for its group; something differs → Get
//! commit  → sync data → rename → modes and times of directories → sync directories → Resolved
//! checkpoint → sync data → journal → sync journal, on another thread
//! write_ahead → the system begins to write, on a third one
//! ```
//!
//! | file | its story |
//! | --- | --- |
//! | `place`, `link`, `tree` | items that are announced, and the directories they stand in |
//! | `conflict`, `compare` | what stands there already |
//! | `spelling`, `folding` | names that the disk takes for one another |
//! | `incoming`, `file`, `coverage`, `early` | what comes, and how much of it has come |
//! | `finish` | the end of a file, or what is still missing of it |
//! | `part`, `open`, `lock`, `journal`, `checkpoint` | part files, whose they are, and what is known of them after a crash |
//! | `commit` | the way to the final name |
//! | `sum` | checksums for other programs |
//! | `space` | whether it fits |
//!
//! It is synchronous and belongs on a thread of its own. The driver feeds it jobs and passes on its events;
//! when there is no job at hand it calls [`Output::commit`]. Groups are bounded ([`GROUP_ITEMS_MAX`],
//! [`GROUP_BYTES_MAX`]), and a full one is committed without being asked.
//!
//! What holds whatever comes:
//! - A file stands under its final name only whole, verified, and after its data was made durable. Until then
//!   it is a part file beside it, locked, so that no other receiver touches it. Part files of which whole
//!   chunks are on disk stay when the sink ends, with their journals, and the next sink goes on with them;
//!   the others are removed.
//! - What the journal claims was synced before. It is read again and compared all the same.
//! - Nothing that exists is touched unless [`Rules::on_conflict`] says so: looked for when the item is
//!   announced, unless its directory was made by this session, and in any case again, atomically, when it is
//!   renamed. What is replaced stays whole until then, and must still be what was decided about. An existing
//!   directory of exactly that name is entered; a link to one is not.
//! - Names that the disk takes for one another (case, normalisation) fail with `Collides` and are never
//!   merged; where only the case differs, before anything of the second one is sent.
//! - A directory is made for our eyes only and gets its mode and time after everything in it has its outcome.
//!   One that existed keeps its own, unlike with `cp -p` and `rsync -a`: a sender does not decide who may
//!   look into a `.ssh` of ours. So does the output directory. One that an interrupted transfer left
//!   unfinished bears a mark, and is as good as made.
//! - What belongs into a directory that could not be made fails with `NoDirectory` and is put nowhere else.
//! - The beginning and the end of a directory are two items with one outcome: a failure to make it is told
//!   for both.
//! - Once its [`Stop`] is set, which may happen at any moment from another thread, nothing more gets a final
//!   name.
//! - Memory and descriptors are bounded by the items without an outcome, never by the tree's depth or size.

mod checkpoint;
mod commit;
mod compare;
mod conflict;
mod coverage;
#[cfg(test)]
mod crash_tests;
mod early;
#[cfg(test)]
mod early_tests;
mod file;
mod finish;
mod folding;
mod incoming;
mod journal;
mod link;
mod lock;
mod open;
mod part;
mod place;
#[cfg(test)]
mod resume_tests;
mod space;
mod spelling;
mod stop;
mod stream;
mod sum;
#[cfg(test)]
mod tests;
mod tree;
#[cfg(test)]
mod trouble_tests;
#[cfg(all(test, unix))]
mod unix_tests;

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use crate::disk::dirs::Dirs;
use crate::disk::{Dir, DiskError, Fault, WriteAhead};
use crate::error::{Error, Kind, Result};
use crate::events::{Conflict, Resolution};
use crate::proto::chunk::ChunkSize;
use crate::proto::compress::{Packed, Unpacker};
use crate::proto::conversation::broken;
use crate::proto::frame::{Failure, FileEnd, Get, Piece, Verdict};
use crate::proto::manifest::{Entry, EntryKind};
use crate::proto::path::{Name, RelPath};

use commit::Group;
use folding::Folding;
use incoming::Incoming;
use link::Link;
use lock::Locks;
use space::Space;
use spelling::Spellings;
use tree::{Told, Tree};

pub use checkpoint::{Checkpoint, Checkpointed};
pub use commit::{GROUP_BYTES_MAX, GROUP_ITEMS_MAX};
pub use conflict::Rules;
pub use stop::Stop;
pub use stream::StreamSink;
pub use sum::Summed;

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
    /// Contents of files, packed.
    WritePacked {
        /// Where they belong.
        pieces: Vec<Piece>,
        /// The bytes of those pieces that have some, one after the other.
        payload: Packed,
        /// As of [`Job::Write`].
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
    /// Something stands where a file or link should be, and the person is to be asked. [`Job::Decide`]
    /// answers.
    Conflict {
        /// Its number in the manifest.
        entry: u64,
        /// Both of them.
        conflict: Conflict,
    },
    /// An entry is delivered under another name; its outcome follows.
    KeptBoth {
        /// Where it should have been.
        path: RelPath,
        /// What it is called there.
        name: Name,
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
    /// The transfer cannot go on: kind `Disk`, `Protocol` when the job contradicts an earlier one, or
    /// `Interrupted` when the [`Stop`] was set. Nothing stands under a final name then that is not whole.
    fn handle(&mut self, job: Job, events: &mut Vec<SinkEvent>) -> Result<()>;

    /// Brings everything that is complete to its end. Call it when no job is at hand.
    ///
    /// # Errors
    /// The transfer cannot go on, as with [`Output::handle`].
    fn commit(&mut self, events: &mut Vec<SinkEvent>) -> Result<()>;

    /// What should be made durable by now, for a later session. Call it between jobs, and at least once a
    /// second while anything comes. Whoever gets one [runs](Checkpoint::run) it, on another thread if there
    /// is one, and hands the result to [`Output::checkpointed`]; until then there is no other.
    ///
    /// # Errors
    /// The transfer cannot go on: kind `Disk`.
    fn checkpoint(&mut self, now_ms: u64) -> Result<Option<Checkpoint>> {
        let _ = now_ms;
        Ok(None)
    }

    /// What makes the system begin to write what waits for its commit. Call it between jobs, and run what it
    /// gives on a thread of its own: it takes as long as the disk has something to do for anybody. Nothing
    /// need wait for it.
    fn write_ahead(&mut self) -> Option<WriteAhead> {
        None
    }

    /// A checkpoint was carried out.
    ///
    /// # Errors
    /// Data could not be made durable: kind `Disk`. The transfer cannot go on.
    fn checkpointed(&mut self, done: Checkpointed) -> Result<()> {
        let _ = done;
        Ok(())
    }

    /// The checksums of what was delivered since the last time, where [`Rules::checksums`] asks for them.
    /// Call it after every job and commit.
    fn summed(&mut self) -> Vec<Summed> {
        Vec::new()
    }
}

/// Writes below one directory.
#[derive(Debug)]
pub struct Sink<D: Dir + 'static> {
    dirs: Dirs<D>,
    chunk: ChunkSize,
    rules: Rules,
    stop: Stop,
    tree: Tree,
    spellings: Spellings,
    folding: Folding,
    space: Space,
    next: u64,
    /// Files announced and not complete.
    files: HashMap<u64, Incoming<D::File>>,
    /// Links a person is asked about.
    links: HashMap<u64, Link>,
    /// The paths of those files, and of the ones in the group: no two files of one name are received at once.
    taken: HashSet<RelPath>,
    /// The numbered names that some of them get.
    numbered: HashSet<RelPath>,
    /// Those of `files` that have something open, the one used last at the end.
    open: Vec<u64>,
    /// Part files that are open.
    locks: Locks,
    /// Chunks that have come in part, of all files together.
    hashing: usize,
    /// Pieces of streams that came too early, of all files together.
    early: usize,
    /// Those of `files` that may have chunks their journal does not speak of.
    unjournaled: BTreeSet<u64>,
    /// The file a checkpoint is under way for.
    checkpointing: Option<u64>,
    /// For a chunk that is compared.
    buffer: Vec<u8>,
    unpacker: Unpacker,
    group: Group<D::File>,
    /// Told by the next [`Output::summed`]: no more than a group.
    summed: Vec<Summed>,
}

/// Why something cannot be done: for this entry, or for the transfer.
enum Refusal {
    Entry(Failure),
    Fatal(Error),
}

type Attempt<T> = std::result::Result<T, Refusal>;

impl<D: Dir + 'static> Sink<D> {
    /// Writes below `root` by these rules, hashing in chunks of `chunk`, until `stop` is set.
    #[must_use]
    pub fn new(root: D, chunk: ChunkSize, rules: Rules, stop: Stop) -> Sink<D> {
        let locks = Locks::new(root.files_max());
        Sink {
            dirs: Dirs::many(root),
            chunk,
            rules,
            stop,
            tree: Tree::default(),
            spellings: Spellings::default(),
            folding: Folding::default(),
            space: Space::default(),
            next: 0,
            files: HashMap::new(),
            links: HashMap::new(),
            taken: HashSet::new(),
            numbered: HashSet::new(),
            open: Vec::new(),
            locks,
            hashing: 0,
            early: 0,
            unjournaled: BTreeSet::new(),
            checkpointing: None,
            buffer: Vec::new(),
            unpacker: Unpacker::default(),
            group: Group::default(),
            summed: Vec::new(),
        }
    }

    fn prepare(&mut self, entry: Entry, events: &mut Vec<SinkEvent>) -> Result<()> {
        let Entry { id, path, kind } = entry;
        if id != self.next {
            return Err(breach("an item came out of its order"));
        }
        self.next += 1;
        let (mut verdict, mut then) = (Verdict::Nothing, None);
        let told = match kind {
            EntryKind::File { size, meta, holes } => {
                match fatal(self.announce_file(id, path, size, holes, meta))? {
                    Ok(wanted) => {
                        (verdict, then) = wanted;
                        Told::Later
                    }
                    Err(failure) => Told::Now(Some(failure)),
                }
            }
            EntryKind::Link { target, meta } => match fatal(self.place_link(id, path, target, meta))? {
                Ok(event) => {
                    then = event;
                    Told::Later
                }
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
        events.extend(then);
        if let Told::Now(failure) = told {
            events.push(SinkEvent::Resolved { entry: id, failure });
        }
        Ok(())
    }

    fn decide(&mut self, entry: u64, resolution: Resolution, events: &mut Vec<SinkEvent>) -> Result<()> {
        if let Some(link) = self.links.remove(&entry) {
            match fatal(self.decide_link(entry, &link, resolution))? {
                Ok(then) => events.extend(then),
                Err(failure) => events.push(SinkEvent::Resolved { entry, failure: Some(failure) }),
            }
            return Ok(());
        }
        match fatal(self.decide_file(entry, resolution))? {
            Ok(then) => events.extend(then),
            Err(failure) => self.give_up(entry, failure, events)?,
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

impl<D: Dir + 'static> Output for Sink<D> {
    fn handle(&mut self, job: Job, events: &mut Vec<SinkEvent>) -> Result<()> {
        self.stop.check()?;
        match job {
            Job::Prepare(entry) => self.prepare(entry, events)?,
            Job::Write { pieces, payload, cost } => self.write(&pieces, &payload, cost, events)?,
            Job::WritePacked { pieces, payload, cost } => {
                let payload = Bytes::from(self.unpacker.unpack(&payload).map_err(broken)?);
                self.write(&pieces, &payload, cost, events)?;
                self.unpacker.reuse(payload);
            }
            Job::Finish(end) => self.finish(&end, events)?,
            Job::Drop { entry, failure } => self.give_up(entry, failure, events)?,
            Job::Decide { entry, resolution } => self.decide(entry, resolution, events)?,
        }
        if self.group.is_full(self.locks.of_group()) { self.commit(events) } else { Ok(()) }
    }

    fn commit(&mut self, events: &mut Vec<SinkEvent>) -> Result<()> {
        self.stop.check()?;
        self.commit_group(events)
    }

    fn checkpoint(&mut self, now_ms: u64) -> Result<Option<Checkpoint>> {
        self.next_checkpoint(now_ms)
    }

    fn write_ahead(&mut self) -> Option<WriteAhead> {
        self.group_ahead()
    }

    fn checkpointed(&mut self, done: Checkpointed) -> Result<()> {
        self.checkpoint_done(done)
    }

    fn summed(&mut self) -> Vec<Summed> {
        std::mem::take(&mut self.summed)
    }
}

impl<D: Dir + 'static> Drop for Sink<D> {
    /// What is complete of each file is made durable for the next session; what nobody can go on with is
    /// removed.
    fn drop(&mut self) {
        for (_, mut file) in std::mem::take(&mut self.files) {
            let chunk = file.chunk(self.chunk);
            if let Some(mut part) = file.part.take()
                && !self.preserve(&file.path, chunk, &mut part)
            {
                self.remove_part(&file.dir, &part);
            }
        }
        for finished in std::mem::take(&mut self.group.files) {
            let Some(mut part) = finished.part else { continue };
            if self.preserve(&finished.path, self.chunk, &mut part) {
                part.open_up();
            } else {
                self.remove_part(&finished.dir, &part);
            }
        }
    }
}

/// One piece of a data frame.
struct Portion<'a> {
    entry: u64,
    offset: u64,
    length: u32,
    content: Content<'a>,
}

/// What a piece says of its stretch of the file.
enum Content<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A hole.
    Zeros,
    /// A chunk of this value.
    Same([u8; 32]),
}

/// The pieces of a data frame, each with what is its own of the payload.
fn portions<'a>(pieces: &'a [Piece], mut payload: &'a [u8]) -> impl Iterator<Item = Result<Portion<'a>>> {
    pieces.iter().map(move |piece| {
        let (entry, offset, length) = piece.place();
        let content = match piece {
            Piece::Zeros { .. } => Content::Zeros,
            Piece::Same { value, .. } => Content::Same(*value),
            Piece::Bytes { .. } => {
                let parts = usize::try_from(length).ok().and_then(|length| payload.split_at_checked(length));
                let (own, later) = parts.ok_or_else(|| breach("a data frame shorter than its pieces"))?;
                payload = later;
                Content::Bytes(own)
            }
        };
        Ok(Portion { entry, offset, length, content })
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
