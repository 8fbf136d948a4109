//! What somebody between the two sides can see or change, and what both people are told of it.

use std::path::Path;

use super::program::{Ended, Program, Terminal};
use super::wire::{Wire, find};
use super::{Relay, names, with_code};

const MARKER: &[u8] = b"a sentence that nobody else shall read";

/// A transfer of the marker, with the options of both sides. Returns what both said and what the receiver's wire carried.
fn watched(sender: &[&str], receiver: &[&str]) -> (Ended, Ended, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), dir.path().join("file"), dir.path().join("out"));
    std::fs::write(&file, MARKER).unwrap();
    let wire = Wire::to(relay.address(), |_| {});
    let sending = Program::start(relay.send().args(sender).arg(file));
    let receiving = Program::start(through(&wire, &out).args(receiver));
    let (sent, received) = (sending.exits(0), receiving.exits(0));
    assert_eq!(std::fs::read(out.join("file")).unwrap(), MARKER);
    (sent, received, wire.passed())
}

fn through(wire: &Wire, out: &Path) -> std::process::Command {
    let mut command = with_code(super::p2pc("receive"), &wire.url);
    command.arg("--yes").arg("--out").arg(out);
    command
}

#[test]
fn nothing_of_a_file_can_be_read_on_the_way() {
    let (_, _, passed) = watched(&[], &[]);
    assert!(passed.len() > MARKER.len() && find(&passed, MARKER).is_none());
}

#[test]
fn one_side_alone_cannot_leave_out_the_encryption() {
    for (sender, receiver) in [(&["--no-encrypt"][..], &[][..]), (&[], &["--no-encrypt"])] {
        let (sent, received, passed) = watched(sender, receiver);
        assert!(find(&passed, MARKER).is_none());
        for side in [sent, received] {
            assert!(side.stderr.contains("the transfer stays encrypted"), "{}", side.stderr);
        }
    }
}

#[test]
fn where_both_sides_leave_it_out_it_is_readable_and_they_are_told() {
    let (sent, received, passed) = watched(&["--no-encrypt"], &["--no-encrypt"]);
    assert!(find(&passed, MARKER).is_some());
    for side in [sent, received] {
        assert!(side.stderr.contains("the relay can read the content"), "{}", side.stderr);
    }
}

#[test]
fn what_is_readable_still_cannot_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), dir.path().join("file"), dir.path().join("out"));
    std::fs::write(&file, MARKER).unwrap();
    let wire = Wire::to(relay.address(), |piece| {
        if let Some(at) = find(piece, MARKER) {
            piece[at..at + 8].copy_from_slice(b"a phrase");
        }
    });
    let sender = Program::start(relay.send().arg("--no-encrypt").arg(file));
    let received = Program::start(through(&wire, &out).arg("--no-encrypt")).exits(4);
    assert!(received.stderr.contains("changes what passes"), "{}", received.stderr);
    let sent = sender.exits(4);
    assert!(sent.stderr.contains("does not trust the connection"), "{}", sent.stderr);
    assert!(names(&out).is_empty(), "{:?}", names(&out));
}

/// Two people at terminals who verify. Returns both, each with the question before them.
struct Verifying {
    _dir: tempfile::TempDir,
    out: std::path::PathBuf,
    people: [Terminal; 2],
    programs: [Program; 2],
    _relay: Relay,
}

impl Verifying {
    fn begin() -> Verifying {
        let dir = tempfile::tempdir().unwrap();
        let (relay, file, out) = (Relay::start(), super::small_file(dir.path()), dir.path().join("out"));
        let mut people = [Terminal::new(), Terminal::new()];
        let mut send = with_code(people[0].p2pc("send"), &relay.url);
        let mut receive = with_code(people[1].p2pc("receive"), &relay.url);
        let programs = [
            Program::start(send.arg("--verify").arg(file)),
            Program::start(receive.args(["--verify", "--yes", "--out"]).arg(&out)),
        ];
        let [one, other] = people.each_mut().map(|person| verification(&person.sees("[y/N] ")));
        assert_eq!(one, other);
        Verifying { _dir: dir, out, people, programs, _relay: relay }
    }
}

/// The string that stands on a screen.
fn verification(shown: &str) -> String {
    let (_, rest) = shown.split_once("Verification: ").unwrap_or_else(|| panic!("{shown}"));
    // A terminal is told to clear what stood behind it.
    let line = rest.lines().next().unwrap();
    let string = line.trim_end().trim_end_matches("\u{1b}[K").trim().to_owned();
    assert_eq!(string.bytes().filter(u8::is_ascii_digit).count(), 9, "{string}");
    string
}

#[test]
fn two_people_compare_before_anything_is_written() {
    let Verifying { out, mut people, programs, _dir, _relay } = Verifying::begin();
    people[1].types("y\n");
    people[1].sees("[y/N] y");
    assert!(!out.exists(), "one of them has not said yes");
    people[0].types("y\n");
    for program in programs {
        program.exits(0);
    }
    assert_eq!(names(&out), ["small"]);
}

#[test]
fn a_person_who_sees_another_string_ends_it_for_both() {
    let Verifying { out, mut people, programs, _dir, _relay } = Verifying::begin();
    people[0].types("n\n");
    for program in programs {
        program.exits(4);
    }
    assert!(!out.exists());
}

#[test]
fn where_one_side_verifies_the_other_is_shown_the_string_too() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), super::small_file(dir.path()));
    // The other side may sit at a terminal or be a script.
    for at_a_terminal in [false, true] {
        let out = dir.path().join(at_a_terminal.to_string());
        let (mut person, other) = (Terminal::new(), Terminal::new());
        let mut send = with_code(person.p2pc("send"), &relay.url);
        let sender = Program::start(send.arg("--verify").arg(&file));
        let command = if at_a_terminal { other.p2pc("receive") } else { super::p2pc("receive") };
        let mut command = with_code(command, &relay.url);
        let mut receiver = Program::start(command.args(["--yes", "--out"]).arg(&out));
        let shown = verification(&person.sees("[y/N] "));
        assert_eq!(verification(&receiver.says("Verification: ")), shown);
        assert!(!out.exists());
        person.types("y\n");
        sender.exits(0);
        receiver.exits(0);
    }
}
