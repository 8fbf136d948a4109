//! A receiver that is killed leaves nothing under a final name that is not whole, and nothing in the way of the next.

use std::io::Write as _;
use std::process::Stdio;

use rustix::process::Signal;

use super::program::Program;
use super::{Relay, names, small_file};

#[test]
fn a_killed_receiver_leaves_only_what_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let mut sender =
        Program::start(relay.send().args(["-", "--verbose", "--retry=0"]).arg(file).stdin(Stdio::piped()));
    let mut receiver = Program::start(relay.receive(&out).arg("--verbose"));
    // More than one window: the sender takes the last of it only when the receiver has written some.
    sender.stdin.as_mut().unwrap().write_all(&vec![7; 24 << 20]).unwrap();
    receiver.says("Offered");
    receiver.signal(Signal::KILL);
    receiver.was_killed();
    sender.exits(6);
    let left = names(&out);
    assert!(left.len() == 1 && left[0].to_str().unwrap().starts_with(".p2pc-"), "{left:?}");
    // The next one takes the place of what was left.
    let mut sender = Program::start(relay.send().arg("-").stdin(Stdio::piped()));
    sender.stdin.take().unwrap().write_all(b"whole").unwrap();
    Program::start(&mut relay.receive(&out)).exits(0);
    sender.exits(0);
    assert_eq!(names(&out), ["stdin"]);
    assert_eq!(std::fs::read(out.join("stdin")).unwrap(), b"whole");
}
