//! Walk and reader over real directories.

mod again;
mod chunks;
mod left_out;

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::proto::chunk::ChunkSize;
use crate::proto::frame::{Piece, Reason};
use crate::proto::limits::PAYLOAD_BYTES_MAX;
use crate::proto::manifest::{Entry, EntryKind};
use crate::proto::path::RelPath;

fn walk(paths: &[&Path]) -> Vec<Entry> {
    let paths: Vec<_> = paths.iter().map(|path| path.to_path_buf()).collect();
    Walk::new(&paths).unwrap().map(Result::unwrap).collect()
}

fn shown(entries: &[Entry]) -> Vec<String> {
    let sign = |entry: &Entry| match &entry.kind {
        EntryKind::File { size, .. } => format!("={}", size.unwrap_or(0)),
        EntryKind::Directory => "/".to_owned(),
        EntryKind::DirectoryEnd { .. } => "/.".to_owned(),
        EntryKind::Link { target, .. } => format!("->{}", String::from_utf8_lossy(target)),
        EntryKind::Unsent { failure } => format!("!{:?}", failure.reason),
    };
    let line = |entry: &Entry| format!("{}{}", String::from_utf8_lossy(entry.path.as_bytes()), sign(entry));
    entries.iter().map(line).collect()
}

fn fetch(entry: &Entry) -> Fetch {
    match &entry.kind {
        EntryKind::File { size, meta, .. } => {
            Fetch { entry: entry.id, path: entry.path.clone(), size: *size, meta: *meta, what: What::All }
        }
        other => panic!("{other:?} is no file"),
    }
}

/// Reads files and returns what was said, and the blocks' pieces.
struct Heard {
    pieces: Vec<Vec<Piece>>,
    ends: BTreeMap<u64, [u8; 32]>,
    drops: BTreeMap<u64, Reason>,
}

fn read(reader: &mut Reader, fetches: &[Fetch], mut on_block: impl FnMut()) -> Heard {
    let mut heard = Heard { pieces: Vec::new(), ends: BTreeMap::new(), drops: BTreeMap::new() };
    let mut emit = |event| {
        match event {
            SourceEvent::Block(block) => {
                heard.pieces.push(block.pieces().to_vec());
                on_block();
            }
            SourceEvent::Ended(end) => {
                let bytes: u64 = heard
                    .pieces
                    .iter()
                    .flatten()
                    .map(Piece::place)
                    .filter(|p| p.0 == end.entry)
                    .map(|p| u64::from(p.2))
                    .sum();
                assert_eq!(bytes, end.size, "an end before its contents");
                heard.ends.insert(end.entry, end.root.unwrap());
            }
            SourceEvent::Dropped { entry, failure } => {
                heard.drops.insert(entry, failure.reason);
            }
        }
        ControlFlow::Continue(())
    };
    for fetch in fetches {
        assert!(reader.fetch(fetch, &mut emit).is_continue());
    }
    assert!(reader.flush(&mut emit).is_continue());
    heard
}

fn reader(paths: &[&Path]) -> Reader {
    let paths: Vec<_> = paths.iter().map(|path| path.to_path_buf()).collect();
    Reader::new(Roots::new(&paths).unwrap(), ChunkSize::MIN)
}

#[test]
fn a_tree_is_walked_in_order() {
    let temp = tempfile::tempdir().unwrap();
    let top = temp.path().join("top");
    std::fs::create_dir_all(top.join("b/c")).unwrap();
    std::fs::write(top.join("b/c/f"), b"123").unwrap();
    std::fs::write(top.join("z"), b"").unwrap();
    symlink("../z", top.join("b/link")).unwrap();
    symlink("b", top.join("a-dir-link")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, top.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
    std::fs::write(top.join(".p2pc-0123.part"), b"").unwrap();
    let entries = walk(&[&top, &top.join("z")]);
    assert_eq!(
        shown(&entries),
        [
            "top/",
            "top/~.p2pc-0123.part!NameUnusable",
            "top/a-dir-link->b",
            "top/b/",
            "top/b/c/",
            "top/b/c/f=3",
            "top/b/c/.",
            "top/b/link->../z",
            "top/b/.",
            "top/pipe!Special",
            "top/socket!Special",
            "top/z=0",
            "top/.",
            "z=0",
        ]
    );
    assert!(entries.iter().enumerate().all(|(at, entry)| entry.id == at as u64));
}

#[test]
fn a_link_as_argument_is_followed_and_keeps_its_name() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("real")).unwrap();
    std::fs::write(temp.path().join("real/f"), b"x").unwrap();
    symlink("real", temp.path().join("link")).unwrap();
    symlink("real/f", temp.path().join("file-link")).unwrap();
    let (link, file_link) = (temp.path().join("link"), temp.path().join("file-link"));
    let entries = walk(&[&link, &file_link]);
    assert_eq!(shown(&entries), ["link/", "link/f=1", "link/.", "file-link=1"]);
    let heard = read(&mut reader(&[&link, &file_link]), &[fetch(&entries[1]), fetch(&entries[3])], || ());
    assert_eq!(heard.ends.len(), 2);
    assert!(heard.ends.values().all(|root| *root == *blake3::hash(b"x").as_bytes()));
}

#[test]
fn a_huge_directory_is_walked_in_runs() {
    let temp = tempfile::tempdir().unwrap();
    let count = names::RUN_NAMES_MAX + 100;
    for number in 0..count {
        std::fs::write(temp.path().join(format!("{number:05}")), b"").unwrap();
    }
    let mut seen: Vec<String> = shown(&walk(&[temp.path()]));
    assert_eq!(seen.len(), count + 2);
    let first = &seen[1..=names::RUN_NAMES_MAX];
    assert!(first.is_sorted());
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count + 2);
}

#[test]
fn a_very_deep_tree_is_walked_and_read() {
    let temp = tempfile::tempdir().unwrap();
    let top = temp.path().join("d");
    std::fs::create_dir(&top).unwrap();
    let flags = rustix::fs::OFlags::DIRECTORY;
    let mut at = rustix::fs::open(&top, flags, 0.into()).unwrap();
    for _ in 1..1200 {
        rustix::fs::mkdirat(&at, "d", 0o700.into()).unwrap();
        at = rustix::fs::openat(&at, "d", flags, 0.into()).unwrap();
    }
    let file =
        rustix::fs::openat(&at, "f", rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY, 0o600.into());
    std::fs::File::from(file.unwrap()).write_all(b"deep").unwrap();
    let entries = walk(&[&top]);
    assert_eq!(entries.len(), 2401);
    let heard = read(&mut reader(&[&top]), &[fetch(&entries[1200])], || ());
    assert_eq!(heard.ends[&1200], *blake3::hash(b"deep").as_bytes());
    // The library's own removal keeps a descriptor for each level.
    let next = temp.path().join("next");
    while std::fs::rename(top.join("d"), &next).is_ok() {
        std::fs::remove_dir(&top).unwrap();
        std::fs::rename(&next, &top).unwrap();
    }
}

#[test]
fn paths_that_cannot_travel_are_reported() {
    let temp = tempfile::tempdir().unwrap();
    let long = "x".repeat(250);
    let top = temp.path().join(&long);
    std::fs::create_dir(&top).unwrap();
    let flags = rustix::fs::OFlags::DIRECTORY;
    let mut at = rustix::fs::open(&top, flags, 0.into()).unwrap();
    for _ in 1..20 {
        rustix::fs::mkdirat(&at, long.as_str(), 0o700.into()).unwrap();
        at = rustix::fs::openat(&at, long.as_str(), flags, 0.into()).unwrap();
    }
    let entries = walk(&[&top]);
    let unsent: Vec<_> = shown(&entries).into_iter().filter(|line| line.contains('!')).collect();
    assert_eq!(unsent.len(), 1);
    assert!(unsent[0].ends_with("!NameUnusable"));
    assert!(entries.iter().all(|entry| entry.path.as_bytes().len() <= 4095));
}

/// As root everything can be read; as anybody else it is reported.
#[test]
fn what_may_not_be_read_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    let closed = temp.path().join("t/closed");
    std::fs::create_dir_all(&closed).unwrap();
    std::fs::write(temp.path().join("t/f"), b"x").unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    std::fs::set_permissions(temp.path().join("t/f"), std::fs::Permissions::from_mode(0o000)).unwrap();
    let top = temp.path().join("t");
    let entries = walk(&[&top]);
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        assert_eq!(shown(&entries), ["t/", "t/closed/", "t/closed/.", "t/f=1", "t/."]);
    } else {
        assert_eq!(shown(&entries), ["t/", "t/closed!Unreadable", "t/f=1", "t/."]);
    }
    let file = entries.iter().find(|entry| matches!(entry.kind, EntryKind::File { .. })).unwrap();
    let heard = read(&mut reader(&[&top]), &[fetch(file)], || ());
    assert_eq!(heard.drops.get(&file.id).copied(), (!is_root).then_some(Reason::Unreadable));
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn small_files_share_a_block_and_big_ones_are_aligned() {
    let temp = tempfile::tempdir().unwrap();
    for number in 0..10 {
        std::fs::write(temp.path().join(format!("a{number}")), [number; 100]).unwrap();
    }
    let big: Vec<u8> = (0..700_000u32).map(|number| number.to_le_bytes()[1]).collect();
    std::fs::write(temp.path().join("big"), &big).unwrap();
    std::fs::write(temp.path().join("empty"), b"").unwrap();
    std::fs::write(temp.path().join("z"), b"last").unwrap();
    let entries = walk(&[temp.path()]);
    let files: Vec<Fetch> =
        entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File { .. })).map(fetch).collect();
    let heard = read(&mut reader(&[temp.path()]), &files, || ());
    let lengths: Vec<usize> = heard.pieces.iter().map(Vec::len).collect();
    assert_eq!(lengths, [10, 1, 1, 2]);
    let offsets =
        heard.pieces.iter().flatten().map(Piece::place).filter(|piece| piece.0 == 11).map(|piece| piece.1);
    assert!(offsets.into_iter().all(|offset| offset % PAYLOAD_BYTES_MAX as u64 == 0));
    assert_eq!(heard.ends.len(), 13);
    assert_eq!(heard.ends[&11], *blake3::hash(&big).as_bytes());
}

#[test]
fn holes_are_named_and_not_read() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("sparse");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"begin").unwrap();
    file.seek(SeekFrom::Start(1100 << 20)).unwrap();
    file.write_all(b"middle").unwrap();
    file.set_len(1200 << 20).unwrap();
    drop(file);
    assert!(std::fs::metadata(&path).unwrap().blocks() < 100);
    let entries = walk(&[&path]);
    let heard = read(&mut reader(&[&path]), &[fetch(&entries[0])], || ());
    let (mut bytes, mut zeros, mut at) = (0, 0, 0);
    for piece in heard.pieces.iter().flatten() {
        let (_, offset, length) = piece.place();
        assert_eq!(offset, at);
        at += u64::from(length);
        match piece {
            Piece::Bytes { .. } => bytes += u64::from(length),
            Piece::Zeros { .. } => zeros += u64::from(length),
            Piece::Same { .. } => panic!("nobody asked for values"),
        }
    }
    assert_eq!(bytes + zeros, 1200 << 20);
    assert!(bytes < 1 << 20, "{bytes}");
    assert_eq!(heard.ends.len(), 1);
}

#[test]
fn a_source_that_changes_is_never_ended() {
    type Change = fn(&Path);
    let changes: [(Change, Reason); 5] = [
        (
            |path| std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"x").unwrap(),
            Reason::Changed,
        ),
        (
            |path| std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(300_000).unwrap(),
            Reason::Changed,
        ),
        (|path| std::fs::remove_file(path).unwrap(), Reason::Vanished),
        (
            |path| {
                let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            },
            Reason::Changed,
        ),
        // Its time set back to what it was does not hide it.
        (
            |path| {
                let before = std::fs::metadata(path).unwrap().modified().unwrap();
                let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                file.write_all(b"other").unwrap();
                file.set_modified(before).unwrap();
            },
            Reason::Changed,
        ),
    ];
    for (change, reason) in changes {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        let old = std::fs::File::create(&path).unwrap();
        (&old).write_all(&vec![7; 1_000_000]).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000)).unwrap();
        let entries = walk(&[&path]);
        // While it is read.
        let mut is_first = true;
        let heard = read(&mut reader(&[&path]), &[fetch(&entries[0])], || {
            if std::mem::take(&mut is_first) {
                change(&path);
            }
        });
        assert_eq!((heard.ends.len(), heard.drops.get(&0)), (0, Some(&reason)));
    }
}

#[test]
fn a_source_that_changed_since_it_was_announced_is_dropped() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["grown", "gone", "pipe", "link", "fine"] {
        std::fs::write(temp.path().join(name), b"x").unwrap();
    }
    let entries = walk(&[temp.path()]);
    let path = |name| temp.path().join(name);
    std::fs::write(path("grown"), b"xx").unwrap();
    for name in ["gone", "pipe", "link"] {
        std::fs::remove_file(path(name)).unwrap();
    }
    // Opening this one would wait for ever.
    rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    symlink("fine", path("link")).unwrap();
    let files: Vec<Fetch> =
        entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File { .. })).map(fetch).collect();
    let heard = read(&mut reader(&[temp.path()]), &files, || ());
    let reason = |name: &str| {
        let end = format!("/{name}");
        let entry = entries.iter().find(|entry| entry.path.as_bytes().ends_with(end.as_bytes())).unwrap();
        heard.drops.get(&entry.id).copied()
    };
    assert_eq!(reason("grown"), Some(Reason::Changed));
    assert_eq!(reason("gone"), Some(Reason::Vanished));
    assert_eq!((reason("pipe"), reason("link")), (Some(Reason::Unreadable), Some(Reason::Unreadable)));
    assert_eq!((reason("fine"), heard.ends.len()), (None, 1));
}

#[test]
fn a_directory_swapped_for_a_link_leads_nowhere() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(temp.path().join("top/d")).unwrap();
    std::fs::create_dir(temp.path().join("secret")).unwrap();
    std::fs::write(temp.path().join("top/d/f"), b"x").unwrap();
    std::fs::hard_link(temp.path().join("top/d/f"), temp.path().join("secret/f")).unwrap();
    let top = temp.path().join("top");
    let entries = walk(&[&top]);
    std::fs::rename(top.join("d"), temp.path().join("moved")).unwrap();
    symlink("../secret", top.join("d")).unwrap();
    let heard = read(&mut reader(&[&top]), &[fetch(&entries[2])], || ());
    assert_eq!(heard.drops.get(&2), Some(&Reason::Unreadable));
}

#[test]
fn standard_input_is_a_file_of_unknown_size() {
    let roots = Roots::new(&["-".into()]).unwrap();
    let entries: Vec<Entry> = Walk::of(roots.clone()).map(Result::unwrap).collect();
    assert_eq!(shown(&entries), ["stdin=0"]);
    assert!(matches!(entries[0].kind, EntryKind::File { size: None, .. }));
    let content = vec![3; 600_000];
    let input = Input::new(std::io::Cursor::new(content.clone()));
    let mut reader = Reader::new(roots.reading(input), ChunkSize::MIN);
    let heard = read(&mut reader, &[fetch(&entries[0])], || ());
    assert_eq!(heard.ends[&0], *blake3::hash(&content).as_bytes());
}

#[test]
fn a_reader_stops_when_nobody_listens() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    std::fs::write(&path, vec![1; 1_000_000]).unwrap();
    let entries = walk(&[&path]);
    let mut count = 0;
    let stopped = reader(&[&path]).fetch(&fetch(&entries[0]), &mut |_| {
        count += 1;
        ControlFlow::Break(())
    });
    assert!(stopped.is_break());
    assert_eq!(count, 1);
}

#[test]
fn what_no_argument_names_is_not_read() {
    let temp = tempfile::tempdir().unwrap();
    let fetch = Fetch {
        entry: 0,
        path: RelPath::root(),
        size: None,
        meta: crate::proto::manifest::Meta::default(),
        what: What::All,
    };
    let heard = read(&mut reader(&[temp.path()]), &[fetch], || ());
    assert_eq!(heard.drops.len(), 1);
}
