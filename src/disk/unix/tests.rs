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
        |dir, from, to| Ok(rename::by_link(&dir.fd, from, to)?),
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
    assert_eq!(made.stat_self().unwrap().meta.mode, Some(0o700));
    made.set_meta(&Meta { mode: Some(0o555), ..META }).unwrap();
    made.sync().unwrap();
    let stat = dir.stat(&name("d")).unwrap();
    assert_eq!(stat.meta, Meta { mode: Some(0o555), ..META });
    assert!(stat.is_ours);
    let mut names: Vec<_> = dir.names().unwrap().map(Result::unwrap).collect();
    names.sort();
    assert_eq!(names, [(*b"d").into(), Box::<[u8]>::from(*b"l")]);
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
