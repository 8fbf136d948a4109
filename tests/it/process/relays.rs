//! The relay as a process: where it listens, whom it refuses, how it ends.

use rustix::process::Signal;

use super::program::{Program, p2pc};
use super::{CODE, Relay, small_file};

#[test]
fn a_relay_listens_wherever_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = small_file(dir.path());
    let mut relay = Program::start(p2pc("relay").args(["--listen", "127.0.0.1:0", "--listen", "[::1]:0"]));
    let urls: Vec<_> =
        (0..2).map(|_| relay.prints().strip_prefix("listening on ").unwrap().to_owned()).collect();
    assert!(urls[0].starts_with("ws://127.0.0.1:") && urls[1].starts_with("ws://[::1]:"), "{urls:?}");
    // One relay: both sides meet although they come by different doors.
    let out = dir.path().join("out");
    let sender = Program::start(p2pc("send").args(["--code", CODE, "--relay", &urls[0]]).arg(file));
    let mut command = p2pc("receive");
    Program::start(command.args(["--yes", "--code", CODE, "--relay", &urls[1], "--out"]).arg(&out)).exits(0);
    sender.exits(0);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Program::start(p2pc("relay").args(["--listen", &address])).exits(2);
    assert!(ended.stderr.contains(&address) && ended.stderr.contains("hint: "), "{}", ended.stderr);
}

#[test]
fn a_relay_that_is_told_to_end_lets_everybody_know() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let mut waiting = Program::start(relay.send().arg(file));
    waiting.says("Waiting for the other side");
    relay.program.signal(Signal::TERM);
    let said = relay.program.exits(143).stderr;
    assert!(said.contains("the relay is going away"), "{said}");
    // Somebody who waits goes on trying: the relay may come back.
    waiting.signal(Signal::INT);
    waiting.exits(130);
}

#[test]
fn the_log_of_a_relay_never_names_rooms_or_codes() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    relay.carries(relay.send().arg(file), &out, 0);
    relay.program.signal(Signal::INT);
    let log = relay.program.exits(130).stderr;
    assert!(log.contains("a session has ended"), "{log}");
    for secret in ["48213", "acid", "small"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
