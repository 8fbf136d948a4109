//! Runs stay together and in order, whatever lanes come and go.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

fn load(queued: usize) -> Load {
    Load { queued, under_way: 0 }
}

#[test]
fn a_run_stays_on_its_lane_and_a_new_one_goes_where_the_least_waits() {
    let mut spread = Spread::default();
    let mut lane = |run, loads: &[(u8, usize)]| {
        spread.lane(run, loads.iter().map(|(lane, queued)| (*lane, load(*queued))))
    };
    assert_eq!(lane(0, &[(0, 5), (1, 3), (2, 3)]), Some(1));
    assert_eq!(lane(0, &[(0, 5), (1, 30), (2, 3)]), Some(1), "although it is full");
    assert_eq!(lane(0, &[(0, 5)]), Some(1), "although it takes no new ones");
    assert_eq!(lane(1, &[(0, 5), (2, 3)]), Some(2));
    assert_eq!(lane(2, &[]), None);
}

#[test]
fn what_is_read_later_follows_what_had_to_move() {
    let mut spread = Spread::default();
    assert_eq!(spread.lane(7, [(1, load(0))].into_iter()), Some(1));
    {
        let mut moving = spread.moving(1);
        assert_eq!(moving.lane(6, [(0, load(9)), (2, load(0))].into_iter()), Some(2));
        assert_eq!(moving.lane(7, [(0, load(9)), (2, load(10))].into_iter()), Some(0));
        assert_eq!(moving.lane(7, [(0, load(90)), (2, load(10))].into_iter()), Some(0));
    }
    assert_eq!(spread.lane(7, [(2, load(0))].into_iter()), Some(0));
    // All of it was delivered, so the rest may go anywhere.
    drop(spread.moving(0));
    assert_eq!(spread.lane(7, [(2, load(0))].into_iter()), Some(2));
}

#[test]
fn a_run_that_others_have_moved_between_stays_together_when_it_moves_again() {
    let mut spread = Spread::default();
    assert_eq!(spread.lane(5, [(2, load(0))].into_iter()), Some(2));
    assert_eq!(spread.lane(9, [(1, load(0))].into_iter()), Some(1));
    {
        // Both frames of run 5 that were left come between those of run 9.
        let mut moving = spread.moving(2);
        assert_eq!(moving.lane(5, [(1, load(1))].into_iter()), Some(1));
        assert_eq!(moving.lane(5, [(1, load(2))].into_iter()), Some(1));
    }
    assert_eq!(spread.lane(9, [(1, load(3)), (3, load(0))].into_iter()), Some(1));
    let mut moving = spread.moving(1);
    let mut to = |run, loads: [(u8, usize); 2]| {
        moving.lane(run, loads.into_iter().map(|(lane, queued)| (lane, load(queued))))
    };
    assert_eq!(to(9, [(0, 0), (3, 1)]), Some(0));
    assert_eq!(to(5, [(0, 1), (3, 0)]), Some(3));
    assert_eq!(to(5, [(0, 1), (3, 9)]), Some(3));
    assert_eq!(to(9, [(0, 9), (3, 0)]), Some(0));
}

/// What may happen to a sender of runs, between any two frames.
#[derive(Clone, Debug)]
enum Step {
    /// One more frame of the run.
    Say,
    /// The next frame begins a run.
    NewRun,
    /// The lane delivers its first frame.
    Deliver(u8),
    /// The lane is let go of. What it has not delivered moves.
    LetGo(u8),
    /// The lane is there again.
    Come(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Say),
        2 => Just(Step::NewRun),
        3 => (0u8..4).prop_map(Step::Deliver),
        3 => (1u8..4).prop_map(Step::LetGo),
        3 => (1u8..4).prop_map(Step::Come),
    ]
}

proptest! {
    #[test]
    fn every_frame_arrives_once_and_each_run_in_order(steps in prop::collection::vec(step(), 0..200)) {
        let mut spread = Spread::default();
        let mut lanes: BTreeMap<u8, VecDeque<(u64, u32)>> = (0..4).map(|lane| (lane, VecDeque::new())).collect();
        let (mut run, mut number, mut said, mut heard) = (0, 0, 0, BTreeMap::<u64, u32>::new());
        let loads = |lanes: &BTreeMap<u8, VecDeque<_>>| {
            let loads: Vec<_> = lanes.iter().map(|(lane, queue)| (*lane, load(queue.len()))).collect();
            loads.into_iter()
        };
        let hear = |heard: &mut BTreeMap<u64, u32>, (run, number): (u64, u32)| {
            let next = heard.entry(run).or_default();
            assert_eq!(*next, number, "run {run}");
            *next += 1;
        };
        for step in steps {
            match step {
                Step::Say => {
                    let lane = spread.lane(run, loads(&lanes)).unwrap();
                    lanes.get_mut(&lane).unwrap().push_back((run, number));
                    number += 1;
                    said += 1;
                }
                Step::NewRun => (run, number) = (run + 1, 0),
                Step::Deliver(lane) => {
                    if let Some(frame) = lanes.get_mut(&lane).and_then(VecDeque::pop_front) {
                        hear(&mut heard, frame);
                    }
                }
                Step::LetGo(lane) => {
                    if let Some(left) = lanes.remove(&lane) {
                        let mut moving = spread.moving(lane);
                        for frame in left {
                            let to = moving.lane(frame.0, loads(&lanes)).unwrap();
                            lanes.get_mut(&to).unwrap().push_back(frame);
                        }
                    }
                }
                Step::Come(lane) => {
                    lanes.entry(lane).or_default();
                }
            }
        }
        for queue in lanes.into_values() {
            for frame in queue {
                hear(&mut heard, frame);
            }
        }
        prop_assert_eq!(heard.values().sum::<u32>(), said);
    }
}
