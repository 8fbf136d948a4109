//! What shows only after half a minute of silence or more: processes that are stopped and go on, lines that
//! swallow everything, a last word that never comes.
//!
//! They run where `P2PC_SYSTEM_TESTS=1` says so (`make test-system` does), all at the same time, since they
//! mostly wait.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::program::Program;
use super::scene::{Halfway, Scene};
use super::{BACK, LOST, RESTARTED, last_words};
use crate::cutting::{Cut, Fate, Line, Way};
use crate::skipped::skipped;

#[test]
fn silence_is_noticed_and_survived() {
    if skipped("silence_is_noticed_and_survived") {
        return;
    }
    let stories = [
        a_relay_that_was_stopped,
        a_line_that_swallows_everything,
        a_connection_that_falls_silent_while_others_work,
        a_stopped_receiver_yields_to_another,
        a_stopped_sender_yields_to_another,
        last_words::whatever_is_said_last_may_be_lost,
    ];
    std::thread::scope(|scope| stories.map(|story| scope.spawn(story)).map(|story| story.join().unwrap()));
}

fn a_relay_that_was_stopped() {
    let scene = Scene::with_file(SIZE);
    let Halfway { line, mut sender, mut receiver } = scene.halfway(HALF);
    let began = Instant::now();
    scene.relay.program.signal(Signal::STOP);
    line.release();
    for side in [&mut sender, &mut receiver] {
        side.says(LOST);
    }
    assert!(began.elapsed() < NOTICED, "{:?}", began.elapsed());
    scene.relay.program.signal(Signal::CONT);
    for side in [&mut sender, &mut receiver] {
        side.says(BACK);
    }
    sender.exits(0);
    receiver.exits(0);
    scene.is_equal();
}

fn a_line_that_swallows_everything() {
    let scene = Scene::with_file(SIZE);
    let Halfway { line, mut sender, mut receiver } = scene.halfway(HALF);
    let began = Instant::now();
    line.stall(true);
    line.release();
    for side in [&mut sender, &mut receiver] {
        side.says(LOST);
    }
    assert!(began.elapsed() < NOTICED, "{:?}", began.elapsed());
    line.stall(false);
    for side in [&mut sender, &mut receiver] {
        side.says(BACK);
    }
    sender.exits(0);
    receiver.exits(0);
    scene.is_equal();
}

fn a_connection_that_falls_silent_while_others_work() {
    let scene = Scene::with_file(SIZE);
    let fate = |number| match number {
        0 => Fate::Cut { after: HALF, of: Some(Way::Up), how: Cut::Silence },
        _ => Fate::Lasts,
    };
    let line = Line::with(scene.relay.address(), fate);
    let sender = Program::start(&mut scene.sends(&line.url));
    let received = Program::start(&mut scene.receives(&[])).exits(0);
    for side in [sender.exits(0), received] {
        assert!(side.stderr.contains(LOST) && side.stderr.contains(BACK), "{}", side.stderr);
    }
    scene.is_equal();
}

fn a_stopped_receiver_yields_to_another() {
    // So large that the rest of it does not wait in buffers for the ghost.
    let scene = Scene::with_file(HALF as usize + (20 << 20));
    let Halfway { line, mut sender, receiver: ghost } = scene.halfway_with(HALF, &[], RETRY);
    ghost.signal(Signal::STOP);
    line.release();
    // Elsewhere: what the stopped one has begun is still its own.
    let elsewhere = scene.dir.path().join("elsewhere");
    Program::start(&mut scene.relay.receive(&elsewhere)).exits(0);
    sender.says(RESTARTED);
    sender.exits(0);
    assert!(std::fs::read(elsewhere.join("data")).unwrap() == std::fs::read(&scene.source).unwrap());
    ghost.signal(Signal::CONT);
    ghost.exits(6);
    assert!(!scene.arrived().exists());
}

fn a_stopped_sender_yields_to_another() {
    // So large that the ghost has not said all of it into buffers already.
    let scene = Scene::with_file(HALF as usize + (20 << 20));
    let Halfway { line, sender: ghost, mut receiver } = scene.halfway_with(HALF, RETRY, &[]);
    ghost.signal(Signal::STOP);
    line.release();
    let second = Program::start(&mut scene.sends(&scene.relay.url));
    receiver.says(RESTARTED);
    receiver.exits(0);
    second.exits(0);
    scene.is_equal();
    ghost.signal(Signal::CONT);
    ghost.exits(6);
    scene.is_equal();
}

/// A ghost that comes to life again looks for nobody for long.
const RETRY: &[&str] = &["--retry", "1s"];

const SIZE: usize = 12 << 20;
const HALF: u64 = 7 << 20;

/// The silence after which a connection counts as dead, and what a busy machine adds.
const NOTICED: Duration = Duration::from_secs(55);
