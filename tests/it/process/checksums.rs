//! The real tools read what `--checksums` writes.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::program::{Program, p2pc};
use super::{Relay, small_file, with_code};
use crate::cutting::Chance;

/// What the tool says of these sums, in this directory.
fn checked(tool: &str, sums: &Path, at: &Path) -> Option<(bool, String)> {
    let output = Command::new(tool).arg("--check").arg(sums).current_dir(at).output().ok()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some((output.status.success(), said))
}

#[test]
fn sha256sum_finds_everything_as_it_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, out, sums) = (dir.path().join("tree"), dir.path().join("out"), dir.path().join("SUMS"));
    std::fs::create_dir_all(tree.join("deep")).unwrap();
    let mut chance = Chance::new(7);
    let names: [&[u8]; 8] = [
        b"plain",
        b" blanks ",
        b"back\\slash",
        b"line\nbreak",
        b"return\r",
        b"caf\xe9",
        b"*star",
        b"deep/er",
    ];
    for (size, name) in names.iter().enumerate() {
        std::fs::write(tree.join(OsStr::from_bytes(name)), chance.bytes(size * 1000)).unwrap();
    }
    std::fs::write(tree.join("large"), chance.bytes((9 << 20) + 5)).unwrap();
    let hollow = std::fs::File::create(tree.join("hollow")).unwrap();
    hollow.set_len(3 << 20).unwrap();
    let relay = Relay::start();
    let run = |receiver: &[&OsStr]| {
        let mut send = with_code(p2pc("send"), &relay.url);
        let sender = Program::start(send.args(["--lanes", "4"]).arg(&tree));
        Program::start(relay.receive(&out).args(receiver)).exits(0);
        sender.exits(0);
    };
    let given: [&OsStr; 2] = ["--checksums".as_ref(), sums.as_os_str()];
    run(&given);
    let lines = std::fs::read(&sums).unwrap().iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, names.len() + 2);
    let (is_right, said) = checked("sha256sum", &sums, &out).unwrap();
    assert!(is_right, "{said}");
    // All of it is there now, and one file differs: the sums are those of what stands there in the end.
    let before = std::fs::read(&sums).unwrap();
    std::fs::write(&sums, "old").unwrap();
    let mut large = std::fs::read(tree.join("large")).unwrap();
    large[5 << 20] ^= 1;
    std::fs::write(out.join("tree/large"), &large).unwrap();
    run(&[&given[..], &["--on-conflict=overwrite".as_ref()]].concat());
    let sorted = |text: &[u8]| {
        let mut lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&std::fs::read(&sums).unwrap()), sorted(&before));
    large[0] ^= 1;
    std::fs::write(out.join("tree/large"), &large).unwrap();
    let (is_right, said) = checked("sha256sum", &sums, &out).unwrap();
    assert!(!is_right && said.contains("tree/large: FAILED"), "{said}");
    let blake3: &OsStr = "--checksums-with=blake3".as_ref();
    run(&[&given[..], &["--on-conflict=overwrite".as_ref(), blake3]].concat());
    // It takes no names that are no text, and a return in one only since its version 1.5.
    let lines = std::fs::read(&sums).unwrap();
    let text = lines.split_inclusive(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let text: String = text.filter(|line| !line.contains("return")).collect();
    assert_eq!(text.lines().count(), names.len());
    for line in text.lines() {
        let (sum, name) = line.trim_start_matches('\\').split_once("  ").unwrap();
        let name = if line.starts_with('\\') {
            name.replace("\\n", "\n").replace("\\\\", "\\")
        } else {
            name.into()
        };
        assert_eq!(sum, blake3::hash(&std::fs::read(out.join(name)).unwrap()).to_hex().as_str());
    }
    std::fs::write(&sums, text).unwrap();
    match checked("b3sum", &sums, &out) {
        Some((is_right, said)) => assert!(is_right, "{said}"),
        None => println!("skipped: b3sum is not installed"),
    }
}

/// What was delivered before somebody broke it off is in the list of the run that goes on.
#[test]
fn an_interrupted_receiver_leaves_no_part_of_a_list_and_the_next_one_has_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let (out, listed) = (dir.path().join("out"), dir.path().join("listed"));
    std::fs::create_dir(&listed).unwrap();
    let sums = listed.join("SUMS");
    std::fs::write(&sums, "old").unwrap();
    let mut sender = Program::start(relay.send().arg(&file).args(["-", "--verbose"]).stdin(Stdio::piped()));
    let receive = || {
        let mut receive = relay.receive(&out);
        receive.arg("--verbose").arg("--checksums").arg(&sums);
        receive
    };
    let mut receiver = Program::start(&mut receive());
    receiver.says("small  5 B");
    let part = super::names(&listed).into_iter().find(|name| name != "SUMS").unwrap();
    assert!(part.to_str().unwrap().starts_with(".p2pc-"), "{part:?}");
    sender.stdin.as_mut().unwrap().write_all(b"more").unwrap();
    receiver.signal(Signal::INT);
    receiver.exits(130);
    sender.exits(8);
    assert_eq!(super::names(&listed), ["SUMS"]);
    assert_eq!(std::fs::read(&sums).unwrap(), b"old");
    let other = dir.path().join("other");
    std::fs::write(&other, "other").unwrap();
    let sender = Program::start(relay.send().arg(&file).arg(&other));
    Program::start(&mut receive()).exits(0);
    sender.exits(0);
    let (is_right, said) = checked("sha256sum", &sums, &out).unwrap();
    assert!(is_right && said == "small: OK\nother: OK\n", "{said}");
}

/// The list of one run may be among the files of the next.
#[test]
fn a_list_is_not_put_in_the_place_of_what_is_received() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, out) = (Relay::start(), small_file(dir.path()), dir.path().join("out"));
    let sums = out.join("small");
    std::fs::create_dir(&out).unwrap();
    // It comes, or is there already, and the same.
    for _ in 0..2 {
        let sender = Program::start(relay.send().arg(&file));
        let ended = Program::start(relay.receive(&out).arg("--checksums").arg(&sums)).exits(7);
        assert!(ended.stderr.contains("was written to during the transfer"), "{}", ended.stderr);
        sender.exits(0);
        assert_eq!(std::fs::read(&sums).unwrap(), b"hello");
        assert_eq!(super::names(&out), ["small"]);
    }
}

#[test]
fn a_transfer_that_is_not_accepted_or_fails_leaves_no_sums() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file, sums) = (Relay::start(), small_file(dir.path()), dir.path().join("SUMS"));
    std::fs::write(&sums, "old").unwrap();
    let sender = Program::start(relay.send().arg(&file));
    // The output directory cannot be made.
    let mut receive = relay.receive("/proc/p2pc".as_ref());
    Program::start(receive.arg("--checksums").arg(&sums)).exits(7);
    sender.exits(8);
    assert_eq!(std::fs::read(&sums).unwrap(), b"old");
    assert_eq!(super::names(dir.path()), ["SUMS", "small"]);
    let mut nowhere = with_code(p2pc("receive"), "ws://127.0.0.1:1");
    let ended = Program::start(nowhere.args(["--yes", "--checksums", "/nowhere/SUMS"])).exits(7);
    assert!(ended.stderr.contains("/nowhere/SUMS"), "{}", ended.stderr);
}
