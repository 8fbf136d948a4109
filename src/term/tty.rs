//! Questions on the controlling terminal.
//!
//! Never on standard input: that may be the data. Reading a terminal blocks, so a thread of its own does it and the
//! transfer goes on meanwhile; so does writing, which a [`Queue`] takes over. A question that is given up leaves its
//! thread behind in the read, which keeps nobody from leaving: the process ends when `main` returns. The next line
//! then answers the question that was given up, and nothing else.
//!
//! A line is the terminal's to edit, except where Tab shall complete: then the thread takes key by key, with an
//! [`Editor`], and the terminal is [`Raw`] meanwhile.

mod reading;
mod system;
#[cfg(all(test, unix))]
pub(crate) mod testing;
#[cfg(all(test, unix))]
mod tests;
mod writing;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use smol::channel::Sender;
use zeroize::Zeroizing;

use super::edit::{Complete, Editor};
use super::locale;
use super::queue::Queue;
use super::screen::COLUMNS_DEFAULT;

use reading::{Edits, Line, Wanted, read_lines};
use system::{Raw, columns, open_pair};
pub(super) use writing::{Output, Part};

/// The terminal that the process belongs to.
#[derive(Debug)]
pub struct Tty {
    output: Arc<Output>,
    queue: Arc<Queue>,
    /// To the reading thread.
    reads: Sender<Wanted>,
    rewrites: bool,
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

/// Sets the terminal back when the question is answered or given up.
struct SetBack(Arc<Raw>);

impl Drop for SetBack {
    fn drop(&mut self) {
        self.0.end();
    }
}
