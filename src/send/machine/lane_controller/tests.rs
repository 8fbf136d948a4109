//! Lanes over lines of all kinds.

use super::*;

/// A line where `lanes` lanes bring so many bytes a second and a dial takes `DIAL_MS`, and a transfer over it
/// that takes `ms`. Returns how many lanes there are in the end, and were at most.
fn runs(controller: &mut LaneController, ms: u64, waits: bool, rate: impl Fn(u8) -> u64) -> (u8, u8) {
    let mut line = Line::default();
    line.runs(controller, 0..ms, waits, rate);
    (line.lanes(), line.most)
}

/// How long a dial takes: several round trips, longer than what was changed takes to settle and to be
/// measured.
const DIAL_MS: u64 = 700;

#[derive(Default)]
struct Line {
    up: Vec<u8>,
    dialling: Vec<(u8, u64)>,
    retired_while_dialling: u32,
    taken: u64,
    most: u8,
}

impl Line {
    fn lanes(&self) -> u8 {
        self.up.len() as u8 + 1
    }

    fn runs(
        &mut self,
        controller: &mut LaneController,
        time: std::ops::Range<u64>,
        waits: bool,
        rate: impl Fn(u8) -> u64,
    ) {
        for now_ms in time.step_by(100) {
            while let Some(step) = controller.poll() {
                match step {
                    Step::Open(lane) => {
                        assert!(!self.up.contains(&lane));
                        self.dialling.push((lane, now_ms + DIAL_MS));
                    }
                    Step::Stop(lane) => {
                        self.dialling.retain(|(other, _)| *other != lane);
                        controller.gone(lane, now_ms);
                    }
                    Step::Retire(lane) => {
                        self.retired_while_dialling += u32::from(!self.dialling.is_empty());
                        self.up.retain(|other| *other != lane);
                        controller.gone(lane, now_ms);
                    }
                }
            }
            let came = self.dialling.extract_if(.., |(_, at_ms)| *at_ms <= now_ms);
            for (lane, _) in came {
                controller.came(lane, now_ms);
                self.up.push(lane);
            }
            let lanes = self.lanes();
            self.most = self.most.max(lanes);
            self.taken += rate(lanes) / 10;
            controller.tick(now_ms, Some(Sample { taken: self.taken, waits, left: None }));
        }
    }
}

fn far(left: Option<u64>) -> LaneController {
    let mut controller = LaneController::new(None, None);
    controller.accepted(0, 100, left);
    controller
}

#[test]
fn lanes_are_added_while_each_brings_more() {
    let mut controller = far(None);
    assert_eq!(runs(&mut controller, 7000, true, |lanes| u64::from(lanes) << 20), (16, 16));
    // Up to where it brings nothing more.
    let mut controller = far(None);
    let (lanes, most) = runs(&mut controller, 8000, true, |lanes| u64::from(lanes.min(4)) << 20);
    assert_eq!((lanes, most), (4, 8));
}

#[test]
fn what_brings_nothing_is_tried_less_and_less_often() {
    let mut controller = far(None);
    let trials = std::cell::Cell::new(0);
    runs(&mut controller, 600_000, true, |lanes| {
        trials.set(trials.get() + u32::from(lanes > 1));
        5 << 20
    });
    // Each trial takes two seconds at most.
    assert!((5..200).contains(&trials.get()), "{}", trials.get());
}

#[test]
fn a_large_transfer_to_far_away_begins_with_several() {
    for (left, lanes) in [(1 << 20, 1), (5 << 20, 4), (64 << 20, 8)] {
        let mut controller = far(Some(left));
        let opened = std::iter::from_fn(|| controller.poll()).count();
        assert_eq!(opened, lanes - 1, "{left}");
    }
    let mut near = LaneController::new(None, None);
    near.accepted(0, 3, Some(1 << 40));
    assert_eq!(near.poll(), None);
}

#[test]
fn where_something_else_is_waited_for_or_the_line_is_slow_there_is_one() {
    assert_eq!(runs(&mut far(None), 20_000, false, |lanes| u64::from(lanes) << 20), (1, 1));
    assert_eq!(runs(&mut far(None), 20_000, true, |_| 125_000), (1, 1));
    assert_eq!(runs(&mut far(None), 20_000, true, |_| 800 << 20), (1, 1));
}

#[test]
fn as_many_as_are_wanted_come_back_after_a_pause() {
    let mut controller = LaneController::new(Some(3), None);
    controller.accepted(0, 0, None);
    assert_eq!(
        [controller.poll(), controller.poll(), controller.poll()],
        [Some(Step::Open(1)), Some(Step::Open(2)), None]
    );
    (1..=2).for_each(|lane| controller.came(lane, 100));
    controller.lost(2, false, 200);
    controller.gone(2, 300);
    controller.tick(400, Some(Sample::default()));
    assert_eq!(controller.poll(), None, "not at once");
    controller.tick(200 + AGAIN_MS, Some(Sample::default()));
    assert_eq!(controller.poll(), Some(Step::Open(2)));
    // It does not come: longer.
    controller.gone(2, 2000);
    controller.tick(2000 + AGAIN_MS, Some(Sample::default()));
    assert_eq!(controller.poll(), None);
    controller.tick(2000 + 2 * AGAIN_MS, Some(Sample::default()));
    assert_eq!(controller.poll(), Some(Step::Open(2)));
}

#[test]
fn a_relay_that_refuses_is_left_alone_for_a_while() {
    let mut controller = LaneController::new(Some(3), None);
    controller.accepted(0, 0, None);
    while controller.poll().is_some() {}
    controller.lost(1, true, 100);
    (1..=2).for_each(|lane| controller.gone(lane, 200));
    for now_ms in (200..100 + REFUSED_MS).step_by(100) {
        controller.tick(now_ms, Some(Sample::default()));
        assert_eq!(controller.poll(), None);
    }
    controller.tick(100 + REFUSED_MS, Some(Sample::default()));
    assert!(controller.poll().is_some());
}

fn opens(controller: &mut LaneController) -> usize {
    std::iter::from_fn(|| controller.poll()).filter(|step| matches!(step, Step::Open(_))).count()
}

#[test]
fn nothing_is_asked_for_before_something_large_is_offered_to_far_away() {
    for (lanes, limit, answer_ms, bytes) in [
        (None, None, 100, 1 << 20),
        (None, None, 5, 1 << 30),
        (Some(16), None, 5, 1 << 30),
        (None, Some(1 << 20), 100, 1 << 30),
        (Some(1), None, 100, 1 << 30),
    ] {
        let mut controller = LaneController::new(lanes, limit);
        controller.offered(0, answer_ms, bytes);
        controller.tick(0, Some(Sample { taken: 0, waits: true, left: None }));
        assert_eq!(controller.poll(), None, "{lanes:?} {limit:?} {answer_ms} {bytes}");
    }
}

#[test]
fn what_was_asked_for_ahead_of_the_answer_is_what_there_is_at_first() {
    for (lanes, count) in [(None, 8), (Some(16), 16)] {
        let mut controller = LaneController::new(lanes, None);
        controller.offered(0, 50, 64 << 20);
        assert_eq!(opens(&mut controller), count - 1);
        // More is found while it waits.
        controller.offered(10, 50, 1 << 40);
        (1..=3).for_each(|lane| controller.came(lane, 80));
        controller.accepted(100, 100, Some(1 << 40));
        assert_eq!(opens(&mut controller), 0);
        controller.tick(5000, Some(Sample::default()));
        assert!(!matches!(controller.poll(), Some(Step::Stop(_))));
    }
}

#[test]
fn a_person_who_thinks_has_no_lanes_wait_and_no_say_in_how_many_there_are() {
    for thinks_ms in [AHEAD_MS, 60_000, 3_600_000] {
        let mut controller = LaneController::new(None, None);
        controller.offered(0, 50, 64 << 20);
        assert_eq!(opens(&mut controller), 7);
        (1..=2).for_each(|lane| controller.came(lane, 80));
        let mut steps = Vec::new();
        for now_ms in (100..=thinks_ms).step_by(100) {
            controller.tick(now_ms, Some(Sample { taken: 0, waits: false, left: None }));
            while let Some(step) = controller.poll() {
                let (Step::Stop(lane) | Step::Retire(lane)) = step else { panic!("{step:?} at {now_ms}") };
                controller.gone(lane, now_ms);
                steps.push((step, now_ms));
            }
        }
        assert_eq!(steps.len(), 7, "each once");
        assert!(steps.iter().all(|(_, at_ms)| *at_ms == AHEAD_MS), "{steps:?}");
        controller.offered(thinks_ms, 50, 1 << 40);
        assert_eq!(controller.poll(), None);
        // That nothing came meanwhile says nothing of the lanes.
        controller.accepted(thinks_ms, 100, Some(64 << 20));
        assert_eq!(opens(&mut controller), 7, "as if it had answered at once");
        assert_eq!((controller.failures, controller.asks_at_ms, controller.before), (0, 0, None));
    }
    // And who is near is near, however long that takes.
    let mut controller = LaneController::new(None, None);
    controller.offered(0, 3, 64 << 20);
    controller.accepted(60_000, 6, Some(64 << 20));
    assert_eq!(controller.poll(), None);
}

#[test]
fn a_receiver_that_vanished_while_it_was_asked_has_no_lanes_wait_either() {
    let mut controller = LaneController::new(None, None);
    controller.offered(0, 50, 64 << 20);
    assert_eq!(opens(&mut controller), 7);
    // The first lane has lost its connection, and does not get another one.
    for now_ms in (100..AHEAD_MS).step_by(100) {
        controller.tick(now_ms, None);
        assert_eq!(controller.poll(), None);
    }
    controller.tick(AHEAD_MS, None);
    let steps: Vec<_> = std::iter::from_fn(|| controller.poll()).collect();
    assert!(steps.len() == 7 && steps.iter().all(|step| matches!(step, Step::Stop(_))), "{steps:?}");
}

#[test]
fn without_the_first_lane_none_is_asked_for() {
    let mut controller = LaneController::new(Some(4), None);
    controller.accepted(0, 0, None);
    assert_eq!(opens(&mut controller), 3);
    controller.lost(1, false, 100);
    controller.gone(1, 100);
    for now_ms in (200..30_000).step_by(100) {
        controller.tick(now_ms, None);
        assert_eq!(controller.poll(), None);
    }
    controller.tick(30_000, Some(Sample::default()));
    assert_eq!(opens(&mut controller), 1);
}

#[test]
fn no_lane_that_works_is_let_go_of_while_another_is_dialled() {
    let (mut line, mut controller) = (Line::default(), far(Some(64 << 20)));
    line.runs(&mut controller, 0..3000, true, |lanes| u64::from(lanes.min(8)) << 20);
    assert_eq!(line.retired_while_dialling, 0);
    assert!(line.most >= 8);
}

#[test]
fn what_is_still_looked_for_goes_first() {
    let mut controller = far(Some(64 << 20));
    while controller.poll().is_some() {}
    (1..=3).for_each(|lane| controller.came(lane, 100));
    // The others do not come, and it is measured without them.
    let mut stopped = Vec::new();
    for now_ms in (200..20_000).step_by(100) {
        controller.tick(now_ms, Some(Sample { taken: now_ms * 10, waits: true, left: None }));
        while let Some(step) = controller.poll() {
            stopped.push(step);
        }
    }
    // The line is slow: one is enough.
    let (first, then) = stopped.split_at(4);
    assert!(first.iter().all(|step| matches!(step, Step::Stop(4..=7))), "{stopped:?}");
    assert!(then.iter().all(|step| matches!(step, Step::Retire(1..=3))), "{stopped:?}");
    assert_eq!(then.len(), 3);
}

#[test]
fn all_that_are_lost_at_once_are_one_failure() {
    let mut controller = LaneController::new(Some(8), None);
    controller.accepted(0, 0, None);
    while controller.poll().is_some() {}
    (1..=7).for_each(|lane| controller.came(lane, 100));
    for lane in 1..=7 {
        controller.lost(lane, false, 1000);
        controller.gone(lane, 1100);
    }
    controller.tick(1000 + AGAIN_MS - 1, Some(Sample::default()));
    assert_eq!(controller.poll(), None);
    controller.tick(1000 + AGAIN_MS, Some(Sample::default()));
    assert_eq!(std::iter::from_fn(|| controller.poll()).count(), 7);
}

#[test]
fn a_lane_that_is_wanted_no_more_may_be_lost() {
    let mut controller = far(None);
    controller.lanes = vec![Stage::Retiring; 15];
    controller.lost(1, false, 2500);
    controller.gone(2, 2500);
    assert_eq!((controller.failures, controller.asks_at_ms), (0, 0));
}

#[test]
fn a_lane_that_comes_and_is_cut_is_asked_for_less_and_less_often() {
    let mut controller = LaneController::new(Some(3), None);
    controller.accepted(0, 0, None);
    let mut asked = 0;
    for now_ms in (0..60_000).step_by(100) {
        controller.tick(now_ms, Some(Sample::default()));
        while let Some(step) = controller.poll() {
            let Step::Open(lane) = step else { continue };
            controller.came(lane, now_ms);
            // One holds, and excuses the other only once.
            if lane == 2 {
                asked += 1;
                controller.lost(lane, false, now_ms);
                controller.gone(lane, now_ms);
            }
        }
    }
    assert!((5..=9).contains(&asked), "{asked}");
    // Once it holds, too, its loss is the first again.
    controller.lanes[1] = Stage::Up { since_ms: 60_000, has_held: false };
    controller.tick(60_000 + HELD_MS, Some(Sample::default()));
    controller.asks_at_ms = 0;
    controller.lost(2, false, 70_000);
    assert_eq!(controller.asks_at_ms, 70_000 + AGAIN_MS);
}

#[test]
fn lanes_that_do_not_help_go() {
    // It is far, but one does it all.
    let (mut line, mut controller) = (Line::default(), far(Some(64 << 20)));
    line.runs(&mut controller, 0..5000, true, |_| 20 << 20);
    assert!(line.most >= 8);
    line.runs(&mut controller, 5000..20_000, true, |_| 20 << 20);
    assert_eq!(line.lanes(), 1);
    // Where half are slower, they come back.
    let (mut line, mut controller) = (Line::default(), far(Some(64 << 20)));
    line.runs(&mut controller, 0..60_000, true, |lanes| u64::from(lanes.min(8)) << 20);
    assert!(line.lanes() >= 8, "{}", line.lanes());
    // A slow line has no use for any.
    let (mut line, mut controller) = (Line::default(), far(Some(64 << 20)));
    line.runs(&mut controller, 0..10_000, true, |_| 100_000);
    assert_eq!((line.lanes(), line.most), (1, 8));
}

#[test]
fn under_a_limit_there_is_one_unless_it_does_not_reach_it() {
    let limited = || {
        let mut controller = LaneController::new(None, Some(2 << 20));
        controller.accepted(0, 100, Some(1 << 30));
        controller
    };
    assert_eq!(runs(&mut limited(), 60_000, true, |_| 2 << 20), (1, 1));
    assert_eq!(runs(&mut limited(), 60_000, true, |_| 15 << 17), (1, 1));
    let (_, most) = runs(&mut limited(), 4000, true, |lanes| u64::from(lanes.min(2)) << 20);
    assert_eq!(most, 2);
}
