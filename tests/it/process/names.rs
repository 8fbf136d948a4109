//! Under which names arguments arrive, as the guide has it.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::program::Program;
use super::{Relay, names, p2pc, small_file, with_code};

/// Sends `paths` from within `directory` and returns the names that arrive.
fn arrives_as(directory: &Path, paths: &[&str]) -> Vec<String> {
    let out = tempfile::tempdir().unwrap();
    let relay = Relay::start();
    relay.carries(relay.send().current_dir(directory).args(paths), out.path(), 0);
    names(out.path()).into_iter().map(|name| name.into_string().unwrap()).collect()
}

fn photos() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    std::fs::create_dir_all(photos.join("2024")).unwrap();
    small_file(&photos);
    (dir, photos)
}

#[test]
fn directories_keep_their_real_names() {
    let (dir, photos) = photos();
    assert_eq!(arrives_as(dir.path(), &["photos"]), ["photos"]);
    assert_eq!(arrives_as(dir.path(), &["photos/"]), ["photos"]);
    assert_eq!(arrives_as(dir.path(), &[&format!("{}/", photos.display())]), ["photos"]);
    assert_eq!(arrives_as(&photos, &["."]), ["photos"]);
    assert_eq!(arrives_as(&photos.join("2024"), &[".."]), ["photos"]);
    assert_eq!(arrives_as(dir.path(), &["photos/2024/.."]), ["photos"]);
    assert_eq!(arrives_as(dir.path(), &["./photos/./small"]), ["small"]);
}

#[test]
fn a_link_as_argument_arrives_as_what_it_points_to() {
    let (dir, photos) = photos();
    symlink("photos", dir.path().join("album")).unwrap();
    symlink(photos.join("small"), dir.path().join("picture")).unwrap();
    let (out, relay) = (tempfile::tempdir().unwrap(), Relay::start());
    relay.carries(relay.send().current_dir(dir.path()).args(["album", "picture"]), out.path(), 0);
    assert_eq!(names(out.path()), ["album", "picture"]);
    for name in ["album", "picture"] {
        assert!(!out.path().join(name).is_symlink());
    }
    assert_eq!(std::fs::read(out.path().join("picture")).unwrap(), b"hello");
    assert_eq!(names(&out.path().join("album")), ["2024", "small"]);
}

#[test]
fn two_things_of_one_name_both_arrive() {
    let dir = tempfile::tempdir().unwrap();
    for (place, text) in [("a", "one"), ("b", "two")] {
        std::fs::create_dir_all(dir.path().join(place).join("data")).unwrap();
        std::fs::write(dir.path().join(place).join("report.txt"), text).unwrap();
    }
    assert_eq!(arrives_as(dir.path(), &["a/report.txt", "b/report.txt"]), ["report-2.txt", "report.txt"]);
    assert_eq!(arrives_as(dir.path(), &["a/data", "b/data"]), ["data", "data-2"]);
}

#[test]
fn the_same_path_twice_arrives_once() {
    let (dir, _) = photos();
    assert_eq!(arrives_as(dir.path(), &["photos/small", "photos/small"]), ["small"]);
}

#[test]
fn the_root_has_no_name() {
    let said = Program::start(with_code(p2pc("send"), "ws://127.0.0.1:1").arg("/")).exits(2).stderr;
    assert!(said.contains("hint: "), "{said}");
}
