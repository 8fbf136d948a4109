//! Connections that break and come back while both processes live: nobody does anything, and the transfer goes on.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::program::{Program, p2pc};
use super::scene::{Halfway, Scene};
use super::{BACK, LOST, Relay, names, with_code};
use crate::cutting::{Cut, Fate, Line, Way};

#[test]
fn a_relay_that_is_started_again_finds_both() {
    let scene = Scene::with_file(SIZE);
    let halfway = scene.halfway(HALF);
    let scene = Scene { relay: scene.relay.restart(), ..scene };
    halfway.meets_again();
    scene.is_equal();
}

#[test]
fn a_line_that_is_down_for_a_while_is_tried_again() {
    let scene = Scene::with_file(SIZE);
    let Halfway { line, mut sender, mut receiver } = scene.halfway(HALF);
    line.refuse(true);
    line.cut();
    line.release();
    // The receiver, whose own line is whole, is told by the relay.
    for side in [&mut sender, &mut receiver] {
        side.says(LOST);
    }
    line.refuse(false);
    for side in [&mut sender, &mut receiver] {
        side.says(BACK);
    }
    sender.exits(0);
    receiver.exits(0);
    scene.is_equal();
    // What had arrived did not go again, but for what was under way.
    assert!(line.passed(Way::Up) < SIZE as u64 + UNDER_WAY, "{}", line.passed(Way::Up));
}

#[test]
fn every_way_to_end_a_connection_is_survived() {
    for how in [Cut::Close, Cut::Reset, Cut::Half] {
        for of in [Way::Up, Way::Down] {
            let scene = Scene::with_file(SIZE);
            // The receiver says little: this is behind the pairing, among the first acknowledgements.
            let after = if of == Way::Up { HALF } else { 600 };
            let fate = move |number| match number {
                0 => Fate::Cut { after, of: Some(of), how },
                _ => Fate::Lasts,
            };
            let line = Line::with(scene.relay.address(), fate);
            let sender = Program::start(&mut scene.sends(&line.url));
            let received = Program::start(&mut scene.receives(&[])).exits(0);
            let sent = sender.exits(0);
            assert_eq!(line.cuts(), 1, "{how:?} {of:?}");
            for side in [sent, received] {
                assert!(side.stderr.contains(LOST), "{how:?} {of:?}: {}", side.stderr);
            }
            scene.is_equal();
        }
    }
}

#[test]
fn when_the_time_to_retry_is_over_the_same_commands_go_on() {
    let scene = Scene::with_file(SIZE);
    let retry = ["--retry", "1s"];
    let Halfway { line, sender, receiver } = scene.halfway_with(HALF + 100_000, &retry, &retry);
    scene.has_written(HALF - 64);
    line.refuse(true);
    line.cut();
    for side in [sender, receiver] {
        let said = side.exits(6).stderr;
        assert!(said.contains(LOST) && said.contains("goes on"), "{said}");
    }
    assert_eq!(names(&scene.out).len(), 2, "the part file and its journal");
    let sent = scene.carries(&[], 0).bytes;
    assert!(sent < SIZE as u64 - HALF + UNDER_WAY, "{sent}");
    scene.is_equal();
}

#[test]
fn without_time_to_retry_a_lost_connection_is_the_end() {
    let scene = Scene::with_file(SIZE);
    let retry = ["--retry", "0"];
    let Halfway { line, sender, receiver } = scene.halfway_with(HALF, &retry, &retry);
    line.cut();
    for side in [sender, receiver] {
        let said = side.exits(6).stderr;
        assert!(said.contains("goes on"), "{said}");
    }
    scene.carries(&[], 0);
    scene.is_equal();
}

#[test]
fn a_side_that_looks_for_the_other_can_be_interrupted() {
    let scene = Scene::with_file(SIZE);
    let Halfway { line, mut sender, mut receiver } = scene.halfway(HALF);
    line.refuse(true);
    line.cut();
    for side in [&mut sender, &mut receiver] {
        side.says(LOST);
    }
    sender.signal(Signal::TERM);
    sender.exits(143);
    receiver.signal(Signal::INT);
    receiver.exits(130);
    scene.carries(&[], 0);
    scene.is_equal();
}

/// The sender, started again, confirms last and believes in a session that the receiver never hears of.
#[test]
fn a_pairing_whose_last_word_was_lost_is_no_session() {
    let scene = Scene::with_file(SIZE);
    let greeting = greeting(&scene.relay) + FIRST_BYTES;
    let fate = move |number| match number {
        0 => Fate::Lasts,
        // In the middle of what the sender confirms.
        _ => Fate::Cut { after: greeting + 10, of: Some(Way::Down), how: Cut::Close },
    };
    let far = Line::with(scene.relay.address(), fate);
    let near = Line::to(scene.relay.address());
    near.hold_after(HALF);
    let sender = Program::start(&mut scene.sends(&near.url));
    let mut command = with_code(p2pc("receive"), &far.url);
    let receiver = Program::start(command.arg("--yes").arg("--out").arg(&scene.out));
    near.wait_held();
    sender.signal(Signal::KILL);
    sender.was_killed();
    let sender = Program::start(&mut scene.sends(&scene.relay.url));
    far.cut_once();
    sender.exits(0);
    receiver.exits(0);
    scene.is_equal();
}

/// How many bytes a relay says before it passes on anybody's.
fn greeting(relay: &Relay) -> u64 {
    let mut stream = TcpStream::connect(relay.address()).unwrap();
    let request = "GET /v1/room/greeting?role=send HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: p2pc.v1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    said.len() as u64
}

/// The first message of a pairing, framed.
const FIRST_BYTES: u64 = 2 + 109 + env!("CARGO_PKG_VERSION").len() as u64;

#[test]
fn a_stream_cannot_begin_again() {
    let scene = Scene::with_file(SIZE);
    let mut sender = Program::start(scene.relay.send().arg("-").stdin(Stdio::piped()));
    let mut receiver = Program::start(scene.receives(&[]).arg("--verbose"));
    let mut stdin = sender.stdin.take().unwrap();
    // More than one window: the last of it is taken only when the receiver has written some.
    stdin.write_all(&vec![7; 24 << 20]).unwrap();
    receiver.says("Offered");
    receiver.signal(Signal::KILL);
    receiver.was_killed();
    let began = Instant::now();
    let receiver = Program::start(&mut scene.receives(&[]));
    assert!(sender.exits(6).stderr.contains("cannot be read once more"));
    receiver.exits(8);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    // Nor can what was written already to whoever reads it.
    let sender = Program::start(&mut scene.sends(&scene.relay.url));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let receiver = Program::start(scene.relay.receive("-".as_ref()).stdout(writer));
    reader.read_exact(&mut [0; 4096]).unwrap();
    sender.signal(Signal::KILL);
    sender.was_killed();
    let began = Instant::now();
    let sender = Program::start(&mut scene.sends(&scene.relay.url));
    let received = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    assert!(receiver.exits(6).stderr.contains("cannot be taken back"));
    sender.exits(8);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    received.join().unwrap().unwrap();
}

const SIZE: usize = 12 << 20;
const HALF: u64 = 7 << 20;

/// Nobody waits for anybody here; this is for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(15);

/// What one connection may lose: the buffers of the system and of the line, in both programs' directions, and what is said again.
const UNDER_WAY: u64 = 8 << 20;
