//! One item without an outcome, as the receiver keeps it: what was asked for, and so what may come.

use crate::defects::{self, Defect};
use crate::error::Result;
use crate::events::tally::Counted;
use crate::proto::chunk::ChunkSize;
use crate::proto::conversation::broken;
use crate::proto::frame::{FileEnd, Get, Piece, Verdict};
use crate::proto::manifest::{Entry, EntryKind};

/// What is kept of an item.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) counted: Counted,
    contents: Contents,
    size: Size,
}

/// How large the contents of an item are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    // It is no file, and has none.
    NoFile,
    Known(u64),
    // Of a stream: only its end tells.
    Unknown,
}

impl Size {
    fn known(self) -> Option<u64> {
        if let Size::Known(size) = self { Some(size) } else { None }
    }
}

/// Where the contents of an item stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    // The sink has not said yet whether it wants any.
    Unplanned,
    // Something will be asked for, or not.
    Waiting,
    // They are coming.
    Coming(Coming),
    // Their end was said, and all of them have come; the sink may ask for more.
    Ended,
    // The sender has dropped them. What comes of them on other lanes was said before.
    Dropped,
    // Nothing will come.
    Nothing,
}

/// An answer under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Coming {
    /// What has come of it, in bytes.
    come: u64,
    /// How much it is; of a stream only its end tells.
    total: Option<u64>,
    /// Whether values come, too.
    compares: bool,
    /// Whether its end was said.
    is_ended: bool,
}

/// Whether everything comes over one lane, and so in the order in which it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Strict,
    Loose,
}

/// What a piece is to its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A part of what was asked for.
    Part,
    /// The last part of it, after the end was said.
    Last,
    /// Nothing any more: the sender has dropped it.
    Late,
}

impl Receiving {
    pub(super) fn new(entry: &Entry, counted: Counted) -> Receiving {
        let size = match entry.kind {
            EntryKind::File { size, .. } => size.map_or(Size::Unknown, Size::Known),
            _ => Size::NoFile,
        };
        Receiving { counted, contents: Contents::Unplanned, size }
    }

    /// The sink has planned it.
    pub(super) fn planned(&mut self, verdict: Verdict) {
        self.contents = match verdict {
            _ if self.size == Size::NoFile => Contents::Nothing,
            Verdict::Send | Verdict::Compare => Contents::Coming(Coming {
                come: 0,
                total: self.size.known(),
                compares: verdict == Verdict::Compare,
                is_ended: false,
            }),
            Verdict::Wait => Contents::Waiting,
            Verdict::Nothing => Contents::Nothing,
        };
    }

    /// The sink asks for contents. Returns whether some of them came before; `None` when there is nothing to
    /// be asked for.
    pub(super) fn get(&mut self, get: &Get) -> Option<bool> {
        let is_again = match self.contents {
            Contents::Waiting => false,
            Contents::Ended => true,
            _ => return None,
        };
        let chunk = ChunkSize::new(u64::from(get.chunk_bytes)).unwrap_or_default();
        let is_all = get.send.is_empty() && get.compare.is_empty();
        let total = self.size.known().map(|size| {
            let runs = get.send.iter().chain(&get.compare);
            if is_all { size } else { runs.map(|run| run.bytes(size, chunk)).sum() }
        });
        let compares = !get.compare.is_empty();
        self.contents = Contents::Coming(Coming { come: 0, total, compares, is_ended: false });
        Some(is_again)
    }

    /// Contents came: they must have been asked for and stay within the size announced; where everything
    /// comes in order, those of a stream must follow each other.
    pub(super) fn take(&mut self, piece: &Piece, order: Order) -> Result<Taken> {
        let (offset, length) = (piece.place().1, u64::from(piece.place().2));
        let size = self.size.known();
        let coming = match &mut self.contents {
            Contents::Coming(coming) => coming,
            Contents::Dropped if order == Order::Loose && !defects::has(Defect::LateDataRefused) => {
                return Ok(Taken::Late);
            }
            _ => return Err(broken("data of what was not asked for")),
        };
        if matches!(piece, Piece::Same { .. }) && !coming.compares {
            return Err(broken("a value of a chunk that nobody asked for"));
        }
        if size.is_some_and(|size| offset.saturating_add(length) > size) {
            return Err(broken("more data than the file has"));
        }
        if size.is_none() && order == Order::Strict && offset != coming.come {
            return Err(broken("data out of order"));
        }
        coming.come = coming.come.saturating_add(length);
        if order == Order::Loose && coming.total.is_some_and(|total| coming.come > total) {
            return Err(broken("more data than was asked for"));
        }
        if !coming.is_ended || coming.total != Some(coming.come) {
            return Ok(Taken::Part);
        }
        self.contents = Contents::Ended;
        Ok(Taken::Last)
    }

    /// The sender said their end. Returns whether everything before it has come.
    pub(super) fn ended(&mut self, end: &FileEnd, order: Order) -> Result<bool> {
        let Contents::Coming(coming) = &mut self.contents else {
            return Err(broken("the end of what was not being sent"));
        };
        let is_end = match (self.size.known(), order) {
            (Some(size), _) => end.size == size,
            (None, Order::Strict) => end.size == coming.come,
            (None, Order::Loose) => end.size >= coming.come,
        };
        if !is_end || coming.is_ended {
            return Err(broken("a file ended where it has no end"));
        }
        let total = coming.total.unwrap_or(end.size);
        // In order, what is missing by now never comes: the sink asks for it once more.
        let is_trusting = order == Order::Strict || defects::has(Defect::EndBeforeData);
        if is_trusting || coming.come == total {
            self.contents = Contents::Ended;
            return Ok(true);
        }
        (coming.total, coming.is_ended) = (Some(total), true);
        Ok(false)
    }

    /// The sender will not send them to their end.
    pub(super) fn dropped(&mut self) -> Result<()> {
        if !matches!(self.contents, Contents::Coming(Coming { is_ended: false, .. })) {
            return Err(broken("the sender dropped what was not being sent"));
        }
        self.contents = Contents::Dropped;
        Ok(())
    }
}
