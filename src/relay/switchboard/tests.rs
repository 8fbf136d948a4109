//! The switchboard against a model that is too simple to be wrong, and the stories that explain it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::proto::limits::KEEPALIVE_MS;
use crate::relay::limits::{DEAD_MS, FIRST_WORD_MS, HELD_YIELD_MS, PING_MS, YIELD_MS};

fn join(seat: u64, room: &str, role: Role, fresh: bool) -> Input {
    Input::Join { seat: SeatId(seat), room: RoomName::parse(room).unwrap(), role, fresh }
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
    let mut switchboard = Switchboard::new(1);
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
    let mut switchboard = Switchboard::new(2);
    effects(&mut switchboard, join(0, "r", Role::Receive, true), 0);
    // Not even a silent owner: the number is simply not free.
    let refused = effects(&mut switchboard, join(1, "r", Role::Send, true), DEAD_MS - 1);
    assert_eq!(refused, [Effect::Refused(SeatId(1), Refusal::RoomOccupied)]);
    let paired = effects(&mut switchboard, join(2, "r", Role::Send, false), 1);
    assert_eq!(paired, [Effect::Paired { waiting: SeatId(0), newcomer: SeatId(2) }]);
}

#[test]
fn rooms_are_limited_and_seats_in_them_are_not_counted() {
    let mut switchboard = Switchboard::new(1);
    effects(&mut switchboard, join(0, "r", Role::Send, false), 0);
    let refused = effects(&mut switchboard, join(1, "other", Role::Send, false), 0);
    assert_eq!(refused, [Effect::Refused(SeatId(1), Refusal::Full)]);
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
    let mut switchboard = Switchboard::new(1);
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
    let mut switchboard = Switchboard::new(1);
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

/// The same rules, said by going through a list of who is there.
#[derive(Default)]
struct Model {
    seats: BTreeMap<u64, ModelSeat>,
}

#[derive(Clone)]
struct ModelSeat {
    room: u8,
    role: Role,
    heard_ms: u64,
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
        gone.into_iter().filter(|id| self.seats.remove(id).is_some()).collect()
    }

    fn rooms(&self) -> usize {
        self.seats.values().map(|seat| seat.room).collect::<std::collections::BTreeSet<_>>().len()
    }

    /// The answer, and who is closed.
    fn join(&mut self, id: u64, room: u8, role: Role, fresh: bool, now_ms: u64) -> (Effect, Vec<u64>) {
        let refused = |refusal| (Effect::Refused(SeatId(id), refusal), Vec::new());
        let mut closed = Vec::new();
        let occupied = self.seats.values().any(|seat| seat.room == room);
        if !occupied && self.rooms() >= ROOMS {
            return refused(Refusal::Full);
        }
        if occupied && fresh {
            return refused(Refusal::RoomOccupied);
        }
        if let Some(owner) = self.find(room, role) {
            let held = |id: u64| self.seats[&id].held;
            let holder = self.partner(owner).filter(|partner| held(owner) && !held(*partner));
            let yield_ms = if holder.is_some() { HELD_YIELD_MS } else { YIELD_MS };
            if now_ms - self.seats[&holder.unwrap_or(owner)].heard_ms < yield_ms {
                return refused(Refusal::Taken);
            }
            closed = self.leave(owner);
        }
        let answer = match self.find(room, role.other()) {
            Some(waiting) => Effect::Paired { waiting: SeatId(waiting), newcomer: SeatId(id) },
            None => Effect::Seated(SeatId(id)),
        };
        let seat = ModelSeat { room, role, heard_ms: now_ms, held: false, paired_ms: None, spoke: false };
        self.seats.insert(id, seat);
        if let Some(partner) = self.partner(id) {
            for id in [id, partner] {
                self.seats.entry(id).and_modify(|seat| {
                    seat.paired_ms.get_or_insert(now_ms);
                });
            }
        }
        (answer, closed)
    }
}

const ROOMS: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Join { room: u8, role: bool, fresh: bool },
    Heard(usize),
    Spoke(usize),
    Held(usize, bool),
    Left(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_u8, any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(room, role, fresh, too)| Step::Join { room, role, fresh: fresh && too }),
        2 => any::<usize>().prop_map(Step::Heard),
        2 => any::<usize>().prop_map(Step::Spoke),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, held)| Step::Held(at, held)),
        1 => any::<usize>().prop_map(Step::Left),
        4 => (0..20_000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn the_switchboard_does_what_the_model_does(steps in steps()) {
        let (mut switchboard, mut model) = (Switchboard::new(ROOMS), Model::default());
        let (mut now_ms, mut next) = (0, 0);
        for step in steps {
            model.excuse(now_ms);
            // Also seats that have left already are spoken of: such news crosses on the way.
            let pick = |at: usize| SeatId(at as u64 % (next + 1));
            let (done, expected) = match step {
                Step::Join { room, role, fresh } => {
                    let (id, role) = (next, if role { Role::Send } else { Role::Receive });
                    next += 1;
                    let done = effects(&mut switchboard, join(id, &room.to_string(), role, fresh), now_ms);
                    let (answer, closed) = model.join(id, room, role, fresh, now_ms);
                    prop_assert_eq!(done.last(), Some(&answer));
                    (done, closed)
                }
                Step::Heard(at) => {
                    let seat = pick(at);
                    if let Some(known) = model.seats.get_mut(&seat.0) { known.heard_ms = now_ms; }
                    (effects(&mut switchboard, Input::Heard(seat), now_ms), Vec::new())
                }
                Step::Spoke(at) => {
                    let seat = pick(at);
                    if let Some(known) = model.seats.get_mut(&seat.0) { known.spoke = true; }
                    (effects(&mut switchboard, Input::Spoke(seat), now_ms), Vec::new())
                }
                Step::Held(at, held) => {
                    let seat = pick(at);
                    if let Some(known) = model.seats.get_mut(&seat.0) { known.held = held; }
                    (effects(&mut switchboard, Input::Held(seat, held), now_ms), Vec::new())
                }
                Step::Left(at) => {
                    let seat = pick(at);
                    let done = effects(&mut switchboard, Input::Left(seat), now_ms);
                    let closed = model.leave(seat.0).into_iter().filter(|id| *id != seat.0).collect();
                    (done, closed)
                }
                Step::Wait(ms) => {
                    now_ms += ms;
                    model.excuse(now_ms);
                    let wordless = |seat: &ModelSeat| {
                        !seat.spoke && seat.paired_ms.is_some_and(|ms| now_ms - ms >= FIRST_WORD_MS)
                    };
                    let dead = |seat: &ModelSeat| now_ms - seat.heard_ms >= DEAD_MS || wordless(seat);
                    let dead: Vec<u64> =
                        model.seats.iter().filter(|(_, seat)| dead(seat)).map(|(id, _)| *id).collect();
                    let closed = dead.into_iter().flat_map(|id| model.leave(id)).collect();
                    (effects(&mut switchboard, Input::Tick, now_ms), closed)
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
            prop_assert_eq!(switchboard.rooms(), model.rooms());
            // Somebody to look at exactly when somebody is there, and never further away than a ping.
            let due = switchboard.next_deadline();
            prop_assert_eq!(due.is_some(), !model.seats.is_empty());
            prop_assert!(due.is_none_or(|due_ms| due_ms <= now_ms + PING_MS));
        }
    }
}
