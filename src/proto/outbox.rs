//! What one side says on a lane, kept until the other side has counted it: so that a lost connection loses
//! nothing.
//!
//! ```text
//! say ──► queued ──seal_next──► kept ──acknowledge──► forgotten
//!            ▲                    │
//!            └─────disconnect─────┘      then connect(frames): what the other side has counted is forgotten, the rest said again
//! ```
//!
//! Kept is the sealed record, which the socket holds as well: it costs a reference and no copy. Only when its
//! connection is lost is it opened again, by the keys that sealed it. Both directions of a lane are counted
//! apart, and the numbers of frames go on over all its connections, while records are numbered anew on each.

use std::collections::VecDeque;

use bytes::Bytes;

use super::conversation::broken;
use super::frame::PackedBlock;
use super::limits::{CONTROL_BYTES_QUEUED_MAX, WINDOW_BYTES};
use super::seal::{Sealer, TAG_BYTES};
use crate::defects::{self, Defect};
use crate::error::{Error, Result};

/// One direction of a lane, on the side that speaks.
#[derive(Debug)]
pub struct Outbox {
    /// What seals on the connection there is.
    sealer: Option<Sealer>,
    /// To be sealed, in order.
    queued: VecDeque<PackedBlock>,
    /// How many of the queued, from the first on, went out on an earlier connection and may have arrived.
    again: usize,
    /// Sealed on this connection and not counted yet, in order.
    kept: VecDeque<Kept>,
    /// Frames that the other side has counted: the number of the first one that is kept, or else queued.
    counted: u64,
    data_queued: usize,
    /// Of everything kept and queued.
    data_bytes: usize,
    control_bytes: usize,
}

/// A frame as it went out.
#[derive(Debug)]
struct Kept {
    record: Bytes,
    /// The record's number on this connection.
    number: u64,
    /// As in [`PackedBlock`].
    cost: u64,
    run: u64,
}

/// How much data a lane has before it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load {
    /// Waiting to be sealed.
    pub queued: usize,
    /// Sealed, and not counted by the other side.
    pub under_way: usize,
}

impl Outbox {
    /// Nothing was said yet. Begins on a connection where `sealer` seals.
    #[must_use]
    pub fn new(sealer: Sealer) -> Outbox {
        Outbox { sealer: Some(sealer), ..Outbox::unconnected() }
    }

    /// Nothing was said yet, and there is no connection.
    #[must_use]
    pub fn unconnected() -> Outbox {
        Outbox {
            sealer: None,
            queued: VecDeque::new(),
            again: 0,
            kept: VecDeque::new(),
            counted: 0,
            data_queued: 0,
            data_bytes: 0,
            control_bytes: 0,
        }
    }

    /// Takes a frame to be said after everything before it. Data is to be said only while
    /// [`Outbox::has_room`].
    ///
    /// # Errors
    /// Kind `Protocol`, when more control frames wait than any side makes us say that also listens.
    pub fn say(&mut self, frame: PackedBlock) -> Result<()> {
        *self.weight(frame.is_data()) += frame_weight(&frame);
        self.data_queued += usize::from(frame.is_data());
        self.queued.push_back(frame);
        if self.control_bytes > CONTROL_BYTES_QUEUED_MAX { Err(deaf()) } else { Ok(()) }
    }

    /// Whether another data frame should be said: few are waiting, and not too much is out that the other
    /// side has not counted.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.data_queued < DATA_FRAMES_QUEUED && (self.data_bytes as u64) < DATA_BYTES_MAX
    }

    /// How much data waits to be sealed, and how much was sealed and not counted, in bytes.
    #[must_use]
    pub fn load(&self) -> Load {
        let queued = self.queued.iter().filter(|frame| frame.is_data()).map(frame_weight).sum();
        Load { queued, under_way: self.data_bytes - queued }
    }

    /// Whether the other side has counted everything that was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.kept.is_empty()
    }

    /// How long the record of the next frame will be, if that is data, which waits for its turn where there
    /// is a limit. A control frame has none, but one that stands behind data waits until that has had its
    /// turns: a lane says everything in order.
    #[must_use]
    pub fn next_data_bytes(&self) -> Option<usize> {
        let next = self.queued.front().filter(|frame| frame.is_data())?;
        Some(next.buffer.len().saturating_sub(next.start) + TAG_BYTES)
    }

    /// How many frames the other side has counted.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.counted
    }

    /// The next frame, sealed and kept. `None` when there is none, or no connection.
    ///
    /// # Errors
    /// Kind `Internal`, when it cannot be sealed.
    pub fn seal_next(&mut self) -> Result<Option<Bytes>> {
        let Some(sealer) = &mut self.sealer else { return Ok(None) };
        let Some(PackedBlock { mut buffer, start, cost, run }) = self.queued.pop_front() else {
            return Ok(None);
        };
        let number = sealer.next_number();
        sealer.seal_in_place(&mut buffer, start)?;
        let record = lean(buffer, start);
        self.again = self.again.saturating_sub(1);
        self.data_queued -= usize::from(cost > 0);
        self.kept.push_back(Kept { record: record.clone(), number, cost, run });
        Ok(Some(record))
    }

    /// Seals a frame that is not counted, and so not kept, before those that wait. `None` when there is no
    /// connection.
    ///
    /// # Errors
    /// Kind `Internal`, when it cannot be sealed.
    pub fn seal_aside(&mut self, mut frame: Vec<u8>) -> Result<Option<Bytes>> {
        let Some(sealer) = &mut self.sealer else { return Ok(None) };
        sealer.seal_in_place(&mut frame, 0)?;
        Ok(Some(frame.into()))
    }

    /// The other side has counted `frames` on this lane: those are forgotten.
    ///
    /// # Errors
    /// Kind `Protocol`, when it claims more than was said on this connection, or less than before.
    pub fn acknowledge(&mut self, frames: u64) -> Result<()> {
        let newly = claimed(frames, self.counted, self.kept.len())?;
        for kept in self.kept.drain(..newly).collect::<Vec<_>>() {
            *self.weight(kept.cost > 0) -= kept.weight();
        }
        self.counted = frames;
        Ok(())
    }

    /// The connection is gone: what it carried and the other side has not counted waits to be said again,
    /// before everything else.
    ///
    /// # Errors
    /// Kind `Protocol`, when it is so long ago that the keys are gone: the other side has heard a great deal
    /// since and counted nothing.
    pub fn disconnect(&mut self) -> Result<()> {
        let Some(sealer) = self.sealer.take() else { return Ok(()) };
        if defects::has(Defect::OutboxNotRewound) {
            self.kept.clear();
        }
        if defects::has(Defect::CreditLostAtReconnection) {
            self.kept.retain(|kept| kept.cost > 0);
        }
        while let Some(Kept { record, number, cost, run }) = self.kept.pop_back() {
            let mut buffer = Vec::from(record);
            let frame_bytes = sealer.reopen(number, &mut buffer).map_err(|_| deaf())?.len();
            buffer.truncate(frame_bytes);
            self.again += 1;
            self.data_queued += usize::from(cost > 0);
            self.queued.push_front(PackedBlock { buffer, start: 0, cost, run });
        }
        Ok(())
    }

    /// There is a new connection, on which the other side said first that it has counted `frames`: what it
    /// has not is said again. The connection before, if any, is gone.
    ///
    /// # Errors
    /// Kind `Protocol`, when it claims more than was ever said, or less than before; and as
    /// [`Outbox::disconnect`].
    pub fn connect(&mut self, sealer: Sealer, frames: u64) -> Result<()> {
        self.rewind(frames)?;
        self.sealer = Some(sealer);
        Ok(())
    }

    /// The other side has taken `frames` of what was said here, and takes no more: the rest, in order, is to
    /// be said elsewhere. What is said here after that goes on behind those.
    ///
    /// # Errors
    /// Kind `Protocol`, as with [`Outbox::connect`].
    pub fn evacuate(&mut self, frames: u64) -> Result<VecDeque<PackedBlock>> {
        self.rewind(frames)?;
        (self.again, self.data_queued, self.data_bytes, self.control_bytes) = (0, 0, 0, 0);
        if defects::has(Defect::LaneCountedAnew) {
            self.counted = 0;
        }
        Ok(std::mem::take(&mut self.queued))
    }

    /// Everything that was not counted waits again, and of that what the other side has counted is forgotten.
    fn rewind(&mut self, frames: u64) -> Result<()> {
        self.disconnect()?;
        let newly = claimed(frames, self.counted, self.again)?;
        let newly = if defects::has(Defect::OutboxSaidTwice) { 0 } else { newly };
        for frame in self.queued.drain(..newly).collect::<Vec<_>>() {
            *self.weight(frame.is_data()) -= frame_weight(&frame);
            self.data_queued -= usize::from(frame.is_data());
        }
        self.again -= newly;
        self.counted = frames;
        Ok(())
    }

    /// The session is over, and so is the lane with this connection: data that waits need not be said any
    /// more.
    pub fn leave_out_data(&mut self) {
        let left_out: usize = self.queued.iter().filter(|frame| frame.is_data()).map(frame_weight).sum();
        self.queued.retain(|frame| !frame.is_data());
        self.data_bytes -= left_out;
        self.data_queued = 0;
    }

    fn weight(&mut self, is_data: bool) -> &mut usize {
        if is_data { &mut self.data_bytes } else { &mut self.control_bytes }
    }
}

impl Kept {
    fn weight(&self) -> usize {
        self.record.len() - TAG_BYTES + FRAME_OVERHEAD
    }
}

fn frame_weight(frame: &PackedBlock) -> usize {
    frame.buffer.len().saturating_sub(frame.start) + FRAME_OVERHEAD
}

/// How many frames a claim adds to what was counted before, out of `may` that it may add.
fn claimed(frames: u64, counted: u64, may: usize) -> Result<usize> {
    let newly = frames.checked_sub(counted).and_then(|newly| usize::try_from(newly).ok());
    newly.filter(|newly| *newly <= may).ok_or_else(|| broken("it counts what was not said"))
}

fn deaf() -> Error {
    broken("it speaks and does not listen")
}

/// A record from its place in a buffer. Buffers are made for full frames; one with less in it would be kept
/// with all its memory, which nobody counts, so what is in it moves: a small part of what sealing it costs.
fn lean(buffer: Vec<u8>, start: usize) -> Bytes {
    let record = buffer.get(start..).unwrap_or_default();
    if record.len() < buffer.capacity() / 4 * 3 {
        Bytes::copy_from_slice(record)
    } else {
        Bytes::from(buffer).slice(start..)
    }
}

/// Data frames waiting to be sealed: enough that the socket never waits for the reader of files.
const DATA_FRAMES_QUEUED: usize = 4;

/// Data that is queued or kept, in bytes. The other side counts within a second what it has taken, so an
/// honest one with our window keeps this far below twice the window; another one stops the data, and does not
/// fill our memory.
const DATA_BYTES_MAX: u64 = 2 * WINDOW_BYTES;

/// What a frame takes in memory beside its bytes: its place in the queue, its allocation. Counted, so that a
/// great many tiny frames are no way around the bounds; and so that fewer can be kept than one key seals.
const FRAME_OVERHEAD: usize = 256;

#[cfg(test)]
mod tests;
