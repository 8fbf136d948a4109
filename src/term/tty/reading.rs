//! What is typed, by a thread of its own, for the question that stands there.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_lite::future::or;
use smol::Timer;
use smol::channel::{Receiver, Sender};
use zeroize::Zeroizing;

use crate::term::edit::{Editor, Key, Pressed};
use crate::term::queue::Queue;

use super::system::{Raw, send};
use super::writing::{Output, Part};

/// A line as it was typed, or `None` at the end of the input.
pub(super) type Line = Option<String>;

/// Hands what is typed to whoever asked.
pub(in crate::term) struct Reader {
    asking: Mutex<Asking>,
    /// A question stands there now, or none will any more.
    changed: Condvar,
    queue: Arc<Queue>,
    output: Arc<Output>,
}

#[derive(Default)]
struct Asking {
    question: Option<Expected>,
    /// How many questions there were.
    number: u64,
    closed: bool,
}

/// An answer that is waited for.
struct Expected {
    number: u64,
    /// Whether the question can be seen: what was typed before does not answer it.
    stands: bool,
    typing: Typing,
    answer: Sender<Line>,
}

/// Who edits the line.
pub(super) enum Typing {
    /// Key by key, while the terminal is raw.
    Here(Editor, Arc<Raw>),
    /// The terminal; these are the bytes so far.
    There(Vec<u8>),
}

impl Reader {
    pub(super) fn new(queue: Arc<Queue>, output: Arc<Output>) -> Reader {
        Reader { asking: Mutex::default(), changed: Condvar::new(), queue, output }
    }

    /// Waits for an answer to the question that is about to be shown. One at a time: another one takes its place.
    pub(super) fn expect(&self, typing: Typing) -> (u64, Receiver<Line>) {
        let (answer, answered) = smol::channel::bounded(1);
        let mut asking = self.lock();
        asking.number += 1;
        let number = asking.number;
        asking.question = Some(Expected { number, stands: false, typing, answer });
        (number, answered)
    }

    /// From here on the question can be seen. `is_raw`: keys come one by one. Returns whether an answer is waited for.
    pub(super) fn stands(&self, number: u64, is_raw: bool) -> bool {
        let mut asking = self.lock();
        let Some(expected) = asking.question.as_mut().filter(|expected| expected.number == number) else {
            return false;
        };
        expected.stands = true;
        if !is_raw {
            expected.typing = Typing::There(Vec::new());
        }
        self.changed.notify_all();
        true
    }

    /// Nobody waits for this answer any more. Whoever asked sets the terminal back.
    pub(super) fn give_up(&self, number: u64) {
        let mut asking = self.lock();
        if let Some(expected) = asking.question.take_if(|expected| expected.number == number) {
            // The cursor still stands behind the question, if it was shown.
            match expected.typing {
                Typing::There(_) if expected.stands => self.put(Part::Lines(Zeroizing::default())),
                Typing::There(_) => {}
                Typing::Here(..) => self.put(Part::Over(None)),
            }
        }
    }

    /// No more questions.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Reads for as long as there are questions.
    pub(super) fn read(&self, mut input: File) {
        let mut byte = [0];
        while self.is_asked() {
            let read = match input.read(&mut byte) {
                Ok(1) => Some(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Ctrl-D where the terminal edits, or a terminal that hung up.
                _ => None,
            };
            match self.take(read) {
                Taken::Typed => {}
                Taken::Signal(key, raw) => self.signal(key, &raw),
                Taken::Answer(expected, line) => expected.answer(line),
            }
        }
    }

    /// Waits until a question stands there; whether there is one.
    fn is_asked(&self) -> bool {
        let is_idle = |asking: &mut Asking| {
            !asking.closed && asking.question.as_ref().is_none_or(|expected| !expected.stands)
        };
        let asking = self.changed.wait_while(self.lock(), is_idle);
        !asking.unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Takes a byte, or the end of the input. What is to be done then is not done here: who asks never waits for a terminal.
    fn take(&self, byte: Option<u8>) -> Taken {
        let mut asking = self.lock();
        let Some(expected) = asking.question.as_mut().filter(|expected| expected.stands) else {
            return Taken::Typed;
        };
        let line = match (&mut expected.typing, byte) {
            (Typing::Here(editor, raw), Some(byte)) => match editor.press(byte) {
                Pressed::Nothing => return Taken::Typed,
                Pressed::Changed => {
                    self.put(Part::Typed(editor.shown()));
                    return Taken::Typed;
                }
                Pressed::Candidates(words) => {
                    self.put(Part::Lines(Zeroizing::new(shortened(&words))));
                    return Taken::Typed;
                }
                Pressed::Entered => {
                    self.put(Part::Over(Some(editor.shown())));
                    Some(editor.text().to_owned())
                }
                Pressed::Ended => {
                    self.put(Part::Over(None));
                    None
                }
                Pressed::Signal(key) => return Taken::Signal(key, Arc::clone(raw)),
            },
            (Typing::Here(..), None) => {
                self.put(Part::Over(None));
                None
            }
            (Typing::There(bytes), Some(b'\n')) => {
                Some(String::from_utf8_lossy(bytes).trim_end_matches('\r').to_owned())
            }
            (Typing::There(bytes), Some(byte)) => {
                // A line that is too long is cut; it answers nothing sensible anyway.
                if bytes.len() < LINE_BYTES_MAX {
                    bytes.push(byte);
                }
                return Taken::Typed;
            }
            (Typing::There(_), None) => {
                // The cursor still stands behind the question.
                self.put(Part::Lines(Zeroizing::default()));
                None
            }
        };
        asking.question.take().map_or(Taken::Typed, |expected| Taken::Answer(expected, line))
    }

    /// Does what the terminal does where it does not leave the keys to us.
    fn signal(&self, key: Key, raw: &Raw) {
        raw.go_on();
        raw.leave();
        if key == Key::Suspend {
            // Whoever has the terminal meanwhile begins in a line of its own, unless nothing can be written now.
            let (apart, done) = smol::channel::bounded(1);
            self.put(Part::Apart(apart));
            let done = async {
                // Nothing is ever sent.
                let _ = done.recv().await;
            };
            let late = async {
                Timer::after(STOPPING).await;
            };
            smol::block_on(or(done, late));
        }
        send(key);
        if key == Key::Suspend {
            // The signal stops another thread first, and this one a little later: it must not have the keys by then.
            std::thread::sleep(STOPPING);
        }
        // Whoever listens to it gives the question up, and then nothing enters again. Who ignores it goes on.
        raw.enter();
        if key == Key::Suspend {
            self.put(Part::Again);
        }
    }

    fn put(&self, part: Part) {
        self.queue.terminal(&self.output, part);
    }

    fn lock(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expected {
    /// Ends the question. The asker may be gone; its line is lost with it.
    fn answer(self, line: Line) {
        if let Typing::Here(_, raw) = &self.typing {
            raw.end();
        }
        let _ = self.answer.try_send(line);
    }
}

/// What came of a byte.
enum Taken {
    /// It was typed, and that is all.
    Typed,
    Signal(Key, Arc<Raw>),
    Answer(Expected, Line),
}

/// Says nothing of what is typed: it may be a code.
impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
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

/// Much longer than a signal takes to stop a process, and too short to be noticed where nothing stops.
const STOPPING: Duration = Duration::from_millis(100);
/// More words than that nobody reads: another letter tells more.
const CANDIDATES_MAX: usize = 24;
/// No sensible answer, and no code, is longer.
const LINE_BYTES_MAX: usize = 4096;
