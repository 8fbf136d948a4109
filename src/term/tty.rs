//! Questions on the controlling terminal.
//!
//! Never on standard input: that may be the data. Reading a terminal blocks, so a thread of its own does it and the
//! transfer goes on meanwhile. A question that is given up leaves its thread behind in the read, which keeps nobody
//! from leaving: the process ends when `main` returns. The next line then answers the question that was given up,
//! and nothing else.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::{Mutex, PoisonError};

use smol::channel::{Receiver, Sender};

use super::clean::cut;
use super::screen::COLUMNS_DEFAULT;

/// The terminal that the process belongs to.
#[derive(Debug)]
pub struct Tty {
    output: Mutex<File>,
    /// Each message asks the reading thread for one line, and says where to put it.
    reads: Sender<Sender<Line>>,
    rewrites: bool,
}

/// A line as it was typed, or `None` at the end of the input.
type Line = Option<String>;

impl Tty {
    /// The controlling terminal; `None` where there is none.
    #[must_use]
    pub fn open() -> Option<Tty> {
        let (input, output) = open_pair().ok()?;
        Tty::on(input, output).ok()
    }

    /// A terminal on given files.
    fn on(input: File, output: File) -> io::Result<Tty> {
        let (reads, wanted) = smol::channel::bounded(1);
        std::thread::Builder::new().name("terminal".into()).spawn(move || read_lines(input, &wanted))?;
        let rewrites = cfg!(unix) && !super::style::dumb();
        Ok(Tty { output: Mutex::new(output), reads, rewrites })
    }

    /// Shows `text` without ending the line, and waits for one line of answer. `None`: the input has ended.
    ///
    /// What was typed before the question was there does not answer it. May be dropped.
    pub async fn ask(&self, text: &str) -> Line {
        let (answer, answered) = smol::channel::bounded(1);
        self.forget_typed_ahead();
        self.write(text);
        self.reads.send(answer).await.ok()?;
        let line = answered.recv().await.ok()?;
        if line.is_none() {
            // Ctrl-D leaves the cursor behind the question.
            self.write("\n");
        }
        line
    }

    /// Writes lines, whole.
    pub fn line(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// Writes a line that [`Tty::replace_above`] can replace: cut to the width, so that it takes one row.
    pub fn line_cut(&self, text: &str) {
        self.line(cut(text, self.columns().saturating_sub(1)));
    }

    /// Replaces the line above the one that a question stands on, and leaves what is being typed alone.
    pub fn replace_above(&self, text: &str) {
        if self.rewrites {
            let text = cut(text, self.columns().saturating_sub(1));
            // Save the cursor, go one line up and to its start, clear it, write, and go back.
            self.write(&format!("\x1b7\x1b[1A\r\x1b[2K{text}\x1b8"));
        }
    }

    fn write(&self, text: &str) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        // A terminal that hung up also ends the input, and that is what the asker sees.
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    }

    fn columns(&self) -> usize {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        columns(&output).filter(|columns| *columns > 0).unwrap_or(COLUMNS_DEFAULT)
    }

    fn forget_typed_ahead(&self) {
        #[cfg(unix)]
        {
            let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            // Where it fails the answer may come early, from the same person.
            let _ = rustix::termios::tcflush(&*output, rustix::termios::QueueSelector::IFlush);
        }
    }
}

fn read_lines(mut input: File, wanted: &Receiver<Sender<Line>>) {
    while let Ok(answer) = wanted.recv_blocking() {
        let line = read_line(&mut input);
        // The asker may be gone; its line is lost with it.
        let _ = answer.send_blocking(line);
    }
}

/// One line, without its end. A line that is too long is cut; it answers nothing sensible anyway.
fn read_line(input: &mut File) -> Line {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => return None,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() < LINE_BYTES_MAX => line.push(byte[0]),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A terminal that hung up.
            Err(_) => return None,
        }
    }
    let text = String::from_utf8_lossy(&line);
    Some(text.trim_end_matches('\r').to_owned())
}

#[cfg(unix)]
fn open_pair() -> io::Result<(File, File)> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let input = terminal.try_clone()?;
    Ok((input, terminal))
}

#[cfg(windows)]
fn open_pair() -> io::Result<(File, File)> {
    let input = File::options().read(true).write(true).open("CONIN$")?;
    let output = File::options().read(true).write(true).open("CONOUT$")?;
    Ok((input, output))
}

#[cfg(unix)]
fn columns(output: &File) -> Option<usize> {
    rustix::termios::tcgetwinsize(output).ok().map(|size| size.ws_col.into())
}

#[cfg(windows)]
fn columns(_: &File) -> Option<usize> {
    None
}

/// No sensible answer, and no code, is longer.
const LINE_BYTES_MAX: usize = 4096;

/// A terminal with a person in front of it, for the tests of whatever asks questions.
#[cfg(all(test, unix))]
pub(crate) mod testing {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    pub(crate) struct Person(pub(super) File);

    pub(crate) fn pair() -> (Tty, Person) {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let terminal =
            rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let terminal = File::from(terminal);
        (Tty::on(terminal.try_clone().unwrap(), terminal).unwrap(), Person(File::from(person)))
    }

    impl Person {
        /// Reads the screen until it has shown `end`, and returns what was read.
        pub(crate) fn sees(&mut self, end: &str) -> String {
            let mut seen = Vec::new();
            let mut byte = [0];
            while !seen.ends_with(end.as_bytes()) {
                self.0.read_exact(&mut byte).unwrap();
                seen.push(byte[0]);
            }
            String::from_utf8(seen).unwrap()
        }

        pub(crate) fn types(&mut self, keys: &str) {
            self.0.write_all(keys.as_bytes()).unwrap();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::testing::pair;

    #[test]
    fn a_question_is_shown_and_answered() {
        let (tty, mut person) = pair();
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| smol::block_on(tty.ask("Really? ")));
            assert_eq!(person.sees("? "), "Really? ");
            person.types("yes\n");
            assert_eq!(asked.join().unwrap().as_deref(), Some("yes"));
        });
    }

    #[test]
    fn the_end_of_the_input_is_no_answer() {
        let (tty, mut person) = pair();
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| smol::block_on(tty.ask("Really? ")));
            person.sees("? ");
            person.types("\x04");
            assert_eq!(asked.join().unwrap(), None);
        });
    }

    #[test]
    fn a_line_that_answered_a_dropped_question_answers_no_other() {
        let (tty, mut person) = pair();
        smol::block_on(async {
            // Dropped as soon as the reading thread has been asked.
            futures_lite::future::or(async { drop(tty.ask("First? ").await) }, async {
                while !tty.reads.is_empty() {
                    smol::future::yield_now().await;
                }
            })
            .await;
        });
        person.sees("? ");
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| smol::block_on(tty.ask("Second? ")));
            person.sees("Second? ");
            person.types("old\nnew\n");
            assert_eq!(asked.join().unwrap().as_deref(), Some("new"));
        });
    }

    #[test]
    fn the_line_above_is_replaced_and_cut_to_the_width() {
        let (tty, mut person) = pair();
        let size = rustix::termios::Winsize { ws_row: 24, ws_col: 10, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&person.0, size).unwrap();
        tty.replace_above("0123456789abc");
        assert!(person.sees("\x1b8").contains("\x1b[2K012345678\x1b8"));
    }
}
