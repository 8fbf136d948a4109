//! Disks without room: small file systems of their own, which only root can mount.
//!
//! They run where `P2PC_SYSTEM_TESTS=1` says so (`make test-system` does); elsewhere each says that it was
//! skipped.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::Program;
use super::scene::{Carried, Halfway, Scene};
use super::{names, small_file};
use crate::skipped::skipped;

#[test]
fn what_does_not_fit_is_found_before_it_is_sent() {
    let Some(scene) = on_a_disk("what_does_not_fit_is_found_before_it_is_sent", "size=8m", SIZE) else {
        return;
    };
    let small = small_file(scene.dir.path());
    let sender = Program::start(scene.sends(&scene.relay.url).arg(small));
    let received = Program::start(&mut scene.receives(&[])).exits(7);
    assert!(received.stderr.contains("hint: Make room"), "{}", received.stderr);
    // As people read it: at least the file's size less what the disk has.
    assert!(received.stderr.contains("4.0 MiB") || received.stderr.contains("MiB"), "{}", received.stderr);
    let sent = sender.exits(8);
    assert!(sent.stderr.contains("the other side"), "{}", sent.stderr);
    assert!(names(&scene.out).iter().all(|name| name == "small"), "{:?}", names(&scene.out));
}

#[test]
fn a_disk_that_fills_up_meanwhile_ends_both_sides_and_the_same_command_goes_on() {
    let name = "a_disk_that_fills_up_meanwhile_ends_both_sides_and_the_same_command_goes_on";
    let Some(scene) = on_a_disk(name, "size=14m", SIZE) else { return };
    let Halfway { line, sender, receiver } = scene.halfway(HALF + 100_000);
    // What the journal has yet to speak of is lost where there is no room for the journal either.
    scene.has_journaled(HALF / CHUNK - 1);
    let other = fill(&scene.out);
    line.release();
    let received = receiver.exits(7);
    assert!(received.stderr.contains("No space left on device"), "{}", received.stderr);
    assert!(received.stderr.contains("hint: Make room"), "{}", received.stderr);
    let sent = sender.exits(8);
    assert!(sent.stderr.contains("the other side") && sent.stderr.contains("disk"), "{}", sent.stderr);
    assert!(!scene.arrived().exists());
    std::fs::remove_file(other).unwrap();
    // What is there already needs no room once more: the whole would not fit beside it.
    let Carried { bytes, .. } = scene.carries(&[], 0);
    assert!(bytes < SIZE as u64 - HALF + SLACK, "{bytes}");
    scene.is_equal();
}

#[test]
fn a_stream_that_does_not_fit_leaves_nothing() {
    let Some(scene) = on_a_disk("a_stream_that_does_not_fit_leaves_nothing", "size=1m", 0) else { return };
    let mut sender = Program::start(scene.relay.send().arg("-").stdin(Stdio::piped()));
    let mut stdin = sender.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || while stdin.write_all(&[7; 1 << 13]).is_ok() {});
    let received = Program::start(&mut scene.receives(&[])).exits(7);
    assert!(received.stderr.contains("hint: Make room"), "{}", received.stderr);
    let sent = sender.exits(8);
    assert!(sent.stderr.contains("the other side"), "{}", sent.stderr);
    feeding.join().unwrap();
    assert_eq!(names(&scene.out), [""; 0]);
}

#[test]
fn a_disk_without_room_for_another_file_is_full() {
    // The root and three files.
    let name = "a_disk_without_room_for_another_file_is_full";
    let Some(scene) = on_a_disk(name, "size=1m,nr_inodes=4", 0) else { return };
    std::fs::remove_file(&scene.source).unwrap();
    std::fs::create_dir(&scene.source).unwrap();
    for name in 0..9 {
        std::fs::write(scene.source.join(name.to_string()), b"hello").unwrap();
    }
    let sender = Program::start(&mut scene.sends(&scene.relay.url));
    let received = Program::start(&mut scene.receives(&[])).exits(7);
    assert!(received.stderr.contains("No space left on device"), "{}", received.stderr);
    let (status, sent) = sender.ends();
    assert!(matches!(status, Some(8 | 9)), "{}", sent.stderr);
    for name in names(&scene.arrived()) {
        assert_eq!(std::fs::read(scene.arrived().join(name)).unwrap(), b"hello");
    }
}

#[test]
fn a_disk_that_is_only_read_is_found_before_anybody_is_troubled() {
    let Some(scene) = on_a_disk("a_disk_that_is_only_read_is_found_before_anybody_is_troubled", "ro", 0)
    else {
        return;
    };
    let said = Program::start(&mut scene.receives(&[])).exits(7).stderr;
    assert!(said.contains("nothing can be written into"), "{said}");
}

/// A scene whose output directory is a disk of its own. `None`, with a word about it, where that cannot be
/// had.
fn on_a_disk(test: &str, options: &str, bytes: usize) -> Option<OnDisk> {
    if skipped(test) {
        return None;
    }
    let scene = Scene::with_file(bytes);
    let disk = SmallDisk::mount(&scene.out, options);
    Some(OnDisk { _disk: disk, scene })
}

/// The disk goes before the directory that it is mounted in.
struct OnDisk {
    _disk: SmallDisk,
    scene: Scene,
}

impl std::ops::Deref for OnDisk {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

/// Memory as a disk; it is gone with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: &Path, options: &str) -> SmallDisk {
        std::fs::create_dir(place).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "p2pc"]).arg(place).status();
        assert!(mounted.unwrap().success(), "only root can mount");
        SmallDisk(place.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Takes all the room that is left with another file.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("other");
    let mut other = std::fs::File::create(&path).unwrap();
    while other.write_all(&[7; 4096]).is_ok() {}
    path
}

const CHUNK: u64 = 1 << 20;
const SIZE: usize = 12 << 20;
const HALF: u64 = 7 << 20;

/// What is said besides the bytes of the file.
const SLACK: u64 = 100_000;
