//! How the two sides come by their code and by each other.

use super::program::{Program, p2pc, typed};
use super::{CODE, Relay, small_file, with_code};

#[test]
fn either_side_may_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    for first in ["send", "receive"] {
        let out = dir.path().join(first);
        let mut waits = match first {
            "send" => Program::start(relay.send().arg(&file)),
            _ => Program::start(&mut relay.receive(&out)),
        };
        waits.says("Waiting for the other side");
        let comes = match first {
            "send" => Program::start(&mut relay.receive(&out)),
            _ => Program::start(relay.send().arg(&file)),
        };
        waits.exits(0);
        comes.exits(0);
        assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
    }
}

#[test]
fn the_receiver_can_make_the_code() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let mut receiver = Program::start(
        p2pc("receive").args(["--new-code", "--yes", "--relay", &relay.url, "--out"]).arg(&out),
    );
    let line = receiver.prints();
    assert!(line.ends_with(&format!("@{}", relay.url)), "{line}");
    assert!(receiver.says("p2pc send").contains(&format!("p2pc send --code {line} PATH...")));
    Program::start(p2pc("send").args(["--code", &line]).arg(file)).exits(0);
    receiver.exits(0);
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
}

#[test]
fn code_and_relay_come_from_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let sender = Program::start(p2pc("send").arg(file).env("P2PC_CODE", CODE).env("P2PC_RELAY", &relay.url));
    // A relay that comes with the code is the nearer one.
    let code = format!("{CODE}@{}", relay.url);
    let mut command = p2pc("receive");
    command.args(["--yes", "--out"]).arg(&out).env("P2PC_CODE", code).env("P2PC_RELAY", "ws://127.0.0.1:1");
    Program::start(&mut command).exits(0);
    sender.exits(0);
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
}

#[test]
fn a_code_may_be_spoken_as_words() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let sender = Program::start(relay.send().arg(file));
    let mut command = p2pc("receive");
    command.args(["--yes", "--relay", &relay.url, "48213", "Acid", "CRANE", "otter", "--out"]).arg(&out);
    Program::start(&mut command).exits(0);
    sender.exits(0);
}

/// It may be a code of somebody's own, so it is used; and it is a secret, so what is kept has no word of it.
#[test]
fn a_code_that_may_be_mistyped_is_remarked_on() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    for (code, remark) in [
        ("12345-acid-crane", "this code has two words, and those that p2pc makes have three. "),
        ("12345-acid-krane-otter", "one of its words is none that p2pc makes codes of. "),
        (
            "12345-mysecretword",
            "this code has one word, and those that p2pc makes have three, and one of its words is none that",
        ),
    ] {
        let given = ["--relay", &relay.url, "--code", code];
        let sender = Program::start(p2pc("send").args(given).arg(&file));
        let mut command = p2pc("receive");
        let received =
            Program::start(command.args(given).args(["--yes", "--json", "--out"]).arg(&out)).exits(0);
        let sent = sender.exits(0);
        assert!(sent.stderr.contains(&format!("note: {remark}")), "{}", sent.stderr);
        let events = String::from_utf8(received.stdout).unwrap();
        assert!(events.contains(remark), "{events}");
        assert!(
            !events.contains("krane") && !events.contains("secret") && !sent.stderr.contains("krane"),
            "{events}"
        );
        assert_eq!(received.stderr, "");
    }
    // A digit too few is no code of p2pc's, and hardly one of anybody's own.
    for code in ["1234-acid-crane-otter", "1234O-acid-crane-otter"] {
        let ended =
            Program::start(p2pc("receive").args(["--yes", "--relay", "ws://127.0.0.1:1", code])).exits(2);
        assert!(ended.stderr.contains("does not begin with its 5 digits"), "{}", ended.stderr);
    }
}

#[test]
fn a_code_of_ones_own_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let own = ["--relay", &relay.url, "--code", "correct horse battery"];
    let sender = Program::start(p2pc("send").args(own).arg(file));
    let receiver = Program::start(p2pc("receive").args(own).args(["--yes", "--out"]).arg(&out));
    sender.exits(0);
    receiver.exits(0);
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
}

#[test]
fn a_weak_code_is_refused_before_anything_is_dialled() {
    for (subcommand, rest) in [("send", "."), ("receive", "--yes")] {
        for weak in ["password", "short", "aaaaaaaaaaaa"] {
            // Nobody listens there: a dial would end with 5.
            let mut command = p2pc(subcommand);
            let ended =
                Program::start(command.args(["--relay", "ws://127.0.0.1:1", "--code", weak, rest])).exits(2);
            assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
        }
    }
}

#[test]
fn without_a_relay_the_printed_command_works_as_printed() {
    let dir = tempfile::tempdir().unwrap();
    let file = small_file(dir.path());
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let mut sender = Program::start(p2pc("send").args(["--listen", listen]).arg(&file));
        let code = sender.prints();
        let printed = sender.says("    p2pc receive ");
        assert!(printed.contains(&code), "{printed}");
        let out = tempfile::tempdir_in(dir.path()).unwrap();
        Program::start(typed(&format!("{printed} --yes")).current_dir(out.path())).exits(0);
        sender.exits(0);
        assert_eq!(std::fs::read(out.path().join("small")).unwrap(), b"hello");
    }
}

#[test]
fn without_a_relay_the_receiver_can_be_it_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    small_file(dir.path());
    let mut command = p2pc("receive");
    command.args(["--new-code", "--yes", "--listen", "127.0.0.1:0", "--out"]).arg(&out);
    let mut receiver = Program::start(&mut command);
    let printed = receiver.says("    p2pc send ").replace("PATH...", "small");
    Program::start(typed(&printed).current_dir(dir.path())).exits(0);
    receiver.exits(0);
    assert_eq!(std::fs::read(out.join("small")).unwrap(), b"hello");
}

#[test]
fn two_senders_with_one_code_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let mut first = Program::start(relay.send().arg(&file));
    first.says("Waiting for the other side");
    // Within the time to wait the seat may become free: the second waits for that, and says why it could not.
    let second = Program::start(with_code(p2pc("send"), &relay.url).args(["--wait", "1s"]).arg(&file));
    second.exits(3);
    let out = dir.path().join("out");
    Program::start(&mut relay.receive(&out)).exits(0);
    first.exits(0);
}
