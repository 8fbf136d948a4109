//! The real binary with a person in front of it: prompts on the controlling terminal, and signals.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

#[test]
fn the_prompt_asks_again_for_what_is_no_code() {
    let mut person = Person::before(&["receive", "--relay", "127.0.0.1:1"]);
    person.sees("Code: ");
    person.types("short\n");
    person.sees("shorter than");
    person.sees("Code: ");
    person.types("48213-acid-crane-zzzzotter\n");
    person.sees("zzzzotter");
    person.sees("[y/N] ");
    person.types("\n");
    person.sees("Code: ");
    person.types("\x04");
    assert_eq!(person.status(), 2);
}

#[test]
fn interrupting_a_prompt_ends_it_at_once() {
    let mut person = Person::before(&["receive", "--relay", "127.0.0.1:1"]);
    person.sees("Code: ");
    person.types("\x03");
    assert_eq!(person.status(), 130);
}

#[test]
fn a_code_typed_without_a_relay_says_what_is_missing() {
    let mut person = Person::before(&["receive"]);
    person.sees("Code: ");
    person.types("48213 acid crane otter\n");
    person.sees("CODE@RELAY");
    assert_eq!(person.status(), 2);
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
    program: Child,
    seen: Vec<u8>,
}

impl Person {
    fn before(line: &[&str]) -> Person {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        // Making a terminal the controlling one takes unsafe code; `setsid` does it for us.
        let program = Command::new("setsid")
            .args(["--wait", "--ctty", env!("CARGO_BIN_EXE_p2pc")])
            .args(line)
            .env_remove("P2PC_CODE")
            .env_remove("P2PC_RELAY")
            .stdin(open())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap();
        Person { terminal: File::from(terminal), program, seen: Vec::new() }
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

    fn status(mut self) -> i32 {
        // What nobody reads would block a program that prints much; these print little.
        self.program.wait().unwrap().code().unwrap()
    }
}
