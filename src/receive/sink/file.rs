//! Files being received: what came is written and hashed, and in the end compared with what the sender says it sent.

use bytes::Bytes;

use crate::defects::{self, Defect};
use crate::disk::{Dir, DiskError, File, Stat};
use crate::error::Result;
use crate::proto::chunk::{ChunkHasher, ChunkSize, Root};
use crate::proto::frame::{Failure, FileEnd, Get, Piece, Reason};
use crate::proto::limits::{GETS_MAX, LIST_MAX};
use crate::proto::manifest::Meta;
use crate::proto::path::{Name, RelPath};
use crate::proto::runs::Runs;

use super::commit::Finished;
use super::compare::Basis;
use super::coverage::{Coverage, Input};
use super::order::{Early, PIECES_EARLY_MAX};
use super::part::PartFile;
use super::stop::ZEROS_STEP_BYTES;
use super::sum::InOrder;
use super::tree::Parent;
use super::{Attempt, Content, Portion, Refusal, Sink, SinkEvent, breach, fatal, portions};

/// A file of which not everything has come.
#[derive(Debug)]
pub(super) struct Incoming<F> {
    /// Where it belongs.
    pub(super) path: RelPath,
    /// The directory it belongs in.
    pub(super) dir: RelPath,
    pub(super) parent: Parent,
    /// What it will be called there: its own name, or that with a number behind it.
    pub(super) name: Name,
    pub(super) size: Option<u64>,
    pub(super) meta: Meta,
    pub(super) phase: Phase,
    /// What stands under its own name.
    pub(super) there: Option<Box<Stat>>,
    /// What it takes the place of, if that is still the same then.
    pub(super) replaces: Option<Box<Stat>>,
    /// A file on the disk that may have something in common with it.
    pub(super) basis: Option<Box<Basis<F>>>,
    /// What came, where that was the whole of a small file in one piece.
    pub(super) whole: Option<Root>,
    /// Made with the first piece: a manifest announces thousands of files ahead, and a hasher takes 2 KiB.
    pub(super) coverage: Option<Box<Coverage>>,
    /// Its checksum so far, where one is wanted that the hash is not.
    pub(super) sum: Option<Box<InOrder>>,
    /// Of a stream: what came too early.
    pub(super) early: Option<Box<Early>>,
    pub(super) part: Option<Box<PartFile<F>>>,
    /// How often something was asked for.
    pub(super) gets: u32,
    /// Bytes of it that are holes.
    pub(super) holes: u64,
    /// Bytes that are still counted as to come.
    pub(super) owed: u64,
}

/// What is under way with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// All of it comes.
    Fresh,
    /// What stands there is compared, and nothing is written.
    Comparing,
    /// What is missing comes; what is the same in the basis is copied.
    Building,
    /// What is missing comes; what the part file holds is compared.
    Resuming,
    /// A person is asked about it.
    Asking,
}

impl<F> Incoming<F> {
    pub(super) fn new(
        (path, dir): (RelPath, RelPath),
        parent: Parent,
        name: Name,
        size: Option<u64>,
        meta: Meta,
    ) -> Incoming<F> {
        Incoming {
            path,
            dir,
            parent,
            name,
            size,
            meta,
            phase: Phase::Fresh,
            there: None,
            replaces: None,
            basis: None,
            whole: None,
            coverage: None,
            sum: None,
            early: None,
            part: None,
            gets: 0,
            holes: 0,
            owed: 0,
        }
    }

    /// How it is cut; `session` is how the others are.
    pub(super) fn chunk(&self, session: ChunkSize) -> ChunkSize {
        match self.coverage.as_deref() {
            Some(Coverage::Chunks(chunks)) => chunks.chunk(),
            _ => session,
        }
    }

    pub(super) fn coverage(&mut self, session: ChunkSize) -> &mut Coverage {
        let size = self.size;
        self.coverage.get_or_insert_with(|| Box::new(Coverage::new(size, session)))
    }

    /// Whether it holds a descriptor.
    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.file.is_some())
    }
}

impl<F: File> Incoming<F> {
    /// Closes it for good if all of it has come and only its end is to be told: of small files many share a frame, and come before the ends
    /// of all of them. False if not, or if it does not work, which is found again, and told, when it is opened at its end. Not one with a
    /// journal, which a later session would take for one that was left as soon as it is not locked.
    fn seal(&mut self) -> bool {
        let (Phase::Fresh, Some(size), Some(part)) = (self.phase, self.size, &mut self.part) else {
            return false;
        };
        let is_whole = self.whole.is_some()
            || matches!(self.coverage.as_deref(), Some(Coverage::Chunks(chunks)) if chunks.root().is_some());
        is_whole && part.file.is_some() && !part.journal.is_wanted() && part.seal(size, &self.meta)
    }

    /// Closes whatever is open of it.
    pub(super) fn close(&mut self) {
        if let Some(part) = &mut self.part {
            part.close();
        }
        if let Some(basis) = &mut self.basis {
            basis.close();
        }
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// Takes pieces, and gives back what they cost, unless some of them have to wait: then that comes back with the last of those. Pieces of entries
    /// that already have their outcome are passed over: they were on their way when it was told.
    pub(super) fn write(
        &mut self,
        pieces: &[Piece],
        payload: &Bytes,
        cost: u64,
        events: &mut Vec<SinkEvent>,
    ) -> Result<()> {
        let mut waiting: Option<(u64, u64)> = None;
        for portion in portions(pieces, payload) {
            self.stop.check()?;
            let Portion { entry, offset, length, content } = portion?;
            if !self.files.contains_key(&entry) {
                if entry < self.next {
                    continue;
                }
                return Err(breach("contents of a file that was not announced"));
            }
            if self.is_early(entry, offset) && !matches!(content, Content::Same(_)) {
                let bytes =
                    if let Content::Bytes(bytes) = content { Some(payload.slice_ref(bytes)) } else { None };
                if waiting.is_some_and(|(other, _)| other != entry) {
                    return Err(breach("a frame of several streams"));
                }
                self.put_aside(entry, waiting.map(|(_, before)| before), (offset, length), bytes)?;
                waiting = Some((entry, offset));
                continue;
            }
            let taken = match content {
                Content::Bytes(bytes) => self.take(entry, offset, Input::Bytes(bytes)),
                Content::Zeros => self.take_zeros(entry, offset, length),
                Content::Same(value) => self.compare(entry, offset, length, value),
            };
            let taken = taken.and_then(|()| self.take_early(entry, events));
            if let Err(failure) = fatal(taken)? {
                self.give_up(entry, failure, events)?;
            }
        }
        let still = waiting.is_some_and(|(entry, offset)| {
            let early = self.files.get_mut(&entry).and_then(|file| file.early.as_mut());
            early.is_some_and(|early| early.charge(offset, cost))
        });
        if !still {
            events.push(SinkEvent::Taken { cost });
        }
        Ok(())
    }

    /// Whether this is beyond what has come of a stream so far.
    fn is_early(&self, entry: u64, offset: u64) -> bool {
        let Some(file) = self.files.get(&entry).filter(|file| file.size.is_none()) else { return false };
        let come = match file.coverage.as_deref() {
            Some(Coverage::Stream(hasher)) => hasher.length(),
            _ => 0,
        };
        offset > come
    }

    fn put_aside(
        &mut self,
        entry: u64,
        before: Option<u64>,
        (offset, length): (u64, u32),
        bytes: Option<Bytes>,
    ) -> Result<()> {
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        file.early.get_or_insert_default().put(before, offset, length, bytes)?;
        self.early += 1;
        if self.early > PIECES_EARLY_MAX {
            return Err(breach("too many pieces of streams came early"));
        }
        Ok(())
    }

    /// Takes what of a stream has its turn now.
    fn take_early(&mut self, entry: u64, events: &mut Vec<SinkEvent>) -> Attempt<()> {
        loop {
            let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
            let (Some(early), Some(Coverage::Stream(hasher))) = (&mut file.early, file.coverage.as_deref())
            else {
                return Ok(());
            };
            let Some((offset, piece)) = early.next(hasher.length()).map_err(Refusal::Fatal)? else {
                return Ok(());
            };
            self.early = self.early.saturating_sub(1);
            if piece.cost > 0 {
                events.push(SinkEvent::Taken { cost: piece.cost });
            }
            match &piece.bytes {
                Some(bytes) => self.take(entry, offset, Input::Bytes(bytes))?,
                None => self.take_zeros(entry, offset, piece.length)?,
            }
        }
    }

    /// Compares what came with what the sender says it sent, and hands the file to the group or asks for what is missing.
    pub(super) fn finish(&mut self, end: &FileEnd, events: &mut Vec<SinkEvent>) -> Result<()> {
        if !self.files.contains_key(&end.entry) {
            return if end.entry < self.next {
                Ok(())
            } else {
                Err(breach("the end of a file that was not announced"))
            };
        }
        match fatal(self.settle(end))? {
            Ok(then) => {
                events.extend(then);
                Ok(())
            }
            Err(failure) => self.give_up(end.entry, failure, events),
        }
    }

    /// Ends a file that will not be delivered. What came of it is removed, unless the next session may go on with it.
    pub(super) fn give_up(
        &mut self,
        entry: u64,
        failure: Failure,
        events: &mut Vec<SinkEvent>,
    ) -> Result<()> {
        let Some(mut file) = self.forget(entry) else {
            return if entry < self.next {
                Ok(())
            } else {
                Err(breach("the end of a file that was not announced"))
            };
        };
        if let Some(early) = file.early.take().filter(|early| early.cost() > 0) {
            events.push(SinkEvent::Taken { cost: early.cost() });
        }
        let chunk = file.chunk(self.chunk);
        if let Some(mut part) = file.part.take() {
            // The file is there still, and most of it may be the same next time.
            let may_come_back = matches!(failure.reason, Reason::Changed | Reason::Unreadable);
            if !(may_come_back && self.preserve(&file.path, chunk, &mut part)) {
                self.remove_part(&file.dir, &part);
            }
        }
        self.release(&file.path, &file.dir, &file.name);
        self.tree.done(file.parent, &mut self.group.ready);
        events.push(SinkEvent::Resolved { entry, failure: Some(failure) });
        Ok(())
    }

    /// Takes a file out of those that are coming.
    pub(super) fn forget(&mut self, entry: u64) -> Option<Incoming<D::File>> {
        let file = self.files.remove(&entry)?;
        self.open.retain(|&open| open != entry);
        self.hashing = self.hashing.saturating_sub(file.coverage.as_deref().map_or(0, Coverage::open));
        self.early = self.early.saturating_sub(file.early.as_deref().map_or(0, Early::len));
        self.space.forgone(file.owed);
        Some(file)
    }

    fn take_zeros(&mut self, entry: u64, offset: u64, length: u32) -> Attempt<()> {
        let mut at = offset;
        let mut left = u64::from(length);
        // All of them are expected before the first is taken.
        self.expect(entry, offset, left)?;
        while left > 0 {
            self.stop.check().map_err(Refusal::Fatal)?;
            let now = left.min(ZEROS_STEP_BYTES);
            self.take(entry, at, Input::Zeros(now))?;
            (at, left) = (at + now, left - now);
        }
        Ok(())
    }

    /// Takes a small file that is one piece, as most are. False if it is none.
    fn take_whole(&mut self, entry: u64, offset: u64, bytes: &[u8]) -> Attempt<bool> {
        let Some(file) = self.files.get_mut(&entry) else { return Ok(false) };
        let length = bytes.len() as u64;
        let is_one = offset == 0 && file.size == Some(length) && length <= u64::from(self.chunk.bytes());
        if !is_one || file.phase != Phase::Fresh || file.coverage.is_some() || file.part.is_some() {
            return Ok(false);
        }
        self.open_part(entry)?;
        let Some(file) = self.files.get_mut(&entry) else { return Ok(true) };
        let Some(part) = &mut file.part else { return Ok(true) };
        if let Err(error) = part.write(bytes, offset) {
            let path = file.path.clone();
            return Err(self.refuse(error, &path));
        }
        let mut hasher = ChunkHasher::new(0);
        hasher.update(bytes);
        file.whole = Some(Root(hasher.finish(true).0));
        let written = file.owed.min(length);
        file.owed -= written;
        self.space.written(written);
        self.sum(entry, 0, Input::Bytes(bytes));
        Ok(true)
    }

    /// Checks that a piece belongs there.
    fn expect(&mut self, entry: u64, offset: u64, length: u64) -> Attempt<()> {
        let session = self.chunk;
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        if matches!(file.phase, Phase::Comparing | Phase::Asking) {
            return Err(Refusal::Fatal(breach("contents of a file nobody asked for")));
        }
        if file.whole.is_some() {
            return Err(Refusal::Fatal(breach("contents of a file of which all has come")));
        }
        let before = file.coverage.as_deref().map_or(0, Coverage::open);
        let coverage = file.coverage(session);
        let expected = coverage.expect(offset, length);
        self.hashing += coverage.open() - before;
        expected.map_err(Refusal::Fatal)
    }

    /// Writes and hashes a piece.
    fn take(&mut self, entry: u64, offset: u64, input: Input<'_>) -> Attempt<()> {
        if let Input::Bytes(bytes) = input
            && self.take_whole(entry, offset, bytes)?
        {
            return Ok(());
        }
        self.expect(entry, offset, input.length())?;
        self.open_part(entry)?;
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        let (Some(part), Some(coverage)) = (&mut file.part, &mut file.coverage) else { return Ok(()) };
        let written = match input {
            Input::Bytes(bytes) => part.write(bytes, offset),
            Input::Zeros(count) => part.zero(offset, count),
        };
        if let Err(error) = written {
            let path = file.path.clone();
            return Err(self.refuse(error, &path));
        }
        let mut done = Vec::new();
        let before = coverage.open();
        let fed = coverage.feed(offset, input, &mut done);
        self.hashing = (self.hashing + coverage.open()).saturating_sub(before);
        fed.map_err(Refusal::Fatal)?;
        if self.hashing > HASHING_MAX {
            return Err(Refusal::Fatal(breach("too many files came at once")));
        }
        let is_any_done = !done.is_empty();
        if is_any_done {
            self.unjournaled.insert(entry);
        }
        for slot in done {
            part.journal.note(slot);
        }
        if let Input::Bytes(bytes) = input {
            let written = file.owed.min(bytes.len() as u64);
            file.owed -= written;
            self.space.written(written);
        }
        self.sum(entry, offset, input);
        if is_any_done { self.catch_up(entry) } else { Ok(()) }
    }

    /// What follows from the end of what was asked for.
    fn settle(&mut self, end: &FileEnd) -> Attempt<Option<SinkEvent>> {
        let corrupt = |what: &str| Refusal::Entry(Failure::new(Reason::Corrupt, what));
        let session = self.chunk;
        let Some(file) = self.files.get_mut(&end.entry) else { return Ok(None) };
        let (size, phase) = (file.size, file.phase);
        let has_more = file.early.as_deref().is_some_and(|early| early.len() > 0);
        let before = file.coverage.as_deref().map_or(0, Coverage::open);
        if let Some(root) = file.whole {
            return match size {
                Some(size) if size != end.size => Err(corrupt("its length differs")),
                _ if root.0 != end.root => Err(corrupt("its hash differs")),
                _ => self.complete(end).map(|()| None),
            };
        }
        let root = match file.coverage(session) {
            Coverage::Stream(hasher) if hasher.length() != end.size || has_more => {
                return Err(corrupt("its length differs"));
            }
            Coverage::Stream(hasher) => Some(hasher.root()),
            Coverage::Chunks(chunks) => {
                chunks.forget_open();
                chunks.root()
            }
        };
        self.hashing =
            (self.hashing + file.coverage.as_deref().map_or(0, Coverage::open)).saturating_sub(before);
        if size.is_some_and(|size| size != end.size) {
            return Err(corrupt("its length differs"));
        }
        match (root, phase) {
            (Some(root), _) if root.0 != end.root => Err(corrupt("its hash differs")),
            (None, Phase::Resuming) if defects::has(Defect::RenameBeforeVerify) => {
                self.complete(end).map(|()| None)
            }
            (Some(_), Phase::Comparing) => self.keep(end).map(|()| None),
            (Some(_), _) => self.complete(end).map(|()| None),
            (None, Phase::Comparing) => self.differs(end.entry),
            (None, Phase::Building | Phase::Resuming) => {
                let missing =
                    file.coverage.as_mut().and_then(|coverage| coverage.chunks()).map(|c| c.missing());
                self.ask(end.entry, missing.unwrap_or_default(), Runs::new())
                    .map(|get| Some(SinkEvent::Get(get)))
            }
            (None, Phase::Fresh | Phase::Asking) => Err(corrupt("its length differs")),
        }
    }

    /// Puts together what is wanted of a file now.
    pub(super) fn ask(&mut self, entry: u64, send: Runs, compare: Runs) -> Attempt<Get> {
        let session = self.chunk;
        let Some(file) = self.files.get_mut(&entry) else {
            return Err(Refusal::Fatal(breach("a wish for what is not coming")));
        };
        file.gets += 1;
        if file.gets > GETS_MAX || send.len() + compare.len() > LIST_MAX {
            return Err(Refusal::Entry(Failure::new(Reason::Corrupt, "what came was never what was sent")));
        }
        let chunk = file.chunk(session);
        let chunk_bytes = chunk.bytes();
        let missing = file.size.map_or(0, |size| send.bytes(size, chunk));
        // Which chunks the holes are in is not known, and what is written over needs no room again.
        let stored =
            file.part.as_ref().and_then(|part| part.handle().ok()?.stat().ok()?.allocated).unwrap_or(0);
        let whole = file.size.unwrap_or(0).saturating_sub(file.holes);
        self.owe(entry, missing.min(whole.saturating_sub(stored)))?;
        Ok(Get { entry, chunk_bytes, send: send.into_vec(), compare: compare.into_vec() })
    }

    /// Counts so much of a file as to come, beside what is counted already.
    pub(super) fn owe(&mut self, entry: u64, bytes: u64) -> Attempt<()> {
        let Some(file) = self.files.get(&entry) else { return Ok(()) };
        let more = bytes.saturating_sub(file.owed);
        // What it takes the place of makes room for it; not before, but the disk need not hold both for every file.
        let freed = file.replaces.as_ref().and_then(|old| old.allocated).unwrap_or(0);
        let parent = file.parent;
        let counted = self.promise(parent, more.saturating_sub(freed))?;
        if let Some(file) = self.files.get_mut(&entry) {
            file.owed += counted;
        }
        Ok(())
    }

    /// Hands a file that is whole to the group.
    fn complete(&mut self, end: &FileEnd) -> Attempt<()> {
        let sum = self.sum_of(end.entry, end)?;
        let is_sealed = |file: &Incoming<D::File>| file.part.as_ref().is_some_and(|part| part.is_sealed);
        if !self.files.get(&end.entry).is_some_and(is_sealed) {
            // An empty file has had no piece, so its part file is made here.
            self.open_part(end.entry)?;
        }
        let Some(file) = self.files.get_mut(&end.entry) else { return Ok(()) };
        let Some(part) = &mut file.part else { return Ok(()) };
        let finished = if part.is_sealed { Ok(()) } else { part.finish(end.size, &file.meta) };
        let (path, dir, handle) = (file.path.clone(), file.dir.clone(), part.file.clone());
        match finished.and_then(|()| self.is_covered(&dir)) {
            Ok(is_covered) => {
                if let Some(file) = self.forget(end.entry) {
                    self.group.add_file(Finished {
                        entry: end.entry,
                        path: file.path,
                        dir: file.dir,
                        parent: file.parent,
                        name: file.name,
                        part: file.part,
                        chunk: self.chunk,
                        replaces: file.replaces,
                        size: end.size,
                        is_covered,
                        file: handle,
                        sum,
                    });
                }
                Ok(())
            }
            Err(error) => Err(self.refuse(error, &path)),
        }
    }

    /// Whether syncing the output directory's file system covers what is in this directory.
    pub(super) fn is_covered(&mut self, dir: &RelPath) -> std::result::Result<bool, DiskError> {
        let system = self.dirs.get(dir)?.file_system();
        Ok(system.syncs_whole && self.dirs.get(&RelPath::root())?.file_system() == system)
    }

    /// Sees to it that the part file is open, and that not too many are.
    pub(super) fn open_part(&mut self, entry: u64) -> Attempt<()> {
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        if file.part.as_ref().is_some_and(|part| part.is_sealed) {
            return Err(Refusal::Fatal(breach("contents of a file of which all has come")));
        }
        if file.part.as_ref().is_some_and(|part| part.file.is_some()) {
            return self.used(entry).map_err(Refusal::Fatal);
        }
        let (path, dir, name) = (file.path.clone(), file.dir.clone(), file.name.clone());
        let chunk = file.chunk(self.chunk);
        let is_journaled = self.rules.resume && file.size.is_some_and(|size| size > u64::from(chunk.bytes()));
        let part = match file.part.take() {
            Some(mut part) => {
                let reopened = self.reopen_part(&path, &dir, &mut part);
                // Kept also where that failed: what was written is in that one, and a new one in its place would be full of gaps.
                if let Some(file) = self.files.get_mut(&entry) {
                    file.part = Some(part);
                }
                reopened?;
                return self.used(entry).map_err(Refusal::Fatal);
            }
            None => {
                let is_large = file.size.is_some_and(|size| size > u64::from(ChunkSize::MIN.bytes()));
                let part = Box::new(self.create_part(&path, &dir, &name, is_journaled)?);
                if is_large && !is_journaled {
                    // It may stand there alone: of a receiver that was killed when the file just had its name.
                    self.remove_if_ours(&dir, &name.journal_file());
                }
                part
            }
        };
        if let Some(file) = self.files.get_mut(&entry) {
            file.part = Some(part);
        }
        self.used(entry).map_err(Refusal::Fatal)
    }

    /// Something of a file was opened or used: those used longest ago are closed.
    pub(super) fn used(&mut self, entry: u64) -> Result<()> {
        if self.open.last() == Some(&entry) {
            return Ok(());
        }
        self.open.retain(|&open| open != entry);
        if self.open.len() >= FILES_OPEN_MAX {
            // Not one that a checkpoint is under way for: that has a handle of it, and so its lock, which would be somebody else's when it is
            // opened again.
            let at = self.open.iter().position(|open| self.checkpointing != Some(*open)).unwrap_or(0);
            let oldest = self.open.remove(at);
            self.put_away(oldest)?;
        }
        self.open.push(entry);
        Ok(())
    }

    /// Closes what is open of a file.
    pub(super) fn put_away(&mut self, entry: u64) -> Result<()> {
        let Some(file) = self.files.get(&entry) else { return Ok(()) };
        let (path, dir) = (file.path.clone(), file.dir.clone());
        // What the sync of the whole file system does not cover is synced for itself, through its handle.
        let is_covered = match self.is_covered(&dir) {
            Ok(is_covered) => is_covered,
            Err(error) if error.is_fatal() => {
                return Err(error.into_error(format!("cannot write {path:?}")));
            }
            Err(_) => false,
        };
        if let Some(file) = self.files.get_mut(&entry)
            && !(is_covered && file.seal())
        {
            file.close();
        }
        Ok(())
    }
}

/// Files of which something is open at once: up to three descriptors each. The sender reads one file after the other, so only few are ever
/// begun; a hostile one that begins thousands makes us close and open them.
pub(super) const FILES_OPEN_MAX: usize = 16;

/// Chunks that may have come in part, of all files together, 2 KiB each.
pub(super) const HASHING_MAX: usize = 128;
