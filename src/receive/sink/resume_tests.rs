//! Going on with what an interrupted transfer left, and comparing with what stands there.

use super::tests::{Feeder, META, content, path};
use super::*;
use crate::disk::Kind as DiskKind;
use crate::disk::memory::MemoryDisk;
use crate::disk::{File, Stretch};
use crate::proto::chunk::{ChunkHasher, chunk_count, chunk_length};
use crate::proto::frame::{Reason, Run};
use crate::proto::path::Name;
use crate::proto::runs::Runs;

const CHUNK: ChunkSize = ChunkSize::MIN;

/// An honest sender of one file: answers what is wanted of it.
fn answer(feeder: &mut Feeder, entry: u64, bytes: &[u8]) {
    while let Some(get) = feeder.wanted(entry) {
        give(feeder, &get, bytes);
        feeder.finish(entry, bytes).unwrap();
    }
}

fn give(feeder: &mut Feeder, get: &Get, bytes: &[u8]) {
    let chunk = ChunkSize::new(u64::from(get.chunk_bytes)).unwrap();
    let size = bytes.len() as u64;
    if get.send.is_empty() && get.compare.is_empty() {
        return feeder.write(get.entry, 0, bytes).unwrap();
    }
    for index in Runs::checked(get.send.clone(), chunk_count(size, chunk)).unwrap().iter() {
        send_chunk(feeder, get.entry, chunk, index, bytes);
    }
    for index in Runs::checked(get.compare.clone(), chunk_count(size, chunk)).unwrap().iter() {
        name_chunk(feeder, get.entry, chunk, index, bytes).unwrap();
    }
}

fn part_of(bytes: &[u8], chunk: ChunkSize, index: u64) -> (u64, &[u8]) {
    let offset = index * u64::from(chunk.bytes());
    let length = chunk_length(bytes.len() as u64, chunk, index) as usize;
    (offset, &bytes[offset as usize..offset as usize + length])
}

fn send_chunk(feeder: &mut Feeder, entry: u64, chunk: ChunkSize, index: u64, bytes: &[u8]) {
    let (offset, own) = part_of(bytes, chunk, index);
    for (at, piece) in own.chunks(256 << 10).enumerate() {
        feeder.write(entry, offset + (at << 18) as u64, piece).unwrap();
    }
}

fn name_chunk(feeder: &mut Feeder, entry: u64, chunk: ChunkSize, index: u64, bytes: &[u8]) -> Result<()> {
    let (offset, own) = part_of(bytes, chunk, index);
    if own.is_empty() {
        return Ok(());
    }
    let mut hasher = ChunkHasher::new(offset);
    hasher.update(own);
    let value = hasher.finish(chunk_count(bytes.len() as u64, chunk) == 1).0;
    let length = u32::try_from(own.len()).unwrap();
    let pieces = vec![Piece::Same { entry, offset, length, value }];
    feeder.job(Job::Write { pieces, payload: Bytes::new(), cost: 0 })
}

/// A receiver that ends after so many chunks of `f`, in an orderly way.
fn interrupted(disk: &MemoryDisk, bytes: &[u8], chunks: u64) {
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    match feeder.wanted(entry) {
        None => (0..chunks).for_each(|index| send_chunk(&mut feeder, entry, CHUNK, index, bytes)),
        Some(get) => give(&mut feeder, &get, bytes),
    }
}

fn file_of(disk: &MemoryDisk, name: &str) -> crate::disk::memory::MemoryFile {
    disk.root().open_file(&Name::new(name.as_bytes()).unwrap(), crate::disk::Access::ReadWrite).unwrap()
}

fn part_name() -> Name {
    Name::new(b"f").unwrap().part_file()
}

#[test]
fn an_interrupted_file_is_gone_on_with() {
    let bytes = content(5 << 19 | 77);
    for chunks in 0..=5 {
        let disk = MemoryDisk::new();
        interrupted(&disk, &bytes, chunks);
        assert_eq!(disk.tree().len(), if chunks == 0 { 0 } else { 2 }, "{chunks}");
        let mut feeder = Feeder::new(disk.clone());
        let entry = feeder.file("f", bytes.len());
        if chunks == 0 {
            assert_eq!(feeder.verdict(entry), Verdict::Send);
            feeder.write(entry, 0, &bytes).unwrap();
            feeder.finish(entry, &bytes).unwrap();
        } else {
            assert_eq!(feeder.verdict(entry), Verdict::Wait);
            let get = feeder.wanted(entry).unwrap();
            assert_eq!(get.compare, [Run { first: 0, count: chunks }]);
            assert_eq!(get.send, [Run { first: chunks, count: 6 - chunks }]);
            give(&mut feeder, &get, &bytes);
            feeder.finish(entry, &bytes).unwrap();
            assert_eq!(feeder.wanted(entry), None);
        }
        feeder.commit();
        assert_eq!(feeder.outcome(entry), Some(None));
        assert!(disk.contents(&path("f")).unwrap() == bytes);
        assert_eq!(feeder.tree(), ["f"]);
    }
}

#[test]
fn what_is_damaged_meanwhile_is_asked_for_again() {
    let disk = MemoryDisk::new();
    let bytes = content(4 << 19);
    interrupted(&disk, &bytes, 3);
    let part = disk.root().open_file(&part_name(), crate::disk::Access::ReadWrite).unwrap();
    part.write_at(&[bytes[600_000] ^ 1], 600_000).unwrap();
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    let first = feeder.wanted(entry).unwrap();
    give(&mut feeder, &first, &bytes);
    feeder.finish(entry, &bytes).unwrap();
    let again = feeder.wanted(entry).unwrap();
    assert_eq!((again.send.as_slice(), again.compare.len()), (&[Run { first: 1, count: 1 }][..], 0));
    give(&mut feeder, &again, &bytes);
    feeder.finish(entry, &bytes).unwrap();
    feeder.commit();
    assert_eq!(feeder.outcome(entry), Some(None));
    assert!(disk.contents(&path("f")).unwrap() == bytes);
}

#[test]
fn what_is_the_same_is_not_sent_and_not_touched() {
    for size in [0, 3, 5 << 19] {
        let disk = MemoryDisk::new();
        let bytes = content(size);
        let old = disk.root().create_file(&Name::new(b"f").unwrap()).unwrap();
        old.write_at(&bytes, 0).unwrap();
        let before = old.stat().unwrap();
        let mut feeder = Feeder::new(disk.clone());
        let entry = feeder.file("f", size);
        assert_eq!(feeder.verdict(entry), Verdict::Compare);
        for index in 0..chunk_count(size as u64, CHUNK) {
            name_chunk(&mut feeder, entry, CHUNK, index, &bytes).unwrap();
        }
        feeder.finish(entry, &bytes).unwrap();
        feeder.commit();
        assert_eq!(feeder.outcome(entry), Some(None), "{size}");
        assert_eq!(old.stat().unwrap(), before);
        assert!(disk.is_durable(&path("f")));
        assert_eq!(feeder.tree(), ["f"]);
    }
}
