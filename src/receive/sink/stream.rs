//! One file as a stream of bytes, for `receive -o -`.

use std::io::{self, Read, Write};

use crate::error::{Error, Kind, Result};
use crate::proto::chunk::{ChunkSize, FileHasher};
use crate::proto::compress::Unpacker;
use crate::proto::conversation::broken;
use crate::proto::frame::{Failure, Piece, Reason, Verdict};
use crate::proto::manifest::{Entry, EntryKind};

use super::stop::ZEROS_STEP_BYTES;
use super::{Content, Job, Output, Portion, SinkEvent, Stop, breach, portions};

/// Writes the first file on the top level of the manifest to a stream, in order. Every other item fails.
///
/// What a reader of the stream got is known to be right only when the file is resolved without a failure: bytes that
/// went out cannot be taken back.
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
                self.current = Some(Current { entry: id, size, hasher: FileHasher::new(self.chunk) });
                events.push(SinkEvent::Planned { entry: id, verdict: Verdict::Send });
                return Ok(());
            }
            EntryKind::Unsent { failure } => failure,
            _ => Failure::new(Reason::Unwritable, "a stream takes one file and nothing else"),
        };
        events.push(SinkEvent::Planned { entry: id, verdict: Verdict::Nothing });
        events.push(SinkEvent::Resolved { entry: id, failure: Some(failure) });
        Ok(())
    }

    fn write(&mut self, pieces: &[Piece], payload: &[u8]) -> Result<()> {
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
            if offset != current.hasher.length() || current.size.is_some_and(|size| end > size) {
                return Err(breach("contents of a file came out of their order"));
            }
            match content {
                Content::Same(_) => return Err(breach("a value of a chunk nobody asked for")),
                Content::Bytes(bytes) => {
                    self.out.write_all(bytes).map_err(cannot_write)?;
                    current.hasher.update(bytes, |_, _| {});
                }
                Content::Zeros => {
                    let mut left = u64::from(length);
                    while left > 0 {
                        self.stop.check()?;
                        let now = left.min(ZEROS_STEP_BYTES);
                        io::copy(&mut io::repeat(0).take(now), &mut self.out).map_err(cannot_write)?;
                        current.hasher.update_zeros(now, |_, _| {});
                        left -= now;
                    }
                }
            }
        }
        Ok(())
    }
}

impl<W: Write + Send> Output for StreamSink<W> {
    fn handle(&mut self, job: Job, events: &mut Vec<SinkEvent>) -> Result<()> {
        self.stop.check()?;
        match job {
            Job::Prepare(entry) => return self.prepare(entry, events),
            Job::Write { pieces, payload, cost } => {
                self.write(&pieces, &payload)?;
                events.push(SinkEvent::Taken { cost });
            }
            Job::WritePacked { pieces, payload, cost } => {
                let payload = self.unpacker.unpack(&payload).map_err(broken)?;
                self.write(&pieces, &payload)?;
                self.unpacker.reuse(payload);
                events.push(SinkEvent::Taken { cost });
            }
            Job::Finish(end) => {
                if let Some(current) = self.current.take_if(|current| current.entry == end.entry) {
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
                if self.current.take_if(|current| current.entry == entry).is_some() {
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
fn cannot_write(error: io::Error) -> Error {
    Error::new(Kind::Disk, "cannot write to the output stream").caused_by(error)
}
