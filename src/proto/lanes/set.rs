//! A set of lanes.

use crate::proto::limits::LANES_MAX;

/// Some of the lanes of a session: one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSet(u16);

const _: () = assert!(LANES_MAX as u32 <= u16::BITS);

impl LaneSet {
    /// Whether this lane is one of them.
    #[must_use]
    pub fn has(self, lane: u8) -> bool {
        self.0 & bit(lane) != 0
    }

    /// Adds a lane.
    pub fn insert(&mut self, lane: u8) {
        self.0 |= bit(lane);
    }

    /// Takes a lane out. Returns whether it was one of them.
    pub fn remove(&mut self, lane: u8) -> bool {
        let had = self.has(lane);
        self.0 &= !bit(lane);
        had
    }

    /// Their numbers, in order.
    pub fn iter(self) -> impl Iterator<Item = u8> + use<> {
        (0..LANES_MAX).filter(move |lane| self.has(*lane))
    }
}

/// Numbers of lanes are checked where frames are read: one that there cannot be is in no set.
fn bit(lane: u8) -> u16 {
    1u16.checked_shl(lane.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_added_and_taken_out() {
        let mut lanes = LaneSet::default();
        for lane in [15, 1, 7, LANES_MAX, u8::MAX] {
            lanes.insert(lane);
        }
        assert_eq!(lanes.iter().collect::<Vec<_>>(), [1, 7, 15]);
        assert!(lanes.remove(7) && !lanes.remove(7) && !lanes.remove(LANES_MAX));
        assert!(!lanes.has(7) && lanes.has(15) && !lanes.has(u8::MAX));
    }
}
