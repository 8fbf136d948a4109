//! What was put on a lane reaches the other side over that one or another, whatever becomes of it.

use super::*;
use crate::proto::outbox::Outbox;

/// A lane whose outbox is looked into.
#[derive(Debug)]
struct Bare {
    outbox: Outbox,
    come: u64,
}

impl Bare {
    fn new() -> Bare {
        Bare { outbox: Outbox::unconnected(), come: 0 }
    }

    fn runs(&mut self) -> Vec<u64> {
        self.outbox.evacuate(0).unwrap().iter().map(|frame| frame.run).collect()
    }
}

impl Lane for Bare {
    fn beside(&self) -> Bare {
        Bare::new()
    }

    fn send(&mut self, frame: PackedBlock) -> Result<()> {
        self.outbox.say(frame)
    }

    fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    fn load(&self) -> Load {
        self.outbox.load()
    }

    fn is_counted(&self) -> bool {
        self.outbox.is_empty()
    }

    fn detach(&mut self) -> Result<u64> {
        self.outbox.disconnect()?;
        Ok(self.come)
    }

    fn evacuate(&mut self, frames: u64) -> Result<VecDeque<PackedBlock>> {
        self.outbox.evacuate(frames)
    }
}

fn data(run: u64) -> PackedBlock {
    PackedBlock { buffer: vec![0; 10], start: 0, cost: 4096, run }
}

fn control() -> PackedBlock {
    PackedBlock { buffer: vec![0; 10], start: 0, cost: 0, run: 0 }
}

/// Lanes of which these beside the first are there.
fn with(up: &[u8]) -> Lanes<Bare> {
    let mut lanes = Lanes::new(Bare::new());
    for lane in up {
        let search = lanes.open(*lane).unwrap();
        assert!(lanes.came(&search).is_some());
    }
    lanes
}

#[test]
fn what_is_said_stays_on_the_first_lane_and_data_goes_where_there_is_least() {
    let mut lanes = with(&[1, 2]);
    lanes.send(control()).unwrap();
    for run in 0..3 {
        lanes.send(data(run)).unwrap();
    }
    lanes.send(data(2)).unwrap();
    assert_eq!(lanes.up(), 3);
    assert_eq!([0, 1, 2].map(|lane| lanes.lane_mut(lane).runs()), [vec![0, 0], vec![1], vec![2, 2]]);
}

#[test]
fn a_first_lane_without_a_connection_gets_no_data_while_another_has_one() {
    let mut lanes = with(&[1]);
    let _ = lanes.first_mut(false);
    assert!(!lanes.is_connected());
    lanes.send(data(0)).unwrap();
    lanes.send(data(1)).unwrap();
    assert!(!lanes.has_room(), "something waits on each that takes any");
    assert_eq!([0, 1].map(|lane| lanes.lane_mut(lane).runs()), [vec![], vec![0, 1]]);
}

#[test]
fn what_a_lane_could_not_deliver_moves_and_the_rest_of_its_run_follows() {
    let mut lanes = with(&[1]);
    lanes.send(data(0)).unwrap();
    lanes.send(data(1)).unwrap();
    lanes.let_go(1).unwrap();
    lanes.send(data(1)).unwrap();
    assert_eq!(lanes.lane(1).load().queued, 2 * lanes.lane(0).load().queued, "what it took is not settled");
    lanes.taken(1, 0).unwrap();
    lanes.send(data(1)).unwrap();
    assert_eq!([0, 1].map(|lane| lanes.lane_mut(lane).runs()), [vec![0, 1, 1, 1], vec![]]);
    assert_eq!(lanes.taken(1, 1).unwrap_err().kind(), crate::error::Kind::Protocol, "never said");
}

#[test]
fn a_lane_that_retires_is_done_when_everything_was_counted() {
    let mut lanes = with(&[1, 2]);
    lanes.send(data(0)).unwrap();
    lanes.send(data(1)).unwrap();
    lanes.retire(1);
    lanes.retire(2);
    assert_eq!((lanes.up(), lanes.retired()), (1, vec![2]), "there is a frame on the other");
    lanes.send(data(2)).unwrap();
    assert_eq!([0, 1, 2].map(|lane| lanes.lane_mut(lane).runs()), [vec![0, 2], vec![1], vec![]]);
    assert_eq!(lanes.into_connected().count(), 3);
}

#[test]
fn a_search_that_nobody_wants_any_more_finds_nothing() {
    let mut lanes = Lanes::new(Bare::new());
    let first = lanes.open(2).unwrap();
    assert_eq!((first.lane, first.frames, lanes.count()), (2, 0, 3));
    assert_eq!(lanes.open(2), None, "it is sought already");
    lanes.let_go(2).unwrap();
    assert!(!lanes.is_sought(&first) && lanes.came(&first).is_none() && !lanes.missed(&first));
    lanes.lane_mut(2).come = 7;
    let second = lanes.open(2).unwrap();
    assert_eq!(second.frames, 7, "counted on");
    assert!(lanes.came(&first).is_none() && lanes.is_sought(&second));
    assert!(lanes.missed(&second) && !lanes.missed(&second));
    assert_eq!(lanes.up(), 1);
    assert_eq!((lanes.open(0), lanes.open(LANES_MAX)), (None, None), "there are no such");
}
