//! What is typed, by a thread of its own.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;

use smol::channel::{Receiver, Sender};

use crate::term::edit::{Editor, Key, Pressed};
use crate::term::screen::COLUMNS_DEFAULT;
use crate::term::wrap::rows;

use super::system::{Raw, columns, send};
use super::writing::{Output, write};

/// A line as it was typed, or `None` at the end of the input.
pub(super) type Line = Option<String>;

/// Asks the reading thread for one line.
pub(super) struct Wanted {
    /// Closed once the question stands on the terminal: what was typed before does not answer it.
    pub(super) asked: Receiver<()>,
    pub(super) answer: Sender<Line>,
    pub(super) edits: Option<Edits>,
}

/// A line that is edited here.
pub(super) struct Edits {
    pub(super) editor: Editor,
    pub(super) raw: Arc<Raw>,
    pub(super) output: Arc<Output>,
}

pub(super) fn read_lines(mut input: File, wanted: &Receiver<Wanted>) {
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

/// Much longer than a signal takes to stop a process, and too short to be noticed where nothing stops.
const STOPPING: Duration = Duration::from_millis(100);
/// More words than that nobody reads: another letter tells more.
const CANDIDATES_MAX: usize = 24;
/// No sensible answer, and no code, is longer.
const LINE_BYTES_MAX: usize = 4096;
