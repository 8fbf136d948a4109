//! Runs the simulator: `make sim RUNS=100000 SEED=1`. Each run is one seed; a seed that fails is told with what makes it fail again.

#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use p2pc::sim::{self, Failure};

// As in the program: musl's own takes most of the time otherwise.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let number = |name: &str, otherwise: u64| {
        env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let (first, runs, is_traced) = (number("SEED", 1), number("RUNS", 10_000), number("TRACE", 0) > 0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(first);
    let (at_once, deaths, virtual_ms) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let lanes = [AtomicU64::new(0), AtomicU64::new(0)];
    let failures: Mutex<Vec<Failure>> = Mutex::default();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let has_failed = || failures.lock().is_ok_and(|failures| failures.len() >= FAILURES_MAX);
                    if seed >= first + runs || has_failed() {
                        return;
                    }
                    match sim::run(seed, is_traced) {
                        Ok(outcome) => {
                            at_once.fetch_add(u64::from(outcome.at_once), Ordering::Relaxed);
                            deaths.fetch_add(outcome.deaths, Ordering::Relaxed);
                            virtual_ms.fetch_add(outcome.took_ms, Ordering::Relaxed);
                            for (all, of_one) in lanes.iter().zip(outcome.lanes) {
                                all.fetch_add(of_one, Ordering::Relaxed);
                            }
                        }
                        Err(failure) => failures.lock().expect("nobody panics with it").push(failure),
                    }
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    let done = next.into_inner().min(first + runs) - first;
    let failures = failures.into_inner().expect("nobody panics with it");
    let [came, lost] = lanes.map(AtomicU64::into_inner);
    println!(
        "{done} runs in {took:.1} s: {:.0} a second; {} went through at once, {} processes were killed, {} virtual days; \
         lanes beside the first came {came} times on a side and {lost} were lost",
        done as f64 / took,
        at_once.into_inner(),
        deaths.into_inner(),
        virtual_ms.into_inner() / 86_400_000,
    );
    for failure in &failures {
        println!("{failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// More of them say nothing new.
const FAILURES_MAX: usize = 5;
