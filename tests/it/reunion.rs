//! Both sides, each in its place, when what is between them breaks: over real sockets, with relays of their own and elsewhere.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_lite::future::{or, zip};
use futures_lite::io::copy;
use p2pc::events::{Cancel, Event, Question};
use p2pc::{Code, Kind, RelayUrl};
use smol::net::{TcpListener, TcpStream};

use crate::rig::{Side, TestRelay, code, contents, receiving, sending, some_files};

fn is_disconnected(event: &Event) -> Option<()> {
    matches!(event, Event::Disconnected { .. }).then_some(())
}

fn is_reconnected(event: &Event) -> Option<()> {
    matches!(event, Event::Reconnected).then_some(())
}

fn is_restarted(event: &Event) -> Option<()> {
    matches!(event, Event::Restarted).then_some(())
}

fn is_offered(event: &Event) -> Option<()> {
    matches!(event, Event::Offer(_)).then_some(())
}

/// Both end well, and everything is there.
fn arrives(source: &Path, out: &Path, sender: Side, receiver: Side) {
    assert_eq!(sender.end().unwrap().failed, 0);
    assert_eq!(receiver.end().unwrap().failed, 0);
    assert_eq!(contents(source), contents(&out.join("things")));
}

/// A way to somewhere that can be cut.
struct Line {
    url: RelayUrl,
    cut: Arc<Mutex<Cancel>>,
}

impl Line {
    fn to(there: SocketAddr) -> Line {
        let listener = smol::block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = RelayUrl::plain(listener.local_addr().unwrap());
        let cut = Arc::new(Mutex::new(Cancel::new()));
        let cuts = Arc::clone(&cut);
        // It ends with the tests.
        std::thread::spawn(move || {
            let all = smol::LocalExecutor::new();
            smol::block_on(all.run(async {
                loop {
                    let (here, _) = listener.accept().await.unwrap();
                    let cut = cuts.lock().unwrap().clone();
                    let carrying = async move {
                        let Ok(there) = TcpStream::connect(there).await else { return };
                        let forth = copy(here.clone(), there.clone());
                        let both = async { drop(zip(forth, copy(there, here)).await) };
                        or(both, cut.cancelled()).await;
                    };
                    all.spawn(carrying).detach();
                }
            }));
        });
        Line { url, cut }
    }

    /// Ends every connection there is.
    fn cut(&self) {
        std::mem::take(&mut *self.cut.lock().unwrap()).cancel();
    }
}

fn address(url: &RelayUrl) -> String {
    url.to_string().trim_start_matches("ws://").to_owned()
}

#[test]
fn a_relay_that_comes_back_brings_both_together_again() {
    for answer_meanwhile in [false, true] {
        let (relay, dir, busy) = (TestRelay::start(), tempfile::tempdir().unwrap(), Cancel::new());
        let (source, out, url) = (some_files(dir.path()), dir.path().join("out"), relay.url.clone());
        let sender = Side::send(sending(&[&source], &url));
        let (code, _) = sender.code();
        let receiver = Side::receive_later(receiving(&code, &out, &url), busy.clone());
        receiver.wait_for(is_offered);
        drop(relay);
        for side in [&sender, &receiver] {
            side.wait_for(is_disconnected);
        }
        if answer_meanwhile {
            busy.cancel();
        }
        let relay = TestRelay::start_at(&address(&url));
        for side in [&sender, &receiver] {
            side.wait_for(is_reconnected);
        }
        busy.cancel();
        arrives(&source, &out, sender, receiver);
        drop(relay);
    }
}

#[test]
fn whoever_is_looking_can_be_interrupted() {
    let (relay, dir) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (source, url) = (some_files(dir.path()), relay.url.clone());
    let sender = Side::send(sending(&[&source], &url));
    let (code, _) = sender.code();
    let receiver = Side::receive_later(receiving(&code, &dir.path().join("out"), &url), Cancel::new());
    receiver.wait_for(is_offered);
    drop(relay);
    for side in [sender, receiver] {
        side.wait_for(is_disconnected);
        side.cancel.cancel();
        assert_eq!(side.end().unwrap_err().kind(), Kind::Interrupted);
    }
}

#[test]
fn an_embedded_relay_lets_its_own_session_back_in() {
    let (dir, busy) = (tempfile::tempdir().unwrap(), Cancel::new());
    let (source, out) = (some_files(dir.path()), dir.path().join("out"));
    let (sender, code, url) = embedded(&source, None);
    let line = Line::to(address(&url).parse().unwrap());
    let receiver = Side::receive_later(receiving(&code, &out, &line.url), busy.clone());
    receiver.wait_for(is_offered);
    line.cut();
    for side in [&sender, &receiver] {
        side.wait_for(is_disconnected);
        side.wait_for(is_reconnected);
    }
    busy.cancel();
    arrives(&source, &out, sender, receiver);
}

/// A sender with a relay of its own: at a free port, or with a code and a port that it had before.
fn embedded(source: &Path, again: Option<(&Code, &RelayUrl)>) -> (Side, Code, RelayUrl) {
    let mut options = p2pc::SendOptions::new([source.to_path_buf()]);
    let port = again.map_or("127.0.0.1:0".to_owned(), |(_, url)| address(url));
    options.listen = Some(port.parse().unwrap());
    options.code = again.map(|(code, _)| code.clone());
    let sender = Side::send(options);
    let (code, url) = sender.code();
    (sender, code, url)
}

#[test]
fn a_sender_with_a_relay_of_its_own_that_was_started_again_is_found() {
    let (dir, busy) = (tempfile::tempdir().unwrap(), Cancel::new());
    let (source, out) = (some_files(dir.path()), dir.path().join("out"));
    let (sender, code, url) = embedded(&source, None);
    let receiver = Side::receive_later(receiving(&code, &out, &url), busy.clone());
    receiver.wait_for(is_offered);
    sender.kill();
    receiver.wait_for(is_disconnected);
    let (sender, _, _) = embedded(&source, Some((&code, &url)));
    receiver.wait_for(is_restarted);
    receiver.wait_for(is_offered);
    busy.cancel();
    assert_eq!(sender.end().unwrap().failed, 0);
    let (received, questions) = receiver.end_with_questions();
    assert_eq!(received.unwrap().failed, 0);
    // Nothing was accepted before, so it is asked about anew.
    let accepts = questions.iter().filter(|question| matches!(question, Question::Accept(_))).count();
    assert_eq!(accepts, 2);
    assert_eq!(contents(&source), contents(&out.join("things")));
}

#[test]
fn a_receiver_that_was_started_again_finds_a_sender_with_a_relay_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (some_files(dir.path()), dir.path().join("out"));
    let (sender, code, url) = embedded(&source, None);
    for _ in 0..2 {
        let receiver = Side::receive_later(receiving(&code, &out, &url), Cancel::new());
        receiver.wait_for(is_offered);
        receiver.kill();
        sender.wait_for(is_disconnected);
    }
    let receiver = Side::receive(receiving(&code, &out, &url));
    sender.wait_for(is_restarted);
    arrives(&source, &out, sender, receiver);
}

#[test]
fn both_that_were_started_again_begin_anew() {
    let (relay, dir) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (source, out) = (some_files(dir.path()), dir.path().join("out"));
    let agreed = code("48213-acid-crane-otter");
    let sending = || {
        let mut options = sending(&[&source], &relay.url);
        options.code = Some(agreed.clone());
        Side::send(options)
    };
    let sender = sending();
    let receiver = Side::receive_later(receiving(&agreed, &out, &relay.url), Cancel::new());
    receiver.wait_for(is_offered);
    sender.kill();
    receiver.kill();
    arrives(&source, &out, sending(), Side::receive(receiving(&agreed, &out, &relay.url)));
}
