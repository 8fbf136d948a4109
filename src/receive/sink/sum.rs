//! SHA-256 of files while they come, for `--checksums`. BLAKE3 needs nothing of this: the root is known in
//! any case.
//!
//! SHA-256 goes from the first byte to the last, and chunks come in any order. So what comes in order is
//! hashed as it comes; what came before its turn, was held already, or was copied, is read again when
//! everything before it is there, a chunk at a time.

use sha2::{Digest as _, Sha256};

use crate::disk::Dir;
use crate::proto::chunk::ChunkSize;
use crate::proto::frame::{Failure, FileEnd, Reason};
use crate::proto::path::{Name, RelPath};
use crate::receive::checksums::Algorithm;

use super::coverage::{Coverage, Input};
use super::incoming::Phase;
use super::{Attempt, Refusal, Sink};

/// What was delivered, and its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summed {
    /// Where it stands, below the output directory.
    pub path: RelPath,
    /// Its checksum.
    pub sum: [u8; 32],
}

/// A hash that goes forward only.
#[derive(Clone, Debug, Default)]
pub(super) struct InOrder {
    hasher: Sha256,
    at: u64,
    /// The same at the end of the last whole chunk: what comes after that may begin again.
    sure: Sha256,
    sure_at: u64,
}

impl InOrder {
    /// Takes what has its turn; anything else is passed over.
    fn feed(&mut self, mut offset: u64, input: Input<'_>, chunk: ChunkSize, size: Option<u64>) {
        if offset == self.sure_at {
            (self.hasher, self.at) = (self.sure.clone(), self.sure_at);
        }
        if offset != self.at {
            return;
        }
        let chunk_bytes = u64::from(chunk.bytes());
        let (mut left, mut rest) =
            (input.length(), if let Input::Bytes(bytes) = input { Some(bytes) } else { None });
        while left > 0 {
            let now = left.min(chunk_bytes - offset % chunk_bytes);
            match &mut rest {
                Some(bytes) => {
                    let (own, later) =
                        bytes.split_at(usize::try_from(now).unwrap_or(bytes.len()).min(bytes.len()));
                    self.hasher.update(own);
                    *bytes = later;
                }
                None => zeros(&mut self.hasher, now),
            }
            (offset, left) = (offset + now, left - now);
            self.at = offset;
            if offset.is_multiple_of(chunk_bytes) || Some(offset) == size {
                (self.sure, self.sure_at) = (self.hasher.clone(), offset);
            }
        }
    }
}

fn zeros(hasher: &mut Sha256, count: u64) {
    let mut left = count;
    while left > 0 {
        let now = left.min(ZEROS.len() as u64);
        hasher.update(ZEROS.get(..usize::try_from(now).unwrap_or(ZEROS.len())).unwrap_or(ZEROS));
        left -= now;
    }
}

impl<D: Dir + 'static> Sink<D> {
    /// Whether what comes is to be hashed once more.
    fn sums_in_order(&self) -> bool {
        self.rules.checksums == Some(Algorithm::Sha256)
    }

    /// Hashes what came of a file.
    pub(super) fn sum(&mut self, entry: u64, offset: u64, input: Input<'_>) {
        if !self.sums_in_order() {
            return;
        }
        let session = self.chunk;
        if let Some(file) = self.files.get_mut(&entry) {
            let (chunk, size) = (file.chunk(session), file.size);
            file.sum.get_or_insert_default().feed(offset, input, chunk, size);
        }
    }

    /// Reads and hashes whole chunks that have their turn now.
    pub(super) fn catch_up(&mut self, entry: u64) -> Attempt<()> {
        if !self.sums_in_order() {
            return Ok(());
        }
        while let Some((at, end)) = self.next_to_sum(entry) {
            let is_sealed =
                |file: &super::Incoming<D::File>| file.part.as_ref().is_some_and(|part| part.is_sealed);
            if self.files.get(&entry).is_some_and(is_sealed) {
                return Ok(());
            }
            let is_comparing = self.files.get(&entry).is_some_and(|file| file.phase == Phase::Comparing);
            if is_comparing && !self.open_basis(entry)? {
                return Ok(());
            }
            if !is_comparing {
                self.open_part(entry)?;
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            let summed = self.sum_stretch(entry, (at, end), &mut buffer);
            self.buffer = buffer;
            summed?;
        }
        Ok(())
    }

    /// The chunk that has its turn, if it is there.
    fn next_to_sum(&mut self, entry: u64) -> Option<(u64, u64)> {
        let session = self.chunk;
        let file = self.files.get_mut(&entry)?;
        let chunk = file.chunk(session);
        let at = file.sum.as_deref().map_or(0, |sum| sum.sure_at);
        let Some(Coverage::Chunks(chunks)) = file.coverage.as_deref() else { return None };
        let index = at / u64::from(chunk.bytes());
        let is_there = Some(at) < file.size && chunks.known().contains(index);
        is_there.then(|| (at, at + u64::from(chunks.length(index))))
    }

    fn sum_stretch(&mut self, entry: u64, (mut at, end): (u64, u64), buffer: &mut Vec<u8>) -> Attempt<()> {
        buffer.resize(READ_BYTES, 0);
        while at < end {
            self.stop.check().map_err(Refusal::Fatal)?;
            let now = usize::try_from(end - at).unwrap_or(READ_BYTES).min(READ_BYTES);
            let step = buffer.get_mut(..now).unwrap_or_default();
            let Some(file) = self.files.get(&entry) else { return Ok(()) };
            let read = match (&file.basis, &file.part) {
                (Some(basis), _) if file.phase == Phase::Comparing => basis.read(step, at),
                (_, Some(part)) => part.read(step, at),
                _ => return Ok(()),
            };
            if let Err(error) = read {
                let path = file.path.clone();
                return Err(self.refuse(error, &path));
            }
            self.sum(entry, at, Input::Bytes(step));
            at += now as u64;
        }
        Ok(())
    }

    /// The checksum of a file that is whole, if checksums are wanted.
    pub(super) fn sum_of(&mut self, entry: u64, end: &FileEnd) -> Attempt<Option<[u8; 32]>> {
        match self.rules.checksums {
            None => return Ok(None),
            Some(Algorithm::Blake3) => return Ok(Some(end.root)),
            Some(Algorithm::Sha256) => {}
        }
        self.catch_up(entry)?;
        let Some(file) = self.files.get_mut(&entry) else { return Ok(None) };
        let sum = file.sum.take().unwrap_or_default();
        if sum.at == end.size {
            return Ok(Some(sum.hasher.finalize().into()));
        }
        let what = "what arrived could not be read again for its checksum";
        Err(Refusal::Entry(Failure::new(Reason::Unwritable, what)))
    }

    /// A file was delivered under this name.
    pub(super) fn delivered(&mut self, dir: &RelPath, name: &Name, sum: [u8; 32]) {
        if let Ok(path) = dir.join(name) {
            self.summed.push(Summed { path, sum });
        }
    }
}

/// Read at once: it is hashed out of the cache of the processor, and a person who cancels never waits for a
/// whole chunk.
const READ_BYTES: usize = 256 << 10;

const ZEROS: &[u8] = &[0; 64 << 10];

#[cfg(test)]
mod tests {
    use super::super::resume_tests::{CHUNK, interrupted, put, receive, send_chunk};
    use super::super::tests::{Feeder, content};
    use super::super::{Rules, Verdict};
    use super::*;
    use crate::disk::memory::MemoryDisk;
    use crate::proto::frame::Piece;
    use crate::receive::OnConflict;
    use crate::receive::sink::Job;

    fn rules(checksums: Algorithm, on_conflict: OnConflict) -> Rules {
        Rules { on_conflict, resume: true, checksums: Some(checksums) }
    }

    fn sha(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    fn feeder(disk: &MemoryDisk) -> Feeder {
        Feeder::with(disk.clone(), rules(Algorithm::Sha256, OnConflict::Overwrite))
    }

    fn only(feeder: &mut Feeder) -> (String, [u8; 32]) {
        feeder.commit();
        let mut all = feeder.summed();
        assert_eq!(all.len(), 1);
        let Summed { path, sum } = all.remove(0);
        (String::from_utf8_lossy(path.as_bytes()).into_owned(), sum)
    }

    #[test]
    fn chunks_in_any_order_come_to_the_same() {
        let bytes = content((6 << 19) + 77);
        for order in
            [[0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0], [1, 0, 3, 2, 6, 4, 5], [3, 0, 1, 2, 5, 6, 4]]
        {
            let mut feeder = feeder(&MemoryDisk::new());
            let entry = feeder.file("f", bytes.len());
            for index in order {
                send_chunk(&mut feeder, entry, CHUNK, index, &bytes);
            }
            feeder.finish(entry, &bytes).unwrap();
            assert_eq!(only(&mut feeder), ("f".to_owned(), sha(&bytes)), "{order:?}");
        }
    }

    #[test]
    fn a_chunk_that_begins_again_is_hashed_once() {
        let bytes = content((2 << 19) + 5);
        let mut feeder = feeder(&MemoryDisk::new());
        let entry = feeder.file("f", bytes.len());
        feeder.write(entry, 0, &bytes[..1000]).unwrap();
        feeder.write(entry, 1 << 19, &bytes[1 << 19..][..1000]).unwrap();
        for index in [0, 1, 2] {
            send_chunk(&mut feeder, entry, CHUNK, index, &bytes);
        }
        feeder.finish(entry, &bytes).unwrap();
        assert_eq!(only(&mut feeder).1, sha(&bytes));
    }

    #[test]
    fn small_empty_and_hollow_files_have_theirs() {
        for bytes in [content(0), content(5), vec![0; 3 << 19]] {
            let mut feeder = feeder(&MemoryDisk::new());
            let entry = feeder.file("f", bytes.len());
            if bytes.len() > 5 {
                let length = u32::try_from(bytes.len()).unwrap();
                let pieces =
                    (0..3).map(|at| Piece::Zeros { entry, offset: at << 19, length: length / 3 }).collect();
                feeder.job(Job::Write { pieces, payload: bytes::Bytes::new(), cost: 0 }).unwrap();
            } else if !bytes.is_empty() {
                feeder.write(entry, 0, &bytes).unwrap();
            }
            feeder.finish(entry, &bytes).unwrap();
            assert_eq!(only(&mut feeder).1, sha(&bytes));
        }
    }

    #[test]
    fn what_was_held_or_differs_in_part_is_summed_as_it_ends_up() {
        let bytes = content((5 << 19) + 9);
        let mut other = bytes.clone();
        other[2 << 19] ^= 1;
        // The same, a part of it, and one that differs in the middle and is longer.
        let longer = [other.as_slice(), b"more"].concat();
        for (there, chunks) in [(Some(&bytes), 0), (None, 3), (Some(&other), 0), (Some(&longer), 0)] {
            let disk = MemoryDisk::new();
            if let Some(there) = there {
                put(&disk, "f", there);
            }
            if chunks > 0 {
                interrupted(&disk, &bytes, chunks);
            }
            let mut feeder = feeder(&disk);
            assert_eq!(receive(&mut feeder, &bytes), None);
            assert_eq!(feeder.summed(), [Summed { path: super::super::tests::path("f"), sum: sha(&bytes) }]);
        }
    }

    #[test]
    fn the_root_is_what_blake3_tools_print() {
        let bytes = content((3 << 19) + 1);
        let disk = MemoryDisk::new();
        put(&disk, "f", b"mine");
        let mut feeder = Feeder::with(disk, rules(Algorithm::Blake3, OnConflict::Rename));
        let entry = feeder.file("f", bytes.len());
        assert_ne!(feeder.verdict(entry), Verdict::Nothing);
        feeder.write(entry, 0, &bytes).unwrap();
        feeder.finish(entry, &bytes).unwrap();
        assert_eq!(only(&mut feeder), ("f (1)".to_owned(), blake3::hash(&bytes).into()));
    }
}
