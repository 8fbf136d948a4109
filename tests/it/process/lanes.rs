//! Data over several connections at once: the same arrives, whatever becomes of them.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;

use super::program::{Program, p2pc};
use super::scene::Scene;
use super::tls::{over_tls, vector};
use super::{Relay, with_code};
use crate::cutting::{Chance, Cut, Fate, Line, Way};

/// A line that counts its connections.
fn counting(relay: &Relay, fate: impl Fn(u64) -> Fate + Send + 'static) -> (Line, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let line = Line::with(relay.address(), move |number| {
        counted.fetch_add(1, Ordering::Relaxed);
        fate(number)
    });
    (line, count)
}

fn over_lanes<'c>(command: &'c mut Command, lanes: &str) -> &'c mut Command {
    command.args(["--verbose", "--lanes", lanes])
}

/// Sends a stream, of which nothing but the beginning comes before all lanes are there.
fn streams(mut sender: Program, lanes: u64, bytes: &[u8]) -> Program {
    let mut stdin = sender.stdin.take().unwrap();
    let (first, rest) = bytes.split_at(EARLY);
    stdin.write_all(first).unwrap();
    if lanes > 1 {
        sender.says(&format!("{lanes} lanes"));
    }
    stdin.write_all(rest).unwrap();
    sender
}

#[test]
fn as_many_lanes_carry_data_as_are_asked_for() {
    for lanes in [1, 2, 16] {
        let scene = Scene::with_file(SIZE);
        let bytes = std::fs::read(&scene.source).unwrap();
        let (line, count) = counting(&scene.relay, |_| Fate::Lasts);
        let mut command = with_code(p2pc("send"), &line.url);
        over_lanes(command.arg("-").stdin(Stdio::piped()), &lanes.to_string());
        let sender = Program::start(&mut command);
        let receiver = Program::start(&mut scene.receives(&[]));
        streams(sender, lanes, &bytes).exits(0);
        receiver.exits(0);
        assert!(std::fs::read(scene.out.join("stdin")).unwrap() == bytes);
        assert_eq!(count.load(Ordering::Relaxed), lanes);
        assert!(line.passed(Way::Up) < SIZE as u64 + FRAMING, "nothing was said twice");
    }
}

#[test]
fn lanes_that_are_cut_lose_nothing_but_themselves() {
    for how in [Cut::Close, Cut::Reset, Cut::Half] {
        let scene = Scene::with_file(LARGE);
        let (line, _) = counting(&scene.relay, move |number| match number {
            0 => Fate::Lasts,
            number => Fate::Cut { after: 300_000 * number, of: None, how },
        });
        let sender = Program::start(scene.sends_over("4", &line.url).arg("--verbose"));
        let receiver = Program::start(&mut scene.receives(&[]));
        let (sent, received) = (sender.exits(0), receiver.exits(0));
        scene.is_equal();
        for side in [sent, received] {
            assert!(!side.stderr.contains(super::LOST), "{how:?}: {}", side.stderr);
        }
        assert!(line.cuts() > 0);
    }
}

#[test]
fn lanes_go_over_tls_too() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, ca) = (over_tls("p256.pem"), vector("ca.pem"));
    let bytes = Chance::new(5).bytes(SIZE);
    let mut command = with_code(p2pc("send"), &relay.url);
    over_lanes(command.args(["--ca", &ca, "-"]).stdin(Stdio::piped()), "4");
    let sender = Program::start(&mut command);
    let receiver = Program::start(relay.receive(dir.path()).args(["--ca", &ca]));
    streams(sender, 4, &bytes).exits(0);
    receiver.exits(0);
    assert!(std::fs::read(dir.path().join("stdin")).unwrap() == bytes);
}

/// Both sides in the middle of a transfer over four lanes, and the line that holds the sender up.
fn halfway(scene: &Scene) -> (Line, Program, Program) {
    let line = Line::to(scene.relay.address());
    line.hold_after(LARGE as u64 / 2);
    let sender = Program::start(&mut scene.sends_over("4", &line.url));
    let receiver = Program::start(&mut scene.receives(&[]));
    line.wait_held();
    (line, sender, receiver)
}

#[test]
fn a_relay_that_is_started_again_finds_both_and_their_lanes() {
    let scene = Scene::with_file(LARGE);
    let (line, sender, receiver) = halfway(&scene);
    let scene = Scene { relay: scene.relay.restart(), ..scene };
    line.release();
    sender.exits(0);
    receiver.exits(0);
    scene.is_equal();
}

#[test]
fn either_side_that_is_killed_goes_on_where_it_was() {
    for is_sender in [true, false] {
        let scene = Scene::with_file(LARGE);
        let (line, mut sender, mut receiver) = halfway(&scene);
        let killed = if is_sender { &mut sender } else { &mut receiver };
        killed.signal(Signal::KILL);
        let again = if is_sender { scene.sends_over("4", &line.url) } else { scene.receives(&[]) };
        let again = Program::start(&mut { again });
        let gone = std::mem::replace(killed, again);
        gone.was_killed();
        line.release();
        sender.exits(0);
        receiver.exits(0);
        scene.is_equal();
    }
}

#[test]
fn a_stream_over_lanes_comes_out_in_order() {
    let relay = Relay::start();
    let (mut end, writer) = std::io::pipe().unwrap();
    let mut sender =
        Program::start(over_lanes(with_code(p2pc("send"), &relay.url).arg("-").stdin(Stdio::piped()), "4"));
    let receiver = Program::start(relay.receive("-".as_ref()).stdout(writer));
    let mut stdin = sender.stdin.take().unwrap();
    let block =
        |number: usize| -> Vec<u8> { (0..1 << 16).map(|at: usize| (at * 31 + number) as u8).collect() };
    stdin.write_all(&block(0)).unwrap();
    sender.says("4 lanes");
    let feeding = std::thread::spawn(move || {
        (1..STREAM_BLOCKS).for_each(|number| stdin.write_all(&block(number)).unwrap());
        stdin
    });
    for number in 0..STREAM_BLOCKS {
        let mut came = vec![0; 1 << 16];
        end.read_exact(&mut came).unwrap();
        assert!(came == block(number), "{number}");
    }
    let stdin = feeding.join().unwrap();
    #[cfg(target_os = "linux")]
    for (who, program) in [("sender", &sender), ("receiver", &receiver)] {
        let peak = program.peak_memory().unwrap();
        assert!(peak < (48 + 4 * 8) << 20, "the {who} took {peak} bytes");
    }
    drop(stdin);
    sender.exits(0);
    receiver.exits(0);
    assert_eq!(end.read(&mut [0]).unwrap(), 0);
}

const SIZE: usize = 12 << 20;

/// So much that the other lanes are there long before its end.
const LARGE: usize = 40 << 20;

/// Everything but the bytes of the file.
const FRAMING: u64 = 100_000;

/// What of a stream is said before all lanes are there.
const EARLY: usize = 1000;

const STREAM_BLOCKS: usize = 1024;
