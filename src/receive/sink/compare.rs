//! What is on the disk already, compared with what the sender has: a file that stands in the place, or what a
//! part file holds.
//!
//! The sender names a chunk by its value; ours is read when that comes, and hashed. So nothing is read before
//! the sender has begun, nothing is believed that the journal says, and a file that is the same is never
//! written.

use crate::defects::{self, Defect};
use crate::disk::{Access, Dir, DiskError, Fault, File, Kind, Result as DiskResult, Stat};
use crate::proto::chunk::{ChunkHasher, ChunkSize, ChunkValue};
use crate::proto::frame::{Failure, FileEnd, Get, Reason};
use crate::proto::path::{Name, RelPath};
use crate::proto::runs::Runs;
use crate::receive::OnConflict;

use super::commit::Finished;
use super::coverage::{Chunks, Coverage};
use super::incoming::{Incoming, Phase};
use super::journal::{self, Slot};
use super::{Attempt, Refusal, Sink, Stop, breach};

/// A file that stood there before, to be read and never written.
#[derive(Debug)]
pub(super) struct Basis<F> {
    /// What it is called.
    pub(super) name: Name,
    /// What it was when it was found.
    pub(super) stat: Stat,
    file: Option<F>,
}

impl<F: File> Basis<F> {
    pub(super) fn new(name: Name, stat: Stat) -> Basis<F> {
        Basis { name, stat, file: None }
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> DiskResult<()> {
        let file = self.file.as_ref().ok_or_else(|| DiskError::of(Fault::Other, "it is closed"))?;
        let read = file.read_at(buffer, offset)?;
        if read < buffer.len() { Err(DiskError::of(Fault::Other, "it became shorter")) } else { Ok(()) }
    }
}

impl<F> Basis<F> {
    pub(super) fn close(&mut self) {
        self.file = None;
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// The sender tells the value of a chunk: is ours the same?
    pub(super) fn compare(&mut self, entry: u64, offset: u64, length: u32, value: [u8; 32]) -> Attempt<()> {
        let session = self.chunk;
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        let phase = file.phase;
        if !matches!(phase, Phase::Comparing | Phase::Building | Phase::Resuming) {
            return Err(Refusal::Fatal(breach("a value of a chunk nobody asked for")));
        }
        let Coverage::Chunks(chunks) = file.coverage(session) else {
            return Err(Refusal::Fatal(breach("a value of a chunk of a stream")));
        };
        let index = chunks.awaited(offset, length).map_err(Refusal::Fatal)?;
        let (is_whole, value) = (chunks.is_whole(), ChunkValue(value));
        let mut buffer = std::mem::take(&mut self.buffer);
        // Only what is copied has to be there as a whole afterwards.
        let kept = if phase == Phase::Building { length } else { length.min(READ_BYTES) };
        buffer.resize(usize::try_from(kept).unwrap_or(0), 0);
        let is_believed = phase == Phase::Resuming && defects::has(Defect::NoRecheck);
        let own = if is_believed {
            Ok(None)
        } else if phase == Phase::Resuming {
            self.read_part(entry, Slot { index, length, value }, &mut buffer)
        } else {
            self.read_basis(entry, offset, length, &mut buffer)
        };
        let same = own.map(|own| is_believed || own.is_some_and(|own| own.finish(is_whole) == value));
        let taken = match same {
            Ok(true) => self.same(entry, Slot { index, length, value }, offset, &buffer),
            Ok(false) if phase == Phase::Comparing && self.rules.on_conflict == OnConflict::Skip => {
                // Whatever the rest is, it stays.
                Err(Refusal::Entry(Failure::new(Reason::Exists, "")))
            }
            Ok(false) => Ok(()),
            Err(refusal) => Err(refusal),
        };
        self.buffer = buffer;
        taken
    }

    /// Reads and hashes a chunk of the part file that should be this one. `None` if that is of no use.
    fn read_part(&mut self, entry: u64, slot: Slot, buffer: &mut [u8]) -> Attempt<Option<ChunkHasher>> {
        self.open_part(entry)?;
        let Slot { index, length, value } = slot;
        let chunk = self.chunk;
        let Some(file) = self.files.get(&entry) else { return Ok(None) };
        let Some(part) = &file.part else { return Ok(None) };
        let claim =
            part.journal.file().and_then(|journal| journal::claim(&**journal, index, length).ok().flatten());
        if claim.is_some_and(|claim| claim != value) {
            return Ok(None);
        }
        let offset = index.saturating_mul(u64::from(file.chunk(chunk).bytes()));
        // What cannot be read is sent again; what cannot be written then ends it.
        self.stop.hash(buffer, offset, length, |step, at| part.read(step, at))
    }

    /// Reads and hashes a chunk of what stood there. `None` if that is of no use.
    fn read_basis(
        &mut self,
        entry: u64,
        offset: u64,
        length: u32,
        buffer: &mut [u8],
    ) -> Attempt<Option<ChunkHasher>> {
        if !self.open_basis(entry)? {
            return Ok(None);
        }
        let basis = self.files.get(&entry).and_then(|file| file.basis.as_ref());
        let Some(basis) = basis else { return Ok(None) };
        self.stop.hash(buffer, offset, length, |step, at| basis.read(step, at))
    }

    /// Sees to it that the basis is open, and the one that was found. One that cannot be read has nothing in
    /// common with anything.
    pub(super) fn open_basis(&mut self, entry: u64) -> Attempt<bool> {
        let Some(file) = self.files.get_mut(&entry) else { return Ok(false) };
        let dir = file.dir.clone();
        let Some(basis) = &mut file.basis else { return Ok(false) };
        if basis.file.is_none() {
            let (path, name, stat) = (file.path.clone(), basis.name.clone(), basis.stat);
            let opened = self.open_in(&dir, |dir| {
                let opened = dir.open_file(&name, Access::Read)?;
                let is_it = stat.is_unchanged(&opened.stat()?);
                Ok(is_it.then_some(opened))
            });
            let opened = match opened {
                // It says nothing about what is in it.
                Err(error) if error.is_fatal() => return Err(self.refuse(error, &path)),
                opened => opened.ok().flatten(),
            };
            if let Some(basis) = self.files.get_mut(&entry).and_then(|file| file.basis.as_mut()) {
                basis.file = opened;
            }
        }
        let is_open =
            |file: &Incoming<D::File>| file.basis.as_ref().is_some_and(|basis| basis.file.is_some());
        let is_open = self.files.get(&entry).is_some_and(is_open);
        self.used(entry).map_err(Refusal::Fatal)?;
        Ok(is_open)
    }

    /// A chunk is the same: it counts as come, and is copied where it must be.
    fn same(&mut self, entry: u64, slot: Slot, offset: u64, bytes: &[u8]) -> Attempt<()> {
        let is_copied = self.files.get(&entry).is_some_and(|file| file.phase == Phase::Building);
        if is_copied {
            self.open_part(entry)?;
        }
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        let written = match file.part.as_mut().filter(|_| is_copied) {
            Some(part) => part.copy(bytes, offset),
            None => Ok(()),
        };
        if let Err(error) = written {
            let path = file.path.clone();
            return Err(self.refuse(error, &path));
        }
        let learnt = self.with_coverage(entry, |coverage| {
            coverage.chunks().is_some_and(|chunks| chunks.learn(slot.index, slot.value))
        });
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        if let Some(part) = file.part.as_mut().filter(|_| is_copied && learnt == Some(true)) {
            part.journal.note(slot);
            self.unjournaled.insert(entry);
        }
        self.catch_up(entry)
    }

    /// What stands there is what was sent: it is left alone, made durable, and told as delivered.
    pub(super) fn keep(&mut self, end: &FileEnd) -> Attempt<()> {
        let entry = end.entry;
        let sum = self.sum_of(entry, end)?;
        let Some(file) = self.files.get(&entry) else { return Ok(()) };
        let (path, dir) = (file.path.clone(), file.dir.clone());
        let is_open = self.open_basis(entry)?;
        let is_covered = self.is_covered(&dir).map_err(|error| self.refuse(error, &path))?;
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        let Some(basis) = file.basis.take().filter(|_| is_open) else {
            return Err(Refusal::Entry(changed()));
        };
        let (spare, Basis { name, stat, file: opened }) = (file.name.clone(), *basis);
        // It was compared while anybody could write it.
        let after = opened.as_ref().map(File::stat);
        let there = self.dirs.get(&dir).and_then(|dir| dir.stat(&name));
        let is_still = |now: DiskResult<Stat>| now.is_ok_and(|now| stat.is_unchanged(&now));
        if !after.is_some_and(is_still) || !is_still(there) {
            return Err(Refusal::Entry(changed()));
        }
        if let Some(file) = self.forget(entry) {
            if name != spare {
                self.release_name(&dir, &spare);
            }
            self.group.add_file(Finished {
                entry,
                path: file.path,
                dir: file.dir,
                parent: file.parent,
                name,
                part: None,
                replaces: None,
                size: stat.size,
                is_covered,
                file: opened.map(std::sync::Arc::new),
                sum,
            });
        }
        Ok(())
    }

    /// Makes a part file of what is the same in the basis, and asks for the rest. What a part file holds
    /// already is not copied but compared.
    pub(super) fn build(&mut self, entry: u64) -> Attempt<Get> {
        let session = self.chunk;
        let Some(file) = self.files.get_mut(&entry) else {
            return Err(Refusal::Fatal(breach("a file that is not coming")));
        };
        let known = match file.coverage.take().map(|coverage| *coverage) {
            Some(Coverage::Chunks(chunks)) => chunks.known().clone(),
            _ => Runs::new(),
        };
        // What was compared is looked at once more while it is copied.
        file.sum = None;
        let size = file.size.unwrap_or(0);
        let chunks = Chunks::new(size, session);
        let count = chunks.count();
        file.coverage = Some(Box::new(Coverage::Chunks(chunks)));
        file.phase = Phase::Resuming;
        let claims = self.adopt_part(entry, session)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let copied = known
            .iter()
            .filter(|index| !claims.contains(*index))
            .try_for_each(|index| self.copy(entry, index, count == 1, &mut buffer));
        self.buffer = buffer;
        copied?;
        let Some(file) = self.files.get_mut(&entry) else {
            return Err(Refusal::Fatal(breach("a file that is not coming")));
        };
        let done = match file.coverage.as_deref() {
            Some(Coverage::Chunks(chunks)) => chunks.known().clone(),
            _ => Runs::new(),
        };
        let held = done.union(&claims).unwrap_or(done);
        self.ask(entry, held.missing(count), claims)
    }

    /// Copies a chunk from the basis into the part file. What cannot be read any more is missing.
    fn copy(&mut self, entry: u64, index: u64, is_whole: bool, buffer: &mut Vec<u8>) -> Attempt<()> {
        let Some(Coverage::Chunks(chunks)) = self.files.get(&entry).and_then(|file| file.coverage.as_deref())
        else {
            return Ok(());
        };
        let length = chunks.length(index);
        let offset = index.saturating_mul(u64::from(chunks.chunk().bytes()));
        buffer.resize(usize::try_from(length).unwrap_or(0), 0);
        if length == 0 {
            return Ok(());
        }
        let Some(hasher) = self.read_basis(entry, offset, length, buffer)? else { return Ok(()) };
        let slot = Slot { index, length, value: hasher.finish(is_whole) };
        self.open_part(entry)?;
        if let Some(file) = self.files.get_mut(&entry) {
            let phase = std::mem::replace(&mut file.phase, Phase::Building);
            let copied = self.same(entry, slot, offset, buffer);
            if let Some(file) = self.files.get_mut(&entry) {
                file.phase = phase;
            }
            copied?;
        }
        Ok(())
    }

    /// Goes on with the part file that an interrupted transfer left, if it was cut like this. Returns what it
    /// claims to hold.
    fn adopt_part(&mut self, entry: u64, chunk: ChunkSize) -> Attempt<Runs> {
        let Some(file) = self.files.get(&entry) else { return Ok(Runs::new()) };
        let (path, dir, name) = (file.path.clone(), file.dir.clone(), file.name.clone());
        let Some(size) = file.size.filter(|size| self.rules.resume && *size > u64::from(chunk.bytes()))
        else {
            return Ok(Runs::new());
        };
        match self.find_part(&path, &dir, &name, size)?.filter(|left| left.chunk == chunk) {
            Some(left) => {
                if let Some(file) = self.files.get_mut(&entry) {
                    file.part = Some(Box::new(left.part));
                }
                self.used(entry).map_err(Refusal::Fatal)?;
                Ok(left.claims)
            }
            None => Ok(Runs::new()),
        }
    }

    /// What stands in a place, if anything.
    pub(super) fn stands(&mut self, path: &RelPath, dir: &RelPath, name: &Name) -> Attempt<Option<Stat>> {
        match self.dirs.get(dir).and_then(|dir| dir.stat(name)) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.fault() == Fault::Missing => Ok(None),
            Err(error) => Err(self.refuse(error, path)),
        }
    }
}

impl Stop {
    /// Reads a stretch of a file in steps, as long as it is not set, and hashes each while it is at hand. A
    /// buffer that is shorter than the stretch is used again and again. `None` if it cannot be read.
    fn hash(
        &self,
        buffer: &mut [u8],
        offset: u64,
        length: u32,
        read: impl Fn(&mut [u8], u64) -> DiskResult<()>,
    ) -> Attempt<Option<ChunkHasher>> {
        let mut hasher = ChunkHasher::new(offset);
        let (mut at, end) = (offset, offset.saturating_add(u64::from(length)));
        while at < end {
            for step in buffer.chunks_mut(READ_BYTES as usize) {
                self.check().map_err(Refusal::Fatal)?;
                let now = usize::try_from(end - at).unwrap_or(usize::MAX).min(step.len());
                let step = step.get_mut(..now).unwrap_or_default();
                if read(step, at).is_err() {
                    return Ok(None);
                }
                hasher.update(step);
                at += now as u64;
            }
        }
        Ok(Some(hasher))
    }
}

/// Whether it can be read and compared.
pub(super) fn is_file(stat: &Stat) -> bool {
    stat.kind == Kind::File
}

fn changed() -> Failure {
    Failure::new(Reason::Exists, "what stands there changed while it was compared")
}

/// What is read at once of a file that is compared: it is hashed out of the cache of the processor, and a
/// person who cancels never waits for a whole chunk.
const READ_BYTES: u32 = 256 << 10;
