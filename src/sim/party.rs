//! A session machine with what surrounds it on its side: the sender's with its files, the receiver's with its disk.

use bytes::BytesMut;

use super::breadth::Wide;
use super::dice::Dice;
use super::endpoint::Command;
use super::lanes::{Lanes, News};
use super::source::{Reader, Walker};
use super::tree::Tree;
use super::writer::{After, Writer};
use crate::disk::memory::MemoryDisk;
use crate::error::{Error, Kind, Result};
use crate::events::{Decision, Event, Report};
use crate::proto::compress::{Codec, Packer};
use crate::proto::handshake::Capabilities;
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
        /// Pack some of what is read, in one way or the other.
        packers: Vec<Packer>,
        /// What a block has at most.
        block_bytes: usize,
        /// How many lanes it wants.
        wide: Box<Wide>,
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
    pub fn sending(command: &Command, both_can: Capabilities) -> Party {
        let chunk = command.chunk;
        let beginning = sending::Beginning { chunk, ..sending::Beginning::default() };
        let codecs = [Codec::Zstd, Codec::Deflate].into_iter().filter(|codec| codec.is_among(both_can));
        Party::Sending {
            machine: Box::new(Sender::new(beginning)),
            walker: Some(Walker::default()),
            reader: Box::new(Reader::new(chunk)),
            packers: codecs.map(Packer::new).collect(),
            block_bytes: command.block_bytes,
            wide: Box::new(Wide::new(command, both_can.has(Capabilities::LANES))),
        }
    }

    /// A receiver at the beginning; `yes`: its person has accepted already, or accepts whatever comes.
    pub fn receiving(command: &Command, yes: bool, both_can: Capabilities) -> Party {
        let Command { limit, rules, .. } = *command;
        let beginning = receiving::Beginning { yes, both_can, limit, ..receiving::Beginning::default() };
        Party::Receiving { machine: Box::new(Receiver::new(beginning)), rules, writer: None }
    }

    /// Carries out what the machine asks for.
    pub fn carry_out(&mut self, lanes: &mut Lanes, places: &Places, now_ms: u64, wishes: &mut Vec<Wish>) {
        match self {
            Party::Sending { machine, reader, block_bytes, wide, .. } => {
                while let Some(effect) = machine.poll() {
                    match effect {
                        sending::Effect::Frame(frame) => {
                            if let Err(error) = lanes.send(frame) {
                                machine.fail(error);
                            }
                        }
                        sending::Effect::Fetch(fetch) => {
                            reader.in_blocks_of(machine.block_bytes().min(*block_bytes));
                            reader.fetch(fetch);
                        }
                        sending::Effect::Abandon(entry) => reader.abandon(entry),
                        sending::Effect::Event(event) => {
                            match event {
                                Event::Offer(_) => wide.offered(machine, lanes, now_ms),
                                Event::Accepted => wide.accepted(machine, lanes, now_ms),
                                _ => {}
                            }
                            wishes.push(Wish::Told(event));
                        }
                        sending::Effect::Ask(_) => wishes.push(Wish::Answer),
                        sending::Effect::LaneTaken { lane, frames } => {
                            wide.gone(lane, now_ms);
                            if let Err(error) = lanes.taken(lane, frames) {
                                machine.fail(error);
                            }
                        }
                        sending::Effect::Done(result) => return wishes.push(Wish::Done(result)),
                    }
                }
            }
            Party::Receiving { machine, rules, writer } => {
                while let Some(effect) = machine.poll() {
                    match effect {
                        receiving::Effect::Frame(frame) => {
                            if let Err(error) = lanes.send(frame) {
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
                        receiving::Effect::Lane { lane, up: true } => lanes.open(lane, now_ms),
                        receiving::Effect::Lane { lane, up: false } => let_go(machine, lanes, lane),
                        receiving::Effect::Done(result) => return wishes.push(Wish::Done(result)),
                    }
                }
            }
        }
    }

    /// Does one thing that is at hand without the other side: another entry, another block. Returns whether there was one.
    pub fn feed(&mut self, lanes: &mut Lanes, places: &Places, now_ms: u64, dice: &mut Dice) -> bool {
        let Party::Sending { machine, walker, reader, packers, wide, .. } = self else { return false };
        wide.whim(machine, lanes, now_ms, dice);
        let reads = machine.wants_data() && lanes.has_room() && reader.has_more();
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

    /// A frame came on this lane.
    pub fn frame(&mut self, lane: u8, frame: BytesMut, now_ms: u64) {
        match (self, lane) {
            (Party::Sending { machine, .. }, 0) => machine.frame(&frame),
            (Party::Sending { machine, .. }, _) => machine.frame_beside(),
            (Party::Receiving { machine, .. }, 0) => machine.frame(frame, now_ms),
            (Party::Receiving { machine, .. }, _) => machine.frame_beside(frame, now_ms),
        }
    }

    /// Something happened to a lane beside the first.
    pub fn lane(&mut self, news: News, lanes: &mut Lanes, now_ms: u64) {
        match (self, news) {
            (party, News::Failed(error)) => party.fail(error),
            (Party::Sending { wide, .. }, News::Up(lane)) => wide.came(lane, now_ms),
            (Party::Sending { machine, wide, .. }, News::Lost { lane, is_refused }) => {
                wide.lost(machine, lane, is_refused, now_ms);
            }
            (Party::Receiving { .. }, News::Up(_)) => {}
            (Party::Receiving { machine, .. }, News::Lost { lane, .. }) => let_go(machine, lanes, lane),
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
    pub fn tick(&mut self, lanes: &mut Lanes, now_ms: u64, dice: &mut Dice) {
        match self {
            Party::Sending { machine, wide, .. } => {
                machine.tick(now_ms);
                wide.tick(machine, lanes, now_ms, dice);
            }
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

/// Nothing more is taken from this lane.
fn let_go(machine: &mut Receiver, lanes: &mut Lanes, lane: u8) {
    match lanes.let_go(lane) {
        Ok(frames) => machine.lane_taken(lane, frames),
        Err(error) => machine.fail(error),
    }
}
