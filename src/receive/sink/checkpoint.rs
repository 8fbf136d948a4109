//! Checkpoints: from time to time what has come is made durable, and then the journal says so.
//!
//! The order is what everything rests on: bytes synced, slots written, journal synced. A [`Checkpoint`] is a
//! value that any thread can carry out, so that writing never waits for it; only chunks that were complete
//! when it was made are in it, and one is made at a time.

use std::fmt;
use std::sync::Arc;

use crate::defects::{self, Defect};
use crate::disk::{Access, Dir, DiskError, Fault, File, Kind, Result as DiskResult, WriteAhead};
use crate::error::Result;
use crate::proto::chunk::ChunkSize;
use crate::proto::path::{Name, RelPath};

use super::journal::{self, Slot};
use super::part::PartFile;
use super::{Refusal, Sink};

/// What is to be made durable, and said to be so.
pub struct Checkpoint {
    entry: u64,
    part: Arc<dyn File>,
    journal: Arc<dyn File>,
    slots: Vec<Slot>,
}

/// What came of a [`Checkpoint`].
#[derive(Debug)]
pub struct Checkpointed {
    /// The part file it was about.
    entry: u64,
    result: DiskResult<()>,
}

/// What is known to be on disk of one part file, and what is not yet.
#[derive(Debug)]
pub(super) struct Journaling<F> {
    // Where there may be one.
    name: Option<Name>,
    file: Option<Arc<F>>,
    state: State,
    /// Complete chunks that the journal does not speak of.
    unsaid: Vec<Slot>,
    unsaid_bytes: u64,
    /// Since when there are any.
    since_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is none and there will be none: the file has one chunk, nobody wants it, or it cannot be made.
    None,
    /// There is none yet.
    Unmade,
    /// It was made, and claims nothing that is certain to be there.
    Made,
    /// It was made, and its name is durable.
    Certain,
}

impl Checkpoint {
    /// Carries it out. It waits for the disk.
    #[must_use]
    pub fn run(self) -> Checkpointed {
        let Checkpoint { entry, part, journal, mut slots } = self;
        let synced = if defects::has(Defect::JournalBeforeData) { Ok(()) } else { part.sync_data() };
        let result =
            synced.and_then(|()| journal::write(&*journal, &mut slots)).and_then(|()| journal.sync_data());
        Checkpointed { entry, result }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkpoint { entry, slots, .. } = self;
        f.debug_struct("Checkpoint")
            .field("entry", entry)
            .field("slots", &slots.len())
            .finish_non_exhaustive()
    }
}

impl<F> Journaling<F> {
    /// A journal that is made when there is something to say.
    pub(super) fn new(name: Name) -> Journaling<F> {
        Journaling { name: Some(name), state: State::Unmade, ..Journaling::none() }
    }

    /// No journal.
    pub(super) fn none() -> Journaling<F> {
        Journaling {
            name: None,
            file: None,
            state: State::None,
            unsaid: Vec::new(),
            unsaid_bytes: 0,
            since_ms: None,
        }
    }

    /// The journal of an earlier session, which claims something.
    pub(super) fn found(name: Name, file: F) -> Journaling<F> {
        Journaling { state: State::Certain, file: Some(Arc::new(file)), ..Journaling::new(name) }
    }

    pub(super) fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// Whether there is one, or would be in time.
    pub(super) fn is_wanted(&self) -> bool {
        self.state != State::None
    }

    /// Whether it stands on the disk.
    pub(super) fn is_made(&self) -> bool {
        matches!(self.state, State::Made | State::Certain)
    }

    /// Whether it claims anything that a later session can go on with.
    pub(super) fn claims(&self) -> bool {
        self.state == State::Certain
    }

    /// It, where it is open.
    pub(super) fn file(&self) -> Option<&Arc<F>> {
        self.file.as_ref()
    }

    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// A chunk is complete. Those that are too many to remember are not claimed.
    pub(super) fn note(&mut self, slot: Slot) {
        if self.state != State::None && self.unsaid.len() < UNSAID_MAX {
            self.unsaid.push(slot);
            self.unsaid_bytes += u64::from(slot.length);
        }
    }

    fn is_due(&mut self, now_ms: u64) -> bool {
        if self.unsaid.is_empty() {
            return false;
        }
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        self.unsaid_bytes >= CHECKPOINT_BYTES || now_ms.saturating_sub(since_ms) >= CHECKPOINT_MS
    }

    fn take(&mut self) -> Vec<Slot> {
        (self.unsaid_bytes, self.since_ms) = (0, None);
        std::mem::take(&mut self.unsaid)
    }

    fn give_up(&mut self) {
        self.take();
        if self.state == State::Unmade {
            self.state = State::None;
        }
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// The next checkpoint that is due, if none is under way.
    pub(super) fn next_checkpoint(&mut self, now_ms: u64) -> Result<Option<Checkpoint>> {
        if self.checkpointing.is_some() {
            return Ok(None);
        }
        let mut due = None;
        self.unjournaled.retain(|id| {
            let journal =
                self.files.get_mut(id).and_then(|file| file.part.as_mut()).map(|part| &mut part.journal);
            let Some(journal) = journal.filter(|journal| !journal.unsaid.is_empty()) else { return false };
            if due.is_none() && journal.is_due(now_ms) {
                due = Some(*id);
            }
            true
        });
        let Some(id) = due else { return Ok(None) };
        self.open_part(id).or_else(|refusal| match refusal {
            Refusal::Fatal(error) => Err(error),
            // The next piece of it fails for the same reason, and tells.
            Refusal::Entry(_) => Ok(()),
        })?;
        let Some(file) = self.files.get_mut(&id) else { return Ok(None) };
        let (path, chunk) = (file.path.clone(), file.chunk(self.chunk));
        let Some(mut part) = file.part.take() else { return Ok(None) };
        let made = self.make_checkpoint(id, &path, chunk, &mut part);
        if let Some(file) = self.files.get_mut(&id) {
            file.part = Some(part);
        }
        let checkpoint = made?;
        self.checkpointing = checkpoint.as_ref().map(|_| id);
        Ok(checkpoint)
    }

    /// Begins to write the group while it is being collected, if there is enough of it that was not begun
    /// with.
    pub(super) fn group_ahead(&mut self) -> Option<WriteAhead> {
        if !self.group.is_worth_writing() {
            return None;
        }
        self.dirs.get(&RelPath::root()).ok().and_then(Dir::write_ahead)
    }

    /// A checkpoint was carried out.
    pub(super) fn checkpoint_done(&mut self, done: Checkpointed) -> Result<()> {
        let entry = done.entry;
        self.checkpointing = None;
        // Whatever became of the file: the system tells of data it has lost once, and whoever syncs it next
        // is told that all is well.
        let file = self.files.get_mut(&entry);
        if let Err(error) = done.result {
            let path = file.map(|file| file.path.clone());
            let path = path.or_else(|| self.group.path_of(entry)).unwrap_or_default();
            return Err(error.into_error(format!("cannot make {path:?} durable")));
        }
        let Some(file) = file else { return Ok(()) };
        let dir = file.dir.clone();
        let Some(part) = file.part.as_mut().filter(|part| part.journal.state == State::Made) else {
            return Ok(());
        };
        // Once for each: the names of the part file and its journal. What cannot be synced claims nothing.
        match self.dirs.get(&dir).and_then(Dir::sync) {
            Ok(()) => part.journal.state = State::Certain,
            Err(error) if error.is_fatal() => {
                return Err(error.into_error(format!("cannot make {dir:?} durable")));
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Does what can be done for the next session, at the end of this one: everything complete is made
    /// durable. False if there is nothing to go on with.
    pub(super) fn preserve(
        &mut self,
        path: &RelPath,
        chunk: ChunkSize,
        part: &mut PartFile<D::File>,
    ) -> bool {
        let Some((dir, _)) = path.split() else { return false };
        if !part.journal.unsaid.is_empty() && part.file.is_none() {
            let _ = self.reopen_part(path, &dir, part);
        }
        if let Ok(Some(checkpoint)) = self.make_checkpoint(0, path, chunk, part)
            && checkpoint.run().result.is_ok()
            && part.journal.state == State::Made
            && self.dirs.get(&dir).and_then(Dir::sync).is_ok()
        {
            part.journal.state = State::Certain;
        }
        part.journal.claims()
    }

    /// Puts together what is to be made durable of a part file that is open. `None`: there is nothing, or no
    /// journal can be had.
    fn make_checkpoint(
        &mut self,
        entry: u64,
        path: &RelPath,
        chunk: ChunkSize,
        part: &mut PartFile<D::File>,
    ) -> Result<Option<Checkpoint>> {
        let Some((dir, _)) = path.split() else { return Ok(None) };
        let (false, Some(file)) = (part.journal.unsaid.is_empty(), part.file.clone()) else {
            return Ok(None);
        };
        let opened = if part.journal.file.is_some() {
            Ok(())
        } else {
            self.open_journal(&dir, chunk, &mut part.journal)
        };
        match (opened, &part.journal.file) {
            (Ok(()), Some(journal)) => {
                let (part_file, journal): (Arc<dyn File>, Arc<dyn File>) = (file, journal.clone());
                let slots = part.journal.take();
                Ok(Some(Checkpoint { entry, part: part_file, journal, slots }))
            }
            (Err(error), _) if error.is_fatal() => {
                Err(error.into_error(format!("cannot write the journal of {path:?}")))
            }
            // The file arrives all the same; only an interruption costs more.
            _ => {
                part.journal.give_up();
                Ok(None)
            }
        }
    }

    fn open_journal(
        &mut self,
        dir: &RelPath,
        chunk: ChunkSize,
        journaling: &mut Journaling<D::File>,
    ) -> DiskResult<()> {
        let name = journaling.name().ok_or_else(|| DiskError::of(Fault::Other, "it has no journal"))?;
        let file = if journaling.is_made() {
            let file = self.dirs.open(dir, |dir| dir.open_file(name, Access::ReadWrite))?;
            let stat = file.stat()?;
            if stat.kind != Kind::File || !stat.is_ours || stat.links.is_some_and(|links| links != 1) {
                return Err(DiskError::of(Fault::Other, "its journal was replaced by another program"));
            }
            file
        } else {
            let file = self.dirs.open(dir, |dir| dir.create_file(name))?;
            if let Err(error) = journal::begin(&file, chunk) {
                // Without its beginning it is none, and nothing must be added to it.
                let _ = self.dirs.get(dir).and_then(|dir| dir.remove_file(name));
                return Err(error);
            }
            journaling.state = State::Made;
            file
        };
        journaling.file = Some(Arc::new(file));
        Ok(())
    }
}

/// So many bytes begin a checkpoint, and are lost at most when the process is killed, beside those that come
/// while one is carried out: enough that syncing them costs little beside writing them.
const CHECKPOINT_BYTES: u64 = 16 << 20;

/// How long a complete chunk waits at most on a slow line, in milliseconds.
const CHECKPOINT_MS: u64 = 1_000;

/// Chunks remembered while a checkpoint is under way: 4 GiB at least, more than a system keeps unwritten.
const UNSAID_MAX: usize = 8 * 1024;
