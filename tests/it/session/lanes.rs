//! Lanes: what comes on several of them, and lies about them.

use p2pc::proto::frame::{Control, FileEnd, Reason, WireFailure, encode_control, encode_keep_alive};
use p2pc::receive::sink::Job;

use super::victim::{Lie, Victim, are_found_out, data};

#[test]
fn lies_about_lanes_are_found_out() {
    let end = |size| Control::Ended(vec![FileEnd { entry: 0, size, root: [0; 32] }]);
    let lane = |up| Control::Lane { lane: 1, up };
    let gone = || WireFailure { reason: Reason::Vanished, text: "" };
    let lies: [Lie<'_>; 10] = [
        ("where there can be none", Victim::expecting(), &|v| {
            v.hears(lane(true));
        }),
        ("twice", Victim::with_lane(Some(10)), &|v| {
            v.hears(lane(true));
        }),
        ("the first", Victim::with_lane(Some(10)), &|v| {
            v.hears(Control::Lane { lane: 0, up: true });
        }),
        ("the seventeenth", Victim::with_lane(Some(10)), &|v| {
            v.hears(Control::Lane { lane: 16, up: true });
        }),
        ("control on it", Victim::with_lane(Some(10)), &|v| {
            let bytes = encode_control(0, Control::Receipt).unwrap();
            v.beside(&bytes);
        }),
        ("garbage on it", Victim::with_lane(Some(10)), &|v| {
            v.beside(b"garbage");
        }),
        ("more than was asked for", Victim::with_lane(Some(10)), &|v| {
            v.data(0, 0, b"1234567890").beside(&data(0, 0, b"x"));
        }),
        ("more after the end", Victim::with_lane(Some(10)), &|v| {
            v.hears(end(10)).beside(&data(0, 0, b"1234567890")).beside(&data(0, 0, b"x"));
        }),
        ("two ends", Victim::with_lane(Some(10)), &|v| {
            v.hears(end(10)).hears(end(10));
        }),
        ("an end and none", Victim::with_lane(Some(10)), &|v| {
            v.hears(end(10)).hears(Control::Dropped { entry: 0, failure: gone() });
        }),
    ];
    are_found_out(lies);
}

#[test]
fn an_end_waits_for_what_comes_on_other_lanes() {
    for size in [Some(10), None] {
        let mut victim = Victim::with_lane(size);
        let finishes = |victim: &Victim| victim.jobs.iter().any(|job| matches!(job, Job::Finish(_)));
        victim.beside(&data(0, 5, b"67890"));
        victim.hears(Control::Ended(vec![FileEnd { entry: 0, size: 10, root: [0; 32] }]));
        assert!(!finishes(&victim));
        victim.data(0, 0, b"12345");
        assert!(finishes(&victim) && victim.result.is_none());
    }
    // What was dropped is dropped at once, and what comes of it later is passed over.
    let mut victim = Victim::with_lane(Some(10));
    let failure = WireFailure { reason: Reason::Vanished, text: "" };
    victim.hears(Control::Dropped { entry: 0, failure });
    assert!(victim.jobs.iter().any(|job| matches!(job, Job::Drop { .. })));
    assert!(victim.beside(&data(0, 5, b"67890")).result.is_none());
    assert_eq!(victim.receiver.progress().bytes_done, 0);
}

#[test]
fn nobody_comes_to_a_lane_before_the_person_has_agreed() {
    let mut victim = Victim::asking();
    for (lane, up) in [(1, true), (2, true), (3, true), (2, false)] {
        victim.hears(Control::Lane { lane, up });
    }
    assert_eq!(victim.lanes, [(2, false)]);
    victim.receiver.lane_taken(2, 0);
    victim.receiver.accepted(true, 0);
    victim.bytes(&encode_keep_alive().unwrap());
    assert_eq!(victim.lanes, [(2, false), (1, true), (3, true)]);
    assert!(victim.result.is_none());
}

#[test]
fn a_lane_that_crosses_its_end_is_passed_over() {
    let mut victim = Victim::with_lane(Some(10));
    victim.receiver.lane_taken(1, 7);
    victim.hears(Control::Lane { lane: 1, up: false });
    victim.hears(Control::Lane { lane: 1, up: true });
    assert!(victim.result.is_none());
}
