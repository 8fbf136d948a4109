//! The lanes beside the first, as the sender wants them.

use super::receiving::Order;
use crate::defects::{self, Defect};
use crate::error::Result;
use crate::proto::conversation::broken;
use crate::proto::lanes::LaneSet;

/// Which there are.
#[derive(Debug)]
pub(super) struct Lanes {
    // Whether both sides can have any.
    can: bool,
    // Wanted, and not told yet that it has no connection any more.
    up: LaneSet,
    // Whether there ever was one. From then on things may overtake each other.
    were_any: bool,
}

impl Lanes {
    /// None yet.
    pub(super) fn new(can: bool) -> Lanes {
        Lanes { can, up: LaneSet::default(), were_any: false }
    }

    /// Handles a lane request (`up`) or release; `is_early`: the offer is not accepted yet. Returns whether
    /// there is anything to do: a release may cross our report that the lane was lost.
    pub(super) fn wanted(&mut self, lane: u8, up: bool, is_early: bool) -> Result<bool> {
        let was_up = self.up.has(lane);
        if !self.can || (up && was_up) {
            return Err(broken("it wants a lane that there cannot be"));
        }
        if up {
            self.up.insert(lane);
            self.were_any |= !(is_early && defects::has(Defect::EarlyLaneInOrder));
        }
        Ok(up || was_up)
    }

    /// Those that are wanted.
    pub(super) fn up(&self) -> impl Iterator<Item = u8> + use<> {
        self.up.iter()
    }

    /// A lane has no connection any more. Returns whether the sender is to be told.
    pub(super) fn went(&mut self, lane: u8) -> bool {
        self.up.remove(lane)
    }

    /// How what the sender says may come.
    pub(super) fn order(&self) -> Order {
        if self.were_any { Order::Loose } else { Order::Strict }
    }
}
