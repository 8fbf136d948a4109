//! The journal: which chunks of a part file are safely on disk, and their values.
//!
//! ```text
//! journal = "p2pcj" 01 | chunk size (4) | check (6) | slots
//! slot i  = value of chunk i (32) | check (8)
//! ```
//!
//! A slot's check covers its number and its chunk's length, so that one that was never written, was torn, or
//! spoke of a last chunk that is longer or shorter now claims nothing. What a slot does claim is read again
//! and compared before anything is delivered: a journal is a hint where to look, never a proof.

use crate::disk::{File, Result};
use crate::proto::chunk::{ChunkSize, ChunkValue, chunk_count, chunk_length};
use crate::proto::limits::RUNS_MAX;
use crate::proto::runs::Runs;

use super::Stop;

/// A chunk that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Its number.
    pub(super) index: u64,
    /// How long it is.
    pub(super) length: u32,
    /// Its value.
    pub(super) value: ChunkValue,
}

/// How a journal begins.
fn header(chunk: ChunkSize) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..MAGIC.len()].copy_from_slice(MAGIC);
    header[MAGIC.len()..CHECKED_BYTES].copy_from_slice(&chunk.bytes().to_le_bytes());
    let check = blake3::hash(&header[..CHECKED_BYTES]);
    header[CHECKED_BYTES..].copy_from_slice(&check.as_bytes()[..HEADER_BYTES - CHECKED_BYTES]);
    header
}

/// The chunk size a journal was begun with, if this is the beginning of one.
fn chunk_size(bytes: &[u8; HEADER_BYTES]) -> Option<ChunkSize> {
    let (magic, rest) = bytes.split_first_chunk::<6>()?;
    let (size, _) = rest.split_first_chunk::<4>()?;
    let chunk = ChunkSize::new(u64::from(u32::from_le_bytes(*size)))?;
    (magic == MAGIC && *bytes == header(chunk)).then_some(chunk)
}

impl Slot {
    fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..VALUE_BYTES].copy_from_slice(&self.value.0);
        bytes[VALUE_BYTES..].copy_from_slice(&self.check());
        bytes
    }

    /// What the slot of this chunk claims, if anything.
    fn decode(bytes: &[u8], index: u64, length: u32) -> Option<Slot> {
        let (value, check) = bytes.split_first_chunk::<VALUE_BYTES>()?;
        let slot = Slot { index, length, value: ChunkValue(*value) };
        (*check == slot.check()).then_some(slot)
    }

    fn check(&self) -> [u8; SLOT_BYTES - VALUE_BYTES] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.index.to_le_bytes());
        hasher.update(&u64::from(self.length).to_le_bytes());
        hasher.update(&self.value.0);
        let mut check = [0; SLOT_BYTES - VALUE_BYTES];
        hasher.finalize_xof().fill(&mut check);
        check
    }
}

/// Begins a journal in an empty file.
pub(super) fn begin(file: &impl File, chunk: ChunkSize) -> Result<()> {
    file.write_at(&header(chunk), 0)
}

/// The chunk size of a journal, if it is one.
pub(super) fn read_chunk_size(file: &impl File) -> Result<Option<ChunkSize>> {
    let mut bytes = [0; HEADER_BYTES];
    let read = file.read_at(&mut bytes, 0)?;
    Ok(if read == HEADER_BYTES { chunk_size(&bytes) } else { None })
}

/// The chunks that a journal claims of a file of `size` bytes, at most [`RUNS_MAX`] runs of them. Read a few
/// at a time, however long it is, and only where the disk has stored anything; gives up once `stop` is set.
pub(super) fn claims(file: &impl File, size: u64, chunk: ChunkSize, stop: &Stop) -> Result<Runs> {
    let count = chunk_count(size, chunk);
    let stored = file.stat()?.size;
    let mut claims = Runs::new();
    let mut buffer = vec![0; SLOTS_AT_ONCE * SLOT_BYTES];
    let mut index = 0;
    while index < count && !stop.is_set() && slot_offset(index) < stored {
        let stretch = file.stretch(slot_offset(index), stored)?;
        if stretch.is_hole {
            // On from the slot that the end of the hole falls into.
            let behind = stretch.end.saturating_sub(HEADER_BYTES as u64) / SLOT_BYTES as u64;
            if behind > index {
                index = behind;
                continue;
            }
        }
        let read = file.read_at(&mut buffer, slot_offset(index))?;
        let slots = buffer.get(..read).unwrap_or_default().chunks_exact(SLOT_BYTES);
        if slots.len() == 0 {
            break;
        }
        for slot in slots {
            if index < count && Slot::decode(slot, index, chunk_length(size, chunk, index)).is_some() {
                claims.insert(index);
            }
            index += 1;
        }
        if claims.len() > RUNS_MAX {
            claims.truncate(RUNS_MAX);
            break;
        }
    }
    Ok(claims)
}

/// What a journal claims of one chunk.
pub(super) fn claim(file: &impl File, index: u64, length: u32) -> Result<Option<ChunkValue>> {
    let mut bytes = [0; SLOT_BYTES];
    let read = file.read_at(&mut bytes, slot_offset(index))?;
    let slot = if read == SLOT_BYTES { Slot::decode(&bytes, index, length) } else { None };
    Ok(slot.map(|slot| slot.value))
}

/// Writes slots; neighbours in one go. Whoever calls it has synced the chunks they speak of.
pub(super) fn write(file: &dyn File, slots: &mut [Slot]) -> Result<()> {
    slots.sort_unstable_by_key(|slot| slot.index);
    let mut bytes = Vec::new();
    let mut rest = &*slots;
    while let Some(first) = rest.first() {
        let run = rest
            .iter()
            .zip(first.index..)
            .take(SLOTS_AT_ONCE)
            .take_while(|(slot, expected)| slot.index == *expected)
            .count();
        let (now, later) = rest.split_at(run);
        bytes.clear();
        for slot in now {
            bytes.extend_from_slice(&slot.encode());
        }
        file.write_at(&bytes, slot_offset(first.index))?;
        rest = later;
    }
    Ok(())
}

fn slot_offset(index: u64) -> u64 {
    index.saturating_mul(SLOT_BYTES as u64).saturating_add(HEADER_BYTES as u64)
}

const MAGIC: &[u8; 6] = b"p2pcj\x01";
const CHECKED_BYTES: usize = 10;
const HEADER_BYTES: usize = 16;
const VALUE_BYTES: usize = 32;
const SLOT_BYTES: usize = 40;

/// Slots read or written with one call: 40 KiB of them.
const SLOTS_AT_ONCE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Dir;
    use crate::disk::memory::{MemoryDisk, MemoryFile};
    use crate::proto::frame::Run;
    use crate::proto::path::Name;

    const SIZE: u64 = 5 << 19;

    fn journal() -> MemoryFile {
        MemoryDisk::new().root().create_file(&Name::new(b"j").unwrap()).unwrap()
    }

    fn slots(indices: &[u64]) -> Vec<Slot> {
        let slot = |index| Slot { index, length: 1 << 19, value: ChunkValue([index as u8; 32]) };
        indices.iter().map(|index| slot(*index)).collect()
    }

    fn held(file: &MemoryFile, size: u64) -> Vec<u64> {
        claims(file, size, ChunkSize::MIN, &Stop::new()).unwrap().iter().collect()
    }

    /// Section 6 of `docs/protocol.md`, byte by byte.
    #[test]
    fn it_is_written_as_the_protocol_says() {
        let file = journal();
        begin(&file, ChunkSize::default()).unwrap();
        write(&file, &mut slots(&[0])).unwrap();
        let mut bytes = [0; HEADER_BYTES + SLOT_BYTES];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
        assert_eq!(bytes[..10], *b"p2pcj\x01\x00\x00\x10\x00");
        assert_eq!(bytes[10..16], blake3::hash(&bytes[..10]).as_bytes()[..6]);
        assert_eq!(bytes[16..48], [0; 32]);
        let mut checked = [0; 48];
        checked[8..16].copy_from_slice(&(1_u64 << 19).to_le_bytes());
        assert_eq!(bytes[48..], blake3::hash(&checked).as_bytes()[..8]);
        assert_eq!(read_chunk_size(&file).unwrap(), Some(ChunkSize::default()));
    }

    #[test]
    fn torn_slots_and_those_of_another_length_claim_nothing() {
        let file = journal();
        begin(&file, ChunkSize::MIN).unwrap();
        write(&file, &mut slots(&[4, 0, 1, 3])).unwrap();
        assert_eq!(held(&file, SIZE), [0, 1, 3, 4]);
        // The last chunk is shorter now, or there are fewer.
        assert_eq!(held(&file, SIZE - 1), [0, 1, 3]);
        assert_eq!(held(&file, 2 << 19), [0, 1]);
        // Whatever byte of a slot is lost.
        for byte in 0..SLOT_BYTES as u64 {
            let at = slot_offset(1) + byte;
            let mut old = [0];
            file.read_at(&mut old, at).unwrap();
            file.write_at(&[!old[0]], at).unwrap();
            assert_eq!(held(&file, SIZE), [0, 3, 4], "{byte}");
            file.write_at(&old, at).unwrap();
        }
        // A slot in another one's place.
        let mut slot = [0; SLOT_BYTES];
        file.read_at(&mut slot, slot_offset(0)).unwrap();
        file.write_at(&slot, slot_offset(2)).unwrap();
        assert_eq!(held(&file, SIZE), [0, 1, 3, 4]);
        for length in [0, 15, 16, 17, slot_offset(1) + 39] {
            file.set_len(length).unwrap();
            assert!(held(&file, SIZE).len() <= 1);
        }
    }

    #[test]
    fn what_is_no_journal_is_none() {
        for bytes in [&b""[..], b"p2pcj\x01", &[0; 64], b"p2pcj\x02\x00\x00\x10\x00aaaaaa", &[0xff; 16]] {
            let file = journal();
            file.write_at(bytes, 0).unwrap();
            assert_eq!(read_chunk_size(&file).unwrap(), None, "{bytes:?}");
        }
        for absurd in [0_u32, 1, 3 << 20, u32::MAX] {
            let file = journal();
            let mut header = *b"p2pcj\x01\0\0\0\0\0\0\0\0\0\0";
            header[6..10].copy_from_slice(&absurd.to_le_bytes());
            let check = blake3::hash(&header[..10]);
            header[10..].copy_from_slice(&check.as_bytes()[..6]);
            file.write_at(&header, 0).unwrap();
            assert_eq!(read_chunk_size(&file).unwrap(), None, "{absurd}");
        }
    }

    #[test]
    fn what_is_too_scattered_is_claimed_in_part() {
        let file = journal();
        begin(&file, ChunkSize::MIN).unwrap();
        let count = 3 * RUNS_MAX as u64;
        write(&file, &mut slots(&(0..count).filter(|index| index % 2 == 0).collect::<Vec<_>>())).unwrap();
        let claims = claims(&file, count << 19, ChunkSize::MIN, &Stop::new()).unwrap();
        assert_eq!(claims.len(), RUNS_MAX);
        assert_eq!(claims.as_slice()[1], Run { first: 2, count: 1 });
    }
}
