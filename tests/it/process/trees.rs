//! What travels and what does not, seen from outside: two directories before and after a transfer.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Relay, names};

fn dated(path: &Path, mode: u32, seconds: u64) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let time = UNIX_EPOCH + Duration::new(seconds, 123_456_789);
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_tree_arrives_with_modes_times_links_and_what_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, out, relay) = (dir.path().join("tree"), dir.path().join("out"), Relay::start());
    std::fs::create_dir_all(tree.join("sub/empty")).unwrap();
    std::fs::write(tree.join("sub/run"), b"#!/bin/sh\n").unwrap();
    std::fs::write(tree.join("nothing"), b"").unwrap();
    symlink("sub/run", tree.join("link")).unwrap();
    dated(&tree.join("sub/run"), 0o4751, 1_000_000_001);
    dated(&tree.join("nothing"), 0o640, 1_000_000_002);
    dated(&tree.join("sub/empty"), 0o700, 1_000_000_003);
    dated(&tree.join("sub"), 0o2570, 1_000_000_004);
    dated(&tree, 0o1755, 1_000_000_005);
    relay.carries(relay.send().arg(&tree), &out, 0);
    for name in ["", "nothing", "sub", "sub/run", "sub/empty"] {
        let (sent, arrived) = (tree.join(name), out.join("tree").join(name));
        let (sent, arrived) = (std::fs::metadata(sent).unwrap(), std::fs::metadata(arrived).unwrap());
        assert_eq!(
            arrived.mode() & 0o7777,
            sent.mode() & 0o777,
            "{name}: nine bits, and no set-id or sticky one"
        );
        assert_eq!(arrived.modified().unwrap(), sent.modified().unwrap(), "{name}");
        assert_eq!(arrived.is_dir(), sent.is_dir(), "{name}");
    }
    assert_eq!(std::fs::read_link(out.join("tree/link")).unwrap(), Path::new("sub/run"));
    assert_eq!(std::fs::read(out.join("tree/sub/run")).unwrap(), b"#!/bin/sh\n");
    assert_eq!(names(&out), ["tree"]);
}

#[test]
fn holes_stay_holes() {
    const LENGTH: u64 = 1 << 30;
    let dir = tempfile::tempdir().unwrap();
    let (file, out, relay) = (dir.path().join("sparse"), dir.path().join("out"), Relay::start());
    std::fs::write(&file, [1; 4096]).unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_len(LENGTH).unwrap();
    relay.carries(relay.send().arg(&file), &out, 0);
    let arrived = std::fs::metadata(out.join("sparse")).unwrap();
    assert_eq!(arrived.len(), LENGTH);
    assert!(arrived.blocks() * 512 < 1 << 20, "{} bytes on disk", arrived.blocks() * 512);
}

#[test]
fn what_cannot_travel_is_reported_and_the_rest_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, out, relay) = (dir.path().join("tree"), dir.path().join("out"), Relay::start());
    std::fs::create_dir(&tree).unwrap();
    // Opening it would wait for ever: nobody writes to it.
    mknodat(CWD, tree.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    symlink("/etc/passwd", tree.join("absolute")).unwrap();
    symlink("../../outside", tree.join("climbs")).unwrap();
    std::fs::write(tree.join(".p2pc-abc.part"), b"kept for part files").unwrap();
    std::fs::write(tree.join("fine"), b"fine").unwrap();
    let (sent, received) = relay.carries(relay.send().arg(&tree), &out, 9);
    for side in [sent, received] {
        assert!(side.stderr.contains("4 entries were not delivered"), "{}", side.stderr);
        for (name, why) in [
            ("tree/pipe", "a FIFO, socket or device"),
            ("tree/absolute", "may point outside"),
            ("tree/climbs", "may point outside"),
            ("tree/~.p2pc-abc.part", "its name cannot be sent"),
        ] {
            let line = side.stderr.lines().find(|line| line.trim().starts_with(&format!("{name}:")));
            assert!(line.is_some_and(|line| line.contains(why)), "{name}: {}", side.stderr);
        }
    }
    assert_eq!(names(&out.join("tree")), ["fine"]);
}

#[test]
fn any_name_arrives_and_is_shown_without_acting_on_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, out, relay) = (dir.path().join("tree"), dir.path().join("out"), Relay::start());
    std::fs::create_dir(&tree).unwrap();
    let unusual: [&[u8]; 7] =
        [b"caf\xe9", b"\x1b]0;owned\x07", b"a\nb", b"a:b", b"aux.c", b" -rf ", "\u{202e}gpj.exe".as_bytes()];
    for name in unusual {
        std::fs::write(tree.join(OsStr::from_bytes(name)), name).unwrap();
    }
    // It cannot be delivered, so that its name is shown at the end as well.
    let pipe = tree.join(OsStr::from_bytes(b"\x1b[2Jpipe"));
    mknodat(CWD, pipe, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let sender = super::Program::start(relay.send().arg("--verbose").arg(&tree));
    let received = super::Program::start(relay.receive(&out).arg("--verbose")).exits(9);
    for side in [sender.exits(9), received] {
        let acts = side.stderr.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
        assert_eq!(acts, None, "{:?}", side.stderr);
        assert!(side.stderr.contains(r"caf\xe9") && side.stderr.contains(r"a\nb"), "{}", side.stderr);
    }
    for name in unusual {
        assert_eq!(std::fs::read(out.join("tree").join(OsStr::from_bytes(name))).unwrap(), name);
    }
}

#[test]
fn every_chunk_size_carries() {
    let dir = tempfile::tempdir().unwrap();
    let (file, relay) = (dir.path().join("big"), Relay::start());
    let content: Vec<u8> = (0..5_000_001_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&file, &content).unwrap();
    for size in ["512KiB", "1MiB", "2MiB", "4MiB"] {
        let out = dir.path().join(size);
        relay.carries(relay.send().args(["--chunk-size", size]).arg(&file), &out, 0);
        assert!(std::fs::read(out.join("big")).unwrap() == content, "{size}");
    }
}
