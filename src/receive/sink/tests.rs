//! The sink over a disk in memory: order, collisions, failures, and senders that lie.

use std::io::ErrorKind;

use super::*;
use crate::disk::memory::{MemoryDisk, Spelling};
use crate::disk::{File, Kind as DiskKind};
use crate::proto::frame::Reason;
use crate::proto::manifest::{Item, Meta, Nesting};
use crate::proto::path::Name;

pub(super) const META: Meta = Meta { mode: Some(0o640), mtime_s: 77, mtime_ns: 5 };

/// Feeds a sink as a driver would and keeps what it says.
pub(super) struct Feeder {
    pub(super) disk: MemoryDisk,
    pub(super) sink: Sink<crate::disk::memory::MemoryDir>,
    stop: Stop,
    nesting: Nesting,
    pub(super) events: Vec<SinkEvent>,
    gets_taken: usize,
}

impl Feeder {
    pub(super) fn new(disk: MemoryDisk) -> Feeder {
        Feeder::with(disk, Rules::default())
    }

    pub(super) fn with(disk: MemoryDisk, rules: Rules) -> Feeder {
        let stop = Stop::new();
        let sink = Sink::new(disk.root(), ChunkSize::MIN, rules, stop.clone());
        Feeder { stop, ..Feeder::of(disk, sink) }
    }

    pub(super) fn of(disk: MemoryDisk, sink: Sink<crate::disk::memory::MemoryDir>) -> Feeder {
        let stop = Stop::new();
        Feeder { disk, sink, stop, nesting: Nesting::new(), events: Vec::new(), gets_taken: 0 }
    }

    pub(super) fn summed(&mut self) -> Vec<Summed> {
        self.sink.summed()
    }

    pub(super) fn job(&mut self, job: Job) -> Result<()> {
        self.sink.handle(job, &mut self.events)
    }

    pub(super) fn prepare(&mut self, item: &Item<'_>) -> u64 {
        let entry = self.nesting.place(item).unwrap();
        let id = entry.id;
        self.job(Job::Prepare(entry)).unwrap();
        id
    }

    pub(super) fn file(&mut self, name: &str, size: usize) -> u64 {
        self.prepare(&Item::File { name: name.as_bytes(), size: Some(size as u64), meta: META, holes: 0 })
    }

    pub(super) fn try_file(&mut self, name: &str, size: usize) -> Result<u64> {
        let item = Item::File { name: name.as_bytes(), size: Some(size as u64), meta: META, holes: 0 };
        let entry = self.nesting.place(&item).unwrap();
        let id = entry.id;
        self.job(Job::Prepare(entry)).map(|()| id)
    }

    pub(super) fn dir(&mut self, name: &str) -> u64 {
        self.prepare(&Item::Directory { name: name.as_bytes() })
    }

    pub(super) fn end(&mut self) -> u64 {
        self.prepare(&Item::DirectoryEnd { meta: META })
    }

    pub(super) fn link(&mut self, name: &str, target: &str) -> u64 {
        self.prepare(&Item::Link { name: name.as_bytes(), target: target.as_bytes(), meta: META })
    }

    pub(super) fn write(&mut self, entry: u64, offset: u64, bytes: &[u8]) -> Result<()> {
        let piece = Piece::Bytes { entry, offset, length: u32::try_from(bytes.len()).unwrap() };
        self.job(Job::Write { pieces: vec![piece], payload: Bytes::copy_from_slice(bytes), cost: 4096 })
    }

    pub(super) fn finish(&mut self, entry: u64, bytes: &[u8]) -> Result<()> {
        let root = *blake3::hash(bytes).as_bytes();
        self.job(Job::Finish(FileEnd { entry, size: bytes.len() as u64, root }))
    }

    pub(super) fn send(&mut self, name: &str, bytes: &[u8]) -> u64 {
        let entry = self.file(name, bytes.len());
        if !bytes.is_empty() && self.is_wanted(entry) {
            self.write(entry, 0, bytes).unwrap();
        }
        self.finish(entry, bytes).unwrap();
        entry
    }

    pub(super) fn commit(&mut self) {
        self.sink.commit(&mut self.events).unwrap();
    }

    pub(super) fn is_wanted(&self, id: u64) -> bool {
        self.events.contains(&SinkEvent::Planned { entry: id, verdict: Verdict::Send })
    }

    /// The reason it failed with; `None` if it was delivered.
    pub(super) fn outcome(&self, id: u64) -> Option<Option<Reason>> {
        self.events.iter().find_map(|event| match event {
            SinkEvent::Resolved { entry, failure } if *entry == id => {
                Some(failure.as_ref().map(|failure| failure.reason))
            }
            _ => None,
        })
    }

    /// What was planned for it.
    pub(super) fn verdict(&self, id: u64) -> Verdict {
        let planned = self.events.iter().find_map(|event| match event {
            SinkEvent::Planned { entry, verdict } if *entry == id => Some(*verdict),
            _ => None,
        });
        planned.expect("not planned")
    }

    /// What was asked for last, if that was not given yet.
    pub(super) fn wanted(&mut self, id: u64) -> Option<Get> {
        let mut gets = self.events.iter().filter_map(|event| match event {
            SinkEvent::Get(get) if get.entry == id => Some(get.clone()),
            _ => None,
        });
        let get = gets.nth(self.gets_taken)?;
        self.gets_taken += 1;
        Some(get)
    }

    pub(super) fn failed(&self, id: u64) -> Reason {
        self.outcome(id).expect("no outcome").expect("delivered")
    }

    pub(super) fn tree(&self) -> Vec<String> {
        self.disk.tree().into_iter().map(|(path, _)| path).collect()
    }
}

/// Bytes that repeat nowhere.
pub(super) fn content(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// A disk of a system that has hardly any descriptors.
pub(super) fn scarce() -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.set_files_max(0);
    disk
}

pub(super) fn path(text: &str) -> RelPath {
    text.split('/')
        .fold(RelPath::root(), |path, name| path.join(&Name::new(name.as_bytes()).unwrap()).unwrap())
}

/// After every event that says "delivered", it must be so after a crash as well.
#[test]
fn data_sync_then_rename_then_directory_sync_then_told() {
    for syncs_whole in [true, false] {
        for count in [1, 40, 2100] {
            let mut feeder = Feeder::new(MemoryDisk::with(Spelling::Exact, syncs_whole));
            let mut paths = vec![(feeder.dir("d"), path("d"))];
            for number in 0..count {
                let name = format!("f{number}");
                let entry = feeder.send(&name, b"content");
                paths.push((entry, path(&format!("d/{name}"))));
                if number % 300 != 299 {
                    continue;
                }
                let told = paths.iter().filter(|(entry, _)| feeder.outcome(*entry) == Some(None));
                assert!(told.into_iter().all(|(_, path)| feeder.disk.is_durable(path)));
            }
            paths.push((feeder.end(), path("d")));
            feeder.commit();
            for (entry, path) in &paths {
                assert_eq!(feeder.outcome(*entry), Some(None));
                assert!(feeder.disk.is_durable(path), "{path:?}");
            }
            let ops = feeder.disk.ops();
            let at = |verb: &str, name: &str| ops.iter().position(|op| op.verb == verb && op.name == name);
            let part = Name::new(b"f0").unwrap().part_file();
            let part = String::from_utf8_lossy(part.as_bytes()).into_owned();
            let sync = ops
                .iter()
                .position(|op| (op.verb == "sync" && op.name == part) || op.verb == "sync-all")
                .unwrap();
            let rename = at("rename", "f0").unwrap();
            let last_meta = at("meta", "d").unwrap();
            assert!(at("meta", &part).unwrap() < sync && sync < rename && rename < last_meta);
            assert!(ops[last_meta..].iter().any(|op| op.verb == "sync-dir" || op.verb == "sync-all"));
            // Two syncs of the whole, or one for each file and directory where there is no such thing.
            let syncs = ops.iter().filter(|op| op.verb.starts_with("sync")).count();
            if syncs_whole && count > 40 {
                assert!(syncs < 20, "{syncs}");
            }
        }
    }
}

#[test]
fn every_item_is_planned_once_and_in_order() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    feeder.dir("d");
    feeder.link("l", "x");
    let empty = feeder.send("empty", b"");
    let unsent = Failure::new(Reason::Special, "");
    let unsent = feeder.prepare(&Item::Unsent { name: b"pipe", failure: unsent.as_wire() });
    feeder.end();
    feeder.commit();
    let planned: Vec<u64> = feeder
        .events
        .iter()
        .filter_map(|event| match event {
            SinkEvent::Planned { entry, .. } => Some(*entry),
            _ => None,
        })
        .collect();
    assert_eq!(planned, [0, 1, 2, 3, 4]);
    let resolved = feeder.events.iter().filter(|event| matches!(event, SinkEvent::Resolved { .. })).count();
    assert_eq!(resolved, 5);
    assert_eq!((feeder.outcome(empty), feeder.failed(unsent)), (Some(None), Reason::Special));
    assert_eq!(feeder.tree(), ["d", "d/empty", "d/l"]);
    assert!(feeder.sink.group.is_empty());
}

#[test]
fn a_directory_ends_after_everything_in_it() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    feeder.dir("a");
    let inner = feeder.dir("b");
    let file = feeder.file("f", 3);
    let (inner_end, outer_end) = (feeder.end(), feeder.end());
    feeder.commit();
    assert_eq!(feeder.outcome(inner), Some(None));
    assert_eq!((feeder.outcome(inner_end), feeder.outcome(outer_end)), (None, None));
    feeder.write(file, 0, b"abc").unwrap();
    feeder.finish(file, b"abc").unwrap();
    feeder.commit();
    assert_eq!((feeder.outcome(inner_end), feeder.outcome(outer_end)), (Some(None), Some(None)));
    let ops = feeder.disk.ops();
    let at = |verb: &str, name: &str| ops.iter().position(|op| op.verb == verb && op.name == name).unwrap();
    assert!(at("rename", "f") < at("meta", "b") && at("meta", "b") < at("meta", "a"));
    let a = feeder.disk.root().stat(&Name::new(b"a").unwrap()).unwrap();
    assert_eq!(a.meta, META);
}

#[test]
fn what_exists_is_left_alone() {
    let disk = MemoryDisk::new();
    let name = |text: &str| Name::new(text.as_bytes()).unwrap();
    let root = disk.root();
    root.create_file(&name("file")).unwrap().write_at(b"old", 0).unwrap();
    root.symlink(&name("link"), b"file", &META).unwrap();
    disk.put_device("device");
    root.create_dir(&name("dir")).unwrap();
    let mut feeder = Feeder::new(disk);
    for name in ["file", "link", "device", "dir"] {
        let reason = if name == "dir" { Reason::DirectoryThere } else { Reason::Exists };
        let entry = feeder.file(name, 4);
        assert!(!feeder.is_wanted(entry));
        assert_eq!(feeder.failed(entry), reason, "{name}");
        let entry = feeder.link(name, "x");
        assert_eq!(feeder.failed(entry), reason, "{name}");
    }
    for name in ["file", "link", "device"] {
        let begin = feeder.dir(name);
        let inside = feeder.file("inside", 1);
        let nested = feeder.dir("nested");
        let (nested_end, end) = (feeder.end(), feeder.end());
        assert_eq!((feeder.failed(begin), feeder.failed(end)), (Reason::Exists, Reason::Exists));
        for entry in [inside, nested, nested_end] {
            assert_eq!(feeder.failed(entry), Reason::NoDirectory);
        }
    }
    // A directory of that name is entered.
    let begin = feeder.dir("dir");
    feeder.send("new", b"new");
    let end = feeder.end();
    feeder.commit();
    assert_eq!((feeder.outcome(begin), feeder.outcome(end)), (Some(None), Some(None)));
    assert_eq!(feeder.disk.contents(&path("file")).unwrap(), b"old");
    assert_eq!(feeder.tree(), ["device", "dir", "dir/new", "file", "link"]);
}

#[test]
fn what_appears_while_a_file_comes_is_left_alone_too() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    let entry = feeder.file("f", 3);
    feeder.write(entry, 0, b"new").unwrap();
    let late = feeder.disk.root().create_file(&Name::new(b"f").unwrap()).unwrap();
    late.write_at(b"other", 0).unwrap();
    feeder.finish(entry, b"new").unwrap();
    feeder.commit();
    assert_eq!(feeder.failed(entry), Reason::Exists);
    assert_eq!(feeder.disk.contents(&path("f")).unwrap(), b"other");
    assert_eq!(feeder.tree(), ["f"]);
}

#[test]
fn names_the_disk_takes_for_one_another_collide() {
    let mut feeder = Feeder::new(MemoryDisk::with(Spelling::Folded, true));
    // The second is found when it is announced, or only when it is renamed.
    feeder.send("README", b"1");
    feeder.commit();
    let announced = feeder.file("readme", 1);
    assert_eq!(feeder.failed(announced), Reason::Collides);
    let again = feeder.file("README", 2);
    assert_eq!(feeder.failed(again), Reason::Exists);
    // One that is on its way is itself, and no other that the disk takes for it.
    let (coming, twice) = (feeder.file("coming", 1), feeder.file("coming", 1));
    assert!(feeder.is_wanted(coming));
    assert_eq!(feeder.failed(twice), Reason::Exists);
    feeder.write(coming, 0, b"x").unwrap();
    feeder.finish(coming, b"x").unwrap();
    let composed = feeder.send("\u{e9}", b"composed");
    let decomposed = feeder.send("e\u{301}", b"decomposed");
    feeder.commit();
    assert_eq!(feeder.outcome(composed), Some(None));
    assert_eq!(feeder.failed(decomposed), Reason::Collides);
    assert_eq!(feeder.disk.contents(&path("\u{e9}")).unwrap(), b"composed");
    // Directories are not merged either.
    feeder.dir("Dir");
    feeder.end();
    let begin = feeder.dir("DIR");
    let inside = feeder.file("f", 1);
    let end = feeder.end();
    assert_eq!((feeder.failed(begin), feeder.failed(end)), (Reason::Collides, Reason::Collides));
    assert_eq!(feeder.failed(inside), Reason::NoDirectory);
    feeder.commit();
    assert_eq!(feeder.tree(), ["Dir", "README", "coming", "\u{e9}"]);
}

/// What is on its way stands nowhere yet, and the whole of the second one would be sent for nothing.
#[test]
fn names_that_differ_only_in_case_are_found_before_the_second_one_is_sent() {
    for (spelling, second) in [(Spelling::Folded, Some(Reason::Collides)), (Spelling::Exact, None)] {
        let mut feeder = Feeder::new(MemoryDisk::with(spelling, true));
        for is_new in [false, true] {
            if is_new {
                feeder.dir("d");
            }
            let (big, small) = (feeder.file("README", 3), feeder.file("readme", 3));
            let (upper, lower) = (feeder.file("\u{c4}", 3), feeder.file("\u{e4}", 3));
            for (first, other) in [(big, small), (upper, lower)] {
                assert!(feeder.is_wanted(first));
                if second.is_some() {
                    assert_eq!(feeder.verdict(other), Verdict::Nothing);
                    assert_eq!(feeder.outcome(other), Some(second));
                    continue;
                }
                feeder.write(other, 0, b"abc").unwrap();
                feeder.finish(other, b"abc").unwrap();
            }
            for first in [big, upper] {
                feeder.write(first, 0, b"abc").unwrap();
                feeder.finish(first, b"abc").unwrap();
            }
            // A directory and a link are in the way as well.
            feeder.link("Link", "README");
            let file = feeder.file("LINK", 1);
            assert_eq!(feeder.outcome(file), second.map(Some));
            if second.is_none() {
                feeder.write(file, 0, b"x").unwrap();
                feeder.finish(file, b"x").unwrap();
            }
            if is_new {
                feeder.end();
            }
            feeder.commit();
            let expected = [(big, None), (upper, None), (small, second), (lower, second), (file, second)];
            for (entry, failure) in expected {
                assert_eq!(feeder.outcome(entry), Some(failure));
            }
        }
        let names = if second.is_some() { 3 } else { 6 };
        assert_eq!(feeder.tree().len(), 2 * names + 1, "{:?}", feeder.tree());
    }
}

#[test]
fn a_link_sent_earlier_is_no_directory() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    feeder.dir("real");
    feeder.end();
    feeder.link("d", "real");
    let begin = feeder.dir("d");
    let inside = feeder.file("f", 1);
    feeder.end();
    assert_eq!((feeder.failed(begin), feeder.failed(inside)), (Reason::Exists, Reason::NoDirectory));
    for target in ["..", "../x", "/etc", "real/../.."] {
        let entry = feeder.link("out", target);
        assert_eq!(feeder.failed(entry), Reason::LinkOutside, "{target}");
    }
    feeder.commit();
    assert_eq!(feeder.tree(), ["d", "real"]);
}

#[test]
fn damaged_and_dropped_files_leave_nothing() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    let damaged = feeder.file("damaged", 3);
    feeder.write(damaged, 0, b"abd").unwrap();
    feeder.finish(damaged, b"abc").unwrap();
    assert_eq!(feeder.failed(damaged), Reason::Corrupt);
    let short = feeder.file("short", 3);
    feeder.write(short, 0, b"ab").unwrap();
    feeder.finish(short, b"ab").unwrap();
    assert_eq!(feeder.failed(short), Reason::Corrupt);
    let dropped = feeder.file("dropped", 3);
    feeder.write(dropped, 0, b"ab").unwrap();
    feeder.job(Job::Drop { entry: dropped, failure: Failure::new(Reason::Changed, "") }).unwrap();
    assert_eq!(feeder.failed(dropped), Reason::Changed);
    // What was on its way for them is passed over.
    feeder.write(dropped, 2, b"c").unwrap();
    feeder.finish(dropped, b"abc").unwrap();
    assert_eq!(feeder.tree(), [""; 0]);
    // The name is free again.
    let entry = feeder.send("dropped", b"abc");
    feeder.commit();
    assert_eq!(feeder.outcome(entry), Some(None));
}

#[test]
fn a_sender_that_contradicts_itself_ends_the_transfer() {
    type Lie = fn(&mut Feeder, u64) -> Result<()>;
    let lies: [Lie; 7] = [
        |feeder, entry| feeder.write(entry, 1, b"x"),
        |feeder, entry| feeder.write(entry, 0, b"xxxx"),
        |feeder, entry| feeder.write(entry, 0, b"xx").and_then(|()| feeder.write(entry, 1, b"x")),
        |feeder, entry| feeder.write(entry + 1, 0, b"x"),
        |feeder, entry| feeder.finish(entry + 1, b"x"),
        |feeder, entry| {
            feeder.job(Job::Drop { entry: entry + 1, failure: Failure::new(Reason::Changed, "") })
        },
        |feeder, entry| {
            let pieces = vec![Piece::Bytes { entry, offset: 0, length: 3 }];
            feeder.job(Job::Write { pieces, payload: Bytes::from_static(b"x"), cost: 0 })
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let mut feeder = Feeder::new(MemoryDisk::new());
        let entry = feeder.file("f", 3);
        assert_eq!(lie(&mut feeder, entry).unwrap_err().kind(), Kind::Protocol, "{number}");
        let disk = feeder.disk.clone();
        drop(feeder);
        assert!(disk.tree().is_empty());
    }
}

#[test]
fn one_name_sent_twice_at_once_arrives_once() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    let first = feeder.file("f", 3);
    feeder.write(first, 0, b"one").unwrap();
    let second = feeder.file("f", 3);
    assert_eq!(feeder.failed(second), Reason::Exists);
    feeder.finish(first, b"one").unwrap();
    feeder.commit();
    assert_eq!(feeder.disk.contents(&path("f")).unwrap(), b"one");
}

#[test]
fn a_part_file_of_a_killed_receiver_is_replaced() {
    let disk = MemoryDisk::new();
    let part = Name::new(b"f").unwrap().part_file();
    disk.root().create_file(&part).unwrap().write_at(b"stale and longer", 0).unwrap();
    let mut feeder = Feeder::new(disk);
    let entry = feeder.send("f", b"new");
    feeder.commit();
    assert_eq!(feeder.outcome(entry), Some(None));
    assert_eq!(feeder.disk.contents(&path("f")).unwrap(), b"new");
    assert_eq!(feeder.tree(), ["f"]);
}

#[test]
fn a_part_file_swapped_for_another_is_not_delivered() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    let entry = feeder.file("f", 3);
    feeder.write(entry, 0, b"new").unwrap();
    let part = Name::new(b"f").unwrap().part_file();
    feeder.disk.root().remove_file(&part).unwrap();
    feeder.disk.root().create_file(&part).unwrap().write_at(b"bad", 0).unwrap();
    feeder.finish(entry, b"new").unwrap();
    feeder.commit();
    assert_eq!(feeder.failed(entry), Reason::Unwritable);
    assert_eq!(feeder.disk.contents(&path("f")), None);
}

#[test]
fn many_files_at_once_need_few_descriptors() {
    let mut feeder = Feeder::new(scarce());
    let entries: Vec<u64> =
        (0..file::HASHING_MAX).map(|number| feeder.file(&format!("f{number}"), 2)).collect();
    for offset in 0..2 {
        for entry in &entries {
            feeder.write(*entry, offset, b"x").unwrap();
            let open = feeder.sink.files.values().filter(|file| file.is_open()).count();
            assert!(open <= open::FILES_OPEN_MAX && open == feeder.sink.open.len());
        }
    }
    for entry in &entries {
        feeder.finish(*entry, b"xx").unwrap();
    }
    feeder.commit();
    assert!(entries.iter().all(|entry| feeder.outcome(*entry) == Some(None)));
}

#[test]
fn a_failing_entry_stops_no_other_and_a_failing_disk_stops_all() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    feeder.disk.fail_on("mkdir", "denied", ErrorKind::PermissionDenied);
    feeder.disk.fail_on("symlink", "long", ErrorKind::InvalidFilename);
    feeder.disk.fail_on("rename", "f", ErrorKind::PermissionDenied);
    let denied = feeder.dir("denied");
    feeder.end();
    let long = feeder.link("long", "x");
    let unnamed = feeder.send("f", b"x");
    let good = feeder.send("good", b"x");
    feeder.commit();
    assert_eq!(feeder.failed(denied), Reason::Unwritable);
    assert_eq!(feeder.failed(long), Reason::NameUnfit);
    assert_eq!(feeder.failed(unnamed), Reason::Unwritable);
    assert_eq!(feeder.outcome(good), Some(None));
    assert_eq!(feeder.tree(), ["good"]);
}

/// Whatever operation the disk begins to fail at: the error names the disk, nothing is told as delivered that
/// is not durable, and nothing half stands under a final name.
#[test]
fn a_disk_that_fills_at_any_moment_leaves_only_whole_files() {
    for syncs_whole in [true, false] {
        for nth in 0.. {
            let disk = MemoryDisk::with(Spelling::Exact, syncs_whole);
            disk.fail_from(nth, ErrorKind::StorageFull);
            let mut feeder = Feeder::new(disk.clone());
            let run = |feeder: &mut Feeder| -> Result<()> {
                let mut item = |item: &Item<'_>| {
                    let entry = feeder.nesting.place(item).unwrap();
                    feeder.sink.handle(Job::Prepare(entry), &mut feeder.events)
                };
                item(&Item::Directory { name: b"d" })?;
                for name in [b"f1", b"f2"] {
                    item(&Item::File { name, size: Some(4), meta: META, holes: 0 })?;
                }
                item(&Item::DirectoryEnd { meta: META })?;
                for entry in [1, 2] {
                    feeder.write(entry, 0, b"fo")?;
                    feeder.write(entry, 2, b"ur")?;
                    feeder.finish(entry, b"four")?;
                }
                feeder.sink.commit(&mut feeder.events)
            };
            let result = run(&mut feeder);
            for (entry, path) in [(1, path("d/f1")), (2, path("d/f2"))] {
                if feeder.outcome(entry) == Some(None) {
                    assert!(disk.is_durable(&path));
                }
                if let Some(contents) = disk.contents(&path) {
                    assert_eq!(contents, b"four");
                }
            }
            match result {
                Ok(()) => break,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Disk);
                    assert!(error.hint_text().is_some(), "{error}");
                }
            }
        }
    }
}

#[test]
fn an_abandoned_sink_takes_its_part_files_with_it() {
    let mut feeder = Feeder::new(MemoryDisk::new());
    feeder.dir("d");
    let entry = feeder.file("f", 3);
    feeder.write(entry, 0, b"ab").unwrap();
    feeder.send("complete", b"not committed");
    let disk = feeder.disk.clone();
    drop(feeder);
    assert_eq!(disk.tree(), [("d".to_owned(), DiskKind::Directory)]);
}

#[test]
fn a_stopped_sink_does_nothing_more_and_cleans_up() {
    type Act = fn(&mut Feeder, u64) -> Result<()>;
    let acts: [Act; 6] = [
        |feeder, _| feeder.sink.commit(&mut feeder.events),
        |feeder, entry| feeder.write(entry, 2, b"c"),
        |feeder, entry| feeder.finish(entry, b"ab"),
        |feeder, entry| feeder.job(Job::Drop { entry, failure: Failure::new(Reason::Changed, "") }),
        |feeder, entry| {
            let pieces = vec![Piece::Zeros { entry, offset: 2, length: 1 }];
            feeder.job(Job::Write { pieces, payload: Bytes::new(), cost: 0 })
        },
        |feeder, _| {
            let link = Item::Link { name: b"link", target: b"x", meta: META };
            let entry = feeder.nesting.place(&link).unwrap();
            feeder.job(Job::Prepare(entry))
        },
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let mut feeder = Feeder::new(MemoryDisk::new());
        let entry = feeder.file("coming", 3);
        feeder.write(entry, 0, b"ab").unwrap();
        feeder.send("complete", b"not committed");
        let (told, done) = (feeder.events.len(), feeder.disk.ops().len());
        feeder.stop.stop();
        assert_eq!(act(&mut feeder, entry).unwrap_err().kind(), Kind::Interrupted, "{number}");
        assert_eq!((feeder.events.len(), feeder.disk.ops().len()), (told, done), "{number}");
        let disk = feeder.disk.clone();
        drop(feeder);
        assert!(disk.tree().is_empty(), "{number}");
    }
}

/// Wherever in a commit the person cancels: each sync may take its time, and there may be a thousand.
#[test]
fn a_commit_that_is_stopped_names_no_more_files() {
    for (verb, expected) in [("sync", [1, 0, 0]), ("rename", [3, 1, 0]), ("sync-dir", [3, 3, 1])] {
        let mut feeder = Feeder::new(MemoryDisk::with(Spelling::Exact, false));
        for name in ["a", "b", "c"] {
            feeder.dir(name);
            feeder.send("f", b"x");
            feeder.end();
        }
        let stop = feeder.stop.clone();
        feeder.disk.when(verb, move || stop.stop());
        assert_eq!(feeder.sink.commit(&mut feeder.events).unwrap_err().kind(), Kind::Interrupted);
        let count = |verb: &str| feeder.disk.ops().iter().filter(|op| op.verb == verb).count();
        assert_eq!(["sync", "rename", "sync-dir"].map(count), expected);
        let disk = feeder.disk.clone();
        drop(feeder);
        // Three directories, and in them what was renamed by then.
        assert_eq!(disk.tree().len(), 3 + expected[1]);
    }
}

#[test]
fn a_stopped_stream_takes_nothing_more() {
    let (mut out, stop) = (Vec::new(), Stop::new());
    let mut sink = StreamSink::new(&mut out, ChunkSize::MIN, stop.clone());
    let mut events = Vec::new();
    let entry = Nesting::new().place(&Item::File { name: b"f", size: None, meta: META, holes: 0 }).unwrap();
    sink.handle(Job::Prepare(entry), &mut events).unwrap();
    stop.stop();
    let pieces = vec![Piece::Bytes { entry: 0, offset: 0, length: 1 }];
    let job = Job::Write { pieces, payload: Bytes::from_static(b"x"), cost: 0 };
    assert_eq!(sink.handle(job, &mut events).unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(sink.commit(&mut events).unwrap_err().kind(), Kind::Interrupted);
    drop(sink);
    assert!(out.is_empty());
}

#[test]
fn a_stream_takes_one_file() {
    let mut out = Vec::new();
    let mut sink = StreamSink::new(&mut out, ChunkSize::MIN, Stop::new());
    let (mut events, mut nesting) = (Vec::new(), Nesting::new());
    let mut handle = |job| sink.handle(job, &mut events).unwrap();
    let items = [
        Item::Directory { name: b"d" },
        Item::File { name: b"inside", size: None, meta: META, holes: 0 },
        Item::DirectoryEnd { meta: META },
        Item::File { name: b"f", size: None, meta: META, holes: 0 },
        Item::File { name: b"g", size: None, meta: META, holes: 0 },
    ];
    for item in &items {
        handle(Job::Prepare(nesting.place(item).unwrap()));
    }
    let pieces = vec![
        Piece::Bytes { entry: 3, offset: 0, length: 2 },
        Piece::Zeros { entry: 3, offset: 2, length: 3 },
    ];
    handle(Job::Write { pieces, payload: Bytes::from_static(b"ab"), cost: 9 });
    let root = *blake3::hash(b"ab\0\0\0").as_bytes();
    handle(Job::Finish(FileEnd { entry: 3, size: 5, root }));
    let resolved: Vec<(u64, bool)> = events
        .iter()
        .filter_map(|event| match event {
            SinkEvent::Resolved { entry, failure } => Some((*entry, failure.is_none())),
            _ => None,
        })
        .collect();
    assert_eq!(resolved, [(0, false), (1, false), (2, false), (4, false), (3, true)]);
    drop(sink);
    assert_eq!(out, b"ab\0\0\0");
}

#[test]
fn a_damaged_stream_is_told() {
    let mut sink = StreamSink::new(Vec::new(), ChunkSize::MIN, Stop::new());
    let mut events = Vec::new();
    let entry =
        Nesting::new().place(&Item::File { name: b"f", size: Some(2), meta: META, holes: 0 }).unwrap();
    sink.handle(Job::Prepare(entry), &mut events).unwrap();
    let mut piece = |offset| {
        let pieces = vec![Piece::Bytes { entry: 0, offset, length: 1 }];
        sink.handle(Job::Write { pieces, payload: Bytes::from_static(b"x"), cost: 0 }, &mut events)
    };
    // On another lane it may overtake what it follows; but it comes once, and within the file.
    piece(1).unwrap();
    for offset in [1, 2] {
        assert_eq!(piece(offset).unwrap_err().kind(), Kind::Protocol);
    }
    sink.handle(Job::Finish(FileEnd { entry: 0, size: 2, root: [0; 32] }), &mut events).unwrap();
    let last = events.last();
    assert!(
        matches!(last, Some(SinkEvent::Resolved { failure: Some(f), .. }) if f.reason == Reason::Corrupt)
    );
}
