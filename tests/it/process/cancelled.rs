//! One side ends a transfer, or loses it: what the other one is told, and the statuses of both.

use std::io::Write as _;
use std::process::Stdio;

use rustix::process::Signal;

use super::program::{Program, Terminal, p2pc};
use super::{Relay, names, small_file, with_code};

/// A transfer in the middle: one file is delivered, and standard input, which follows, has not ended.
struct Halfway {
    _dir: tempfile::TempDir,
    out: std::path::PathBuf,
    relay: Relay,
    sender: Program,
    receiver: Program,
}

impl Halfway {
    fn reach() -> Halfway {
        let dir = tempfile::tempdir().unwrap();
        let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
        let mut sender = Program::start(
            relay.send().arg(file).args(["-", "--verbose", "--retry=0"]).stdin(Stdio::piped()),
        );
        let mut receiver = Program::start(relay.receive(&out).args(["--verbose", "--retry=0"]));
        sender.stdin.as_mut().unwrap().write_all(&vec![7; 100_000]).unwrap();
        sender.says("small  5 B");
        receiver.says("small  5 B");
        Halfway { _dir: dir, out, relay, sender, receiver }
    }
}

#[test]
fn a_relay_that_dies_takes_the_connection_of_both_with_it() {
    let Halfway { out, relay, sender, receiver, _dir } = Halfway::reach();
    relay.program.signal(Signal::KILL);
    relay.program.was_killed();
    for side in [sender, receiver] {
        let ended = side.exits(6);
        assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
    }
    assert!(!out.join("stdin").exists());
}

#[test]
fn a_relay_that_is_told_to_end_says_goodbye_to_both() {
    let Halfway { out, relay, sender, receiver, _dir } = Halfway::reach();
    relay.program.signal(Signal::INT);
    relay.program.exits(130);
    for side in [sender, receiver] {
        let ended = side.exits(6);
        assert!(ended.stderr.contains("going away"), "{}", ended.stderr);
    }
    assert_eq!(names(&out), ["small"]);
}

#[test]
fn an_interrupted_sender_tells_the_receiver() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let Halfway { out, sender, receiver, relay: _relay, _dir } = Halfway::reach();
        sender.signal(signal);
        let said = receiver.exits(8).stderr;
        assert!(said.contains("the other side"), "{said}");
        // Its standard input is still open: it does not wait for the end of that.
        sender.exits(status);
        assert_eq!(names(&out), ["small"], "what was unfinished has gone");
    }
}

#[test]
fn an_interrupted_receiver_tells_the_sender() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let Halfway { out, sender, receiver, relay: _relay, _dir } = Halfway::reach();
        receiver.signal(signal);
        let said = sender.exits(8).stderr;
        assert!(said.contains("the other side"), "{said}");
        receiver.exits(status);
        assert_eq!(names(&out), ["small"]);
    }
}

#[test]
fn interrupting_the_wait_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut sender = Program::start(relay.send().arg(&file));
        sender.says("Waiting for the other side");
        sender.signal(signal);
        sender.exits(status);
    }
}

#[test]
fn ctrl_c_at_the_question_declines_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let sender = Program::start(relay.send().arg(file));
    let mut person = Terminal::new();
    let receiver = Program::start(with_code(person.p2pc("receive"), &relay.url).arg("--out").arg(&out));
    person.sees("[y/N] ");
    person.types("\x03");
    receiver.exits(130);
    sender.exits(8);
    assert!(!out.exists());
}

#[test]
fn a_person_who_says_no_is_heard_by_the_sender() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let sender = Program::start(relay.send().arg(file));
    let mut person = Terminal::new();
    let receiver = Program::start(with_code(person.p2pc("receive"), &relay.url).arg("--out").arg(&out));
    let shown = person.sees("[y/N] ");
    assert!(shown.contains("1 file, 5 B: small"), "{shown}");
    person.types("n\n");
    receiver.exits(8);
    let said = sender.exits(8).stderr;
    assert!(said.contains("declined"), "{said}");
    assert!(!out.exists());
}

#[test]
fn a_sender_that_is_interrupted_takes_the_question_back() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let sender = Program::start(relay.send().arg(file));
    let mut person = Terminal::new();
    let receiver = Program::start(with_code(person.p2pc("receive"), &relay.url).arg("--out").arg(&out));
    person.sees("[y/N] ");
    sender.signal(Signal::INT);
    sender.exits(130);
    receiver.exits(8);
    assert!(!out.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_second_signal_ends_at_once() {
    let relay = Relay::start();
    let (reader, writer) = std::io::pipe().unwrap();
    let room = rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap() as u64;
    let mut sender = Program::start(relay.send().arg("-").stdin(Stdio::piped()));
    let mut stdin = sender.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || while stdin.write_all(&vec![1; 60_000]).is_ok() {});
    let receiver = Program::start(relay.receive("-".as_ref()).stdout(writer));
    // Nobody reads, so the receiver is soon stuck in writing, and an orderly end would have to wait for that.
    while rustix::io::ioctl_fionread(&reader).unwrap() < room {
        std::thread::yield_now();
    }
    receiver.signal(Signal::INT);
    // The first has been heard once the other side knows.
    sender.exits(8);
    feeding.join().unwrap();
    receiver.signal(Signal::TERM);
    receiver.exits(143);
}

#[test]
fn a_code_that_nobody_can_read_ends_the_sender_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let sender =
        Program::start(p2pc("send").args(["--quiet", "--relay", &relay.url]).arg(file).stdout(writer));
    assert_eq!(sender.exits(141).stderr, "");
}
