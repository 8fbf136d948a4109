//! What the crate's front page promises to whoever writes a program with it.

use std::error::Error as _;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_lite::io::{BlockOn, Cursor};
use p2pc::events::{Decision, EntryEnd, Name, Offer, Progress, RelPath, Silent};
use p2pc::relay::{Limits, Network, Reload};
use p2pc::transfer::{Notice, Reply};
use p2pc::{
    Cancel, Code, DialOptions, Error, Event, Kind, Question, Rate, ReceiveOptions, Relay, RelayOptions,
    RelayUrl, Report, SendOptions, Token, Transfer, blocking,
};

use crate::rig::{TestRelay, code, contents, some_files};

/// An executor of many threads may carry all of it around, and look at it from several.
#[test]
fn everything_may_move_between_threads() {
    fn moves<T: Send + Sync + 'static>() {}
    fn is_an_error<T: std::error::Error + Send + Sync + 'static>() {}
    moves::<(SendOptions, ReceiveOptions, RelayOptions, DialOptions, Limits, Network)>();
    moves::<(Transfer, blocking::Transfer, Notice, Reply<bool>, Reply<Decision>, Cancel)>();
    moves::<(Relay, blocking::Relay, Reload)>();
    moves::<(Event, Question, Report, Progress, Offer, EntryEnd, RelPath, Name, Silent)>();
    moves::<(Code, Token, RelayUrl, Error, Kind)>();
    is_an_error::<Error>();
    is_an_error::<p2pc::CodeError>();
}

/// What a program logs with `{:?}` tells no secret.
#[test]
fn no_debug_shows_a_secret() {
    let token = Token::parse("a-token-that-nobody-knows").unwrap();
    let mut sending = SendOptions::new(["x"]).code(code("48213-acid-crane-otter")).token(token.clone());
    sending.dial.proxies.https_proxy = Some("http://me:swordfish@proxy:3128".to_owned());
    let mut receiving = ReceiveOptions::with_code("48213-acid-crane-otter", "x").unwrap().token(token);
    receiving.dial.proxies = sending.dial.proxies.clone();
    let shown = format!("{sending:?} {receiving:?} {:?} {:?}", sending.code, receiving.dial);
    for secret in ["crane", "that-nobody-knows", "swordfish"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("SendOptions") && shown.contains("ReceiveOptions"));
}

#[test]
fn what_a_person_was_told_says_code_and_relay() {
    let options = ReceiveOptions::with_code("48213 Acid-crane otter@relay.example.org:8443", "in").unwrap();
    assert_eq!(options.code.unwrap().reveal(), "48213-acid-crane-otter");
    assert_eq!(options.dial.relay, Some("relay.example.org:8443".parse().unwrap()));
    assert_eq!(ReceiveOptions::with_code("48213-acid-crane-otter", "in").unwrap().dial.relay, None);
    for wrong in ["48213-acid-crane-otter@", "48213-acid-crane-otter@http://x", "short", "password1"] {
        assert_eq!(ReceiveOptions::with_code(wrong, "in").unwrap_err().kind(), Kind::Usage, "{wrong}");
    }
    let (one, other) = (Code::random().unwrap(), Code::random().unwrap());
    assert!(one.is_generated() && one != other && one.unknown_words().is_empty());
}

/// A few megabytes that are not all the same.
fn some_bytes() -> Vec<u8> {
    (0..20_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Keeps what is written, and tells of the first of it and of the end.
struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    came: Cancel,
    dropped: Cancel,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        self.came.cancel();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.dropped.cancel();
    }
}

#[test]
fn a_reader_is_sent_and_a_writer_receives() {
    let relay = TestRelay::start();
    let agreed = Code::random().unwrap();
    let sent = some_bytes();
    // Any `AsyncRead` goes that way.
    let reader = BlockOn::new(Cursor::new(sent.clone()));
    let sender =
        SendOptions::from_reader("numbers", reader).code(agreed.clone()).relay(relay.url.clone()).start();
    let (bytes, dropped) = (Arc::default(), Cancel::new());
    let writer = Kept { bytes: Arc::clone(&bytes), came: Cancel::new(), dropped: dropped.clone() };
    let options = ReceiveOptions::new(Some(agreed), "-").relay(relay.url.clone()).writer(writer).yes();
    let received = blocking::receive(options, &Silent::declining(), Cancel::new()).unwrap();
    // Whoever reads the other end of a pipe learns that it is over.
    assert!(dropped.is_cancelled());
    assert_eq!((received.delivered, received.failed, received.bytes), (1, 0, sent.len() as u64));
    assert_eq!(sender.blocking().finish().unwrap().bytes, sent.len() as u64);
    assert!(*bytes.lock().unwrap() == sent);
}

/// A second transfer would take the rest of a stream for the whole.
#[test]
fn a_stream_is_for_one_transfer() {
    let relay = TestRelay::start();
    let agreed = Code::random().unwrap();
    let sending =
        SendOptions::from_reader("x", &b"something"[..]).code(agreed.clone()).relay(relay.url.clone());
    let (bytes, unused) = (Arc::default(), Cancel::new());
    let writer = Kept { bytes: Arc::clone(&bytes), came: Cancel::new(), dropped: unused };
    let receiving = ReceiveOptions::new(Some(agreed), "-").relay(relay.url.clone()).writer(writer).yes();
    let (sending_again, receiving_again) = (sending.clone(), receiving.clone());
    let sender = sending.start();
    assert_eq!(receiving.start().blocking().finish().unwrap().delivered, 1);
    assert_eq!(sender.blocking().finish().unwrap().delivered, 1);
    for again in [sending_again.start(), receiving_again.start()] {
        let error = again.blocking().finish().unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert_eq!(error.to_string(), "the stream was already used by another transfer");
    }
    assert_eq!(*bytes.lock().unwrap(), b"something");
}

#[test]
fn a_stream_and_a_text_contradict_each_other() {
    let error = SendOptions::from_reader("x", &b"y"[..]).text("z").start().blocking().finish().unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let list = p2pc::PathList::parse(b"a", b'\n').unwrap();
    let error = SendOptions::from_reader("x", &b"y"[..]).list(list).start().blocking().finish().unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
}

/// A file becomes a stream as well, and a directory does not.
#[test]
fn a_writer_takes_one_file() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (from, agreed) = (some_files(temp.path()), Code::random().unwrap());
    let paths = [from.join("sub/big"), from.join("a.txt")];
    let sender = SendOptions::new(paths).code(agreed.clone()).relay(relay.url.clone()).start();
    let bytes = Arc::default();
    let writer = Kept { bytes: Arc::clone(&bytes), came: Cancel::new(), dropped: Cancel::new() };
    let options = ReceiveOptions::new(Some(agreed), "-").relay(relay.url.clone()).writer(writer).yes();
    let report = options.start().blocking().finish().unwrap();
    assert_eq!((report.delivered, report.failed), (1, 1));
    assert_eq!(sender.blocking().finish().unwrap().failed, 1);
    assert!(*bytes.lock().unwrap() == std::fs::read(from.join("sub/big")).unwrap());
}

/// A stream whose source fails is not delivered, and the one who wrote it on knows.
#[test]
fn a_reader_that_fails_is_not_delivered() {
    struct Failing(u8);
    impl Read for Failing {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            room.fill(7);
            if self.0 < 5 { Ok(room.len()) } else { Err(std::io::Error::other("the sensor fell off")) }
        }
    }
    let relay = TestRelay::start();
    let agreed = Code::random().unwrap();
    let sender =
        SendOptions::from_reader("x", Failing(0)).code(agreed.clone()).relay(relay.url.clone()).start();
    let options =
        ReceiveOptions::new(Some(agreed), "-").relay(relay.url.clone()).writer(std::io::sink()).yes();
    let received = options.start().blocking().finish().unwrap();
    assert_eq!((received.delivered, received.failed), (0, 1));
    assert!(received.failures[0].failure.as_ref().unwrap().text.contains("the sensor fell off"));
    assert_eq!(sender.blocking().finish().unwrap().failed, 1);
}

/// An error of the disk can be told from others by what it came from.
#[test]
fn errors_have_their_cause() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let relay = TestRelay::start();
    let agreed = Code::random().unwrap();
    let sender =
        SendOptions::from_reader("x", &b"something"[..]).code(agreed.clone()).relay(relay.url.clone());
    let sender = sender.start();
    let options = ReceiveOptions::new(Some(agreed), "-").relay(relay.url.clone()).writer(Full).yes();
    let error = options.start().blocking().finish().unwrap_err();
    assert_eq!(error.kind(), Kind::Disk);
    let cause = error.source().unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::StorageFull);
    assert!(sender.blocking().finish().is_err());
}

/// Many transfers in one process, at one relay in it; they share nothing.
#[test]
fn transfers_run_beside_each_other() {
    let temp = tempfile::tempdir().unwrap();
    let from = some_files(temp.path());
    let relay = blocking::Relay::start(RelayOptions::new("127.0.0.1:0".parse().unwrap())).unwrap();
    let url = RelayUrl::plain(relay.addresses()[0]);
    let run = |number: u32| {
        let agreed = Code::random().unwrap();
        let sender = SendOptions::new([&from]).code(agreed.clone()).relay(url.clone()).start();
        let out = temp.path().join(number.to_string());
        let receiver = ReceiveOptions::new(Some(agreed), &out).relay(url.clone()).yes().start();
        (sender, receiver, out)
    };
    let running: Vec<_> = (0..6).map(run).collect();
    for (sender, receiver, out) in running {
        assert_eq!(sender.blocking().finish().unwrap().delivered, 5);
        assert_eq!(receiver.blocking().finish().unwrap().delivered, 5);
        assert_eq!(contents(&from), contents(&out.join("things")));
    }
    relay.stop().unwrap();
}

/// Starts a pair that takes some seconds, and returns it once some of the content is there.
fn in_the_middle(relay: &TestRelay, from: &Path, out: &Path) -> (Transfer, blocking::Transfer) {
    let agreed = Code::random().unwrap();
    let rate = Rate::new(2_000_000).unwrap();
    let sender = SendOptions::new([from]).code(agreed.clone()).relay(relay.url.clone()).limit(rate).start();
    let receiver = ReceiveOptions::new(Some(agreed), out).relay(relay.url.clone()).yes();
    let mut receiver = receiver.start().blocking();
    let took_some =
        |notice: &Notice| matches!(notice, Notice::Event(Event::Progress(now)) if now.bytes_done > 1_000_000);
    assert!(receiver.by_ref().any(|notice| took_some(&notice)), "it ended before its middle");
    (sender, receiver)
}

/// Nothing half done has the name of something whole, and the next one goes on with it.
#[test]
fn what_is_dropped_in_the_middle_goes_on_later() {
    let (relay, temp) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (from, out) = (some_files(temp.path()), temp.path().join("out"));
    let (sender, receiver) = in_the_middle(&relay, &from, &out);
    drop(receiver);
    assert_eq!(sender.blocking().finish().unwrap_err().kind(), Kind::Refused);
    assert!(!out.join("things/sub/big").exists());

    let (sender, receiver) = in_the_middle(&relay, &from, &out);
    receiver.canceller().cancel();
    // Once this returns, what has come is safe.
    assert_eq!(receiver.finish().unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(sender.blocking().finish().unwrap_err().kind(), Kind::Refused);

    let agreed = Code::random().unwrap();
    let sender = SendOptions::new([&from]).code(agreed.clone()).relay(relay.url.clone()).start();
    let receiver = ReceiveOptions::new(Some(agreed), &out).relay(relay.url.clone()).yes().start();
    let report = receiver.blocking().finish().unwrap();
    assert!(report.failed == 0 && report.held > 0, "{report:?}");
    assert_eq!(sender.blocking().finish().unwrap().failed, 0);
    assert_eq!(contents(&from), contents(&out.join("things")));
}

/// A read that waits is nobody's trouble.
#[test]
fn a_sender_that_waits_for_its_reader_can_be_cancelled() {
    let relay = TestRelay::start();
    let agreed = Code::random().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let sender =
        SendOptions::from_reader("slow", reader).code(agreed.clone()).relay(relay.url.clone()).start();
    let (bytes, came) = (Arc::default(), Cancel::new());
    let keeping = Kept { bytes: Arc::clone(&bytes), came: came.clone(), dropped: Cancel::new() };
    let receiver =
        ReceiveOptions::new(Some(agreed), "-").relay(relay.url.clone()).writer(keeping).yes().start();
    writer.write_all(b"first").unwrap();
    // It comes before there is more: a stream is not held back until a block is full.
    smol::block_on(came.cancelled());
    let cancel = sender.canceller();
    cancel.cancel();
    assert_eq!(sender.blocking().finish().unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(receiver.blocking().finish().unwrap_err().kind(), Kind::Refused);
    assert_eq!(*bytes.lock().unwrap(), b"first");
}
