use std::future::Future;
use std::net::Ipv4Addr;
use std::task::Poll;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::Role as WsRole;
use async_tungstenite::tungstenite::protocol::frame::Frame;
use async_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use async_tungstenite::tungstenite::{Bytes, Message};
use futures_lite::io::AsyncWriteExt;
use futures_lite::{StreamExt, future};
use smol::net::{TcpListener, TcpStream};

use super::*;

type Server = WebSocketStream<TcpStream>;

/// Runs `test` with a connection and the relay's end of it.
fn with_pair<F: Future<Output = ()>>(test: impl FnOnce(Connection, Server) -> F) {
    smol::block_on(async {
        let (client, server) = sockets().await;
        let server = WebSocketStream::from_raw_socket(server, WsRole::Server, None).await;
        test(Connection::over(client).await, server).await;
    });
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = future::zip(TcpStream::connect(address), listener.accept()).await;
    (client.unwrap(), accepted.unwrap().0)
}

fn fragment(first: bool, last: bool, bytes: &'static [u8]) -> Message {
    let opcode = if first { Data::Binary } else { Data::Continue };
    Message::Frame(Frame::message(Bytes::from_static(bytes), OpCode::Data(opcode), last))
}

#[test]
fn messages_pass_both_ways_and_come_whole() {
    with_pair(|mut connection, mut server| async move {
        connection.writer.send(Bytes::from_static(b"small")).await.unwrap();
        connection.writer.flush().await.unwrap();
        assert_eq!(server.next().await.unwrap().unwrap(), Message::binary(&b"small"[..]));
        server.send(fragment(true, false, b"in ")).await.unwrap();
        server.send(Message::Ping(Bytes::from_static(b"between"))).await.unwrap();
        server.send(fragment(false, true, b"parts")).await.unwrap();
        assert_eq!(&connection.reader.next().await.unwrap()[..], b"in parts");
        assert_eq!(connection.alive.heard(), Heard { bytes: 8, whole_bytes: 8 }, "the ping does not count");
        assert_eq!(server.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"between")));
    });
}

#[test]
fn the_largest_message_passes_without_a_flush_of_its_own() {
    with_pair(|mut connection, mut server| async move {
        let large = Bytes::from(vec![7; MESSAGE_BYTES_MAX]);
        let sending = async {
            connection.writer.send(large.clone()).await.unwrap();
            connection.writer.flush().await.unwrap();
        };
        let ((), received) = future::zip(sending, server.next()).await;
        assert_eq!(received.unwrap().unwrap(), Message::Binary(large.clone()));
        let too_large = Bytes::from(vec![7; MESSAGE_BYTES_MAX + 1]);
        assert!(matches!(connection.writer.send(too_large).await, Err(Closed::Broken(_))));
        let (_, received) =
            future::zip(server.send(Message::Binary(large.clone())), connection.reader.next()).await;
        assert_eq!(received.unwrap(), large);
    });
}

#[test]
fn a_blocked_writer_stops_neither_reading_nor_pongs() {
    with_pair(|mut connection, mut server| async move {
        // Fill every buffer on the way until a message finds no room: nobody reads at the other end.
        let filler = Bytes::from(vec![1; MESSAGE_BYTES_MAX]);
        let mut sent = 0;
        while future::poll_once(async {
            connection.writer.send(filler.clone()).await.unwrap();
            connection.writer.flush().await.unwrap();
        })
        .await
        .is_some()
        {
            sent += 1;
        }
        server.send(Message::Ping(Bytes::from_static(b"?"))).await.unwrap();
        server.send(Message::binary(&b"still read"[..])).await.unwrap();
        assert_eq!(&connection.reader.next().await.unwrap()[..], b"still read");
        // Once the other end reads again, the blocked message arrives, and the pong with it. The reader alone drives it.
        let reading = connection.reader.next();
        let draining = async {
            let mut messages = 0;
            loop {
                match server.next().await.unwrap().unwrap() {
                    Message::Pong(payload) => break (messages, payload),
                    _ => messages += 1,
                }
            }
        };
        let drained = future::or(async { Some(draining.await) }, async {
            let _ = reading.await;
            None
        });
        let (messages, payload) = drained.await.unwrap();
        assert_eq!((messages, &payload[..]), (sent + 1, &b"?"[..]));
    });
}

#[test]
fn liveness_counts_bytes_in_the_middle_of_a_message() {
    smol::block_on(async {
        let (client, mut server) = sockets().await;
        let mut connection = Connection::over(client).await;
        // The header of a binary message of 1000 bytes, and 10 of them.
        server.write_all(&[0x82, 126, 3, 232]).await.unwrap();
        server.write_all(&[0; 10]).await.unwrap();
        let alive = connection.alive.clone();
        let mut reading = std::pin::pin!(connection.reader.next());
        future::poll_fn(|cx| {
            assert!(reading.as_mut().poll(cx).is_pending());
            if alive.heard() == (Heard { bytes: 10, whole_bytes: 0 }) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    });
}

#[test]
fn a_goodbye_says_why_and_comes_after_what_was_said_before() {
    with_pair(|mut connection, mut server| async move {
        server.send(Message::binary(&b"last words"[..])).await.unwrap();
        let frame = CloseFrame { code: 1001.into(), reason: "going\x1b[2J away".into() };
        server.close(Some(frame)).await.unwrap();
        assert_eq!(&connection.reader.next().await.unwrap()[..], b"last words");
        match connection.reader.next().await.unwrap_err() {
            Closed::Clean { code, reason } => assert_eq!((code, reason.as_str()), (1001, "going[2J away")),
            other => panic!("{other}"),
        }
        assert!(matches!(connection.reader.next().await, Err(Closed::Lost(_))));
        assert!(matches!(server.next().await.unwrap().unwrap(), Message::Close(Some(_))), "answered");
        assert!(matches!(connection.writer.send(Bytes::from_static(b"x")).await, Err(Closed::Lost(_))));
    });
}

#[test]
fn our_goodbye_arrives_and_is_answered() {
    with_pair(|mut connection, mut server| async move {
        connection.writer.send(Bytes::from_static(b"before")).await.unwrap();
        connection.writer.close(1000, &"\u{e9}".repeat(100)).await.unwrap();
        assert_eq!(server.next().await.unwrap().unwrap(), Message::binary(&b"before"[..]));
        match server.next().await.unwrap().unwrap() {
            Message::Close(Some(frame)) => assert_eq!(frame.reason.as_str(), "\u{e9}".repeat(61)),
            other => panic!("{other:?}"),
        }
        let (_, end) = future::zip(server.next(), connection.reader.next()).await;
        assert!(matches!(end, Err(Closed::Clean { code: 1000, .. })));
    });
}

#[test]
fn what_was_said_before_a_reset_is_read_even_by_one_who_writes() {
    with_pair(|mut connection, mut server| async move {
        server.send(Message::binary(&b"last words"[..])).await.unwrap();
        server.send(Message::Ping(Bytes::new())).await.unwrap();
        drop(server);
        // The other end is gone: sooner or later writing fails. Reading must not mind.
        while connection.writer.send(Bytes::from_static(b"x")).await.is_ok()
            && connection.writer.flush().await.is_ok()
        {}
        assert_eq!(&connection.reader.next().await.unwrap()[..], b"last words");
        assert!(matches!(connection.reader.next().await, Err(Closed::Lost(_))));
    });
}

#[test]
fn rules_that_are_broken_end_the_connection() {
    let text = b"\x81\x02hi".as_slice();
    let masked = b"\x82\x81\0\0\0\0x".as_slice();
    let oversized = [&[0x82, 127][..], &(MESSAGE_BYTES_MAX as u64 + 1).to_be_bytes()].concat();
    let absurd = [&[0x82, 127][..], &u64::MAX.to_be_bytes()].concat();
    let long_ping = [&[0x89, 126, 0, 126][..], &[0; 126]].concat();
    let half = (MESSAGE_BYTES_MAX / 2 + 1) as u64;
    let piece = |head: u8| [&[head, 127][..], &half.to_be_bytes(), &vec![0; half as usize]].concat();
    let oversized_in_parts = [piece(0x02), piece(0x80)].concat();
    let promised_in_parts = &oversized_in_parts[..half as usize + 2 * 10];
    // Of these only the headers: nobody waits for what they promise.
    let promised = [&[0x82, 127][..], &(1_u64 << 40).to_be_bytes()].concat();
    for bytes in [
        text,
        masked,
        &oversized,
        &promised,
        &absurd,
        b"\xf2\x00",
        b"\x80\x01x",
        &long_ping,
        &oversized_in_parts,
        promised_in_parts,
    ] {
        smol::block_on(async {
            let (client, mut server) = sockets().await;
            let mut connection = Connection::over(client).await;
            let (_, end) = future::zip(server.write_all(bytes), connection.reader.next()).await;
            assert!(matches!(end, Err(Closed::Broken(_))), "{:?}", &bytes[..bytes.len().min(10)]);
        });
    }
}

#[test]
fn an_end_without_goodbye_is_a_loss() {
    smol::block_on(async {
        for sent in [&b""[..], b"\x82", b"\x82\x05ab"] {
            let (client, mut server) = sockets().await;
            let mut connection = Connection::over(client).await;
            server.write_all(sent).await.unwrap();
            drop(server);
            assert!(matches!(connection.reader.next().await, Err(Closed::Lost(_))), "{sent:?}");
        }
    });
}

#[test]
fn ends_become_errors_of_the_right_kind() {
    let kind = |closed: Closed| Error::from(closed).kind();
    assert_eq!(kind(already_closed()), Kind::ConnectionLost);
    assert_eq!(kind(Closed::Clean { code: 1001, reason: String::new() }), Kind::ConnectionLost);
    assert_eq!(kind(Closed::Broken("x".into())), Kind::Protocol);
}
