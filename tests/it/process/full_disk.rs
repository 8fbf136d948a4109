//! A disk without room: a small file system of its own, which only root can mount.
//!
//! It runs where `P2PC_SYSTEM_TESTS=1` says so (`make test-system` does); elsewhere it says that it was skipped.

use std::path::PathBuf;
use std::process::Command;

use super::{Program, Relay, names, small_file};

#[test]
fn a_full_disk_ends_both_sides_and_leaves_nothing_unfinished() {
    if std::env::var_os("P2PC_SYSTEM_TESTS").is_none_or(|value| value != "1") {
        println!(
            "skipped: a_full_disk_ends_both_sides_and_leaves_nothing_unfinished needs root (P2PC_SYSTEM_TESTS=1)"
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (relay, small, big) = (Relay::start(), small_file(dir.path()), dir.path().join("big"));
    std::fs::write(&big, vec![7; 8 << 20]).unwrap();
    let disk = SmallDisk::mount(dir.path().join("disk"));
    let sender = Program::start(relay.send().args([&small, &big]));
    let received = Program::start(&mut relay.receive(&disk.0)).exits(7);
    assert!(received.stderr.contains("hint: Make room on that disk"), "{}", received.stderr);
    let sent = sender.exits(8);
    assert!(sent.stderr.contains("the other side"), "{}", sent.stderr);
    assert!(names(&disk.0).iter().all(|name| name == "small"), "{:?}", names(&disk.0));
}

/// One mebibyte of memory as a disk; it is gone with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: PathBuf) -> SmallDisk {
        std::fs::create_dir(&place).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "p2pc"]).arg(&place).status();
        assert!(mounted.unwrap().success(), "only root can mount");
        SmallDisk(place)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
