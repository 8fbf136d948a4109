//! Pieces of a stream that came before those they follow: over several lanes things overtake each other, and
//! a stream is written and hashed from the first byte to the last.
//!
//! What waits here has not been taken: its credit comes back when it has its turn, so the window of the
//! session bounds it. Every piece holds the whole payload of its frame in memory, so what the frame costs
//! comes back with the last of its pieces. The pieces of a frame ascend, so that is the one that was put
//! aside last.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::disk::Dir;
use crate::error::Result;
use crate::proto::limits::{FRAME_COST_MIN, WINDOW_BYTES};

use super::coverage::{Coverage, Input};
use super::{Attempt, Refusal, Sink, SinkEvent, breach};

/// What waits of one stream, by its offset.
#[derive(Debug, Default)]
pub(super) struct Early {
    pieces: BTreeMap<u64, Piece>,
}

/// A piece that waits.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) length: u32,
    /// `None`: zeros.
    pub(super) bytes: Option<Bytes>,
    /// What its frame costs, if it is the last of that frame that waits.
    pub(super) cost: u64,
}

impl Early {
    /// Puts a piece aside; `before` is where the piece of the same frame lies that was put aside before it.
    pub(super) fn put(
        &mut self,
        before: Option<u64>,
        offset: u64,
        length: u32,
        bytes: Option<Bytes>,
    ) -> Result<()> {
        if before.is_some_and(|before| offset <= before) {
            return Err(breach("pieces of a stream that do not follow each other"));
        }
        if self.pieces.insert(offset, Piece { length, bytes, cost: 0 }).is_some() {
            return Err(breach("contents of a stream came twice"));
        }
        Ok(())
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The piece whose turn it is where everything before `offset` is there.
    pub(super) fn next(&mut self, offset: u64) -> Result<Option<(u64, Piece)>> {
        match self.pieces.first_key_value() {
            Some((begin, _)) if *begin < offset => Err(breach("contents of a stream came twice")),
            Some((begin, _)) if *begin == offset => Ok(self.pieces.pop_first()),
            _ => Ok(None),
        }
    }

    /// Charges what a frame costs to a piece of it, if that still waits. Returns whether it does.
    pub(super) fn charge(&mut self, offset: u64, cost: u64) -> bool {
        let piece = self.pieces.get_mut(&offset);
        piece.is_some_and(|piece| {
            piece.cost = cost;
            true
        })
    }

    /// What everything costs that waits, and now never has its turn.
    pub(super) fn cost(&self) -> u64 {
        self.pieces.values().map(|piece| piece.cost).sum()
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// Whether this is beyond what has come of a stream so far.
    pub(super) fn is_early(&self, entry: u64, offset: u64) -> bool {
        let Some(file) = self.files.get(&entry).filter(|file| file.size.is_none()) else { return false };
        let come = match file.coverage.as_deref() {
            Some(Coverage::Stream(hasher)) => hasher.length(),
            _ => 0,
        };
        offset > come
    }

    /// Puts a piece aside; `before` as of [`Early::put`].
    pub(super) fn put_aside(
        &mut self,
        entry: u64,
        before: Option<u64>,
        offset: u64,
        length: u32,
        bytes: Option<Bytes>,
    ) -> Result<()> {
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        file.early.get_or_insert_default().put(before, offset, length, bytes)?;
        self.early += 1;
        if self.early > PIECES_EARLY_MAX {
            return Err(breach("too many pieces of streams came early"));
        }
        Ok(())
    }

    /// Takes what of a stream has its turn now.
    pub(super) fn take_early(&mut self, entry: u64, events: &mut Vec<SinkEvent>) -> Attempt<()> {
        loop {
            let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
            let (Some(early), Some(Coverage::Stream(hasher))) = (&mut file.early, file.coverage.as_deref())
            else {
                return Ok(());
            };
            let Some((offset, piece)) = early.next(hasher.length()).map_err(Refusal::Fatal)? else {
                return Ok(());
            };
            self.early = self.early.saturating_sub(1);
            if piece.cost > 0 {
                events.push(SinkEvent::Taken { cost: piece.cost });
            }
            match &piece.bytes {
                Some(bytes) => self.take(entry, offset, Input::Bytes(bytes))?,
                None => self.take_zeros(entry, offset, piece.length)?,
            }
        }
    }
}

/// Pieces of streams that wait, of a whole sink. What is read of a stream goes out at once, a piece to a
/// frame: these are as many as the window has room for.
pub(super) const PIECES_EARLY_MAX: usize = (WINDOW_BYTES / FRAME_COST_MIN) as usize;

/// Pieces that wait for the one file that goes to a stream. That may have a hole behind every block of a file
/// system, and many pieces in a frame then.
pub(super) const PIECES_STREAMED_MAX: usize = (WINDOW_BYTES / DISK_BLOCK_BYTES_MIN) as usize * 2;

/// The smallest block of a file system.
const DISK_BLOCK_BYTES_MIN: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_their_turn_in_order() {
        let mut early = Early::default();
        early.put(None, 30, 5, None).unwrap();
        early.put(None, 20, 10, Some(Bytes::from_static(b"0123456789"))).unwrap();
        assert!(early.charge(30, 7) && early.charge(20, 1) && !early.charge(10, 1));
        assert_eq!(early.cost(), 8);
        assert!(early.next(10).unwrap().is_none());
        assert_eq!(early.next(20).unwrap().unwrap().1.length, 10);
        assert!(early.put(None, 30, 1, None).is_err(), "it is there");
    }

    #[test]
    fn what_came_already_is_a_breach() {
        let mut early = Early::default();
        early.put(None, 20, 10, None).unwrap();
        assert!(early.next(21).is_err());
    }
}
