//! The files of the sender, in memory: a walker and a reader that do what the shipping ones do, over a tree that may change meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use super::dice::Dice;
use super::tree::{Shape, Tree};
use crate::proto::chunk::{ChunkHasher, ChunkSize, chunk_count, chunk_length};
use crate::proto::frame::{Block, Failure, Reason};
use crate::proto::limits::{NAMED_BYTES_MAX, PAYLOAD_BYTES_MAX, PIECES_MAX};
use crate::proto::manifest::{Entry, Item, ManifestError, Nesting};
use crate::proto::runs::Runs;
use crate::send::source::{Fetch, ReadEnd, SourceEvent, What};

/// Finds one entry after the other.
#[derive(Debug, Default)]
pub struct Walker {
    nesting: Nesting,
    at: usize,
}

impl Walker {
    /// The next entry. `None` at the end.
    pub fn next(&mut self, tree: &Tree) -> Option<Result<Entry, ManifestError>> {
        loop {
            let shape = tree.shapes.get(self.at)?;
            self.at += 1;
            let failure;
            let item = match shape {
                Shape::Begin { name } => Item::Directory { name },
                Shape::End { meta } => Item::DirectoryEnd { meta: *meta },
                Shape::Link { name, target, meta } => Item::Link { name, target, meta: *meta },
                Shape::Special { name } => {
                    failure = Failure::new(Reason::Special, "");
                    Item::Unsent { name, failure: failure.as_wire() }
                }
                Shape::File { name, file } => {
                    let file = &tree.files[*file];
                    if file.is_gone {
                        continue;
                    }
                    let size = Some(file.contents.len() as u64);
                    Item::File { name, size, meta: file.meta, holes: file.hole_bytes() }
                }
            };
            return Some(self.nesting.place(&item));
        }
    }
}

/// Reads what is wanted, file after file.
#[derive(Debug)]
pub struct Reader {
    chunk: ChunkSize,
    fetches: VecDeque<Fetch>,
    current: Option<Reading>,
    block: Block,
    block_bytes: usize,
    told: Vec<SourceEvent>,
    out: VecDeque<SourceEvent>,
    run: Run,
}

/// Blocks that hold parts of one chunk are a run, see [`Block::run`].
#[derive(Debug, Default)]
struct Run {
    number: u64,
    // Whether a chunk that is sent has begun and not ended, and whether the block at hand is not the first of its run.
    is_in_chunk: bool,
    goes_on: bool,
}

/// A file that is being read.
#[derive(Debug)]
struct Reading {
    entry: u64,
    file: usize,
    version: u64,
    size: u64,
    // Whether every chunk is read this time.
    is_all: bool,
    send: VecDeque<(u64, u64)>,
    same: VecDeque<u64>,
    chunk: ChunkSize,
}

impl Reader {
    /// Nothing is wanted yet.
    pub fn new(chunk: ChunkSize) -> Reader {
        Reader {
            chunk,
            fetches: VecDeque::new(),
            current: None,
            block: Block::new(PAYLOAD_BYTES_MAX),
            block_bytes: PAYLOAD_BYTES_MAX,
            told: Vec::new(),
            out: VecDeque::new(),
            run: Run::default(),
        }
    }

    /// Blocks have this payload at most from now on.
    pub fn in_blocks_of(&mut self, bytes: usize) {
        self.block_bytes = bytes;
    }

    /// How many bytes still fit in the block.
    fn room(&self) -> usize {
        self.block.room().min(self.block_bytes.saturating_sub(self.block.payload_bytes()))
    }

    /// This is wanted too.
    pub fn fetch(&mut self, fetch: Fetch) {
        self.fetches.push_back(fetch);
    }

    /// This is not wanted any more.
    pub fn abandon(&mut self, entry: u64) {
        self.fetches.retain(|fetch| fetch.entry != entry);
        if self.current.take_if(|reading| reading.entry == entry).is_some() {
            self.run.is_in_chunk = false;
        }
    }

    /// Whether it has something to say.
    pub fn has_more(&self) -> bool {
        let is_idle = self.fetches.is_empty() && self.current.is_none() && self.out.is_empty();
        !is_idle || !self.block.is_empty() || !self.told.is_empty()
    }

    /// The next thing to say. Where nothing else is wanted, what was held back for others to share a block with.
    pub fn next(&mut self, tree: &Tree, dice: &mut Dice) -> Option<SourceEvent> {
        while self.out.is_empty() {
            match self.current.take() {
                Some(reading) => self.read(reading, tree),
                None => match self.fetches.pop_front() {
                    Some(fetch) => self.open(&fetch, tree),
                    None if self.block.is_empty() && self.told.is_empty() => return None,
                    None => self.flush(),
                },
            }
            // The thread may be slow to see what else is wanted.
            if self.fetches.is_empty() && dice.one_in(4) {
                self.flush();
            }
        }
        self.out.pop_front()
    }

    fn flush(&mut self) {
        if !self.block.is_empty() {
            let mut block = std::mem::replace(&mut self.block, Block::new(PAYLOAD_BYTES_MAX));
            block.run = self.run.number;
            self.run.goes_on = self.run.is_in_chunk;
            self.run.number += u64::from(!self.run.is_in_chunk);
            self.out.push_back(SourceEvent::Block(block));
        }
        self.out.extend(self.told.drain(..));
    }

    fn tell(&mut self, event: SourceEvent) {
        self.told.push(event);
        if self.block.is_empty() || self.room() == 0 || self.told.len() >= PIECES_MAX {
            self.flush();
        }
    }

    fn open(&mut self, fetch: &Fetch, tree: &Tree) {
        let drop = |reason, text: &str| SourceEvent::Dropped {
            entry: fetch.entry,
            failure: Failure::new(reason, text),
        };
        let Some(index) = tree.find(&fetch.path) else { return self.tell(drop(Reason::Vanished, "")) };
        let file = &tree.files[index];
        let size = file.contents.len() as u64;
        if file.is_gone {
            return self.tell(drop(Reason::Vanished, ""));
        }
        if file.is_locked {
            return self.tell(drop(Reason::Unreadable, ""));
        }
        if fetch.size != Some(size)
            || (fetch.meta.mtime_s, fetch.meta.mtime_ns) != (file.meta.mtime_s, file.meta.mtime_ns)
        {
            return self.tell(drop(Reason::Changed, "since it was announced"));
        }
        let (chunk, send, same) = match &fetch.what {
            What::All => (self.chunk, VecDeque::from([(0, size)]), VecDeque::new()),
            What::Chunks { chunk, send, compare } => {
                let bytes = u64::from(chunk.bytes());
                let spans =
                    send.as_slice().iter().map(|run| (run.first * bytes, (run.end() * bytes).min(size)));
                (*chunk, spans.collect(), compare.iter().collect())
            }
        };
        let is_all = match &fetch.what {
            What::All => true,
            What::Chunks { chunk, send, compare } => {
                send.union(compare) == Some(Runs::all(chunk_count(size, *chunk)))
            }
        };
        if size > self.room() as u64 {
            self.flush();
        }
        let version = file.version;
        self.current =
            Some(Reading { entry: fetch.entry, file: index, version, size, is_all, send, same, chunk });
    }

    /// One step: a piece, a value, or the end.
    fn read(&mut self, mut reading: Reading, tree: &Tree) {
        let file = &tree.files[reading.file];
        if let Some((from, end)) = reading.send.pop_front() {
            let chunk_bytes = u64::from(reading.chunk.bytes());
            if from.is_multiple_of(chunk_bytes) {
                self.run.is_in_chunk = false;
                // A chunk that goes on in the next block begins a run of its own, so that no run grows from chunk to chunk.
                if self.run.goes_on && chunk_bytes.min(end - from) > self.room() as u64 {
                    self.flush();
                }
            }
            let done = self.piece(reading.entry, &file.contents, &file.holes, from, end);
            self.run.is_in_chunk = done < end && !done.is_multiple_of(chunk_bytes);
            if done < end {
                reading.send.push_front((done, end));
            }
            self.current = Some(reading);
            return;
        }
        if let Some(index) = reading.same.pop_front() {
            let length = chunk_length(reading.size, reading.chunk, index);
            let from = index * u64::from(reading.chunk.bytes());
            if (file.contents.len() as u64) < from + u64::from(length) {
                let failure = Failure::new(Reason::Changed, "it became shorter");
                return self.tell(SourceEvent::Dropped { entry: reading.entry, failure });
            }
            let value = value_of(&file.contents, reading.size, reading.chunk, index);
            if length > 0 && !self.block.same(reading.entry, from, length, value) {
                self.flush();
                reading.same.push_front(index);
            }
            self.current = Some(reading);
            return;
        }
        let Reading { entry, version, size, is_all, .. } = reading;
        self.run.is_in_chunk = false;
        if file.is_gone {
            let failure = Failure::new(Reason::Vanished, "while it was read");
            return self.tell(SourceEvent::Dropped { entry, failure });
        }
        if file.version != version {
            return self.tell(SourceEvent::Dropped { entry, failure: Failure::new(Reason::Changed, "") });
        }
        let root = is_all.then(|| *blake3::hash(&file.contents).as_bytes());
        self.tell(SourceEvent::Ended(ReadEnd { entry, size, root }));
    }

    /// Adds what fits of a stretch to the block. Returns where it stopped.
    fn piece(
        &mut self,
        entry: u64,
        contents: &Arc<Vec<u8>>,
        holes: &[(u64, u64)],
        from: u64,
        end: u64,
    ) -> u64 {
        if from >= end {
            return end;
        }
        let hole =
            holes.iter().find(|(_, hole_end)| *hole_end > from).copied().unwrap_or((u64::MAX, u64::MAX));
        if hole.0 <= from {
            let stop = hole.1.min(end);
            let length = u32::try_from(stop - from).unwrap_or(NAMED_BYTES_MAX).min(NAMED_BYTES_MAX);
            if self.block.zeros(entry, from, length) {
                return from + u64::from(length);
            }
            self.flush();
            return from;
        }
        if self.room() == 0 {
            self.flush();
        }
        let payload = self.block_bytes as u64;
        let stop = (from - from % payload + payload).min(end).min(hole.0);
        // What is read from a file that changes meanwhile is a mixture, or nothing where it became shorter.
        let begin = usize::try_from(from).unwrap_or(usize::MAX).min(contents.len());
        let stop_at = usize::try_from(stop).unwrap_or(usize::MAX).min(contents.len());
        let bytes = &contents[begin..stop_at.max(begin)];
        let added = self.block.piece(entry, from, bytes.len().min(self.room()), |room| {
            room.copy_from_slice(&bytes[..room.len()]);
            Ok::<_, std::convert::Infallible>(room.len())
        });
        let added = added.map_or(0, <[u8]>::len) as u64;
        // A file that became shorter has nothing more to give.
        if added == 0 { end } else { from + added }
    }
}

/// The value of one chunk of a file of this size, all of which is there.
fn value_of(contents: &[u8], size: u64, chunk: ChunkSize, index: u64) -> [u8; 32] {
    let from = index * u64::from(chunk.bytes());
    let mut hasher = ChunkHasher::new(from);
    let begin = usize::try_from(from).unwrap_or(usize::MAX);
    let length = chunk_length(size, chunk, index) as usize;
    hasher.update(&contents[begin..begin + length]);
    hasher.finish(chunk_count(size, chunk) == 1).0
}
