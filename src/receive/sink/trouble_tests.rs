//! What other programs, other receivers and small disks do to files that are on their way.

use super::coverage::{Chunks, Coverage, Input};
use super::open::FILES_OPEN_MAX;
use super::resume_tests::{CHUNK, file_of, interrupted, part_name, put, receive, rules, send_chunk};
use super::tests::{Feeder, META, content, path, scarce};
use super::*;
use crate::disk::memory::{MemoryDisk, MemoryFile};
use crate::disk::{Access, File, Kind as DiskKind};
use crate::proto::frame::Reason;
use crate::proto::limits::RUNS_MAX;
use crate::proto::manifest::{Item, Meta};
use crate::proto::path::Name;
use crate::receive::OnConflict;

/// A receiver that has the first chunk of `f` and then so many other files that the part file had to be
/// closed.
fn closed(disk: &MemoryDisk, bytes: &[u8]) -> (Feeder, u64) {
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    send_chunk(&mut feeder, entry, CHUNK, 0, bytes);
    for number in 0..FILES_OPEN_MAX {
        let other = feeder.file(&format!("other{number}"), 2);
        feeder.write(other, 0, b"x").unwrap();
    }
    (feeder, entry)
}

fn part_of(disk: &MemoryDisk) -> MemoryFile {
    disk.root().open_file(&part_name(), Access::ReadWrite).unwrap()
}

/// A new part file in the place of the one that was written would be full of gaps, and nothing else would
/// tell.
#[test]
fn a_part_file_that_vanished_is_not_made_anew() {
    let disk = scarce();
    let bytes = content(3 << 19);
    let (mut feeder, entry) = closed(&disk, &bytes);
    disk.root().remove_file(&part_name()).unwrap();
    for now_ms in [0, 60_000] {
        assert!(feeder.sink.checkpoint(now_ms).unwrap().is_none());
    }
    (1..3).for_each(|index| send_chunk(&mut feeder, entry, CHUNK, index, &bytes));
    feeder.finish(entry, &bytes).unwrap();
    feeder.commit();
    assert!(feeder.outcome(entry).unwrap().is_some());
    assert!(disk.contents(&path("f")).is_none());
}

#[test]
fn a_part_file_that_was_written_to_meanwhile_is_not_gone_on_with() {
    let disk = scarce();
    let bytes = content(3 << 19);
    let (mut feeder, entry) = closed(&disk, &bytes);
    part_of(&disk).write_at(b"another's", 5).unwrap();
    (1..3).for_each(|index| send_chunk(&mut feeder, entry, CHUNK, index, &bytes));
    feeder.finish(entry, &bytes).unwrap();
    feeder.commit();
    assert_eq!(feeder.failed(entry), Reason::Unwritable);
    assert!(disk.contents(&path("f")).is_none());
}

/// It would write on in what has got its final name.
#[test]
fn a_complete_file_is_locked_until_it_has_its_name() {
    let disk = MemoryDisk::new();
    let bytes = content(2 << 19);
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
    assert!(feeder.sink.checkpoint(0).unwrap().is_none());
    let checkpoint = feeder.sink.checkpoint(60_000).unwrap().unwrap();
    feeder.sink.checkpointed(checkpoint.run()).unwrap();
    send_chunk(&mut feeder, entry, CHUNK, 1, &bytes);
    feeder.finish(entry, &bytes).unwrap();
    for number in 0..40 {
        feeder.send(&format!("other{number}"), b"x");
    }
    let error = Feeder::new(disk.beside()).try_file("f", bytes.len()).unwrap_err();
    assert!(error.to_string().contains("another p2pc"), "{error}");
    feeder.commit();
    assert_eq!(feeder.outcome(entry), Some(None));
    assert!(disk.contents(&path("f")).unwrap() == bytes);
}

fn sparse(name: &str, size: u64, holes: u64) -> Item<'_> {
    Item::File { name: name.as_bytes(), size: Some(size), meta: META, holes }
}

#[test]
fn what_is_missing_of_a_file_with_holes_is_not_taken_for_data() {
    let disk = MemoryDisk::new();
    let size = 100 << 19;
    let mut bytes = content(1 << 19);
    bytes.resize(size, 0);
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.prepare(&sparse("f", size as u64, 98 << 19));
    send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
    drop(feeder);
    disk.set_capacity(Some(2 << 20));
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.prepare(&sparse("f", size as u64, 98 << 19));
    assert!(feeder.wanted(entry).is_some());
}

#[test]
fn what_a_useless_part_file_takes_is_free_for_the_next() {
    let disk = MemoryDisk::new();
    let bytes = content(4 << 19);
    interrupted(&disk, &bytes, 3);
    disk.set_capacity(Some(5 << 19));
    let mut feeder = Feeder::with(
        disk.clone(),
        Rules { on_conflict: OnConflict::Skip, resume: false, ..Rules::default() },
    );
    assert_eq!(receive(&mut feeder, &bytes), None);
    assert!(disk.contents(&path("f")).unwrap() == bytes);
}

#[test]
fn holes_of_a_file_that_is_replaced_stay_holes() {
    let disk = MemoryDisk::new();
    let mut old = content(1 << 19);
    old.resize(9 << 19, 0);
    put(&disk, "f", &old[..1 << 19]);
    file_of(&disk, "f").set_len(old.len() as u64).unwrap();
    let mut new = old.clone();
    new[5 << 19..][..9].copy_from_slice(b"something");
    let lengthened = [&new[..], b"and more"].concat();
    for new in [new, lengthened] {
        let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Overwrite));
        assert_eq!(receive(&mut feeder, &new), None);
        assert!(disk.contents(&path("f")).unwrap() == new);
        let allocated = disk.root().stat(&Name::new(b"f").unwrap()).unwrap().allocated.unwrap();
        assert!(allocated <= (2 << 19) + (64 << 10), "{allocated}");
    }
}

/// What is asked for because too much was scattered may begin anywhere.
#[test]
fn what_is_too_scattered_to_be_compared_may_still_come() {
    let mut chunks = Chunks::new(20_000 << 19, CHUNK);
    let value = crate::proto::chunk::ChunkValue([7; 32]);
    let learnt = (0..3 * RUNS_MAX as u64).filter(|number| chunks.learn(3 + 2 * number, value)).count();
    assert_eq!(learnt, 2 * RUNS_MAX);
    let mut coverage = Coverage::Chunks(chunks);
    let mut done = Vec::new();
    coverage.feed(0, Input::Zeros(1 << 19), &mut done).unwrap();
    assert_eq!(done.len(), 1);
    // Not without end.
    let more = (0..100)
        .try_for_each(|number| coverage.feed((10_000 + 2 * number) << 19, Input::Zeros(1 << 19), &mut done));
    assert!(more.is_err());
}

#[test]
fn a_number_that_was_not_needed_is_free_again() {
    let disk = MemoryDisk::new();
    put(&disk, "f", b"old");
    put(&disk, "f (1)", b"new");
    let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Rename));
    assert_eq!(receive(&mut feeder, b"new"), None);
    let other = feeder.send("f (2)", b"another");
    feeder.commit();
    assert_eq!(feeder.outcome(other), Some(None));
    assert_eq!(feeder.tree(), ["f", "f (1)", "f (2)"]);
    assert!(feeder.sink.taken.is_empty() && feeder.sink.numbered.is_empty());
}

/// Killed between the mode and the name, which may take as long as the disk needs for all of it.
#[test]
fn a_part_file_that_has_its_mode_already_is_gone_on_with() {
    let disk = MemoryDisk::new();
    let bytes = content(3 << 19);
    interrupted(&disk, &bytes, 3);
    part_of(&disk).set_meta(&Meta { mode: Some(0o444), ..META }).unwrap();
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    assert_eq!(feeder.verdict(entry), Verdict::Wait);
    drop(feeder);
    assert_eq!(receive(&mut Feeder::new(disk.clone()), &bytes), None);
    assert!(disk.contents(&path("f")).unwrap() == bytes);
}

#[test]
fn a_link_takes_the_place_of_a_file_that_was_begun() {
    let disk = MemoryDisk::new();
    interrupted(&disk, &content(3 << 19), 2);
    put(&disk, "f", b"old");
    let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Overwrite));
    let link = feeder.link("f", "target");
    feeder.commit();
    assert_eq!(feeder.outcome(link), Some(None));
    assert_eq!(disk.tree(), [("f".to_owned(), DiskKind::Link)]);
}

/// Until its name is durable a power loss may bring the part file back, and without its journal all of it
/// would be sent again.
#[test]
fn a_journal_goes_when_the_name_of_its_file_is_durable() {
    let disk = MemoryDisk::new();
    let bytes = content(3 << 19);
    interrupted(&disk, &bytes, 2);
    let before = disk.changes();
    assert_eq!(receive(&mut Feeder::new(disk.clone()), &bytes), None);
    let journal = String::from_utf8_lossy(Name::new(b"f").unwrap().journal_file().as_bytes()).into_owned();
    let ops: Vec<_> = disk.ops().split_off(before);
    let at = |verb: &str, name: &str| ops.iter().position(|op| op.verb == verb && op.name == name).unwrap();
    let (renamed, removed) = (at("rename", "f"), at("remove", &journal));
    assert!(ops[renamed..removed].iter().any(|op| op.verb == "sync-dir"), "{ops:?}");
}

#[test]
fn a_journal_that_cannot_be_begun_is_none() {
    let disk = MemoryDisk::new();
    let bytes = content(2 << 19);
    let journal = Name::new(b"f").unwrap().journal_file();
    let shown = String::from_utf8_lossy(journal.as_bytes()).into_owned();
    disk.fail_on("write", &shown, std::io::ErrorKind::FileTooLarge);
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
    for now_ms in [0, 60_000] {
        assert!(feeder.sink.checkpoint(now_ms).unwrap().is_none());
    }
    assert!(disk.root().stat(&journal).is_err());
    send_chunk(&mut feeder, entry, CHUNK, 1, &bytes);
    feeder.finish(entry, &bytes).unwrap();
    feeder.commit();
    assert_eq!(feeder.outcome(entry), Some(None));
}

/// The checkpoint holds the lock of what it makes durable: closed and opened again meanwhile, the file would
/// seem to be another receiver's.
#[test]
fn a_file_that_is_being_made_durable_is_not_closed() {
    let disk = MemoryDisk::new();
    let bytes = content(3 << 19);
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
    assert!(feeder.sink.checkpoint(0).unwrap().is_none());
    let checkpoint = feeder.sink.checkpoint(60_000).unwrap().unwrap();
    for number in 0..2 * FILES_OPEN_MAX {
        let other = feeder.file(&format!("other{number}"), 2);
        feeder.write(other, 0, b"x").unwrap();
        assert!(feeder.sink.open.len() <= FILES_OPEN_MAX);
    }
    (1..3).for_each(|index| send_chunk(&mut feeder, entry, CHUNK, index, &bytes));
    feeder.sink.checkpointed(checkpoint.run()).unwrap();
    feeder.finish(entry, &bytes).unwrap();
    feeder.commit();
    assert_eq!(feeder.outcome(entry), Some(None));
    assert!(disk.contents(&path("f")).unwrap() == bytes);
}

/// Under another name nobody would ever go on with it.
#[test]
fn what_was_left_under_the_old_name_goes_when_the_file_gets_a_new_one() {
    let bytes = content(3 << 19);
    for has_part in [true, false] {
        let disk = MemoryDisk::new();
        interrupted(&disk, &bytes, 2);
        if !has_part {
            disk.root().remove_file(&part_name()).unwrap();
        }
        put(&disk, "f", b"old");
        let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Rename));
        assert_eq!(receive(&mut feeder, &bytes), None);
        assert_eq!(feeder.tree(), ["f", "f (1)"]);
    }
}

/// Of a frame full of small files the ends come after all of them, when most had to be closed.
#[test]
fn a_small_file_of_which_all_has_come_is_not_opened_again() {
    let disk = scarce();
    let mut feeder = Feeder::new(disk.clone());
    let name = |number| format!("f{number}");
    let entries: Vec<_> = (0..2 * FILES_OPEN_MAX).map(|number| feeder.file(&name(number), 2)).collect();
    for entry in &entries {
        feeder.write(*entry, 0, b"xx").unwrap();
    }
    for number in 0..FILES_OPEN_MAX {
        let part = Name::new(name(number).as_bytes()).unwrap().part_file();
        let part = String::from_utf8(part.as_bytes().to_vec()).unwrap();
        disk.fail_on("open", &part, std::io::ErrorKind::PermissionDenied);
    }
    feeder.finish(entries[0], b"yy").unwrap();
    for entry in &entries[1..] {
        feeder.finish(*entry, b"xx").unwrap();
    }
    feeder.commit();
    assert_eq!(feeder.failed(entries[0]), Reason::Corrupt);
    for (number, entry) in entries.iter().enumerate().skip(1) {
        assert_eq!(feeder.outcome(*entry), Some(None));
        let stat = disk.root().stat(&Name::new(name(number).as_bytes()).unwrap()).unwrap();
        assert_eq!((stat.size, stat.meta), (2, META));
    }
    assert_eq!(disk.tree().len(), entries.len() - 1, "nothing else is left");
}

#[test]
fn more_of_a_file_of_which_all_has_come_is_a_breach() {
    let mut feeder = Feeder::new(scarce());
    let entries: Vec<_> = (0..2 * FILES_OPEN_MAX).map(|at| feeder.file(&format!("f{at}"), 2)).collect();
    for entry in &entries {
        feeder.write(*entry, 0, b"xx").unwrap();
    }
    let error = feeder.write(entries[0], 2, b"").unwrap_err();
    assert!(error.to_string().contains("all has come"), "{error}");
}

/// Part files stay open and locked while they wait for their end, and are closed where no descriptor is left.
#[test]
fn part_files_that_wait_for_their_end_are_closed_where_no_descriptor_is_left() {
    let disk = MemoryDisk::new();
    let mut feeder = Feeder::new(disk.clone());
    let names: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
    disk.set_descriptors(Some(disk.descriptors() + 40));
    let entries: Vec<u64> = names.iter().map(|name| feeder.file(name, 2)).collect();
    for entry in &entries {
        feeder.write(*entry, 0, b"xx").unwrap();
    }
    for (entry, name) in entries.iter().zip(&names) {
        feeder.finish(*entry, b"xx").unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    feeder.commit();
    assert!(entries.iter().all(|entry| feeder.outcome(*entry) == Some(None)));
    assert_eq!(feeder.tree().len(), names.len(), "nothing else is left");
}

/// Whether one sync covers a file is asked of its directory, and a disk that is broken must be told of then.
#[test]
fn a_broken_disk_is_told_of_when_a_file_is_put_away() {
    let disk = scarce();
    let mut feeder = Feeder::new(disk.clone());
    feeder.prepare(&Item::Directory { name: b"d" });
    let entries: Vec<_> = (0..FILES_OPEN_MAX).map(|at| feeder.file(&format!("f{at}"), 2)).collect();
    for entry in &entries {
        feeder.write(*entry, 0, b"xx").unwrap();
    }
    feeder.sink.dirs.forget(&path("d"));
    disk.fail_on("enter", "d", std::io::ErrorKind::OutOfMemory);
    let error = feeder.sink.put_away(entries[0]).unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::Disk);
}

/// A directory that was just made is not looked into for every file that comes into it.
#[test]
fn what_somebody_puts_into_a_directory_of_ours_meanwhile_stays() {
    for on_conflict in [OnConflict::Skip, OnConflict::Overwrite, OnConflict::Rename] {
        let disk = MemoryDisk::new();
        let mut feeder = Feeder::with(disk.clone(), rules(on_conflict));
        feeder.dir("d");
        let inside = disk.root().open_dir(&Name::new(b"d").unwrap()).unwrap();
        inside.create_file(&Name::new(b"f").unwrap()).unwrap().write_at(b"theirs", 0).unwrap();
        let entry = feeder.send("f", b"ours");
        let other = feeder.send("g", b"ours");
        feeder.end();
        feeder.commit();
        assert_eq!(feeder.failed(entry), Reason::Exists);
        assert_eq!(feeder.outcome(other), Some(None));
        assert!(disk.contents(&path("d/f")).unwrap() == b"theirs");
        assert_eq!(feeder.tree(), ["d", "d/f", "d/g"]);
    }
}

/// What came in one piece has its hash, and nothing is added to it.
#[test]
fn a_file_that_came_in_one_piece_takes_no_other() {
    for again in [0, 1] {
        let mut feeder = Feeder::new(MemoryDisk::new());
        let entry = feeder.file("f", 4);
        feeder.write(entry, 0, b"once").unwrap();
        let error = feeder.write(entry, again, &b"once"[usize::try_from(again).unwrap()..]).unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol, "{error}");
    }
    let mut feeder = Feeder::new(MemoryDisk::new());
    let entry = feeder.file("f", 4);
    feeder.write(entry, 0, b"once").unwrap();
    feeder.finish(entry, b"else").unwrap();
    assert_eq!(feeder.failed(entry), Reason::Corrupt);
    assert!(feeder.tree().is_empty());
}

/// What is said to who is to be second.
fn refused(disk: &MemoryDisk, name: &str, size: usize) -> String {
    let mut second = Feeder::new(disk.beside());
    let error = second.try_file(name, size).and_then(|id| second.write(id, 0, b"x")).unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::Disk);
    error.to_string()
}

/// The second one would remove them and make its own, and many disks give those the same numbers.
#[test]
fn small_files_are_locked_until_they_have_their_names() {
    let disk = MemoryDisk::new();
    let mut first = Feeder::new(disk.clone());
    let entries: Vec<_> = (0..40).map(|number| first.send(&format!("f{number}"), b"first")).collect();
    // So many others are begun that most are put away, some whole and some not.
    let begun: Vec<_> = (0..3 * FILES_OPEN_MAX).map(|number| first.file(&format!("g{number}"), 2)).collect();
    for (number, entry) in begun.iter().enumerate() {
        first.write(*entry, 0, &b"xx"[number % 2..]).unwrap();
    }
    for name in ["f0", "f39", "g0", "g1", "g47"] {
        assert!(refused(&disk, name, 5).starts_with("another p2pc is receiving"), "{name}");
    }
    first.commit();
    assert!(entries.iter().all(|entry| first.outcome(*entry) == Some(None)));
    assert!((0..40).all(|number| disk.contents(&path(&format!("f{number}"))).unwrap() == b"first"));
}

/// A lock can be asked for by who may only read.
#[test]
fn a_file_that_is_read_only_already_is_locked_all_the_same() {
    for size in [3, 2 << 19] {
        let disk = MemoryDisk::new();
        let bytes = content(size);
        let mut first = Feeder::new(disk.clone());
        let meta = Meta { mode: Some(0o444), ..META };
        let entry = first.prepare(&Item::File { name: b"f", size: Some(size as u64), meta, holes: 0 });
        bytes.chunks(1 << 19).enumerate().for_each(|(index, chunk)| {
            first.write(entry, (index << 19) as u64, chunk).unwrap();
        });
        first.finish(entry, &bytes).unwrap();
        assert!(refused(&disk, "f", size).starts_with("another p2pc is receiving"), "{size}");
        first.commit();
        assert_eq!(first.outcome(entry), Some(None));
        assert!(disk.contents(&path("f")).unwrap() == bytes);
    }
}

/// A receiver that has `f` and others, all of which had to be closed; and a second one that has put its own
/// in the place of that.
fn taken_over() -> (MemoryDisk, Feeder, Feeder) {
    let disk = MemoryDisk::new();
    let mut first = Feeder::new(disk.clone());
    for name in ["e", "f", "g"] {
        first.send(name, b"first");
    }
    first.sink.group.close();
    let number = || disk.root().stat(&part_name()).unwrap().id;
    let before = number();
    let mut second = Feeder::new(disk.beside());
    let entry = second.file("f", 5);
    second.write(entry, 0, b"other").unwrap();
    assert_eq!(number(), before);
    (disk, first, second)
}

#[test]
fn what_another_receiver_puts_in_the_place_of_a_closed_file_is_not_delivered() {
    let (disk, mut first, mut second) = taken_over();
    let error = first.sink.commit(&mut first.events).unwrap_err();
    assert!(error.to_string().starts_with("another p2pc is receiving"), "{error}");
    // Nor is it removed.
    drop(first);
    second.finish(0, b"other").unwrap();
    second.commit();
    assert_eq!(second.outcome(0), Some(None));
    assert_eq!(disk.contents(&path("f")).unwrap(), b"other");
}

#[test]
fn what_a_receiver_left_in_the_place_of_a_closed_file_is_not_delivered() {
    let (_, mut first, second) = taken_over();
    let disk = second.disk.kill();
    first.commit();
    assert_eq!(
        [0, 1, 2].map(|entry| first.outcome(entry)),
        [Some(None), Some(Some(Reason::Unwritable)), Some(None)]
    );
    assert!(told(&first, 1).contains("replaced"));
    assert!(disk.contents(&path("f")).is_none());
}

fn told(feeder: &Feeder, id: u64) -> String {
    let failure = feeder.events.iter().find_map(|event| match event {
        SinkEvent::Resolved { entry, failure: Some(failure) } if *entry == id => Some(failure.text.clone()),
        _ => None,
    });
    failure.unwrap()
}

#[test]
fn a_part_file_that_was_removed_is_no_missing_directory() {
    let disk = MemoryDisk::new();
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.send("f", b"f");
    disk.root().remove_file(&part_name()).unwrap();
    feeder.commit();
    assert_eq!(feeder.failed(entry), Reason::Unwritable);
    assert_eq!(told(&feeder, entry), "its part file was removed by another program");
}

/// What would not be found again after a power cut is not kept for the next session.
#[test]
fn a_journal_in_a_directory_that_cannot_be_synced_claims_nothing() {
    let disk = MemoryDisk::new();
    let bytes = content(2 << 19);
    let mut feeder = Feeder::new(disk.clone());
    let entry = feeder.file("f", bytes.len());
    send_chunk(&mut feeder, entry, CHUNK, 0, &bytes);
    assert!(feeder.sink.checkpoint(0).unwrap().is_none());
    let checkpoint = feeder.sink.checkpoint(60_000).unwrap().unwrap();
    disk.fail_on("sync-dir", "", std::io::ErrorKind::PermissionDenied);
    feeder.sink.checkpointed(checkpoint.run()).unwrap();
    drop(feeder);
    assert!(disk.tree().is_empty());
}

#[test]
fn a_name_that_another_entry_got_as_a_number_gets_a_number() {
    let disk = MemoryDisk::new();
    put(&disk, "f", b"older");
    let mut feeder = Feeder::with(disk.clone(), rules(OnConflict::Rename));
    let entries = [feeder.send("f", b"one"), feeder.send("f (1)", b"two"), feeder.link("f (1) (1)", "f")];
    // But only of those that have one.
    let again = feeder.file("f (1)", 3);
    feeder.commit();
    assert!(entries.iter().all(|entry| feeder.outcome(*entry) == Some(None)));
    assert_eq!(feeder.failed(again), Reason::Exists);
    assert_eq!(feeder.tree(), ["f", "f (1)", "f (1) (1)", "f (1) (1) (1)"]);
    assert_eq!(disk.contents(&path("f (1)")).unwrap(), b"one");
    assert_eq!(disk.contents(&path("f (1) (1)")).unwrap(), b"two");
    assert!(feeder.sink.taken.is_empty() && feeder.sink.numbered.is_empty());
}
