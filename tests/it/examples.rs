//! The examples do what they say: their options and their handlers carry a file from one directory to another.

use std::path::PathBuf;
use std::sync::mpsc;

use p2pc::blocking;
use p2pc::events::{Decision, Event, Resolution};
use p2pc::transfer::Notice;
use p2pc::{Cancel, Code, Kind, OnConflict, ReceiveOptions, SendOptions};

use crate::rig::{TestRelay, code, contents, some_files};

#[path = "../../examples/embedded_relay.rs"]
#[expect(dead_code, reason = "here `main` is an ordinary function")]
mod embedded_relay;
#[path = "../../examples/pipeline.rs"]
#[expect(dead_code, reason = "here `main` is an ordinary function")]
mod pipeline;
#[path = "../../examples/progress.rs"]
#[expect(dead_code, reason = "here `main` is an ordinary function")]
mod progress;
#[path = "../../examples/receive.rs"]
#[expect(dead_code, reason = "here `main` is an ordinary function")]
mod receive;
#[path = "../../examples/send.rs"]
#[expect(dead_code, reason = "here `main` is an ordinary function")]
mod send;
#[path = "../../examples/stream.rs"]
#[cfg(unix)]
#[expect(dead_code, reason = "here `main` is an ordinary function")]
mod stream;
#[path = "../../examples/tokio.rs"]
#[expect(dead_code, reason = "here `main` is an ordinary function")]
mod under_tokio;

#[test]
fn the_examples_carry_files() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (from, out) = (some_files(temp.path()), temp.path().join("out"));
    let agreed = code("48213-acid-crane-otter");
    let mut sending = send::options(relay.url.clone(), [from.clone()]);
    sending.code = Some(agreed.clone());
    let mut receiving = receive::options(relay.url.clone(), agreed, &out);
    receiving.yes = true;
    let (sent, received) = smol::block_on(smol::future::zip(
        p2pc::send(sending, &send::Printer, Cancel::new()),
        p2pc::receive(receiving, &receive::Person, Cancel::new()),
    ));
    assert_eq!((sent.unwrap().delivered, received.unwrap().failed), (5, 0));
    assert_eq!(contents(&from), contents(&out.join("things")));
}

/// What somebody receives who has this code.
fn receiving(relay: &TestRelay, agreed: Code, out: PathBuf) -> p2pc::Transfer {
    ReceiveOptions::new(Some(agreed), out).relay(relay.url.clone()).start()
}

#[test]
fn a_transfer_is_a_loop_over_what_happens() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (from, out) = (some_files(temp.path()), temp.path().join("out"));
    let agreed = code("48213-acid-crane-otter");
    let sending = SendOptions::new([&from]).code(agreed.clone()).relay(relay.url.clone());
    let sender = std::thread::spawn(move || progress::send(sending));

    let mut transfer = receiving(&relay, agreed, out.clone()).blocking();
    let mut entries = 0;
    for notice in transfer.by_ref() {
        match notice {
            Notice::Question(_, reply) => reply.yes(),
            Notice::Event(Event::Entry(_)) => entries += 1,
            _ => {}
        }
    }
    let report = transfer.finish().unwrap();
    assert_eq!((entries, report.delivered, report.failed), (5, 5, 0));
    assert_eq!(sender.join().unwrap().unwrap().delivered, 5);
    assert_eq!(contents(&from), contents(&out.join("things")));
}

#[test]
fn who_leaves_a_question_unanswered_has_declined() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (from, out) = (some_files(temp.path()), temp.path().join("out"));
    let agreed = code("48213-acid-crane-otter");
    let sending = SendOptions::new([&from]).code(agreed.clone()).relay(relay.url.clone()).start();
    let sender = std::thread::spawn(move || sending.blocking().finish());
    assert_eq!(receiving(&relay, agreed, out).blocking().finish().unwrap_err().kind(), Kind::Refused);
    assert_eq!(sender.join().unwrap().unwrap_err().kind(), Kind::Refused);
}

#[test]
fn a_conflict_is_a_notice_too() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (old, new, out) = (temp.path().join("f"), temp.path().join("new"), temp.path().join("out"));
    std::fs::create_dir_all(&out).unwrap();
    std::fs::create_dir_all(&new).unwrap();
    std::fs::write(out.join("f"), "old").unwrap();
    std::fs::write(&old, "newer").unwrap();
    let agreed = code("48213-acid-crane-otter");
    let sending = SendOptions::new([&old]).code(agreed.clone()).relay(relay.url.clone()).start();
    let sender = std::thread::spawn(move || sending.blocking().finish());
    let options = ReceiveOptions::new(Some(agreed), out.clone()).relay(relay.url.clone());
    let mut transfer = options.yes().on_conflict(OnConflict::Ask).start().blocking();
    for notice in transfer.by_ref() {
        if let Notice::Conflict(_, reply) = notice {
            reply.send(Decision { resolution: Resolution::Overwrite, for_all: false });
        }
    }
    assert_eq!(transfer.finish().unwrap().delivered, 1);
    sender.join().unwrap().unwrap();
    assert_eq!(std::fs::read(out.join("f")).unwrap(), b"newer");
}

#[test]
fn a_transfer_can_be_cancelled_from_anywhere() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let from = some_files(temp.path());
    let mut transfer = SendOptions::new([&from]).relay(relay.url.clone()).start().blocking();
    let cancel = transfer.canceller();
    let ready = transfer.find(|notice| matches!(notice, Notice::Event(Event::CodeReady { .. })));
    assert!(ready.is_some());
    std::thread::spawn(move || cancel.cancel());
    assert_eq!(transfer.finish().unwrap_err().kind(), Kind::Interrupted);
}

#[test]
fn the_embedded_relay_carries_and_drains() {
    let temp = tempfile::tempdir().unwrap();
    let (from, out) = (some_files(temp.path()), temp.path().join("out"));
    let relay = embedded_relay::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let (show, shown) = mpsc::channel::<String>();
    let to = out.clone();
    let receiver = std::thread::spawn(move || {
        let command = shown.recv().unwrap();
        let (code, relay) = Code::parse(command.rsplit(' ').next().unwrap(), false).unwrap();
        let options = ReceiveOptions::new(Some(code), to).relay(relay.unwrap().parse().unwrap()).yes();
        blocking::receive(options, &p2pc::events::Silent::declining(), Cancel::new())
    });
    let report = embedded_relay::send(&relay, [from.clone()], |command| show.send(command).unwrap());
    assert_eq!((report.unwrap().failed, receiver.join().unwrap().unwrap().delivered), (0, 5));
    relay.drain().unwrap();
    assert_eq!(contents(&from), contents(&out.join("things")));
}

#[test]
fn a_step_of_a_pipeline_takes_and_gives() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let lines = temp.path().join("poem");
    std::fs::write(&lines, "a\nb\nc\n").unwrap();
    let (before, behind) = (code("48213-acid-crane-otter"), code("58213-acid-crane-otter"));
    let first = SendOptions::new([&lines]).code(before.clone()).relay(relay.url.clone()).start();
    let first = std::thread::spawn(move || first.blocking().finish());
    let out = temp.path().join("last");
    let last = ReceiveOptions::new(Some(behind.clone()), &out).relay(relay.url.clone()).yes().start();
    let last = std::thread::spawn(move || last.blocking().finish());
    pipeline::step(&relay.url, before, behind, &temp.path().join("step")).unwrap();
    assert_eq!(first.join().unwrap().unwrap().delivered, 1);
    assert_eq!(last.join().unwrap().unwrap().delivered, 2);
    assert_eq!(std::fs::read(out.join("out/lines.txt")).unwrap(), b"3\n");
}

/// What one program prints another one reads; many times what is under way at a time.
#[cfg(unix)]
#[test]
fn a_stream_goes_from_program_to_program() {
    use std::process::Command;

    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let out = temp.path().join("numbers");
    let (show, shown) = mpsc::channel::<String>();
    let into = out.clone();
    let receiver = std::thread::spawn(move || {
        let mut tee = Command::new("tee");
        tee.arg(into).stdout(std::process::Stdio::null());
        stream::receive(&shown.recv().unwrap(), &mut tee)
    });
    let sent = stream::send(&relay.url, Command::new("seq").arg("2000000"), |code| show.send(code).unwrap());
    let received = receiver.join().unwrap().unwrap();
    let expected: String = (1..=2_000_000).map(|number| format!("{number}\n")).collect();
    assert_eq!((sent.unwrap().bytes, received.bytes), (expected.len() as u64, expected.len() as u64));
    assert!(std::fs::read_to_string(out).unwrap() == expected);
}

/// A program that failed has not printed everything, whatever became of what it did print.
#[cfg(unix)]
#[test]
fn a_program_that_fails_has_sent_nothing_whole() {
    use std::process::Command;

    let relay = TestRelay::start();
    let (show, shown) = mpsc::channel::<String>();
    let receiver = std::thread::spawn(move || {
        stream::receive(&shown.recv().unwrap(), Command::new("cat").stdout(std::process::Stdio::null()))
    });
    let mut failing = Command::new("sh");
    failing.args(["-c", "echo half; exit 3"]);
    let sent = stream::send(&relay.url, &mut failing, |code| show.send(code).unwrap());
    assert!(sent.unwrap_err().to_string().contains("exit status: 3"));
    receiver.join().unwrap().unwrap();
}

#[test]
fn tasks_of_tokio_receive_at_once() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let from = some_files(temp.path());
    let codes: Vec<Code> = (0..4).map(|_| Code::random().unwrap()).collect();
    let send = |code: &Code| SendOptions::new([&from]).code(code.clone()).relay(relay.url.clone()).start();
    let senders: Vec<_> = codes.iter().map(send).collect();
    let invitations: Vec<String> =
        codes.iter().map(|code| format!("{}@{}", code.reveal(), relay.url)).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let reports = runtime.block_on(under_tokio::receive_all(&invitations, temp.path())).unwrap();
    assert!(reports.len() == 4 && reports.iter().all(|report| (report.delivered, report.failed) == (5, 0)));
    for (number, sender) in senders.into_iter().enumerate() {
        assert_eq!(runtime.block_on(async { sender.await }).unwrap().delivered, 5);
        assert_eq!(contents(&from), contents(&temp.path().join(number.to_string()).join("things")));
    }
}
