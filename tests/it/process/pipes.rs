//! Standard input and output as ends of a transfer, in the middle of other people's pipelines.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use super::program::{Program, p2pc};
use super::{Relay, names, small_file};

#[test]
fn standard_input_arrives_as_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, out) = (Relay::start(), dir.path().join("out"));
    let mut sender = Program::start(relay.send().arg("-").stdin(Stdio::piped()));
    let receiver = Program::start(&mut relay.receive(&out));
    sender.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    sender.exits(0);
    receiver.exits(0);
    assert_eq!(std::fs::read(out.join("stdin")).unwrap(), b"from a pipe");
}

#[test]
fn one_file_goes_to_standard_output_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let sender = Program::start(relay.send().arg(file));
    let mut command = relay.receive("-".as_ref());
    let received = Program::start(command.current_dir(dir.path())).exits(0);
    sender.exits(0);
    assert_eq!(received.stdout, b"hello");
    assert_eq!(names(dir.path()), ["small"]);
}

#[test]
fn with_data_on_standard_output_the_code_goes_to_people() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let mut receiver =
        Program::start(p2pc("receive").args(["--new-code", "--yes", "--relay", &relay.url, "-o", "-"]));
    let code = receiver.says(&relay.url);
    Program::start(p2pc("send").args(["--code", &code]).arg(file)).exits(0);
    assert_eq!(receiver.exits(0).stdout, b"hello");
}

#[test]
fn more_than_one_file_does_not_fit_into_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, file) = (Relay::start(), small_file(dir.path()));
    let other = dir.path().join("other");
    std::fs::write(&other, b"second").unwrap();
    let sender = Program::start(relay.send().args([&file, &other]));
    let received = Program::start(&mut relay.receive("-".as_ref()));
    let (received, sent) = (received.exits(9), sender.exits(9));
    assert!(sent.stderr.contains("not delivered") && received.stderr.contains("not delivered"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_passes_in_bounded_memory() {
    const BLOCK: [u8; 1 << 16] = [0x5a; 1 << 16];
    const BLOCKS: usize = 1024;
    let relay = Relay::start();
    let (mut end, writer) = std::io::pipe().unwrap();
    let mut sender = Program::start(relay.send().arg("-").stdin(Stdio::piped()));
    let receiver = Program::start(relay.receive("-".as_ref()).stdout(writer));
    let mut stdin = sender.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || {
        (0..BLOCKS).for_each(|_| stdin.write_all(&BLOCK).unwrap());
        stdin
    });
    let mut block = BLOCK;
    for _ in 0..BLOCKS {
        end.read_exact(&mut block).unwrap();
        assert!(block == BLOCK);
    }
    // All of it has passed, and none of the three has ended.
    let stdin = feeding.join().unwrap();
    for (who, program, limit) in [
        ("sender", &sender, 64 << 20),
        ("receiver", &receiver, 64 << 20),
        ("relay", &relay.program, 24 << 20),
    ] {
        let peak = program.peak_memory().unwrap();
        assert!(peak < limit, "the {who} took {peak} bytes");
    }
    drop(stdin);
    sender.exits(0);
    receiver.exits(0);
    assert_eq!(end.read(&mut block).unwrap(), 0);
}

#[test]
fn a_reader_that_has_read_enough_ends_the_transfer_quietly() {
    let relay = Relay::start();
    let (mut end, writer) = std::io::pipe().unwrap();
    let mut sender = Program::start(relay.send().arg("-").stdin(Stdio::piped()));
    let mut stdin = sender.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || while stdin.write_all(&[1; 65536]).is_ok() {});
    let receiver = Program::start(relay.receive("-".as_ref()).arg("--quiet").stdout(writer));
    end.read_exact(&mut [0; 10]).unwrap();
    drop(end);
    assert_eq!(receiver.exits(141).stderr, "");
    sender.exits(8);
    feeding.join().unwrap();
}
