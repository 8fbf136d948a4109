//! The real binary in several processes on this machine: what its people see, and what their scripts rely on.
//!
//! Processes are watched by the lines they write; nothing here sleeps, and no port is chosen before the system gives it.

#[cfg(target_os = "linux")]
mod abuse;
mod again;
#[cfg(target_os = "linux")]
mod balancers;
mod broken_disk;
mod busy;
mod cancelled;
mod checksums;
mod codes;
mod conformance;
#[cfg(target_os = "linux")]
mod contained;
mod crash;
mod doctor;
mod exits;
mod full_disk;
mod going_on;
#[cfg(target_os = "linux")]
mod handed_out;
mod hostile;
mod kills;
mod lanes;
mod last_words;
mod limits;
mod lost;
mod moving;
mod names;
mod operation;
mod output;
mod pipes;
mod privacy;
mod program;
mod proxied;
mod readme;
mod records;
mod relays;
mod scene;
mod scripts;
#[cfg(target_os = "linux")]
mod service;
mod silence;
mod text;
mod tls;
mod tokens;
mod trees;
mod wire;

use std::path::Path;
use std::process::Command;

use program::{Ended, Program, p2pc};
use rustix::process::Signal;

/// A code that both sides are given, so that either may come first.
const CODE: &str = "48213-acid-crane-otter";

/// What passes on which connection shall not depend on how busy the machine is.
const ONE_LANE: [&str; 2] = ["--lanes", "1"];

/// In the line with the command that goes on with a sender's part.
const CONTINUES: &str = "p2pc send ";

/// In the lines that tell of a connection that was lost, of one that is back, and of a peer that is another process now.
const LOST: &str = "Connection lost";
const BACK: &str = "Connected again";
const RESTARTED: &str = "was started again";

/// A relay in a process of its own.
struct Relay {
    program: Program,
    url: String,
}

impl Relay {
    fn start() -> Relay {
        Relay::with(&["--listen", "127.0.0.1:0"])
    }

    fn with(options: &[&str]) -> Relay {
        let mut program = Program::start(p2pc("relay").args(options));
        let url = program.prints().strip_prefix("listening on ").unwrap().to_owned();
        Relay { program, url }
    }

    fn address(&self) -> std::net::SocketAddr {
        self.url.split_once("://").unwrap().1.parse().unwrap()
    }

    /// Kills it, and starts another one in its place.
    fn restart(self) -> Relay {
        let address = self.address().to_string();
        self.program.signal(Signal::KILL);
        self.program.was_killed();
        Relay::with(&["--listen", &address])
    }

    /// `p2pc send` with the code of this file, over one lane; the paths are still to come.
    fn send(&self) -> Command {
        let mut command = with_code(p2pc("send"), &self.url);
        command.args(ONE_LANE);
        command
    }

    /// `p2pc receive` with the code of this file, taking everything.
    fn receive(&self, out: &Path) -> Command {
        let mut command = with_code(p2pc("receive"), &self.url);
        command.arg("--yes").arg("--out").arg(out);
        command
    }

    /// Sends to `out` with statuses that have to be the same on both sides. Returns what the sender and the receiver said.
    fn carries(&self, send: &mut Command, out: &Path, status: i32) -> (Ended, Ended) {
        let sender = Program::start(send);
        let receiver = Program::start(&mut self.receive(out));
        (sender.exits(status), receiver.exits(status))
    }
}

fn with_code(mut command: Command, relay: &str) -> Command {
    command.args(["--relay", relay, "--code", CODE]);
    command
}

/// A file of five bytes.
fn small_file(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("small");
    std::fs::write(&path, b"hello").unwrap();
    path
}

/// The names in a directory, sorted.
fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}
