//! A relay that drops, repeats, reorders, flips, cuts or invents what it should pass on: both sides notice, and nothing that is not
//! whole stands under a final name.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::mpsc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::handshake::server::{Request, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use p2pc::{Kind, RelayUrl};
use smol::Async;
use smol::net::TcpStream;

use crate::rig::{Side, code, contents, receiving, sending, some_files};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mischief {
    Nothing,
    Drop,
    Repeat,
    Swap,
    Flip,
    Cut,
    Invent,
    HangUp,
}

type Socket = WebSocketStream<TcpStream>;

/// Pairs two connections and forwards, doing its mischief to the `at`-th message from `from` on.
fn relay(mischief: Mischief, from: &'static str, at: usize) -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (ready, started) = mpsc::channel();
    std::thread::spawn(move || {
        let listener = Async::new(listener).unwrap();
        ready.send(()).unwrap();
        smol::block_on(async {
            let first = accept(&listener).await;
            let second = accept(&listener).await;
            let (sender, receiver) =
                if first.0 == "send" { (first.1, second.1) } else { (second.1, first.1) };
            let (mut from_sender, mut to_sender) = split(sender);
            let (mut from_receiver, mut to_receiver) = split(receiver);
            let there = pump(
                &mut from_sender,
                &mut to_receiver,
                if from == "send" { mischief } else { Mischief::Nothing },
                at,
            );
            let back = pump(
                &mut from_receiver,
                &mut to_sender,
                if from == "receive" { mischief } else { Mischief::Nothing },
                at,
            );
            futures_lite::future::or(there, back).await;
        });
    });
    started.recv().unwrap();
    address
}

type Half = async_tungstenite::WebSocketReceiver<TcpStream>;
type OtherHalf = async_tungstenite::WebSocketSender<TcpStream>;

fn split(socket: Socket) -> (Half, OtherHalf) {
    let (sender, receiver) = socket.split();
    (receiver, sender)
}

#[expect(clippy::result_large_err, reason = "the signature is the library's")]
async fn accept(listener: &Async<StdListener>) -> (String, Socket) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut role = String::new();
    let note = |request: &Request, mut response: Response| {
        let query = request.uri().query().unwrap_or_default();
        role = if query.contains("role=send") { "send".into() } else { "receive".into() };
        response.headers_mut().insert("sec-websocket-protocol", "p2pc.v1".parse().unwrap());
        Ok(response)
    };
    let stream = TcpStream::try_from(stream.into_inner().unwrap()).unwrap();
    let socket = async_tungstenite::accept_hdr_async(stream, note).await.unwrap();
    (role, socket)
}

async fn pump(from: &mut Half, to: &mut OtherHalf, mischief: Mischief, at: usize) {
    let mut count = 0;
    let mut held: Option<Bytes> = None;
    while let Some(Ok(message)) = from.next().await {
        let Message::Binary(bytes) = message else { continue };
        count += 1;
        let mut out = vec![bytes.clone()];
        if count == at {
            match mischief {
                Mischief::Nothing => {}
                Mischief::Drop => out.clear(),
                Mischief::Repeat => out.push(bytes),
                Mischief::Swap => held = out.pop(),
                Mischief::Flip => {
                    let mut changed = bytes.to_vec();
                    let middle = changed.len() / 2;
                    changed[middle] ^= 1;
                    out = vec![changed.into()];
                }
                Mischief::Cut => out = vec![bytes.slice(..bytes.len() - 1)],
                Mischief::Invent => out.insert(0, Bytes::from_static(&[0; 100])),
                Mischief::HangUp => return,
            }
        } else if let Some(bytes) = held.take() {
            out.push(bytes);
        }
        for bytes in out {
            if to.send(Message::Binary(bytes)).await.is_err() {
                return;
            }
        }
    }
}

fn transfer(mischief: Mischief, from: &'static str, at: usize) -> (p2pc::Result<()>, p2pc::Result<()>) {
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (some_files(dir.path()), dir.path().join("out"));
    let url = RelayUrl::plain(relay(mischief, from, at));
    let agreed = code("48213-acid-crane-otter");
    let mut options = sending(&[&source], &url);
    options.code = Some(agreed.clone());
    // This relay is there for one pair only.
    options.retry = Duration::ZERO;
    let sender = Side::send(options);
    let mut options = receiving(&agreed, &out, &url);
    options.retry = Duration::ZERO;
    let receiver = Side::receive(options);
    let (received, sent) = (receiver.end().map(drop), sender.end().map(drop));
    let (want, have) = (contents(&source), contents(&out.join("things")));
    for (path, bytes) in &have {
        assert_eq!(
            want.get(path),
            Some(bytes),
            "{mischief:?} at {at}: {} is not what was sent",
            path.display()
        );
    }
    if sent.is_ok() {
        assert_eq!(want, have, "the sender claims what is not there");
    }
    (sent, received)
}

#[test]
fn an_honest_relay_of_the_test_delivers() {
    let (sent, received) = transfer(Mischief::Nothing, "send", 0);
    assert!(sent.is_ok() && received.is_ok(), "{sent:?} {received:?}");
}

#[test]
fn every_mischief_with_records_is_noticed() {
    use Mischief::{Cut, Drop, Flip, Invent, Repeat, Swap};
    // The first two messages of each side are the handshake's; what is said first, in the middle of data, and by the receiver.
    for (from, at) in [("send", 3), ("send", 4), ("send", 8), ("receive", 3), ("receive", 4)] {
        for mischief in [Drop, Repeat, Swap, Flip, Cut, Invent] {
            let (sent, received) = transfer(mischief, from, at);
            let victim = if from == "send" { &received } else { &sent };
            let kind = victim.as_ref().unwrap_err().kind();
            assert_eq!(kind, Kind::Authentication, "{mischief:?} from {from} at {at}: {victim:?}");
            let other = if from == "send" { &sent } else { &received };
            assert!(other.is_err(), "{mischief:?} from {from} at {at}");
        }
    }
}

#[test]
fn a_relay_that_hangs_up_is_a_lost_connection() {
    for (from, at) in [("send", 4), ("send", 8), ("receive", 4)] {
        let (sent, received) = transfer(Mischief::HangUp, from, at);
        for result in [sent, received] {
            assert_eq!(result.unwrap_err().kind(), Kind::ConnectionLost, "from {from} at {at}");
        }
    }
}

#[test]
fn mischief_with_the_handshake_is_no_session() {
    use Mischief::{Cut, Flip};
    for mischief in [Flip, Cut] {
        let dir = tempfile::tempdir().unwrap();
        let url = RelayUrl::plain(relay(mischief, "send", 1));
        let agreed = code("48213-acid-crane-otter");
        let mut options = sending(&[&some_files(dir.path())], &url);
        options.code = Some(agreed.clone());
        let sender = Side::send(options);
        let mut options = receiving(&agreed, &dir.path().join("out"), &url);
        options.wait = Some(Duration::from_secs(1));
        let kind = Side::receive(options).end().unwrap_err().kind();
        // What is no message at all may be anybody's, so it is no reason to stop waiting.
        assert!(matches!(kind, Kind::Authentication | Kind::Protocol | Kind::NobodyCame), "{kind:?}");
        // The maker of the code lets no stranger end it.
        sender.cancel.cancel();
        assert!(sender.end().is_err());
        assert!(!dir.path().join("out").exists());
    }
}
