//! Lanes beside the first, as queues that are cut at any moment: what was delivered is counted, what was not goes over others.

use std::collections::{BTreeMap, VecDeque};

use p2pc::proto::frame::PackedBlock;
use p2pc::proto::outbox::Load;
use p2pc::proto::spread::Spread;

use super::Dice;

/// All lanes from the sender to the receiver; the first is number 0.
#[derive(Default)]
pub struct Lanes {
    spread: Spread,
    lanes: BTreeMap<u8, Lane>,
}

#[derive(Default)]
struct Lane {
    under_way: VecDeque<PackedBlock>,
    /// Over all its connections.
    taken: u64,
    /// The sender puts new runs on it, and the receiver takes from it.
    is_open: bool,
    is_heard: bool,
}

impl Lanes {
    pub fn say(&mut self, frame: PackedBlock) {
        let first = &mut self.lanes.entry(0).or_default().is_open;
        *first = true;
        let lane = if frame.is_data() { self.spread.lane(frame.run, loads(&self.lanes)).unwrap() } else { 0 };
        self.lanes.get_mut(&lane).unwrap().under_way.push_back(frame);
    }

    /// The sender asks for a lane, or needs it no more.
    pub fn wants(&mut self, lane: u8, up: bool) {
        self.lanes.entry(lane).or_default().is_open = up;
    }

    /// The receiver hears of that: it takes from the lane from now on, or no more. Returns what it took.
    pub fn heard(&mut self, lane: u8, up: bool) -> u64 {
        let lane = self.lanes.entry(lane).or_default();
        lane.is_heard = up;
        lane.taken
    }

    /// The sender hears what the receiver took of a lane that is no more.
    pub fn taken(&mut self, lane: u8, frames: u64) {
        let left = self.lanes.get_mut(&lane).unwrap();
        assert_eq!(left.taken, frames);
        left.is_open = false;
        let left = std::mem::take(&mut left.under_way);
        let mut moving = self.spread.moving(lane);
        for frame in left {
            let to = moving.lane(frame.run, loads(&self.lanes)).unwrap();
            self.lanes.get_mut(&to).unwrap().under_way.push_back(frame);
        }
    }

    /// What comes next on some lane.
    pub fn next(&mut self, dice: &mut Dice) -> Option<(u8, Vec<u8>)> {
        let waiting = self
            .lanes
            .iter()
            .filter(|(number, lane)| (**number == 0 || lane.is_heard) && !lane.under_way.is_empty());
        let waiting: Vec<u8> = waiting.map(|(number, _)| *number).collect();
        let number = *waiting.get(dice.roll(waiting.len().max(1) as u64) as usize)?;
        let lane = self.lanes.get_mut(&number)?;
        let frame = lane.under_way.pop_front()?;
        lane.taken += 1;
        Some((number, frame.buffer[frame.start..].to_vec()))
    }
}

fn loads(lanes: &BTreeMap<u8, Lane>) -> impl Iterator<Item = (u8, Load)> {
    let open = lanes.iter().filter(|(_, lane)| lane.is_open);
    let load = |lane: &Lane| Load { queued: lane.under_way.len(), under_way: 0 };
    open.map(move |(number, lane)| (*number, load(lane)))
}
