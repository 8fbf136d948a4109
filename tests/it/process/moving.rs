//! Sources that do not stay as they are while they are sent: found out and reported, and never delivered as a mixture.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::names;
use super::scene::{Halfway, Scene};
use crate::cutting::Chance;

/// Changes the source when some of it has been said, while most of it has not been read; it is not delivered.
fn is_found_out(change: impl Fn(&Path), why: &str) {
    let scene = Scene::with_file(SIZE);
    let Halfway { line, sender, receiver } = scene.halfway(EARLY);
    change(&scene.source);
    line.release();
    let (sent, received) = (sender.exits(9), receiver.exits(9));
    for side in [sent, received] {
        assert!(side.stderr.contains(why), "{}", side.stderr);
    }
    assert!(!scene.arrived().exists());
    // The next time it stays as it is.
    scene.carries(&[], 0);
    scene.is_equal();
}

fn open(path: &Path) -> File {
    File::options().write(true).open(path).unwrap()
}

#[test]
fn a_file_that_shrinks() {
    is_found_out(|path| open(path).set_len(SIZE as u64 / 2).unwrap(), CHANGED);
}

#[test]
fn a_file_that_grows() {
    is_found_out(|path| open(path).write_all_at(b"more", SIZE as u64).unwrap(), CHANGED);
}

#[test]
fn a_file_that_changes_where_it_was_read_already() {
    is_found_out(|path| open(path).write_all_at(b"other", 5).unwrap(), CHANGED);
}

#[test]
fn a_file_that_changes_where_it_has_yet_to_be_read() {
    is_found_out(|path| open(path).write_all_at(b"other", SIZE as u64 - 5).unwrap(), CHANGED);
}

#[test]
fn a_file_that_is_replaced_or_removed_is_delivered_as_it_was_or_not_at_all() {
    let other = Chance::new(3).bytes(SIZE);
    for replaced in [false, true] {
        let scene = Scene::with_file(SIZE);
        let before = std::fs::read(&scene.source).unwrap();
        let Halfway { line, sender, receiver } = scene.halfway(EARLY);
        if replaced {
            let beside = scene.dir.path().join("beside");
            std::fs::write(&beside, &other).unwrap();
            std::fs::rename(beside, &scene.source).unwrap();
        } else {
            std::fs::remove_file(&scene.source).unwrap();
        }
        line.release();
        let (status, said) = sender.ends();
        assert_eq!(receiver.ends().0, status, "both sides say the same");
        match status {
            Some(0) => assert!(std::fs::read(scene.arrived()).unwrap() == before),
            Some(9) => assert!(!scene.arrived().exists()),
            _ => panic!("{status:?}: {}", said.stderr),
        }
    }
}

#[test]
fn what_vanishes_before_its_turn_is_reported_and_the_rest_arrives() {
    let scene = Scene::new();
    std::fs::create_dir(&scene.source).unwrap();
    for name in NAMES {
        std::fs::write(scene.source.join(name), Chance::new(4).bytes(SIZE / 2)).unwrap();
    }
    let Halfway { line, sender, receiver } = scene.halfway(EARLY);
    // Whichever is read first, the window ends before the third.
    for name in NAMES {
        std::fs::rename(scene.source.join(name), scene.dir.path().join(name)).unwrap();
    }
    line.release();
    let (sent, received) = (sender.exits(9), receiver.exits(9));
    for side in [sent, received] {
        assert!(side.stderr.contains("gone when its turn came"), "{}", side.stderr);
    }
    let arrived = names(&scene.arrived()).into_iter().filter(|name| NAMES.iter().any(|known| name == known));
    for name in arrived.clone() {
        let (sent, arrived) = (scene.dir.path().join(&name), scene.arrived().join(&name));
        assert!(std::fs::read(sent).unwrap() == std::fs::read(arrived).unwrap(), "{name:?}");
    }
    assert!(arrived.count() < NAMES.len());
}

const CHANGED: &str = "it changed while it was sent";

const NAMES: [&str; 3] = ["a", "b", "c"];

/// More than a sender reads ahead of its receiver: the window is 16 MiB.
const SIZE: usize = 20 << 20;

/// What has been said when the source changes.
const EARLY: u64 = 1 << 20;
