//! The reader: reads the files the receiver wants, hashes them on the way, and fills blocks with them.
//!
//! Small files share a block. A file that is not the one that was announced, or changes while it is read or
//! between two times, is never ended but dropped: its size, times and identity are compared before and after.
//! What is told of a file always comes after the blocks with its contents.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;

use crate::disk::{Access, Dir, DiskError, Fault, File, FileId, Kind, Native, Stat};
use crate::proto::chunk::{ChunkSize, FileHasher, chunk_count};
use crate::proto::frame::{Block, Failure, Reason};
use crate::proto::limits::PAYLOAD_BYTES_MAX;
use crate::proto::manifest::Meta;
use crate::proto::path::RelPath;
use crate::proto::runs::Runs;

use super::base::Base;
use super::contents::{Contents, Outgoing, Stop};
use super::input::Input;
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

/// Who is told what was read.
pub trait Listener {
    /// Takes what there is to say. `Break`: nobody listens any more, and nothing more is to be read.
    fn hear(&mut self, event: SourceEvent) -> ControlFlow<()>;

    /// Takes several things to say, in their order, at most one block among them, and that first.
    fn hear_all(&mut self, mut events: Vec<SourceEvent>) -> ControlFlow<()> {
        events.drain(..).try_for_each(|event| self.hear(event))
    }

    /// Whether it would take more at once. Where it would not, there is time for what it need not take.
    fn is_hungry(&self) -> bool {
        true
    }

    /// How many file bytes one block should have at most. Asked for every file.
    fn block_bytes(&self) -> usize {
        PAYLOAD_BYTES_MAX
    }

    /// Whether a file is still wanted. Asked again and again: one that is not any more is read no further,
    /// and nothing is told of it.
    fn wants(&self, entry: u64) -> bool;
}

/// Wants everything to its end.
impl<F: FnMut(SourceEvent) -> ControlFlow<()>> Listener for F {
    fn hear(&mut self, event: SourceEvent) -> ControlFlow<()> {
        self(event)
    }

    fn wants(&self, _: u64) -> bool {
        true
    }
}

/// Reads one file after the other.
pub struct Reader {
    roots: Roots,
    base: Base,
    chunk: ChunkSize,
    input: Input,
    out: Outgoing,
    /// For bytes that are only compared; nothing before the first of them.
    buffer: Vec<u8>,
    /// The files read last, by their number: more than their size and time, which the manifest has.
    known: BTreeMap<u64, Identity>,
}

/// What tells whether a file is the one that was read before: which one it is, and when it last changed in
/// any way.
type Identity = (Option<FileId>, Option<(i64, u32)>);

impl Reader {
    /// Reads files of these arguments, and their input where one of them is `-`.
    #[must_use]
    pub fn new(roots: Roots, chunk: ChunkSize) -> Reader {
        Reader {
            input: roots.input(),
            roots,
            base: Base::default(),
            chunk,
            out: Outgoing::new(),
            buffer: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// Reads what is wanted of a file. The listener is told, possibly later: call [`Reader::flush`] when no
    /// other file is waiting. `Break` once nobody listens any more.
    pub fn fetch(&mut self, fetch: &Fetch, listener: &mut impl Listener) -> ControlFlow<()> {
        self.out.set_block_bytes(listener.block_bytes());
        let roots = self.roots.clone();
        self.out.begin();
        let read = match roots.locate(&fetch.path) {
            Some(Located::Below(base, path)) => self.read_file(base, &path, fetch, listener),
            Some(Located::Input) => self.read_input(fetch.entry, None, listener),
            Some(Located::Text(text)) => self.read_input(fetch.entry, Some(text.as_bytes()), listener),
            None => Err(Stop::Drop(Failure::new(Reason::Vanished, ""))),
        };
        let told = match read {
            Ok(end) => Some(SourceEvent::Ended(end)),
            Err(Stop::Drop(failure)) => Some(SourceEvent::Dropped { entry: fetch.entry, failure }),
            Err(Stop::Unwanted) => None,
            Err(Stop::Quit) => return ControlFlow::Break(()),
        };
        self.out.tell(told, listener)
    }

    /// Lets go of what is held back for other files to share a block with.
    pub fn flush(&mut self, listener: &mut impl Listener) -> ControlFlow<()> {
        self.out.flush(listener)
    }

    fn read_file(
        &mut self,
        base: &Path,
        path: &RelPath,
        fetch: &Fetch,
        listener: &mut impl Listener,
    ) -> Result<ReadEnd, Stop> {
        let (file, before) = self.open(base, path).map_err(|error| Stop::Drop(unreadable(&error)))?;
        let is_announced = fetch.size == Some(before.size)
            && (fetch.meta.mtime_s, fetch.meta.mtime_ns) == (before.meta.mtime_s, before.meta.mtime_ns);
        if !is_announced {
            return Err(Stop::Drop(Failure::new(Reason::Changed, "since it was announced")));
        }
        if self.known.get(&fetch.entry).is_some_and(|known| *known != identity(&before)) {
            return Err(Stop::Drop(Failure::new(Reason::Changed, "since it was first read")));
        }
        let (all, none);
        let (chunk, send, compare) = match &fetch.what {
            What::Chunks { chunk, send, compare } => (*chunk, send, compare),
            What::All => {
                (all, none) = (Runs::all(chunk_count(before.size, self.chunk)), Runs::new());
                (self.chunk, &all, &none)
            }
        };
        if before.size >= ADVISE_BYTES_MIN {
            file.will_read_all();
        }
        if !compare.is_empty() {
            self.buffer.resize(PAYLOAD_BYTES_MAX, 0);
        }
        let contents = Contents {
            file: &file,
            stat: &before,
            entry: fetch.entry,
            chunk,
            out: &mut self.out,
            listener,
            buffer: &mut self.buffer,
        };
        let root = contents.read(send, compare)?;
        let after = file.stat().map_err(|error| Stop::Drop(unreadable(&error)))?;
        if after.links == Some(0) {
            return Err(Stop::Drop(Failure::new(Reason::Vanished, "while it was read")));
        }
        if !before.is_unchanged(&after) {
            return Err(Stop::Drop(Failure::new(Reason::Changed, "")));
        }
        self.remember(fetch.entry, &after);
        Ok(ReadEnd { entry: fetch.entry, size: before.size, root })
    }

    /// Remembers what was read, for the case that more of it will be asked for.
    fn remember(&mut self, entry: u64, stat: &Stat) {
        self.known.insert(entry, identity(stat));
        if self.known.len() > KNOWN_MAX {
            self.known.pop_first();
        }
    }

    /// How many files are remembered.
    #[cfg(test)]
    pub(super) fn known_files(&self) -> usize {
        self.known.len()
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

    /// Reads a stream to its end, or a text that is at hand. Every read goes out at once: the one who fills
    /// it may be slow.
    fn read_input(
        &mut self,
        entry: u64,
        mut text: Option<&[u8]>,
        listener: &mut impl Listener,
    ) -> Result<ReadEnd, Stop> {
        self.out.flush_within(entry, listener)?;
        let mut hasher = FileHasher::new(self.chunk);
        loop {
            let offset = hasher.length();
            let to_boundary =
                PAYLOAD_BYTES_MAX - usize::try_from(offset % PAYLOAD_BYTES_MAX as u64).unwrap_or(0);
            let max = to_boundary.min(self.out.room());
            let input = &mut self.input;
            let read = |room: &mut [u8]| match &mut text {
                Some(text) => text.read(room),
                None => input.read(room),
            };
            match self.out.block.piece(entry, offset, max, read) {
                Ok([]) => break,
                Ok(added) => hasher.update(added, |_, _| {}),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::Drop(Failure::new(Reason::Unreadable, error.to_string()))),
            }
            self.out.flush_within(entry, listener)?;
        }
        Ok(ReadEnd { entry, size: hasher.length(), root: Some(hasher.finish().0) })
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("roots", &self.roots).finish_non_exhaustive()
    }
}

fn identity(stat: &Stat) -> Identity {
    (stat.id, stat.changed)
}

/// Files remembered. More is seldom of use, because the root tells in any case: this only tells it before
/// they are read again.
const KNOWN_MAX: usize = 1024;

/// From this size on the system is told that a file will be read to its end; for less it is not worth the
/// call.
const ADVISE_BYTES_MIN: u64 = 1 << 20;
