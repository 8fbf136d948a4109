use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn rate(bytes_per_second: u64) -> Rate {
    Rate::new(bytes_per_second).unwrap()
}

#[test]
fn rates_have_bounds() {
    assert_eq!([0, 999, 1_000_000_000_001].map(Rate::new), [None; 3]);
    assert_eq!(rate(1000), Rate::MIN);
    assert_eq!(rate(1_000_000_000_000), Rate::MAX);
}

#[test]
fn blocks_are_small_on_slow_lines_and_never_larger_than_a_frame_takes() {
    let at = |bytes_per_second| rate(bytes_per_second).block_bytes();
    assert_eq!([1000, 50_000, 1_000_000, 6_000_000].map(at), [1 << 10, 2 << 10, 32 << 10, 256 << 10]);
    assert_eq!(at(1_000_000_000_000), PAYLOAD_BYTES_MAX);
    assert_eq!(block_bytes_in(WINDOW_BYTES), PAYLOAD_BYTES_MAX);
    assert_eq!(block_bytes_in(FRAME_COST_MAX + 100_000), 8 << 10);
    assert_eq!([0, FRAME_COST_MAX].map(block_bytes_in), [4 << 10; 2]);
}

#[test]
fn a_day_is_exact_and_so_is_each_second() {
    for bytes_per_second in [1000, 50_000, 333_333, 10_000_000, 987_654_321] {
        let rate = rate(bytes_per_second);
        let mut pace = Pace::new(rate);
        let record = rate.block_bytes() as u64 + 300;
        let (mut now, mut said) = (Duration::from_secs(77), 0u64);
        let (mut second, mut said_before) = (now + Duration::from_secs(1), 0);
        let end = now + Duration::from_secs(if bytes_per_second > 1_000_000 { 100 } else { 86_400 });
        while now < end {
            now = now.max(pace.turn(record, now).begin);
            while now >= second {
                let in_second = said - said_before;
                assert!(in_second.abs_diff(bytes_per_second) <= record, "{in_second} of {bytes_per_second}");
                (second, said_before) = (second + Duration::from_secs(1), said);
            }
            said += record;
        }
        let seconds = now.as_secs_f64() - 77.0;
        let ratio = said as f64 / seconds / bytes_per_second as f64;
        assert!((0.999..1.001 + record as f64 / said as f64).contains(&ratio), "{ratio}");
    }
}

#[test]
fn who_is_late_loses_nothing_and_who_is_silent_saves_nothing() {
    let ms = Duration::from_millis;
    let mut pace = Pace::new(rate(1_000_000));
    assert_eq!(pace.turn(10_000, ms(5000)), Turn { begin: ms(5000), end: ms(5010) });
    // 90 ms late: the next ones may go at once until the time is caught up.
    assert_eq!(pace.turn(10_000, ms(5100)).begin, ms(5010));
    assert_eq!(pace.turn(10_000, ms(5100)).begin, ms(5020));
    // Longer than anybody is late.
    assert_eq!(pace.turn(10_000, ms(6000)), Turn { begin: ms(6000), end: ms(6010) });
    // Something that did not wait is paid by what comes after it.
    assert_eq!(pace.turn(500_000, ms(6010)).end, ms(6510));
    assert_eq!(pace.turn(10_000, ms(6011)).begin, ms(6510));
}

#[test]
fn lanes_share_the_line_evenly() {
    let mut pace = Pace::new(rate(1_000_000));
    let mut said = [0u64; 4];
    // When each may say its next record. One of them has small records, one is always late.
    let mut turns = [Duration::ZERO; 4];
    while let Some((lane, at)) = turns.iter().copied().enumerate().min_by_key(|(_, at)| *at)
        && at < Duration::from_secs(60)
    {
        let late = if lane == 3 { Duration::from_millis(20) } else { Duration::ZERO };
        said[lane] += 50_000;
        turns[lane] = pace.turn(50_000, at + late).begin.max(at + late);
    }
    let all: u64 = said.iter().sum();
    assert!(all.abs_diff(60_000_000) <= 250_000, "{all}");
    assert!(said.iter().all(|said| said.abs_diff(15_000_000) < 750_000), "{said:?}");
}

/// A sender and a line on which everything takes a while, seen from a receiver that looks ten times a second.
/// Returns what came by the end of each second.
fn received(rate: Rate, frame_bytes: u64, round_trip_ms: u64, is_greedy: bool) -> Vec<u64> {
    let mut ration = Ration::new(rate);
    let window = ration.window_bytes();
    let cost = frame_bytes.max(4096);
    let needed = if is_greedy { cost } else { FRAME_COST_MAX };
    let (mut credit, mut spent, mut charged, mut came) = (window, 0, 0, 0);
    let mut granted = window;
    let mut on_way: VecDeque<u64> = VecDeque::new();
    let mut grants: VecDeque<(u64, u64)> = VecDeque::new();
    let mut seconds = Vec::new();
    for now_ms in 0..120_000 {
        while grants.front().is_some_and(|(at, _)| *at <= now_ms) {
            credit = grants.pop_front().unwrap().1;
        }
        while credit - spent >= needed {
            spent += cost;
            on_way.push_back(now_ms + round_trip_ms / 2);
        }
        while on_way.front().is_some_and(|at| *at <= now_ms) {
            on_way.pop_front();
            charged += cost;
            came += frame_bytes;
            ration.came(frame_bytes);
        }
        if now_ms % 100 == 0 {
            let total = ration.credit(charged, now_ms).min(charged + window);
            if total > granted {
                granted = total;
                grants.push_back((now_ms + round_trip_ms / 2, total));
            }
        }
        if now_ms % 1000 == 999 {
            seconds.push(came);
        }
    }
    seconds
}

#[test]
fn credit_holds_any_sender_to_the_rate() {
    let full = PAYLOAD_BYTES_MAX as u64 + 40;
    for bytes_per_second in [1000, 50_000, 1_000_000, 10_000_000, 25_000_000] {
        let rate = rate(bytes_per_second);
        let ours = block_bytes_in(Ration::new(rate).window_bytes()) as u64 + 40;
        for (frame_bytes, is_greedy) in [(ours, false), (full, false), (full, true)] {
            for round_trip_ms in [1, 100, 300] {
                let came = received(rate, frame_bytes, round_trip_ms, is_greedy);
                // What a sender may have in advance, once: one frame, or what it takes beyond the rules of
                // good manners.
                let once = if is_greedy { FRAME_COST_MAX } else { frame_bytes + bytes_per_second / 10 };
                for (second, came) in (1..).zip(&came) {
                    let most = second * bytes_per_second + once;
                    assert!(*came <= most, "{came} > {most} after {second} s at {bytes_per_second}");
                }
                let all = came.last().unwrap();
                let least = bytes_per_second * 119 - (bytes_per_second * 119).min(frame_bytes);
                assert!(
                    *all * 100 >= least * 98,
                    "{all} < {least} at {bytes_per_second}, {round_trip_ms} ms"
                );
            }
        }
    }
}

#[test]
fn what_is_not_used_is_not_saved_up() {
    let mut ration = Ration::new(rate(1_000_000));
    let first = ration.credit(0, 0);
    assert_eq!(ration.credit(0, 3_600_000) - first, 500_000);
    ration.came(400_000);
    assert_eq!(
        ration.credit(400_000, 3_600_000) - first,
        500_000,
        "charged 400,000 more, earned 400,000 less"
    );
    ration.came(600_000);
    assert_eq!(first - ration.credit(0, 3_600_000), 500_000, "below nothing");
}

#[test]
fn names_take_no_more_than_seconds_from_the_contents() {
    let mut ration = Ration::new(rate(1_000_000));
    let charged = 20_000_000;
    let first = ration.credit(charged, 0);
    ration.came_uncredited(1_000_000);
    assert_eq!(first - ration.credit(charged, 0), 1_000_000);
    ration.came_uncredited(u64::MAX);
    assert_eq!(first - ration.credit(charged, 0), 3_000_000, "three seconds' worth");
    assert_eq!(ration.credit(charged, 3_000), first);
    // What contents have taken is caught up with, however much.
    ration.came(10_000_000);
    ration.came_uncredited(10_000_000);
    assert_eq!(first - ration.credit(charged, 3_000), 10_000_000);
}

proptest! {
    #[test]
    fn no_time_and_no_amount_breaks_it(
        bytes_per_second in 1000u64..=1_000_000_000_000,
        steps in prop::collection::vec((any::<u64>(), any::<u64>()), 1..20),
    ) {
        let (mut pace, mut ration) = (Pace::new(rate(bytes_per_second)), Ration::new(rate(bytes_per_second)));
        for (bytes, now) in steps {
            let turn = pace.turn(bytes, Duration::from_nanos(now));
            prop_assert!(turn.begin <= turn.end);
            ration.came(bytes);
            ration.came_uncredited(bytes);
            ration.credit(bytes, now);
        }
    }
}
