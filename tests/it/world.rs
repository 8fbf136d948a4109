//! Both session machines joined in memory: a tree of files that exists nowhere, a reader and a sink that are a few lines each, and
//! a schedule drawn from a seed. No socket, no file, no clock.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use p2pc::events::{Event, Question, Report};
use p2pc::proto::frame::{Block, Failure, Piece, Reason, Verdict};
use p2pc::proto::manifest::{Entry, EntryKind, Item, Meta, Nesting};
use p2pc::proto::path::RelPath;
use p2pc::receive::machine::{self as receiving, Receiver};
use p2pc::receive::sink::{Job, SinkEvent};
use p2pc::send::machine::{self as sending, Sender};
use p2pc::send::source::{Fetch, ReadEnd, SourceEvent};

pub const META: Meta = Meta { mode: Some(0o644), mtime_s: 0, mtime_ns: 0 };

/// Numbers from a seed (xorshift, Marsaglia 2003).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What is sent: items in the manifest's order, and the contents of files by path.
#[derive(Default)]
pub struct Tree {
    pub entries: VecDeque<Entry>,
    pub contents: BTreeMap<RelPath, Vec<u8>>,
    nesting: Nesting,
}

impl Tree {
    pub fn add(&mut self, item: &Item<'_>) -> RelPath {
        let entry = self.nesting.place(item).unwrap();
        let path = entry.path.clone();
        self.entries.push_back(entry);
        path
    }

    pub fn file(&mut self, name: &str, contents: Vec<u8>) {
        let size = Some(contents.len() as u64);
        let path = self.add(&Item::File { name: name.as_bytes(), size, meta: META, holes: 0 });
        self.contents.insert(path, contents);
    }

    /// A tree of up to `items` items drawn from the dice.
    pub fn random(dice: &mut Dice, items: u64) -> Tree {
        let mut tree = Tree::default();
        let mut depth = 0;
        for at in 0..dice.roll(items) {
            let name = format!("n{at}");
            match dice.roll(8) {
                0 if depth < 6 => {
                    tree.add(&Item::Directory { name: name.as_bytes() });
                    depth += 1;
                }
                1 if depth > 0 => {
                    tree.add(&Item::DirectoryEnd { meta: META });
                    depth -= 1;
                }
                2 => drop(tree.add(&Item::Link { name: name.as_bytes(), target: b"t", meta: META })),
                3 => {
                    let failure = Failure::new(Reason::Special, "");
                    tree.add(&Item::Unsent { name: name.as_bytes(), failure: failure.as_wire() });
                }
                kind => {
                    // Seldom one of several blocks: what passes through the test is what takes its time.
                    let is_large = kind == 4 && dice.roll(10) == 0;
                    let length = dice.roll(if is_large { 900_000 } else { 3000 });
                    let mut contents = vec![at as u8; length as usize];
                    contents.iter_mut().step_by(997).for_each(|byte| *byte = dice.roll(256) as u8);
                    tree.file(&name, contents);
                }
            }
        }
        for _ in 0..depth {
            tree.add(&Item::DirectoryEnd { meta: META });
        }
        tree
    }
}

/// Both machines, the queues between them and their surroundings.
pub struct World {
    pub sender: Sender,
    pub receiver: Receiver,
    tree: Tree,
    to_sender: VecDeque<Vec<u8>>,
    to_receiver: VecDeque<Vec<u8>>,
    read: VecDeque<SourceEvent>,
    jobs: VecDeque<Job>,
    sunk: VecDeque<SinkEvent>,
    /// What stands on the receiver's side.
    pub arrived: BTreeMap<RelPath, Vec<u8>>,
    parts: BTreeMap<u64, (RelPath, Vec<u8>)>,
    pub questions: VecDeque<Question>,
    pub sender_events: Vec<Event>,
    pub receiver_events: Vec<Event>,
    pub sent: Option<p2pc::Result<Report>>,
    pub received: Option<p2pc::Result<Report>>,
    /// Paths that the reader drops halfway.
    pub vanishing: Vec<RelPath>,
    /// Paths that the sink fails while they are written.
    pub unwritable: Vec<RelPath>,
}

impl World {
    pub fn new(tree: Tree) -> World {
        World {
            sender: Sender::new(sending::Beginning::default()),
            receiver: Receiver::new(receiving::Beginning { yes: true, ..receiving::Beginning::default() }),
            tree,
            to_sender: VecDeque::new(),
            to_receiver: VecDeque::new(),
            read: VecDeque::new(),
            jobs: VecDeque::new(),
            sunk: VecDeque::new(),
            arrived: BTreeMap::new(),
            parts: BTreeMap::new(),
            questions: VecDeque::new(),
            sender_events: Vec::new(),
            receiver_events: Vec::new(),
            sent: None,
            received: None,
            vanishing: Vec::new(),
            unwritable: Vec::new(),
        }
    }

    /// Runs until both are done, or until nothing moves any more. Returns whether both are done.
    pub fn run(&mut self, dice: &mut Dice) -> bool {
        let mut still = 0;
        while still < 200 {
            self.carry_out();
            if self.sent.is_some() && self.received.is_some() {
                return true;
            }
            still = if self.step(dice.roll(8)) { 0 } else { still + 1 };
        }
        false
    }

    fn step(&mut self, what: u64) -> bool {
        match what {
            0 if self.sender.wants_entries() => match self.tree.entries.pop_front() {
                Some(entry) => self.sender.entry(entry),
                None => self.sender.walk_ended(),
            },
            1 if self.sender.wants_data() && !self.read.is_empty() => {
                if let Some(event) = self.read.pop_front() {
                    self.sender.source(event);
                }
            }
            2 | 3 if !self.to_receiver.is_empty() => {
                let frame = self.to_receiver.pop_front().unwrap_or_default();
                self.receiver.frame(BytesMut::from(&frame[..]), 0);
            }
            4 if !self.to_sender.is_empty() => {
                let frame = self.to_sender.pop_front().unwrap_or_default();
                self.sender.frame(&frame);
            }
            5 if !self.jobs.is_empty() => {
                if let Some(job) = self.jobs.pop_front() {
                    self.work(job);
                }
            }
            6 if !self.sunk.is_empty() => {
                if let Some(event) = self.sunk.pop_front() {
                    self.receiver.sink(event, 0);
                }
            }
            7 => {
                self.sender.idle();
                self.receiver.idle();
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Carries out what both machines ask for.
    pub fn carry_out(&mut self) {
        while let Some(effect) = self.sender.poll() {
            match effect {
                sending::Effect::Frame(packed) => {
                    self.to_receiver.push_back(packed.buffer[packed.start..].to_vec());
                }
                sending::Effect::Fetch(fetch) => self.fetch(&fetch),
                sending::Effect::Abandon(_) => {}
                sending::Effect::Event(event) => self.sender_events.push(event),
                sending::Effect::Ask(question) => self.questions.push_back(question),
                sending::Effect::Done(result) => assert!(self.sent.replace(result).is_none(), "done twice"),
            }
        }
        while let Some(effect) = self.receiver.poll() {
            match effect {
                receiving::Effect::Frame(packed) => {
                    self.to_sender.push_back(packed.buffer[packed.start..].to_vec());
                }
                receiving::Effect::Open(_) => assert!(self.jobs.is_empty() && self.arrived.is_empty()),
                receiving::Effect::Job(job) => self.jobs.push_back(job),
                receiving::Effect::Event(event) => self.receiver_events.push(event),
                receiving::Effect::Ask(question) => self.questions.push_back(question),
                receiving::Effect::Decide(_) => panic!("nothing is in the way here"),
                receiving::Effect::Done(result) => {
                    assert!(self.received.replace(result).is_none(), "done twice");
                }
            }
        }
    }

    fn fetch(&mut self, fetch: &Fetch) {
        let contents = self.tree.contents[&fetch.path].clone();
        let vanishes = self.vanishing.contains(&fetch.path);
        let length = if vanishes { contents.len() / 2 } else { contents.len() };
        let mut offset = 0;
        while offset < length {
            let mut block = Block::new(length - offset);
            let rest = &contents[offset..length];
            let added = block.piece(fetch.entry, offset as u64, rest.len(), |room| {
                room.copy_from_slice(&rest[..room.len()]);
                Ok::<_, ()>(room.len())
            });
            offset += added.unwrap().len();
            self.read.push_back(SourceEvent::Block(block));
        }
        self.read.push_back(if vanishes {
            SourceEvent::Dropped { entry: fetch.entry, failure: Failure::new(Reason::Vanished, "") }
        } else {
            let root = *blake3::hash(&contents).as_bytes();
            SourceEvent::Ended(ReadEnd { entry: fetch.entry, size: length as u64, root: Some(root) })
        });
    }

    fn work(&mut self, job: Job) {
        match job {
            Job::Prepare(Entry { id, path, kind }) => {
                let is_file = matches!(kind, EntryKind::File { .. });
                let verdict = if is_file { Verdict::Send } else { Verdict::Nothing };
                self.sunk.push_back(SinkEvent::Planned { entry: id, verdict });
                match kind {
                    EntryKind::File { .. } => drop(self.parts.insert(id, (path, Vec::new()))),
                    EntryKind::Unsent { failure } => self.resolve(id, Some(failure)),
                    _ => self.resolve(id, None),
                }
            }
            Job::Write { pieces, mut payload, cost } => {
                for piece in pieces {
                    let Piece::Bytes { entry, length, .. } = piece else { panic!("no holes here") };
                    let bytes = payload.split_to(length as usize);
                    let Some((path, part)) = self.parts.get_mut(&entry) else { continue };
                    part.extend_from_slice(&bytes);
                    if self.unwritable.contains(path) {
                        self.parts.remove(&entry);
                        self.resolve(entry, Some(Failure::new(Reason::Unwritable, "")));
                    }
                }
                self.sunk.push_back(SinkEvent::Taken { cost });
            }
            Job::Finish(end) => {
                if let Some((path, part)) = self.parts.remove(&end.entry) {
                    assert_eq!((part.len() as u64, *blake3::hash(&part).as_bytes()), (end.size, end.root));
                    self.arrived.insert(path, part);
                    self.resolve(end.entry, None);
                }
            }
            Job::Decide { .. } => panic!("nothing was asked"),
            Job::Drop { entry, failure } => {
                if self.parts.remove(&entry).is_some() {
                    self.resolve(entry, Some(failure));
                }
            }
        }
    }

    fn resolve(&mut self, entry: u64, failure: Option<Failure>) {
        self.sunk.push_back(SinkEvent::Resolved { entry, failure });
    }
}
