//! How much of a file has come, chunk by chunk, and what its hash is. Pure.
//!
//! Chunks come in any order, the bytes of one chunk in theirs. A chunk that begins again begins anew; one
//! that is complete stays. What this takes follows from the gaps between what has come, never from the size
//! of the file.

use crate::error::Result;
use crate::proto::chunk::{
    ChunkHasher, ChunkSize, ChunkValue, FileHasher, Root, Subtrees, chunk_count, chunk_length,
};
use crate::proto::limits::{LANES_MAX, PAYLOAD_BYTES_MAX, RUNS_MAX, WINDOW_BYTES};
use crate::proto::runs::Runs;

use super::breach;
use super::journal::Slot;

/// What has come of one file.
#[derive(Debug)]
pub(super) enum Coverage {
    /// Of a stream whose size nobody knows: from the first byte to the last.
    Stream(Box<FileHasher>),
    /// Of a file.
    Chunks(Chunks),
}

/// Which chunks of a file of known size have come.
#[derive(Debug)]
pub(super) struct Chunks {
    size: u64,
    chunk: ChunkSize,
    count: u64,
    known: Runs,
    subtrees: Subtrees,
    open: Vec<(u64, ChunkHasher)>,
}

/// Contents.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input<'a> {
    Bytes(&'a [u8]),
    Zeros(u64),
}

impl Input<'_> {
    pub(super) fn length(&self) -> u64 {
        match self {
            Input::Bytes(bytes) => bytes.len() as u64,
            Input::Zeros(count) => *count,
        }
    }
}

/// The part of a piece that falls into one chunk.
struct Step {
    index: u64,
    within: u64,
    length: u64,
}

impl Coverage {
    /// Nothing yet of a file of this size, if it has one.
    pub(super) fn new(size: Option<u64>, chunk: ChunkSize) -> Coverage {
        size.map_or_else(
            || Coverage::Stream(Box::new(FileHasher::new(chunk))),
            |size| Coverage::Chunks(Chunks::new(size, chunk)),
        )
    }

    /// Checks that a piece may come now. The session has checked it too; this is the last line before the
    /// disk, where a piece out of place would overwrite what is hashed already.
    pub(super) fn expect(&self, offset: u64, length: u64) -> Result<()> {
        match self {
            Coverage::Stream(hasher) if offset == hasher.length() => Ok(()),
            Coverage::Stream(_) => Err(breach("contents of a file came out of their order")),
            Coverage::Chunks(chunks) => chunks.expect(offset, length),
        }
    }

    /// Takes a piece that was expected. Chunks that are complete by it are added to `done`.
    pub(super) fn feed(&mut self, offset: u64, input: Input<'_>, done: &mut Vec<Slot>) -> Result<()> {
        match self {
            Coverage::Chunks(chunks) => return chunks.feed(offset, input, done),
            Coverage::Stream(hasher) => match input {
                Input::Bytes(bytes) => hasher.update(bytes, |_, _| {}),
                Input::Zeros(count) => hasher.update_zeros(count, |_, _| {}),
            },
        }
        Ok(())
    }

    /// The chunks, unless it is a stream.
    pub(super) fn chunks(&mut self) -> Option<&mut Chunks> {
        match self {
            Coverage::Stream(_) => None,
            Coverage::Chunks(chunks) => Some(chunks),
        }
    }

    /// How many chunks have come in part.
    pub(super) fn open(&self) -> usize {
        match self {
            Coverage::Stream(_) => 1,
            Coverage::Chunks(chunks) => chunks.open.len(),
        }
    }
}

impl Chunks {
    pub(super) fn new(size: u64, chunk: ChunkSize) -> Chunks {
        let count = chunk_count(size, chunk);
        let mut chunks = Chunks {
            size,
            chunk,
            count,
            known: Runs::new(),
            subtrees: Subtrees::new(count),
            open: Vec::new(),
        };
        if size == 0 {
            // It has one chunk, of which no piece ever comes.
            chunks.learn(0, ChunkHasher::new(0).finish(true));
        }
        chunks
    }

    /// How it is cut.
    pub(super) fn chunk(&self) -> ChunkSize {
        self.chunk
    }

    /// How many chunks there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How long a chunk is.
    pub(super) fn length(&self, index: u64) -> u32 {
        chunk_length(self.size, self.chunk, index)
    }

    /// Which chunks have come.
    pub(super) fn known(&self) -> &Runs {
        &self.known
    }

    /// Which have not.
    pub(super) fn missing(&self) -> Runs {
        self.known.missing(self.count)
    }

    /// The hash of the whole, once everything has come.
    pub(super) fn root(&self) -> Option<Root> {
        self.subtrees.root()
    }

    /// Forgets what has come of chunks that are not complete.
    pub(super) fn forget_open(&mut self) {
        self.open.clear();
    }

    /// The number of the chunk that is exactly this stretch, if it may still be told of.
    pub(super) fn awaited(&self, offset: u64, length: u32) -> Result<u64> {
        let index = offset / u64::from(self.chunk.bytes());
        if !offset.is_multiple_of(u64::from(self.chunk.bytes())) || length != self.length(index) {
            return Err(breach("it told the value of what is no chunk"));
        }
        if self.known.contains(index) {
            return Err(breach("it told the value of a chunk that is there"));
        }
        Ok(index)
    }

    /// Learns the value of a chunk that has not come. False if it would leave too many gaps to remember: then
    /// it counts as missing.
    pub(super) fn learn(&mut self, index: u64, value: ChunkValue) -> bool {
        self.learn_within(COMPARED_MAX, index, value)
    }

    fn learn_within(&mut self, runs: usize, index: u64, value: ChunkValue) -> bool {
        let is_isolated = self.known.len() >= runs && {
            let before = index.checked_sub(1).is_some_and(|before| self.known.contains(before));
            !before && !self.known.contains(index + 1)
        };
        if !is_isolated {
            self.open.retain(|(open, _)| *open != index);
            self.known.insert(index);
            self.subtrees.insert(index, value);
        }
        !is_isolated
    }

    /// A single chunk is its own root.
    pub(super) fn is_whole(&self) -> bool {
        self.count == 1
    }

    fn expect(&self, offset: u64, length: u64) -> Result<()> {
        if offset.saturating_add(length) > self.size {
            return Err(breach("more came of a file than was announced"));
        }
        for Step { index, within, .. } in self.steps(offset, length) {
            if self.known.contains(index) {
                return Err(breach("a chunk that was complete came again"));
            }
            let come = self.open.iter().find(|(open, _)| *open == index).map(|(_, hasher)| hasher.length());
            if within > 0 && come != Some(within) {
                return Err(breach("contents of a file came out of their order"));
            }
            if come.is_none() && self.open.len() >= CHUNKS_OPEN_MAX {
                return Err(breach("too many chunks of one file came at once"));
            }
        }
        Ok(())
    }

    fn feed(&mut self, offset: u64, input: Input<'_>, done: &mut Vec<Slot>) -> Result<()> {
        let mut bytes = match input {
            Input::Bytes(bytes) => bytes,
            Input::Zeros(_) => &[],
        };
        for Step { index, within, length } in self.steps(offset, input.length()) {
            let at = self.open.iter().position(|(open, _)| *open == index);
            let open = at.map(|at| self.open.swap_remove(at).1);
            let begin = index.saturating_mul(u64::from(self.chunk.bytes()));
            let mut hasher = open.filter(|_| within > 0).unwrap_or_else(|| ChunkHasher::new(begin));
            match input {
                Input::Zeros(_) => hasher.update_zeros(length),
                Input::Bytes(_) => {
                    let (now, later) = bytes.split_at(usize::try_from(length).unwrap_or(0).min(bytes.len()));
                    hasher.update(now);
                    bytes = later;
                }
            }
            let whole = self.length(index);
            if hasher.length() < u64::from(whole) {
                self.open.push((index, hasher));
                continue;
            }
            let value = hasher.finish(self.is_whole());
            if !self.learn_within(COME_MAX, index, value) {
                return Err(breach("what came of a file is scattered all over it"));
            }
            done.push(Slot { index, length: whole, value });
        }
        Ok(())
    }

    /// A piece, cut where chunks meet.
    fn steps(&self, offset: u64, length: u64) -> impl Iterator<Item = Step> + use<> {
        let chunk = u64::from(self.chunk.bytes());
        let (mut at, end) = (offset, offset.saturating_add(length));
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let within = at % chunk;
            let step = Step { index: at / chunk, within, length: (chunk - within).min(end - at) };
            at += step.length;
            Some(step)
        })
    }
}

/// Chunks of one file that may have come in part: one for each lane that a session can have, and those whose
/// rest is on its way on another lane since theirs was lost, which is at least a whole frame for each.
const CHUNKS_OPEN_MAX: usize = 80;
const _: () = assert!(CHUNKS_OPEN_MAX as u64 == LANES_MAX as u64 + WINDOW_BYTES / PAYLOAD_BYTES_MAX as u64);

/// Runs of chunks that are remembered of what was compared: what was held, and the gaps that were asked for
/// meanwhile.
const COMPARED_MAX: usize = 2 * RUNS_MAX;

/// Runs of chunks that are remembered of what came: as above, and what begins to fill a gap on every lane.
/// What is asked for because [`COMPARED_MAX`] was reached need not touch anything that is known.
const COME_MAX: usize = COMPARED_MAX + CHUNKS_OPEN_MAX;
