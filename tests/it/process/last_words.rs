//! The connection breaks around the end of a transfer, wherever that is: neither side hangs, and neither claims what it does not know.

use std::time::{Duration, Instant};

use super::program::Program;
use super::scene::Scene;
use crate::cutting::{Cut, Fate, Line, Way};

#[test]
fn what_the_receiver_says_last_may_be_lost() {
    let scene = Scene::with_file(SIZE);
    let said = said_by_sender_and_relay(&scene).1;
    let cuts = (0..12).map(|step| (Way::Down, said.saturating_sub(step * 9)));
    all(cuts.collect());
}

/// A sender that has heard that everything was delivered is gone after its last word: where that is lost, the receiver waits for another.
/// It runs where `P2PC_SYSTEM_TESTS=1` says so.
pub fn whatever_is_said_last_may_be_lost() {
    let scene = Scene::with_file(SIZE);
    let (up, down) = said_by_sender_and_relay(&scene);
    let cuts = (0..24).flat_map(|step| {
        [(Way::Up, up.saturating_sub(step * 7)), (Way::Down, down.saturating_sub(step * 5))]
    });
    all(cuts.collect());
}

/// How much goes each way over the sender's line in a transfer without faults.
fn said_by_sender_and_relay(scene: &Scene) -> (u64, u64) {
    let line = Line::to(scene.relay.address());
    let sender = Program::start(&mut scene.sends(&line.url));
    Program::start(&mut scene.receives(&[])).exits(0);
    sender.exits(0);
    (line.passed(Way::Up), line.passed(Way::Down))
}

/// Cuts the sender's first connection at each of these places, one transfer each, all at the same time.
fn all(cuts: Vec<(Way, u64)>) {
    std::thread::scope(|scope| {
        for (of, after) in cuts {
            scope.spawn(move || {
                let scene = Scene::with_file(SIZE);
                let fate = move |number| match number {
                    0 => Fate::Cut { after, of: Some(of), how: Cut::Close },
                    _ => Fate::Lasts,
                };
                let line = Line::with(scene.relay.address(), fate);
                let began = Instant::now();
                let sender = Program::start(&mut scene.sends(&line.url));
                let received = Program::start(&mut scene.receives(&[])).ends();
                let sent = sender.ends();
                let told = format!("cut after {after} {of:?}: {} / {}", sent.1.stderr, received.1.stderr);
                assert_eq!((sent.0, received.0), (Some(0), Some(0)), "{told}");
                scene.is_equal();
                assert!(began.elapsed() < BOUND, "{told}");
            });
        }
    });
}

/// One frame of data, so that nearly all that is said is said around the end.
const SIZE: usize = 1000;

/// The receiver waits 30 s for the last word; the rest is the machine's.
const BOUND: Duration = Duration::from_secs(40);
