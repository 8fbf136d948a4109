//! Part files: made beside their place, locked, written at offsets, found again by a later session.
//!
//! Whoever holds the lock of a part file is receiving it; the lock ends with the handle. A part file of
//! somebody else, or anything that is not one, is never touched; nor is any that is locked.

use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Access, Dir, DiskError, Fault, File, FileId, Kind, Result, Stat};
use crate::proto::chunk::ChunkSize;
use crate::proto::manifest::Meta;
use crate::proto::path::{Name, RelPath};
use crate::proto::runs::Runs;

use super::checkpoint::Journaling;
use super::lock::{Locked, locked};
use super::{Attempt, Sink, journal};

/// A part file that this session has made or goes on with.
#[derive(Debug)]
pub(super) struct PartFile<F> {
    /// What it is called.
    pub(super) name: Name,
    /// Which one it is: it may be closed and opened again, and must still be the same.
    pub(super) id: Option<FileId>,
    /// Its handle, shared with whoever syncs it.
    pub(super) file: Option<Arc<F>>,
    /// Counts it among the open ones, as long as it is.
    locked: Option<Locked>,
    /// All of it has come, and it was closed with the mode and time of the whole: it is not to be opened
    /// again.
    pub(super) is_sealed: bool,
    /// Metadata at closing. Closing drops the lock, and by its number alone a file that another receiver has
    /// put there may look the same.
    closed: Option<Stat>,
    /// Where it ends, in bytes. Beyond that nothing was ever written.
    extent: u64,
    /// What is known to be on disk.
    pub(super) journal: Journaling<F>,
}

/// What an interrupted transfer left of a file.
pub(super) struct Left<F> {
    pub(super) part: PartFile<F>,
    /// The chunk size it was begun with.
    pub(super) chunk: ChunkSize,
    /// The chunks it claims to hold, at least one.
    pub(super) claims: Runs,
}

impl<F: File> PartFile<F> {
    /// Closes what is open of it, which gives up the lock.
    pub(super) fn close(&mut self) {
        if let Some(file) = self.file.take() {
            self.closed = file.stat().ok();
        }
        self.locked = None;
        self.journal.close();
    }

    /// Whether what stands under its name is this one.
    pub(super) fn is(&self, there: &Stat) -> bool {
        match &self.file {
            // As long as it is open no other gets its number. Where there are no numbers, names have to do.
            Some(_) => self.id.is_none() || self.id == there.id,
            None => self.closed.is_some_and(|closed| closed.is_unchanged(there)),
        }
    }

    /// Gives it the length, mode and time of the whole.
    pub(super) fn finish(&mut self, size: u64, meta: &Meta) -> Result<()> {
        self.fit(size)?;
        self.handle()?.set_meta(meta)
    }

    /// Closes it for good, as the whole that it is, or returns false.
    pub(super) fn seal(&mut self, size: u64, meta: &Meta) -> bool {
        self.is_sealed = self.finish(size, meta).is_ok();
        if self.is_sealed {
            self.close();
        }
        self.is_sealed
    }

    /// Writes bytes at an offset.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        self.handle()?.write_at(bytes, offset)?;
        self.extent = self.extent.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// Writes bytes of another file, whose holes stay holes.
    pub(super) fn copy(&mut self, bytes: &[u8], mut offset: u64) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let is_hole = is_zero(rest);
            let alike = rest.chunks(STEP_BYTES).take_while(|step| is_zero(step) == is_hole);
            let length = alike.map(<[u8]>::len).sum::<usize>();
            let (now, later) = rest.split_at(length);
            if is_hole {
                self.zero(offset, length as u64)?;
            } else {
                self.write(now, offset)?;
            }
            (offset, rest) = (offset + length as u64, later);
        }
        Ok(())
    }

    /// Sees to it that there are zeros: where something was written before they are written over it,
    /// elsewhere they stay a hole.
    pub(super) fn zero(&self, mut offset: u64, count: u64) -> Result<()> {
        let end = offset.saturating_add(count).min(self.extent);
        while offset < end {
            let stretch = self.handle()?.stretch(offset, end)?;
            let until = stretch.end.clamp(offset + 1, end);
            while !stretch.is_hole && offset < until {
                let now = usize::try_from(until - offset).unwrap_or(ZEROS.len()).min(ZEROS.len());
                self.handle()?.write_at(ZEROS.get(..now).unwrap_or(ZEROS), offset)?;
                offset += now as u64;
            }
            offset = until;
        }
        Ok(())
    }

    /// Fills `buffer` from an offset; what the file does not reach to is a hole.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let read = self.handle()?.read_at(buffer, offset)?;
        if let Some(rest) = buffer.get_mut(read..) {
            rest.fill(0);
        }
        Ok(())
    }

    /// Gives it the length of the whole.
    pub(super) fn fit(&mut self, size: u64) -> Result<()> {
        if self.extent != size {
            self.handle()?.set_len(size)?;
            self.extent = size;
        }
        Ok(())
    }

    /// Makes it readable and writable for us again, whatever mode it got already, so that the next session
    /// can go on with it.
    pub(super) fn open_up(&self) {
        if let Some(file) = &self.file
            && let Ok(stat) = file.stat()
        {
            // Where that fails the next session begins anew.
            let _ = file.set_meta(&Meta { mode: Some(0o600), ..stat.meta });
        }
    }

    pub(super) fn handle(&self) -> Result<&Arc<F>> {
        self.file.as_ref().ok_or_else(|| DiskError::of(Fault::Other, "its part file is closed"))
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// Looks for what an interrupted transfer left of a file of more than one chunk. What it finds is locked
    /// from here on.
    pub(super) fn find_part(
        &mut self,
        path: &RelPath,
        dir: &RelPath,
        name: &Name,
        size: u64,
    ) -> Attempt<Option<Left<D::File>>> {
        let is_usable = |stat: &Stat| {
            stat.kind == Kind::File && stat.is_ours && stat.links.is_none_or(|links| links == 1)
        };
        let (part_name, journal_name) = (name.part_file(), name.journal_file());
        let stop = self.stop.clone();
        let found = self.open_in(dir, |dir| {
            let file = open_to_write(dir, &part_name, is_usable)?;
            let stat = file.stat()?;
            if !is_usable(&stat) {
                return Ok(None);
            }
            if !file.try_lock()? {
                return Ok(Some(Err(locked(path))));
            }
            // Whoever had it locked until now may have renamed it.
            if dir.stat(&part_name)?.id != stat.id {
                return Ok(None);
            }
            let journal = dir.open_file(&journal_name, Access::ReadWrite)?;
            if !is_usable(&journal.stat()?) {
                return Ok(None);
            }
            let Some(chunk) = journal::read_chunk_size(&journal)? else { return Ok(None) };
            let claims = journal::claims(&journal, size, chunk, &stop)?;
            if claims.is_empty() {
                return Ok(None);
            }
            let journal = Journaling::found(journal_name.clone(), journal);
            let part = PartFile {
                name: part_name.clone(),
                id: stat.id,
                file: Some(Arc::new(file)),
                locked: None,
                is_sealed: false,
                closed: None,
                extent: stat.size,
                journal,
            };
            Ok(Some(Ok(Left { part, chunk, claims })))
        });
        match found {
            Ok(Some(Ok(mut left))) => {
                left.part.locked = Some(self.locks.take());
                Ok(Some(left))
            }
            Ok(Some(Err(refusal))) => Err(refusal),
            Err(error) if error.is_fatal() => Err(self.refuse(error, path)),
            // Whatever it is, nothing can be gone on with. Whoever makes the part file anew finds out whether
            // it is in the way.
            Ok(None) | Err(_) => Ok(None),
        }
    }

    /// Opens something in a directory. Where no descriptor is left, what others here can do without is given
    /// back first.
    pub(super) fn open_in<T>(&mut self, dir: &RelPath, open: impl Fn(&D) -> Result<T>) -> Result<T> {
        let mut opened = self.dirs.open(dir, &open);
        if is_exhausted(&opened) {
            // What is complete and open only to be synced for itself, or to stay locked.
            self.locks.cut();
            self.group.close();
            opened = self.dirs.open(dir, &open);
        }
        if is_exhausted(&opened) {
            self.close_parked();
            opened = self.dirs.open(dir, &open);
        }
        // Some of that is in the hands of the thread that writes ahead for a moment, and so is what else
        // takes descriptors here.
        for _ in 0..HANDED_BACK_LOOKS {
            if !is_exhausted(&opened) {
                break;
            }
            std::thread::sleep(HANDED_BACK_PAUSE);
            opened = self.dirs.open(dir, &open);
        }
        opened
    }

    /// Makes a part file and locks it. One that an interrupted transfer left is replaced.
    pub(super) fn create_part(
        &mut self,
        path: &RelPath,
        dir: &RelPath,
        name: &Name,
        journaled: bool,
    ) -> Attempt<PartFile<D::File>> {
        let part_name = name.part_file();
        let create = |dir: &D| dir.create_file(&part_name);
        let file = match self.open_in(dir, create) {
            Err(error) if error.fault() == Fault::Exists => {
                self.remove_stale(path, dir, name)?;
                match self.open_in(dir, create) {
                    // Somebody else was faster.
                    Err(error) if error.fault() == Fault::Exists => return Err(locked(path)),
                    made => made,
                }
            }
            made => made,
        };
        let journal = if journaled {
            // Whatever it said was about another part file.
            self.remove_if_ours(dir, &name.journal_file());
            Journaling::new(name.journal_file())
        } else {
            Journaling::none()
        };
        let opened = file.and_then(|file| Ok((file.try_lock()?, file.stat()?.id, file)));
        match opened {
            Ok((true, id, file)) => {
                let (file, locked) = (Some(Arc::new(file)), Some(self.locks.take()));
                let is_sealed = false;
                Ok(PartFile {
                    name: part_name,
                    id,
                    file,
                    locked,
                    is_sealed,
                    closed: None,
                    extent: 0,
                    journal,
                })
            }
            Ok((false, ..)) => Err(locked(path)),
            Err(error) => Err(self.refuse(error, path)),
        }
    }

    /// Opens a part file again that was closed because too many were open.
    pub(super) fn reopen_part(
        &mut self,
        path: &RelPath,
        dir: &RelPath,
        part: &mut PartFile<D::File>,
    ) -> Attempt<()> {
        let opened = self.open_in(dir, |dir| {
            let file = dir.open_file(&part.name, Access::ReadWrite)?;
            // Looked at under the lock: nobody of us changes it after that.
            if !file.try_lock()? {
                return Ok(None);
            }
            let now = file.stat()?;
            if now.id == part.id && !part.is(&now) {
                return Err(DiskError::of(Fault::Other, "its part file was changed by another program"));
            }
            Ok(part.is(&now).then_some(file))
        });
        match opened {
            Ok(Some(file)) => {
                part.file = Some(Arc::new(file));
                part.locked = Some(self.locks.take());
                Ok(())
            }
            Ok(None) => Err(self.lost_part(path, dir, &part.name)),
            Err(error) if error.fault() == Fault::Missing => Err(self.lost_part(path, dir, &part.name)),
            Err(error) => Err(self.refuse(error, path)),
        }
    }

    /// Removes what an interrupted transfer left of a file: the journal first, so that it never speaks of
    /// another part file. Where that fails it stays, and the next receiver of the same name finds it.
    pub(super) fn remove_part(&mut self, dir: &RelPath, part: &PartFile<D::File>) {
        if let Ok(dir) = self.dirs.get(dir) {
            if dir.stat(&part.name).is_ok_and(|there| !part.is(&there)) {
                // Another receiver's, who came while this one was closed.
                return;
            }
            if let Some(journal) = part.journal.name().filter(|_| part.journal.is_made()) {
                let _ = dir.remove_file(journal);
            }
            let _ = dir.remove_file(&part.name);
        }
    }

    /// What a part file takes that is going to be removed, in bytes.
    pub(super) fn stale_bytes(&mut self, dir: &RelPath, name: &Name) -> u64 {
        let stale = self.dirs.get(dir).and_then(|dir| dir.stat(&name.part_file()));
        let stale = stale.ok().filter(|stale| stale.kind == Kind::File && stale.is_ours);
        stale.and_then(|stale| stale.allocated).unwrap_or(0)
    }

    /// Removes what an interrupted transfer left of a file that is there by other means, unless somebody is
    /// receiving it.
    pub(super) fn remove_left(&mut self, path: &RelPath, dir: &RelPath, name: &Name, size: u64) {
        let is_left = self.dirs.get(dir).is_ok_and(|dir| dir.stat(&name.part_file()).is_ok());
        // Whether it works or not, it is in nobody's way.
        if is_left {
            let _ = self.remove_stale(path, dir, name);
        } else if size > u64::from(ChunkSize::MIN.bytes()) {
            // A journal without a part file: its receiver was killed between the rename and removing the
            // journal.
            self.remove_if_ours(dir, &name.journal_file());
        }
    }

    /// Removes a file of ours, whatever comes of it.
    pub(super) fn remove_if_ours(&mut self, dir: &RelPath, name: &Name) {
        if let Ok(dir) = self.dirs.get(dir)
            && dir.stat(name).is_ok_and(|stat| stat.kind == Kind::File && stat.is_ours)
        {
            let _ = dir.remove_file(name);
        }
    }

    /// Removes the part file that stands there, unless it is being received or is none of ours.
    pub(super) fn remove_stale(&mut self, path: &RelPath, dir: &RelPath, name: &Name) -> Attempt<()> {
        let part_name = name.part_file();
        let removed = self.dirs.get(dir).and_then(|dir| {
            let stale = dir.stat(&part_name)?;
            if stale.kind != Kind::File || !stale.is_ours {
                return Err(DiskError::of(Fault::Other, "the name of its part file is taken"));
            }
            // Opened to read, which is enough to ask for its lock: it may have its final mode already, and
            // that may be read-only.
            let file = match dir.open_file(&part_name, Access::Read) {
                // Its mode keeps even us out. Whoever is receiving it finds that it is gone.
                Err(error) if error.fault() == Fault::Denied => None,
                opened => Some(opened?),
            };
            if let Some(file) = &file
                && (!file.try_lock()? || dir.stat(&part_name)?.id != file.stat()?.id)
            {
                return Ok(false);
            }
            if dir.stat(&name.journal_file()).is_ok_and(|stat| stat.kind == Kind::File && stat.is_ours) {
                dir.remove_file(&name.journal_file())?;
            }
            dir.remove_file(&part_name)?;
            Ok(true)
        });
        match removed {
            Ok(true) => Ok(()),
            Ok(false) => Err(locked(path)),
            // Whoever was receiving it is done, or has removed it.
            Err(error) if error.fault() == Fault::Missing => Ok(()),
            Err(error) => Err(self.refuse(error, path)),
        }
    }
}

/// Opens what was left of a file, also where it had its mode already, which may be read-only, and only its
/// name was missing.
fn open_to_write<D: Dir>(dir: &D, name: &Name, is_usable: impl Fn(&Stat) -> bool) -> Result<D::File> {
    match dir.open_file(name, Access::ReadWrite) {
        Err(error) if error.fault() == Fault::Denied => {}
        opened => return opened,
    }
    let file = dir.open_file(name, Access::Read)?;
    let stat = file.stat()?;
    // Not while somebody else is about to name it.
    if is_usable(&stat) && file.try_lock()? {
        file.set_meta(&Meta { mode: Some(0o600), ..stat.meta })?;
    }
    dir.open_file(name, Access::ReadWrite)
}

/// Zeros, also to compare with: the smallest hole that is worth keeping.
static ZEROS: &[u8] = &[0; STEP_BYTES];

const STEP_BYTES: usize = 64 << 10;

/// Whether these bytes, as far as a step goes, are zeros.
fn is_zero(bytes: &[u8]) -> bool {
    let step = bytes.len().min(STEP_BYTES);
    bytes.get(..step) == ZEROS.get(..step)
}

/// Whether there was no descriptor left.
fn is_exhausted<T>(opened: &Result<T>) -> bool {
    opened.as_ref().is_err_and(|error| error.fault() == Fault::Exhausted)
}

/// How long, and how often, to wait for descriptors that others here give back: a second in all, and only
/// where `ulimit -n` is very small.
const HANDED_BACK_PAUSE: Duration = Duration::from_millis(10);
const HANDED_BACK_LOOKS: u32 = 100;
