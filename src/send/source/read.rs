//! The reader: reads the files the receiver wants, hashes them on the way, and fills blocks with them.
//!
//! Small files share a block; big ones are cut at multiples of a block's size, so that pieces never straddle chunks. Holes
//! are not read but named. A file that is not the one that was announced, or changes while it is read, is never ended but dropped: its size,
//! times and identity are compared before and after. What is told of a file always comes after the blocks with its contents.

use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;

use crate::disk::{Access, Dir, DiskError, Fault, File, Kind, Native, Stat};
use crate::proto::chunk::{ChunkSize, FileHasher};
use crate::proto::frame::{Block, Failure, Reason};
use crate::proto::limits::{NAMED_BYTES_MAX, PAYLOAD_BYTES_MAX};
use crate::proto::manifest::Meta;
use crate::proto::path::RelPath;
use crate::proto::runs::Runs;

use super::base::Base;
use super::roots::{Located, Roots};
use super::walk::unreadable;

/// A file to be read, as the walk found it.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Its number in the manifest.
    pub entry: u64,
    /// Its path in the manifest.
    pub path: RelPath,
    /// The size that was announced.
    pub size: Option<u64>,
    /// The mode and time that were announced.
    pub meta: Meta,
    /// What is wanted of it.
    pub what: What,
}

/// What is wanted of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// All of its bytes, from the first to the last.
    All,
    /// Some chunks as bytes, then of others the values.
    Chunks {
        /// In what chunks the other two count.
        chunk: ChunkSize,
        /// To be sent.
        send: Runs,
        /// To be named by their values.
        compare: Runs,
    },
}

/// The end of what was wanted of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadEnd {
    /// Its number in the manifest.
    pub entry: u64,
    /// How long it is, in bytes.
    pub size: u64,
    /// BLAKE3 of the whole, if every chunk was read this time.
    pub root: Option<[u8; 32]>,
}

/// What the reader has to say.
#[derive(Debug)]
pub enum SourceEvent {
    /// Contents.
    Block(Block),
    /// A file is complete, and was the same from beginning to end.
    Ended(ReadEnd),
    /// A file will not be completed.
    Dropped {
        /// Its number in the manifest.
        entry: u64,
        /// Why.
        failure: Failure,
    },
}

/// Reads one file after the other.
pub struct Reader {
    roots: Roots,
    base: Base,
    chunk: ChunkSize,
    input: Box<dyn Read + Send>,
    block: Block,
    /// What is to be told once the block is out.
    told: Vec<SourceEvent>,
}

/// Why a file is not read to its end.
enum Stop {
    /// It is dropped.
    Drop(Failure),
    /// Nobody listens any more.
    Quit,
}

impl Reader {
    /// Reads files of these arguments, and standard input where one of them is `-`.
    #[must_use]
    pub fn new(roots: Roots, chunk: ChunkSize) -> Reader {
        Reader::with_input(roots, chunk, Box::new(std::io::stdin()))
    }

    /// Reads files of these arguments, and `input` where one of them is `-`.
    #[must_use]
    pub fn with_input(roots: Roots, chunk: ChunkSize, input: Box<dyn Read + Send>) -> Reader {
        let block = Block::new(PAYLOAD_BYTES_MAX);
        Reader { roots, base: Base::default(), chunk, input, block, told: Vec::new() }
    }

    /// Reads a file. `emit` gets what there is to say, possibly later: call [`Reader::flush`] when no other file is waiting. It says
    /// `Break` when nobody listens any more, and then nothing more is read; so does this.
    pub fn fetch(
        &mut self,
        fetch: &Fetch,
        emit: &mut impl FnMut(SourceEvent) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let roots = self.roots.clone();
        let read = match roots.locate(&fetch.path) {
            Some(Located::Below(base, path)) => self.read_file(base, &path, fetch, emit),
            Some(Located::Input) => self.read_input(fetch.entry, emit),
            None => Err(Stop::Drop(Failure::new(Reason::Vanished, ""))),
        };
        let told = match read {
            Ok(end) => SourceEvent::Ended(end),
            Err(Stop::Drop(failure)) => SourceEvent::Dropped { entry: fetch.entry, failure },
            Err(Stop::Quit) => return ControlFlow::Break(()),
        };
        self.told.push(told);
        if self.block.is_empty() || self.block.room() == 0 || self.told.len() >= TOLD_MAX {
            self.flush(emit)?;
        }
        ControlFlow::Continue(())
    }

    /// Emits what is held back for other files to share a block with.
    pub fn flush(&mut self, emit: &mut impl FnMut(SourceEvent) -> ControlFlow<()>) -> ControlFlow<()> {
        if !self.block.is_empty() {
            let block = std::mem::replace(&mut self.block, Block::new(PAYLOAD_BYTES_MAX));
            emit(SourceEvent::Block(block))?;
        }
        self.told.drain(..).try_for_each(emit)
    }

    fn read_file(
        &mut self,
        base: &Path,
        path: &RelPath,
        fetch: &Fetch,
        emit: &mut impl FnMut(SourceEvent) -> ControlFlow<()>,
    ) -> Result<ReadEnd, Stop> {
        let (file, before) = self.open(base, path).map_err(|error| Stop::Drop(unreadable(&error)))?;
        let is_announced = fetch.size == Some(before.size)
            && (fetch.meta.mtime_s, fetch.meta.mtime_ns) == (before.meta.mtime_s, before.meta.mtime_ns);
        if !is_announced {
            return Err(Stop::Drop(Failure::new(Reason::Changed, "since it was announced")));
        }
        if before.size >= ADVISE_BYTES_MIN {
            file.will_read_all();
        }
        // A file that does not fit in what is left begins a block of its own, so that its pieces are aligned.
        if before.size > self.block.room() as u64 {
            self.flush_or_quit(emit)?;
        }
        let root = self.read_all(&file, &before, fetch.entry, emit)?;
        let after = file.stat().map_err(|error| Stop::Drop(unreadable(&error)))?;
        if after.links == Some(0) {
            return Err(Stop::Drop(Failure::new(Reason::Vanished, "while it was read")));
        }
        if !is_same(&before, &after) {
            return Err(Stop::Drop(Failure::new(Reason::Changed, "")));
        }
        Ok(ReadEnd { entry: fetch.entry, size: before.size, root: Some(root) })
    }

    /// Opens a regular file, and nothing else: not even for a moment, unless it was swapped right then.
    fn open(&mut self, base: &Path, path: &RelPath) -> Result<(<Native as Dir>::File, Stat), DiskError> {
        let Some((parent, name)) = path.split() else {
            return Err(DiskError::of(Fault::NotFile, "it is no file any more"));
        };
        let dir = self.base.at(base)?.get(&parent)?;
        if dir.stat(&name)?.kind == Kind::File {
            let file = dir.open_file(&name, Access::Read)?;
            let stat = file.stat()?;
            if stat.kind == Kind::File {
                return Ok((file, stat));
            }
        }
        Err(DiskError::of(Fault::NotFile, "it is no file any more"))
    }

    fn read_all(
        &mut self,
        file: &<Native as Dir>::File,
        stat: &Stat,
        entry: u64,
        emit: &mut impl FnMut(SourceEvent) -> ControlFlow<()>,
    ) -> Result<[u8; 32], Stop> {
        let has_holes = stat.allocated.is_some_and(|allocated| allocated < stat.size);
        let mut hasher = FileHasher::new(self.chunk);
        while hasher.length() < stat.size {
            let mut end = stat.size;
            if has_holes {
                let offset = hasher.length();
                let stretch = file.stretch(offset, end).map_err(|error| Stop::Drop(unreadable(&error)))?;
                // A stretch of nothing can only come of a file that is being changed.
                if stretch.end <= offset {
                    return Err(Stop::Drop(Failure::new(Reason::Changed, "")));
                }
                end = stretch.end;
                if stretch.is_hole {
                    self.name_hole(entry, end, &mut hasher, emit)?;
                    continue;
                }
            }
            while hasher.length() < end {
                let offset = hasher.length();
                let to_boundary = PAYLOAD_BYTES_MAX as u64 - offset % PAYLOAD_BYTES_MAX as u64;
                let max = usize::try_from(to_boundary.min(end - offset)).unwrap_or(PAYLOAD_BYTES_MAX);
                if self.block.room() == 0 {
                    self.flush_or_quit(emit)?;
                }
                let added = self.block.piece(entry, offset, max, |room| file.read_at(room, offset));
                let added = added.map_err(|error| Stop::Drop(unreadable(&error)))?;
                if added.is_empty() {
                    return Err(Stop::Drop(Failure::new(Reason::Changed, "it became shorter")));
                }
                hasher.update(added, |_, _| {});
            }
        }
        // Some files have more in them than their size says: those of /proc, and those that grow.
        match file.read_at(&mut [0], stat.size) {
            Ok(0) => Ok(hasher.finish().0),
            Ok(_) => Err(Stop::Drop(Failure::new(Reason::Changed, "it became longer"))),
            Err(error) => Err(Stop::Drop(unreadable(&error))),
        }
    }

    fn name_hole(
        &mut self,
        entry: u64,
        end: u64,
        hasher: &mut FileHasher,
        emit: &mut impl FnMut(SourceEvent) -> ControlFlow<()>,
    ) -> Result<(), Stop> {
        while hasher.length() < end {
            let offset = hasher.length();
            let length = u32::try_from(end - offset).unwrap_or(NAMED_BYTES_MAX).min(NAMED_BYTES_MAX);
            if self.block.zeros(entry, offset, length) {
                hasher.update_zeros(u64::from(length), |_, _| {});
            } else {
                self.flush_or_quit(emit)?;
            }
        }
        Ok(())
    }

    /// Reads a stream to its end. Every read goes out at once: the one who fills it may be slow.
    fn read_input(
        &mut self,
        entry: u64,
        emit: &mut impl FnMut(SourceEvent) -> ControlFlow<()>,
    ) -> Result<ReadEnd, Stop> {
        self.flush_or_quit(emit)?;
        let mut hasher = FileHasher::new(self.chunk);
        loop {
            let offset = hasher.length();
            let max = PAYLOAD_BYTES_MAX - usize::try_from(offset % PAYLOAD_BYTES_MAX as u64).unwrap_or(0);
            let input = &mut self.input;
            match self.block.piece(entry, offset, max, |room| input.read(room)) {
                Ok([]) => break,
                Ok(added) => hasher.update(added, |_, _| {}),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::Drop(Failure::new(Reason::Unreadable, error.to_string()))),
            }
            self.flush_or_quit(emit)?;
        }
        Ok(ReadEnd { entry, size: hasher.length(), root: Some(hasher.finish().0) })
    }

    fn flush_or_quit(&mut self, emit: &mut impl FnMut(SourceEvent) -> ControlFlow<()>) -> Result<(), Stop> {
        if self.flush(emit).is_break() { Err(Stop::Quit) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("roots", &self.roots).finish_non_exhaustive()
    }
}

fn is_same(before: &Stat, after: &Stat) -> bool {
    (before.size, before.meta.mtime_s, before.meta.mtime_ns, before.changed, before.id)
        == (after.size, after.meta.mtime_s, after.meta.mtime_ns, after.changed, after.id)
}

/// Files whose end is held back for the block they share; as many as pieces fit in one.
const TOLD_MAX: usize = crate::proto::limits::PIECES_MAX;

/// From this size on the system is told that a file will be read to its end; for less it is not worth the call.
const ADVISE_BYTES_MIN: u64 = 1 << 20;
