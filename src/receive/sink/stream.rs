//! One file as a stream of bytes, for `receive -o -`.

use std::io::{self, Read, Write};

use bytes::Bytes;

use crate::error::{Error, Kind, Result};
use crate::proto::chunk::{ChunkSize, FileHasher};
use crate::proto::compress::Unpacker;
use crate::proto::conversation::broken;
use crate::proto::frame::{Failure, Piece, Reason, Verdict};
use crate::proto::manifest::{Entry, EntryKind};

use super::early::{Early, PIECES_STREAMED_MAX};
use super::stop::ZEROS_STEP_BYTES;
use super::{Content, Job, Output, Portion, SinkEvent, Stop, breach, portions};

/// Writes the first file on the top level of the manifest to a stream, in order. Every other item fails.
///
/// What a reader of the stream got is known to be right only when the file is resolved without a failure:
/// bytes that went out cannot be taken back.
#[derive(Debug)]
pub struct StreamSink<W> {
    out: W,
    chunk: ChunkSize,
    stop: Stop,
    next: u64,
    current: Option<Current>,
    has_accepted: bool,
    unpacker: Unpacker,
}

#[derive(Debug)]
struct Current {
    entry: u64,
    size: Option<u64>,
    hasher: FileHasher,
    /// What came too early.
    early: Early,
}

impl<W: Write + Send> StreamSink<W> {
    /// Writes to `out`, hashing in chunks of `chunk`, until `stop` is set.
    #[must_use]
    pub fn new(out: W, chunk: ChunkSize, stop: Stop) -> StreamSink<W> {
        StreamSink {
            out,
            chunk,
            stop,
            next: 0,
            current: None,
            has_accepted: false,
            unpacker: Unpacker::default(),
        }
    }

    fn prepare(&mut self, entry: Entry, events: &mut Vec<SinkEvent>) -> Result<()> {
        let Entry { id, path, kind } = entry;
        if id != self.next {
            return Err(breach("an item came out of its order"));
        }
        self.next += 1;
        let failure = match kind {
            EntryKind::File { size, .. } if !self.has_accepted && path.depth() == 1 => {
                self.has_accepted = true;
                self.current = Some(Current {
                    entry: id,
                    size,
                    hasher: FileHasher::new(self.chunk),
                    early: Early::default(),
                });
                events.push(SinkEvent::Planned { entry: id, verdict: Verdict::Send });
                return Ok(());
            }
            EntryKind::Unsent { failure } => failure,
            _ => Failure::new(Reason::OnlyOne, ""),
        };
        events.push(SinkEvent::Planned { entry: id, verdict: Verdict::Nothing });
        events.push(SinkEvent::Resolved { entry: id, failure: Some(failure) });
        Ok(())
    }

    /// Takes pieces, and gives back what they cost, unless some of them have to wait: then that comes back
    /// with the last of those.
    fn write(
        &mut self,
        pieces: &[Piece],
        payload: &Bytes,
        cost: u64,
        events: &mut Vec<SinkEvent>,
    ) -> Result<()> {
        let mut last = None;
        for portion in portions(pieces, payload) {
            self.stop.check()?;
            let Portion { entry, offset, length, content } = portion?;
            let current = match &mut self.current {
                Some(current) if current.entry == entry => current,
                _ if entry < self.next => continue,
                _ => return Err(breach("contents of a file that was not announced")),
            };
            // Checked here again because nothing can be taken back from a stream.
            let end = offset.saturating_add(u64::from(length));
            if offset < current.hasher.length() || current.size.is_some_and(|size| end > size) {
                return Err(breach("contents of a file came out of their order"));
            }
            let bytes = match content {
                Content::Same(_) => return Err(breach("a value of a chunk nobody asked for")),
                Content::Bytes(bytes) => Some(payload.slice_ref(bytes)),
                Content::Zeros => None,
            };
            if offset > current.hasher.length() {
                current.early.put(last, offset, length, bytes)?;
                if current.early.len() > PIECES_STREAMED_MAX {
                    return Err(breach("too many pieces of a stream came early"));
                }
                last = Some(offset);
                continue;
            }
            self.take(length, bytes.as_deref())?;
            self.take_early(events)?;
        }
        let early = self.current.as_mut().map(|current| &mut current.early);
        let waits = early.zip(last).is_some_and(|(early, offset)| early.charge(offset, cost));
        if !waits {
            events.push(SinkEvent::Taken { cost });
        }
        Ok(())
    }

    /// Takes what has its turn now.
    fn take_early(&mut self, events: &mut Vec<SinkEvent>) -> Result<()> {
        loop {
            let Some(Current { early, hasher, .. }) = &mut self.current else { return Ok(()) };
            let Some((_, piece)) = early.next(hasher.length())? else { return Ok(()) };
            if piece.cost > 0 {
                events.push(SinkEvent::Taken { cost: piece.cost });
            }
            self.take(piece.length, piece.bytes.as_deref())?;
        }
    }

    /// Writes and hashes what comes next; zeros where there are no bytes.
    fn take(&mut self, length: u32, bytes: Option<&[u8]>) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if let Some(bytes) = bytes {
            self.out.write_all(bytes).map_err(cannot_write)?;
            current.hasher.update(bytes, |_, _| {});
            return Ok(());
        }
        let mut left = u64::from(length);
        while left > 0 {
            self.stop.check()?;
            let now = left.min(ZEROS_STEP_BYTES);
            io::copy(&mut io::repeat(0).take(now), &mut self.out).map_err(cannot_write)?;
            current.hasher.update_zeros(now, |_, _| {});
            left -= now;
        }
        Ok(())
    }

    /// Ends the file that is coming, if it is this one.
    fn leave(&mut self, entry: u64, events: &mut Vec<SinkEvent>) -> Option<Current> {
        let current = self.current.take_if(|current| current.entry == entry)?;
        if current.early.cost() > 0 {
            events.push(SinkEvent::Taken { cost: current.early.cost() });
        }
        Some(current)
    }
}

impl<W: Write + Send> Output for StreamSink<W> {
    fn handle(&mut self, job: Job, events: &mut Vec<SinkEvent>) -> Result<()> {
        self.stop.check()?;
        match job {
            Job::Prepare(entry) => return self.prepare(entry, events),
            Job::Write { pieces, payload, cost } => self.write(&pieces, &payload, cost, events)?,
            Job::WritePacked { pieces, payload, cost } => {
                let payload = Bytes::from(self.unpacker.unpack(&payload).map_err(broken)?);
                self.write(&pieces, &payload, cost, events)?;
                self.unpacker.reuse(payload);
            }
            Job::Finish(end) => {
                if let Some(current) = self.leave(end.entry, events) {
                    self.out.flush().map_err(cannot_write)?;
                    let is_whole = current.hasher.length() == end.size
                        && current.size.is_none_or(|size| size == end.size)
                        && current.hasher.finish().0 == end.root;
                    let failure = (!is_whole).then(|| {
                        Failure::new(Reason::Corrupt, "what was written to the stream must not be used")
                    });
                    events.push(SinkEvent::Resolved { entry: end.entry, failure });
                }
            }
            // A stream is never in the way of anything.
            Job::Decide { .. } => {}
            Job::Drop { entry, failure } => {
                if self.leave(entry, events).is_some() {
                    events.push(SinkEvent::Resolved { entry, failure: Some(failure) });
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, _events: &mut Vec<SinkEvent>) -> Result<()> {
        self.stop.check()?;
        // So that a reader gets what a slow sender has sent so far.
        self.out.flush().map_err(cannot_write)
    }
}

/// The cause is an [`io::Error`]: whoever wants to tell a reader that went away asks it for `BrokenPipe`.
/// No disk is at fault then, and the other side is not told so.
fn cannot_write(error: io::Error) -> Error {
    let (kind, what) = match error.kind() {
        io::ErrorKind::BrokenPipe => (Kind::Interrupted, "nobody reads the output stream any more"),
        _ => (Kind::Disk, "cannot write to the output stream"),
    };
    Error::new(kind, what).caused_by(error)
}
