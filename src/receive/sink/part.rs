//! Files being received: part files, written in order and hashed on the way.

use crate::disk::{Access, Dir, DiskError, Fault, File, FileId, Kind};
use crate::error::Result;
use crate::proto::chunk::{ChunkSize, FileHasher};
use crate::proto::frame::{Failure, FileEnd, Piece, Reason};
use crate::proto::manifest::Meta;
use crate::proto::path::{Name, RelPath};

use super::commit::Finished;
use super::tree::Parent;
use super::{Attempt, Portion, Refusal, Sink, SinkEvent, breach, fatal, portions};

/// A file of which not everything has come.
#[derive(Debug)]
pub(super) struct Part<F> {
    path: RelPath,
    parent: Parent,
    name: Name,
    size: Option<u64>,
    meta: Meta,
    /// Made with the first piece: a manifest announces thousands of files ahead, and a hasher takes 2 KiB.
    hasher: Option<Box<FileHasher>>,
    /// Whether the end of the part file must still be moved behind a hole.
    ends_in_hole: bool,
    /// Whether the part file was made.
    is_begun: bool,
    /// Which file the part file is: it may be closed and opened again, and must still be the same.
    id: Option<FileId>,
    file: Option<F>,
}

impl<F> Part<F> {
    pub(super) fn new(path: RelPath, parent: Parent, name: Name, size: Option<u64>, meta: Meta) -> Part<F> {
        Part {
            path,
            parent,
            name,
            size,
            meta,
            hasher: None,
            ends_in_hole: false,
            is_begun: false,
            id: None,
            file: None,
        }
    }

    /// Whether there is a part file.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether it holds a descriptor.
    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Where the file belongs and what its part file is called there.
    pub(super) fn place(&self) -> (&RelPath, &Name) {
        (&self.path, &self.name)
    }

    /// How much of the file has come, in bytes.
    fn length(&self) -> u64 {
        self.hasher.as_ref().map_or(0, |hasher| hasher.length())
    }

    fn hasher(&mut self, chunk: ChunkSize) -> &mut FileHasher {
        self.hasher.get_or_insert_with(|| Box::new(FileHasher::new(chunk)))
    }

    /// Checks that a piece is the next one and inside of the file. The session has checked it too; this is the last line before the
    /// disk, where a piece out of place would overwrite what is hashed already.
    fn expect(&self, offset: u64, length: u32) -> Result<()> {
        if offset != self.length() {
            return Err(breach("contents of a file came out of their order"));
        }
        match self.size {
            Some(size) if offset.saturating_add(u64::from(length)) > size => {
                Err(breach("more came of a file than was announced"))
            }
            _ => Ok(()),
        }
    }
}

impl<D: Dir> Sink<D> {
    /// Writes pieces. Those of entries that already have their outcome are passed over: they were on their way when it was told.
    pub(super) fn write(
        &mut self,
        pieces: &[Piece],
        payload: &[u8],
        events: &mut Vec<SinkEvent>,
    ) -> Result<()> {
        for portion in portions(pieces, payload) {
            self.stop.check()?;
            let Portion { entry, offset, length, bytes } = portion?;
            match self.parts.get(&entry) {
                Some(part) => part.expect(offset, length)?,
                None if entry < self.next => continue,
                None => return Err(breach("contents of a file that was not announced")),
            }
            if let Err(failure) = fatal(self.write_piece(entry, bytes, offset, length))? {
                self.give_up(entry, failure, events)?;
            }
        }
        Ok(())
    }

    /// Compares what came with what the sender says it sent, and hands the file to the group.
    pub(super) fn finish(&mut self, end: &FileEnd, events: &mut Vec<SinkEvent>) -> Result<()> {
        if !self.parts.contains_key(&end.entry) {
            return if end.entry < self.next {
                Ok(())
            } else {
                Err(breach("the end of a file that was not announced"))
            };
        }
        match fatal(self.complete(end))? {
            Ok(()) => Ok(()),
            Err(failure) => self.give_up(end.entry, failure, events),
        }
    }

    /// Ends a file that will not be delivered, and removes what came of it.
    pub(super) fn give_up(
        &mut self,
        entry: u64,
        failure: Failure,
        events: &mut Vec<SinkEvent>,
    ) -> Result<()> {
        let Some(part) = self.parts.remove(&entry) else {
            return if entry < self.next {
                Ok(())
            } else {
                Err(breach("the end of a file that was not announced"))
            };
        };
        self.open.retain(|&open| open != entry);
        if part.is_begun() {
            self.remove_part(&part.path, &part.name);
        }
        self.taken.remove(&part.path);
        self.tree.done(part.parent, &mut self.group.ready);
        events.push(SinkEvent::Resolved { entry, failure: Some(failure) });
        Ok(())
    }

    /// Removes a part file. Where that fails it stays: the next receiver of the same name removes it.
    pub(super) fn remove_part(&mut self, path: &RelPath, part_name: &Name) {
        if let Some((parent, _)) = path.split() {
            let _ = self.dirs.get(&parent).and_then(|dir| dir.remove_file(part_name));
        }
    }

    fn write_piece(&mut self, entry: u64, bytes: Option<&[u8]>, offset: u64, length: u32) -> Attempt<()> {
        self.open_part(entry)?;
        let chunk = self.chunk;
        let Some(part) = self.parts.get_mut(&entry) else { return Ok(()) };
        let Some(bytes) = bytes else {
            part.ends_in_hole = true;
            let hasher = part.hasher(chunk);
            let hashed = self.stop.zeros(length, |zeros| {
                hasher.update_zeros(zeros, |_, _| {});
                Ok(())
            });
            return hashed.map_err(Refusal::Fatal);
        };
        let Some(file) = &part.file else { return Ok(()) };
        if let Err(error) = file.write_at(bytes, offset) {
            let path = part.path.clone();
            return Err(self.refuse(error, &path));
        }
        part.hasher(chunk).update(bytes, |_, _| {});
        part.ends_in_hole = false;
        Ok(())
    }

    fn complete(&mut self, end: &FileEnd) -> Attempt<()> {
        // An empty file has had no piece, so its part file is made here.
        self.open_part(end.entry)?;
        let Some(mut part) = self.parts.remove(&end.entry) else { return Ok(()) };
        let length = part.length();
        part.hasher(self.chunk);
        let root = part.hasher.take().map(|hasher| hasher.finish().0);
        let is_whole = length == end.size && part.size.is_none_or(|size| size == end.size);
        let is_same = is_whole && root == Some(end.root);
        let sealed = match &part.file {
            Some(file) if is_same => {
                let lengthened = if part.ends_in_hole { file.set_len(length) } else { Ok(()) };
                lengthened.and_then(|()| file.set_meta(&part.meta))
            }
            _ => Ok(()),
        };
        let system = part.path.split().map_or_else(
            || Err(DiskError::of(Fault::Other, "no name")),
            |(parent, _)| self.dirs.get(&parent).map(Dir::file_system),
        );
        match sealed.and(system) {
            Ok(system) if is_same => {
                self.open.retain(|&open| open != end.entry);
                let root = self.dirs.get(&RelPath::root()).map(Dir::file_system).ok();
                let Part { path, parent, name, id, file, .. } = part;
                let is_covered = root == Some(system) && system.syncs_whole;
                let finished = Finished {
                    entry: end.entry,
                    path,
                    parent,
                    part_name: name,
                    id,
                    size: end.size,
                    is_covered,
                    file,
                };
                self.group.add_file(finished);
                Ok(())
            }
            sealed => {
                let path = part.path.clone();
                // Back, so that whoever gives it up removes its part file.
                self.parts.insert(end.entry, part);
                Err(match sealed {
                    Ok(_) if is_whole => Refusal::Entry(Failure::new(Reason::Corrupt, "its hash differs")),
                    Ok(_) => Refusal::Entry(Failure::new(Reason::Corrupt, "its length differs")),
                    Err(error) => self.refuse(error, &path),
                })
            }
        }
    }

    /// Sees to it that the part file is open, and that not too many are.
    fn open_part(&mut self, entry: u64) -> Attempt<()> {
        if self.open.last() == Some(&entry) {
            return Ok(());
        }
        let Some(part) = self.parts.get(&entry) else { return Ok(()) };
        if part.file.is_none() {
            let (path, name, id) = (part.path.clone(), part.name.clone(), part.id);
            let is_begun = part.is_begun;
            if self.open.len() >= FILES_OPEN_MAX {
                let oldest = self.open.remove(0);
                if let Some(part) = self.parts.get_mut(&oldest) {
                    part.file = None;
                }
            }
            let opened =
                if is_begun { self.reopen_part(&path, &name, id) } else { self.create_part(&path, &name) };
            let (file, id) = opened.map_err(|error| self.refuse(error, &path))?;
            if let Some(part) = self.parts.get_mut(&entry) {
                (part.is_begun, part.id) = (true, id);
                part.file = Some(file);
            }
        }
        self.open.retain(|&open| open != entry);
        self.open.push(entry);
        Ok(())
    }

    fn create_part(&mut self, path: &RelPath, name: &Name) -> Result<(D::File, Option<FileId>), DiskError> {
        let (parent, _) = path.split().unwrap_or_else(|| (RelPath::root(), name.clone()));
        let dir = self.dirs.get(&parent)?;
        let file = match dir.create_file(name) {
            Err(error) if error.fault() == Fault::Exists => {
                // Left by a receiver that was killed. Anything that is not such a file is not ours to remove.
                let stale = dir.stat(name)?;
                if stale.kind != Kind::File || !stale.is_ours {
                    return Err(DiskError::of(Fault::Other, "the name of its part file is taken"));
                }
                dir.remove_file(name)?;
                dir.create_file(name)?
            }
            made => made?,
        };
        let id = file.stat()?.id;
        Ok((file, id))
    }

    fn reopen_part(
        &mut self,
        path: &RelPath,
        name: &Name,
        id: Option<FileId>,
    ) -> Result<(D::File, Option<FileId>), DiskError> {
        let (parent, _) = path.split().unwrap_or_else(|| (RelPath::root(), name.clone()));
        let file = self.dirs.get(&parent)?.open_file(name, Access::ReadWrite)?;
        let there = file.stat()?;
        if there.kind != Kind::File || there.id != id {
            return Err(DiskError::of(Fault::Other, "its part file was replaced by another program"));
        }
        Ok((file, id))
    }
}

/// Part files open at once. The sender reads one file after the other, so only few are ever begun; a hostile one that begins
/// thousands makes us close and open them.
pub(super) const FILES_OPEN_MAX: usize = 32;
