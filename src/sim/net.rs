//! The network: connections of clients to the one relay, and whatever befalls them.
//!
//! A connection is two [`Pipe`]s. The client's end is here: messages go in, messages come out; the relay's end is in [`super::relay`].

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;

use super::clock::Clock;
use super::dice::Dice;
use super::hostile::Hostile;
use super::link::{Manner, Pipe};
use super::relay::{Relay, Seat};
use super::trace::Trace;
use super::world::Happening;
use super::ws::{self, Collector, Said};
use crate::events::EntryEnd;
use crate::proto::liveness::Heard;
use crate::proto::role::Role;
use crate::relay::room::RoomName;

/// One connection. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the relay.
    Up,
    /// From the relay to the client.
    Down,
}

/// Something that a client is told of its connection.
#[derive(Debug)]
pub enum Notice {
    /// The relay has given it a seat.
    Seated,
    /// It has not.
    NotSeated(Refused),
    /// A whole message came.
    Message(BytesMut),
    /// Everything that was said has gone out: there is room for more.
    Clear,
    /// Nothing comes any more.
    Ended(Ended),
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The relay does not answer, or is not there.
    Unreachable,
    /// 409.
    Taken,
    /// 503.
    Full,
}

/// How a connection ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a goodbye of the relay.
    Closed(u16),
    /// It broke, or what came makes no sense.
    Lost,
    /// What came makes no sense.
    Broken,
}

/// A client's connection and the relay's half of it.
#[derive(Debug)]
pub struct Conn {
    /// Whose it is; `None`: a stranger's.
    pub owner: Option<Role>,
    /// Where it wants to sit.
    pub room: RoomName,
    /// As what.
    pub role: Role,
    /// For which lane: the relay cannot know, whoever looks on can.
    pub lane: u8,
    /// To the relay.
    pub up: Pipe,
    /// From the relay.
    pub down: Pipe,
    /// The relay's half, once it has a seat.
    pub seat: Option<Seat>,
    collector: Collector,
    out: Vec<u8>,
    written: usize,
    // Since the last notice that everything went out.
    was_full: bool,
    // The client has let go of it: what is left to say goes out, nothing is heard.
    is_closing: bool,
    is_over: bool,
}

/// Everything between the two sides.
#[derive(Debug)]
pub struct Net {
    /// All connections that have not ended on both sides.
    pub conns: BTreeMap<ConnId, Box<Conn>>,
    /// The relay, while it runs.
    pub relay: Option<Relay>,
    /// What the clients have yet to be told.
    pub notices: VecDeque<(Role, ConnId, Notice)>,
    /// What somebody does to what passes.
    pub hostile: Hostile,
    /// How connections behave, per side.
    pub manners: [Manner; 2],
    /// Lanes that the relay gives no seat to any more, one bit each.
    pub refused_lanes: u16,
    /// Until when each side has no network.
    pub down_until_ms: [u64; 2],
    /// What is due, and when.
    pub clock: Clock<Happening>,
    /// Chance on the network.
    pub dice: Dice,
    /// What happened, for whoever reads it.
    pub trace: Trace,
    /// How many times something has moved: faults are set to such numbers.
    pub moves: u64,
    /// How often a lane beside the first came up, and how often one was lost that was wanted or did not come.
    pub lanes: [u64; 2],
    /// Sessions that have ended since somebody looked; of those that went through, what was not delivered.
    pub done: Vec<(Role, Option<Vec<EntryEnd>>)>,
    next: u64,
    arrivals: Vec<u64>,
}

impl Net {
    /// A network with a relay and nobody on it.
    pub fn new(manners: [Manner; 2], dice: Dice, hostile: Hostile, trace: Trace) -> Net {
        Net {
            conns: BTreeMap::new(),
            relay: Some(Relay::new()),
            notices: VecDeque::new(),
            hostile,
            manners,
            refused_lanes: 0,
            down_until_ms: [0; 2],
            clock: Clock::new(),
            dice,
            trace,
            moves: 0,
            lanes: [0; 2],
            done: Vec::new(),
            next: 0,
            arrivals: Vec::new(),
        }
    }

    /// The time.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// A client asks for a seat. It is told [`Notice::Seated`] or [`Notice::NotSeated`].
    pub fn dial(&mut self, owner: Role, room: &str, lane: u8) -> Option<ConnId> {
        Some(self.dial_room(Some(owner), RoomName::parse(room)?, owner, lane))
    }

    fn dial_room(&mut self, owner: Option<Role>, room: RoomName, role: Role, lane: u8) -> ConnId {
        let id = ConnId(self.next);
        self.next += 1;
        let manner = self.manners[owner.unwrap_or(role) as usize];
        let conn = Conn {
            owner,
            room,
            role,
            lane,
            up: Pipe::new(manner),
            down: Pipe::new(manner),
            seat: None,
            collector: Collector::default(),
            out: Vec::new(),
            written: 0,
            was_full: false,
            is_closing: false,
            is_over: false,
        };
        self.conns.insert(id, Box::new(conn));
        let has_network = owner.is_none_or(|owner| self.down_until_ms[owner as usize] <= self.now_ms());
        let delay_ms = manner.latency_ms * 3;
        if self.relay.is_some() && has_network {
            self.clock.after(delay_ms, Happening::Dial(id));
        } else {
            // A closed port says so at once, a dead network not at all.
            let patience_ms = if has_network { delay_ms } else { self.dice.pick(&[10, 3000, DIAL_MS]) };
            self.clock.after(patience_ms, Happening::Answer(id, Err(Refused::Unreachable)));
        }
        id
    }

    /// The relay's answer has come.
    pub fn answered(&mut self, id: ConnId, answer: Result<(), Refused>) {
        let Some(conn) = self.conns.get(&id) else { return };
        let (owner, is_closing) = (conn.owner, conn.is_closing);
        match (answer, owner) {
            (Ok(()), _) if is_closing => {}
            (Ok(()), None) => {
                let junk = self.hostile.junk(&mut self.dice);
                self.say(id, &junk);
            }
            (Ok(()), Some(owner)) => self.notices.push_back((owner, id, Notice::Seated)),
            (Err(refused), owner) => {
                self.conns.remove(&id);
                if let Some(owner) = owner.filter(|_| !is_closing) {
                    self.notices.push_back((owner, id, Notice::NotSeated(refused)));
                }
            }
        }
    }

    /// Says a message. It goes out as fast as the network takes it.
    pub fn say(&mut self, id: ConnId, message: &[u8]) {
        if let Some(conn) = self.conns.get_mut(&id) {
            ws::frame(&mut conn.out, ws::BINARY, message);
            conn.was_full = true;
        }
        self.write(id);
    }

    /// Whether everything that was said has gone out.
    pub fn is_clear(&self, id: ConnId) -> bool {
        self.conns.get(&id).is_some_and(|conn| conn.out.len() == conn.written)
    }

    /// What has come of messages.
    pub fn heard(&self, id: ConnId) -> Heard {
        self.conns.get(&id).map(|conn| conn.collector.heard()).unwrap_or_default()
    }

    /// The client is done with it: what it said goes out, then a goodbye.
    pub fn close(&mut self, id: ConnId, code: u16) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.is_closing = true;
            ws::frame(&mut conn.out, ws::CLOSE, &code.to_be_bytes());
        }
        self.write(id);
    }

    /// The client drops it, or dies: what has not gone out never will.
    pub fn drop(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(&id) {
            (conn.is_closing, conn.is_over) = (true, true);
        }
        self.cut(id);
    }

    /// The connection breaks at some byte, for both ends.
    pub fn cut(&mut self, id: ConnId) {
        let now_ms = self.now_ms();
        if let Some(conn) = self.conns.get_mut(&id) {
            if let Some(at_ms) = conn.up.cut(now_ms, &mut self.dice) {
                self.clock.at(at_ms, Happening::Arrive(id, Way::Up));
                // Whoever waits for room learns that there is none.
                self.clock.at(at_ms, Happening::Room(id, Way::Down));
            }
            if let Some(at_ms) = conn.down.cut(now_ms, &mut self.dice) {
                self.clock.at(at_ms, Happening::Arrive(id, Way::Down));
            }
        }
    }

    /// From some byte on nothing arrives any more, in one direction or both, and nobody is told.
    pub fn mute(&mut self, id: ConnId, up: bool, down: bool) {
        if let Some(conn) = self.conns.get_mut(&id) {
            if up {
                conn.up.mute(&mut self.dice);
            }
            if down {
                conn.down.mute(&mut self.dice);
            }
        }
    }

    /// Nothing arrives in one direction for a while.
    pub fn stall(&mut self, id: ConnId, way: Way, for_ms: u64) {
        let until_ms = self.now_ms() + for_ms;
        if let Some(conn) = self.conns.get_mut(&id) {
            let pipe = if way == Way::Up { &mut conn.up } else { &mut conn.down };
            for at_ms in pipe.stall(until_ms) {
                if at_ms < u64::MAX {
                    self.clock.at(at_ms, Happening::Arrive(id, way));
                }
            }
        }
    }

    /// The client ends its direction, and still hears.
    pub fn half_close(&mut self, id: ConnId) {
        let now_ms = self.now_ms();
        if let Some(conn) = self.conns.get_mut(&id)
            && let Some(at_ms) = conn.up.finish(now_ms)
        {
            self.clock.at(at_ms, Happening::Arrive(id, Way::Up));
        }
    }

    /// A process is gone, and with it whatever it had open: broken where its system says so, silent where that is gone too.
    pub fn abandon_all(&mut self, owner: Role, is_silent: bool) {
        let is_open = |conn: &Conn| conn.owner == Some(owner) && (is_silent || !conn.is_closing);
        let open = self.conns.iter().filter(|(_, conn)| is_open(conn)).map(|(id, _)| *id);
        for id in open.collect::<Vec<_>>() {
            if is_silent {
                self.mute(id, true, true);
                if let Some(conn) = self.conns.get_mut(&id) {
                    (conn.is_closing, conn.is_over) = (true, true);
                }
            } else {
                self.drop(id);
            }
        }
    }

    /// One of the connections that a side has open.
    pub fn one_of(&self, owner: Role, dice: &mut Dice) -> Option<ConnId> {
        let open = self.open_of(owner, |_| true);
        (!open.is_empty()).then(|| dice.pick(&open))
    }

    /// Some lanes of a side break: the first, or those beside it.
    pub fn cut_lanes(&mut self, owner: Role, is_first: bool) {
        for id in self.open_of(owner, |lane| (lane == 0) == is_first) {
            self.cut(id);
        }
    }

    /// These lanes beside the first are lost for good, one bit each.
    pub fn refuse_lanes(&mut self, lanes: u16) {
        self.refused_lanes |= lanes & !1;
        let refused_lanes = self.refused_lanes;
        for id in self.open_of(Role::Send, |lane| refused_lanes >> lane & 1 != 0) {
            self.cut(id);
        }
    }

    fn open_of(&self, owner: Role, is_meant: impl Fn(u8) -> bool) -> Vec<ConnId> {
        let is_open = |conn: &Conn| conn.owner == Some(owner) && !conn.is_closing && is_meant(conn.lane);
        self.conns.iter().filter(|(_, conn)| is_open(conn)).map(|(id, _)| *id).collect()
    }

    /// A side has no network for a while, and nobody says so.
    pub fn network_down(&mut self, owner: Role, for_ms: u64) {
        self.down_until_ms[owner as usize] = self.now_ms() + for_ms;
        let whose = self.conns.iter().filter(|(_, conn)| conn.owner == Some(owner)).map(|(id, _)| *id);
        for id in whose.collect::<Vec<_>>() {
            self.mute(id, true, true);
        }
    }

    /// A byte of a stream is another.
    pub fn flip(&mut self, id: ConnId, way: Way) {
        if let Some(conn) = self.conns.get_mut(&id) {
            let pipe = if way == Way::Up { &mut conn.up } else { &mut conn.down };
            pipe.flip(&mut self.dice);
        }
    }

    /// Somebody who knows no secret asks for a seat in one of the rooms there are.
    pub fn stranger(&mut self, role: Role, dice: &mut Dice) {
        let rooms: Vec<RoomName> = self.conns.values().map(|conn| conn.room.clone()).collect();
        if !rooms.is_empty() {
            let room = rooms[dice.index(rooms.len())].clone();
            self.dial_room(None, room, role, 0);
        }
    }

    /// Bytes, or the end, have arrived somewhere.
    pub fn arrived(&mut self, id: ConnId, way: Way) {
        let now_ms = self.now_ms();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        self.moves += 1;
        match way {
            Way::Up => {
                conn.up.arrive(now_ms);
                self.serve(id);
            }
            Way::Down => {
                conn.down.arrive(now_ms);
                self.read(id);
            }
        }
    }

    /// A reader has made room.
    pub fn has_room(&mut self, id: ConnId, way: Way) {
        match way {
            Way::Up => self.write(id),
            Way::Down => self.serve(id),
        }
    }

    /// Writes what the client has to say, as far as there is room.
    fn write(&mut self, id: ConnId) {
        let now_ms = self.now_ms();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.written < conn.out.len() {
            let (rest, arrivals) = (&conn.out[conn.written..], &mut self.arrivals);
            conn.written += conn.up.write(rest, now_ms, &mut self.dice, arrivals);
            for at_ms in self.arrivals.drain(..) {
                self.clock.at(at_ms, Happening::Arrive(id, Way::Up));
            }
        }
        if conn.written == conn.out.len() {
            conn.out.clear();
            conn.written = 0;
            if conn.is_closing {
                if let Some(at_ms) = conn.up.finish(now_ms) {
                    self.clock.at(at_ms, Happening::Arrive(id, Way::Up));
                }
            } else if std::mem::take(&mut conn.was_full)
                && let Some(owner) = conn.owner
            {
                self.notices.push_back((owner, id, Notice::Clear));
            }
        }
    }

    /// Reads what came for the client.
    fn read(&mut self, id: ConnId) {
        let now_ms = self.now_ms();
        let mut pongs = 0;
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let mut ended = None;
        while ended.is_none() && !conn.down.readable().is_empty() {
            let (taken, said) = if conn.is_over {
                (conn.down.readable().len(), None)
            } else {
                conn.collector.read(conn.down.readable())
            };
            if conn.down.consume(taken) {
                self.clock.after(conn.down.latency_ms(), Happening::Room(id, Way::Down));
            }
            match said {
                Some(Said::Message(message)) => {
                    let Some(owner) = conn.owner else { continue };
                    for message in self.hostile.pass(owner, message, &mut self.dice, &mut self.trace) {
                        self.notices.push_back((owner, id, Notice::Message(message)));
                    }
                }
                Some(Said::Ping) => pongs += 1,
                Some(Said::Close(code)) => ended = Some(Ended::Closed(code)),
                Some(Said::Nonsense) => ended = Some(Ended::Broken),
                None => {}
            }
        }
        if ended.is_none() && conn.down.ending(now_ms).is_some() {
            ended = Some(Ended::Lost);
        }
        if let Some(ended) = ended
            && !std::mem::replace(&mut conn.is_over, true)
        {
            if !std::mem::replace(&mut conn.is_closing, true)
                && let Some(owner) = conn.owner
            {
                self.notices.push_back((owner, id, Notice::Ended(ended)));
            }
            self.write(id);
        }
        if pongs > 0
            && let Some(conn) = self.conns.get_mut(&id)
            && !conn.is_over
        {
            // Behind what waits already: the pong is for the relay, which reads on.
            ws::frame(&mut conn.out, ws::PONG, &[]);
            self.write(id);
        }
        self.forget(id);
    }

    /// Lets go of a connection that both ends are done with.
    pub fn forget(&mut self, id: ConnId) {
        let now_ms = self.now_ms();
        let is_done = |conn: &Conn| conn.is_over && conn.seat.is_none() && conn.down.ending(now_ms).is_some();
        if self.conns.get(&id).is_some_and(|conn| is_done(conn)) {
            self.conns.remove(&id);
        }
    }

    /// Writes to the client of a connection what the relay has for it.
    pub(super) fn write_down(&mut self, id: ConnId, conn: &mut Conn, bytes: &[u8]) -> usize {
        let now_ms = self.clock.now_ms();
        let written = conn.down.write(bytes, now_ms, &mut self.dice, &mut self.arrivals);
        for at_ms in self.arrivals.drain(..) {
            self.clock.at(at_ms, Happening::Arrive(id, Way::Down));
        }
        written
    }
}

impl Conn {
    /// Whether the relay knows that it cannot tell this client anything any more.
    pub fn is_deaf(&self) -> bool {
        self.down.is_ended() && !self.down.is_mute()
    }
}

/// How long a dial into a dead network takes before it is given up, in milliseconds.
const DIAL_MS: u64 = 20_000;
