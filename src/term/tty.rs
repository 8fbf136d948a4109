//! Questions on the controlling terminal.
//!
//! Never on standard input: that may be the data. Reading a terminal blocks, so a thread of its own does it and the
//! transfer goes on meanwhile; so does writing, which a [`Queue`] takes over. A question that is given up leaves its
//! thread behind in the read, which keeps nobody from leaving: the process ends when `main` returns. The next line
//! then answers the question that was given up, and nothing else.
//!
//! A line is the terminal's to edit, except where Tab shall complete: then the thread takes key by key, with an
//! [`Editor`], and the terminal is [`Raw`] meanwhile.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use smol::channel::{Receiver, Sender};
use zeroize::Zeroizing;

use super::edit::{Complete, Editor, Key, Pressed};
use super::locale;
use super::queue::{Queue, Text};
#[cfg(unix)]
use super::raw::Raw;
use super::screen::COLUMNS_DEFAULT;
use super::wrap::rows;

/// The terminal that the process belongs to.
#[derive(Debug)]
pub struct Tty {
    output: Arc<Output>,
    queue: Arc<Queue>,
    /// To the reading thread.
    reads: Sender<Wanted>,
    rewrites: bool,
}

/// Where a terminal is written.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    /// How many rows the text above the question takes.
    rows: AtomicUsize,
    /// It shows nothing else.
    ascii: bool,
}

/// A line as it was typed, or `None` at the end of the input.
type Line = Option<String>;

/// Asks the reading thread for one line.
struct Wanted {
    /// Closed once the question stands on the terminal: what was typed before does not answer it.
    asked: Receiver<()>,
    answer: Sender<Line>,
    edits: Option<Edits>,
}

/// A line that is edited here.
struct Edits {
    editor: Editor,
    raw: Arc<Raw>,
    output: Arc<Output>,
}

/// Something to write on the terminal.
pub(super) enum Part {
    /// Whole lines.
    Lines(Text),
    /// What a question is about, in rows of its own, so that [`Part::Above`] can replace them.
    About(Text),
    /// A question, which leaves the cursor behind it. What is attached is dropped when it stands there.
    Question(Text, Sender<()>),
    /// The same with a line that is edited here.
    Prompt(Text, Arc<Raw>, Sender<()>),
    /// In place of the rows above a question, which comes along: more rows move it.
    Above { about: Text, question: Text },
}

impl Tty {
    /// The controlling terminal; `None` where there is none.
    #[must_use]
    pub fn open(queue: Arc<Queue>) -> Option<Tty> {
        let (input, output) = open_pair().ok()?;
        Tty::on(input, output, queue).ok()
    }

    /// A terminal on given files.
    fn on(input: File, output: File, queue: Arc<Queue>) -> io::Result<Tty> {
        let (reads, wanted) = smol::channel::bounded(1);
        std::thread::Builder::new().name("terminal".into()).spawn(move || read_lines(input, &wanted))?;
        let rewrites = cfg!(unix) && !super::style::dumb();
        let output = Arc::new(Output { file: output, rows: AtomicUsize::new(0), ascii: !locale::utf8() });
        Ok(Tty { output, queue, reads, rewrites })
    }

    /// Shows `text` without ending the line, and waits for one line of answer. `None`: the input has ended.
    ///
    /// What was typed before the question was there does not answer it. May be dropped.
    pub async fn ask(&self, text: &str) -> Line {
        let (asking, asked) = smol::channel::bounded(1);
        let (answer, answered) = smol::channel::bounded(1);
        self.put(Part::Question(Zeroizing::new(text.to_owned()), asking));
        self.reads.send(Wanted { asked, answer, edits: None }).await.ok()?;
        let line = answered.recv().await.ok()?;
        if line.is_none() {
            // Ctrl-D leaves the cursor behind the question.
            self.line("");
        }
        line
    }

    /// Whether [`Tty::edit`] takes key by key.
    #[must_use]
    pub fn edits(&self) -> bool {
        self.rewrites
    }

    /// The same with a line that begins with `text` and that Tab completes, where the terminal can. The terminal is as it was
    /// when this returns or is dropped.
    pub async fn edit(&self, prompt: &'static str, text: &str, complete: Complete) -> Line {
        let raw = if self.rewrites { Raw::new(&self.output.file).ok() } else { None };
        let Some(raw) = raw else { return self.ask(prompt).await };
        let _back = SetBack(Arc::clone(&raw));
        let (asking, asked) = smol::channel::bounded(1);
        let (answer, answered) = smol::channel::bounded(1);
        let editor = Editor::new(prompt, text, complete);
        let row = editor.row(columns(&self.output.file).unwrap_or(COLUMNS_DEFAULT));
        self.put(Part::Prompt(row, Arc::clone(&raw), asking));
        let output = Arc::clone(&self.output);
        self.reads.send(Wanted { asked, answer, edits: Some(Edits { editor, raw, output }) }).await.ok()?;
        answered.recv().await.ok()?
    }

    /// Writes lines, whole.
    pub fn line(&self, text: &str) {
        self.put(Part::Lines(Zeroizing::new(text.to_owned())));
    }

    /// Writes what the next question is about. [`Tty::replace_about`] can replace it.
    pub fn about(&self, text: &str) {
        self.put(Part::About(Zeroizing::new(text.to_owned())));
    }

    /// Replaces what `question`, which stands there, is about.
    pub fn replace_about(&self, text: &str, question: &str) {
        if self.rewrites {
            let [about, question] = [text, question].map(|text| Zeroizing::new(text.to_owned()));
            self.queue.above(&self.output, about, question);
        }
    }

    fn put(&self, part: Part) {
        self.queue.terminal(&self.output, part);
    }
}

impl Part {
    /// Writes it, and waits until it is out.
    pub(super) fn write(self, output: &Output) {
        let terminal = &output.file;
        // The last column stays free: a character there would make some terminals go on in the next row.
        let columns = columns(terminal).unwrap_or(COLUMNS_DEFAULT).saturating_sub(1);
        let fitting =
            |text: &str| rows(&if output.ascii { locale::ascii(text) } else { Cow::Borrowed(text) }, columns);
        match self {
            Part::Lines(text) => write(terminal, &format!("{}\n", fitting(&text).join("\n"))),
            Part::About(text) => {
                let rows = fitting(&text);
                output.rows.store(rows.len(), Ordering::Relaxed);
                write(terminal, &format!("{}\n", rows.join("\n")));
            }
            Part::Question(text, asking) => {
                forget_typed_ahead(terminal);
                write(terminal, &fitting(&text).join("\n"));
                drop(asking);
            }
            Part::Prompt(row, raw, asking) => {
                raw.enter();
                forget_typed_ahead(terminal);
                write(terminal, &row);
                drop(asking);
            }
            Part::Above { about, question } => {
                let rows = fitting(&about);
                let before = output.rows.swap(rows.len(), Ordering::Relaxed);
                write(terminal, &replacement(&rows, before, &fitting(&question)));
            }
        }
    }
}

/// What to write in place of the rows above a question.
fn replacement(rows: &[String], before: usize, question: &[String]) -> String {
    // The cursor stands in the last row of the question.
    let up = before + question.len().saturating_sub(1);
    if rows.len() == before {
        // Save the cursor, go to the first row, clear and write each, and go back: what is being typed stays.
        return format!("\x1b7\x1b[{up}A\r\x1b[2K{}\x1b8", rows.join("\n\r\x1b[2K"));
    }
    // Go to the first row and clear all below. What was typed so far is not shown any more, but still counts.
    format!("\r\x1b[{up}A\x1b[J{}\n{}", rows.join("\n"), question.join("\n"))
}

fn write(mut terminal: &File, text: &str) {
    // A terminal that hung up also ends the input, and that is what the asker sees.
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}

#[cfg(unix)]
fn forget_typed_ahead(terminal: &File) {
    // Where it fails the answer may come early, from the same person.
    let _ = rustix::termios::tcflush(terminal, rustix::termios::QueueSelector::IFlush);
}

#[cfg(not(unix))]
fn forget_typed_ahead(_: &File) {}

fn read_lines(mut input: File, wanted: &Receiver<Wanted>) {
    while let Ok(Wanted { asked, answer, edits }) = wanted.recv_blocking() {
        // Nothing is ever sent: it ends with the close.
        let _ = asked.recv_blocking();
        let line = match edits {
            // Where the terminal does not leave the keys to us, it edits.
            Some(edits) if edits.raw.enter() => edits.read_line(&mut input),
            _ => read_line(&mut input),
        };
        // The asker may be gone; its line is lost with it.
        let _ = answer.send_blocking(line);
    }
}

impl Edits {
    /// One line, as it was edited.
    fn read_line(mut self, input: &mut File) -> Line {
        let terminal = &self.output.file;
        let mut byte = [0];
        loop {
            match input.read(&mut byte) {
                Ok(1) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A terminal that hung up.
                _ => return None,
            }
            let columns = columns(terminal).unwrap_or(COLUMNS_DEFAULT);
            match self.editor.press(byte[0]) {
                Pressed::Nothing => {}
                Pressed::Changed => write(terminal, &self.editor.row(columns)),
                Pressed::Candidates(words) => {
                    write(terminal, &format!("\n{}\n", rows(&shortened(&words), columns).join("\n")));
                    write(terminal, &self.editor.row(columns));
                }
                Pressed::Entered => {
                    write(terminal, &self.editor.whole());
                    self.raw.end();
                    return Some(self.editor.text().to_owned());
                }
                Pressed::Ended => {
                    write(terminal, "\n");
                    self.raw.end();
                    return None;
                }
                Pressed::Signal(key) => {
                    self.raw.leave();
                    if key == Key::Suspend {
                        write(terminal, "\n");
                    }
                    send(key);
                    match key {
                        // Nobody listens to it: the process is ending.
                        Key::Quit => return None,
                        // Whoever listens to it gives the question up, and then nothing enters again. Who ignores it goes on.
                        Key::Interrupt => drop(self.raw.enter()),
                        Key::Suspend => {
                            // The signal stops another thread first, and this one a little later: it must not have the keys by then.
                            std::thread::sleep(STOPPING);
                            self.raw.enter();
                            write(terminal, &self.editor.row(columns));
                        }
                    }
                }
            }
        }
    }
}

/// Some of the words that may follow.
fn shortened(words: &[&str]) -> String {
    let shown = words.iter().take(CANDIDATES_MAX).copied().collect::<Vec<_>>().join("  ");
    match words.len().checked_sub(CANDIDATES_MAX) {
        None | Some(0) => shown,
        Some(more) => format!("{shown}  and {more} more"),
    }
}

/// Sets the terminal back when the question is answered or given up.
struct SetBack(Arc<Raw>);

impl Drop for SetBack {
    fn drop(&mut self) {
        self.0.end();
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

/// Does what the terminal does where it does not leave the keys to us: the signal goes to all of a pipeline.
#[cfg(unix)]
fn send(key: Key) {
    use rustix::process::Signal;
    let signal = match key {
        Key::Interrupt => Signal::INT,
        Key::Quit => Signal::QUIT,
        Key::Suspend => Signal::TSTP,
    };
    // Nobody may forbid a process to signal its own group.
    let _ = rustix::process::kill_current_process_group(signal);
}

#[cfg(not(unix))]
fn send(_: Key) {}

/// A terminal that is never left to us.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Raw;

#[cfg(not(unix))]
impl Raw {
    fn new(_: &File) -> io::Result<Arc<Raw>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn enter(&self) -> bool {
        false
    }

    fn leave(&self) {}

    fn end(&self) {}
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
    let size = rustix::termios::tcgetwinsize(output);
    size.ok().map(|size| size.ws_col.into()).filter(|columns| *columns > 0)
}

#[cfg(windows)]
fn columns(_: &File) -> Option<usize> {
    None
}

/// Much longer than a signal takes to stop a process, and too short to be noticed where nothing stops.
const STOPPING: Duration = Duration::from_millis(100);
/// More words than that nobody reads: another letter tells more.
const CANDIDATES_MAX: usize = 24;
/// No sensible answer, and no code, is longer.
const LINE_BYTES_MAX: usize = 4096;

/// A terminal with a person in front of it, for the tests of whatever asks questions.
#[cfg(all(test, unix))]
pub(crate) mod testing {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;
    use crate::term::screen::Screen;
    use crate::term::writer::Writer;

    pub(crate) struct Person {
        pub(super) terminal: File,
        writer: Writer,
    }

    pub(crate) fn pair() -> (Tty, Person) {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let terminal =
            rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let terminal = File::from(terminal);
        let writer = Writer::start(Screen::on(io::sink(), io::sink(), |_| String::new())).unwrap();
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
    fn what_a_question_is_about_is_replaced_row_by_row() {
        let (tty, mut person) = pair();
        let size = rustix::termios::Winsize { ws_row: 24, ws_col: 10, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&person.terminal, size).unwrap();
        tty.about("Offered: a");
        assert_eq!(person.sees("a\r\n"), "Offered:\r\na\r\n");
        tty.replace_about("Offered: b", "Take? ");
        assert_eq!(person.sees("\x1b8"), "\x1b7\x1b[2A\r\x1b[2KOffered:\r\n\r\x1b[2Kb\x1b8");
        tty.replace_about("Offered: 0123456789", "Take? ");
        assert_eq!(person.sees("? "), "\r\x1b[2A\x1b[JOffered:\r\n012345678\r\n9\r\nTake? ");
    }
}
