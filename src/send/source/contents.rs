//! The contents of one file: chunks that are sent, and chunks that are named by their values.
//!
//! What is sent is read right into the block it goes out with, and what is only compared into a buffer that
//! stays in the processor's cache; both are hashed where they lie. Holes are not read. Pieces lie within one
//! chunk, and begin at multiples of a block's size wherever the file does not have a hole in between.

use std::ops::ControlFlow;

use crate::disk::{File, Stat, Stretch};
use crate::proto::chunk::{ChunkHasher, ChunkSize, ChunkValue, Subtrees, chunk_count, chunk_length};
use crate::proto::frame::{Block, Failure, Reason};
use crate::proto::limits::PAYLOAD_BYTES_MAX;
use crate::proto::runs::Runs;

use super::read::{Listener, SourceEvent};
use super::walk::unreadable;

/// What is about to go out: a block that files share, and what is told of them after it.
pub(super) struct Outgoing {
    pub(super) block: Block,
    // What payload a block should have at most.
    block_bytes: usize,
    told: Vec<SourceEvent>,
    // What was compared since the last block went out, in bytes.
    compared: u64,
    run: Run,
}

/// Blocks that hold parts of one chunk are a run, see [`Block::run`].
#[derive(Default)]
struct Run {
    number: u64,
    // Whether a chunk that is sent has begun and not ended, and whether the block at hand is not the first of
    // its run.
    is_in_chunk: bool,
    goes_on: bool,
}

/// Why a file is not read to its end.
pub(super) enum Stop {
    /// It is dropped.
    Drop(Failure),
    /// The receiver has given it up.
    Unwanted,
    /// Nobody listens any more.
    Quit,
}

/// One open file of a known size, and where its contents go.
pub(super) struct Contents<'a, F, L> {
    pub(super) file: &'a F,
    pub(super) stat: &'a Stat,
    pub(super) entry: u64,
    pub(super) chunk: ChunkSize,
    pub(super) out: &'a mut Outgoing,
    pub(super) listener: &'a mut L,
    /// Where compared bytes are read to: [`PAYLOAD_BYTES_MAX`].
    pub(super) buffer: &'a mut [u8],
}

/// What becomes of a chunk.
#[derive(Clone, Copy)]
enum Way {
    Send,
    Compare,
}

impl Outgoing {
    pub(super) fn new() -> Outgoing {
        let block = Block::new(PAYLOAD_BYTES_MAX);
        Outgoing { block, block_bytes: PAYLOAD_BYTES_MAX, told: Vec::new(), compared: 0, run: Run::default() }
    }

    /// Blocks have this payload at most from now on.
    pub(super) fn set_block_bytes(&mut self, bytes: usize) {
        self.block_bytes = bytes.clamp(1, PAYLOAD_BYTES_MAX);
    }

    /// How many bytes still fit in the block.
    pub(super) fn room(&self) -> usize {
        self.block.room().min(self.block_bytes.saturating_sub(self.block.payload_bytes()))
    }

    /// Holds back what is told of a file until the block it shares with others is out.
    pub(super) fn tell(
        &mut self,
        told: Option<SourceEvent>,
        listener: &mut impl Listener,
    ) -> ControlFlow<()> {
        self.told.extend(told);
        if self.block.is_empty() || self.room() == 0 || self.told.len() >= TOLD_MAX {
            self.flush(listener)?;
        }
        ControlFlow::Continue(())
    }

    pub(super) fn flush(&mut self, listener: &mut impl Listener) -> ControlFlow<()> {
        self.compared = 0;
        let mut told = std::mem::take(&mut self.told);
        if !self.block.is_empty() {
            let mut block = std::mem::replace(&mut self.block, Block::new(PAYLOAD_BYTES_MAX));
            block.run = self.run.number;
            self.run.goes_on = self.run.is_in_chunk;
            self.run.number += u64::from(!self.run.is_in_chunk);
            told.insert(0, SourceEvent::Block(block));
        }
        if told.is_empty() { ControlFlow::Continue(()) } else { listener.hear_all(told) }
    }

    /// Nothing of a chunk is under way: what is said next has nothing to do with what was said before.
    pub(super) fn begin(&mut self) {
        self.run.is_in_chunk = false;
    }

    /// As [`Outgoing::flush`], in the middle of a file.
    pub(super) fn flush_within(&mut self, entry: u64, listener: &mut impl Listener) -> Result<(), Stop> {
        if self.flush(listener).is_break() {
            return Err(Stop::Quit);
        }
        if listener.wants(entry) { Ok(()) } else { Err(Stop::Unwanted) }
    }
}

impl<F: File, L: Listener> Contents<'_, F, L> {
    /// Sends the chunks of `send`, and names those of `compare` while the listener has enough of those, or
    /// after them. Returns the root if that were all.
    pub(super) fn read(mut self, send: &Runs, compare: &Runs) -> Result<Option<[u8; 32]>, Stop> {
        // What does not fit in what is left begins a block of its own, so that its pieces are aligned.
        if send.bytes(self.stat.size, self.chunk) > self.out.room() as u64 {
            self.out.flush_within(self.entry, self.listener)?;
        }
        let count = chunk_count(self.stat.size, self.chunk);
        let mut subtrees = Subtrees::new(count);
        let mut compare = compare.iter().take_while(|index| *index < count);
        for index in send.iter().take_while(|index| *index < count) {
            subtrees.insert(index, self.chunk(index, Way::Send)?);
            // On a slow line there is time to look at what is held while what is missing goes out.
            while !self.listener.is_hungry()
                && let Some(index) = compare.next()
            {
                subtrees.insert(index, self.compare(index)?);
            }
        }
        for index in compare {
            subtrees.insert(index, self.compare(index)?);
        }
        // Some files have more in them than their size says: those of /proc, and those that grow.
        match self.file.read_at(&mut [0], self.stat.size) {
            Ok(0) => Ok(subtrees.root().map(|root| root.0)),
            Ok(_) => Err(Stop::Drop(Failure::new(Reason::Changed, "it became longer"))),
            Err(error) => Err(Stop::Drop(unreadable(&error))),
        }
    }

    /// Reads one chunk and names it by its value.
    fn compare(&mut self, index: u64) -> Result<ChunkValue, Stop> {
        let value = self.chunk(index, Way::Compare)?;
        self.name(index, value)?;
        Ok(value)
    }

    /// Reads one chunk, sends it or not, and returns its value.
    fn chunk(&mut self, index: u64, way: Way) -> Result<ChunkValue, Stop> {
        if !self.listener.wants(self.entry) {
            return Err(Stop::Unwanted);
        }
        let mut offset = index * u64::from(self.chunk.bytes());
        let end = offset + u64::from(chunk_length(self.stat.size, self.chunk, index));
        let mut hasher = ChunkHasher::new(offset);
        self.out.run.is_in_chunk = false;
        // A chunk that goes on in the next block begins a run of its own, so that no run grows from chunk to
        // chunk.
        let is_sent = matches!(way, Way::Send);
        if is_sent && self.out.run.goes_on && end - offset > self.out.room() as u64 {
            self.out.flush_within(self.entry, self.listener)?;
        }
        while offset < end {
            let stretch = self.stretch(offset, end)?;
            while offset < stretch.end {
                offset += match way {
                    _ if stretch.is_hole => self.hole(offset, stretch.end, way, &mut hasher)?,
                    Way::Send => self.send(offset, stretch.end, &mut hasher)?,
                    Way::Compare => self.look(offset, stretch.end, &mut hasher)?,
                };
                self.out.run.is_in_chunk = is_sent && offset < end;
            }
        }
        Ok(hasher.finish(chunk_count(self.stat.size, self.chunk) == 1))
    }

    fn stretch(&self, offset: u64, end: u64) -> Result<Stretch, Stop> {
        if self.stat.allocated.is_none_or(|allocated| allocated >= self.stat.size) {
            return Ok(Stretch { is_hole: false, end });
        }
        let stretch = self.file.stretch(offset, end).map_err(|error| Stop::Drop(unreadable(&error)))?;
        // A stretch of nothing can only come of a file that is being changed.
        if stretch.end > offset { Ok(stretch) } else { Err(Stop::Drop(Failure::new(Reason::Changed, ""))) }
    }

    fn hole(&mut self, offset: u64, end: u64, way: Way, hasher: &mut ChunkHasher) -> Result<u64, Stop> {
        // No longer than a chunk, and so than what one block may name.
        let length = u32::try_from(end - offset).unwrap_or(u32::MAX).min(self.chunk.bytes());
        while matches!(way, Way::Send) && !self.out.block.zeros(self.entry, offset, length) {
            self.out.flush_within(self.entry, self.listener)?;
        }
        hasher.update_zeros(u64::from(length));
        Ok(u64::from(length))
    }

    fn send(&mut self, offset: u64, end: u64, hasher: &mut ChunkHasher) -> Result<u64, Stop> {
        if self.out.room() == 0 {
            self.out.flush_within(self.entry, self.listener)?;
        }
        let to_boundary = PAYLOAD_BYTES_MAX as u64 - offset % PAYLOAD_BYTES_MAX as u64;
        let max =
            usize::try_from(to_boundary.min(end - offset)).unwrap_or(PAYLOAD_BYTES_MAX).min(self.out.room());
        let file = self.file;
        let added = self.out.block.piece(self.entry, offset, max, |room| file.read_at(room, offset));
        taken(added, hasher)
    }

    fn look(&mut self, offset: u64, end: u64, hasher: &mut ChunkHasher) -> Result<u64, Stop> {
        let max = usize::try_from(end - offset).unwrap_or(usize::MAX).min(self.buffer.len());
        let read = self.file.read_at(&mut self.buffer[..max], offset);
        taken(read.map(|count| &self.buffer[..count.min(max)]), hasher)
    }

    /// Names a chunk by its value. The values of some chunks go out together; not of too many, because the
    /// receiver reads its own when they come.
    fn name(&mut self, index: u64, value: ChunkValue) -> Result<(), Stop> {
        let offset = index * u64::from(self.chunk.bytes());
        let length = chunk_length(self.stat.size, self.chunk, index);
        // An empty file has no piece.
        while length > 0 && !self.out.block.same(self.entry, offset, length, value.0) {
            self.out.flush_within(self.entry, self.listener)?;
        }
        self.out.compared += u64::from(length);
        if self.out.compared >= COMPARED_BYTES_MAX {
            self.out.flush_within(self.entry, self.listener)?;
        }
        Ok(())
    }
}

/// Hashes what was read and says how much it is. That there is nothing more means that the file was cut.
fn taken(read: Result<&[u8], crate::disk::DiskError>, hasher: &mut ChunkHasher) -> Result<u64, Stop> {
    match read {
        Ok([]) => Err(Stop::Drop(Failure::new(Reason::Changed, "it became shorter"))),
        Ok(bytes) => {
            hasher.update(bytes);
            Ok(bytes.len() as u64)
        }
        Err(error) => Err(Stop::Drop(unreadable(&error))),
    }
}

/// Files whose end is held back for the block they share; as many as pieces fit in one.
const TOLD_MAX: usize = crate::proto::limits::PIECES_MAX;

/// Bytes whose values wait for each other, so that the receiver compares while this side does: some
/// milliseconds, or a tenth of a second where the disk turns.
const COMPARED_BYTES_MAX: u64 = 8 << 20;
