//! Standard error and standard output, for a process whose readers may go away.
//!
//! On a terminal the last line of standard error may be a status line that is painted again and again; messages go
//! above it. A closed pipe is nobody reading: writing to it is no failure of ours, and never a panic.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::clean::{columns_of, cut};
use super::locale;
use super::queue::{Item, Text};
use super::style::dumb;
use super::tty::Standing;
use super::wrap::wrap;

/// Standard error with its status line, and standard output. Writing blocks for as long as nobody reads, so a
/// [`Writer`](super::writer::Writer) does it.
pub struct Screen {
    err: Box<dyn Write + Send>,
    out: Box<dyn Write + Send>,
    /// `None` where there is no status line.
    status: Option<Status>,
    left_out: fn(u64) -> String,
    /// The question that stands on the terminal.
    standing: Option<Standing>,
    /// Standard error is a terminal that shows nothing else.
    ascii: bool,
}

/// A line that is written over itself.
#[derive(Debug, Default)]
struct Status {
    text: Text,
    /// Whether the terminal clears to the end of a line. It then takes along what is not ours: the `^C` of a key that
    /// was pressed, and what a change of the width left behind. An old Windows console obeys the carriage return only.
    erases: bool,
    /// Whether a terminal that became narrower breaks the line that stands there into several.
    reflows: bool,
    /// How many columns stand painted.
    painted: usize,
    painted_at: Option<Instant>,
    /// A question stands on the same terminal.
    held: bool,
}

impl Screen {
    /// The streams of the process, with a status line if standard error is a terminal. `left_out` says how many lines
    /// were not written.
    #[must_use]
    pub fn of_process(left_out: fn(u64) -> String) -> Screen {
        let erases = cfg!(unix) && !dumb();
        let is_terminal = io::stderr().is_terminal();
        let status = is_terminal.then(|| Status { erases, reflows: reflows(), ..Status::default() });
        let ascii = is_terminal && !locale::utf8();
        Screen { status, ascii, ..Screen::on(io::stderr(), io::stdout(), left_out) }
    }

    /// Other streams than those of the process, without a status line.
    pub(crate) fn on(
        err: impl Write + Send + 'static,
        out: impl Write + Send + 'static,
        left_out: fn(u64) -> String,
    ) -> Screen {
        Screen {
            err: Box::new(err),
            out: Box::new(out),
            status: None,
            left_out,
            standing: None,
            ascii: false,
        }
    }

    /// The same with a status line, which the other end has to read as bytes.
    #[cfg(test)]
    pub(crate) fn with_status(self) -> Screen {
        Screen { status: Some(Status::default()), ..self }
    }

    /// Whether there is a status line to paint.
    pub(super) fn has_status(&self) -> bool {
        self.status.is_some()
    }

    /// Writes one thing.
    pub(super) fn write(&mut self, item: Item) {
        match item {
            Item::Line(text) => self.line(&text),
            Item::LeftOut(lines) => self.line(&(self.left_out)(lines)),
            Item::Printed { line, after, unread } => match self.print(&line) {
                Ok(()) => after.iter().for_each(|text| self.line(text)),
                Err(_) => unread(),
            },
            Item::Paint(text) => self.paint(text),
            Item::Hold => {
                self.wipe();
                self.status.iter_mut().for_each(|status| status.held = true);
            }
            Item::Release => self.status.iter_mut().for_each(|status| status.held = false),
            Item::Clear => {
                self.status.iter_mut().for_each(|status| status.text = Text::default());
                self.wipe();
            }
            Item::Terminal(terminal, part) => part.write(&terminal, &mut self.standing),
        }
    }

    /// Writes whole lines above the status line. One write, so that the status line does not flicker.
    fn line(&mut self, text: &str) {
        let shown =
            Zeroizing::new(if self.ascii { locale::ascii(text).into_owned() } else { text.to_owned() });
        let text = shown.as_str();
        let Some(status) = &mut self.status else {
            return self.error(&Zeroizing::new(format!("{text}\n")));
        };
        let columns = columns();
        let wrapped = Zeroizing::new(wrap(text, columns));
        let (wiped, painted) = (status.wipe(columns), status.paint(columns));
        let lines = Zeroizing::new(format!("{wiped}{}\n{painted}", *wrapped));
        // It is the same terminal.
        match self.standing.take() {
            Some(mut standing) => {
                standing.below(|| self.error(&lines));
                self.standing = Some(standing);
            }
            None => self.error(&lines),
        }
    }

    /// Writes a line on standard output, which may be the same terminal.
    fn print(&mut self, line: &str) -> io::Result<()> {
        let Some(mut standing) = self.standing.take() else { return write_line(&mut self.out, line) };
        let mut written = Ok(());
        standing.below(|| written = write_line(&mut self.out, line));
        self.standing = Some(standing);
        written
    }

    /// Paints the status line, though not so often that nobody could read it.
    fn paint(&mut self, text: Text) {
        let Some(status) = &mut self.status else { return };
        status.text = text;
        if status.painted_at.is_some_and(|then| then.elapsed() < REPAINT_MIN) {
            return;
        }
        status.painted_at = Some(Instant::now());
        let painted = status.paint(columns());
        self.error(&painted);
    }

    fn wipe(&mut self) {
        if let Some(status) = &mut self.status {
            let wiped = status.wipe(columns());
            self.error(&wiped);
        }
    }

    /// Nobody reads a closed one: there is nothing to report.
    fn error(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes());
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

impl Status {
    /// What to write to put the text in place of what stands there.
    fn paint(&mut self, columns: usize) -> String {
        if self.held || (self.text.is_empty() && self.painted == 0) {
            return String::new();
        }
        let back = self.back(columns);
        let text = fitting(&self.text, columns.saturating_sub(FREE_COLUMNS));
        let width = columns_of(text);
        let rest = self.painted.saturating_sub(width);
        self.painted = width;
        if self.erases {
            format!("{back}{text}{ERASE}")
        } else {
            format!("\r{text}{:rest$}{:\x08<rest$}", "", "")
        }
    }

    /// What to write to take it away.
    fn wipe(&mut self, columns: usize) -> String {
        let back = self.back(columns);
        match std::mem::take(&mut self.painted) {
            0 => String::new(),
            _ if self.erases => format!("{back}{ERASE}"),
            painted => format!("\r{:painted$}\r", ""),
        }
    }

    /// To where the line begins. Where the terminal has become narrower than the line, it stands in several rows by now.
    fn back(&self, columns: usize) -> String {
        let rows = self.painted.saturating_sub(1) / columns.max(1);
        if rows == 0 || !self.erases || !self.reflows {
            return "\r".to_owned();
        }
        format!("\r\x1b[{rows}A{ERASE_BELOW}")
    }
}

/// The longest form of a status that fits. Its forms stand below each other, the longest first; of the last, as much is shown as fits.
fn fitting(text: &str, columns: usize) -> &str {
    let fits = |form: &&str| columns_of(form) <= columns;
    text.lines().find(fits).unwrap_or_else(|| cut(text.lines().last().unwrap_or_default(), columns))
}

/// Most terminals do. Of these it is known that they do not, and there the rows above would be cleared.
pub(super) fn reflows() -> bool {
    let variable = |name| std::env::var_os(name).unwrap_or_default();
    variable("XTERM_VERSION").is_empty() && variable("STY").is_empty() && variable("TERM") != "linux"
}

/// Writes whole lines to standard error, and waits until they are out: for where there is no transfer to hold up.
///
/// One write, so that lines of several threads do not mix. Nobody reads a closed one: there is nothing to report.
pub fn write_stderr(text: &str) {
    let mut err = io::stderr().lock();
    let text = if err.is_terminal() { wrap(text, columns()) } else { text.to_owned() };
    let _ = err.write_all(format!("{text}\n").as_bytes());
}

/// Writes one line to standard output, and waits until it is out.
///
/// # Errors
///
/// Whatever the system says; [`io::ErrorKind::BrokenPipe`] where nobody reads any more.
pub fn write_stdout(text: &str) -> io::Result<()> {
    write_line(&mut io::stdout().lock(), text)
}

fn write_line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// How wide standard error is, where it is a terminal.
#[cfg(unix)]
#[must_use]
pub fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok().map(|size| size.ws_col.into()).filter(|columns| *columns > 0).unwrap_or(COLUMNS_DEFAULT)
}

/// Windows does not say without unsafe code.
#[cfg(not(unix))]
#[must_use]
pub fn columns() -> usize {
    COLUMNS_DEFAULT
}

/// What stands between the fields of a status line.
pub const FIELD_GAP: &str = "  ";
/// Clears from the cursor to the end of its line.
const ERASE: &str = "\x1b[K";
/// Clears from the cursor to the end of the screen.
const ERASE_BELOW: &str = "\x1b[J";
/// A character in the last column would make some terminals go on in the next line, and so would the `^C` that a
/// terminal shows behind the status.
const FREE_COLUMNS: usize = 3;
/// Ten times a second is as often as a number can be read.
const REPAINT_MIN: Duration = Duration::from_millis(100);
/// Where the terminal does not say.
pub(super) const COLUMNS_DEFAULT: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Zeroizing::new(text.into())
    }

    #[test]
    fn a_shorter_status_leaves_nothing_of_a_longer_one() {
        let mut status = Status { text: text("abcdef"), ..Status::default() };
        assert_eq!(status.paint(80), "\rabcdef");
        status.text = text("xyz");
        assert_eq!(status.paint(80), "\rxyz   \x08\x08\x08");
        assert_eq!(status.wipe(80), "\r   \r");
        assert_eq!(status.wipe(80), "");
    }

    #[test]
    fn a_status_stays_in_its_line_and_out_of_a_question() {
        let mut status = Status { text: text("0123456789"), ..Status::default() };
        assert_eq!(status.paint(8), "\r01234");
        status.held = true;
        assert_eq!(status.paint(80), "");
    }

    #[test]
    fn a_status_that_can_erases_to_the_end_of_the_line() {
        let mut status = Status { text: text("abc"), erases: true, ..Status::default() };
        assert_eq!(status.paint(80), "\rabc\x1b[K");
        assert_eq!(status.wipe(80), "\r\x1b[K");
        assert_eq!(status.wipe(80), "");
    }

    #[test]
    fn a_narrow_terminal_shows_a_shorter_form() {
        let status = "  5%  12 MiB of 1.0 GiB  3 s left\n  5%  3 s left\n  5%";
        for (columns, shown) in [
            (33, "  5%  12 MiB of 1.0 GiB  3 s left"),
            (32, "  5%  3 s left"),
            (13, "  5%"),
            (3, "  5"),
            (0, ""),
        ] {
            assert_eq!(fitting(status, columns), shown);
        }
    }

    #[test]
    fn a_status_that_the_terminal_broke_into_rows_is_taken_away_whole() {
        let wide =
            || Status { text: text(&"x".repeat(70)), erases: true, reflows: true, ..Status::default() };
        let mut status = wide();
        status.paint(80);
        status.text = text("y");
        assert_eq!(status.paint(30), "\r\x1b[2A\x1b[Jy\x1b[K");
        assert_eq!(status.wipe(30), "\r\x1b[K");
        let mut status = Status { reflows: false, ..wide() };
        status.paint(80);
        assert_eq!(status.wipe(30), "\r\x1b[K", "what stands above is not ours");
    }
}
