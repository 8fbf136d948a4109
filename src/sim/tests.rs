//! Some runs, on every test. `make sim` runs as many as one likes, and faster.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Failure, run};

#[test]
fn nothing_is_lost_whatever_happens() {
    let next = AtomicU64::new(FIRST);
    let failures: Mutex<Vec<Failure>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < FIRST + RUNS)
                {
                    if let Err(failure) = run(seed, false) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures: Vec<String> = failures.into_inner().unwrap().iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_seed_tells_the_same_story_every_time() {
    for seed in [3, 112, 1193] {
        let mut first = super::run::Story::new(seed, true);
        let mut again = super::run::Story::new(seed, true);
        assert_eq!(first.tell(), again.tell());
        assert!(first.lines() == again.lines(), "seed {seed} tells two stories");
        assert!(!first.lines().is_empty());
    }
}

const FIRST: u64 = 1;

/// What a debug build does in a few seconds.
const RUNS: u64 = 500;
