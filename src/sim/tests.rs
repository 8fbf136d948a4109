//! Some runs, on every test.

use super::run;

#[test]
fn nothing_is_lost_whatever_happens() {
    for seed in 0..200 {
        if let Err(failure) = run(seed, false) {
            panic!("seed {}: {}", failure.seed, failure.what);
        }
    }
}
