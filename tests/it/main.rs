//! The one integration-test binary: every test that needs more than one module.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "a test stops where something is not as it should be, and tells one story from its beginning to its end"
)]

#[cfg(target_os = "linux")]
mod benchmarks;
mod cmd;
mod completed;
mod compression;
#[cfg(unix)]
mod configured;
mod corpora;
#[cfg(unix)]
mod cutting;
mod docs;
mod examples;
mod foreign;
mod generated;
mod guesses;
mod hostile_relay;
mod house;
mod library;
#[cfg(target_os = "linux")]
mod load;
mod net;
mod operation;
#[cfg(unix)]
mod process;
mod proxies;
mod relay;
mod relay_stub;
mod reunion;
mod rig;
mod session;
mod shaped;
mod skipped;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod tree;
mod vectors;
mod wishes;
mod world;
