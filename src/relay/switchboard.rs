//! Who sits where: the pure machine that pairs two sides of a room and judges who is still alive.
//!
//! It knows no socket, no clock and no randomness. Inputs go in with the time, effects come out of
//! [`Switchboard::poll_effect`]; [`Switchboard::next_deadline`] says when to come back with a [`Input::Tick`] at the latest.
//! Bytes never pass here: once two seats are paired, their connections are joined, and only their first word and their
//! silence are told.
//!
//! ```text
//!            Join                 Join (other role)
//!   (free) ───────▶ one waits ───────────────────────▶ paired
//!      ▲                │ Left, silent, yielded            │ one ends in any way, or says nothing: both leave
//!      └────────────────┴──────────────────────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::limits::{DEAD_MS, FIRST_WORD_MS, HELD_YIELD_MS, PING_MS, YIELD_MS};
use super::room::RoomName;
use crate::defects::{self, Defect};
use crate::proto::role::Role;

/// One connection that asked for a seat. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeatId(pub u64);

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// Somebody asks for a seat. The answer is one of [`Effect::Seated`], [`Effect::Paired`] and [`Effect::Refused`].
    Join {
        /// The newcomer.
        seat: SeatId,
        /// Where.
        room: RoomName,
        /// As what.
        role: Role,
        /// Only if nobody is in the room yet: the maker of a code wants a number of its own.
        fresh: bool,
    },
    /// The seat's client said something, be it a pong.
    Heard(SeatId),
    /// The seat's client has begun its first message, maybe while it was still waiting.
    Spoke(SeatId),
    /// The relay has stopped reading from the seat since its partner takes nothing, or reads again. A seat that is not
    /// being read cannot be heard, so its silence says nothing.
    Held(SeatId, bool),
    /// The seat's connection has ended.
    Left(SeatId),
    /// Time has passed.
    Tick,
    /// The relay is about to end: whoever waits is sent away, and nobody comes any more. Pairs stay.
    Drain,
    /// The relay ends.
    Shutdown,
}

/// What to do outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The newcomer is the first in its room: it waits.
    Seated(SeatId),
    /// The newcomer's partner was waiting: join the two connections.
    Paired {
        /// Who was there.
        waiting: SeatId,
        /// Who came.
        newcomer: SeatId,
    },
    /// The newcomer gets no seat.
    Refused(SeatId, Refusal),
    /// Ask the client whether it is there.
    Ping(SeatId),
    /// End the connection. The seat is already free.
    Close(SeatId, Reason),
}

/// Why somebody gets no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody alive has this seat.
    Taken,
    /// A fresh room was asked for, and somebody is in it.
    RoomOccupied,
    /// There are as many rooms as there may be.
    Full,
    /// The relay is about to end.
    GoingAway,
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its partner is gone.
    PartnerLeft,
    /// It was silent, and a newcomer asked for its seat.
    Yielded,
    /// It was silent for too long.
    Silent,
    /// It was paired, and answered pings at most.
    Wordless,
    /// The relay ends.
    GoingAway,
}

/// The machine. See the module's page.
#[derive(Debug)]
pub struct Switchboard {
    rooms_max: usize,
    rooms: BTreeMap<RoomName, Room>,
    seats: BTreeMap<SeatId, Seat>,
    /// When to look at each seat next. Exactly one entry a seat, equal to its `due_ms`.
    due: BTreeSet<(u64, SeatId)>,
    effects: VecDeque<Effect>,
    going_away: bool,
}

#[derive(Debug, Default)]
struct Room {
    sender: Option<SeatId>,
    receiver: Option<SeatId>,
}

#[derive(Debug)]
struct Seat {
    room: RoomName,
    role: Role,
    heard_ms: u64,
    held: bool,
    first_word: FirstWord,
    ping_ms: u64,
    due_ms: u64,
}

/// The beginning of what a seat's client has for its partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstWord {
    /// There is nobody to say it to yet.
    NotAskedFor,
    /// It must come before this time.
    Due(u64),
    /// It came.
    Said,
}

impl Switchboard {
    /// An empty one for at most `rooms_max` rooms.
    #[must_use]
    pub fn new(rooms_max: usize) -> Switchboard {
        Switchboard {
            rooms_max,
            rooms: BTreeMap::new(),
            seats: BTreeMap::new(),
            due: BTreeSet::new(),
            effects: VecDeque::new(),
            going_away: false,
        }
    }

    /// Takes in what happened. Seats that are not (or no longer) known are ignored: their news crossed a [`Effect::Close`].
    pub fn handle(&mut self, input: Input, now_ms: u64) {
        match input {
            Input::Join { seat, room, role, fresh } => self.join(seat, room, role, fresh, now_ms),
            Input::Heard(seat) => self.touch(seat, now_ms),
            Input::Spoke(seat) => self.spoke(seat),
            Input::Held(seat, held) => self.hold(seat, held, now_ms),
            Input::Left(seat) => self.leave(seat, None),
            Input::Tick => self.tick(now_ms),
            Input::Drain => self.drain(),
            Input::Shutdown => self.shut_down(),
        }
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When the next [`Input::Tick`] is due, if anybody is here. No seat is due earlier than one ping interval after it
    /// was taken, so a driver that looks at least that often misses nothing.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// How many rooms have somebody in them.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// In how many rooms somebody waits.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.rooms.len() - self.sessions()
    }

    /// In how many rooms two are joined.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.seats.len() - self.rooms.len()
    }

    fn join(&mut self, id: SeatId, name: RoomName, role: Role, fresh: bool, now_ms: u64) {
        if self.seats.contains_key(&id) {
            return;
        }
        if let Err(refusal) = self.admit(&name, role, fresh, now_ms) {
            self.effects.push_back(Effect::Refused(id, refusal));
            return;
        }
        let room = self.rooms.entry(name.clone()).or_default();
        *room.seat_mut(role) = Some(id);
        self.effects.push_back(match room.seat(role.other()) {
            Some(waiting) => Effect::Paired { waiting, newcomer: id },
            None => Effect::Seated(id),
        });
        let ping_ms = now_ms.saturating_add(PING_MS);
        self.due.insert((ping_ms, id));
        let seat = Seat {
            room: name,
            role,
            heard_ms: now_ms,
            held: false,
            first_word: FirstWord::NotAskedFor,
            ping_ms,
            due_ms: ping_ms,
        };
        self.seats.insert(id, seat);
        if let Some(waiting) = self.partner(id) {
            self.expect_first_word(waiting, now_ms);
            self.expect_first_word(id, now_ms);
        }
    }

    fn expect_first_word(&mut self, id: SeatId, now_ms: u64) {
        if let Some(seat) = self.seats.get_mut(&id)
            && seat.first_word == FirstWord::NotAskedFor
        {
            seat.first_word = FirstWord::Due(now_ms.saturating_add(FIRST_WORD_MS));
        }
    }

    fn spoke(&mut self, id: SeatId) {
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.first_word = FirstWord::Said;
        }
    }

    /// Whether there is a seat; one whose owner has fallen silent is cleared for the newcomer.
    fn admit(&mut self, name: &RoomName, role: Role, fresh: bool, now_ms: u64) -> Result<(), Refusal> {
        if self.going_away {
            return Err(Refusal::GoingAway);
        }
        let Some(room) = self.rooms.get(name) else {
            return if self.rooms.len() < self.rooms_max { Ok(()) } else { Err(Refusal::Full) };
        };
        if fresh {
            return Err(Refusal::RoomOccupied);
        }
        let Some(owner) = room.seat(role) else {
            return Ok(());
        };
        // Of one that is not read nothing can be heard: whether it is worth waiting for, the partner tells that holds it back.
        let holder = self.partner(owner).filter(|_| self.is_excused(owner));
        let (judged, yield_ms) = holder.map_or((owner, YIELD_MS), |holder| (holder, HELD_YIELD_MS));
        if self.silent_ms(judged, now_ms) < yield_ms {
            return Err(Refusal::Taken);
        }
        self.leave(owner, Some(Reason::Yielded));
        Ok(())
    }

    fn touch(&mut self, id: SeatId, now_ms: u64) {
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.heard_ms = seat.heard_ms.max(now_ms);
        }
    }

    fn hold(&mut self, id: SeatId, held: bool, now_ms: u64) {
        // Whoever was excused until now starts its silence now, whatever the change means for it.
        for seat in [Some(id), self.partner(id)].into_iter().flatten() {
            if self.is_excused(seat) {
                self.touch(seat, now_ms);
            }
        }
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.held = held;
        }
    }

    /// Frees the seat, and its partner's with it. `reason` is what to tell its client, if it is still there.
    fn leave(&mut self, id: SeatId, reason: Option<Reason>) {
        let partner = self.partner(id);
        if self.remove(id)
            && let Some(reason) = reason
        {
            self.effects.push_back(Effect::Close(id, reason));
        }
        if let Some(partner) = partner
            && self.remove(partner)
        {
            self.effects.push_back(Effect::Close(partner, Reason::PartnerLeft));
        }
    }

    fn tick(&mut self, now_ms: u64) {
        while let Some(&(due_ms, id)) = self.due.first()
            && due_ms <= now_ms
        {
            if self.is_excused(id) || defects::has(Defect::SeatNeverGivenUp) {
                self.touch(id, now_ms);
            }
            if self.silent_ms(id, now_ms) >= DEAD_MS {
                self.leave(id, Some(Reason::Silent));
                continue;
            }
            if self.first_word_due(id).is_some_and(|due_ms| due_ms <= now_ms) {
                self.leave(id, Some(Reason::Wordless));
                continue;
            }
            let first_word_ms = self.first_word_due(id).unwrap_or(u64::MAX);
            self.due.pop_first();
            let Some(seat) = self.seats.get_mut(&id) else {
                continue;
            };
            if seat.ping_ms <= now_ms {
                self.effects.push_back(Effect::Ping(id));
                seat.ping_ms = now_ms.saturating_add(PING_MS);
            }
            seat.due_ms = seat.ping_ms.min(seat.heard_ms.saturating_add(DEAD_MS)).min(first_word_ms);
            self.due.insert((seat.due_ms, id));
        }
    }

    fn drain(&mut self) {
        self.going_away = true;
        let alone: Vec<SeatId> =
            self.seats.keys().copied().filter(|id| self.partner(*id).is_none()).collect();
        for id in alone {
            self.leave(id, Some(Reason::GoingAway));
        }
    }

    fn shut_down(&mut self) {
        self.going_away = true;
        let everybody: Vec<SeatId> = self.seats.keys().copied().collect();
        for id in everybody {
            self.remove(id);
            self.effects.push_back(Effect::Close(id, Reason::GoingAway));
        }
    }

    fn remove(&mut self, id: SeatId) -> bool {
        let Some(seat) = self.seats.remove(&id) else {
            return false;
        };
        self.due.remove(&(seat.due_ms, id));
        if let Some(room) = self.rooms.get_mut(&seat.room) {
            *room.seat_mut(seat.role) = None;
            if room.sender.is_none() && room.receiver.is_none() {
                self.rooms.remove(&seat.room);
            }
        }
        true
    }

    fn partner(&self, id: SeatId) -> Option<SeatId> {
        let seat = self.seats.get(&id)?;
        self.rooms.get(&seat.room)?.seat(seat.role.other())
    }

    /// Held back by a partner that is itself being read, so whose own silence is judged. Where both are held, each is
    /// judged: two that both stopped reading must not sit here for ever. So is one that is alone.
    fn is_excused(&self, id: SeatId) -> bool {
        let held = |id: SeatId| self.seats.get(&id).is_some_and(|seat| seat.held);
        held(id) && self.partner(id).is_some_and(|partner| !held(partner))
    }

    fn first_word_due(&self, id: SeatId) -> Option<u64> {
        match self.seats.get(&id)?.first_word {
            FirstWord::Due(due_ms) => Some(due_ms),
            FirstWord::NotAskedFor | FirstWord::Said => None,
        }
    }

    fn silent_ms(&self, id: SeatId, now_ms: u64) -> u64 {
        match self.seats.get(&id) {
            Some(seat) if !self.is_excused(id) => now_ms.saturating_sub(seat.heard_ms),
            _ => 0,
        }
    }
}

impl Room {
    fn seat(&self, role: Role) -> Option<SeatId> {
        match role {
            Role::Send => self.sender,
            Role::Receive => self.receiver,
        }
    }

    fn seat_mut(&mut self, role: Role) -> &mut Option<SeatId> {
        match role {
            Role::Send => &mut self.sender,
            Role::Receive => &mut self.receiver,
        }
    }
}

#[cfg(test)]
mod tests;
