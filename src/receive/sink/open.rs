//! Part files are opened when something comes for them, and closed where there are no descriptors for all of
//! them.

use crate::disk::Dir;
use crate::error::Result;
use crate::proto::chunk::ChunkSize;

use super::incoming::Incoming;
use super::{Attempt, Refusal, Sink, breach};

impl<D: Dir + 'static> Sink<D> {
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
                // Keep it even if reopening failed: it holds the data so far; a fresh one would have gaps.
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
                    // A journal without a part file: its receiver was killed between the rename and removing
                    // the journal.
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
            // Never the file being checkpointed: that thread's handle holds the lock, so reopening would find
            // it locked.
            let at = self.open.iter().position(|open| self.checkpointing != Some(*open)).unwrap_or(0);
            let oldest = self.open.remove(at);
            self.put_away(oldest)?;
        }
        self.open.push(entry);
        Ok(())
    }

    /// Closes what is open of a file, but for its part file as long as that may [stay](super::lock) locked.
    pub(super) fn put_away(&mut self, entry: u64) -> Result<()> {
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        file.close_others();
        if !self.locks.are_many() {
            return Ok(());
        }
        let (path, dir) = (file.path.clone(), file.dir.clone());
        let is_covered = match self.is_covered(&dir) {
            Ok(is_covered) => is_covered,
            Err(error) if error.is_fatal() => {
                return Err(error.into_error(format!("cannot write {path:?}")));
            }
            Err(_) => false,
        };
        self.close_part(entry, is_covered);
        Ok(())
    }

    /// Closes all part files that only stay open to stay locked, where no descriptor is left. Not those in use,
    /// which are few, nor the one of which a checkpoint is under way.
    pub(super) fn close_parked(&mut self) {
        let is_parked = |entry: u64, file: &Incoming<D::File>| {
            file.part.as_ref().is_some_and(|part| part.file.is_some())
                && self.checkpointing != Some(entry)
                && !self.open.contains(&entry)
        };
        let parked = self.files.iter().filter(|(entry, file)| is_parked(**entry, file));
        let parked: Vec<_> = parked.map(|(entry, file)| (*entry, file.dir.clone())).collect();
        for (entry, dir) in parked {
            // Where that cannot be asked, it is opened again and synced for itself.
            let is_covered = self.is_covered(&dir).unwrap_or(false);
            self.close_part(entry, is_covered);
        }
    }

    /// Closes a part file for good if all of it has come, or else until more of it does. What the sync of the
    /// whole file system does not cover is synced for itself in the end, through its handle.
    fn close_part(&mut self, entry: u64, is_covered: bool) {
        if let Some(file) = self.files.get_mut(&entry)
            && !(is_covered && file.seal())
        {
            file.close();
        }
    }
}

/// Files of which more than the part file is open at once: up to two descriptors each. The sender reads one
/// file after the other, so only few are ever begun; a hostile one that begins thousands makes us close and
/// open them.
pub(super) const FILES_OPEN_MAX: usize = 16;
