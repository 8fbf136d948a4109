//! A sink in memory: files that stand there already, parts of some, and what a person wants when they differ.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use p2pc::events::{Conflict, Resolution, Version};
use p2pc::proto::chunk::{ChunkSize, chunk_count};
use p2pc::proto::compress::Unpacker;
use p2pc::proto::frame::{Failure, FileEnd, Get, Piece, Reason, Verdict};
use p2pc::proto::manifest::{Entry, EntryKind};
use p2pc::proto::path::{Name, RelPath};
use p2pc::proto::runs::Runs;
use p2pc::receive::sink::{Job, SinkEvent};

use super::source::{place, value};

/// Everything on the receiver's side.
pub struct ModelSink {
    pub chunk: ChunkSize,
    /// What stands there.
    pub arrived: BTreeMap<RelPath, Vec<u8>>,
    /// Parts that an earlier session left: their chunk size, their bytes, and what is held of them by their own word.
    pub parts: BTreeMap<RelPath, (ChunkSize, Vec<u8>, Runs)>,
    /// Paths that fail while they are written.
    pub unwritable: Vec<RelPath>,
    /// Every decision that was carried out.
    pub decided: BTreeMap<RelPath, Resolution>,
    pub said: VecDeque<SinkEvent>,
    open: BTreeMap<u64, Open>,
}

impl Default for ModelSink {
    fn default() -> ModelSink {
        ModelSink {
            chunk: ChunkSize::MIN,
            arrived: BTreeMap::new(),
            parts: BTreeMap::new(),
            unwritable: Vec::new(),
            decided: BTreeMap::new(),
            said: VecDeque::new(),
            open: BTreeMap::new(),
        }
    }
}

/// A file without an outcome.
struct Open {
    path: RelPath,
    size: Option<u64>,
    bytes: Vec<u8>,
    chunk: ChunkSize,
    // What was asked for last; nothing: all in order.
    send: Runs,
    compare: Runs,
    // How much of each chunk came.
    came: BTreeMap<u64, u64>,
    differs: Runs,
    // Whether a file stands there that this may be the same as.
    compares: bool,
}

/// Where a file goes when both are to be kept.
pub fn renamed(path: &RelPath) -> RelPath {
    let (parent, name) = path.split().unwrap();
    parent.join(&Name::new(&[name.as_bytes(), b" (2)"].concat()).unwrap()).unwrap()
}

impl ModelSink {
    pub fn work(&mut self, job: Job) {
        match job {
            Job::Prepare(entry) => self.prepare(entry),
            Job::Write { pieces, payload, cost } => {
                self.write(&pieces, payload);
                self.said.push_back(SinkEvent::Taken { cost });
            }
            Job::WritePacked { pieces, payload, cost } => {
                let payload = Unpacker::default().unpack(&payload).unwrap();
                self.write(&pieces, payload.into());
                self.said.push_back(SinkEvent::Taken { cost });
            }
            Job::Finish(end) => self.finish(&end),
            Job::Decide { entry, resolution } => self.decide(entry, resolution),
            Job::Drop { entry, failure } => {
                if self.open.remove(&entry).is_some() {
                    self.resolve(entry, Some(failure));
                }
            }
        }
    }

    fn prepare(&mut self, Entry { id, path, kind }: Entry) {
        let EntryKind::File { size, .. } = kind else {
            let failure = if let EntryKind::Unsent { failure } = kind { Some(failure) } else { None };
            self.said.push_back(SinkEvent::Planned { entry: id, verdict: Verdict::Nothing });
            return self.resolve(id, failure);
        };
        let mut open = Open {
            path: path.clone(),
            size,
            bytes: vec![0; size.unwrap_or(0) as usize],
            chunk: self.chunk,
            send: Runs::new(),
            compare: Runs::new(),
            came: BTreeMap::new(),
            differs: Runs::new(),
            compares: false,
        };
        let existing = self.arrived.get(&path).map(|old| old.len() as u64);
        let mut get = None;
        let mut conflict = false;
        let verdict = match (existing, size, self.parts.remove(&path)) {
            (Some(old), Some(size), _) if old == size => {
                open.compares = true;
                open.bytes.clone_from(&self.arrived[&path]);
                open.compare = Runs::all(chunk_count(size, self.chunk));
                Verdict::Compare
            }
            (Some(_), _, _) => {
                conflict = true;
                Verdict::Wait
            }
            (None, Some(size), Some((chunk, bytes, held))) => {
                open.bytes = bytes;
                (open.chunk, open.send) = (chunk, held.missing(chunk_count(size, chunk)));
                open.compare = held;
                get = Some(open.get(id));
                Verdict::Wait
            }
            // Now and then what could be said at once is said later.
            _ if id.is_multiple_of(7) => {
                get = Some(open.get(id));
                Verdict::Wait
            }
            _ => Verdict::Send,
        };
        self.said.push_back(SinkEvent::Planned { entry: id, verdict });
        self.said.extend(get.map(SinkEvent::Get));
        self.open.insert(id, open);
        if conflict {
            self.conflict(id);
        }
    }

    fn write(&mut self, pieces: &[Piece], mut payload: Bytes) {
        for piece in pieces {
            let (entry, offset, length) = piece.place();
            let bytes = if let Piece::Bytes { .. } = piece {
                payload.split_to(length as usize)
            } else {
                Bytes::new()
            };
            let Some(open) = self.open.get_mut(&entry) else { continue };
            open.take(piece, offset, length, &bytes);
            if self.unwritable.contains(&open.path) {
                self.open.remove(&entry);
                self.resolve(entry, Some(Failure::new(Reason::Unwritable, "")));
            }
        }
    }

    fn finish(&mut self, end: &FileEnd) {
        let Some(open) = self.open.get_mut(&end.entry) else { return };
        assert_eq!(open.bytes.len() as u64, end.size);
        assert!(open.is_complete(), "{:?} ended with gaps", open.path);
        if open.compares && !open.differs.is_empty() {
            return self.conflict(end.entry);
        }
        if !open.differs.is_empty() {
            open.send = std::mem::take(&mut open.differs);
            open.compare = Runs::new();
            let get = open.get(end.entry);
            return self.said.push_back(SinkEvent::Get(get));
        }
        let Some(open) = self.open.remove(&end.entry) else { return };
        assert_eq!(*blake3::hash(&open.bytes).as_bytes(), end.root, "{:?}", open.path);
        self.arrived.insert(open.path, open.bytes);
        self.resolve(end.entry, None);
    }

    fn conflict(&mut self, entry: u64) {
        let open = &self.open[&entry];
        let version = |size| Version { size, ..Version::default() };
        let ours = version(Some(self.arrived[&open.path].len() as u64));
        let conflict = Conflict { path: open.path.clone(), ours, theirs: version(open.size) };
        self.said.push_back(SinkEvent::Conflict { entry, conflict });
    }

    fn decide(&mut self, entry: u64, resolution: Resolution) {
        let open = self.open.get_mut(&entry).expect("nothing was asked about it");
        assert!(self.decided.insert(open.path.clone(), resolution).is_none(), "decided twice");
        match resolution {
            Resolution::Skip => {
                self.open.remove(&entry);
                return self.resolve(entry, Some(Failure::new(Reason::Exists, "")));
            }
            Resolution::Rename => {
                open.path = renamed(&open.path);
                open.send = Runs::new();
            }
            Resolution::Overwrite => open.send = std::mem::take(&mut open.differs),
        }
        (open.compares, open.differs, open.compare) = (false, Runs::new(), Runs::new());
        let get = open.get(entry);
        self.said.push_back(SinkEvent::Get(get));
    }

    fn resolve(&mut self, entry: u64, failure: Option<Failure>) {
        self.said.push_back(SinkEvent::Resolved { entry, failure });
    }
}

impl Open {
    fn get(&mut self, entry: u64) -> Get {
        self.came.clear();
        Get {
            entry,
            chunk_bytes: self.chunk.bytes(),
            send: self.send.clone().into_vec(),
            compare: self.compare.clone().into_vec(),
        }
    }

    /// Everything, in order.
    fn wants_all(&self) -> bool {
        self.send.is_empty() && self.compare.is_empty()
    }

    fn take(&mut self, piece: &Piece, offset: u64, length: u32, bytes: &[u8]) {
        let index = offset / u64::from(self.chunk.bytes());
        let (begin, end) = (offset as usize, offset as usize + length as usize);
        if let Piece::Same { value: theirs, .. } = piece {
            assert!(self.compare.contains(index), "a value that was not asked for");
            assert_eq!(place(self.bytes.len(), self.chunk, index), (begin, end));
            if value(&self.bytes, self.chunk, index) != *theirs {
                self.differs.insert(index);
            }
        } else {
            assert!(self.wants_all() || self.send.contains(index), "bytes that were not asked for");
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes[begin..end].copy_from_slice(bytes);
        }
        let came = self.came.entry(index).or_default();
        assert_eq!(begin as u64 - index * u64::from(self.chunk.bytes()), *came, "a chunk out of order");
        *came += u64::from(length);
    }

    fn is_complete(&self) -> bool {
        let size = self.bytes.len();
        let chunks = chunk_count(size as u64, self.chunk);
        (0..chunks)
            .filter(|index| self.wants_all() || self.send.contains(*index) || self.compare.contains(*index))
            .all(|index| {
                let (begin, end) = place(size, self.chunk, index);
                self.came.get(&index).copied().unwrap_or(0) == (end - begin) as u64
            })
    }
}
