//! What is written on the terminal, by the thread of a [`Writer`](crate::term::writer::Writer).

use std::borrow::Cow;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use smol::channel::Sender;

use crate::term::locale;
use crate::term::queue::Text;
use crate::term::screen::COLUMNS_DEFAULT;
use crate::term::wrap::rows;

use super::system::{Raw, columns, forget_typed_ahead};

/// Where a terminal is written.
#[derive(Debug)]
pub(in crate::term) struct Output {
    pub(super) file: File,
    /// How many rows the text above the question takes.
    pub(super) rows: AtomicUsize,
    /// It shows nothing else.
    pub(super) ascii: bool,
}

/// Something to write on the terminal.
pub(in crate::term) enum Part {
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

impl Part {
    /// Writes it, and waits until it is out.
    pub(in crate::term) fn write(self, output: &Output) {
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

pub(super) fn write(mut terminal: &File, text: &str) {
    // A terminal that hung up also ends the input, and that is what the asker sees.
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}
