//! One item without an outcome, as the sender keeps it: what the receiver wants of it, and how far that is
//! fulfilled.
//!
//! ```text
//! Unplanned ─ Send, Compare ─▶ Busy ─ read ─▶ Ended ─ Get ─▶ Busy …
//!           ─ Wait ─▶ Waits ─ Get ─▶ Busy    ─ dropped ─▶ Failing
//!           ─ Nothing ─▶ Failing; Without where there are no contents
//! ```

use crate::error::Result;
use crate::events::tally::Counted;
use crate::proto::chunk::{ChunkSize, chunk_count};
use crate::proto::conversation::broken;
use crate::proto::frame::{Get, Run, Verdict};
use crate::proto::limits::GETS_MAX;
use crate::proto::manifest::{Entry, EntryKind};
use crate::proto::runs::Runs;
use crate::send::source::{Fetch, What};

/// What is kept of an item.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) counted: Counted,
    // Of a file: how to read it.
    fetch: Option<Fetch>,
    reading: Reading,
    gets: u32,
    // Once it was read to its end.
    root: Option<[u8; 32]>,
}

/// How far the receiver's wishes are fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    // It has not said any.
    Unplanned,
    // It will say some.
    Waits,
    // The reader has them.
    Busy,
    // They are fulfilled; it may have more.
    Ended,
    // There is nothing to be read of what is no file.
    Without,
    // This file will not be delivered.
    Failing,
}

impl Sending {
    pub(super) fn new(entry: &Entry, counted: Counted) -> Sending {
        let fetch = match entry.kind {
            EntryKind::File { size, meta, .. } => {
                Some(Fetch { entry: entry.id, path: entry.path.clone(), size, meta, what: What::All })
            }
            _ => None,
        };
        Sending { counted, fetch, reading: Reading::Unplanned, gets: 0, root: None }
    }

    /// The receiver has planned it. Returns what is to be read at once.
    pub(super) fn plan(&mut self, verdict: Verdict, chunk: ChunkSize) -> Result<Option<Fetch>> {
        let what = match verdict {
            Verdict::Send => What::All,
            Verdict::Compare => {
                What::Chunks { chunk, send: Runs::new(), compare: Runs::all(self.chunks(chunk)?) }
            }
            Verdict::Nothing | Verdict::Wait => {
                self.reading = match (&self.fetch, verdict) {
                    (None, _) => Reading::Without,
                    (Some(_), Verdict::Wait) => Reading::Waits,
                    (Some(_), _) => Reading::Failing,
                };
                return Ok(None);
            }
        };
        self.fetch(what).map(Some)
    }

    /// The receiver says what it wants. Returns what is to be read, and whether some of it was before.
    pub(super) fn get(&mut self, get: &Get) -> Result<(Fetch, bool)> {
        let is_again = self.reading == Reading::Ended;
        self.gets += 1;
        if !(is_again || self.reading == Reading::Waits) || self.gets > GETS_MAX {
            return Err(broken("the receiver asked for a file at a wrong time, or too often"));
        }
        let chunk = ChunkSize::new(u64::from(get.chunk_bytes))
            .ok_or_else(|| broken("the receiver counts in chunks of a size that is none"))?;
        if get.send.is_empty() && get.compare.is_empty() {
            if is_again && self.size().is_none() {
                return Err(broken("the receiver asked twice for a stream"));
            }
            return Ok((self.fetch(What::All)?, is_again));
        }
        let chunks = self.chunks(chunk)?;
        let runs = |runs: &[Run]| {
            Runs::checked(runs.to_vec(), chunks)
                .ok_or_else(|| broken("the receiver asked for chunks that there are not"))
        };
        let (send, compare) = (runs(&get.send)?, runs(&get.compare)?);
        let both = send.union(&compare).ok_or_else(|| broken("the receiver asked for a chunk twice"))?;
        if !is_again && both != Runs::all(chunks) {
            return Err(broken("the receiver left out a part of a file"));
        }
        Ok((self.fetch(What::Chunks { chunk, send, compare })?, is_again))
    }

    /// The reader has read what was wanted. Returns the root, if the file is still the one it was.
    pub(super) fn ended(&mut self, root: Option<[u8; 32]>) -> Option<[u8; 32]> {
        // Where only a part was asked for again, the root is what it was before: the receiver compares the
        // whole with it.
        self.root = match (self.root, root) {
            (Some(before), Some(now)) if before != now => None,
            (before, now) => now.or(before),
        };
        self.reading = Reading::Ended;
        self.root
    }

    /// The reader cannot read it.
    pub(super) fn dropped(&mut self) {
        self.reading = Reading::Failing;
    }

    /// Whether the reader is at it.
    pub(super) fn is_busy(&self) -> bool {
        self.reading == Reading::Busy
    }

    /// Whether the receiver can have it whole: a file only after its end.
    pub(super) fn may_be_delivered(&self) -> bool {
        matches!(self.reading, Reading::Ended | Reading::Without)
    }

    /// Hands a wish to the reader.
    fn fetch(&mut self, what: What) -> Result<Fetch> {
        let fetch =
            self.fetch.as_ref().ok_or_else(|| broken("the receiver asked for what has no contents"))?;
        self.reading = Reading::Busy;
        Ok(Fetch { what, ..fetch.clone() })
    }

    fn size(&self) -> Option<u64> {
        self.fetch.as_ref().and_then(|fetch| fetch.size)
    }

    fn chunks(&self, chunk: ChunkSize) -> Result<u64> {
        let size = self.size();
        let size = size.ok_or_else(|| broken("the receiver asked for chunks of what has no known size"))?;
        Ok(chunk_count(size, chunk))
    }
}
