//! The sink on a real file system: what only one of those can show.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::disk::unix::UnixDir;
use crate::proto::frame::Reason;
use crate::proto::manifest::{Item, Meta, Nesting};

const META: Meta = Meta { mode: Some(0o640), mtime_s: 1_234_567_890, mtime_ns: 987_654_321 };

struct Feeder {
    sink: Sink<UnixDir>,
    nesting: Nesting,
    events: Vec<SinkEvent>,
}

impl Feeder {
    fn new(out: &Path) -> Feeder {
        let root = crate::disk::create_output(out).unwrap();
        Feeder {
            sink: Sink::new(root, ChunkSize::MIN, Rules::default(), Stop::new()),
            nesting: Nesting::new(),
            events: Vec::new(),
        }
    }

    fn prepare(&mut self, item: &Item<'_>) -> Result<u64> {
        let entry = self.nesting.place(item).unwrap();
        let id = entry.id;
        self.sink.handle(Job::Prepare(entry), &mut self.events)?;
        Ok(id)
    }

    fn send(&mut self, name: &[u8], meta: Meta, bytes: &[u8]) -> Result<u64> {
        let entry = self.prepare(&Item::File { name, size: Some(bytes.len() as u64), meta, holes: 0 })?;
        let pieces = vec![Piece::Bytes { entry, offset: 0, length: u32::try_from(bytes.len()).unwrap() }];
        if !bytes.is_empty() {
            let payload = Bytes::copy_from_slice(bytes);
            self.sink.handle(Job::Write { pieces, payload, cost: 0 }, &mut self.events)?;
        }
        self.finish(entry, bytes.len() as u64, *blake3::hash(bytes).as_bytes())?;
        Ok(entry)
    }

    fn finish(&mut self, entry: u64, size: u64, root: [u8; 32]) -> Result<()> {
        self.sink.handle(Job::Finish(FileEnd { entry, size, root }), &mut self.events)
    }

    fn commit(&mut self) {
        self.sink.commit(&mut self.events).unwrap();
    }

    fn outcome(&self, id: u64) -> Option<Reason> {
        let outcome = self.events.iter().find_map(|event| match event {
            SinkEvent::Resolved { entry, failure } if *entry == id => Some(failure.clone()),
            _ => None,
        });
        outcome.expect("no outcome").map(|failure| failure.reason)
    }
}

#[test]
fn modes_and_times_arrive_and_read_only_directories_hold_files() {
    let temp = tempfile::tempdir().unwrap();
    let mut feeder = Feeder::new(&temp.path().join("new/out"));
    let closed = Meta { mode: Some(0o555), ..META };
    feeder.prepare(&Item::Directory { name: b"d" }).unwrap();
    feeder.prepare(&Item::Directory { name: b"none" }).unwrap();
    feeder.send(b"f\xff", Meta { mode: Some(0o7444), ..META }, b"x").unwrap();
    feeder.prepare(&Item::Link { name: b"l", target: b"../d/x", meta: META }).unwrap();
    feeder.prepare(&Item::DirectoryEnd { meta: Meta { mode: Some(0), ..META } }).unwrap();
    feeder.prepare(&Item::DirectoryEnd { meta: closed }).unwrap();
    feeder.commit();
    assert!((0..6).all(|id| feeder.outcome(id).is_none()));
    let out = temp.path().join("new/out");
    let stat = |path: &str| {
        let there = std::fs::symlink_metadata(out.join(path)).unwrap();
        (there.mode() & 0o7777, there.mtime(), there.mtime_nsec())
    };
    assert_eq!(stat("d"), (0o555, 1_234_567_890, 987_654_321));
    assert_eq!(stat("d/none"), (0, 1_234_567_890, 987_654_321));
    std::fs::set_permissions(out.join("d/none"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(out.join("d"), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(stat("d/none/l").1, 1_234_567_890);
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"f\xff");
    let file = std::fs::metadata(out.join("d/none").join(name)).unwrap();
    // Set-id and sticky bits are dropped.
    assert_eq!((file.mode() & 0o7777, file.mtime()), (0o444, 1_234_567_890));
}

/// Whatever mode is sent: a sender must neither open nor lock what is the receiver's own.
#[test]
fn directories_that_existed_keep_their_mode_and_time() {
    let temp = tempfile::tempdir().unwrap();
    let ssh = temp.path().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o700)).unwrap();
    for mode in [0, 0o777] {
        let meta = Meta { mode: Some(mode), ..META };
        let mut feeder = Feeder::new(temp.path());
        feeder.prepare(&Item::Directory { name: b".ssh" }).unwrap();
        let file = feeder.send(format!("f{mode}").as_bytes(), META, b"x").unwrap();
        let end = feeder.prepare(&Item::DirectoryEnd { meta }).unwrap();
        feeder.commit();
        assert_eq!((feeder.outcome(0), feeder.outcome(file), feeder.outcome(end)), (None, None, None));
        let there = std::fs::metadata(&ssh).unwrap();
        assert_eq!(there.mode() & 0o7777, 0o700);
        assert_ne!(there.mtime(), META.mtime_s);
    }
}

#[test]
fn directories_of_an_interrupted_transfer_are_finished_by_the_next() {
    let temp = tempfile::tempdir().unwrap();
    let meta = Meta { mode: Some(0o755), ..META };
    for (is_interrupted, expected) in [(true, 0o1700), (false, 0o755)] {
        let mut feeder = Feeder::new(temp.path());
        feeder.prepare(&Item::Directory { name: b"d" }).unwrap();
        if !is_interrupted {
            feeder.prepare(&Item::DirectoryEnd { meta }).unwrap();
            feeder.commit();
        }
        drop(feeder);
        let there = std::fs::metadata(temp.path().join("d")).unwrap();
        assert_eq!(there.mode() & 0o7777, expected);
        assert_eq!(there.mtime() == META.mtime_s, !is_interrupted);
    }
}

#[test]
fn holes_stay_holes() {
    let temp = tempfile::tempdir().unwrap();
    let mut feeder = Feeder::new(temp.path());
    let size = 32 << 20;
    let entry =
        feeder.prepare(&Item::File { name: b"sparse", size: Some(size), meta: META, holes: 0 }).unwrap();
    let pieces = vec![
        Piece::Zeros { entry, offset: 0, length: 16 << 20 },
        Piece::Bytes { entry, offset: 16 << 20, length: 1 },
        Piece::Zeros { entry, offset: (16 << 20) + 1, length: (16 << 20) - 1 },
    ];
    let job = Job::Write { pieces, payload: Bytes::from_static(b"x"), cost: 0 };
    feeder.sink.handle(job, &mut feeder.events).unwrap();
    let mut content = vec![0; 32 << 20];
    content[16 << 20] = b'x';
    feeder.finish(entry, size, *blake3::hash(&content).as_bytes()).unwrap();
    feeder.commit();
    assert_eq!(feeder.outcome(entry), None);
    let there = std::fs::metadata(temp.path().join("sparse")).unwrap();
    assert_eq!(there.len(), size);
    assert!(there.blocks() * 512 < 1 << 20, "{}", there.blocks());
    assert!(std::fs::read(temp.path().join("sparse")).unwrap() == content);
}

#[test]
fn a_very_deep_tree_arrives_with_few_descriptors() {
    let temp = quickly_synced();
    let mut feeder = Feeder::new(temp.path());
    // More than the 1024 descriptors that a process usually may have.
    let depth = 1200;
    for _ in 0..depth {
        feeder.prepare(&Item::Directory { name: b"d" }).unwrap();
    }
    let file = feeder.send(b"f", META, b"deep").unwrap();
    let meta = Meta { mode: Some(0o755), ..META };
    for level in 0..depth {
        feeder.prepare(&Item::DirectoryEnd { meta }).unwrap();
        if level % 500 == 0 {
            feeder.commit();
        }
    }
    feeder.commit();
    assert_eq!(feeder.outcome(file), None);
    assert!((0..2 * depth).all(|id| feeder.outcome(id).is_none()));
    let mut count = 0;
    let flags = rustix::fs::OFlags::DIRECTORY;
    let mut at = rustix::fs::open(temp.path(), flags, 0.into()).unwrap();
    while let Ok(next) = rustix::fs::openat(&at, "d", flags, 0.into()) {
        (at, count) = (next, count + 1);
    }
    assert_eq!(count, depth);
    assert!(rustix::fs::statat(&at, "f", rustix::fs::AtFlags::empty()).is_ok());
    remove_deep(&temp.path().join("d"));
}

/// A directory in memory where the system has one: thousands of syncs take their time on a busy disk.
fn quickly_synced() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The library's own removal keeps a descriptor for each level.
fn remove_deep(top: &Path) {
    let next = top.with_file_name("next");
    while std::fs::rename(top.join("d"), &next).is_ok() {
        std::fs::remove_dir(top).unwrap();
        std::fs::rename(&next, top).unwrap();
    }
}

/// However a directory and a link to the outside change places while files come, nothing arrives outside.
#[test]
fn directories_swapped_for_links_lead_nowhere() {
    let temp = tempfile::tempdir().unwrap();
    let (out, outside) = (temp.path().join("out"), temp.path().join("outside"));
    std::fs::create_dir_all(out.join("d")).unwrap();
    std::fs::create_dir(&outside).unwrap();
    symlink(&outside, out.join("link")).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = |from: &str, to: &str| {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let (from, to) = (out.join(from), out.join(to));
                rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, flags)
            };
            while !is_over.load(Ordering::Relaxed) {
                let _ = exchange("d", "link");
            }
        });
        for round in 0..60 {
            // A sink of its own each time, so that no handle is kept from before.
            let mut feeder = Feeder::new(&out);
            let _: Result<()> = (|| {
                feeder.prepare(&Item::Directory { name: b"d" })?;
                feeder.send(format!("f{round}").as_bytes(), META, b"x")?;
                feeder.prepare(&Item::DirectoryEnd { meta: META })?;
                feeder.sink.commit(&mut feeder.events)
            })();
            assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert_ne!(std::fs::metadata(&outside).unwrap().mtime(), META.mtime_s);
}

/// With more directories in a commit than are synced one by one, and with fewer.
#[test]
fn what_was_put_into_a_directory_that_was_swapped_meanwhile_fails_and_nothing_else() {
    for (count, is_evicted) in [(20, false), (20, true), (3, false)] {
        let temp = quickly_synced();
        let (out, outside) = (temp.path().join("out"), temp.path().join("outside"));
        std::fs::create_dir(&outside).unwrap();
        let mut feeder = Feeder::new(&out);
        let mut sent = Vec::new();
        for number in 0..count {
            let begin = feeder.prepare(&Item::Directory { name: format!("d{number}").as_bytes() }).unwrap();
            let file = feeder.send(b"f", META, b"x").unwrap();
            feeder.prepare(&Item::Directory { name: b"inner" }).unwrap();
            let inner = feeder.send(b"g", META, b"y").unwrap();
            feeder.prepare(&Item::DirectoryEnd { meta: META }).unwrap();
            let end = feeder.prepare(&Item::DirectoryEnd { meta: META }).unwrap();
            sent.push([begin, file, inner, end]);
        }
        let (link, other) = (out.join("d1"), out.join("d2"));
        std::fs::rename(&link, temp.path().join("first")).unwrap();
        symlink(&outside, &link).unwrap();
        std::fs::rename(&other, temp.path().join("second")).unwrap();
        std::fs::create_dir_all(other.join("inner")).unwrap();
        let before = std::fs::metadata(&other).unwrap().mtime();
        if is_evicted {
            let mut names: Vec<_> = (0..400).map(|number| format!("e{number}")).collect();
            for name in names.drain(..) {
                std::fs::create_dir(out.join(&name)).unwrap();
                let path = RelPath::root().join(&crate::proto::path::Name::new(name.as_bytes()).unwrap());
                feeder.sink.dirs.get(&path.unwrap()).unwrap();
            }
        }
        feeder.commit();
        for (number, [begin, file, inner, end]) in sent.into_iter().enumerate() {
            let expected = matches!(number, 1 | 2).then_some(Reason::NoDirectory);
            assert_eq!(feeder.outcome(begin), None, "{number} stood in the output directory");
            let outcome = feeder.outcome(file);
            assert!(outcome == expected || is_evicted && expected.is_some() && outcome.is_some());
            assert_eq!(
                (feeder.outcome(inner).is_some(), feeder.outcome(end)),
                (expected.is_some(), expected)
            );
            assert_eq!(out.join(format!("d{number}/f")).exists(), expected.is_none());
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert_ne!(std::fs::metadata(&outside).unwrap().mtime(), META.mtime_s);
        assert_eq!(std::fs::read_dir(other.join("inner")).unwrap().count(), 0);
        assert_eq!(std::fs::metadata(&other).unwrap().mtime(), before);
    }
}

#[test]
fn links_that_stood_there_before_are_not_followed() {
    let temp = tempfile::tempdir().unwrap();
    let (out, outside) = (temp.path().join("out"), temp.path().join("outside"));
    std::fs::create_dir(&out).unwrap();
    std::fs::create_dir(&outside).unwrap();
    symlink(&outside, out.join("d")).unwrap();
    symlink(outside.join("f"), out.join("f")).unwrap();
    let part = crate::proto::path::Name::new(b"g").unwrap().part_file();
    let part = std::str::from_utf8(part.as_bytes()).unwrap().to_owned();
    symlink(outside.join("g"), out.join(&part)).unwrap();
    let mut feeder = Feeder::new(&out);
    let dir = feeder.prepare(&Item::Directory { name: b"d" }).unwrap();
    let inside = feeder.prepare(&Item::File { name: b"x", size: Some(1), meta: META, holes: 0 }).unwrap();
    feeder.prepare(&Item::DirectoryEnd { meta: META }).unwrap();
    let file = feeder.prepare(&Item::File { name: b"f", size: Some(1), meta: META, holes: 0 }).unwrap();
    let behind = feeder.send(b"g", META, b"x").unwrap();
    feeder.commit();
    assert_eq!(
        (feeder.outcome(dir), feeder.outcome(inside)),
        (Some(Reason::Exists), Some(Reason::NoDirectory))
    );
    assert_eq!(feeder.outcome(file), Some(Reason::Exists));
    // Something of another kind under the name of its part file is left alone.
    assert_eq!(feeder.outcome(behind), Some(Reason::Unwritable));
    assert!(out.join(&part).is_symlink());
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_link_through_one_that_was_there_is_not_written_through() {
    let temp = tempfile::tempdir().unwrap();
    let (out, outside) = (temp.path().join("out"), temp.path().join("outside"));
    std::fs::create_dir(&out).unwrap();
    std::fs::create_dir_all(outside.join("sub")).unwrap();
    symlink(&outside, out.join("own")).unwrap();
    let mut feeder = Feeder::new(&out);
    let link = feeder.prepare(&Item::Link { name: b"new", target: b"own/sub", meta: META }).unwrap();
    let dir = feeder.prepare(&Item::Directory { name: b"new" }).unwrap();
    let inside = feeder.prepare(&Item::File { name: b"f", size: Some(1), meta: META, holes: 0 }).unwrap();
    feeder.prepare(&Item::DirectoryEnd { meta: META }).unwrap();
    feeder.commit();
    assert_eq!(feeder.outcome(link), None);
    assert_eq!(
        (feeder.outcome(dir), feeder.outcome(inside)),
        (Some(Reason::Exists), Some(Reason::NoDirectory))
    );
    assert_eq!(std::fs::read_dir(outside.join("sub")).unwrap().count(), 0);
    assert_ne!(std::fs::metadata(outside.join("sub")).unwrap().mtime(), META.mtime_s);
}

#[test]
fn a_removed_output_directory_ends_the_transfer() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let mut feeder = Feeder::new(&out);
    std::fs::remove_dir(&out).unwrap();
    let error = feeder.send(b"f", META, b"x").unwrap_err();
    assert_eq!(error.kind(), Kind::Disk);
    assert!(error.to_string().contains("removed") && error.hint_text().is_some());
}

#[test]
fn names_of_every_kind_arrive() {
    let temp = tempfile::tempdir().unwrap();
    let mut feeder = Feeder::new(temp.path());
    let names: [&[u8]; 9] = [
        b"a:b",
        b"aux.c",
        b"-rf",
        b" ",
        b"\x1b[2J",
        b"\xff\xfe",
        "e\u{301}".as_bytes(),
        "\u{e9}".as_bytes(),
        &[b'x'; 255],
    ];
    let sent: Vec<u64> = names.iter().map(|name| feeder.send(name, META, b"x").unwrap()).collect();
    feeder.commit();
    assert!(sent.iter().all(|id| feeder.outcome(*id).is_none()));
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), names.len());
}

fn journal_and_part(name: &[u8]) -> [String; 2] {
    let name = crate::proto::path::Name::new(name).unwrap();
    [name.journal_file(), name.part_file()]
        .map(|name| std::str::from_utf8(name.as_bytes()).unwrap().to_owned())
}

fn content(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// What stands under the names of a part file and its journal is believed only if it can be ours.
#[test]
fn foreign_part_files_and_journals_are_not_gone_on_with() {
    type Spoil = fn(&Path, [&Path; 2]);
    let spoils: [Spoil; 6] = [
        |outside, [journal, _]| {
            std::fs::rename(journal, outside).unwrap();
            symlink(outside, journal).unwrap();
        },
        |outside, [_, part]| {
            std::fs::rename(part, outside).unwrap();
            std::fs::hard_link(outside, part).unwrap();
        },
        |_, [journal, _]| std::fs::write(journal, b"p2pcj").unwrap(),
        |_, [journal, _]| std::fs::write(journal, [0xff; 4096]).unwrap(),
        |_, [journal, _]| {
            std::fs::remove_file(journal).unwrap();
            std::fs::create_dir(journal).unwrap();
        },
        |_, [_, part]| std::fs::remove_file(part).unwrap(),
    ];
    let bytes = content(3 << 19);
    for (number, spoil) in spoils.into_iter().enumerate() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("out");
        let item = Item::File { name: b"f", size: Some(bytes.len() as u64), meta: META, holes: 0 };
        let mut feeder = Feeder::new(&out);
        feeder.prepare(&item).unwrap();
        let pieces = vec![Piece::Bytes { entry: 0, offset: 0, length: 1 << 20 }];
        let payload = Bytes::copy_from_slice(&bytes[..1 << 20]);
        feeder.sink.handle(Job::Write { pieces, payload, cost: 0 }, &mut feeder.events).unwrap();
        drop(feeder);
        let [journal, part] = journal_and_part(b"f").map(|name| out.join(name));
        assert!(journal.is_file() && part.is_file());
        spoil(&temp.path().join("outside"), [&journal, &part]);
        let outside = std::fs::read(temp.path().join("outside")).ok();
        let mut feeder = Feeder::new(&out);
        let entry = feeder.prepare(&item).unwrap();
        let planned = SinkEvent::Planned { entry, verdict: Verdict::Send };
        assert_eq!(feeder.events, [planned], "{number}");
        let pieces = vec![Piece::Bytes { entry, offset: 0, length: 3 << 19 }];
        let payload = Bytes::copy_from_slice(&bytes);
        feeder.sink.handle(Job::Write { pieces, payload, cost: 0 }, &mut feeder.events).unwrap();
        feeder.finish(entry, bytes.len() as u64, *blake3::hash(&bytes).as_bytes()).unwrap();
        feeder.commit();
        assert_eq!(feeder.outcome(entry), None, "{number}");
        assert!(std::fs::read(out.join("f")).unwrap() == bytes);
        assert_eq!(std::fs::read(temp.path().join("outside")).ok(), outside, "{number}");
    }
}

#[test]
fn what_cannot_fit_ends_the_transfer_before_it_begins() {
    let temp = tempfile::tempdir().unwrap();
    let mut feeder = Feeder::new(temp.path());
    let file = |holes| Item::File { name: b"f", size: Some(1 << 60), meta: META, holes };
    let error = feeder.prepare(&file(0)).unwrap_err();
    assert_eq!(error.kind(), Kind::Disk);
    assert!(error.to_string().starts_with("not enough room: 1.0 EiB are still to come and "), "{error}");
    assert!(error.hint_text().is_some());
    // Holes take none.
    Feeder::new(temp.path()).prepare(&file(1 << 60)).unwrap();
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

/// One of them, or what there is of a second one of the same name in its place.
#[test]
fn two_receivers_of_small_files_do_not_meet() {
    let temp = tempfile::tempdir().unwrap();
    let name = |number: u8| format!("f{number}").into_bytes();
    let mut first = Feeder::new(temp.path());
    let entries: Vec<_> = (0..40).map(|number| first.send(&name(number), META, b"first").unwrap()).collect();
    let begun = || {
        let mut second = Feeder::new(temp.path());
        let item = Item::File { name: b"f7", size: Some(5), meta: META, holes: 0 };
        let entry = second.prepare(&item).unwrap();
        let pieces = vec![Piece::Bytes { entry, offset: 0, length: 5 }];
        let write = Job::Write { pieces, payload: Bytes::from_static(b"other"), cost: 0 };
        second.sink.handle(write, &mut second.events).map(|()| second)
    };
    let error = begun().map(drop).unwrap_err();
    assert!(error.to_string().contains("another p2pc is receiving"), "{error}");
    // Where there are no descriptors left to keep it locked, it is told apart.
    first.sink.group.close();
    let mut second = begun().unwrap();
    let error = first.sink.commit(&mut first.events).unwrap_err();
    assert!(error.to_string().contains("another p2pc is receiving"), "{error}");
    drop(first);
    second.finish(0, 5, *blake3::hash(b"other").as_bytes()).unwrap();
    second.commit();
    assert_eq!(second.outcome(0), None);
    assert_eq!(std::fs::read(temp.path().join("f7")).unwrap(), b"other");
    let left: Vec<_> =
        std::fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        left.len() <= entries.len() && left.iter().all(|name| !name.to_string_lossy().starts_with('.')),
        "{left:?}"
    );
}
