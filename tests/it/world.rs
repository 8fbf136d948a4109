//! Both session machines joined in memory: a tree of files that exists nowhere, a reader and a sink that are a few lines each, and
//! a schedule drawn from a seed. No socket, no file, no clock.

mod lanes;
mod sink;
mod source;

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use p2pc::events::{Conflict, Decision, Event, Question, Report, Resolution};
use p2pc::proto::chunk::ChunkSize;
use p2pc::proto::frame::{Failure, Reason};
use p2pc::proto::manifest::{Entry, Item, Meta, Nesting};
use p2pc::proto::path::RelPath;
use p2pc::receive::machine::{self as receiving, Receiver};
use p2pc::receive::sink::Job;
use p2pc::send::machine::{self as sending, Sender};

use lanes::Lanes;
pub use sink::{ModelSink, renamed};
use source::Source;

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
    to_receiver: Lanes,
    /// How many lanes there may be; they come and go.
    pub lanes: u8,
    source: Source,
    jobs: VecDeque<Job>,
    /// What stands on the receiver's side.
    pub sink: ModelSink,
    pub questions: VecDeque<Question>,
    /// What the person is being asked about.
    pub conflict: Option<Conflict>,
    pub decided_for_all: bool,
    pub sender_events: Vec<Event>,
    pub receiver_events: Vec<Event>,
    pub sent: Option<p2pc::Result<Report>>,
    pub received: Option<p2pc::Result<Report>>,
}

impl World {
    pub fn new(tree: Tree) -> World {
        World {
            sender: Sender::new(sending::Beginning {
                chunk: ChunkSize::MIN,
                ..sending::Beginning::default()
            }),
            receiver: Receiver::new(receiving::Beginning { yes: true, ..receiving::Beginning::default() }),
            tree,
            to_sender: VecDeque::new(),
            to_receiver: Lanes::default(),
            lanes: 1,
            source: Source::default(),
            jobs: VecDeque::new(),
            sink: ModelSink::default(),
            questions: VecDeque::new(),
            conflict: None,
            decided_for_all: false,
            sender_events: Vec::new(),
            receiver_events: Vec::new(),
            sent: None,
            received: None,
        }
    }

    /// The reader drops this path in the fetch of this number, counted from 0, halfway.
    pub fn vanishes(&mut self, path: RelPath, fetch: u32) {
        self.source.vanishing.insert(path, fetch);
    }

    /// Runs until both are done, or until nothing moves any more. Returns whether both are done.
    pub fn run(&mut self, dice: &mut Dice) -> bool {
        self.run_for(dice, u64::MAX)
    }

    /// As [`World::run`], for so many steps at most.
    pub fn run_for(&mut self, dice: &mut Dice, steps: u64) -> bool {
        let mut still = 0;
        for _ in 0..steps {
            self.carry_out();
            if self.sent.is_some() && self.received.is_some() {
                return true;
            }
            let what = dice.roll(9);
            still = if self.step(what, dice) { 0 } else { still + 1 };
            if still == 200 {
                break;
            }
        }
        false
    }

    /// The connection is gone for good: each side ends by what it knows.
    pub fn lose(&mut self) {
        self.sender.connection_lost(p2pc::Error::new(p2pc::Kind::ConnectionLost, "lost"));
        self.receiver.connection_lost(p2pc::Error::new(p2pc::Kind::ConnectionLost, "lost"));
        self.carry_out();
    }

    /// Asks for a lane, or lets go of one on either side.
    fn change_lanes(&mut self, dice: &mut Dice) {
        let lane = 1 + dice.roll(u64::from(self.lanes) - 1) as u8;
        match dice.roll(4) {
            0 => {
                let taken = self.to_receiver.heard(lane, false);
                self.receiver.lane_taken(lane, taken);
            }
            1 if self.sender.has_lane(lane) => {
                self.to_receiver.wants(lane, false);
                self.sender.lane(lane, false);
            }
            2 | 3 if !self.sender.has_lane(lane) => {
                self.to_receiver.wants(lane, true);
                self.sender.lane(lane, true);
            }
            _ => {}
        }
    }

    fn step(&mut self, what: u64, dice: &mut Dice) -> bool {
        if self.lanes > 1 && dice.roll(40) == 0 {
            self.change_lanes(dice);
            self.carry_out();
        }
        match what {
            0 if self.sender.wants_entries() => match self.tree.entries.pop_front() {
                Some(entry) => self.sender.entry(entry),
                None => self.sender.walk_ended(),
            },
            1 if self.sender.wants_data() => {
                let Some(event) = self.source.next() else { return false };
                self.sender.source(event);
            }
            2 | 3 => match self.to_receiver.next(dice) {
                Some((0, frame)) => self.receiver.frame(BytesMut::from(&frame[..]), 0),
                Some((_, frame)) => self.receiver.frame_beside(BytesMut::from(&frame[..]), 0),
                None => return false,
            },
            4 if !self.to_sender.is_empty() => {
                let frame = self.to_sender.pop_front().unwrap_or_default();
                self.sender.frame(&frame);
            }
            5 if !self.jobs.is_empty() => {
                if let Some(job) = self.jobs.pop_front() {
                    self.sink.work(job);
                }
            }
            6 if !self.sink.said.is_empty() => {
                if let Some(event) = self.sink.said.pop_front() {
                    self.receiver.sink(event, 0);
                }
            }
            8 if self.conflict.is_some() => {
                self.conflict = None;
                let resolution = match dice.roll(3) {
                    0 => Resolution::Overwrite,
                    1 => Resolution::Skip,
                    _ => Resolution::Rename,
                };
                self.decided_for_all = dice.roll(6) == 0;
                self.receiver.decided(Decision { resolution, for_all: self.decided_for_all });
            }
            7 => {
                self.sender.idle();
                self.receiver.idle();
                self.receiver.tick(0);
                return false;
            }
            _ => return false,
        }
        for progress in [self.sender.progress(), self.receiver.progress()] {
            assert!(progress.bytes_done <= progress.bytes_total, "{progress:?}");
        }
        true
    }

    /// Carries out what both machines ask for.
    pub fn carry_out(&mut self) {
        while let Some(effect) = self.sender.poll() {
            match effect {
                sending::Effect::Frame(packed) => self.to_receiver.say(packed),
                sending::Effect::Fetch(fetch) => {
                    self.source.fetch(&fetch, &self.tree.contents[&fetch.path]);
                }
                sending::Effect::Abandon(entry) => self.source.give_up(entry),
                sending::Effect::Event(event) => self.sender_events.push(event),
                sending::Effect::Ask(question) => self.questions.push_back(question),
                sending::Effect::LaneTaken { lane, frames } => self.to_receiver.taken(lane, frames),
                sending::Effect::Done(result) => assert!(self.sent.replace(result).is_none(), "done twice"),
            }
        }
        while let Some(effect) = self.receiver.poll() {
            match effect {
                receiving::Effect::Frame(packed) => {
                    self.to_sender.push_back(packed.buffer[packed.start..].to_vec());
                }
                receiving::Effect::Open(chunk) => {
                    assert!(self.jobs.is_empty());
                    self.sink.chunk = chunk;
                }
                receiving::Effect::Job(job) => self.jobs.push_back(job),
                receiving::Effect::Event(event) => self.receiver_events.push(event),
                receiving::Effect::Ask(question) => self.questions.push_back(question),
                receiving::Effect::Decide(conflict) => {
                    assert!(!self.decided_for_all, "asked although one answer was for all");
                    assert!(self.conflict.replace(conflict).is_none(), "two questions at once");
                }
                receiving::Effect::Lane { lane, up } => {
                    let taken = self.to_receiver.heard(lane, up);
                    if !up {
                        self.receiver.lane_taken(lane, taken);
                    }
                }
                receiving::Effect::Done(result) => {
                    assert!(self.received.replace(result).is_none(), "done twice");
                }
            }
        }
    }
}
