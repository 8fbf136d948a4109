//! The switchboard against a model that is too simple to be wrong, and the stories that explain it.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::proto::limits::KEEPALIVE_MS;
use crate::relay::limits::{DEAD_MS, FIRST_WORD_MS, HELD_YIELD_MS, PING_MS, YIELD_MS, in_ms};

fn join(seat: u64, room: &str, role: Role, fresh: bool) -> Input {
    join_as(seat, room, role, Standing::Open, fresh)
}

fn join_as(seat: u64, room: &str, role: Role, standing: Standing, fresh: bool) -> Input {
    Input::Join { seat: SeatId(seat), room: RoomName::parse(room).unwrap(), role, standing, fresh }
}

/// So many rooms, and no other limit that a test would notice.
fn rooms(rooms: usize) -> Limits {
    Limits { rooms, ..Limits::default() }
}

fn effects(switchboard: &mut Switchboard, input: Input, now_ms: u64) -> Vec<Effect> {
    switchboard.handle(input, now_ms);
    std::iter::from_fn(|| switchboard.poll_effect()).collect()
}

/// Two seats, 0 sends and 1 receives, paired at time 0, who have spoken.
fn paired() -> Switchboard {
    let mut switchboard = paired_without_a_word();
    for seat in [0, 1] {
        assert!(effects(&mut switchboard, Input::Spoke(SeatId(seat)), 0).is_empty());
    }
    switchboard
}

fn paired_without_a_word() -> Switchboard {
    let mut switchboard = Switchboard::new(&rooms(1));
    let first = effects(&mut switchboard, join(0, "r", Role::Send, false), 0);
    assert_eq!(first, [Effect::Seated(SeatId(0))]);
    let second = effects(&mut switchboard, join(1, "r", Role::Receive, false), 0);
    assert_eq!(second, [Effect::Paired { waiting: SeatId(0), newcomer: SeatId(1) }]);
    switchboard
}

#[test]
fn a_second_of_the_same_role_is_refused() {
    let mut switchboard = paired();
    let refused = effects(&mut switchboard, join(2, "r", Role::Send, false), YIELD_MS - 1);
    assert_eq!(refused, [Effect::Refused(SeatId(2), Refusal::Taken)]);
}

#[test]
fn a_silent_seat_yields_and_its_partner_goes_with_it() {
    let mut switchboard = paired();
    effects(&mut switchboard, Input::Heard(SeatId(1)), YIELD_MS);
    let answer = effects(&mut switchboard, join(2, "r", Role::Send, false), YIELD_MS);
    let expected = [
        Effect::Close(SeatId(0), Reason::Yielded),
        Effect::Close(SeatId(1), Reason::PartnerLeft),
        Effect::Seated(SeatId(2)),
    ];
    assert_eq!(answer, expected);
}

#[test]
fn a_fresh_room_is_one_with_nobody_in_it() {
    let mut switchboard = Switchboard::new(&rooms(2));
    effects(&mut switchboard, join(0, "r", Role::Receive, true), 0);
    // Not even a silent owner: the number is simply not free.
    let refused = effects(&mut switchboard, join(1, "r", Role::Send, true), DEAD_MS - 1);
    assert_eq!(refused, [Effect::Refused(SeatId(1), Refusal::RoomOccupied)]);
    let paired = effects(&mut switchboard, join(2, "r", Role::Send, false), 1);
    assert_eq!(paired, [Effect::Paired { waiting: SeatId(0), newcomer: SeatId(2) }]);
}

#[test]
fn rooms_are_limited_and_seats_in_them_are_not_counted() {
    let mut switchboard = Switchboard::new(&rooms(1));
    effects(&mut switchboard, join(0, "r", Role::Send, false), 0);
    let refused = effects(&mut switchboard, join(1, "other", Role::Send, false), 0);
    assert_eq!(refused, [Effect::Refused(SeatId(1), Refusal::TooManyRooms)]);
    let welcome = effects(&mut switchboard, join(2, "r", Role::Receive, false), 0);
    assert!(matches!(welcome[..], [Effect::Paired { .. }]));
    effects(&mut switchboard, Input::Left(SeatId(0)), 0);
    let welcome = effects(&mut switchboard, join(3, "other", Role::Send, false), 0);
    assert_eq!(welcome, [Effect::Seated(SeatId(3))]);
}

#[test]
fn everybody_is_pinged_and_the_dead_are_closed() {
    let mut switchboard = paired();
    let both = [Effect::Ping(SeatId(0)), Effect::Ping(SeatId(1))];
    for round in 1..=4 {
        assert_eq!(switchboard.next_deadline(), Some(round * PING_MS));
        assert!(effects(&mut switchboard, Input::Tick, round * PING_MS - 1).is_empty());
        assert_eq!(effects(&mut switchboard, Input::Tick, round * PING_MS), both);
        effects(&mut switchboard, Input::Heard(SeatId(1)), round * PING_MS);
    }
    assert_eq!(switchboard.next_deadline(), Some(DEAD_MS));
    let closed = effects(&mut switchboard, Input::Tick, DEAD_MS);
    let expected = [Effect::Close(SeatId(0), Reason::Silent), Effect::Close(SeatId(1), Reason::PartnerLeft)];
    assert_eq!(closed, expected);
    assert_eq!((switchboard.next_deadline(), switchboard.rooms()), (None, 0));
}

/// Lets both answer every ping until just before `end_ms`; nobody may be closed.
fn both_answer_pings(switchboard: &mut Switchboard, begin_ms: u64, end_ms: u64) {
    for now_ms in (begin_ms..end_ms).step_by(1000).chain([end_ms - 1]) {
        for seat in [0, 1] {
            effects(switchboard, Input::Heard(SeatId(seat)), now_ms);
        }
        let done = effects(switchboard, Input::Tick, now_ms);
        assert!(done.iter().all(|effect| matches!(effect, Effect::Ping(_))), "{done:?} at {now_ms} ms");
    }
}

#[test]
fn a_side_that_says_nothing_once_paired_gives_the_room_back() {
    for (speaker, mute) in [(0, 1), (1, 0)] {
        let mut switchboard = paired_without_a_word();
        effects(&mut switchboard, Input::Spoke(SeatId(speaker)), 1000);
        both_answer_pings(&mut switchboard, 0, FIRST_WORD_MS);
        assert_eq!(switchboard.next_deadline(), Some(FIRST_WORD_MS));
        let closed = effects(&mut switchboard, Input::Tick, FIRST_WORD_MS);
        let expected = [
            Effect::Close(SeatId(mute), Reason::Wordless),
            Effect::Close(SeatId(speaker), Reason::PartnerLeft),
        ];
        assert!(closed.ends_with(&expected), "{closed:?}");
        let welcome = effects(&mut switchboard, join(2, "r", Role::Send, true), FIRST_WORD_MS);
        assert_eq!(welcome, [Effect::Seated(SeatId(2))]);
    }
}

#[test]
fn the_time_for_the_first_word_begins_when_there_is_somebody_to_hear_it() {
    let mut switchboard = Switchboard::new(&rooms(1));
    effects(&mut switchboard, join(0, "r", Role::Send, false), 0);
    // It waits for longer than it has to speak later, within a ping and at odd times.
    let met_ms = 2 * FIRST_WORD_MS + 1234;
    both_answer_pings(&mut switchboard, 0, met_ms);
    effects(&mut switchboard, join(1, "r", Role::Receive, false), met_ms);
    effects(&mut switchboard, Input::Spoke(SeatId(1)), met_ms);
    both_answer_pings(&mut switchboard, met_ms, met_ms + FIRST_WORD_MS);
    let closed = effects(&mut switchboard, Input::Tick, met_ms + FIRST_WORD_MS);
    assert!(closed.contains(&Effect::Close(SeatId(0), Reason::Wordless)), "{closed:?}");
}

#[test]
fn a_word_said_while_waiting_is_a_first_word() {
    let mut switchboard = Switchboard::new(&rooms(1));
    effects(&mut switchboard, join(0, "r", Role::Send, false), 0);
    effects(&mut switchboard, Input::Spoke(SeatId(0)), 0);
    effects(&mut switchboard, join(1, "r", Role::Receive, false), 1000);
    effects(&mut switchboard, Input::Spoke(SeatId(1)), 1000 + FIRST_WORD_MS - 1);
    both_answer_pings(&mut switchboard, 1000, 10 * FIRST_WORD_MS);
}

#[test]
fn silence_of_a_seat_that_is_not_read_says_nothing() {
    let mut switchboard = paired();
    effects(&mut switchboard, Input::Held(SeatId(0), true), PING_MS);
    effects(&mut switchboard, Input::Heard(SeatId(1)), DEAD_MS);
    let alive = effects(&mut switchboard, Input::Tick, DEAD_MS);
    assert!(!alive.iter().any(|effect| matches!(effect, Effect::Close(..))));
    let refused = effects(&mut switchboard, join(2, "r", Role::Send, false), DEAD_MS);
    assert_eq!(refused, [Effect::Refused(SeatId(2), Refusal::Taken)]);
    // Once it is read again, its silence begins.
    effects(&mut switchboard, Input::Held(SeatId(0), false), DEAD_MS);
    let refused = effects(&mut switchboard, join(3, "r", Role::Send, false), DEAD_MS + YIELD_MS - 1);
    assert_eq!(refused, [Effect::Refused(SeatId(3), Refusal::Taken)]);
}

/// One side's network is gone, so the other is not read, and that it was killed cannot be noticed: started again, it must not wait for long.
#[test]
fn a_seat_that_is_not_read_yields_when_its_partner_is_silent() {
    let mut switchboard = paired();
    effects(&mut switchboard, Input::Held(SeatId(0), true), 1000);
    let refused = effects(&mut switchboard, join(2, "r", Role::Send, false), HELD_YIELD_MS - 1);
    assert_eq!(refused, [Effect::Refused(SeatId(2), Refusal::Taken)]);
    let seated = effects(&mut switchboard, join(3, "r", Role::Send, false), HELD_YIELD_MS);
    assert!(seated.contains(&Effect::Close(SeatId(0), Reason::Yielded)), "{seated:?}");
    assert!(seated.contains(&Effect::Seated(SeatId(3))), "{seated:?}");
}

/// A receiver with a slow disk says no more than that it lives, and the pong behind what it has not read yet is late.
#[test]
fn a_slow_pair_does_not_yield_to_a_stranger() {
    let mut switchboard = paired();
    effects(&mut switchboard, Input::Held(SeatId(0), true), 1000);
    for round in 1..=4 {
        let now_ms = round * 2 * KEEPALIVE_MS;
        effects(&mut switchboard, Input::Tick, now_ms);
        let refused = effects(&mut switchboard, join(1 + round, "r", Role::Send, false), now_ms);
        assert_eq!(refused, [Effect::Refused(SeatId(1 + round), Refusal::Taken)]);
        effects(&mut switchboard, Input::Heard(SeatId(1)), now_ms);
    }
}

#[test]
fn two_that_both_stopped_reading_are_judged() {
    let mut switchboard = paired();
    effects(&mut switchboard, Input::Held(SeatId(0), true), 1000);
    effects(&mut switchboard, Input::Held(SeatId(1), true), 2000);
    effects(&mut switchboard, Input::Tick, DEAD_MS - 1);
    let closed = effects(&mut switchboard, Input::Tick, DEAD_MS);
    assert!(closed.contains(&Effect::Close(SeatId(1), Reason::Silent)));
}

#[test]
fn the_end_closes_everybody_and_admits_nobody() {
    let mut switchboard = paired();
    let closed = effects(&mut switchboard, Input::Shutdown, 5);
    let expected = [0, 1].map(|seat| Effect::Close(SeatId(seat), Reason::GoingAway));
    assert_eq!(closed, expected);
    let refused = effects(&mut switchboard, join(2, "r", Role::Send, false), 6);
    assert_eq!(refused, [Effect::Refused(SeatId(2), Refusal::GoingAway)]);
}

#[test]
fn each_kind_of_room_has_its_limit() {
    let limits = Limits { waiting: 2, sessions: 1, ..Limits::default() };
    let mut switchboard = Switchboard::new(&limits);
    for seat in [0, 1] {
        effects(&mut switchboard, join(seat, &seat.to_string(), Role::Send, false), 0);
    }
    let refused = effects(&mut switchboard, join(2, "2", Role::Send, false), 0);
    assert_eq!(refused, [Effect::Refused(SeatId(2), Refusal::TooManyWaiting)]);
    effects(&mut switchboard, join(3, "0", Role::Receive, false), 0);
    assert_eq!((switchboard.waiting(), switchboard.sessions()), (1, 1));
    let refused = effects(&mut switchboard, join(4, "1", Role::Receive, false), 0);
    assert_eq!(refused, [Effect::Refused(SeatId(4), Refusal::TooManySessions)]);
    // Who may not be paired now finds its partner there later.
    for gone in [0, 3] {
        effects(&mut switchboard, Input::Left(SeatId(gone)), 0);
    }
    let paired = effects(&mut switchboard, join(5, "1", Role::Receive, false), 0);
    assert_eq!(paired, [Effect::Paired { waiting: SeatId(1), newcomer: SeatId(5) }]);
}

/// Whoever leaves a seat and takes another at once, and never reads the goodbye, would have as many buffers as it likes.
#[test]
fn who_is_told_goodbye_counts_until_it_is_gone() {
    let limits = Limits { waiting: 2, sessions: 1, ..Limits::default() };
    let mut switchboard = Switchboard::new(&limits);
    effects(&mut switchboard, join(0, "a", Role::Send, false), 0);
    effects(&mut switchboard, join(1, "b", Role::Send, false), 0);
    effects(&mut switchboard, Input::Leaves(SeatId(1)), 0);
    assert_eq!((switchboard.rooms(), switchboard.waiting()), (1, 1));
    let refused = effects(&mut switchboard, join(2, "c", Role::Send, false), 0);
    assert_eq!(refused, [Effect::Refused(SeatId(2), Refusal::TooManyWaiting)]);
    effects(&mut switchboard, Input::Left(SeatId(1)), 0);
    let seated = effects(&mut switchboard, join(3, "c", Role::Send, false), 0);
    assert_eq!(seated, [Effect::Seated(SeatId(3))]);
    effects(&mut switchboard, join(4, "c", Role::Receive, false), 0);
    // The pair has ended, and neither or one of them has heard so.
    let closed = effects(&mut switchboard, Input::Leaves(SeatId(3)), 0);
    assert_eq!(closed, [Effect::Close(SeatId(4), Reason::PartnerLeft)]);
    assert_eq!(switchboard.sessions(), 0);
    for (seat, gone) in [(5, 4), (6, 3)] {
        let refused = effects(&mut switchboard, join(seat, "a", Role::Receive, false), 0);
        assert_eq!(refused, [Effect::Refused(SeatId(seat), Refusal::TooManySessions)]);
        effects(&mut switchboard, Input::Left(SeatId(gone)), 0);
    }
    let paired = effects(&mut switchboard, join(7, "a", Role::Receive, false), 0);
    assert_eq!(paired, [Effect::Paired { waiting: SeatId(0), newcomer: SeatId(7) }]);
}

#[test]
fn who_is_refused_for_a_limit_drives_nobody_away() {
    let mut switchboard = Switchboard::new(&Limits { waiting: 1, ..Limits::default() });
    effects(&mut switchboard, join(0, "pair", Role::Send, false), 0);
    effects(&mut switchboard, join(1, "pair", Role::Receive, false), 0);
    effects(&mut switchboard, join(2, "other", Role::Send, false), 0);
    // The silent owner's place would be one more to wait in.
    let refused = effects(&mut switchboard, join(3, "pair", Role::Send, false), YIELD_MS);
    assert_eq!(refused, [Effect::Refused(SeatId(3), Refusal::TooManyWaiting)]);
    // One who waits alone makes room for the one that takes its place.
    let seated = effects(&mut switchboard, join(4, "other", Role::Send, false), YIELD_MS);
    assert_eq!(seated, [Effect::Close(SeatId(2), Reason::Yielded), Effect::Seated(SeatId(4))]);
}

#[test]
fn one_of_two_needs_a_token() {
    use Standing::{Guest, Member};
    for (first, second, meet) in
        [(Member, Guest, true), (Guest, Member, true), (Member, Member, true), (Guest, Guest, false)]
    {
        let mut switchboard = Switchboard::new(&rooms(1));
        effects(&mut switchboard, join_as(0, "r", Role::Receive, first, false), 0);
        let answer = effects(&mut switchboard, join_as(1, "r", Role::Send, second, false), 0);
        let expected = if meet {
            Effect::Paired { waiting: SeatId(0), newcomer: SeatId(1) }
        } else {
            Effect::Refused(SeatId(1), Refusal::NoToken)
        };
        assert_eq!(answer, [expected], "{first:?}, {second:?}");
        // The guest waits on: the right one may come yet.
        assert_eq!(switchboard.guests(), usize::from(!meet));
    }
}

#[test]
fn fewer_guests_wait_and_for_less_time() {
    let limits = Limits {
        guest_waiting: 1,
        guest_wait: Duration::from_secs(7),
        wait: Duration::from_secs(9),
        ..Limits::default()
    };
    let mut switchboard = Switchboard::new(&limits);
    effects(&mut switchboard, join_as(0, "a", Role::Send, Standing::Guest, false), 0);
    let refused = effects(&mut switchboard, join_as(1, "b", Role::Send, Standing::Guest, false), 0);
    assert_eq!(refused, [Effect::Refused(SeatId(1), Refusal::TooManyGuests)]);
    effects(&mut switchboard, join_as(2, "b", Role::Send, Standing::Member, false), 0);
    for (seat, due_ms) in [(0, 7000), (2, 9000)] {
        assert_eq!(switchboard.next_deadline(), Some(due_ms));
        assert!(effects(&mut switchboard, Input::Tick, due_ms - 1).is_empty());
        let closed = effects(&mut switchboard, Input::Tick, due_ms);
        assert_eq!(closed, [Effect::Close(SeatId(seat), Reason::WaitedTooLong)]);
    }
    assert_eq!((switchboard.rooms(), switchboard.guests()), (0, 0));
}

#[test]
fn the_wait_is_over_once_somebody_has_come() {
    let limits = Limits { wait: Duration::from_secs(5), ..Limits::default() };
    let mut switchboard = Switchboard::new(&limits);
    effects(&mut switchboard, join(0, "r", Role::Send, false), 0);
    effects(&mut switchboard, join(1, "r", Role::Receive, false), 4999);
    for seat in [0, 1] {
        effects(&mut switchboard, Input::Spoke(SeatId(seat)), 4999);
    }
    both_answer_pings(&mut switchboard, 5000, 60_000);
}

#[test]
fn a_pair_in_which_nobody_says_anything_ends_and_both_are_told_why() {
    let limits = Limits { idle: Duration::from_secs(35), ..Limits::default() };
    let mut switchboard = Switchboard::new(&limits);
    effects(&mut switchboard, join(0, "r", Role::Send, false), 0);
    effects(&mut switchboard, join(1, "r", Role::Receive, false), 0);
    effects(&mut switchboard, Input::Spoke(SeatId(0)), 100);
    effects(&mut switchboard, Input::Spoke(SeatId(1)), 100);
    both_answer_pings(&mut switchboard, 0, 35_100);
    // A word of either is enough for both.
    effects(&mut switchboard, Input::Spoke(SeatId(1)), 35_099);
    both_answer_pings(&mut switchboard, 35_100, 70_099);
    let closed = effects(&mut switchboard, Input::Tick, 70_099);
    let mut both: Vec<_> = closed.iter().filter(|effect| matches!(effect, Effect::Close(..))).collect();
    both.sort_by_key(|effect| format!("{effect:?}"));
    assert_eq!(both, [0, 1].map(|seat| Effect::Close(SeatId(seat), Reason::Idle)).iter().collect::<Vec<_>>());
}

#[test]
fn whoever_waits_is_sent_away_at_once_and_pairs_may_finish() {
    let mut switchboard = Switchboard::new(&Limits::default());
    effects(&mut switchboard, join(0, "r", Role::Send, false), 0);
    effects(&mut switchboard, join(1, "r", Role::Receive, false), 0);
    effects(&mut switchboard, join(2, "other", Role::Send, false), 0);
    let closed = effects(&mut switchboard, Input::Drain, 1);
    assert_eq!(closed, [Effect::Close(SeatId(2), Reason::GoingAway)]);
    // Also where somebody waited, and in a room that is there.
    for (seat, room) in [(3, "other"), (4, "r")] {
        let refused = effects(&mut switchboard, join(seat, room, Role::Receive, false), 1);
        assert_eq!(refused, [Effect::Refused(SeatId(seat), Refusal::GoingAway)]);
    }
    assert_eq!((switchboard.waiting(), switchboard.sessions()), (0, 1));
    let closed = effects(&mut switchboard, Input::Shutdown, 2);
    assert_eq!(closed, [0, 1].map(|seat| Effect::Close(SeatId(seat), Reason::GoingAway)));
}

/// The same rules, said by going through a list of who is there.
#[derive(Default)]
struct Model {
    seats: BTreeMap<u64, ModelSeat>,
    /// Those that have no seat any more and are not gone.
    leaving: BTreeMap<u64, ModelSeat>,
    going_away: bool,
}

#[derive(Clone)]
struct ModelSeat {
    room: u8,
    role: Role,
    standing: Standing,
    came_ms: u64,
    heard_ms: u64,
    said_ms: u64,
    held: bool,
    paired_ms: Option<u64>,
    spoke: bool,
}

impl Model {
    fn find(&self, room: u8, role: Role) -> Option<u64> {
        self.seats.iter().find(|(_, seat)| seat.room == room && seat.role == role).map(|(id, _)| *id)
    }

    fn partner(&self, id: u64) -> Option<u64> {
        let seat = self.seats.get(&id)?;
        self.find(seat.room, seat.role.other())
    }

    /// Brings the clocks of all who are excused up to now: called before anything happens.
    fn excuse(&mut self, now_ms: u64) {
        let excused = |id: u64| {
            self.seats[&id].held && self.partner(id).is_some_and(|partner| !self.seats[&partner].held)
        };
        let ids: Vec<u64> = self.seats.keys().copied().filter(|id| excused(*id)).collect();
        for id in ids {
            if let Some(seat) = self.seats.get_mut(&id) {
                seat.heard_ms = now_ms;
            }
        }
    }

    fn leave(&mut self, id: u64) -> Vec<u64> {
        let gone: Vec<u64> = [Some(id), self.partner(id)].into_iter().flatten().collect();
        let removed: Vec<_> = gone.into_iter().filter_map(|id| Some((id, self.seats.remove(&id)?))).collect();
        let ids = removed.iter().map(|(id, _)| *id).collect();
        self.leaving.extend(removed);
        ids
    }

    /// All rooms, with who is in each.
    fn rooms(&self) -> BTreeMap<u8, Vec<u64>> {
        let mut rooms = BTreeMap::<u8, Vec<u64>>::new();
        for (id, seat) in &self.seats {
            rooms.entry(seat.room).or_default().push(*id);
        }
        rooms
    }

    /// Rooms, those in which somebody waits, those in which a guest does, and pairs.
    fn counts(&self) -> [usize; 4] {
        let rooms = self.rooms();
        let alone: Vec<u64> = rooms.values().filter(|ids| ids.len() == 1).map(|ids| ids[0]).collect();
        let guests = alone.iter().filter(|id| self.seats[*id].standing == Standing::Guest).count();
        [rooms.len(), alone.len(), guests, rooms.len() - alone.len()]
    }

    /// Why this seat's time is over, if it is.
    fn overdue(&self, id: u64, now_ms: u64) -> Option<Reason> {
        let seat = &self.seats[&id];
        let since = |ms: u64, limit_ms: u64| now_ms - ms >= limit_ms;
        let wait = if seat.standing == Standing::Guest { GUEST_WAIT } else { WAIT };
        let said_ms = self.partner(id).map(|partner| self.seats[&partner].said_ms.max(seat.said_ms));
        if since(seat.heard_ms, DEAD_MS) {
            return Some(Reason::Silent);
        }
        if !seat.spoke && seat.paired_ms.is_some_and(|ms| since(ms, FIRST_WORD_MS)) {
            return Some(Reason::Wordless);
        }
        match said_ms {
            None => since(seat.came_ms, in_ms(wait)).then_some(Reason::WaitedTooLong),
            Some(said_ms) => since(said_ms, in_ms(IDLE)).then_some(Reason::Idle),
        }
    }

    /// The answer, and who is closed.
    fn join(
        &mut self,
        id: u64,
        room: u8,
        (role, standing): (Role, Standing),
        fresh: bool,
        now_ms: u64,
    ) -> (Effect, Vec<u64>) {
        let refused = |refusal| (Effect::Refused(SeatId(id), refusal), Vec::new());
        if self.going_away {
            return refused(Refusal::GoingAway);
        }
        let occupied = self.seats.values().any(|seat| seat.room == room);
        if !occupied && self.counts()[0] >= ROOMS {
            return refused(Refusal::TooManyRooms);
        }
        if occupied && fresh {
            return refused(Refusal::RoomOccupied);
        }
        // What would be if it came.
        let mut then = Model { seats: self.seats.clone(), leaving: self.leaving.clone(), going_away: false };
        let mut closed = Vec::new();
        if let Some(owner) = self.find(room, role) {
            let held = |id: u64| self.seats[&id].held;
            let holder = self.partner(owner).filter(|partner| held(owner) && !held(*partner));
            let yield_ms = if holder.is_some() { HELD_YIELD_MS } else { YIELD_MS };
            if now_ms - self.seats[&holder.unwrap_or(owner)].heard_ms < yield_ms {
                return refused(Refusal::Taken);
            }
            closed = then.leave(owner);
        }
        let waiting = then.find(room, role.other());
        let answer = match waiting {
            Some(waiting) => Effect::Paired { waiting: SeatId(waiting), newcomer: SeatId(id) },
            None => Effect::Seated(SeatId(id)),
        };
        let seat = ModelSeat {
            room,
            role,
            standing,
            came_ms: now_ms,
            heard_ms: now_ms,
            said_ms: now_ms,
            held: false,
            paired_ms: None,
            spoke: false,
        };
        then.seats.insert(id, seat);
        for id in [Some(id), waiting].into_iter().flatten().filter(|_| waiting.is_some()) {
            then.seats.entry(id).and_modify(|seat| seat.paired_ms = Some(now_ms));
        }
        let guests_meet = waiting.is_some_and(|waiting| self.seats[&waiting].standing == Standing::Guest)
            && standing == Standing::Guest;
        let [_, waiting, guests, sessions] = then.counts();
        // But for those who leave for it.
        let leaving_pairs = self.leaving.values().filter(|seat| seat.paired_ms.is_some()).count();
        let waiting = waiting + self.leaving.len() - leaving_pairs;
        let sessions = sessions + leaving_pairs.div_ceil(2);
        let is_seated = matches!(answer, Effect::Seated(_));
        if guests_meet {
            return refused(Refusal::NoToken);
        } else if is_seated && waiting > WAITING {
            return refused(Refusal::TooManyWaiting);
        } else if is_seated && standing == Standing::Guest && guests > GUESTS {
            return refused(Refusal::TooManyGuests);
        } else if !is_seated && sessions > SESSIONS {
            return refused(Refusal::TooManySessions);
        }
        *self = then;
        (answer, closed)
    }
}

const ROOMS: usize = 4;
const WAITING: usize = 3;
const SESSIONS: usize = 2;
const GUESTS: usize = 1;
const WAIT: Duration = Duration::from_millis(23_456);
const GUEST_WAIT: Duration = Duration::from_millis(7890);
const IDLE: Duration = Duration::from_millis(34_567);

#[derive(Clone, Debug)]
enum Step {
    Join { room: u8, role: bool, member: bool, fresh: bool },
    Heard(usize),
    Spoke(usize),
    Held(usize, bool),
    Leaves(usize),
    Left(usize),
    Wait(u64),
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..6_u8, any::<bool>(), any::<bool>(), prop::bool::weighted(0.25))
            .prop_map(|(room, role, member, fresh)| Step::Join { room, role, member, fresh }),
        2 => any::<usize>().prop_map(Step::Heard),
        4 => any::<usize>().prop_map(Step::Spoke),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, held)| Step::Held(at, held)),
        1 => any::<usize>().prop_map(Step::Leaves),
        4 => any::<usize>().prop_map(Step::Left),
        4 => (0..12_000_u64).prop_map(Step::Wait),
    ];
    // The end is near in some.
    let end = prop::bool::weighted(0.2).prop_map(|drains| drains.then_some(Step::Drain));
    (prop::collection::vec(step.clone(), 0..150), end, prop::collection::vec(step, 0..20))
        .prop_map(|(before, end, after)| before.into_iter().chain(end).chain(after).collect())
}

proptest! {
    #[test]
    fn the_switchboard_does_what_the_model_does(steps in steps()) {
        let limits = Limits {
            rooms: ROOMS,
            waiting: WAITING,
            sessions: SESSIONS,
            guest_waiting: GUESTS,
            wait: WAIT,
            guest_wait: GUEST_WAIT,
            idle: IDLE,
            ..Limits::default()
        };
        let (mut switchboard, mut model) = (Switchboard::new(&limits), Model::default());
        let (mut now_ms, mut next) = (0, 0);
        for step in steps {
            model.excuse(now_ms);
            // Also seats that have left already are spoken of: such news crosses on the way.
            let pick = |at: usize| SeatId(at as u64 % (next + 1));
            let (done, expected) = match step {
                Step::Join { room, role, member, fresh } => {
                    let (id, role) = (next, if role { Role::Send } else { Role::Receive });
                    next += 1;
                    let standing = if member { Standing::Member } else { Standing::Guest };
                    let input = join_as(id, &room.to_string(), role, standing, fresh);
                    let done = effects(&mut switchboard, input, now_ms);
                    let (answer, closed) = model.join(id, room, (role, standing), fresh, now_ms);
                    prop_assert_eq!(done.last(), Some(&answer));
                    prop_assert_eq!(done.iter().filter(|effect| is_answer(effect)).count(), 1);
                    (done, closed)
                }
                Step::Heard(at) => {
                    let seat = pick(at);
                    if let Some(known) = model.seats.get_mut(&seat.0) { known.heard_ms = now_ms; }
                    (effects(&mut switchboard, Input::Heard(seat), now_ms), Vec::new())
                }
                Step::Spoke(at) => {
                    let seat = pick(at);
                    if let Some(known) = model.seats.get_mut(&seat.0) {
                        (known.spoke, known.heard_ms, known.said_ms) = (true, now_ms, now_ms);
                    }
                    (effects(&mut switchboard, Input::Spoke(seat), now_ms), Vec::new())
                }
                Step::Held(at, held) => {
                    let seat = pick(at);
                    if let Some(known) = model.seats.get_mut(&seat.0) { known.held = held; }
                    (effects(&mut switchboard, Input::Held(seat, held), now_ms), Vec::new())
                }
                Step::Leaves(at) => {
                    let seat = pick(at);
                    let done = effects(&mut switchboard, Input::Leaves(seat), now_ms);
                    let closed = model.leave(seat.0).into_iter().filter(|id| *id != seat.0).collect();
                    (done, closed)
                }
                Step::Left(at) => {
                    let seat = pick(at);
                    let done = effects(&mut switchboard, Input::Left(seat), now_ms);
                    let closed = model.leave(seat.0).into_iter().filter(|id| *id != seat.0).collect();
                    model.leaving.remove(&seat.0);
                    (done, closed)
                }
                Step::Wait(ms) => {
                    now_ms += ms;
                    model.excuse(now_ms);
                    let dead: BTreeMap<u64, Reason> = model
                        .seats
                        .keys()
                        .filter_map(|id| Some((*id, model.overdue(*id, now_ms)?)))
                        .collect();
                    let partners: BTreeMap<u64, u64> =
                        dead.keys().filter_map(|id| Some((*id, model.partner(*id)?))).collect();
                    let closed: Vec<u64> = dead.keys().flat_map(|id| model.leave(*id)).collect();
                    let done = effects(&mut switchboard, Input::Tick, now_ms);
                    for effect in &done {
                        if let Effect::Close(seat, reason) = effect
                            && *reason != Reason::PartnerLeft
                        {
                            // Of two that are both overdue either may be seen first, and idle are both.
                            let its = [Some(&seat.0), partners.get(&seat.0)].into_iter().flatten();
                            let why: Vec<_> = its.filter_map(|id| dead.get(id)).collect();
                            let is_known = why.contains(&reason) || *reason == Reason::Idle;
                            prop_assert!(is_known, "{:?}, not {:?}", why, reason);
                        }
                    }
                    (done, closed)
                }
                Step::Drain => {
                    model.going_away = true;
                    let alone: Vec<u64> =
                        model.rooms().into_values().filter(|ids| ids.len() == 1).flatten().collect();
                    let closed = alone.into_iter().flat_map(|id| model.leave(id)).collect();
                    (effects(&mut switchboard, Input::Drain, now_ms), closed)
                }
            };
            let mut closed: Vec<u64> = done
                .iter()
                .filter_map(|effect| match effect { Effect::Close(seat, _) => Some(seat.0), _ => None })
                .collect();
            let mut expected: Vec<u64> = expected;
            closed.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(closed, expected);
            let counts = [
                switchboard.rooms(),
                switchboard.waiting(),
                switchboard.guests(),
                switchboard.sessions(),
            ];
            prop_assert_eq!(counts, model.counts());
            for (count, limit) in counts.iter().zip([ROOMS, WAITING, GUESTS, SESSIONS]) {
                prop_assert!(*count <= limit, "{:?}", counts);
            }
            // Whoever comes back when it says so comes in time for everybody.
            let due = switchboard.next_deadline();
            prop_assert_eq!(due.is_some(), !model.seats.is_empty());
            if let Some(due_ms) = due {
                model.excuse(now_ms);
                let missed = (due_ms - 1).max(now_ms);
                let late = model.seats.keys().find(|id| model.overdue(**id, missed).is_some());
                prop_assert_eq!(late, None, "due at {}, now {}", due_ms, now_ms);
                prop_assert!(due_ms <= now_ms + PING_MS);
            }
        }
    }
}

fn is_answer(effect: &Effect) -> bool {
    matches!(effect, Effect::Seated(_) | Effect::Paired { .. } | Effect::Refused(..))
}
