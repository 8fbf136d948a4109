//! The lanes of a session: how far each is, which takes the next data, and what becomes of what one could not
//! deliver.
//!
//! ```text
//!         open          came           retire
//!   Down ──────▶ Sought ─────▶ Up ─────────────▶ Retiring
//!    ▲ ▲           │            │                   │
//!    │ └─ taken ───┤            │                   │
//!    │             └─ let_go, missed ──▶ Lost ◀─────┘
//!    └──────────── taken ─────────────────┘
//! ```
//!
//! [`Lanes`] decides, and has no socket: who has one seeks the other side and moves bytes, and says what came
//! of it. The first lane carries what is said and is always there, with a connection or without; those beside
//! it help to carry data.

mod set;

use std::collections::VecDeque;

use super::frame::PackedBlock;
use super::limits::{LANES_MAX, WINDOW_BYTES};
use super::outbox::Load;
use super::spread::Spread;
use crate::defects::{self, Defect};
use crate::error::Result;

pub use set::LaneSet;

/// One of them, with whatever moves its bytes.
pub trait Lane: Sized {
    /// A lane beside this one that has no connection yet.
    #[must_use]
    fn beside(&self) -> Self;

    /// Queues a frame.
    ///
    /// # Errors
    /// As [`Outbox::say`](super::outbox::Outbox::say).
    fn send(&mut self, frame: PackedBlock) -> Result<()>;

    /// Whether another data frame should be queued, where it is alone.
    fn has_room(&self) -> bool;

    /// How much data it has before it.
    fn load(&self) -> Load;

    /// Whether the other side has counted everything that was said.
    fn is_counted(&self) -> bool;

    /// Lets go of the connection for good, if there is one. Returns how many frames were taken from it, over
    /// all connections.
    ///
    /// # Errors
    /// As [`Outbox::disconnect`](super::outbox::Outbox::disconnect).
    fn detach(&mut self) -> Result<u64>;

    /// As [`Lane::detach`], and gives out what is behind the first `frames` of what was ever said.
    ///
    /// # Errors
    /// As [`Outbox::evacuate`](super::outbox::Outbox::evacuate).
    fn evacuate(&mut self, frames: u64) -> Result<VecDeque<PackedBlock>>;
}

/// All lanes of a session.
#[derive(Debug)]
pub struct Lanes<L> {
    first: L,
    /// Whether the first has a connection.
    is_connected: bool,
    /// Those beside it, from number 1 on, as far as they were ever wanted.
    beside: Vec<Beside<L>>,
    spread: Spread,
    searches: u64,
}

#[derive(Debug)]
struct Beside<L> {
    lane: L,
    stage: Stage,
}

/// How far a lane beside the first is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is not wanted.
    Down,
    /// The other side is sought in its room, by the search of this number.
    Sought(u64),
    /// It has a connection.
    Up,
    /// It has one, and gets nothing new.
    Retiring,
    /// It has none any more; what the other side took of it is not settled.
    Lost,
}

/// The other side is to be sought in the room of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// Of which lane.
    pub lane: u8,
    /// Which search this is: no two of a session have the same number.
    pub number: u64,
    /// How many frames have come on the lane.
    pub frames: u64,
}

impl<L: Lane> Lanes<L> {
    /// Those of a session that begins on this one.
    #[must_use]
    pub fn new(first: L) -> Lanes<L> {
        Lanes { first, is_connected: true, beside: Vec::new(), spread: Spread::default(), searches: 0 }
    }

    /// The first.
    #[must_use]
    pub fn first(&self) -> &L {
        &self.first
    }

    /// The first, to give it another connection; `is_connected`: there is one now.
    pub fn first_mut(&mut self, is_connected: bool) -> &mut L {
        self.is_connected = is_connected;
        &mut self.first
    }

    /// Whether the first has a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// How many there are or were, the first included: those have numbers below.
    #[must_use]
    pub fn count(&self) -> usize {
        self.beside.len() + 1
    }

    /// The lane of this number. The first, where there was never one.
    #[must_use]
    pub fn lane(&self, number: u8) -> &L {
        at(number).and_then(|at| self.beside.get(at)).map_or(&self.first, |beside| &beside.lane)
    }

    /// As [`Lanes::lane`].
    pub fn lane_mut(&mut self, number: u8) -> &mut L {
        let beside = at(number).and_then(|at| self.beside.get_mut(at));
        beside.map_or(&mut self.first, |beside| &mut beside.lane)
    }

    /// Queues a frame: what is said on the first lane, data on the one that [`Spread`] chooses.
    ///
    /// # Errors
    /// As [`Lane::send`].
    pub fn send(&mut self, frame: PackedBlock) -> Result<()> {
        if !frame.is_data() {
            return self.first.send(frame);
        }
        let loads = loads(&self.first, self.is_connected, &self.beside);
        let lane = self.spread.lane(frame.run, loads);
        self.lane_mut(lane.unwrap_or(0)).send(frame)
    }

    /// Whether more data should be queued: some lane has room, and all together do not hold more than one
    /// alone might.
    #[must_use]
    pub fn has_room(&self) -> bool {
        if self.beside.is_empty() {
            return self.first.has_room();
        }
        let all = std::iter::once(&self.first).chain(self.beside.iter().map(|beside| &beside.lane));
        let held: usize = all.map(Lane::load).map(|load| load.queued + load.under_way).sum();
        // A run stays on its lane, so a lane gets the next one when it has nothing else: what waits on a slow
        // one, nobody else can take.
        (held as u64) < HELD_BYTES_MAX
            && loads(&self.first, self.is_connected, &self.beside).any(|(_, load)| load.queued == 0)
    }

    /// A lane beside the first, from 1, is wanted. Returns whom to seek; one that is sought or there already
    /// stays as it is.
    #[must_use]
    pub fn open(&mut self, lane: u8) -> Option<Search> {
        while self.beside.len() < usize::from(lane.min(LANES_MAX - 1)) {
            self.beside.push(Beside { lane: self.first.beside(), stage: Stage::Down });
        }
        let beside = self.beside.get_mut(at(lane)?)?;
        if matches!(beside.stage, Stage::Sought(_) | Stage::Up | Stage::Retiring) {
            return None;
        }
        // It has no connection, so this cannot fail.
        let frames = beside.lane.detach().unwrap_or_default();
        self.searches += 1;
        beside.stage = Stage::Sought(self.searches);
        Some(Search { lane, number: self.searches, frames })
    }

    /// Whether a search goes on: nobody has let go of its lane meanwhile.
    #[must_use]
    pub fn is_sought(&self, search: &Search) -> bool {
        let beside = at(search.lane).and_then(|at| self.beside.get(at));
        beside.is_some_and(|beside| beside.stage == Stage::Sought(search.number))
    }

    /// The other side was found. Returns the lane that gets the connection; `None` when nobody seeks it any
    /// more.
    pub fn came(&mut self, search: &Search) -> Option<&mut L> {
        self.ends(search, Stage::Up)
    }

    /// The other side was not found. Returns whether anybody still sought it.
    pub fn missed(&mut self, search: &Search) -> bool {
        self.ends(search, Stage::Lost).is_some()
    }

    fn ends(&mut self, search: &Search, stage: Stage) -> Option<&mut L> {
        let beside = self.beside.get_mut(at(search.lane)?)?;
        if beside.stage != Stage::Sought(search.number) {
            return None;
        }
        beside.stage = stage;
        Some(&mut beside.lane)
    }

    /// Puts no new run on a lane beside the first.
    pub fn retire(&mut self, lane: u8) {
        let beside = at(lane).and_then(|at| self.beside.get_mut(at));
        if let Some(beside) = beside.filter(|beside| beside.stage == Stage::Up) {
            beside.stage = Stage::Retiring;
        }
    }

    /// Those lanes that get nothing new, and on which everything was counted.
    #[must_use]
    pub fn retired(&self) -> Vec<u8> {
        let is_retired = |beside: &Beside<L>| beside.stage == Stage::Retiring && beside.lane.is_counted();
        (1..).zip(&self.beside).filter(|(_, beside)| is_retired(beside)).map(|(lane, _)| lane).collect()
    }

    /// Lets go of the connection of a lane beside the first for good, or of the search for one. Returns how
    /// many frames of it were taken.
    ///
    /// # Errors
    /// As [`Lane::detach`].
    pub fn let_go(&mut self, lane: u8) -> Result<u64> {
        let Some(beside) = at(lane).and_then(|at| self.beside.get_mut(at)) else { return Ok(0) };
        beside.stage = Stage::Lost;
        beside.lane.detach()
    }

    /// The other side has let go of a lane beside the first, and has taken `frames` of it: the rest goes out
    /// on others.
    ///
    /// # Errors
    /// Kind `Protocol`, when that cannot be.
    pub fn taken(&mut self, lane: u8, frames: u64) -> Result<()> {
        let Some(beside) = at(lane).and_then(|at| self.beside.get_mut(at)) else { return Ok(()) };
        beside.stage = Stage::Down;
        let mut left = beside.lane.evacuate(frames)?;
        if defects::has(Defect::LaneNotSaidAgain) {
            left.clear();
        }
        let mut moving = self.spread.moving(lane);
        for frame in left {
            let loads = loads(&self.first, self.is_connected, &self.beside);
            let to = moving.lane(frame.run, loads).unwrap_or(0);
            let to = at(to).and_then(|at| self.beside.get_mut(at));
            to.map_or(&mut self.first, |beside| &mut beside.lane).send(frame)?;
        }
        Ok(())
    }

    /// How many lanes have a connection and take new data, the first included whether it has one or not.
    #[must_use]
    pub fn up(&self) -> u8 {
        let beside = self.beside.iter().filter(|beside| beside.stage == Stage::Up).count();
        u8::try_from(beside + 1).unwrap_or(LANES_MAX)
    }

    /// The session is over: those that have a connection, the first last.
    pub fn into_connected(self) -> impl Iterator<Item = L> {
        let has_connection = |beside: &Beside<L>| matches!(beside.stage, Stage::Up | Stage::Retiring);
        let beside = self.beside.into_iter().filter(has_connection).map(|beside| beside.lane);
        beside.chain([self.first])
    }
}

/// Where a lane stands among those beside the first.
fn at(lane: u8) -> Option<usize> {
    usize::from(lane).checked_sub(1)
}

/// The lanes that a new run may be put on, with what each has before it. The first is always one, unless it
/// has no connection and another has.
fn loads<'a, L: Lane>(
    first: &'a L,
    is_connected: bool,
    beside: &'a [Beside<L>],
) -> impl Iterator<Item = (u8, Load)> + 'a {
    let up = (1..).zip(beside).filter(|(_, beside)| beside.stage == Stage::Up);
    let has_others = beside.iter().any(|beside| beside.stage == Stage::Up);
    let first = (is_connected || !has_others).then(|| (0, first.load()));
    first.into_iter().chain(up.map(|(number, beside)| (number, beside.lane.load())))
}

/// Data that all lanes together hold for the case that it must be said again. The other side's window keeps
/// it far below; see [`Outbox`](super::outbox::Outbox) for who has a wider one and counts nothing.
const HELD_BYTES_MAX: u64 = 2 * WINDOW_BYTES;

#[cfg(test)]
mod tests;
