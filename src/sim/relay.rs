//! The relay: the shipping switchboard and framing, with a driver that does in a few lines what the connections' tasks do.

use super::net::{Conn, ConnId, Net, Refused, Way};
use super::world::Happening;
use crate::relay::forward::decoder::{Control, Decoder};
use crate::relay::forward::header::{CODE_GOING_AWAY, CODE_NORMAL, CODE_POLICY, Violation};
use crate::relay::forward::outbox::{Outbox, Parting};
use crate::relay::forward::store::{Size, Store};
use crate::relay::limits::{FAREWELL_MS, Limits};
use crate::relay::refusal::Refusal;
use crate::relay::switchboard::{Effect, Input, Reason, SeatId, Standing, Switchboard};

/// One life of the relay.
#[derive(Debug)]
pub struct Relay {
    switchboard: Switchboard,
    ticks_at_ms: u64,
}

/// The relay's half of a connection.
#[derive(Debug, Default)]
pub struct Seat {
    decoder: Decoder,
    store: Store,
    outbox: Outbox,
    ended: Option<Ending>,
    dismissed: Option<Reason>,
    held: bool,
    partner: Option<ConnId>,
    // Once it is being seen off: what it has yet to be told, and until when.
    leaving: Option<(Store, u64)>,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Gone,
    Closed(Option<u16>),
    Broke(Violation),
}

impl Relay {
    /// A relay with nobody in it.
    pub fn new() -> Relay {
        Relay { switchboard: Switchboard::new(&Limits::default()), ticks_at_ms: u64::MAX }
    }
}

impl Net {
    /// Somebody's request has reached the relay.
    pub fn knocked(&mut self, id: ConnId) {
        let latency_ms = self.conns.get(&id).map_or(0, |conn| conn.up.latency_ms());
        let Some(conn) = self.conns.get(&id) else { return };
        let (room, role) = (conn.room.clone(), conn.role);
        let answer = if self.relay.is_none() {
            Err(Refused::Unreachable)
        } else if self.refused_lanes >> conn.lane & 1 != 0 {
            Err(Refused::Full)
        } else {
            self.tell_switchboard(Input::Join {
                seat: SeatId(id.0),
                room,
                role,
                standing: Standing::Open,
                fresh: false,
            })
        };
        if answer.is_ok()
            && let Some(conn) = self.conns.get_mut(&id)
            && conn.seat.is_none()
        {
            conn.seat = Some(Seat::default());
        }
        self.clock.after(latency_ms, Happening::Answer(id, answer));
    }

    /// Time has passed for the relay.
    pub fn relay_ticks(&mut self) {
        let now_ms = self.now_ms();
        let Some(relay) = &mut self.relay else { return };
        if relay.ticks_at_ms <= now_ms {
            relay.ticks_at_ms = u64::MAX;
            let _ = self.tell_switchboard(Input::Tick);
        }
    }

    /// The relay dies: every connection breaks, or just falls silent where its machine is gone.
    pub fn relay_dies(&mut self, is_silent: bool) {
        self.relay = None;
        let ids: Vec<ConnId> = self.conns.keys().copied().collect();
        for id in ids {
            if is_silent {
                self.mute(id, true, true);
            } else {
                self.cut(id);
            }
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.seat = None;
            }
        }
    }

    /// The relay is told to end: it says goodbye to everybody, and takes nobody any more.
    pub fn relay_shuts_down(&mut self) {
        let _ = self.tell_switchboard(Input::Shutdown);
        let ids: Vec<ConnId> = self.conns.keys().copied().collect();
        for id in ids {
            self.serve(id);
        }
    }

    /// The relay runs again, and remembers nothing.
    pub fn relay_starts(&mut self) {
        self.relay = Some(Relay::new());
    }

    /// Does for a connection, and for its partner, whatever can be done now.
    pub fn serve(&mut self, id: ConnId) {
        let Some(mut conn) = self.conns.remove(&id) else { return };
        let partner = conn.seat.as_ref().and_then(|seat| seat.partner);
        match partner.and_then(|partner| Some((partner, self.conns.remove(&partner)?))) {
            Some((other_id, mut other)) => {
                self.forward((id, &mut *conn), (other_id, &mut *other));
                self.conns.insert(other_id, other);
            }
            None => self.wait_or_leave(id, &mut conn),
        }
        self.conns.insert(id, conn);
        for id in [Some(id), partner].into_iter().flatten() {
            self.after_serving(id);
        }
    }

    /// A connection that is alone: it waits for its partner, or is being seen off.
    fn wait_or_leave(&mut self, id: ConnId, conn: &mut Conn) {
        let Some(seat) = &mut conn.seat else { return };
        if let Some((mut rest, until_ms)) = seat.leaving.take() {
            self.tell(id, conn, &mut rest);
            let now_ms = self.now_ms();
            let Some(seat) = &mut conn.seat else { return };
            if seat.outbox.is_closed()
                && let Some(at_ms) = conn.down.finish(now_ms)
            {
                self.clock.at(at_ms, Happening::Arrive(id, Way::Down));
            }
            let unheard = conn.up.readable().len();
            if conn.up.consume(unheard) {
                self.clock.after(conn.up.latency_ms(), Happening::Room(id, Way::Up));
            }
            let gone = conn.up.ending(now_ms).is_some() && conn.down.is_ended();
            if gone || now_ms >= until_ms {
                conn.seat = None;
                if let Some(at_ms) = conn.down.cut(now_ms, &mut self.dice) {
                    self.clock.at(at_ms, Happening::Arrive(id, Way::Down));
                }
            } else {
                seat.leaving = Some((rest, until_ms));
            }
            return;
        }
        self.tell(id, conn, &mut Store::default());
        while self.hear(id, conn, Size::Waiting) {}
        if conn.seat.as_ref().is_some_and(Seat::is_over) {
            self.see_off(id, conn, Store::default());
        }
    }

    /// Two that are paired: what one says the other is told.
    fn forward(&mut self, (id, one): (ConnId, &mut Conn), (other_id, two): (ConnId, &mut Conn)) {
        loop {
            let there = self.forward_one_way(id, one, other_id, two);
            let back = self.forward_one_way(other_id, two, id, one);
            let is_over = |conn: &Conn| conn.seat.as_ref().is_none_or(Seat::is_over);
            if is_over(one) || is_over(two) {
                break;
            }
            if !there && !back {
                return;
            }
        }
        let store_of = |conn: &mut Conn| conn.seat.as_mut().map(|seat| std::mem::take(&mut seat.store));
        let (from_one, from_two) = (store_of(one), store_of(two));
        self.see_off(id, one, from_two.unwrap_or_default());
        self.see_off(other_id, two, from_one.unwrap_or_default());
    }

    fn forward_one_way(&mut self, id: ConnId, from: &mut Conn, other_id: ConnId, to: &mut Conn) -> bool {
        let Some(seat) = &mut from.seat else { return false };
        let mut store = std::mem::take(&mut seat.store);
        let mut moved = self.tell(other_id, to, &mut store);
        let is_told = store.ready().is_empty();
        if let Some(seat) = &mut from.seat {
            seat.store = store;
        }
        if is_told {
            moved |= self.hear(id, from, Size::Forwarding);
        }
        moved
    }

    /// Reads once, if there is something to read and space for it.
    fn hear(&mut self, id: ConnId, conn: &mut Conn, size: Size) -> bool {
        let now_ms = self.now_ms();
        let Some(seat) = &mut conn.seat else { return false };
        if seat.ended.is_some() {
            return false;
        }
        let Some(space) = seat.store.space(size) else { return false };
        let readable = conn.up.readable();
        if readable.is_empty() {
            if conn.up.ending(now_ms).is_some() {
                seat.ended = Some(Ending::Gone);
                return true;
            }
            return false;
        }
        let read = readable.len().min(space.len());
        space[..read].copy_from_slice(&readable[..read]);
        if conn.up.consume(read) {
            self.clock.after(conn.up.latency_ms(), Happening::Room(id, Way::Up));
        }
        let Seat { store, decoder, outbox, ended, .. } = seat;
        let absorbed = store.absorb(read, decoder, |control| match control {
            Control::Ping(body) => outbox.pong(body),
            Control::Pong => {}
            Control::Close(code) => *ended = Some(Ending::Closed(code)),
        });
        if let Err(violation) = absorbed {
            *ended = Some(Ending::Broke(violation));
        }
        let speaks = !seat.store.ready().is_empty();
        let reads_again = std::mem::take(&mut seat.held);
        if reads_again {
            let _ = self.tell_switchboard(Input::Held(SeatId(id.0), false));
        }
        let seat = SeatId(id.0);
        let _ = self.tell_switchboard(if speaks { Input::Spoke(seat) } else { Input::Heard(seat) });
        true
    }

    /// Writes until there is nothing to say or the client takes no more.
    fn tell(&mut self, id: ConnId, conn: &mut Conn, other: &mut Store) -> bool {
        let mut moved = false;
        while !conn.is_deaf() {
            let Some(mut outbox) = conn.seat.as_mut().map(|seat| std::mem::take(&mut seat.outbox)) else {
                break;
            };
            let mut ours = outbox.unfinished();
            if ours.is_empty() && other.is_between_frames() {
                ours = outbox.next(other.ready().is_empty());
            }
            let is_ours = !ours.is_empty();
            let written = self.write_down(id, conn, if is_ours { ours } else { other.ready() });
            if is_ours {
                outbox.consume(written);
            } else {
                other.consume(written);
            }
            if let Some(seat) = &mut conn.seat {
                seat.outbox = outbox;
            }
            if written == 0 {
                break;
            }
            moved = true;
        }
        if conn.is_deaf() {
            other.consume(usize::MAX);
        }
        moved
    }

    fn see_off(&mut self, id: ConnId, conn: &mut Conn, rest: Store) {
        let until_ms = self.now_ms() + FAREWELL_MS;
        let Some(seat) = &mut conn.seat else { return };
        seat.partner = None;
        let parting = seat.parting();
        seat.outbox.close(parting);
        seat.leaving = Some((rest, until_ms));
        self.clock.at(until_ms, Happening::Serve(id));
        self.clock.after(0, Happening::Serve(id));
        let _ = self.tell_switchboard(Input::Left(SeatId(id.0)));
    }

    fn after_serving(&mut self, id: ConnId) {
        self.forget(id);
    }

    /// Tells the switchboard something and carries out what follows. The answer is a join's.
    fn tell_switchboard(&mut self, input: Input) -> Result<(), Refused> {
        let now_ms = self.now_ms();
        let Some(relay) = &mut self.relay else { return Err(Refused::Unreachable) };
        relay.switchboard.handle(input, now_ms);
        let mut effects = Vec::new();
        while let Some(effect) = relay.switchboard.poll_effect() {
            effects.push(effect);
        }
        if let Some(due_ms) = relay.switchboard.next_deadline()
            && due_ms < relay.ticks_at_ms
        {
            relay.ticks_at_ms = due_ms;
            self.clock.at(due_ms, Happening::RelayTicks);
        }
        let mut answer = Ok(());
        for effect in effects {
            match effect {
                Effect::Seated(_) => {}
                Effect::Paired { waiting, newcomer } => {
                    self.clock.after(0, Happening::Pair(ConnId(waiting.0), ConnId(newcomer.0)));
                }
                Effect::Refused(_, Refusal::Taken | Refusal::RoomOccupied) => answer = Err(Refused::Taken),
                Effect::Refused(..) => answer = Err(Refused::Full),
                // The connection may be in hand right now, so it is told a moment later.
                Effect::Ping(seat) => self.clock.after(0, Happening::Ping(ConnId(seat.0))),
                Effect::Close(seat, reason) => {
                    self.clock.after(0, Happening::Dismiss(ConnId(seat.0), reason));
                }
            }
        }
        answer
    }

    /// Two were paired.
    pub fn pair(&mut self, one: ConnId, two: ConnId) {
        for (id, partner) in [(one, two), (two, one)] {
            if let Some(seat) = self.conns.get_mut(&id).and_then(|conn| conn.seat.as_mut())
                && seat.leaving.is_none()
            {
                seat.partner = Some(partner);
            }
        }
        self.serve(one);
    }

    /// The switchboard asks whether somebody is there.
    pub fn ping(&mut self, id: ConnId) {
        let Some(seat) = self.conns.get_mut(&id).and_then(|conn| conn.seat.as_mut()) else { return };
        seat.outbox.ping();
        if !seat.held && !seat.store.ready().is_empty() {
            seat.held = true;
            let _ = self.tell_switchboard(Input::Held(SeatId(id.0), true));
        }
        self.serve(id);
    }

    /// The switchboard wants a connection to end.
    pub fn dismiss(&mut self, id: ConnId, reason: Reason) {
        if let Some(seat) = self.conns.get_mut(&id).and_then(|conn| conn.seat.as_mut()) {
            seat.dismissed.get_or_insert(reason);
        }
        self.serve(id);
    }
}

impl Seat {
    fn is_over(&self) -> bool {
        self.ended.is_some() || self.dismissed.is_some()
    }

    fn parting(&self) -> Parting {
        let code = match (self.ended, self.dismissed) {
            (Some(Ending::Broke(violation)), _) => violation.code(),
            (Some(Ending::Closed(code)), _) => code.unwrap_or(CODE_NORMAL),
            (None, Some(Reason::GoingAway)) => CODE_GOING_AWAY,
            (Some(Ending::Gone), _) | (None, Some(Reason::PartnerLeft) | None) => CODE_NORMAL,
            (None, Some(_)) => CODE_POLICY,
        };
        Parting { code, reason: "" }
    }
}
