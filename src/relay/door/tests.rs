//! Whole connections over pipes of a few bytes, on a clock that the test moves.

use std::sync::atomic::{AtomicU64, Ordering};

use async_executor::LocalExecutor;
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Bytes, Message, protocol};
use futures_util::{SinkExt, StreamExt};

use super::*;
use crate::relay::limits::{DEAD_MS, EARLY_BYTES_MAX, PING_MS, YIELD_MS};
use crate::relay::pipe::{Pipe, pipe};

type Client = WebSocketStream<Pipe>;

/// A relay without sockets.
struct Stage {
    executor: LocalExecutor<'static>,
    house: Arc<House<Pipe>>,
    now_ms: Arc<AtomicU64>,
}

impl Stage {
    fn new(only_room: Option<&str>) -> Stage {
        // Nobody is slow here: the machine that runs the tests may be.
        Stage::with_patience(only_room, Duration::from_secs(600))
    }

    fn with_patience(only_room: Option<&str>, patience: Duration) -> Stage {
        let now_ms = Arc::new(AtomicU64::new(1));
        let clock = Arc::clone(&now_ms);
        let exchange = Arc::new(Exchange::new(Box::new(move || clock.load(Ordering::Relaxed))));
        let only_room = only_room.and_then(RoomName::parse);
        let house = Arc::new(House { exchange, only_room, patience });
        Stage { executor: LocalExecutor::new(), house, now_ms }
    }

    fn run<T>(&self, story: impl Future<Output = T>) -> T {
        smol::block_on(self.executor.run(story))
    }

    fn connect(&self, capacity: usize) -> Pipe {
        let (client, server) = pipe(capacity);
        self.executor.spawn(serve(server, Arc::clone(&self.house))).detach();
        client
    }

    /// The upgrade by hand: a client library takes a server that speaks byte by byte for an attacker.
    async fn try_join(&self, query: &str, capacity: usize) -> Result<Client, (u16, String)> {
        let mut stream = self.connect(capacity);
        let request = format!(
            "GET /v1/room/{query} HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: p2pc.v1\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let status: u16 = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
        if status == 101 {
            assert!(head.contains("Sec-WebSocket-Protocol: p2pc.v1\r\n"), "{head}");
            return Ok(Client::from_raw_socket(stream, protocol::Role::Client, None).await);
        }
        let mut body = String::new();
        stream.close().await.unwrap();
        stream.read_to_string(&mut body).await.unwrap();
        Err((status, body))
    }

    async fn join(&self, query: &str) -> Client {
        self.try_join(query, 5).await.unwrap()
    }

    async fn pair(&self) -> (Client, Client) {
        (self.join("r?role=send").await, self.join("r?role=receive").await)
    }

    /// Lets time pass, in steps as small as the driver's.
    async fn pass(&self, ms: u64) {
        for _ in 0..ms / 1000 {
            self.now_ms.fetch_add(1000, Ordering::Relaxed);
            self.house.exchange.tick();
            self.settle().await;
        }
    }

    /// Lets every task do what it can.
    async fn settle(&self) {
        for _ in 0..100 {
            smol::future::yield_now().await;
        }
    }
}

fn binary(bytes: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(bytes))
}

async fn expect_binary(client: &mut Client, expected: &[u8]) {
    loop {
        match client.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => return assert!(bytes == expected, "{} bytes", bytes.len()),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn expect_close(client: &mut Client, code: CloseCode, reason: &str) {
    loop {
        match client.next().await.unwrap() {
            Ok(Message::Close(Some(frame))) => {
                assert_eq!((frame.code, frame.reason.as_str()), (code, reason));
                break;
            }
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    // The answer to the close is written, and the relay's end of the stream is read.
    while let Some(Ok(_)) = client.next().await {}
}

#[test]
fn two_sides_talk_through_pipes_of_any_size() {
    for capacity in 1..=8 {
        let stage = Stage::new(None);
        stage.run(async {
            let mut sender = stage.try_join("r?role=send", capacity).await.unwrap();
            let mut receiver = stage.try_join("r?role=receive", capacity).await.unwrap();
            let long: Vec<u8> = (0..3000_u32).map(|at| at as u8).collect();
            let there = async {
                sender.send(binary(b"first")).await.unwrap();
                sender.send(binary(b"")).await.unwrap();
                sender.send(binary(&long)).await.unwrap();
                expect_binary(&mut sender, b"answer").await;
            };
            let back = async {
                expect_binary(&mut receiver, b"first").await;
                expect_binary(&mut receiver, b"").await;
                expect_binary(&mut receiver, &long).await;
                receiver.send(binary(b"answer")).await.unwrap();
            };
            futures_lite::future::zip(there, back).await;
        });
    }
}

#[test]
fn what_is_said_early_waits_and_beyond_its_limit_the_speaker_waits() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut sender = stage.join("r?role=send").await;
        let long = vec![7; 2 * EARLY_BYTES_MAX];
        let mut saying = Box::pin(async {
            sender.send(binary(b"hello")).await.unwrap();
            sender.send(binary(&long)).await.unwrap();
        });
        let early = or(
            async {
                (&mut saying).await;
                true
            },
            async {
                for _ in 0..200 {
                    stage.settle().await;
                }
                false
            },
        );
        assert!(!early.await, "the relay took more than its limit");
        let mut receiver = stage.join("r?role=receive").await;
        let hearing = async {
            expect_binary(&mut receiver, b"hello").await;
            expect_binary(&mut receiver, &long).await;
        };
        futures_lite::future::zip(saying, hearing).await;
    });
}

#[test]
fn what_was_said_before_a_close_is_delivered_before_it() {
    let stage = Stage::new(None);
    stage.run(async {
        let (mut sender, mut receiver) = stage.pair().await;
        let leaving = async {
            sender.send(binary(b"last words")).await.unwrap();
            sender.close(None).await.unwrap();
        };
        let hearing = async {
            expect_binary(&mut receiver, b"last words").await;
            expect_close(&mut receiver, CloseCode::Normal, "the other side has left").await;
        };
        futures_lite::future::zip(leaving, hearing).await;
        while let Some(Ok(_)) = sender.next().await {}
    });
}

#[test]
fn a_connection_that_breaks_off_closes_the_other_after_its_words() {
    let stage = Stage::new(None);
    stage.run(async {
        let (mut sender, mut receiver) = stage.pair().await;
        receiver.send(binary(b"cut")).await.unwrap();
        stage.settle().await;
        drop(receiver);
        expect_binary(&mut sender, b"cut").await;
        expect_close(&mut sender, CloseCode::Normal, "the other side has left").await;
        // The room is free again, for both.
        let (_sender, _receiver) = stage.pair().await;
    });
}

#[test]
fn both_leaving_at_once_ends_both() {
    let stage = Stage::new(None);
    stage.run(async {
        let (sender, receiver) = stage.pair().await;
        drop((sender, receiver));
        stage.settle().await;
        let _ = stage.try_join("r?role=send&new=1", 5).await.unwrap();
    });
}

#[test]
fn refusals_come_before_the_upgrade() {
    let stage = Stage::new(None);
    stage.run(async {
        let _sender = stage.join("r?role=send&new=1").await;
        let (status, body) = stage.try_join("r?role=send", 5).await.unwrap_err();
        assert_eq!(status, 409);
        assert!(body.starts_with("this room already has a sender"), "{body}");
        let (status, body) = stage.try_join("r?role=receive&new=1", 5).await.unwrap_err();
        assert_eq!((status, body.as_str()), (409, "this room is in use: take another number\n"));
        let _receiver = stage.join("r?role=receive").await;
        let (status, _) = stage.try_join("r?role=receive", 5).await.unwrap_err();
        assert_eq!(status, 409);
    });
}

#[test]
fn an_embedded_relay_serves_its_own_room_only() {
    let stage = Stage::new(Some("mine"));
    stage.run(async {
        assert_eq!(stage.try_join("other?role=send", 5).await.unwrap_err().0, 404);
        let _ = stage.join("mine?role=send").await;
    });
}

#[test]
fn text_and_other_violations_end_both_sides() {
    let stage = Stage::new(None);
    stage.run(async {
        let (mut sender, mut receiver) = stage.pair().await;
        sender.send(Message::text("hello")).await.unwrap();
        futures_lite::future::zip(
            expect_close(&mut sender, CloseCode::Unsupported, "only binary messages are forwarded"),
            expect_close(&mut receiver, CloseCode::Normal, "the other side has left"),
        )
        .await;
    });
}

#[test]
fn garbage_after_the_upgrade_is_a_protocol_error() {
    for (garbage, code) in [(&[0x82, 0x01, 0x00][..], 1002_u16), (&[0xFF; 40], 1002), (&[0x81, 0x80], 1003)] {
        let stage = Stage::new(None);
        stage.run(async {
            let mut client = stage.join("r?role=send").await;
            client.get_mut().write_all(garbage).await.unwrap();
            let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!() };
            assert_eq!(u16::from(frame.code), code);
        });
    }
}

#[test]
fn garbage_before_the_upgrade_gets_an_answer() {
    for (garbage, status) in [("\u{16}\u{3}\u{1}\r\n\r\n".to_string(), "400"), (many_headers(), "431")] {
        let stage = Stage::new(None);
        let answer = stage.run(async {
            let (mut reader, mut writer) = futures_lite::io::split(stage.connect(8));
            let saying = async {
                // It may stop listening in the middle; it hears out what it can.
                let _ = writer.write_all(garbage.as_bytes()).await;
                let _ = writer.close().await;
            };
            let mut answer = String::new();
            let hearing = async { reader.read_to_string(&mut answer).await.unwrap() };
            futures_lite::future::zip(saying, hearing).await;
            answer
        });
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

fn many_headers() -> String {
    format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX))
}

#[test]
fn ordinary_requests_are_answered() {
    let stage = Stage::new(None);
    let answer = stage.run(async {
        let mut stream = stage.connect(3);
        stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
        stream.close().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    });
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[test]
fn pings_are_answered_also_while_waiting() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut sender = stage.join("r?role=send").await;
        sender.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
        let pong = sender.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong(Bytes::from_static(b"there?")));
        stage.pass(PING_MS).await;
        assert_eq!(sender.next().await.unwrap().unwrap(), Message::Ping(Bytes::new()));
    });
}

#[test]
fn a_silent_seat_yields_to_its_owner_who_came_back() {
    let stage = Stage::new(None);
    stage.run(async {
        // It reads nothing, so it answers no ping.
        let mut frozen = stage.try_join("r?role=send", 500).await.unwrap();
        stage.pass(YIELD_MS - 1000).await;
        assert_eq!(stage.try_join("r?role=send", 500).await.unwrap_err().0, 409);
        stage.pass(1000).await;
        let mut back = stage.try_join("r?role=send", 500).await.unwrap();
        let mut receiver = stage.join("r?role=receive").await;
        back.send(binary(b"me again")).await.unwrap();
        expect_binary(&mut receiver, b"me again").await;
        expect_close(&mut frozen, CloseCode::Policy, "silent, and somebody else asked for this place").await;
    });
}

#[test]
fn who_answers_pings_keeps_its_seat_and_who_does_not_is_closed() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut waiting = stage.try_join("r?role=send", 500).await.unwrap();
        for _ in 0..6 {
            stage.pass(PING_MS).await;
            assert_eq!(waiting.next().await.unwrap().unwrap(), Message::Ping(Bytes::new()));
            waiting.flush().await.unwrap();
            stage.settle().await;
        }
        assert_eq!(stage.try_join("r?role=send", 500).await.unwrap_err().0, 409);
        stage.pass(DEAD_MS + 1000).await;
        expect_close(&mut waiting, CloseCode::Policy, "silent for too long").await;
    });
}

#[test]
fn the_end_of_the_relay_is_told_to_everybody() {
    let stage = Stage::new(None);
    stage.run(async {
        let (mut sender, mut receiver) = stage.pair().await;
        let mut waiting = stage.join("other?role=send").await;
        stage.house.exchange.shut_down();
        for client in [&mut sender, &mut receiver, &mut waiting] {
            expect_close(client, CloseCode::Away, "the relay is going away").await;
        }
        assert_eq!(stage.try_join("r?role=send", 5).await.unwrap_err().0, 503);
    });
}

#[test]
fn who_takes_too_long_for_the_request_is_told_so() {
    let stage = Stage::with_patience(None, Duration::from_millis(1));
    let answer = stage.run(async {
        let mut stream = stage.connect(500);
        stream.write_all(b"GET /v1/room/").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    });
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn a_listener_that_takes_nothing_stops_the_speaker() {
    let stage = Stage::new(None);
    stage.run(async {
        let (mut sender, mut receiver) = stage.pair().await;
        let long = vec![9; 1 << 20];
        let mut saying = Box::pin(sender.send(binary(&long)));
        let said = or(async { (&mut saying).await.map(|()| true) }, async {
            for _ in 0..200 {
                stage.settle().await;
            }
            Ok(false)
        });
        assert!(!said.await.unwrap(), "it all went somewhere");
        futures_lite::future::zip(saying, expect_binary(&mut receiver, &long)).await.0.unwrap();
    });
}

#[test]
fn one_that_was_held_back_and_then_dies_is_noticed() {
    let stage = Stage::new(None);
    stage.run(async {
        let (mut sender, mut receiver) = stage.pair().await;
        // The receiver takes nothing for a while, so that its partner is not heard; then everything, and lives on.
        let long = vec![9; 4096];
        let mut saying = Box::pin(sender.send(binary(&long)));
        let stuck = or(async { (&mut saying).await.map(|()| true) }, async {
            stage.pass(PING_MS).await;
            Ok(false)
        });
        assert!(!stuck.await.unwrap());
        futures_lite::future::zip(saying, expect_binary(&mut receiver, &long)).await.0.unwrap();
        let closed = or(
            async {
                expect_close(&mut receiver, CloseCode::Normal, "the other side has left").await;
                true
            },
            async {
                stage.pass(2 * DEAD_MS).await;
                false
            },
        );
        assert!(closed.await);
    });
}

#[test]
fn pings_go_out_in_the_middle_of_a_message() {
    let stage = Stage::new(None);
    stage.run(async {
        let (mut sender, mut receiver) = stage.pair().await;
        // A message of six bytes whose second half is late.
        sender.get_mut().write_all(&[0x82, 0x86, 0, 0, 0, 0, 1, 2, 3]).await.unwrap();
        stage.settle().await;
        stage.pass(PING_MS).await;
        assert_eq!(receiver.next().await.unwrap().unwrap(), Message::Ping(Bytes::new()));
        sender.get_mut().write_all(&[4, 5, 6]).await.unwrap();
        expect_binary(&mut receiver, &[1, 2, 3, 4, 5, 6]).await;
    });
}

#[test]
fn what_came_with_the_request_is_not_lost() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut stream = stage.connect(4096);
        let early = b"GET /v1/room/r?role=send HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: p2pc.v1\r\n\r\n\x82\x83\0\0\0\0abc";
        stream.write_all(early).await.unwrap();
        let mut receiver = stage.join("r?role=receive").await;
        expect_binary(&mut receiver, b"abc").await;
    });
}

#[test]
fn whoever_left_before_its_partner_came_is_not_met() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut sender = stage.join("r?role=send").await;
        sender.send(binary(b"nobody hears this")).await.unwrap();
        drop(sender);
        stage.settle().await;
        let mut receiver = stage.join("r?role=receive").await;
        let mut sender = stage.join("r?role=send").await;
        sender.send(binary(b"new")).await.unwrap();
        expect_binary(&mut receiver, b"new").await;
    });
}
