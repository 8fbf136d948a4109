//! One item without an outcome, as the receiver keeps it: what was asked for, and so what may come.

use crate::error::Result;
use crate::events::tally::Counted;
use crate::proto::conversation::broken;
use crate::proto::frame::{FileEnd, Get, Piece, Verdict};
use crate::proto::manifest::{Entry, EntryKind};

/// What is kept of an item.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) counted: Counted,
    contents: Contents,
    // Of a file: its size, where that is known before its end.
    size: Option<Option<u64>>,
}

/// Where the contents of an item stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    // The sink has not said yet whether it wants any.
    Unplanned,
    // Something will be asked for, or not.
    Waiting,
    // They are coming, and values too if the sink compares. Of a stream the next bytes stand at `next`; otherwise the sink knows what is
    // still missing.
    Coming { next: u64, compares: bool },
    // Their end was said; the sink may ask for more.
    Ended,
    // Nothing will come.
    Nothing,
}

impl Receiving {
    pub(super) fn new(entry: &Entry, counted: Counted) -> Receiving {
        let size = match entry.kind {
            EntryKind::File { size, .. } => Some(size),
            _ => None,
        };
        Receiving { counted, contents: Contents::Unplanned, size }
    }

    /// The sink has planned it.
    pub(super) fn planned(&mut self, verdict: Verdict) {
        self.contents = match verdict {
            Verdict::Send | Verdict::Compare if self.size.is_some() => {
                Contents::Coming { next: 0, compares: verdict == Verdict::Compare }
            }
            Verdict::Wait if self.size.is_some() => Contents::Waiting,
            _ => Contents::Nothing,
        };
    }

    /// The sink asks for contents. Returns whether some of them came before; `None` when there is nothing to be asked for.
    pub(super) fn get(&mut self, get: &Get) -> Option<bool> {
        let is_again = match self.contents {
            Contents::Waiting => false,
            Contents::Ended => true,
            _ => return None,
        };
        self.contents = Contents::Coming { next: 0, compares: !get.compare.is_empty() };
        Some(is_again)
    }

    /// Contents came: they must have been asked for and stay within the size announced; those of a stream must follow each other.
    pub(super) fn take(&mut self, piece: &Piece) -> Result<()> {
        let (Contents::Coming { next, compares }, Some(size)) = (&mut self.contents, self.size) else {
            return Err(broken("data of what was not asked for"));
        };
        let (_, offset, length) = piece.place();
        let end = offset.saturating_add(u64::from(length));
        match size {
            _ if matches!(piece, Piece::Same { .. }) && !*compares => {
                Err(broken("a value of a chunk that nobody asked for"))
            }
            Some(size) if end > size => Err(broken("more data than the file has")),
            None if offset != *next => Err(broken("data out of order")),
            _ => {
                *next = end;
                Ok(())
            }
        }
    }

    /// The sender said their end.
    pub(super) fn ended(&mut self, end: &FileEnd) -> Result<()> {
        let (Contents::Coming { next, .. }, Some(size)) = (self.contents, self.size) else {
            return Err(broken("the end of what was not being sent"));
        };
        if end.size != size.unwrap_or(next) {
            return Err(broken("a file ended where it has no end"));
        }
        self.contents = Contents::Ended;
        Ok(())
    }

    /// The sender will not send them to their end.
    pub(super) fn dropped(&mut self) -> Result<()> {
        if !matches!(self.contents, Contents::Coming { .. }) {
            return Err(broken("the sender dropped what was not being sent"));
        }
        self.contents = Contents::Nothing;
        Ok(())
    }
}
