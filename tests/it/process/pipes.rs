//! Standard input and output as ends of a transfer, in the middle of other people's pipelines.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use super::program::{Program, p2pc, typed};
use super::{CODE, Relay, names, small_file, with_code};

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
    for (side, hint) in [
        (sent, "Send it again to a receiver that writes into a directory"),
        (received, "Have it sent again and receive into a directory"),
    ] {
        assert!(
            side.stderr.contains("other: the receiver writes to standard output, which takes one file"),
            "{}",
            side.stderr
        );
        assert!(side.stderr.contains(&format!("\nhint: {hint}")), "{}", side.stderr);
    }
}

/// Three processes, however much passes and over however many connections: also where nobody reads for a while, and everything between the
/// two pipes fills up.
#[cfg(target_os = "linux")]
fn a_stream_passes_in_bounded_memory(lanes: &str) {
    static BLOCK: [u8; 1 << 16] = [0x5a; 1 << 16];
    const BLOCKS: usize = 1024;
    // Of what the receiver's window has room for, some.
    const FULL: usize = 8 << 20;
    let relay = Relay::start();
    let (mut end, writer) = std::io::pipe().unwrap();
    let mut command = with_code(p2pc("send"), &relay.url);
    let command = command.args(["--lanes", lanes, "--compress", "off", "-"]);
    let mut sender = Program::start(command.stdin(Stdio::piped()));
    let receiver = Program::start(relay.receive("-".as_ref()).stdout(writer));
    let mut stdin = sender.stdin.take().unwrap();
    let (fed, filling) = std::sync::mpsc::channel();
    let feeding = std::thread::spawn(move || {
        for block in 0..BLOCKS {
            stdin.write_all(&BLOCK).unwrap();
            let _ = fed.send((block + 1) * BLOCK.len());
        }
        stdin
    });
    while filling.recv().unwrap() < FULL {}
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
        assert!(peak < limit, "the {who} took {peak} bytes over {lanes} lanes");
    }
    drop(stdin);
    sender.exits(0);
    receiver.exits(0);
    assert_eq!(end.read(&mut block).unwrap(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_passes_in_bounded_memory_over_one_lane() {
    a_stream_passes_in_bounded_memory("1");
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_passes_in_bounded_memory_over_some_lanes() {
    a_stream_passes_in_bounded_memory("4");
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_passes_in_bounded_memory_over_many_lanes() {
    a_stream_passes_in_bounded_memory("16");
}

#[test]
fn an_archive_goes_from_pipe_to_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, from, to) = (Relay::start(), dir.path().join("from"), dir.path().join("to"));
    std::fs::create_dir_all(from.join("deep")).unwrap();
    std::fs::create_dir(&to).unwrap();
    std::fs::write(from.join("deep/file"), vec![7; 3 << 20]).unwrap();
    let line = |line: &str, at: &Path| {
        let mut command = typed(line);
        command.current_dir(at).env("P2PC_CODE", format!("{CODE}@{}", relay.url));
        Program::start(&mut command)
    };
    let sender = line("tar -c . | p2pc send - --name x.tar --json", &from);
    let receiver = line("p2pc receive --yes -o - | tar -x", &to);
    let sent = sender.exits(0);
    receiver.exits(0);
    assert!(std::fs::read(to.join("deep/file")).unwrap() == vec![7; 3 << 20]);
    let said = String::from_utf8(sent.stdout).unwrap();
    assert!(said.contains("\"path\":\"x.tar\""), "{said}");
}

#[test]
fn a_program_that_fails_in_the_middle_of_a_pipe_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Relay::start();
    let mut sender = Program::start(relay.send().arg("-").stdin(Stdio::piped()));
    let mut stdin = sender.stdin.take().unwrap();
    let mut command = typed("p2pc receive --yes -o - | false; echo ${PIPESTATUS:-none}");
    command.current_dir(dir.path()).env("P2PC_CODE", format!("{CODE}@{}", relay.url));
    let receiver = Program::start(&mut command);
    while stdin.write_all(&vec![1; 65536]).is_ok() {}
    assert_eq!(receiver.exits(0).stderr.lines().filter(|line| line.contains("p2pc:")).count(), 0);
    sender.exits(8);
}

#[test]
fn a_list_from_a_pipe_says_what_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, out) = (Relay::start(), dir.path().join("out"));
    for name in ["src/a.c", "src/in/b.c", "src/in/note", "src/line\nbreak.c"] {
        let path = dir.path().join("from").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    let line = "find . -name '*.c' -print0 | p2pc send --files-from - -0 --exclude 'a.*'";
    let mut command = typed(line);
    command.current_dir(dir.path().join("from")).env("P2PC_CODE", format!("{CODE}@{}", relay.url));
    let sender = Program::start(&mut command);
    Program::start(&mut relay.receive(&out)).exits(0);
    sender.exits(0);
    assert_eq!(names(&out.join("src")), ["in", "line\nbreak.c"]);
    assert_eq!(names(&out.join("src/in")), ["b.c"]);
}

#[test]
fn events_that_cannot_be_written_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Relay::start();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let sender = Program::start(relay.send().arg("--json").arg(small_file(dir.path())).stdout(full));
    let said = sender.exits(7).stderr;
    assert!(said.contains("cannot write to standard output: "), "{said}");
}

#[test]
fn a_list_obeys_what_its_directory_and_those_in_it_leave_out() {
    let dir = tempfile::tempdir().unwrap();
    let (relay, from, out) = (Relay::start(), dir.path().join("from"), dir.path().join("out"));
    std::fs::create_dir_all(from.join("sub")).unwrap();
    std::fs::write(from.join(".gitignore"), "secret*\n*.log\n").unwrap();
    std::fs::write(from.join("sub/.gitignore"), "other\n").unwrap();
    // So many that one left out within the other would be too deep.
    let logs: Vec<String> = (0..20_000).map(|number| format!("{number}.log")).collect();
    let all: Vec<String> = ["secret.env", "ok", "sub/secret", "sub/other", "sub/fine"]
        .map(str::to_owned)
        .into_iter()
        .chain(logs)
        .collect();
    for name in &all {
        std::fs::write(from.join(name), name).unwrap();
    }
    // Lines as programs of Windows end them.
    std::fs::write(dir.path().join("list"), all.join("\r\n") + "\r\n").unwrap();
    let mut command = typed("p2pc send --gitignore --files-from ../list");
    command.current_dir(&from).env("P2PC_CODE", format!("{CODE}@{}", relay.url));
    let sender = Program::start(&mut command);
    Program::start(&mut relay.receive(&out)).exits(0);
    sender.exits(0);
    assert_eq!(names(&out), ["ok", "sub"]);
    assert_eq!(names(&out.join("sub")), ["fine"]);
}

#[test]
fn a_reader_that_has_read_enough_ends_the_transfer_quietly() {
    let relay = Relay::start();
    let (mut end, writer) = std::io::pipe().unwrap();
    let mut sender = Program::start(relay.send().arg("-").stdin(Stdio::piped()));
    let mut stdin = sender.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || while stdin.write_all(&vec![1; 65536]).is_ok() {});
    let receiver = Program::start(relay.receive("-".as_ref()).arg("--quiet").stdout(writer));
    end.read_exact(&mut [0; 10]).unwrap();
    drop(end);
    assert_eq!(receiver.exits(141).stderr, "");
    let said = sender.exits(8).stderr;
    assert!(said.contains("p2pc: the other side interrupted the transfer: nobody reads"), "{said}");
    feeding.join().unwrap();
}
