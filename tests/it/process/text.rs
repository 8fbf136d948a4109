//! A text from one person to another: printed, and never a file.

use std::io::Write as _;
use std::process::Stdio;

use super::program::{Program, Terminal, p2pc};
use super::{CODE, Relay, names, with_code};

const TEXT: &str = "grüße\n\x1b[2J\tend";

#[test]
fn a_text_is_printed_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, out) = (Relay::start(), dir.path().join("out"));
    let sender = Program::start(with_code(p2pc("send"), &relay.url).args(["--text", TEXT]));
    let received =
        Program::start(relay.receive(&out).arg("--checksums").arg(dir.path().join("sums"))).exits(0);
    let sent = sender.exits(0);
    // A pipe gets it as it is.
    assert_eq!(String::from_utf8(received.stdout).unwrap(), format!("{TEXT}\n"));
    assert!(received.stderr.contains("Offered: a text of 16 bytes"), "{}", received.stderr);
    assert!(!received.stderr.contains("into"), "{}", received.stderr);
    assert!(sent.stderr.contains("Sent a text of 16 bytes."), "{}", sent.stderr);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_text_from_a_pipe_goes_to_a_program_as_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Relay::start();
    let mut send = with_code(p2pc("send"), &relay.url);
    let mut sender = Program::start(send.args(["--text", "-"]).stdin(Stdio::piped()));
    sender.stdin.take().unwrap().write_all(b"from a pipe\n").unwrap();
    let received = Program::start(relay.receive(dir.path()).arg("--json")).exits(0);
    sender.exits(0);
    let said = String::from_utf8(received.stdout).unwrap();
    assert!(said.contains("\"event\":\"text\",\"text\":\"from a pipe\\u000a\"}"), "{said}");
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_text_can_go_through_standard_output_as_data() {
    let relay = Relay::start();
    let sender = Program::start(with_code(p2pc("send"), &relay.url).args(["--text", TEXT]));
    let received = Program::start(&mut relay.receive("-".as_ref())).exits(0);
    sender.exits(0);
    assert_eq!(received.stdout, TEXT.as_bytes());
}

#[test]
fn a_person_is_asked_before_a_text_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    for (answer, statuses) in [("n", (8, 8)), ("y", (0, 0))] {
        let relay = Relay::start();
        let sender = Program::start(with_code(p2pc("send"), &relay.url).args(["--text", TEXT]));
        let mut terminal = Terminal::new();
        let mut receive = terminal.p2pc("receive");
        receive.args(["--relay", &relay.url, "--code", CODE, "-o"]).arg(dir.path());
        let receiver = Program::start(&mut receive);
        let seen = terminal.sees("Show it? [y/N] ");
        assert!(seen.contains("a text of 16 bytes") && !seen.contains("gr"), "{seen}");
        terminal.types(&format!("{answer}\n"));
        let received = receiver.exits(statuses.0);
        sender.exits(statuses.1);
        assert_eq!(received.stdout.is_empty(), answer == "n");
    }
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_text_that_is_too_long_is_told_so() {
    let mut send = with_code(p2pc("send"), "ws://127.0.0.1:1");
    let mut sender = Program::start(send.args(["--text", "-"]).stdin(Stdio::piped()));
    let mut stdin = sender.stdin.take().unwrap();
    let _ = stdin.write_all(&vec![b'x'; 65537]);
    drop(stdin);
    let ended = sender.exits(2);
    assert!(ended.stderr.contains("longer than 64 KiB"), "{}", ended.stderr);
}
