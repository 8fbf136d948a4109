//! Shows that the simulator has teeth: `make teeth` switches on one deliberate defect after the other and looks how many seeds it takes until
//! somebody notices.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use p2pc::defects::{self, ALL, Defect};
use p2pc::sim;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let next = AtomicUsize::new(0);
    let missed = AtomicU64::new(0);
    let lines: Mutex<()> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(defect) = ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = find(*defect);
                    let _line = lines.lock();
                    match found {
                        Some((seed, what)) => println!("{defect:?}: seed {seed}: {what}"),
                        None => {
                            missed.fetch_add(1, Ordering::Relaxed);
                            println!("{defect:?}: NOT FOUND in {SEEDS_MAX} seeds");
                        }
                    }
                }
            });
        }
    });
    if missed.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first seed that notices, and how.
fn find(defect: Defect) -> Option<(u64, String)> {
    defects::set(Some(defect));
    let found = (1..=SEEDS_MAX).find_map(|seed| Some((seed, sim::run(seed, false).err()?.what)));
    defects::set(None);
    found
}

/// What is not found in so many seeds is not found: some seconds.
const SEEDS_MAX: u64 = 5000;
