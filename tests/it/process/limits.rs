//! `--limit`: what goes over the wire keeps to it, whichever side was given it, and neither is slower than it
//! must be.

use std::time::{Duration, Instant};

use super::names;
use super::program::Program;
use super::scene::Scene;

/// Carries a file of so many bytes and returns how long that took from the second side's start.
fn carried(bytes: usize, sender: &[&str], receiver: &[&str]) -> Duration {
    let scene = Scene::with_file(bytes);
    let sender = Program::start(scene.sends(&scene.relay.url).args(sender));
    let began = Instant::now();
    let receiver = Program::start(&mut scene.receives(receiver));
    receiver.exits(0);
    let took = began.elapsed();
    sender.exits(0);
    scene.is_equal();
    took
}

/// That so many bytes take as long as this rate says, and what two processes take for the rest. Never less;
/// and of a machine that is busy the best of some tries counts.
fn is_exact(bytes: usize, bytes_per_second: usize, sender: &[&str], receiver: &[&str]) {
    let due = bytes as f64 / bytes_per_second as f64;
    let mut tried = Vec::new();
    for took in (0..TRIES).map(|_| carried(bytes, sender, receiver).as_secs_f64()) {
        assert!(took > due * 0.95, "{took} s are less than {due} s");
        if took < due * 1.05 + BUSY_S {
            return;
        }
        tried.push(took);
    }
    panic!("{tried:?} s are more than {due} s");
}

#[test]
fn a_sender_keeps_to_its_limit() {
    is_exact(100_000, 50_000, &["--limit", "50k"], &[]);
    is_exact(16_000_000, 10_000_000, &["--limit=80Mbit"], &[]);
}

#[test]
fn a_receiver_holds_the_sender_to_its_limit() {
    is_exact(100_000, 50_000, &[], &["--limit", "50k"]);
    is_exact(16_000_000, 10_000_000, &[], &["--limit=80Mbit"]);
}

#[test]
fn the_lower_one_counts() {
    is_exact(300_000, 200_000, &["--limit", "1M"], &["--limit", "200k"]);
    is_exact(300_000, 200_000, &["--limit", "200k"], &["--limit", "1M"]);
}

#[test]
fn names_count_like_contents() {
    let scene = Scene::new();
    std::fs::create_dir(&scene.source).unwrap();
    for number in 0..NAMES {
        std::fs::write(scene.source.join(format!("{number:0>100}")), "").unwrap();
    }
    let began = Instant::now();
    let sender = Program::start(scene.sends(&scene.relay.url).args(["--limit", "200k"]));
    let receiver = Program::start(&mut scene.receives(&[]));
    receiver.exits(0);
    sender.exits(0);
    // Each is named once, and its end takes some forty bytes.
    let took = began.elapsed().as_secs_f64();
    assert!(took > f64::from(NAMES) * 140.0 / 200_000.0 * 0.9, "{took}");
    assert_eq!(names(&scene.arrived()).len(), NAMES as usize);
}

/// So many files of a hundred bytes of name, and nothing else.
const NAMES: u32 = 1500;

/// Somebody else may have the processors once, and seldom twice.
const TRIES: usize = 3;

/// What two processes on a busy machine take besides.
const BUSY_S: f64 = 0.8;
