//! Contents of files as they come: written, hashed and counted.

use bytes::Bytes;

use crate::disk::Dir;
use crate::error::Result;
use crate::proto::chunk::{ChunkHasher, Root};
use crate::proto::frame::Piece;

use super::coverage::{Coverage, Input};
use super::early::Early;
use super::incoming::{Incoming, Phase};
use super::stop::ZEROS_STEP_BYTES;
use super::{Attempt, Content, Portion, Refusal, Sink, SinkEvent, breach, fatal, portions};

impl<D: Dir + 'static> Sink<D> {
    /// Takes pieces, and gives back what they cost, unless some of them have to wait: then that comes back
    /// with the last of those. Pieces of entries that already have their outcome are passed over: they were
    /// on their way when it was told.
    pub(super) fn write(
        &mut self,
        pieces: &[Piece],
        payload: &Bytes,
        cost: u64,
        events: &mut Vec<SinkEvent>,
    ) -> Result<()> {
        let mut waiting: Option<(u64, u64)> = None;
        for portion in portions(pieces, payload) {
            self.stop.check()?;
            let Portion { entry, offset, length, content } = portion?;
            if !self.files.contains_key(&entry) {
                if entry < self.next {
                    continue;
                }
                return Err(breach("contents of a file that was not announced"));
            }
            if self.is_early(entry, offset) && !matches!(content, Content::Same(_)) {
                let bytes =
                    if let Content::Bytes(bytes) = content { Some(payload.slice_ref(bytes)) } else { None };
                if waiting.is_some_and(|(other, _)| other != entry) {
                    return Err(breach("a frame of several streams"));
                }
                self.put_aside(entry, waiting.map(|(_, before)| before), offset, length, bytes)?;
                waiting = Some((entry, offset));
                continue;
            }
            let taken = match content {
                Content::Bytes(bytes) => self.take(entry, offset, Input::Bytes(bytes)),
                Content::Zeros => self.take_zeros(entry, offset, length),
                Content::Same(value) => self.compare(entry, offset, length, value),
            };
            let taken = taken.and_then(|()| self.take_early(entry, events));
            if let Err(failure) = fatal(taken)? {
                self.give_up(entry, failure, events)?;
            }
        }
        let still = waiting.is_some_and(|(entry, offset)| {
            let early = self.files.get_mut(&entry).and_then(|file| file.early.as_mut());
            early.is_some_and(|early| early.charge(offset, cost))
        });
        if !still {
            events.push(SinkEvent::Taken { cost });
        }
        Ok(())
    }

    /// Lets `act` look at or change what has come of a file, and keeps count of the chunks that have come in
    /// part.
    pub(super) fn with_coverage<T>(&mut self, entry: u64, act: impl FnOnce(&mut Coverage) -> T) -> Option<T> {
        let session = self.chunk;
        let file = self.files.get_mut(&entry)?;
        let before = file.coverage.as_deref().map_or(0, Coverage::open);
        let coverage = file.coverage(session);
        let result = act(coverage);
        self.hashing = (self.hashing + coverage.open()).saturating_sub(before);
        Some(result)
    }

    /// Takes a file out of those that are coming.
    pub(super) fn forget(&mut self, entry: u64) -> Option<Incoming<D::File>> {
        let file = self.files.remove(&entry)?;
        self.open.retain(|&open| open != entry);
        self.hashing = self.hashing.saturating_sub(file.coverage.as_deref().map_or(0, Coverage::open));
        self.early = self.early.saturating_sub(file.early.as_deref().map_or(0, Early::len));
        self.space.forgone(file.owed);
        Some(file)
    }

    /// Takes a stretch of zeros.
    pub(super) fn take_zeros(&mut self, entry: u64, offset: u64, length: u32) -> Attempt<()> {
        let mut at = offset;
        let mut left = u64::from(length);
        // All of them are expected before the first is taken.
        self.expect(entry, offset, left)?;
        while left > 0 {
            self.stop.check().map_err(Refusal::Fatal)?;
            let now = left.min(ZEROS_STEP_BYTES);
            self.take(entry, at, Input::Zeros(now))?;
            (at, left) = (at + now, left - now);
        }
        Ok(())
    }

    /// Takes a small file that is one piece, as most are. False if it is none.
    fn take_whole(&mut self, entry: u64, offset: u64, bytes: &[u8]) -> Attempt<bool> {
        let Some(file) = self.files.get_mut(&entry) else { return Ok(false) };
        let length = bytes.len() as u64;
        let is_one = offset == 0 && file.size == Some(length) && length <= u64::from(self.chunk.bytes());
        if !is_one || file.phase != Phase::Fresh || file.coverage.is_some() || file.part.is_some() {
            return Ok(false);
        }
        self.open_part(entry)?;
        let Some(file) = self.files.get_mut(&entry) else { return Ok(true) };
        let Some(part) = &mut file.part else { return Ok(true) };
        if let Err(error) = part.write(bytes, offset) {
            let path = file.path.clone();
            return Err(self.refuse(error, &path));
        }
        let mut hasher = ChunkHasher::new(0);
        hasher.update(bytes);
        file.whole = Some(Root(hasher.finish(true).0));
        let written = file.owed.min(length);
        file.owed -= written;
        self.space.written(written);
        self.sum(entry, 0, Input::Bytes(bytes));
        Ok(true)
    }

    /// Checks that a piece belongs there.
    fn expect(&mut self, entry: u64, offset: u64, length: u64) -> Attempt<()> {
        let Some(file) = self.files.get(&entry) else { return Ok(()) };
        if matches!(file.phase, Phase::Comparing | Phase::Asking) {
            return Err(Refusal::Fatal(breach("contents of a file nobody asked for")));
        }
        if file.whole.is_some() {
            return Err(Refusal::Fatal(breach("contents of a file of which all has come")));
        }
        let expected = self.with_coverage(entry, |coverage| coverage.expect(offset, length));
        expected.unwrap_or(Ok(())).map_err(Refusal::Fatal)
    }

    /// Writes and hashes a piece.
    pub(super) fn take(&mut self, entry: u64, offset: u64, input: Input<'_>) -> Attempt<()> {
        if let Input::Bytes(bytes) = input
            && self.take_whole(entry, offset, bytes)?
        {
            return Ok(());
        }
        self.expect(entry, offset, input.length())?;
        self.open_part(entry)?;
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        let Some(part) = &mut file.part else { return Ok(()) };
        let written = match input {
            Input::Bytes(bytes) => part.write(bytes, offset),
            Input::Zeros(count) => part.zero(offset, count),
        };
        if let Err(error) = written {
            let path = file.path.clone();
            return Err(self.refuse(error, &path));
        }
        let mut done = Vec::new();
        let fed = self.with_coverage(entry, |coverage| coverage.feed(offset, input, &mut done));
        fed.unwrap_or(Ok(())).map_err(Refusal::Fatal)?;
        if self.hashing > HASHING_MAX {
            return Err(Refusal::Fatal(breach("too many files came at once")));
        }
        let is_any_done = !done.is_empty();
        if is_any_done {
            self.unjournaled.insert(entry);
        }
        let Some(file) = self.files.get_mut(&entry) else { return Ok(()) };
        if let Some(part) = &mut file.part {
            for slot in done {
                part.journal.note(slot);
            }
        }
        if let Input::Bytes(bytes) = input {
            let written = file.owed.min(bytes.len() as u64);
            file.owed -= written;
            self.space.written(written);
        }
        self.sum(entry, offset, input);
        if is_any_done { self.catch_up(entry) } else { Ok(()) }
    }
}

/// Chunks that may have come in part, of all files together, 2 KiB each.
pub(super) const HASHING_MAX: usize = 128;
