//! The driver of the switchboard: many tasks' news go in under one lock, its effects come out on their desks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::allowance::Tariff;
use super::desk::{Desk, Order};
use super::limits::Limits;
use super::records::Records;
use super::refusal::Refusal;
use super::room::RoomName;
use super::switchboard::{Effect, Input, SeatId, Switchboard};
use super::visitor::Visitor;
use crate::events::Cancel;
use crate::proto::role::Role;

/// What all connections of one relay share.
pub struct Exchange<S> {
    /// What is told of everybody's life.
    pub records: Arc<Records>,
    /// What pairs may say.
    pub tariff: Tariff,
    state: Mutex<State<S>>,
    clock: Clock,
    /// The relay drains, and nobody is left.
    deserted: Cancel,
}

/// Milliseconds since some moment before; the system's monotonic clock, or a test's.
pub type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// A seat, taken.
pub struct Place<S> {
    /// Which.
    pub seat: SeatId,
    /// As what.
    pub role: Role,
    /// Where its orders will lie.
    pub desk: Arc<Desk<S>>,
    /// Whether the partner was there already. Its connection is on its way to the desk then.
    pub paired: bool,
}

struct State<S> {
    switchboard: Switchboard,
    desks: BTreeMap<SeatId, Arc<Desk<S>>>,
    seats_given: u64,
    drains: bool,
}

/// How many rooms there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// With one side in them.
    pub waiting: usize,
    /// With two.
    pub joined: usize,
}

impl<S> Exchange<S> {
    /// An empty one.
    #[must_use]
    pub fn new(limits: &Limits, clock: Clock) -> Exchange<S> {
        let switchboard = Switchboard::new(limits);
        let state = State { switchboard, desks: BTreeMap::new(), seats_given: 0, drains: false };
        Exchange {
            records: Arc::default(),
            tariff: Tariff::new(limits),
            state: Mutex::new(state),
            clock,
            deserted: Cancel::new(),
        }
    }

    /// Tells `records` what happens.
    #[must_use]
    pub fn with_records(self, records: Arc<Records>) -> Exchange<S> {
        Exchange { records, ..self }
    }

    /// The time, as the switchboard is told it.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// Asks for a seat.
    ///
    /// # Errors
    /// Why there is none.
    pub fn join(
        &self,
        visitor: Visitor,
        room: RoomName,
        role: Role,
        fresh: bool,
    ) -> Result<Place<S>, Refusal> {
        let mut state = self.lock();
        let seat = SeatId(state.seats_given);
        state.seats_given += 1;
        let desk = Arc::new(Desk::default());
        state.desks.insert(seat, Arc::clone(&desk));
        let answer =
            state.apply(Input::Join { seat, room, role, standing: visitor.standing, fresh }, self.now_ms());
        let rooms = state.switchboard.rooms();
        drop(state);
        let place = answer.map(|paired| Place { seat, role, desk, paired });
        match &place {
            Ok(Place { paired: true, .. }) => tracing::debug!(rooms, "two sides were paired"),
            Ok(Place { paired: false, .. }) => tracing::debug!(rooms, "somebody waits"),
            Err(refusal) => tracing::debug!(rooms, ?refusal, "somebody was refused"),
        }
        place
    }

    /// Whether somebody is in this room.
    #[must_use]
    pub fn has(&self, room: &RoomName) -> bool {
        self.lock().switchboard.has(room)
    }

    /// The seat's client said something.
    pub fn heard(&self, seat: SeatId) {
        self.tell(Input::Heard(seat));
    }

    /// The seat's client said something that is for its partner. It was heard by that, too.
    pub fn spoke(&self, seat: SeatId) {
        self.tell(Input::Spoke(seat));
    }

    /// The seat's client is not being read, since its partner takes nothing; or is again.
    pub fn held(&self, seat: SeatId, held: bool) {
        self.tell(Input::Held(seat, held));
    }

    /// The seat's client ends, or is to. A partner that came before this is on the seat's desk, and none comes after. It counts until it has
    /// [left](Exchange::left).
    pub fn leaves(&self, seat: SeatId) {
        self.tell(Input::Leaves(seat));
    }

    /// The seat's connection is gone, with all that was kept for it.
    pub fn left(&self, seat: SeatId) {
        self.tell(Input::Left(seat));
    }

    /// Lets time pass: pings, and closes who is dead. Returns when to call it again at the latest, if anybody is here.
    pub fn tick(&self) -> Option<u64> {
        self.tell(Input::Tick);
        self.lock().switchboard.next_deadline()
    }

    /// Sends those away who wait, and refuses whoever comes from now on. Pairs stay.
    pub fn drain(&self) {
        self.lock().drains = true;
        self.tell(Input::Drain);
    }

    /// Resolves once it drains and nobody is left. Cancel safe.
    pub async fn deserted(&self) {
        self.deserted.cancelled().await;
    }

    /// How many rooms there are.
    #[must_use]
    pub fn census(&self) -> Census {
        let state = self.lock();
        Census { waiting: state.switchboard.waiting(), joined: state.switchboard.sessions() }
    }

    /// Ends everything and refuses whoever comes from now on.
    pub fn shut_down(&self) {
        self.tell(Input::Shutdown);
    }

    /// Returns once what is being told to several at this moment has reached all of them.
    pub fn catch_up(&self) {
        drop(self.lock());
    }

    fn tell(&self, input: Input) {
        let mut state = self.lock();
        // What a task told has no answer.
        let _ = state.apply(input, self.now_ms());
        if state.drains && state.switchboard.rooms() == 0 {
            self.deserted.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        // Nothing panics while it holds the lock, and if it did the tables would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> State<S> {
    /// Runs the machine and carries its effects out. The answer is a join's: whether it was paired.
    fn apply(&mut self, input: Input, now_ms: u64) -> Result<bool, Refusal> {
        let mut answer = Ok(false);
        if let Input::Leaves(seat) | Input::Left(seat) = input {
            self.desks.remove(&seat);
        }
        self.switchboard.handle(input, now_ms);
        while let Some(effect) = self.switchboard.poll_effect() {
            match effect {
                Effect::Seated(_) => {}
                Effect::Paired { waiting, newcomer } => {
                    answer = Ok(true);
                    if let (Some(waiting), Some(newcomer)) =
                        (self.desks.get(&waiting), self.desks.get(&newcomer))
                    {
                        waiting.post(Order::Meet(Arc::clone(newcomer)));
                    }
                }
                Effect::Refused(seat, refusal) => {
                    answer = Err(refusal);
                    self.desks.remove(&seat);
                }
                Effect::Ping(seat) => {
                    if let Some(desk) = self.desks.get(&seat) {
                        desk.post(Order::Ping);
                    }
                }
                Effect::Close(seat, reason) => {
                    if let Some(desk) = self.desks.remove(&seat) {
                        desk.post(Order::Close(reason));
                    }
                }
            }
        }
        answer
    }
}

impl<S> std::fmt::Debug for Exchange<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}
