//! Requests over pipes of a few bytes.

use super::*;
use crate::relay::stage::{Stage, binary, expect_binary};

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
fn who_walks_the_rooms_of_an_embedded_relay_pays_a_seat_for_each_and_learns_nothing_beyond() {
    let joins = Limits::embedded().address_joins.unwrap();
    let stage = Stage::with_limits(Some("mine"), Limits::embedded());
    stage.run(async {
        for number in 0..joins {
            assert_eq!(stage.try_join(&format!("{number}?role=send"), 500).await.unwrap_err().0, 404);
        }
        for room in ["other", "mine"] {
            assert_eq!(stage.try_join(&format!("{room}?role=send"), 500).await.unwrap_err().0, 429);
        }
    });
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
fn who_has_no_seat_yet_does_not_hold_up_the_end() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut asking = stage.connect(500);
        asking.write_all(b"GET /v1/room/").await.unwrap();
        // Has its answer, and does not hang up.
        let mut answered = stage.connect(500);
        answered.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
        stage.settle().await;
        stage.house.closing.cancel();
        for client in [&mut asking, &mut answered] {
            // Not even the writing end is left: the relay has let the connection go.
            client.read_to_end(&mut Vec::new()).await.unwrap();
            stage.settle().await;
            assert!(client.write_all(b"still there?").await.is_err());
        }
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
fn an_address_that_asks_too_often_is_told_when_to_ask_again() {
    let stage = Stage::with_limits(
        None,
        Limits { address_joins: Some(5), address_rooms: Some(2), ..Limits::default() },
    );
    stage.run(async {
        let _kept = (stage.join("a?role=send").await, stage.join("b?role=send&new=1").await);
        let (status, body) = stage.try_join("c?role=send", 500).await.unwrap_err();
        assert_eq!(status, 429);
        assert!(body.contains("opens rooms in this relay too often"), "{body}");
        // That was a seat as well, the third of five. Whom one waits for may come.
        let _came = stage.join("a?role=receive").await;
        assert_eq!(stage.try_join("a?role=receive", 500).await.unwrap_err().0, 409);
        let (status, body) = stage.try_join("b?role=receive", 500).await.unwrap_err();
        assert_eq!(status, 429);
        assert!(body.contains("asks this relay for seats too often"), "{body}");
        stage.pass(12_000).await;
        let _late = stage.join("b?role=receive").await;
    });
}

#[test]
fn who_connects_too_often_is_told_so_and_whoever_is_there_stays() {
    let stage = Stage::with_limits(None, Limits { connections: 2, ..Limits::default() });
    stage.run(async {
        let mut sender = stage.try_join("r?role=send", 500).await.unwrap();
        let mut receiver = stage.join("r?role=receive").await;
        let (status, body) = stage.try_join("other?role=send", 500).await.unwrap_err();
        assert_eq!(status, 503);
        assert!(body.contains("no connection left"), "{body}");
        sender.send(binary(b"still here")).await.unwrap();
        expect_binary(&mut receiver, b"still here").await;
        // A pair is two connections also after one task has taken it over, and none once it has ended.
        drop((sender, receiver));
        stage.settle().await;
        let _next = stage.join("other?role=send").await;
    });
}

#[test]
fn a_full_relay_says_so() {
    let stage = Stage::with_limits(None, Limits { waiting: 1, ..Limits::default() });
    stage.run(async {
        let _first = stage.join("r?role=send").await;
        let (status, body) = stage.try_join("other?role=send", 500).await.unwrap_err();
        assert_eq!(
            (status, body.as_str()),
            (503, "the relay is full: try again later, or use another relay\n")
        );
    });
}
