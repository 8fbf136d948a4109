//! Files that are read a second time, and arguments that are.

use super::chunks::{say, wanting};
use super::*;

const CHUNK: u64 = 512 << 10;

/// A file of three chunks, modified long ago.
fn file(path: &Path, byte: u8) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    std::fs::write(path, vec![byte; 3 * CHUNK as usize]).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_file_that_changed_between_two_times_is_dropped() {
    type Change = fn(&Path);
    let changes: [(&str, Change, Option<Reason>); 6] = [
        ("nothing", |_| {}, None),
        ("grown", |path| std::fs::write(path, vec![7; 2_000_000]).unwrap(), Some(Reason::Changed)),
        ("gone", |path| std::fs::remove_file(path).unwrap(), Some(Reason::Vanished)),
        // Neither size nor time tell.
        (
            "another",
            |path| {
                let other = path.with_extension("other");
                file(&other, 8);
                std::fs::rename(&other, path).unwrap();
            },
            Some(Reason::Changed),
        ),
        (
            "rewritten",
            |path| {
                // Clocks of file systems tick slowly.
                let changed = || std::fs::metadata(path).map(|it| (it.ctime(), it.ctime_nsec())).unwrap();
                let before = changed();
                while changed() == before {
                    file(path, 9);
                }
            },
            Some(Reason::Changed),
        ),
        (
            "a directory",
            |path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            Some(Reason::Unreadable),
        ),
    ];
    for (what, change, reason) in changes {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        file(&path, 7);
        let entries = walk(&[&path]);
        let mut reader = reader(&[&path]);
        let first = say(&mut reader, &[wanting(&entries[0], &[], &[(0, 3)])]);
        assert!(first.ends[0].root.is_some());
        change(&path);
        let second = say(&mut reader, &[wanting(&entries[0], &[(1, 1)], &[])]);
        assert_eq!(second.drops, reason.map(|reason| (0, reason)).into_iter().collect::<Vec<_>>(), "{what}");
        assert_eq!(second.ends.len(), usize::from(reason.is_none()), "{what}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_compared_is_dropped() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    std::fs::File::create(&path).unwrap().set_len(40 << 20).unwrap();
    for length in [1 << 20, 39 << 20, 41 << 20] {
        let entries = walk(&[&path]);
        let mut said = chunks::Said::default();
        let stopped = reader(&[&path]).fetch(&wanting(&entries[0], &[], &[(0, 80)]), &mut |event| {
            if said.blocks.is_empty() {
                std::fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            }
            said.take(event);
            ControlFlow::Continue(())
        });
        assert!(stopped.is_continue());
        assert_eq!((said.ends.len(), said.drops), (0, vec![(0, Reason::Changed)]), "{length}");
        std::fs::File::options().write(true).open(&path).unwrap().set_len(40 << 20).unwrap();
    }
}

#[test]
fn what_is_remembered_of_files_is_bounded() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("f");
    std::fs::write(&path, b"x").unwrap();
    let entries = walk(&[&path]);
    let mut reader = reader(&[&path]);
    let fetches: Vec<Fetch> = (0..3000).map(|entry| Fetch { entry, ..fetch(&entries[0]) }).collect();
    assert_eq!(say(&mut reader, &fetches).ends.len(), 3000);
    assert!(reader.known_files() <= 1024);
}

#[test]
fn arguments_can_be_walked_and_read_once_more() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("d")).unwrap();
    std::fs::write(temp.path().join("d/f"), b"x").unwrap();
    let paths = [temp.path().to_path_buf()];
    let mut first = Walk::new(&paths).unwrap();
    assert!(first.next().is_some());
    // The first is still at it.
    let entries: Vec<Entry> = Walk::new(&paths).unwrap().map(Result::unwrap).collect();
    assert_eq!(entries.len(), 5);
    assert_eq!(first.count(), 4);
    assert_eq!(say(&mut reader(&[temp.path()]), &[fetch(&entries[2])]).ends.len(), 1);
}
