//! Questions on the controlling terminal.
//!
//! Never on standard input: that may be the data. Reading a terminal blocks, so a thread of its own does it and the
//! transfer goes on meanwhile; so does writing, which a [`Queue`] takes over. A question that is given up leaves its
//! thread behind in the read, which keeps nobody from leaving: the process ends when `main` returns. What is typed
//! next answers the question that stands there then.
//!
//! Where the terminal can, the thread takes key by key, with an [`Editor`], and the terminal is [`Raw`] meanwhile. So Tab
//! completes, and a question with half an answer behind it can be moved out of the way of other lines. Elsewhere the
//! line is the terminal's to edit, and other lines wait until it is entered.

mod reading;
mod standing;
mod system;
#[cfg(all(test, unix))]
pub(crate) mod testing;
#[cfg(all(test, unix))]
mod tests;
mod writing;

use std::fs::File;
use std::io;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::edit::{Complete, Completion, Editor};
use super::queue::Queue;

use reading::{Line, Reader, Typing};
use system::{Raw, open_pair};

pub(super) use standing::Standing;
pub(super) use writing::{Output, Part, Question};

/// The terminal that the process belongs to.
#[derive(Debug)]
pub struct Tty {
    output: Arc<Output>,
    queue: Arc<Queue>,
    reader: Arc<Reader>,
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
        let output = Arc::new(Output::new(output));
        let reader = Arc::new(Reader::new(Arc::clone(&queue), Arc::clone(&output)));
        let reads = Arc::clone(&reader);
        std::thread::Builder::new().name("terminal".into()).spawn(move || reads.read(input))?;
        Ok(Tty { output, queue, reader, rewrites: cfg!(unix) && !super::style::dumb() })
    }

    /// Shows `question` without ending the line, and waits for one line of answer. `None`: the input has ended.
    ///
    /// What was typed before the question was there does not answer it. May be dropped.
    pub async fn ask(&self, question: &str) -> Line {
        self.ask_about("", question).await
    }

    /// The same below the lines of what it is about, which [`Tty::replace_about`] can replace.
    pub async fn ask_about(&self, about: &str, question: &str) -> Line {
        self.answered(about, question, "", |_| Completion::default()).await
    }

    /// The same with a line that begins with `text` and that Tab completes, where the terminal can. The terminal is as it was
    /// when this returns or is dropped.
    pub async fn edit(&self, question: &str, text: &str, complete: Complete) -> Line {
        self.answered("", question, text, complete).await
    }

    /// Whether [`Tty::edit`] takes key by key.
    #[must_use]
    pub fn edits(&self) -> bool {
        self.rewrites
    }

    /// Writes lines, whole, above a question that stands there.
    pub fn line(&self, text: &str) {
        self.queue.terminal(&self.output, Part::Lines(Zeroizing::new(text.to_owned())));
    }

    /// Replaces what the question that stands there is about.
    pub fn replace_about(&self, text: &str) {
        if self.rewrites {
            self.queue.about(&self.output, Zeroizing::new(text.to_owned()));
        }
    }

    async fn answered(&self, about: &str, question: &str, text: &str, complete: Complete) -> Line {
        let raw = if self.rewrites { self.raw().ok() } else { None };
        // A line that the terminal edits cannot be moved, so nothing comes between it and its question.
        let _kept = raw.is_none().then(|| self.queue.keep_lines());
        let editor = Editor::new(text, complete);
        let typed = editor.shown();
        let typing = match &raw {
            Some(raw) => Typing::Here(editor, Arc::clone(raw)),
            None => Typing::There(Vec::new()),
        };
        let (number, answer) = self.reader.expect(typing);
        let _given_up = GivenUp { reader: &self.reader, number, raw: raw.clone() };
        let [about, asks] = [about, question].map(|text| Zeroizing::new(text.to_owned()));
        let reader = Arc::clone(&self.reader);
        let question = Question { about, asks, typed, raw, number, reader };
        self.queue.terminal(&self.output, Part::Question(Box::new(question)));
        answer.recv().await.ok()?
    }

    fn raw(&self) -> io::Result<Arc<Raw>> {
        let (queue, output) = (Arc::clone(&self.queue), Arc::clone(&self.output));
        Raw::new(self.output.file(), move || {
            // The terminal was somebody else's, and the cursor is not where it was.
            let (apart, _) = smol::channel::bounded(1);
            queue.terminal(&output, Part::Apart(apart));
            queue.terminal(&output, Part::Again);
        })
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.reader.close();
    }
}

/// Takes a question back that was dropped before its answer.
struct GivenUp<'a> {
    reader: &'a Reader,
    number: u64,
    raw: Option<Arc<Raw>>,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.reader.give_up(self.number);
        // Also where the reader just took the answer and is about to do it: what comes next finds the terminal set back.
        if let Some(raw) = &self.raw {
            raw.end();
        }
    }
}
