//! Going on with what an interrupted transfer left, and comparing with what stands there.

use super::tests::{Feeder, META, content, path};
use super::*;
use crate::disk::File;
use crate::disk::memory::MemoryDisk;
use crate::events::Version;
use crate::proto::chunk::{ChunkHasher, chunk_count, chunk_length};
use crate::proto::frame::{Reason, Run};
use crate::proto::path::Name;
use crate::proto::runs::Runs;
use crate::receive::OnConflict;

pub(super) const CHUNK: ChunkSize = ChunkSize::MIN;

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

pub(super) fn send_chunk(feeder: &mut Feeder, entry: u64, chunk: ChunkSize, index: u64, bytes: &[u8]) {
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
pub(super) fn interrupted(disk: &MemoryDisk, bytes: &[u8], chunks: u64) {
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    match feeder.wanted(entry) {
        None => (0..chunks).for_each(|index| send_chunk(&mut feeder, entry, CHUNK, index, bytes)),
        Some(get) => give(&mut feeder, &get, bytes),
    }
}

pub(super) fn file_of(disk: &MemoryDisk, name: &str) -> crate::disk::memory::MemoryFile {
    disk.root().open_file(&Name::new(name.as_bytes()).unwrap(), crate::disk::Access::ReadWrite).unwrap()
}

pub(super) fn part_name() -> Name {
    Name::new(b"f").unwrap().part_file()
}

#[test]
fn an_interrupted_file_is_gone_on_with() {
    let bytes = content((5 << 19) + 77);
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

pub(super) fn rules(on_conflict: OnConflict) -> Rules {
    Rules { on_conflict, resume: true, checksums: None }
}

pub(super) fn put(disk: &MemoryDisk, name: &str, bytes: &[u8]) {
    disk.root().create_file(&Name::new(name.as_bytes()).unwrap()).unwrap().write_at(bytes, 0).unwrap();
}

/// Receives `f` over whatever stands there, honestly. Returns its outcome.
pub(super) fn receive(feeder: &mut Feeder, bytes: &[u8]) -> Option<Reason> {
    let entry = feeder.file("f", bytes.len());
    if feeder.outcome(entry).is_none() {
        match feeder.verdict(entry) {
            Verdict::Send => feeder.write(entry, 0, bytes).unwrap(),
            Verdict::Compare => (0..chunk_count(bytes.len() as u64, CHUNK))
                .for_each(|index| name_chunk(feeder, entry, CHUNK, index, bytes).unwrap()),
            Verdict::Wait | Verdict::Nothing => {}
        }
        if matches!(feeder.verdict(entry), Verdict::Send | Verdict::Compare) {
            feeder.finish(entry, bytes).unwrap();
        }
        answer(feeder, entry, bytes);
        feeder.commit();
    }
    feeder.outcome(entry).expect("no outcome")
}

#[test]
fn another_file_is_left_alone_replaced_or_joined() {
    let new = content((5 << 19) + 9);
    let mut changed = new.clone();
    changed[700_000] ^= 1;
    for old in [changed, new[..3 << 19].to_vec(), b"short".to_vec(), Vec::new(), content(6 << 19)] {
        let disk = MemoryDisk::new();
        put(&disk, "f", &old);
        let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Skip));
        assert_eq!(receive(&mut feeder, &new), Some(Reason::Exists));
        assert!(disk.contents(&path("f")).unwrap() == old);
        drop(feeder);
        assert_eq!(disk.tree().len(), 1);
        for _ in 0..2 {
            let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Rename));
            assert_eq!(receive(&mut feeder, &new), None);
            assert!(
                disk.contents(&path("f")).unwrap() == old && disk.contents(&path("f (1)")).unwrap() == new
            );
            let kept = |event: &SinkEvent| matches!(event, SinkEvent::KeptBoth { name, .. } if name.as_bytes() == b"f (1)");
            assert!(feeder.events.iter().any(kept));
        }
        let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Overwrite));
        assert_eq!(receive(&mut feeder, &new), None);
        assert!(disk.contents(&path("f")).unwrap() == new);
        assert_eq!(feeder.tree(), ["f", "f (1)"]);
    }
}

#[test]
fn overwriting_sends_only_what_differs() {
    let new = content(6 << 19);
    let mut old = new.clone();
    old[700_000] ^= 1;
    let disk = MemoryDisk::new();
    put(&disk, "f", &old);
    let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Overwrite));
    assert_eq!(receive(&mut feeder, &new), None);
    let sent: Vec<Get> = feeder
        .events
        .iter()
        .filter_map(|event| match event {
            SinkEvent::Get(get) => Some(get.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].send.as_slice(), sent[0].compare.len()), (&[Run { first: 1, count: 1 }][..], 0));
    assert!(disk.contents(&path("f")).unwrap() == new);
}

#[test]
fn what_changes_before_it_is_replaced_is_not_replaced() {
    let disk = MemoryDisk::new();
    put(&disk, "f", b"old one");
    let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Overwrite));
    let entry = feeder.file("f", 3);
    feeder.write(entry, 0, b"new").unwrap();
    feeder.finish(entry, b"new").unwrap();
    file_of(&disk, "f").write_at(b"OLD", 0).unwrap();
    feeder.commit();
    assert_eq!(feeder.failed(entry), Reason::Exists);
    assert_eq!(disk.contents(&path("f")).unwrap(), b"OLD one");
    assert_eq!(feeder.tree(), ["f"]);
}

/// What the person is told of each conflict: what is there, and what is offered.
fn asked(feeder: &Feeder) -> Vec<(Known<'_>, Known<'_>)> {
    fn known(version: &Version) -> Known<'_> {
        let target = version.target.as_deref().map(|target| std::str::from_utf8(target).unwrap());
        (version.size, target)
    }
    let conflicts = feeder.events.iter().filter_map(|event| match event {
        SinkEvent::Conflict { conflict, .. } => Some((known(&conflict.ours), known(&conflict.theirs))),
        _ => None,
    });
    conflicts.collect()
}

/// A size, and where a link leads.
type Known<'a> = (Option<u64>, Option<&'a str>);

#[test]
fn a_person_decides_about_files_and_links() {
    for (resolution, expected, tree) in [
        (Resolution::Skip, &b"older"[..], &["f", "l"][..]),
        (Resolution::Overwrite, b"new", &["f", "l"]),
        (Resolution::Rename, b"older", &["f", "f (1)", "l", "l (1)"]),
    ] {
        let disk = MemoryDisk::new();
        put(&disk, "f", b"older");
        disk.root().symlink(&Name::new(b"l").unwrap(), b"old", &META).unwrap();
        let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Ask));
        let (file, link) = (feeder.file("f", 3), feeder.link("l", "new"));
        let same = feeder.link("l", "old");
        assert_eq!((feeder.verdict(file), feeder.verdict(link)), (Verdict::Wait, Verdict::Nothing));
        assert_eq!((feeder.outcome(file), feeder.outcome(link)), (None, None));
        // A file has a size, and a link leads somewhere.
        assert_eq!(
            asked(&feeder),
            [((Some(5), None), (Some(3), None)), ((None, Some("old")), (None, Some("new")))]
        );
        for entry in [file, link] {
            feeder.job(Job::Decide { entry, resolution }).unwrap();
        }
        answer(&mut feeder, file, b"new");
        feeder.commit();
        let outcome = Some((resolution == Resolution::Skip).then_some(Reason::Exists));
        assert_eq!(
            (feeder.outcome(file), feeder.outcome(link), feeder.outcome(same)),
            (outcome, outcome, Some(None))
        );
        assert_eq!(disk.contents(&path("f")).unwrap(), expected);
        assert_eq!(feeder.tree(), tree);
        let replaced = if resolution == Resolution::Overwrite { &b"new"[..] } else { b"old" };
        assert_eq!(disk.contents(&path("l")).unwrap(), replaced);
    }
}

#[test]
fn without_resuming_everything_begins_afresh_and_nothing_is_left() {
    let disk = MemoryDisk::new();
    let bytes = content(4 << 19);
    interrupted(&disk, &bytes, 2);
    let mut feeder =
        Feeder::with(disk.clone(), Rules { on_conflict: OnConflict::Skip, resume: false, checksums: None });
    let entry = feeder.file("f", bytes.len());
    assert_eq!(feeder.verdict(entry), Verdict::Send);
    send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
    assert!(
        feeder.sink.checkpoint(0).unwrap().is_none() && feeder.sink.checkpoint(60_000).unwrap().is_none()
    );
    assert_eq!(feeder.tree().len(), 1);
    drop(feeder);
    assert!(disk.tree().is_empty());
}

#[test]
fn a_journal_that_stands_alone_goes_with_whatever_comes() {
    for resume in [true, false] {
        let disk = MemoryDisk::new();
        let bytes = content(3 << 19);
        disk.root().create_file(&Name::new(b"f").unwrap().journal_file()).unwrap();
        let mut feeder = Feeder::with(disk, Rules { on_conflict: OnConflict::Skip, resume, checksums: None });
        let entry = feeder.send("f", &bytes);
        feeder.commit();
        assert_eq!(feeder.outcome(entry), Some(None));
        assert_eq!(feeder.tree(), ["f"]);
    }
}

#[test]
fn two_receivers_of_one_file_do_not_meet() {
    for size in [3, 4 << 19] {
        let disk = MemoryDisk::new();
        let bytes = content(size);
        let mut first = Feeder::new(disk.clone());
        let entry = first.file("f", size);
        first.write(entry, 0, &bytes[..2]).unwrap();
        let mut second = Feeder::new(disk.clone());
        // Of more than one chunk a part file is looked for at once, of less when the first byte comes.
        let error = second.try_file("f", size).and_then(|id| second.write(id, 0, &bytes[..2])).unwrap_err();
        assert_eq!(error.kind(), Kind::Disk);
        assert!(error.to_string().contains("another p2pc") && error.hint_text().is_some());
        drop(second);
        first.write(entry, 2, &bytes[2..]).unwrap();
        first.finish(entry, &bytes).unwrap();
        first.commit();
        assert_eq!(first.outcome(entry), Some(None));
        assert!(disk.contents(&path("f")).unwrap() == bytes);
    }
}

/// Bytes, then the journal, then its sync: what the journal claims is on disk.
#[test]
fn a_checkpoint_syncs_the_data_before_the_journal_speaks_of_it() {
    let disk = MemoryDisk::new();
    let bytes = content(4 << 19);
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
    assert!(feeder.sink.checkpoint(1000).unwrap().is_none());
    assert!(feeder.sink.checkpoint(1000 + 999).unwrap().is_none());
    let checkpoint = feeder.sink.checkpoint(1000 + 1_000).unwrap().unwrap();
    // What comes after it was made is not in it, and there is no other.
    send_chunk(&mut feeder, entry, CHUNK, 1, &bytes);
    assert!(feeder.sink.checkpoint(60_000).unwrap().is_none());
    let before = disk.ops().len();
    feeder.sink.checkpointed(checkpoint.run()).unwrap();
    let journal = Name::new(b"f").unwrap().journal_file();
    let shown = |name: &Name| String::from_utf8_lossy(name.as_bytes()).into_owned();
    let ops: Vec<_> = disk.ops()[before..].iter().map(|op| (op.verb, op.name.clone())).collect();
    let (part, journal) = (shown(&part_name()), shown(&journal));
    let expected = [
        ("sync-data", part),
        ("write", journal.clone()),
        ("sync-data", journal),
        ("sync-dir", String::new()),
    ];
    assert_eq!(ops, expected);
    let claims = |disk: &MemoryDisk| {
        let file = file_of_journal(disk);
        journal::claims(&file, bytes.len() as u64, CHUNK, &Stop::new()).unwrap().chunks()
    };
    assert_eq!(claims(&disk), 1);
    drop(feeder);
    assert_eq!(claims(&disk), 2);
}

fn file_of_journal(disk: &MemoryDisk) -> crate::disk::memory::MemoryFile {
    disk.root().open_file(&Name::new(b"f").unwrap().journal_file(), crate::disk::Access::Read).unwrap()
}

#[test]
fn a_part_file_keeps_its_chunk_size() {
    let disk = MemoryDisk::new();
    let bytes = content(4 << 19);
    interrupted(&disk, &bytes, 3);
    let sink = Sink::new(disk.root(), ChunkSize::default(), rules(OnConflict::Skip), Stop::new());
    let mut feeder = Feeder::of(disk.clone(), sink);
    let entry = feeder.file("f", bytes.len());
    let get = feeder.wanted(entry).unwrap();
    assert_eq!((get.chunk_bytes, get.compare.as_slice()), (CHUNK.bytes(), &[Run { first: 0, count: 3 }][..]));
    give(&mut feeder, &get, &bytes);
    feeder.finish(entry, &bytes).unwrap();
    feeder.commit();
    assert_eq!(feeder.outcome(entry), Some(None));
}

#[test]
fn a_source_that_changed_is_sent_where_it_did() {
    let disk = MemoryDisk::new();
    let old = content(5 << 19);
    interrupted(&disk, &old, 4);
    let mut new = old[..(4 << 19) + 5].to_vec();
    new[(1 << 19) + 1] ^= 1;
    let mut feeder = Feeder::new(disk.clone());
    assert_eq!(receive(&mut feeder, &new), None);
    assert!(disk.contents(&path("f")).unwrap() == new);
    assert_eq!(feeder.tree(), ["f"]);
}

#[test]
fn a_file_that_changed_while_it_was_sent_is_gone_on_with_later() {
    let disk = MemoryDisk::new();
    let bytes = content(4 << 19);
    for (reason, left) in [(Reason::Vanished, 0), (Reason::Changed, 2)] {
        let mut feeder = Feeder::new(disk.clone());
        let entry = feeder.file("f", bytes.len());
        send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
        feeder.job(Job::Drop { entry, failure: Failure::new(reason, "") }).unwrap();
        assert_eq!(feeder.failed(entry), reason);
        drop(feeder);
        assert_eq!(disk.tree().len(), left);
    }
}

#[test]
fn holes_over_what_was_there_are_zeros() {
    let disk = MemoryDisk::new();
    let old = content(4 << 19);
    interrupted(&disk, &old, 4);
    let mut new = old.clone();
    new[1 << 19..3 << 19].fill(0);
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", new.len());
    let first = feeder.wanted(entry).unwrap();
    give(&mut feeder, &first, &new);
    feeder.finish(entry, &new).unwrap();
    assert_eq!(feeder.wanted(entry).unwrap().send, [Run { first: 1, count: 2 }]);
    let pieces = vec![Piece::Zeros { entry, offset: 1 << 19, length: 2 << 19 }];
    feeder.job(Job::Write { pieces, payload: Bytes::new(), cost: 0 }).unwrap();
    feeder.finish(entry, &new).unwrap();
    feeder.commit();
    assert_eq!(feeder.outcome(entry), Some(None));
    assert!(disk.contents(&path("f")).unwrap() == new);
}

#[test]
fn lies_about_chunks_end_the_transfer() {
    type Lie = fn(&mut Feeder, u64, &[u8]) -> Result<()>;
    let bytes = content(4 << 19);
    let lies: [Lie; 5] = [
        // A chunk that is complete, a value nobody asked for, a value of half a chunk, the middle of a chunk,
        // all chunks at once.
        |feeder, entry, bytes| feeder.write(entry, 0, &bytes[..5]),
        |feeder, entry, bytes| name_chunk(feeder, entry, CHUNK, 1, bytes),
        |feeder, entry, _| {
            let pieces = vec![Piece::Same { entry, offset: 1 << 19, length: 5, value: [0; 32] }];
            feeder.job(Job::Write { pieces, payload: Bytes::new(), cost: 0 })
        },
        |feeder, entry, bytes| feeder.write(entry, (1 << 19) + 1, &bytes[..5]),
        |feeder, _, _| {
            let entry = feeder.file("many", 128 << 19);
            (0..128).try_for_each(|index| feeder.write(entry, index << 19, b"x"))
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let mut feeder = Feeder::new(MemoryDisk::new());
        let entry = feeder.file("f", bytes.len());
        send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
        assert_eq!(lie(&mut feeder, entry, &bytes).unwrap_err().kind(), Kind::Protocol, "{number}");
    }
}

/// The system tells only once that it has lost data: a file must not get its name before a checkpoint that is
/// under way has said what it found.
#[test]
fn a_file_waits_for_the_checkpoint_that_is_under_way() {
    for is_lost in [false, true] {
        let disk = MemoryDisk::with(crate::disk::memory::Spelling::Exact, false);
        let bytes = content(2 << 19);
        let mut feeder = Feeder::new(disk.clone());
        let entry = feeder.file("f", bytes.len());
        send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
        assert!(feeder.sink.checkpoint(0).unwrap().is_none());
        let checkpoint = feeder.sink.checkpoint(60_000).unwrap().unwrap();
        send_chunk(&mut feeder, entry, CHUNK, 1, &bytes);
        feeder.finish(entry, &bytes).unwrap();
        let other = feeder.send("other", b"x");
        feeder.commit();
        assert_eq!((feeder.outcome(entry), feeder.outcome(other)), (None, Some(None)));
        if is_lost {
            let part = String::from_utf8_lossy(part_name().as_bytes()).into_owned();
            disk.fail_on("sync-data", &part, std::io::ErrorKind::StaleNetworkFileHandle);
        }
        let done = feeder.sink.checkpointed(checkpoint.run());
        assert_eq!(done.map_err(|error| error.kind()), if is_lost { Err(Kind::Disk) } else { Ok(()) });
        if !is_lost {
            feeder.commit();
            assert_eq!(feeder.outcome(entry), Some(None));
            assert_eq!(feeder.tree(), ["f", "other"]);
        }
    }
}
