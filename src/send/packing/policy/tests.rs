//! The policy beside a model of what it decides about: a reader, threads that pack, and a line with room for
//! some bytes before it.

use super::*;

/// What surrounds it. Rates are bytes a second.
#[derive(Clone, Copy, Debug)]
struct World {
    /// Of the line.
    line: f64,
    /// What the line swallows at once before it is as slow as it is.
    swallows: f64,
    /// Of everything else that every byte of contents passes.
    rest: f64,
    /// Of one thread that packs, and how many there are.
    packs: f64,
    threads: usize,
    /// How much smaller it makes contents.
    ratio: f64,
}

/// A gigabit line, text, two threads.
const OFFICE: World = World { line: 118e6, swallows: 4e6, rest: 850e6, packs: 400e6, threads: 2, ratio: 4.0 };

const BLOCK: f64 = 262_144.0;
const QUEUE: usize = 8;

/// How long contents take by a policy, or always one way; and how many of them went packed.
fn transfer(
    bytes: f64,
    mut policy: Option<&mut Policy>,
    always: Way,
    world: impl Fn(f64) -> World,
) -> (f64, f64) {
    let mut workers = vec![0.0_f64; world(0.0).threads];
    let (mut line_free, mut buffered_until) = (0.0_f64, 0.0_f64);
    // When each block has left the queue, so that another can enter it.
    let mut left: Vec<f64> = Vec::new();
    let mut rest_free = 0.0_f64;
    let mut packed_bytes = 0.0;
    let blocks = (bytes / BLOCK) as usize;
    for at in 0..blocks {
        let entered: f64 = if at < QUEUE { 0.0 } else { left[at - QUEUE] };
        let here = world(entered);
        let choice = policy.as_ref().map_or(Choice { way: always, turn: 0 }, |policy| policy.choose());
        let (ready, wire) = match choice.way {
            Way::Packed => {
                let worker = (0..workers.len()).min_by(|a, b| workers[*a].total_cmp(&workers[*b])).unwrap();
                workers[worker] = workers[worker].max(entered) + BLOCK / here.packs;
                packed_bytes += BLOCK;
                (workers[worker], BLOCK / here.ratio)
            }
            Way::Plain => (entered, BLOCK),
        };
        // The line takes a block when it is ready, and while there is room before the line.
        let wanted = line_free.max(rest_free);
        let leaves = wanted.max(ready);
        rest_free = leaves + BLOCK / here.rest;
        buffered_until = buffered_until.max(leaves) + wire / here.line;
        line_free = (buffered_until - here.swallows / here.line).max(leaves);
        left.push(leaves);
        if let Some(policy) = &mut policy {
            let us = |seconds: f64| (seconds * 1e6) as u64;
            policy.leaves(choice, BLOCK as usize, us(leaves - wanted), us(leaves));
        }
    }
    (buffered_until.max(rest_free), packed_bytes / (blocks as f64 * BLOCK))
}

/// The time by policy, always packed, and always plain, of contents that take some seconds; and the part that
/// went packed.
fn compare(bytes: f64, world: impl Fn(f64) -> World + Copy) -> [f64; 4] {
    let (auto, share) = transfer(bytes, Some(&mut Policy::new()), Way::Packed, world);
    let (packed, _) = transfer(bytes, None, Way::Packed, world);
    let (plain, _) = transfer(bytes, None, Way::Plain, world);
    [auto, packed, plain, share]
}

#[test]
fn a_slow_line_gets_everything_packed() {
    for line in [1e6, 25e6, 118e6] {
        let [auto, packed, plain, share] = compare(512e6, |_| World { line, ..OFFICE });
        assert!(auto < packed * 1.1 && auto < plain / 3.0, "{line}: {auto} {packed} {plain} {share}");
    }
}

/// A long line with lanes over it: it takes megabytes at once before it shows how slow it is.
#[test]
fn a_long_line_that_is_filling_is_not_taken_for_a_fast_one() {
    let world = |_: f64| World { line: 25e6, swallows: 32e6, threads: 1, ..OFFICE };
    let (always, _) = transfer(64e6, None, Way::Packed, world);
    let mut far = Policy::new();
    far.answers_in(100_000, 0);
    let (auto, share) = transfer(64e6, Some(&mut far), Way::Packed, world);
    assert!(auto < always * 1.1, "{auto} {always} {share}");
    let (deceived, share) = transfer(64e6, Some(&mut Policy::new()), Way::Packed, world);
    assert!(deceived > always * 1.3, "{deceived} {always} {share}: what the rule is for");
}

#[test]
fn a_fast_line_gets_next_to_nothing_packed() {
    // One thread, as where two processors have three processes to run.
    for line in [1e9, 5e9] {
        let [auto, packed, plain, share] = compare(512e6, |_| World { line, threads: 1, ..OFFICE });
        assert!(auto < plain * 1.05 && plain < packed / 1.5, "{line}: {auto} {packed} {plain} {share}");
        assert!(share < 0.1, "{line}: {share}");
    }
}

#[test]
fn between_them_it_takes_the_faster_one() {
    for line in [100e6, 200e6, 300e6, 400e6, 600e6, 800e6] {
        for ratio in [1.02, 1.3, 2.0, 8.0] {
            for threads in [1, 2, 4] {
                let world = World { line, threads, ratio, ..OFFICE };
                let [auto, packed, plain, share] = compare(4e9, |_| world);
                let best = packed.min(plain);
                assert!(
                    auto < plain * 1.05 && auto < best * 1.12,
                    "{world:?}: {auto} {packed} {plain} {share}"
                );
            }
        }
    }
}

#[test]
fn it_notices_when_the_line_changes() {
    // Fast for the first seconds, then slow; and the other way round.
    for (first, then) in [(5e9, 25e6), (25e6, 5e9)] {
        let world = |now: f64| World { line: if now < 5.0 { first } else { then }, threads: 1, ..OFFICE };
        let bytes = if first > then { 5.5e9 } else { 8e9 };
        let [auto, packed, plain, share] = compare(bytes, world);
        assert!(auto < packed.min(plain) * 1.05, "{first} {then}: {auto} {packed} {plain} {share}");
    }
}

#[test]
fn what_went_the_other_way_says_nothing() {
    let mut policy = Policy::new();
    let old = policy.choose();
    assert_eq!(old.way, Way::Packed);
    // Late all the time, so plain is tried after one measurement.
    let mut now_us = 0;
    while policy.choose() == old {
        policy.leaves(old, 262_144, 600, now_us);
        now_us += 600;
    }
    assert_eq!(policy.choose(), Choice { way: Way::Plain, turn: 1 });
    let before = format!("{policy:?}");
    for _ in 0..100 {
        now_us += 600;
        policy.leaves(old, 262_144, 600, now_us);
    }
    assert_eq!(format!("{policy:?}"), before);
}
