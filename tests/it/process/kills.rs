//! A process is killed at a random point of a transfer whose connections are cut all the time, and the same command is started
//! again: it always ends equal.
//!
//! A few points here; `make kills` runs many, on large files and with the program that ships, and prints a line for each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;

use super::program::{Ended, Program, p2pc, typed};
use super::{CONTINUES, Relay, names};
use crate::cutting::{Chance, Line, Way};

#[test]
fn a_killed_receiver_is_started_again() {
    all(Victim::Receiver);
}

#[test]
fn a_killed_sender_is_started_again() {
    all(Victim::Sender);
}

#[test]
fn a_killed_relay_is_started_again() {
    all(Victim::Relay);
}

#[test]
fn a_killed_sender_that_was_the_relay_is_started_again() {
    all(Victim::SenderAndRelay);
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Receiver,
    Sender,
    Relay,
    /// The sender, with the relay embedded.
    SenderAndRelay,
}

fn all(victim: Victim) {
    let (kills, megabytes, seed) =
        (setting("P2PC_KILLS", 3), setting("P2PC_KILLS_MB", 16), setting("P2PC_KILLS_SEED", 1));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    let bytes = megabytes * 1_000_000;
    std::fs::write(&file, Chance::new(seed).bytes(bytes as usize)).unwrap();
    for kill in 0..kills {
        let seed = seed + kill;
        let replay =
            Replay(format!("P2PC_KILLS=1 P2PC_KILLS_MB={megabytes} P2PC_KILLS_SEED={seed}: {victim:?}"));
        let out = dir.path().join("out");
        let mut transfer = Transfer::start(victim, &file, &out, bytes, seed);
        let point = Chance::new(seed << 32).below(bytes);
        transfer.far.wait_passed(Way::Down, point);
        transfer.kills(victim);
        let (began, cuts, passed, starts) = transfer.ends(victim);
        assert_eq!(names(&out), ["data"], "nothing else is left");
        assert!(
            std::fs::read(out.join("data")).unwrap() == std::fs::read(&file).unwrap(),
            "not what was sent"
        );
        std::fs::remove_dir_all(&out).unwrap();
        println!(
            "{:<15} seed {seed:<6} killed at {:3} %, {cuts:3} cuts, {starts} starts, {:5.1} s, {:6.1} MB sent twice",
            format!("{victim:?}"),
            point * 100 / bytes,
            began.elapsed().as_secs_f64(),
            passed.saturating_sub(bytes) as f64 / 1e6,
        );
        drop(replay);
    }
}

/// A transfer of one file, with lines that are cut between everybody.
struct Transfer {
    began: Instant,
    relay: Option<Relay>,
    near: Option<Line>,
    far: Line,
    /// What the sender said how to go on.
    sends_on: String,
    receives: Box<dyn Fn() -> Command>,
    sender: Option<Program>,
    receiver: Option<Program>,
    starts: u32,
}

impl Transfer {
    fn start(victim: Victim, file: &Path, out: &Path, bytes: u64, seed: u64) -> Transfer {
        let lengths = bytes / 96..bytes / 3;
        let began = Instant::now();
        let mut command = p2pc("send");
        let (relay, near) = if victim == Victim::SenderAndRelay {
            command.args(["--listen", "127.0.0.1:0"]);
            (None, None)
        } else {
            let relay = Relay::start();
            let near = Line::cutting(relay.address(), seed, lengths.clone());
            command.args(["--relay", &near.url]);
            (Some(relay), Some(near))
        };
        let mut sender = Program::start(command.args(["--wait", WAIT]).arg(file));
        let printed = sender.prints();
        let (code, address) = printed.split_once("@ws://").unwrap();
        let sends_on = sender.says(CONTINUES).trim().to_owned();
        let relay_address = relay.as_ref().map_or_else(|| address.parse().unwrap(), Relay::address);
        let far = Line::cutting(relay_address, !seed, lengths);
        let (code, url, out) = (code.to_owned(), far.url.clone(), PathBuf::from(out));
        let receives = Box::new(move || {
            let mut command = p2pc("receive");
            command.args(["--yes", "--wait", WAIT, "--relay", &url, &code, "--out"]).arg(&out);
            command
        });
        let receiver = Program::start(&mut receives());
        let (sender, receiver) = (Some(sender), Some(receiver));
        Transfer { began, relay, near, far, sends_on, receives, sender, receiver, starts: 0 }
    }

    /// Kills it and, if it had not ended before, starts it again.
    fn kills(&mut self, victim: Victim) {
        if victim == Victim::Relay {
            self.relay = self.relay.take().map(Relay::restart);
            return;
        }
        let killed = self.program(victim).take().unwrap();
        killed.signal(Signal::KILL);
        match killed.ends() {
            (None, _) => self.starts_again(victim),
            (status, said) => assert_eq!(status, Some(0), "{}", said.stderr),
        }
    }

    fn starts_again(&mut self, victim: Victim) {
        self.starts += 1;
        let program = match victim {
            Victim::Receiver => Program::start(&mut (self.receives)()),
            _ => Program::start(&mut typed(&self.sends_on)),
        };
        *self.program(victim) = Some(program);
    }

    fn program(&mut self, victim: Victim) -> &mut Option<Program> {
        match victim {
            Victim::Receiver => &mut self.receiver,
            _ => &mut self.sender,
        }
    }

    /// Waits until it is over. Returns when it began, how many cuts there were, the bytes that passed, and how often the victim was started.
    fn ends(mut self, victim: Victim) -> (Instant, u64, u64, u32) {
        while let Some(restarted) = self.program(victim).take() {
            match restarted.ends() {
                (Some(0), _) => {}
                // A connection that is cut in the middle of a pairing is taken for a wrong code, since a guesser would do that; and
                // the first dialling shows whether there is a relay at all. A person starts it once more.
                (Some(4 | 5), Ended { stderr, .. }) if victim != Victim::Relay => {
                    assert!(self.starts < STARTS_MAX, "{stderr}");
                    self.starts_again(victim);
                }
                // The other side had everything it needed before.
                (Some(3), _) if self.starts > 0 => {}
                (status, said) => panic!("{status:?}: {}", said.stderr),
            }
        }
        for other in [self.sender, self.receiver].into_iter().flatten() {
            other.exits(0);
        }
        let cuts = self.far.cuts() + self.near.as_ref().map_or(0, Line::cuts);
        (self.began, cuts, self.far.passed(Way::Down), self.starts)
    }
}

/// Says how to have it again when a test fails.
struct Replay(String);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("to have it again: {}", self.0);
        }
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

/// How long who was started again waits for somebody who may have had everything: more than a relay keeps the seat of a ghost.
const WAIT: &str = "40s";

/// Of ten starts in a row some get through, however short the connections are.
const STARTS_MAX: u32 = 10;
