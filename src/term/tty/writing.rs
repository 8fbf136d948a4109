//! What is written on the terminal, by the thread of a [`Writer`](crate::term::writer::Writer).

use std::borrow::Cow;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use smol::channel::Sender;

use crate::term::locale;
use crate::term::queue::Text;
use crate::term::screen::{COLUMNS_DEFAULT, reflows};
use crate::term::wrap::rows;

use super::reading::Reader;
use super::standing::Standing;
use super::system::{Raw, columns, forget_typed_ahead};

/// Where a terminal is written.
#[derive(Debug)]
pub(in crate::term) struct Output {
    file: File,
    /// It shows nothing else.
    ascii: bool,
    reflows: bool,
}

/// Something to write on the terminal.
pub(in crate::term) enum Part {
    /// Whole lines, above the question.
    Lines(Text),
    /// A question, which leaves the cursor behind it.
    Question(Box<Question>),
    /// What has been typed behind it so far.
    Typed(Text),
    /// What it is about now.
    About(Text),
    /// It stays as it is, with all of what was entered, or with what was typed when it was given up.
    Over(Option<Text>),
    /// Somebody else writes next, in a row of their own. What is attached is dropped when the cursor is there.
    Apart(Sender<()>),
    /// Nobody else writes there any more.
    Again,
}

/// A question that is to be put.
pub(in crate::term) struct Question {
    /// The lines above it.
    pub(super) about: Text,
    pub(super) asks: Text,
    /// What stands behind it already.
    pub(super) typed: Text,
    /// Where the line is edited here.
    pub(super) raw: Option<Arc<Raw>>,
    /// Which one it is to the reader.
    pub(super) number: u64,
    pub(super) reader: Arc<Reader>,
}

impl Part {
    /// Whether it ends what was asked before.
    pub(in crate::term) fn ends_question(&self) -> bool {
        matches!(self, Part::Question(_) | Part::Over(_))
    }

    /// Writes it, and waits until it is out. `standing` is the question that other lines have to make room for.
    pub(in crate::term) fn write(self, output: &Arc<Output>, standing: &mut Option<Standing>) {
        match (self, standing.as_mut()) {
            (Part::Lines(text), standing) => {
                let lines = format!("{}\n", output.rows(&text).join("\n"));
                match standing {
                    Some(standing) => standing.below(|| output.write(&lines)),
                    None => output.write(&lines),
                }
            }
            (Part::Question(question), _) => *standing = question.put(output),
            (Part::Typed(text), Some(standing)) => standing.typed(text),
            (Part::About(text), Some(standing)) => standing.about(text),
            (Part::Over(text), Some(over)) => {
                over.end(text);
                *standing = None;
            }
            (Part::Apart(done), standing) => {
                if let Some(standing) = standing {
                    standing.part();
                }
                drop(done);
            }
            (Part::Again, Some(standing)) => standing.paint(),
            (Part::Typed(_) | Part::About(_) | Part::Over(_) | Part::Again, None) => {}
        }
    }
}

impl Question {
    /// Shows it, unless nobody waits for its answer any more; returns it where it can be moved.
    ///
    /// Until it can be read nothing answers it, and where output is stopped that may be long. The keys are the terminal's own
    /// meanwhile, so that those for signals do what they do. All but the end of it is written then, most often a space, which tells who
    /// reads along that answers are taken.
    fn put(self, output: &Arc<Output>) -> Option<Standing> {
        let Some(raw) = self.raw else {
            let about = if self.about.is_empty() { Vec::new() } else { output.rows(&self.about) };
            let rows = [about, output.rows(&self.asks)].concat();
            let text = rows.join("\n");
            let (most, end) = text.split_at(text.char_indices().next_back().map_or(0, |(at, _)| at));
            output.write(most);
            let is_typed = forget_typed_ahead(&output.file);
            if !self.reader.stands(self.number, false) {
                output.write("\n");
            } else if is_typed {
                output.write(&format!("\n{}", rows.last().map_or("", String::as_str)));
            } else {
                output.write(end);
            }
            return None;
        };
        let mut standing = Standing::put(Arc::clone(output), self.about, self.asks, self.typed);
        let is_raw = raw.enter();
        let is_typed = forget_typed_ahead(&output.file);
        if !self.reader.stands(self.number, is_raw) {
            standing.lift();
            return None;
        }
        standing.stands(is_typed);
        is_raw.then_some(standing)
    }
}

impl Output {
    pub(super) fn new(file: File) -> Output {
        Output { file, ascii: !locale::utf8(), reflows: reflows() }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// How wide it is now.
    pub(super) fn columns(&self) -> usize {
        columns(&self.file).unwrap_or(COLUMNS_DEFAULT)
    }

    /// Whether a row that became too wide stands in several now.
    pub(super) fn reflows(&self) -> bool {
        self.reflows
    }

    /// The text as rows that fit. The last column stays free: a character there would make some terminals go on in the next row.
    pub(super) fn rows(&self, text: &str) -> Vec<String> {
        let text = if self.ascii { locale::ascii(text) } else { Cow::Borrowed(text) };
        rows(&text, self.columns().saturating_sub(1))
    }

    pub(super) fn write(&self, text: &str) {
        let mut terminal = &self.file;
        // A terminal that hung up also ends the input, and that is what the asker sees.
        let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
    }
}
