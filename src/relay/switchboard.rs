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
//!      ▲                │ Left, silent, yielded,           │ one ends in any way, or says nothing: both leave
//!      │                │ waited too long                  │ both say nothing for long: both leave
//!      └────────────────┴──────────────────────────────────┘
//! ```
//!
//! Where tokens are in force, whoever shows none is a guest: fewer of them wait, for less time, and two of them never meet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::limits::{DEAD_MS, FIRST_WORD_MS, HELD_YIELD_MS, Limits, PING_MS, YIELD_MS, in_ms};
use super::refusal::Refusal;
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
        /// What the newcomer has shown.
        standing: Standing,
        /// Only if nobody is in the room yet: the maker of a code wants a number of its own.
        fresh: bool,
    },
    /// The seat's client said something, be it a pong.
    Heard(SeatId),
    /// The seat's client said something that is for its partner, maybe while it was still waiting. The first time is told at once,
    /// and then once in a while is enough. It was heard by that, too.
    Spoke(SeatId),
    /// The relay has stopped reading from the seat since its partner takes nothing, or reads again. A seat that is not
    /// being read cannot be heard, so its silence says nothing.
    Held(SeatId, bool),
    /// The seat's client ends, or is to: the seat is free, and its connection is there for a while, to be told what is left and goodbye.
    Leaves(SeatId),
    /// The seat's connection is gone.
    Left(SeatId),
    /// Time has passed.
    Tick,
    /// The relay is about to end: whoever waits is sent away, and nobody comes any more. Pairs stay.
    Drain,
    /// The relay ends.
    Shutdown,
}

/// What somebody is to a relay that may have tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There are no tokens here: everybody is welcome.
    Open,
    /// It has shown a token.
    Member,
    /// It has shown none, where there are some.
    Guest,
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
    /// End the connection. The seat is already free; what its connection takes counts until it has [left](Input::Left).
    Close(SeatId, Reason),
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
    /// It has waited alone for as long as it may.
    WaitedTooLong,
    /// It was paired, and neither of the two has said anything to the other for a long time.
    Idle,
    /// It was paired, and the two have said as much as they may.
    Spent,
    /// The relay ends.
    GoingAway,
}

/// The machine. See the module's page.
#[derive(Debug)]
pub struct Switchboard {
    bounds: Bounds,
    rooms: BTreeMap<RoomName, Room>,
    seats: BTreeMap<SeatId, Seat>,
    /// Whose seat is free and whose connection is still there, and whether it was one of a pair.
    leaving: BTreeMap<SeatId, bool>,
    /// How many of those were one of a pair.
    leaving_pairs: usize,
    /// Rooms in which two are joined.
    sessions: usize,
    /// Rooms in which a guest waits.
    guests: usize,
    /// When to look at each seat next. Exactly one entry a seat, equal to its `due_ms`.
    due: BTreeSet<(u64, SeatId)>,
    effects: VecDeque<Effect>,
    going_away: bool,
}

/// What the switchboard keeps of the relay's limits.
#[derive(Debug)]
struct Bounds {
    rooms: usize,
    waiting: usize,
    sessions: usize,
    guests: usize,
    wait_ms: u64,
    guest_wait_ms: u64,
    idle_ms: u64,
}

#[derive(Debug, Default)]
struct Room {
    sender: Option<SeatId>,
    receiver: Option<SeatId>,
    /// When one of the two said something to the other last, or when they met.
    said_ms: u64,
}

#[derive(Debug)]
struct Seat {
    room: RoomName,
    role: Role,
    standing: Standing,
    /// As long as it may be alone.
    until_ms: u64,
    heard_ms: u64,
    held: bool,
    /// It has, or had, a partner.
    met: bool,
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
    /// An empty one.
    #[must_use]
    pub fn new(limits: &Limits) -> Switchboard {
        let bounds = Bounds {
            rooms: limits.rooms,
            waiting: limits.waiting,
            sessions: limits.sessions,
            guests: limits.guest_waiting,
            wait_ms: in_ms(limits.wait),
            guest_wait_ms: in_ms(limits.guest_wait.min(limits.wait)),
            idle_ms: in_ms(limits.idle),
        };
        Switchboard {
            bounds,
            rooms: BTreeMap::new(),
            seats: BTreeMap::new(),
            leaving: BTreeMap::new(),
            leaving_pairs: 0,
            sessions: 0,
            guests: 0,
            due: BTreeSet::new(),
            effects: VecDeque::new(),
            going_away: false,
        }
    }

    /// Takes in what happened. Seats that are not (or no longer) known are ignored: their news crossed a [`Effect::Close`].
    pub fn handle(&mut self, input: Input, now_ms: u64) {
        match input {
            Input::Join { seat, room, role, standing, fresh } => {
                self.join(seat, room, (role, standing), fresh, now_ms);
            }
            Input::Heard(seat) => self.touch(seat, now_ms),
            Input::Spoke(seat) => self.spoke(seat, now_ms),
            Input::Held(seat, held) => self.hold(seat, held, now_ms),
            Input::Leaves(seat) => self.leave(seat, None),
            Input::Left(seat) => {
                self.leave(seat, None);
                self.forget(seat);
            }
            Input::Tick => self.tick(now_ms),
            Input::Drain => self.drain(),
            Input::Shutdown => self.shut_down(),
        }
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When the next [`Input::Tick`] is due, if anybody is here. Any input may bring it forward.
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
        self.rooms.len() - self.sessions
    }

    /// In how many of those it is a guest.
    #[must_use]
    pub fn guests(&self) -> usize {
        self.guests
    }

    /// In how many rooms two are joined.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    /// Whether somebody is in this room.
    #[must_use]
    pub fn has(&self, room: &RoomName) -> bool {
        self.rooms.contains_key(room)
    }

    fn join(&mut self, id: SeatId, name: RoomName, who: (Role, Standing), fresh: bool, now_ms: u64) {
        if self.seats.contains_key(&id) {
            return;
        }
        if let Err(refusal) = self.admit(&name, who, fresh, now_ms) {
            self.effects.push_back(Effect::Refused(id, refusal));
            return;
        }
        let (role, standing) = who;
        let may_wait_ms = match standing {
            Standing::Open | Standing::Member => self.bounds.wait_ms,
            Standing::Guest => self.bounds.guest_wait_ms,
        };
        let seat = Seat {
            room: name.clone(),
            role,
            standing,
            until_ms: now_ms.saturating_add(may_wait_ms),
            heard_ms: now_ms,
            held: false,
            met: false,
            first_word: FirstWord::NotAskedFor,
            ping_ms: now_ms.saturating_add(PING_MS),
            due_ms: 0,
        };
        self.seats.insert(id, seat);
        self.occupy(name, role, Some(id));
        match self.partner(id) {
            Some(waiting) => {
                self.effects.push_back(Effect::Paired { waiting, newcomer: id });
                self.said(id, now_ms);
                for seat in [waiting, id] {
                    self.meet(seat, now_ms);
                    self.plan(seat);
                }
            }
            None => {
                self.effects.push_back(Effect::Seated(id));
                self.plan(id);
            }
        }
    }

    /// It has a partner, and somebody to say its first word to.
    fn meet(&mut self, id: SeatId, now_ms: u64) {
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.met = true;
            if seat.first_word == FirstWord::NotAskedFor {
                seat.first_word = FirstWord::Due(now_ms.saturating_add(FIRST_WORD_MS));
            }
        }
    }

    fn spoke(&mut self, id: SeatId, now_ms: u64) {
        self.touch(id, now_ms);
        self.said(id, now_ms);
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.first_word = FirstWord::Said;
        }
    }

    /// Something moves in the seat's room.
    fn said(&mut self, id: SeatId, now_ms: u64) {
        if let Some(seat) = self.seats.get(&id)
            && let Some(room) = self.rooms.get_mut(&seat.room)
        {
            room.said_ms = room.said_ms.max(now_ms);
        }
    }

    /// Whether there is a seat; one whose owner has fallen silent is cleared for the newcomer.
    fn admit(
        &mut self,
        name: &RoomName,
        (role, standing): (Role, Standing),
        fresh: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        if self.going_away {
            return Err(Refusal::GoingAway);
        }
        let Some(room) = self.rooms.get(name) else {
            if self.rooms.len() >= self.bounds.rooms {
                return Err(Refusal::TooManyRooms);
            }
            return self.may_wait(standing, None);
        };
        if fresh {
            return Err(Refusal::RoomOccupied);
        }
        let Some(owner) = room.seat(role) else {
            return self.may_meet(standing, room.seat(role.other()));
        };
        // Of one that is not read nothing can be heard: whether it is worth waiting for, the partner tells that holds it back.
        let holder = self.partner(owner).filter(|_| self.is_excused(owner));
        let (judged, yield_ms) = holder.map_or((owner, YIELD_MS), |holder| (holder, HELD_YIELD_MS));
        if self.silent_ms(judged, now_ms) < yield_ms {
            return Err(Refusal::Taken);
        }
        self.may_wait(standing, Some(owner))?;
        self.leave(owner, Some(Reason::Yielded));
        Ok(())
    }

    /// Whether one more may wait, in the place of `owner` if somebody is to leave for it. Those who have waited and are still told goodbye
    /// have a place; the owner's is given on all the same, as the newcomer most likely is the owner.
    fn may_wait(&self, standing: Standing, owner: Option<SeatId>) -> Result<(), Refusal> {
        let alone = owner.filter(|owner| self.partner(*owner).is_none());
        let freed = usize::from(alone.is_some());
        let leaving = self.leaving.len() - self.leaving_pairs;
        if self.waiting() + leaving - freed >= self.bounds.waiting {
            return Err(Refusal::TooManyWaiting);
        }
        let freed = usize::from(alone.is_some_and(|alone| self.is_guest(alone)));
        if standing == Standing::Guest && self.guests - freed >= self.bounds.guests {
            return Err(Refusal::TooManyGuests);
        }
        Ok(())
    }

    /// Whether one more pair may be, and be this one. A pair that has ended has its place until both are gone.
    fn may_meet(&self, standing: Standing, waiting: Option<SeatId>) -> Result<(), Refusal> {
        if standing == Standing::Guest && waiting.is_some_and(|waiting| self.is_guest(waiting)) {
            return Err(Refusal::NoToken);
        }
        if self.sessions + self.leaving_pairs.div_ceil(2) >= self.bounds.sessions {
            return Err(Refusal::TooManySessions);
        }
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
        if let Some(reason) = reason {
            self.close(id, reason);
        } else {
            self.remove(id);
        }
        if let Some(partner) = partner {
            // What neither has done is the fault of none.
            self.close(
                partner,
                if reason == Some(Reason::Idle) { Reason::Idle } else { Reason::PartnerLeft },
            );
        }
    }

    fn tick(&mut self, now_ms: u64) {
        while let Some(&(due_ms, id)) = self.due.first()
            && due_ms <= now_ms
        {
            if self.is_excused(id) || defects::has(Defect::SeatNeverGivenUp) {
                self.touch(id, now_ms);
            }
            if let Some(reason) = self.overdue(id, now_ms) {
                self.leave(id, Some(reason));
                continue;
            }
            if let Some(seat) = self.seats.get_mut(&id)
                && seat.ping_ms <= now_ms
            {
                self.effects.push_back(Effect::Ping(id));
                seat.ping_ms = now_ms.saturating_add(PING_MS);
            }
            self.due.pop_first();
            self.plan(id);
        }
    }

    /// Why the seat's time is over, if it is.
    fn overdue(&self, id: SeatId, now_ms: u64) -> Option<Reason> {
        let is_over = |due_ms: Option<u64>| due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        if self.silent_ms(id, now_ms) >= DEAD_MS {
            return Some(Reason::Silent);
        }
        if is_over(self.first_word_due(id)) {
            return Some(Reason::Wordless);
        }
        if is_over(self.waits_until(id)) {
            return Some(Reason::WaitedTooLong);
        }
        is_over(self.idle_from(id)).then_some(Reason::Idle)
    }

    /// Writes down when the seat is to be looked at next: at its earliest deadline, as things are now. Whatever happens later, but for a
    /// newcomer, only moves that back.
    fn plan(&mut self, id: SeatId) {
        let later = [self.first_word_due(id), self.waits_until(id), self.idle_from(id)];
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        self.due.remove(&(seat.due_ms, id));
        let alive_ms = seat.ping_ms.min(seat.heard_ms.saturating_add(DEAD_MS));
        seat.due_ms = later.into_iter().flatten().fold(alive_ms, u64::min);
        self.due.insert((seat.due_ms, id));
    }

    fn drain(&mut self) {
        self.going_away = true;
        let alone: Vec<SeatId> =
            self.seats.keys().copied().filter(|id| self.partner(*id).is_none()).collect();
        for id in alone {
            self.close(id, Reason::GoingAway);
        }
    }

    fn shut_down(&mut self) {
        self.going_away = true;
        let everybody: Vec<SeatId> = self.seats.keys().copied().collect();
        for id in everybody {
            self.close(id, Reason::GoingAway);
        }
    }

    fn close(&mut self, id: SeatId, reason: Reason) {
        if self.remove(id) {
            self.effects.push_back(Effect::Close(id, reason));
        }
    }

    fn remove(&mut self, id: SeatId) -> bool {
        let Some(seat) = self.seats.get(&id) else {
            return false;
        };
        self.due.remove(&(seat.due_ms, id));
        let (room, role) = (seat.room.clone(), seat.role);
        let met = seat.met;
        self.occupy(room, role, None);
        self.seats.remove(&id);
        self.leaving.insert(id, met);
        self.leaving_pairs += usize::from(met);
        true
    }

    /// Its connection takes nothing any more.
    fn forget(&mut self, id: SeatId) {
        if let Some(met) = self.leaving.remove(&id) {
            self.leaving_pairs -= usize::from(met);
        }
    }

    /// Puts somebody on a seat of a room, or nobody, and counts again what the room is. The seat itself must be known.
    fn occupy(&mut self, name: RoomName, role: Role, id: Option<SeatId>) {
        let room = self.rooms.entry(name.clone()).or_default();
        let before = [room.sender, room.receiver];
        *room.seat_mut(role) = id;
        let after = [room.sender, room.receiver];
        if after == [None, None] {
            self.rooms.remove(&name);
        }
        let is_pair = |seats: [Option<SeatId>; 2]| usize::from(seats.iter().all(Option::is_some));
        let guests = |seats: [Option<SeatId>; 2]| match seats {
            [Some(alone), None] | [None, Some(alone)] => usize::from(self.is_guest(alone)),
            _ => 0,
        };
        self.guests = self.guests + guests(after) - guests(before);
        self.sessions = self.sessions + is_pair(after) - is_pair(before);
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

    fn is_guest(&self, id: SeatId) -> bool {
        self.seats.get(&id).is_some_and(|seat| seat.standing == Standing::Guest)
    }

    /// Until when it may wait, if it is alone.
    fn waits_until(&self, id: SeatId) -> Option<u64> {
        let seat = self.seats.get(&id)?;
        self.partner(id).is_none().then_some(seat.until_ms)
    }

    /// From when on it is idle, if it is paired and nothing more is said.
    fn idle_from(&self, id: SeatId) -> Option<u64> {
        self.partner(id)?;
        let room = self.rooms.get(&self.seats.get(&id)?.room)?;
        Some(room.said_ms.saturating_add(self.bounds.idle_ms))
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
