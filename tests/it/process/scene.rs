//! A file or a tree, a relay, and the directory it is to arrive in: what tests share that carry the same thing more than once.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;

use super::program::{Ended, PATIENCE, Program, p2pc};
use super::{BACK, LOST, Relay, names, with_code};
use crate::cutting::{Chance, Line, Way};

/// What is sent, and where it goes.
pub struct Scene {
    pub dir: tempfile::TempDir,
    pub relay: Relay,
    /// The file or directory to be sent.
    pub source: PathBuf,
    pub out: PathBuf,
}

/// One transfer that came to its end.
pub struct Carried {
    /// How many bytes the sender said.
    pub bytes: u64,
    pub sent: Ended,
    pub received: Ended,
}

impl Scene {
    pub fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let (source, out) = (dir.path().join("data"), dir.path().join("out"));
        Scene { dir, relay: Relay::start(), source, out }
    }

    /// A file that cannot be compressed.
    pub fn with_file(bytes: usize) -> Scene {
        let scene = Scene::new();
        std::fs::write(&scene.source, Chance::new(1).bytes(bytes)).unwrap();
        scene
    }

    pub fn sends(&self, url: &str) -> Command {
        self.sends_over("1", url)
    }

    pub fn sends_over(&self, lanes: &str, url: &str) -> Command {
        let mut command = with_code(p2pc("send"), url);
        command.args(["--lanes", lanes]).arg(&self.source);
        command
    }

    pub fn receives(&self, options: &[&str]) -> Command {
        let mut command = self.relay.receive(&self.out);
        command.args(options);
        command
    }

    /// From the beginning to the end, with the same status on both sides.
    pub fn carries(&self, receiver: &[&str], status: i32) -> Carried {
        let line = Line::to(self.relay.address());
        let sender = Program::start(&mut self.sends(&line.url));
        let receiver = Program::start(&mut self.receives(receiver));
        let (sent, received) = (sender.exits(status), receiver.exits(status));
        Carried { bytes: line.passed(Way::Up), sent, received }
    }

    /// Both sides up to the point where `bytes` have been said by the sender, and no further.
    pub fn halfway(&self, bytes: u64) -> Halfway {
        self.halfway_with(bytes, &[], &[])
    }

    pub fn halfway_with(&self, bytes: u64, sender: &[&str], receiver: &[&str]) -> Halfway {
        let line = Line::to(self.relay.address());
        line.hold_after(bytes);
        let sender = Program::start(self.sends(&line.url).args(sender));
        let receiver = Program::start(&mut self.receives(receiver));
        line.wait_held();
        Halfway { line, sender, receiver }
    }

    /// Waits until the receiver has written what stands at this offset of the file.
    pub fn has_written(&self, offset: u64) {
        let (mut want, mut have) = ([0; 64], [0; 64]);
        File::open(&self.source).unwrap().read_exact_at(&mut want, offset).unwrap();
        until("it is not written", || {
            let part = unfinished(&self.out, ".part").and_then(|part| File::open(part).ok());
            part.is_some_and(|part| part.read_exact_at(&mut have, offset).is_ok()) && have == want
        });
    }

    /// Waits until the journal speaks of this chunk of the file: it does some seconds after the chunk was written.
    pub fn has_journaled(&self, chunk: u64) {
        let mut slot = [0; SLOT];
        until("it is not in the journal", || {
            let journal = unfinished(&self.out, ".journal").and_then(|journal| File::open(journal).ok());
            journal.is_some_and(|journal| {
                journal.read_exact_at(&mut slot, JOURNAL_HEAD + chunk * SLOT as u64).is_ok()
                    && slot != [0; SLOT]
            })
        });
    }

    /// Sends the file until the receiver has `bytes` of it; then it is told to end.
    pub fn breaks_off(&self, bytes: u64) {
        let Halfway { line, sender, receiver } = self.halfway(bytes + FRAMING);
        self.has_written(bytes - 64);
        receiver.signal(Signal::TERM);
        receiver.exits(143);
        line.release();
        sender.exits(8);
    }

    /// Where the file or directory arrives.
    pub fn arrived(&self) -> PathBuf {
        self.out.join("data")
    }

    /// The part file or journal that was left.
    pub fn unfinished(&self, end: &str) -> PathBuf {
        unfinished(&self.out, end).unwrap_or_else(|| panic!("no {end} in {:?}", names(&self.out)))
    }

    /// The file is there, as it is at its source, and nothing else.
    pub fn is_equal(&self) {
        assert_eq!(names(&self.out), ["data"]);
        assert!(
            std::fs::read(self.arrived()).unwrap() == std::fs::read(&self.source).unwrap(),
            "not what was sent"
        );
    }
}

/// Two sides in the middle of a transfer, and the line that holds the sender up.
pub struct Halfway {
    pub line: Line,
    pub sender: Program,
    pub receiver: Program,
}

impl Halfway {
    /// The relay has gone, and there is one again: both notice, find each other, and end well. What the sender and the receiver said.
    pub fn meets_again(mut self) -> (Ended, Ended) {
        self.line.release();
        for side in [&mut self.sender, &mut self.receiver] {
            side.says(LOST);
            side.says(BACK);
        }
        (self.sender.exits(0), self.receiver.exits(0))
    }
}

fn unfinished(directory: &Path, end: &str) -> Option<PathBuf> {
    let mut found = std::fs::read_dir(directory).ok()?.map(|entry| entry.unwrap().path());
    found.find(|path| path.to_str().is_some_and(|path| path.contains("/.p2pc-") && path.ends_with(end)))
}

/// Waits for what only the file system shows.
pub fn until(otherwise: &str, mut reached: impl FnMut() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < PATIENCE, "{otherwise}");
        std::thread::yield_now();
    }
}

/// More than what a sender says besides the bytes of a file, to the point where 20 MB of it have been said.
const FRAMING: u64 = 100_000;

/// The journal's layout, from the pages on the protocol.
pub const JOURNAL_HEAD: u64 = 16;
pub const SLOT: usize = 40;
