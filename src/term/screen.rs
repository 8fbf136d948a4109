//! Standard error and standard output, for a process whose readers may go away.
//!
//! On a terminal the last line of standard error may be a status line that is painted again and again; messages go
//! above it. A closed pipe is nobody reading: writing to it is no failure of ours, and never a panic.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clean::cut;

/// Standard error with its status line.
#[derive(Debug)]
pub struct Screen {
    /// `None` where there is no status line.
    status: Option<Mutex<Status>>,
}

/// A line that is written over itself. It needs nothing of the terminal but the carriage return, so that it works on
/// an old Windows console as well.
#[derive(Debug, Default)]
struct Status {
    text: String,
    /// How many columns stand painted.
    painted: usize,
    painted_at: Option<Instant>,
    /// A question stands on the same terminal.
    held: bool,
}

impl Screen {
    /// A screen; the status line is there only if standard error is a terminal and it is wanted.
    #[must_use]
    pub fn new(with_status: bool) -> Screen {
        let status = with_status && io::stderr().is_terminal();
        Screen { status: status.then(Mutex::default) }
    }

    /// Whether there is a status line to paint.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.status.is_some()
    }

    /// Writes a message, one or more whole lines, above the status line.
    pub fn line(&self, text: &str) {
        let Some(mut status) = self.status() else { return write_stderr(text) };
        let wiped = status.wipe();
        let painted = status.paint(columns());
        write(&format!("{wiped}{text}\n{painted}"));
    }

    /// Paints the status line, though not so often that nobody could read it.
    pub fn paint(&self, text: &str) {
        let Some(mut status) = self.status() else { return };
        text.clone_into(&mut status.text);
        if status.painted_at.is_some_and(|then| then.elapsed() < REPAINT_MIN) {
            return;
        }
        status.painted_at = Some(Instant::now());
        write(&status.paint(columns()));
    }

    /// Removes the status line until [`Screen::release`]: a question stands on the same terminal.
    pub fn hold(&self) {
        if let Some(mut status) = self.status() {
            write(&status.wipe());
            status.held = true;
        }
    }

    /// Lets the status line return.
    pub fn release(&self) {
        if let Some(mut status) = self.status() {
            status.held = false;
        }
    }

    /// Removes the status line until it is painted again.
    pub fn clear(&self) {
        if let Some(mut status) = self.status() {
            status.text.clear();
            write(&status.wipe());
        }
    }

    fn status(&self) -> Option<MutexGuard<'_, Status>> {
        self.status.as_ref().map(|status| status.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Status {
    /// What to write to put the text in place of what stands there.
    fn paint(&mut self, columns: usize) -> String {
        if self.held || (self.text.is_empty() && self.painted == 0) {
            return String::new();
        }
        // The last column stays free: a character there would make some terminals go on in the next line.
        let text = cut(&self.text, columns.saturating_sub(1));
        let width = text.chars().count();
        let rest = self.painted.saturating_sub(width);
        self.painted = width;
        format!("\r{text}{:rest$}{:\x08<rest$}", "", "")
    }

    /// What to write to take it away.
    fn wipe(&mut self) -> String {
        match std::mem::take(&mut self.painted) {
            0 => String::new(),
            painted => format!("\r{:painted$}\r", ""),
        }
    }
}

/// Writes whole lines to standard error.
pub fn write_stderr(text: &str) {
    write(&format!("{text}\n"));
}

/// Writes one line to standard output, at once.
///
/// # Errors
///
/// Whatever the system says; [`io::ErrorKind::BrokenPipe`] where nobody reads any more.
pub fn write_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// One write, so that lines of several threads do not mix. Nobody reads a closed one: there is nothing to report.
fn write(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(unix)]
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok().map(|size| size.ws_col.into()).filter(|columns| *columns > 0).unwrap_or(COLUMNS_DEFAULT)
}

#[cfg(not(unix))]
fn columns() -> usize {
    COLUMNS_DEFAULT
}

/// Ten times a second is as often as a number can be read.
const REPAINT_MIN: Duration = Duration::from_millis(100);
/// Where the terminal does not say.
pub(super) const COLUMNS_DEFAULT: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_status_leaves_nothing_of_a_longer_one() {
        let mut status = Status { text: "abcdef".into(), ..Status::default() };
        assert_eq!(status.paint(80), "\rabcdef");
        status.text = "xyz".into();
        assert_eq!(status.paint(80), "\rxyz   \x08\x08\x08");
        assert_eq!(status.wipe(), "\r   \r");
        assert_eq!(status.wipe(), "");
    }

    #[test]
    fn a_status_stays_in_its_line_and_out_of_a_question() {
        let mut status = Status { text: "0123456789".into(), ..Status::default() };
        assert_eq!(status.paint(6), "\r01234");
        status.held = true;
        assert_eq!(status.paint(80), "");
    }
}
