use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::disk::File;

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

const META: Meta = Meta { mode: Some(0o640), mtime_s: 1_000_000_000, mtime_ns: 123_456_789 };

#[test]
fn nothing_is_reached_through_a_link() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("real")).unwrap();
    std::fs::write(temp.path().join("file"), b"x").unwrap();
    symlink("real", temp.path().join("to-dir")).unwrap();
    symlink("file", temp.path().join("to-file")).unwrap();
    symlink("nowhere", temp.path().join("dangling")).unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    assert_eq!(dir.open_dir(&name("to-dir")).unwrap_err().fault(), Fault::NotDirectory);
    assert_eq!(dir.open_dir(&name("file")).unwrap_err().fault(), Fault::NotDirectory);
    assert_eq!(dir.open_file(&name("to-file"), Access::Read).unwrap_err().fault(), Fault::NotFile);
    assert_eq!(dir.create_file(&name("dangling")).unwrap_err().fault(), Fault::Exists);
    assert_eq!(dir.create_dir(&name("dangling")).unwrap_err().fault(), Fault::Exists);
    assert_eq!(dir.stat(&name("to-dir")).unwrap().kind, Kind::Link);
    assert!(!temp.path().join("nowhere").exists());
}

/// A way to rename.
type Way = fn(&UnixDir, &OsStr, &OsStr) -> Result<()>;

#[test]
fn renaming_never_replaces_by_any_way() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    let ways: [Way; 3] = [
        |dir, from, to| rename::without_replacing(&dir.fd, from, to),
        |dir, from, to| {
            Ok(rename::by_link(&dir.fd, from, to, || rustix::fs::unlinkat(&dir.fd, from, AtFlags::empty()))?)
        },
        |dir, from, to| rename::by_placeholder(&dir.fd, from, to),
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let (from, to) = (format!("from{number}"), format!("to{number}"));
        std::fs::write(temp.path().join(&from), b"new").unwrap();
        for taken in ["file", "dir", "link"] {
            let taken = format!("{taken}{number}");
            let path = temp.path().join(&taken);
            match &taken[..3] {
                "fil" => std::fs::write(&path, b"old").unwrap(),
                "dir" => std::fs::create_dir(&path).unwrap(),
                _ => symlink("nowhere", &path).unwrap(),
            }
            let before = std::fs::symlink_metadata(&path).unwrap().ino();
            assert_eq!(way(&dir, from.as_ref(), taken.as_ref()).unwrap_err().fault(), Fault::Exists);
            assert_eq!(std::fs::symlink_metadata(&path).unwrap().ino(), before);
        }
        way(&dir, from.as_ref(), to.as_ref()).unwrap();
        assert_eq!(std::fs::read(temp.path().join(&to)).unwrap(), b"new");
        assert!(!temp.path().join(&from).exists());
    }
}

#[test]
fn a_renaming_that_fails_leaves_nothing_and_one_that_is_done_is_no_failure() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    let error = rename::by_placeholder(&dir.fd, "missing".as_ref(), "empty".as_ref()).unwrap_err();
    assert_eq!(error.fault(), Fault::Missing);
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    std::fs::write(temp.path().join("from"), b"new").unwrap();
    for errno in [rustix::io::Errno::PERM, rustix::io::Errno::INVAL] {
        let (from, to) = ("from", format!("to{}", errno.raw_os_error()));
        rename::by_link(&dir.fd, from.as_ref(), to.as_ref(), || Err(errno)).unwrap();
        assert_eq!(std::fs::read(temp.path().join(to)).unwrap(), b"new");
    }
}

#[test]
fn files_keep_mode_time_and_holes() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    let file = dir.create_file(&name("f")).unwrap();
    assert_eq!(file.stat().unwrap().meta.mode, Some(0o600));
    file.write_at(b"begin", 0).unwrap();
    file.write_at(b"end", 8 << 20).unwrap();
    file.set_len(16 << 20).unwrap();
    file.set_meta(&Meta { mode: Some(0o6755), ..META }).unwrap();
    file.sync().unwrap();
    let there = std::fs::metadata(temp.path().join("f")).unwrap();
    assert_eq!(there.mode() & 0o7777, 0o755);
    assert_eq!((there.mtime(), there.mtime_nsec()), (1_000_000_000, 123_456_789));
    assert_eq!(there.len(), 16 << 20);
    assert!(there.blocks() * 512 < 1 << 20);
    let stretches = || {
        let mut at = 0;
        std::iter::from_fn(move || {
            let stretch = (at < 16 << 20).then(|| file.stretch(at, 16 << 20).unwrap())?;
            at = stretch.end;
            Some(stretch.is_hole)
        })
    };
    assert_eq!(stretches().collect::<Vec<_>>(), [false, true, false, true]);
}

#[test]
fn links_and_directories_get_their_times() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    dir.symlink(&name("l"), b"target\xff", &META).unwrap();
    assert_eq!(&*dir.read_link(&name("l")).unwrap(), b"target\xff");
    assert_eq!(dir.stat(&name("l")).unwrap().meta.mtime_s, META.mtime_s);
    dir.create_dir(&name("d")).unwrap();
    let made = dir.open_dir(&name("d")).unwrap();
    let stat = made.stat_self().unwrap();
    assert_eq!((stat.meta.mode, stat.is_unfinished), (Some(0o700), true));
    made.set_meta(&Meta { mode: Some(0o555), ..META }).unwrap();
    made.sync().unwrap();
    let stat = dir.stat(&name("d")).unwrap();
    assert_eq!(stat.meta, Meta { mode: Some(0o555), ..META });
    assert!(stat.is_ours && !stat.is_unfinished);
    let mut names: Vec<_> = dir.names().unwrap().map(Result::unwrap).collect();
    names.sort();
    assert_eq!(names, [(*b"d").into(), Box::<[u8]>::from(*b"l")]);
}

#[test]
fn a_time_that_cannot_be_set_fails_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    // No system takes so many nanoseconds.
    let impossible = Meta { mtime_ns: 1_500_000_000, ..META };
    dir.symlink(&name("l"), b"target", &impossible).unwrap();
    assert_eq!(&*dir.read_link(&name("l")).unwrap(), b"target");
    dir.create_file(&name("f")).unwrap().set_meta(&impossible).unwrap();
}

#[test]
fn opening_a_fifo_does_not_wait() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    rustix::fs::mknodat(&dir.fd, "pipe", rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert!(std::fs::metadata(temp.path().join("pipe")).unwrap().file_type().is_fifo());
    let file = dir.open_file(&name("pipe"), Access::Read).unwrap();
    assert_eq!(file.stat().unwrap().kind, Kind::Other);
}

#[test]
fn the_output_directory_is_made_with_those_above_it() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a/b/c");
    crate::disk::create_output(&path).unwrap();
    crate::disk::create_output(&path).unwrap();
    assert!(path.is_dir());
    std::fs::write(temp.path().join("file"), b"").unwrap();
    for bad in ["file", "file/x"] {
        let error = crate::disk::create_output(&temp.path().join(bad)).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::Disk);
        assert!(error.hint_text().is_some(), "{error}");
    }
}

#[test]
fn without_modes_the_umask_decides() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    let file = dir.create_file(&name("f")).unwrap();
    file.set_meta(&Meta { mode: None, ..META }).unwrap();
    let mode = std::fs::metadata(temp.path().join("f")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o666 & !u32::from(umask()));
}

#[test]
fn only_what_bears_the_mark_is_unfinished() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("d");
    let dir = UnixDir::open_path(temp.path()).unwrap();
    dir.create_dir(&name("d")).unwrap();
    let is_unfinished = || dir.stat(&name("d")).unwrap().is_unfinished;
    assert!(is_unfinished());
    for (mode, expected) in [(0o700, false), (0o1777, false), (0o1701, false), (0o3700, true), (0o1700, true)]
    {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(is_unfinished(), expected, "{mode:o}");
    }
    std::fs::write(temp.path().join("f"), b"").unwrap();
    std::fs::set_permissions(temp.path().join("f"), std::fs::Permissions::from_mode(0o1700)).unwrap();
    assert!(!dir.stat(&name("f")).unwrap().is_unfinished);
}

#[test]
fn replacing_takes_files_and_links_and_never_directories() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let dir = UnixDir::open_path(temp.path()).unwrap();
    std::fs::write(at("kept"), b"kept").unwrap();
    std::fs::write(at("file"), b"old").unwrap();
    symlink("kept", at("link")).unwrap();
    for to in ["file", "link", "nothing"] {
        std::fs::write(at("new"), to).unwrap();
        dir.replace(&name("new"), &name(to)).unwrap();
        assert!(std::fs::symlink_metadata(at(to)).unwrap().is_file());
        assert_eq!(std::fs::read(at(to)).unwrap(), to.as_bytes());
        assert!(!at("new").exists());
    }
    assert_eq!(std::fs::read(at("kept")).unwrap(), b"kept");
    std::fs::write(at("new"), b"new").unwrap();
    for directory in ["empty", "full"] {
        std::fs::create_dir(at(directory)).unwrap();
        std::fs::write(at("full").join("x"), b"").err();
        for (from, to) in [("new", directory), (directory, "new"), (directory, "empty")] {
            let error = dir.replace(&name(from), &name(to)).unwrap_err();
            assert_eq!(error.fault(), Fault::NotFile, "{from} over {to}");
        }
    }
    assert_eq!(std::fs::read(at("new")).unwrap(), b"new");
    assert_eq!(dir.replace(&name("none"), &name("new")).unwrap_err().fault(), Fault::Missing);
}

#[test]
fn replacing_a_name_of_the_same_file_leaves_one() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    std::fs::write(temp.path().join("part"), b"x").unwrap();
    std::fs::hard_link(temp.path().join("part"), temp.path().join("final")).unwrap();
    dir.replace(&name("part"), &name("final")).unwrap();
    assert!(!temp.path().join("part").exists());
    assert_eq!(std::fs::read(temp.path().join("final")).unwrap(), b"x");
}

#[test]
fn a_lock_belongs_to_one_handle_until_it_is_closed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    let first = dir.create_file(&name("f")).unwrap();
    let second = dir.open_file(&name("f"), Access::ReadWrite).unwrap();
    assert!(first.try_lock().unwrap());
    assert!(first.try_lock().unwrap());
    assert!(!second.try_lock().unwrap());
    drop(first);
    assert!(second.try_lock().unwrap());
}

#[test]
fn a_handle_for_reading_and_writing_does_both_from_any_thread() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    dir.create_file(&name("f")).unwrap().write_at(b"left", 0).unwrap();
    let file = std::sync::Arc::new(dir.open_file(&name("f"), Access::ReadWrite).unwrap());
    let beside = std::sync::Arc::clone(&file);
    std::thread::spawn(move || {
        beside.write_at(b"!", 4).unwrap();
        beside.sync_data().unwrap();
    })
    .join()
    .unwrap();
    let mut read = [0; 8];
    assert_eq!(file.read_at(&mut read, 0).unwrap(), 5);
    assert_eq!(&read[..5], b"left!");
}

#[test]
fn free_space_is_known() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    assert!(dir.available().unwrap().is_some_and(|free| free > 0));
}

#[test]
fn a_socket_is_no_broken_disk() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(temp.path().join("s")).unwrap();
    for access in [Access::Read, Access::ReadWrite] {
        assert_eq!(dir.open_file(&name("s"), access).unwrap_err().fault(), Fault::NotFile);
    }
}

#[test]
fn what_is_written_ahead_is_synced_all_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let dir = UnixDir::open_path(temp.path()).unwrap();
    dir.create_file(&name("f")).unwrap().write_at(b"x", 0).unwrap();
    let write = dir.write_ahead();
    assert_eq!(write.is_some(), dir.file_system().syncs_whole);
    if let Some(write) = write {
        std::thread::spawn(write).join().unwrap();
        dir.sync_file_system().unwrap();
    }
}
