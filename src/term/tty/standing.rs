//! A question that stands on the terminal with what has been typed behind it, and that makes room for other lines.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::term::clean::columns_of;
use crate::term::edit::tail;
use crate::term::queue::Text;

use super::writing::Output;

/// The lines of what it is about, the question below them, and the cursor behind what has been typed.
#[derive(Debug)]
pub(in crate::term) struct Standing {
    terminal: Arc<Output>,
    about: Text,
    question: Text,
    typed: Text,
    /// How wide each row is that stands there. The cursor is in the last.
    painted: Vec<usize>,
    /// What is not written yet of the last row.
    rest: Text,
}

impl Standing {
    /// Writes a question below what stands there, all but its last character, until [`Standing::stands`].
    pub(super) fn put(terminal: Arc<Output>, about: Text, question: Text, typed: Text) -> Standing {
        let (painted, rest) = (Vec::new(), Text::default());
        let mut standing = Standing { terminal, about, question, typed, painted, rest };
        let text = standing.painting();
        let behind = standing.rows().last().map_or(0, |row| row.len()) + ERASE.len();
        let last = standing.terminal.rows(&standing.question).pop().unwrap_or_default();
        // Where the last row begins, and in it the last character of the question.
        let begins = text.len().saturating_sub(behind);
        let at = begins + last.char_indices().next_back().map_or(0, |(at, _)| at);
        let (most, rest) = text.split_at_checked(at).unwrap_or((&text, ""));
        standing.terminal.write(most);
        standing.rest = Zeroizing::new(rest.to_owned());
        standing
    }

    /// Writes what is left of it; if something was `typed` meanwhile, which may have been shown, the row is written again.
    pub(super) fn stands(&mut self, is_typed: bool) {
        let rest = std::mem::take(&mut self.rest);
        match self.rows().last() {
            Some(row) if is_typed => self.terminal.write(&Zeroizing::new(format!("\r{}{ERASE}", **row))),
            _ => self.terminal.write(&rest),
        }
    }

    /// Lets `write` write whole lines where it stands, and stands below them then.
    pub(in crate::term) fn below(&mut self, write: impl FnOnce()) {
        self.lift();
        write();
        self.paint();
    }

    /// Something else has been typed.
    pub(super) fn typed(&mut self, text: Text) {
        self.typed = text;
        let rows = self.rows();
        if rows.len() != self.painted.len() {
            return self.paint();
        }
        if let (Some(row), Some(painted)) = (rows.last(), self.painted.last_mut()) {
            *painted = columns_of(row);
            self.terminal.write(&Zeroizing::new(format!("\r{}{ERASE}", **row)));
        }
    }

    /// It is about something else.
    pub(super) fn about(&mut self, text: Text) {
        self.about = text;
        self.paint();
    }

    /// It stays there, with all that was entered, in as many rows as that takes.
    pub(super) fn end(&mut self, entered: Option<Text>) {
        let question = self.terminal.rows(&self.question).pop().unwrap_or_default();
        match entered.filter(|entered| *tail(entered, self.room_behind(&question)) != **entered) {
            Some(entered) => {
                self.terminal.write(&Zeroizing::new(format!("\r{question}{}{ERASE}\n", *entered)));
            }
            None => self.terminal.write("\n"),
        }
    }

    /// Somebody else writes below it.
    pub(super) fn part(&mut self) {
        self.painted.clear();
        self.terminal.write("\n");
    }

    /// Writes it in place of what of it stands there.
    pub(super) fn paint(&mut self) {
        let text = self.painting();
        self.terminal.write(&text);
    }

    /// What to write for that.
    fn painting(&mut self) -> Text {
        let rows = self.rows();
        if rows.len() < self.painted.len() {
            self.lift();
        }
        let back = self.back();
        self.painted = rows.iter().map(|row| columns_of(row)).collect();
        let mut text = Zeroizing::new(String::with_capacity(ROOM));
        text.push_str(&back);
        for (at, row) in rows.iter().enumerate() {
            text.push_str(if at > 0 { "\n" } else { "" });
            text.push_str(row);
            text.push_str(ERASE);
        }
        text
    }

    /// Takes it away, and all that stands below.
    pub(super) fn lift(&mut self) {
        let back = self.back();
        self.painted.clear();
        self.terminal.write(&format!("{back}{ERASE_BELOW}"));
    }

    /// To where it begins. A terminal that became narrower has broken its rows into several.
    fn back(&self) -> String {
        let columns = self.terminal.columns().max(1);
        let rows_of =
            |width: &usize| if self.terminal.reflows() { width.div_ceil(columns).max(1) } else { 1 };
        match self.painted.iter().map(rows_of).sum::<usize>() {
            0 | 1 => "\r".to_owned(),
            rows => format!("\r\x1b[{}A", rows - 1),
        }
    }

    /// How much of what is typed fits behind the last row of the question, and the cursor behind that.
    fn room_behind(&self, question: &str) -> usize {
        self.terminal.columns().saturating_sub(columns_of(question) + 1)
    }

    /// What it is written as, the end of what was typed in the last row. Nothing grows that may have a code in it.
    fn rows(&self) -> Vec<Text> {
        let mut rows = if self.about.is_empty() { Vec::new() } else { self.terminal.rows(&self.about) };
        rows.append(&mut self.terminal.rows(&self.question));
        let mut rows: Vec<_> = rows.into_iter().map(Zeroizing::new).collect();
        if let Some(last) = rows.last_mut() {
            let typed = tail(&self.typed, self.room_behind(last));
            let mut row = Zeroizing::new(String::with_capacity(last.len() + typed.len()));
            row.push_str(last);
            row.push_str(&typed);
            *last = row;
        }
        rows
    }
}

/// Clears from the cursor to the end of its row.
const ERASE: &str = "\x1b[K";
/// Clears from the cursor to the end of the screen.
const ERASE_BELOW: &str = "\x1b[J";
/// More than a question takes.
const ROOM: usize = 4096;
