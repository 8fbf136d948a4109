//! A session machine with what surrounds it on its side: the sender's with its files, the receiver's with its disk.

use bytes::BytesMut;

use super::dice::Dice;
use super::lane::Lane;
use super::source::{Reader, Walker};
use super::tree::Tree;
use super::writer::{After, Writer};
use crate::disk::memory::MemoryDisk;
use crate::error::{Error, Kind, Result};
use crate::events::{Decision, Event, Report};
use crate::proto::chunk::ChunkSize;
use crate::proto::compress::{Codec, Packer};
use crate::receive::Rules;
use crate::receive::machine::{self as receiving, Receiver};
use crate::send::machine::{self as sending, Sender};
use crate::send::source::SourceEvent;

/// What the two sides have to work on.
#[derive(Debug)]
pub struct Places {
    /// The sender's files.
    pub tree: Tree,
    /// The receiver's disk.
    pub disk: MemoryDisk,
    /// After how many changes of it the receiver dies.
    pub stops_at: Option<usize>,
}

impl Places {
    /// Whether the receiver is dead, in the middle of what it did with its disk. What it still says after that, it does not say.
    pub fn is_stopped(&self) -> bool {
        self.stops_at.is_some_and(|at| self.disk.changes() >= at)
    }
}

/// One side's machine and what it drives.
#[derive(Debug)]
pub enum Party {
    /// The sender's.
    Sending {
        /// It.
        machine: Box<Sender>,
        /// Finds the files.
        walker: Option<Walker>,
        /// Reads them.
        reader: Box<Reader>,
        /// Packs some of what is read, in one way or the other.
        packers: [Packer; 2],
    },
    /// The receiver's.
    Receiving {
        /// It.
        machine: Box<Receiver>,
        /// How what stands there is treated.
        rules: Rules,
        /// Once the person has accepted.
        writer: Option<Box<Writer>>,
    },
}

/// What a party wants of its surroundings.
#[derive(Debug)]
pub enum Wish {
    /// A turn for the disk thread.
    Turn,
    /// An answer to the question whether to accept.
    Answer,
    /// A decision about something that stands there already.
    Decide,
    /// The session has come to this.
    Done(Result<Report>),
    /// Somebody is told of this.
    Told(Event),
}

impl Party {
    /// A sender at the beginning.
    pub fn sending(chunk: ChunkSize) -> Party {
        let beginning = sending::Beginning { chunk, ..sending::Beginning::default() };
        Party::Sending {
            machine: Box::new(Sender::new(beginning)),
            walker: Some(Walker::default()),
            reader: Box::new(Reader::new(chunk)),
            packers: [Packer::new(Codec::Zstd), Packer::new(Codec::Deflate)],
        }
    }

    /// A receiver at the beginning.
    pub fn receiving(yes: bool, rules: Rules) -> Party {
        let beginning = receiving::Beginning { yes, ..receiving::Beginning::default() };
        Party::Receiving { machine: Box::new(Receiver::new(beginning)), rules, writer: None }
    }

    /// Carries out what the machine asks for.
    pub fn carry_out(&mut self, lane: &mut Lane, places: &Places, wishes: &mut Vec<Wish>) {
        match self {
            Party::Sending { machine, reader, .. } => {
                while let Some(effect) = machine.poll() {
                    match effect {
                        sending::Effect::Frame(frame) => {
                            if let Err(error) = lane.send(frame) {
                                machine.fail(error);
                            }
                        }
                        sending::Effect::Fetch(fetch) => reader.fetch(fetch),
                        sending::Effect::Abandon(entry) => reader.abandon(entry),
                        sending::Effect::Event(event) => wishes.push(Wish::Told(event)),
                        sending::Effect::Ask(_) => wishes.push(Wish::Answer),
                        sending::Effect::LaneTaken { .. } => {}
                        sending::Effect::Done(result) => return wishes.push(Wish::Done(result)),
                    }
                }
            }
            Party::Receiving { machine, rules, writer } => {
                while let Some(effect) = machine.poll() {
                    match effect {
                        receiving::Effect::Frame(frame) => {
                            if let Err(error) = lane.send(frame) {
                                machine.fail(error);
                            }
                        }
                        receiving::Effect::Open(chunk) => {
                            *writer = Some(Box::new(Writer::open(&places.disk, chunk, *rules)));
                        }
                        receiving::Effect::Job(job) => {
                            if writer.as_mut().is_some_and(|writer| writer.push(job)) {
                                wishes.push(Wish::Turn);
                            }
                        }
                        receiving::Effect::Event(event) => wishes.push(Wish::Told(event)),
                        receiving::Effect::Ask(_) => wishes.push(Wish::Answer),
                        receiving::Effect::Decide(_) => wishes.push(Wish::Decide),
                        receiving::Effect::Lane { lane, .. } => machine.lane_taken(lane, 0),
                        receiving::Effect::Done(result) => return wishes.push(Wish::Done(result)),
                    }
                }
            }
        }
    }

    /// Does one thing that is at hand without the other side: another entry, another block. Returns whether there was one.
    pub fn feed(&mut self, lane: &Lane, places: &Places, dice: &mut Dice) -> bool {
        let Party::Sending { machine, walker, reader, packers } = self else { return false };
        let reads = machine.wants_data() && lane.has_room() && reader.has_more();
        let walks = machine.wants_entries() && walker.is_some();
        if reads && (!walks || dice.one_in(2)) {
            if let Some(mut event) = reader.next(&places.tree, dice) {
                if let SourceEvent::Block(block) = &mut event
                    && let Some(packer) = packers.get_mut(dice.index(4))
                {
                    block.compress(packer);
                }
                machine.source(event);
            }
        } else if walks {
            match walker.as_mut().and_then(|walker| walker.next(&places.tree)) {
                Some(Ok(entry)) => machine.entry(entry),
                Some(Err(error)) => machine.fail(Error::new(Kind::Internal, error.to_string())),
                None => {
                    *walker = None;
                    machine.walk_ended();
                }
            }
        }
        reads || walks
    }

    /// A frame came.
    pub fn frame(&mut self, frame: BytesMut, now_ms: u64) {
        match self {
            Party::Sending { machine, .. } => machine.frame(&frame),
            Party::Receiving { machine, .. } => machine.frame(frame, now_ms),
        }
    }

    /// Nothing else is at hand.
    pub fn idle(&mut self) {
        match self {
            Party::Sending { machine, .. } => machine.idle(),
            Party::Receiving { machine, .. } => machine.idle(),
        }
    }

    /// A tenth of a second has passed.
    pub fn tick(&mut self, now_ms: u64) {
        match self {
            Party::Sending { machine, .. } => machine.tick(now_ms),
            Party::Receiving { machine, .. } => machine.tick(now_ms),
        }
    }

    /// The person has answered.
    pub fn answered(&mut self, yes: bool, now_ms: u64) {
        match self {
            Party::Sending { machine, .. } => machine.verified(yes),
            Party::Receiving { machine, .. } => machine.accepted(yes, now_ms),
        }
    }

    /// The person has decided about a conflict.
    pub fn decided(&mut self, decision: Decision) {
        if let Party::Receiving { machine, .. } = self {
            machine.decided(decision);
        }
    }

    /// An error on this side.
    pub fn fail(&mut self, error: Error) {
        match self {
            Party::Sending { machine, .. } => machine.fail(error),
            Party::Receiving { machine, .. } => machine.fail(error),
        }
    }

    /// The connection is gone for good.
    pub fn connection_lost(&mut self, error: Error) {
        match self {
            Party::Sending { machine, .. } => machine.connection_lost(error),
            Party::Receiving { machine, .. } => machine.connection_lost(error),
        }
    }

    /// The disk thread takes a turn. `None`: there is none.
    pub fn turn(&mut self, now_ms: u64) -> Option<After> {
        let Party::Receiving { machine, writer: Some(writer), .. } = self else { return None };
        let mut said = Vec::new();
        let (result, after) = writer.turn(&mut said, now_ms);
        for event in said {
            machine.sink(event, now_ms);
        }
        if let Err(error) = result {
            machine.fail(error);
        }
        Some(after)
    }

    /// The thread beside it carries out a checkpoint. Returns whether the disk thread is to be woken.
    pub fn save(&mut self) -> bool {
        let Party::Receiving { writer: Some(writer), .. } = self else { return false };
        writer.save()
    }

    /// Wakes the disk thread, which looks now and then what should be made durable.
    pub fn wake(&mut self) -> bool {
        let Party::Receiving { writer: Some(writer), .. } = self else { return false };
        writer.wakes()
    }

    /// The session is over: what it has open is closed in order.
    pub fn end(&mut self) {
        if let Party::Receiving { writer, .. } = self
            && let Some(writer) = writer.take()
        {
            writer.end();
        }
    }
}
