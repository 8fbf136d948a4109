//! What is printed to go on with after a crash works as printed.

use std::path::Path;

use rustix::process::Signal;

use super::program::{Program, p2pc, typed};
use super::{CODE, Relay, names, small_file};

/// Waits for the command to go on with, which stands below the one for the other side.
fn printed(program: &mut Program) -> String {
    program.says("it goes on with");
    program.says("    p2pc ").trim().to_owned()
}

fn kill(program: Program) {
    program.signal(Signal::KILL);
    program.was_killed();
}

/// `line` in the directory where its words were typed before.
fn again(line: &str, directory: &Path) -> Program {
    Program::start(typed(line).current_dir(directory))
}

#[test]
fn a_sender_with_a_relay_of_its_own_comes_back_to_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    small_file(dir.path());
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let out = tempfile::tempdir_in(dir.path()).unwrap();
        let mut first =
            Program::start(p2pc("send").args(["small", "--listen", listen]).current_dir(dir.path()));
        let code = first.prints();
        let line = printed(&mut first);
        kill(first);
        let mut second = again(&line, dir.path());
        assert_eq!(second.prints(), code, "the other side finds it where the first one was");
        Program::start(p2pc("receive").args(["--yes", &code, "--out"]).arg(out.path())).exits(0);
        second.exits(0);
        assert_eq!(names(out.path()), ["small"]);
    }
}

#[test]
fn a_sender_at_a_relay_goes_on_with_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, out) = (Relay::start(), dir.path().join("out"));
    std::fs::write(dir.path().join("it's \u{202e} here"), b"hello").unwrap();
    let mut command = p2pc("send");
    command.args(["--relay", &relay.url, "--", "it's \u{202e} here"]).current_dir(dir.path());
    let mut first = Program::start(&mut command);
    let code = first.prints();
    let line = printed(&mut first);
    assert!(line.contains(&code) && !line.contains('\u{202e}'), "{line}");
    kill(first);
    // What must not reach a terminal is escaped as bash and zsh read it.
    let script = format!("exec bash -c '{}'", line.replace('\'', r"'\''"));
    let mut second = Program::start(typed(&script).current_dir(dir.path()));
    // A receiver that met what the first one has said, and not yet that it is gone, would have to take the code for wrong.
    second.says("Waiting");
    Program::start(p2pc("receive").args(["--yes", &code, "--out"]).arg(&out)).exits(0);
    second.exits(0);
    assert_eq!(names(&out), ["it's \u{202e} here"]);
}

#[test]
fn a_receiver_that_was_the_relay_can_be_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = small_file(dir.path());
    let mut command = p2pc("receive");
    command.args(["--new-code", "--yes", "--listen", "127.0.0.1:0", "--out", "in"]).current_dir(dir.path());
    let mut first = Program::start(&mut command);
    let code = first.prints();
    let line = printed(&mut first);
    kill(first);
    let mut second = again(&line, dir.path());
    assert_eq!(second.prints(), code);
    Program::start(p2pc("send").args(["--code", &code]).arg(file)).exits(0);
    second.exits(0);
    assert_eq!(names(&dir.path().join("in")), ["small"]);
}

#[test]
fn standard_input_and_quiet_senders_are_told_nothing() {
    let relay = Relay::start();
    for options in [["-", "--verbose"], ["--quiet", "."]] {
        let mut sender = Program::start(p2pc("send").args(["--relay", &relay.url]).args(options));
        sender.prints();
        sender.signal(Signal::INT);
        let said = sender.exits(130).stderr;
        assert!(!said.contains("goes on"), "{said}");
    }
}

/// Somebody who was given the code types the same again: nothing has to be printed for that before it is needed, and where it would be kept the
/// code is not printed at all.
#[test]
fn a_command_with_its_code_is_not_printed_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Relay::start();
    let mut sender = Program::start(relay.send().arg(small_file(dir.path())));
    sender.says("Waiting for the other side");
    sender.signal(Signal::INT);
    let said = sender.exits(130).stderr;
    assert!(!said.contains("goes on") && !said.contains(CODE), "{said}");
}
