//! The real binary with a person in front of it: prompts on the controlling terminal, and signals.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, LocalModes, tcflow};

#[test]
fn the_prompt_asks_again_for_what_is_no_code() {
    let mut person = Person::before(&["receive", "--relay", "127.0.0.1:1"]);
    person.sees("Code: ");
    person.types("short\n");
    person.sees("shorter than");
    person.sees("Code: ");
    person.types("48213-acid-krane-otter\n");
    person.sees("`krane` (crane?)");
    person.sees("[y/N] ");
    person.types("\n");
    // What is nearly right is there again, to be corrected.
    person.sees("Code: 48213-acid-krane-otter");
    person.types("\x15");
    person.sees("Code: \x1b[K");
    person.types("\x04");
    assert_eq!(person.ends(), 2);
}

#[test]
fn a_code_with_a_word_missing_is_asked_about() {
    let mut person = Person::before(&["receive", "--relay", "127.0.0.1:1"]);
    person.sees("Code: ");
    person.types("48213-acid-crane\n");
    person.sees("This code has two words, and those that p2pc makes have three. ");
    person.sees("[y/N] ");
    person.types("\n");
    person.sees("Code: 48213-acid-crane");
    person.types("\x15");
    person.sees("Code: \x1b[K");
    person.types("\x04");
    assert_eq!(person.ends(), 2);
}

#[test]
fn tab_completes_the_words_of_a_code() {
    let mut person = Person::before(&["receive", "--wait", "1s"]);
    person.sees("Code: ");
    person.types("48213-aci\t");
    person.sees("\rCode: 48213-acid-\x1b[K");
    person.types("cra\t");
    person.sees("crane");
    person.sees("\rCode: 48213-acid-cra\x1b[K");
    person.types("x\x7fne-OTTE\t");
    person.sees("\rCode: 48213-acid-crane-OTTEr\x1b[K");
    person.types("\n");
    person.sees("CODE@RELAY");
    assert_eq!(person.ends(), 2);
}

#[test]
fn a_command_that_is_pasted_gives_its_code() {
    let mut person = Person::before(&["receive"]);
    person.sees("Code: ");
    person.types("  p2pc receive \"48213-acid-crane-otter@ws://[::1]:1\" --verify\n");
    person.sees("only the code is taken, not --verify");
    person.sees("cannot connect to the relay ws://[::1]:1");
    assert_eq!(person.ends(), 5);
}

#[test]
fn every_end_of_a_prompt_sets_the_terminal_back() {
    for (keys, signal, status) in [
        ("\x03", None, 130),
        ("\x04", None, 2),
        ("48213-acid", Some(Signal::TERM), 143),
        ("48213-acid", Some(Signal::INT), 130),
        ("48213-acid", Some(Signal::HUP), 129),
    ] {
        let mut person = Person::before(&["receive", "--relay", "127.0.0.1:1"]);
        person.sees("Code: ");
        assert!(!person.is_cooked(), "the keys come to us");
        person.types(keys);
        if let Some(signal) = signal {
            person.sees("acid");
            person.signals(signal);
        }
        assert_eq!(person.ends(), status, "{keys:?} {signal:?}");
    }
}

/// Ctrl-S, and then the keys of somebody who wonders why nothing is shown.
#[test]
fn a_terminal_whose_output_is_stopped_keeps_no_prompt_from_ending() {
    let many = "a".repeat(200);
    for (keys, signals, status) in [
        (format!("\x13{many}\x03"), 0, 130),
        (format!("{many}\x03"), 0, 130),
        (many.clone(), 1, 143),
        (many.clone(), 2, 143),
        ("48213-acid-crane-otter\n".to_owned(), 0, 5),
    ] {
        let mut person = Person::before(&["receive", "--relay", "127.0.0.1:1"]);
        person.sees("Code: ");
        if !keys.starts_with('\x13') {
            tcflow(&person.kept, Action::OOff).unwrap();
        }
        person.types(&keys);
        for _ in 0..signals {
            person.signals(Signal::TERM);
        }
        assert_eq!(person.ends(), status, "{keys:?} {signals}");
    }
}

#[test]
fn a_prompt_that_is_stopped_gives_the_terminal_back_and_goes_on() {
    let script = r#"set -m; "$0" receive --relay 127.0.0.1:1; stty -a; echo stopped; fg"#;
    let mut person = Person::before_program(&["sh", "-c", script, env!("CARGO_BIN_EXE_p2pc")]);
    person.sees("Code: ");
    person.types("48213-aci");
    person.sees("48213-aci\x1b[K");
    person.types("\x1a");
    person.sees(" icanon");
    person.sees(" echo ");
    person.sees("stopped");
    person.sees("Code: 48213-aci\x1b[K");
    person.types("\t");
    person.sees("Code: 48213-acid-\x1b[K");
    person.types("\x03");
    person.ends();
}

#[test]
fn a_prompt_that_was_stopped_from_outside_is_shown_again() {
    let mut person = Person::before(&["receive", "--relay", "127.0.0.1:1"]);
    person.sees("Code: ");
    person.types("48213-aci");
    person.sees("Code: 48213-aci\x1b[K");
    person.signals(Signal::STOP);
    person.signals(Signal::CONT);
    person.sees("\r\n\rCode: 48213-aci\x1b[K");
    person.types("\x03");
    assert_eq!(person.ends(), 130);
}

#[test]
fn a_dumb_terminal_edits_the_line_itself() {
    let mut person = Person::dumb(&["receive", "--relay", "127.0.0.1:1"]);
    person.sees("Code: ");
    assert!(person.is_cooked());
    person.types("\x04");
    assert_eq!(person.ends(), 2);
}

#[test]
fn a_code_is_shown_for_a_phone_where_the_terminal_can() {
    let line = [env!("CARGO_BIN_EXE_p2pc"), "send", "--qr", "--listen", "127.0.0.1:0", "Cargo.toml"];
    for (variables, shown) in [
        (&["NO_COLOR="][..], "camera:\r\n\r\n\x1b[30;47m   "),
        (&["NO_COLOR=1"], "camera:\r\n\r\n█████"),
        (&["TERM=dumb"], "camera:\r\n\r\n█████"),
        (&["LC_ALL=C"], "not set to UTF-8"),
    ] {
        let mut person = Person::before_program(&[&["env"], variables, &line].concat());
        person.sees(shown);
        person.sees("waiting for the other side");
        person.types("\x03");
        person.sees("p2pc:");
        person.drains();
        assert_eq!(person.ends(), 130);
    }
}

#[test]
fn a_code_typed_without_a_relay_says_what_is_missing() {
    let mut person = Person::before(&["receive"]);
    person.sees("Code: ");
    person.types("48213_acid Crane otter\n");
    person.sees("CODE@RELAY");
    assert_eq!(person.ends(), 2);
}

#[test]
fn a_relay_says_where_it_listens_and_ends_as_shells_expect() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut relay = command().args(["relay", "--quiet", "--listen", "127.0.0.1:0"]).spawn().unwrap();
        let port = listening(&mut relay);
        assert_ne!(port, 0);
        // It asks for its files to be read again, and there are none.
        kill_process(Pid::from_child(&relay), Signal::HUP).unwrap();
        kill_process(Pid::from_child(&relay), signal).unwrap();
        assert_eq!(relay.wait().unwrap().code(), Some(status));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_hangup_that_is_ignored_from_the_start_stays_ignored() {
    // Not for a relay, which is never ended by it.
    let script = r#"trap "" HUP; exec "$0" send --quiet --listen 127.0.0.1:0 "$0""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_p2pc")]).env_remove("P2PC_RELAY");
    let mut sender = shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(sender.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", sender.id())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    assert_eq!(u64::from_str_radix(ignored.trim(), 16).unwrap() & 1, 1);
    kill_process(Pid::from_child(&sender), Signal::TERM).unwrap();
    assert_eq!(sender.wait().unwrap().code(), Some(143));
}

/// Ctrl-S, a pager that is not scrolled, `2>` into a pipe that nobody empties.
#[test]
fn a_standard_error_that_nobody_reads_holds_up_no_transfer() {
    let mut relay = command().args(["relay", "--quiet", "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let code = format!("48213-acid-crane-otter@ws://127.0.0.1:{}", listening(&mut relay));
    let home = tempfile::tempdir().unwrap();
    let (file, out) = (home.path().join("file"), home.path().join("out"));
    std::fs::write(&file, "content").unwrap();
    std::fs::create_dir(&out).unwrap();

    let (_reader, stuck) = full();
    let verbose = |side| {
        let mut command = command();
        command.args([side, "--verbose", "--code", &code]).stderr(stuck.try_clone().unwrap());
        command
    };
    let mut receiver = verbose("receive").arg("--yes").arg("--out").arg(&out).spawn().unwrap();
    let mut sender = verbose("send").arg(&file).spawn().unwrap();
    assert_eq!(sender.wait().unwrap().code(), Some(0));
    assert_eq!(receiver.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read(out.join("file")).unwrap(), b"content");
    kill_process(Pid::from_child(&relay), Signal::TERM).unwrap();
    relay.wait().unwrap();
}

/// Something to write to in which there is no room, and the end that could be read.
fn full() -> (UnixStream, OwnedFd) {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    writer.set_nonblocking(false).unwrap();
    (reader, writer.into())
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_p2pc"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Reads the line that a relay prints first, and returns its port.
fn listening(relay: &mut Child) -> u16 {
    let mut line = String::new();
    BufReader::new(relay.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on ws://127.0.0.1:");
    address.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
}

/// A person at a terminal of their own, with the program in the foreground.
struct Person {
    terminal: File,
    /// The program's end of it: without one open the modes are gone with the program.
    kept: File,
    program: Child,
    seen: Vec<u8>,
}

impl Person {
    fn before(line: &[&str]) -> Person {
        Person::before_program(&[&[env!("CARGO_BIN_EXE_p2pc")], line].concat())
    }

    fn dumb(line: &[&str]) -> Person {
        Person::before_program(&[&["env", "TERM=dumb", env!("CARGO_BIN_EXE_p2pc")], line].concat())
    }

    fn before_program(line: &[&str]) -> Person {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        // Making a terminal the controlling one takes unsafe code; `setsid` does it for us.
        let program = Command::new("setsid")
            .args(["--wait", "--ctty"])
            .args(line)
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("P2PC_CODE")
            .env_remove("P2PC_RELAY")
            .stdin(open())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap();
        Person { terminal: File::from(terminal), kept: open(), program, seen: Vec::new() }
    }

    /// Waits until the screen has shown `text` after everything seen before.
    fn sees(&mut self, text: &str) {
        let mut byte = [0];
        while !self.seen.ends_with(text.as_bytes()) {
            let read = self.terminal.read(&mut byte).unwrap_or(0);
            assert_eq!(read, 1, "no {text:?} in {:?}", String::from_utf8_lossy(&self.seen));
            self.seen.push(byte[0]);
        }
        self.seen.clear();
    }

    fn types(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether the terminal shows and edits what is typed by itself.
    fn is_cooked(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN)
    }

    /// The program is a child of `setsid`, which waits for it.
    fn signals(&self, signal: Signal) {
        let children = format!("/proc/{0}/task/{0}/children", self.program.id());
        let children = std::fs::read_to_string(children).unwrap();
        let child: i32 = children.split_whitespace().next().map_or_else(
            // It did not have to fork.
            || i32::try_from(self.program.id()).unwrap(),
            |child| child.parse().unwrap(),
        );
        kill_process(Pid::from_raw(child).unwrap(), signal).unwrap();
    }

    /// Reads on, so that the program is never kept from ending.
    fn drains(&mut self) {
        let mut terminal = self.terminal.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut terminal, &mut std::io::sink()));
    }

    /// How the program ended, and with the terminal as it was.
    fn ends(mut self) -> i32 {
        // What nobody reads would block a program that prints much; these print little.
        let status = self.program.wait().unwrap().code().unwrap();
        assert!(self.is_cooked(), "the terminal was not set back");
        status
    }
}
