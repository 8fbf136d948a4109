//! The lanes beside the first, as the sender wants them.

use super::receiving::Order;
use crate::defects::{self, Defect};
use crate::error::Result;
use crate::proto::conversation::broken;
use crate::proto::limits::LANES_MAX;

/// Which there are.
#[derive(Debug)]
pub(super) struct Lanes {
    // Whether both sides can have any.
    can: bool,
    // One bit each: wanted, and not told yet that it has no connection any more.
    up: u16,
    // Whether there ever was one. From then on things may overtake each other.
    were_any: bool,
}

impl Lanes {
    /// None yet.
    pub(super) fn new(can: bool) -> Lanes {
        Lanes { can, up: 0, were_any: false }
    }

    /// Handles a lane request (`up`) or release; `is_early`: the offer is not accepted yet. Returns whether there is anything to do: a release
    /// may cross our report that the lane was lost.
    pub(super) fn wanted(&mut self, lane: u8, up: bool, is_early: bool) -> Result<bool> {
        let bit = bit(lane);
        if !self.can || (up && self.up & bit != 0) {
            return Err(broken("it wants a lane that there cannot be"));
        }
        let was_up = self.up & bit != 0;
        if up {
            self.up |= bit;
            self.were_any |= !(is_early && defects::has(Defect::EarlyLaneInOrder));
        }
        Ok(up || was_up)
    }

    /// Those that are wanted.
    pub(super) fn up(&self) -> impl Iterator<Item = u8> + use<> {
        let up = self.up;
        (1..LANES_MAX).filter(move |lane| up & bit(*lane) != 0)
    }

    /// A lane has no connection any more. Returns whether the sender is to be told.
    pub(super) fn went(&mut self, lane: u8) -> bool {
        let was_up = self.up & bit(lane) != 0;
        self.up &= !bit(lane);
        was_up
    }

    /// How what the sender says may come.
    pub(super) fn order(&self) -> Order {
        if self.were_any { Order::Loose } else { Order::Strict }
    }
}

/// Numbers of lanes are checked where frames are read.
fn bit(lane: u8) -> u16 {
    1u16.checked_shl(lane.into()).unwrap_or(0)
}
