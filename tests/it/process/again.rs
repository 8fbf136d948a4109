//! The same commands once more: what is there already is not sent again, and what is different is never taken for it.

use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustix::process::Signal;

use super::program::{Program, p2pc};
use super::scene::{Halfway, JOURNAL_HEAD, SLOT, Scene};
use super::{RESTARTED, Relay, names, with_code};
use crate::cutting::{Chance, Line, Way};

/// A file of 12 chunks of which a good half arrived before both sides were told to end.
fn broken_off() -> Scene {
    let scene = Scene::with_file(SIZE);
    scene.breaks_off(HALF);
    scene
}

#[test]
fn what_has_arrived_is_not_sent_again() {
    let scene = broken_off();
    let left = names(&scene.out);
    assert!(
        left.len() == 2 && left.iter().all(|name| name.to_str().unwrap().starts_with(".p2pc-")),
        "{left:?}"
    );
    let sent = scene.carries(&[], 0).bytes;
    assert!(sent < REST + SLACK, "{sent}");
    scene.is_equal();
}

#[test]
fn a_killed_receiver_goes_on_where_its_journal_says() {
    let scene = Scene::with_file(SIZE);
    let Halfway { line, sender, receiver } = scene.halfway(HALF + CHUNK);
    scene.has_journaled(HALF / CHUNK - 1);
    receiver.signal(Signal::KILL);
    receiver.was_killed();
    // The sender still waits, and the same command finds it.
    let far = Line::to(scene.relay.address());
    let mut command = with_code(p2pc("receive"), &far.url);
    let receiver = Program::start(command.arg("--yes").arg("--out").arg(&scene.out));
    line.release();
    receiver.exits(0);
    assert!(sender.exits(0).stderr.contains(RESTARTED));
    let heard = far.passed(Way::Down);
    assert!(heard < REST + SLACK, "{heard}");
    scene.is_equal();
}

#[test]
fn without_resuming_everything_is_sent_again() {
    let scene = broken_off();
    let sent = scene.carries(&["--no-resume"], 0).bytes;
    assert!(sent >= SIZE as u64, "{sent}");
    scene.is_equal();
}

#[test]
fn what_was_damaged_meanwhile_is_sent_again() {
    let scene = broken_off();
    for chunk in [2, 5] {
        flip(&scene.unfinished(".part"), chunk * CHUNK + 77_777);
    }
    let sent = scene.carries(&[], 0).bytes;
    assert!((2 * CHUNK..REST + 2 * CHUNK + SLACK).contains(&sent), "{sent}");
    scene.is_equal();
}

#[test]
fn a_damaged_journal_claims_less_and_nothing_wrong() {
    for at in [0, JOURNAL_HEAD + 5 * SLOT as u64 + 3] {
        let scene = broken_off();
        flip(&scene.unfinished(".journal"), at);
        scene.carries(&[], 0);
        scene.is_equal();
    }
}

fn flip(path: &Path, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

#[test]
fn a_source_that_changed_between_is_seen() {
    let other = Chance::new(9).bytes(SIZE + 100_000);
    let mut one_byte = Chance::new(1).bytes(SIZE);
    one_byte[5 << 20] ^= 1;
    let shorter = one_byte[..SIZE - 3_000_000].to_vec();
    let longer = [&one_byte[..], &other[..50_000]].concat();
    for changed in [&one_byte[..], &shorter, &longer, &other[..SIZE]] {
        let scene = broken_off();
        std::fs::write(&scene.source, changed).unwrap();
        scene.carries(&[], 0);
        scene.is_equal();
    }
}

#[test]
fn what_is_complete_is_sent_no_more() {
    let scene = Scene::with_file(SIZE);
    scene.carries(&[], 0);
    let before = std::fs::metadata(scene.arrived()).unwrap();
    for options in [&[][..], &["--no-resume"], &["--on-conflict", "overwrite"], &["--on-conflict", "rename"]]
    {
        let sent = scene.carries(options, 0).bytes;
        assert!(sent < SLACK, "{options:?}: {sent}");
        let after = std::fs::metadata(scene.arrived()).unwrap();
        assert_eq!((after.ino(), after.modified().unwrap()), (before.ino(), before.modified().unwrap()));
        scene.is_equal();
    }
}

#[test]
fn what_is_different_goes_by_the_strategy() {
    let scene = Scene::with_file(SIZE);
    scene.carries(&[], 0);
    let old = std::fs::read(&scene.source).unwrap();
    flip(&scene.source, 9 * CHUNK);
    let new = std::fs::read(&scene.source).unwrap();
    for options in [&[][..], &["--on-conflict", "skip"], &["--on-conflict", "ask"]] {
        let carried = scene.carries(options, 9);
        assert!(carried.bytes < SLACK, "{options:?}: {}", carried.bytes);
        for side in [carried.sent, carried.received] {
            assert!(side.stderr.contains("left alone"), "{}", side.stderr);
        }
        assert_eq!(names(&scene.out), ["data"], "{options:?}");
        assert!(std::fs::read(scene.arrived()).unwrap() == old, "{options:?}");
    }
    // Both are kept, and the second time both are there.
    for limit in [u64::MAX, SLACK] {
        let sent = scene.carries(&["--on-conflict", "rename"], 0).bytes;
        assert!(sent < limit, "{sent}");
        let kept = names(&scene.out);
        assert!(kept.len() == 2 && kept[0] == "data", "{kept:?}");
        assert!(std::fs::read(scene.arrived()).unwrap() == old);
        assert!(std::fs::read(scene.out.join(&kept[1])).unwrap() == new);
    }
    std::fs::remove_file(scene.out.join(&names(&scene.out)[1])).unwrap();
    let sent = scene.carries(&["--on-conflict", "overwrite"], 0).bytes;
    assert!(sent < CHUNK + SLACK, "only what differs: {sent}");
    scene.is_equal();
}

#[test]
fn two_receivers_never_write_the_same_file() {
    let scene = Scene::with_file(SIZE);
    let Halfway { line, sender, receiver } = scene.halfway(HALF);
    let other = Relay::start();
    let second = Program::start(other.send().arg(&scene.source));
    let said = Program::start(&mut other.receive(&scene.out)).exits(7).stderr;
    assert!(said.contains("another p2pc"), "{said}");
    second.exits(8);
    line.release();
    receiver.exits(0);
    sender.exits(0);
    scene.is_equal();
}

#[test]
fn a_tree_that_was_broken_off_gets_its_modes_and_times() {
    for signal in [Signal::TERM, Signal::KILL] {
        let scene = Scene::new();
        make_tree(&scene.source);
        let Halfway { line, sender, receiver } = scene.halfway(HALF);
        receiver.signal(signal);
        receiver.ends();
        // Only the one that could say so has ended the sender, too.
        sender.signal(Signal::KILL);
        sender.ends();
        drop(line);
        scene.carries(&[], 0);
        for (name, mode, _) in TREE {
            let (sent, arrived) = (scene.source.join(name), scene.arrived().join(name));
            let (sent, arrived) = (std::fs::metadata(sent).unwrap(), std::fs::metadata(arrived).unwrap());
            assert_eq!(arrived.mode() & 0o7777, mode, "{signal:?} {name}");
            assert_eq!(arrived.modified().unwrap(), sent.modified().unwrap(), "{signal:?} {name}");
        }
        let big = |root: &Path| std::fs::read(root.join("b/big")).unwrap();
        assert!(big(&scene.arrived()) == big(&scene.source));
        for (name, ..) in TREE.iter().filter(|(name, ..)| !name.ends_with("big")) {
            assert_eq!(
                names(&scene.arrived().join(name)),
                names(&scene.source.join(name)),
                "nothing else is left"
            );
        }
        for root in [scene.arrived(), scene.source.clone()] {
            // Only then can it be removed.
            std::fs::set_permissions(root.join("a"), std::fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}

/// Directories with a small file each, and one large file.
fn make_tree(root: &Path) {
    for (name, ..) in TREE {
        let path = root.join(name);
        if name.ends_with("big") {
            std::fs::write(path, Chance::new(2).bytes(SIZE)).unwrap();
        } else {
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("small"), name).unwrap();
        }
    }
    for (name, mode, seconds) in TREE.iter().rev() {
        let path = root.join(name);
        let time = UNIX_EPOCH + Duration::new(*seconds, 123_456_789);
        std::fs::File::open(&path).unwrap().set_modified(time).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).unwrap();
    }
}

/// What stands in the tree, the permissions of each, and when it was last changed.
const TREE: [(&str, u32, u64); 5] = [
    ("", 0o750, 1_000_000_001),
    ("a", 0o500, 1_000_000_002),
    ("b", 0o711, 1_000_000_003),
    ("b/big", 0o440, 1_000_000_004),
    ("c", 0o705, 1_000_000_005),
];

/// The default.
const CHUNK: u64 = 1 << 20;
const SIZE: usize = 12 << 20;
const HALF: u64 = 7 << 20;
const REST: u64 = SIZE as u64 - HALF;

/// What is said besides the bytes of the file: names, values of chunks, the upgrade.
const SLACK: u64 = 100_000;
