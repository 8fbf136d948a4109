//! A terminal with a person in front of it, for the tests of whatever asks questions.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::term::queue::Queue;
use crate::term::screen::Screen;
use crate::term::writer::Writer;

use super::Tty;

pub(crate) struct Person {
    pub(crate) terminal: File,
    writer: Writer,
}

/// The terminal, which shows standard error too, and the person.
pub(crate) fn pair() -> (Tty, Person) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let terminal = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let terminal = File::from(terminal);
    let err = terminal.try_clone().unwrap();
    let writer = Writer::start(Screen::on(err, io::sink(), |_| String::new()).with_status()).unwrap();
    let tty = Tty::on(terminal.try_clone().unwrap(), terminal, writer.queue()).unwrap();
    (tty, Person { terminal: File::from(person), writer })
}

impl Person {
    /// What writes on the terminal.
    pub(crate) fn queue(&self) -> Arc<Queue> {
        self.writer.queue()
    }

    /// Reads the screen until it has shown `end`, and returns what was read.
    pub(crate) fn sees(&mut self, end: &str) -> String {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(end.as_bytes()) {
            self.terminal.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        String::from_utf8(seen).unwrap()
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }
}
