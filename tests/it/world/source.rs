//! A reader of files that exist nowhere: whole files, or some chunks and the values of others.

use std::collections::{BTreeMap, VecDeque};

use p2pc::proto::chunk::{ChunkHasher, ChunkSize, chunk_count, chunk_length};
use p2pc::proto::frame::{Block, Failure, Reason};
use p2pc::proto::path::RelPath;
use p2pc::proto::runs::Runs;
use p2pc::send::source::{Fetch, ReadEnd, SourceEvent, What};

/// What was read and not yet said.
#[derive(Default)]
pub struct Source {
    read: VecDeque<(u64, SourceEvent)>,
    fetched: BTreeMap<RelPath, u32>,
    /// Of the last chunk.
    run: u64,
    /// Paths that are dropped halfway, and in which fetch, counted from 0.
    pub vanishing: BTreeMap<RelPath, u32>,
}

/// Where chunk `index` begins and ends.
pub fn place(size: usize, chunk: ChunkSize, index: u64) -> (usize, usize) {
    let begin = index as usize * chunk.bytes() as usize;
    (begin, begin + chunk_length(size as u64, chunk, index) as usize)
}

pub fn value(contents: &[u8], chunk: ChunkSize, index: u64) -> [u8; 32] {
    let (begin, end) = place(contents.len(), chunk, index);
    let mut hasher = ChunkHasher::new(begin as u64);
    hasher.update(&contents[begin..end]);
    hasher.finish(chunk_count(contents.len() as u64, chunk) == 1).0
}

impl Source {
    pub fn next(&mut self) -> Option<SourceEvent> {
        self.read.pop_front().map(|(_, event)| event)
    }

    pub fn fetch(&mut self, fetch: &Fetch, contents: &[u8]) {
        let size = contents.len();
        let (chunk, send, compare) = match &fetch.what {
            What::All => {
                let chunk = ChunkSize::MIN;
                (chunk, Runs::all(chunk_count(size as u64, chunk)), Runs::new())
            }
            What::Chunks { chunk, send, compare } => (*chunk, send.clone(), compare.clone()),
        };
        let mut events = Vec::new();
        for index in send.iter() {
            let (mut offset, end) = place(size, chunk, index);
            self.run += 1;
            while offset < end {
                let mut block = Block::new(end - offset);
                let rest = &contents[offset..end];
                let added = block.piece(fetch.entry, offset as u64, rest.len(), |room| {
                    room.copy_from_slice(&rest[..room.len()]);
                    Ok::<_, ()>(room.len())
                });
                offset += added.unwrap().len();
                block.run = self.run;
                events.push(SourceEvent::Block(block));
            }
        }
        for index in compare.iter().filter(|_| size > 0) {
            let (begin, end) = place(size, chunk, index);
            let mut block = Block::new(0);
            let length = (end - begin) as u32;
            assert!(block.same(fetch.entry, begin as u64, length, value(contents, chunk, index)));
            self.run += 1;
            block.run = self.run;
            events.push(SourceEvent::Block(block));
        }
        let count = self.fetched.entry(fetch.path.clone()).or_default();
        let vanishes = self.vanishing.get(&fetch.path) == Some(count);
        *count += 1;
        if vanishes {
            events.truncate(events.len() / 2);
            let failure = Failure::new(Reason::Vanished, "");
            events.push(SourceEvent::Dropped { entry: fetch.entry, failure });
        } else {
            let covered = send.chunks() + compare.chunks() == chunk_count(size as u64, chunk);
            let root = covered.then(|| *blake3::hash(contents).as_bytes());
            events.push(SourceEvent::Ended(ReadEnd { entry: fetch.entry, size: size as u64, root }));
        }
        self.read.extend(events.into_iter().map(|event| (fetch.entry, event)));
    }

    /// Reads a file no further: of what is read already some is said nevertheless.
    pub fn give_up(&mut self, entry: u64) {
        assert!(self.read.iter().any(|(of, _)| *of == entry), "given up after its end");
        let mut is_first = true;
        self.read.retain(|(of, _)| *of != entry || std::mem::take(&mut is_first));
    }
}
