//! Whole lives of connections over pipes of a few bytes, on a clock that the test moves.

use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Bytes, Message};
use futures_lite::AsyncWriteExt;
use futures_util::{SinkExt, StreamExt};

use super::*;
use crate::proto::parting::SPENT;
use crate::relay::limits::{DEAD_MS, EARLY_BYTES_MAX, FIRST_WORD_MS, Limits, PING_MS, YIELD_MS};
use crate::relay::stage::{Client, Stage, binary, expect_binary, expect_close};

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
fn what_was_said_early_is_of_what_a_pair_may_say() {
    let limits = Limits { session_bytes: Some(1000), ..Limits::default() };
    let stage = Stage::with_limits(None, limits);
    stage.run(async {
        let mut sender = stage.try_join("r?role=send", 500).await.unwrap();
        // Both of them said something, each less than a pair may.
        sender.send(binary(&[1; 600])).await.unwrap();
        stage.settle().await;
        let mut receiver = stage.try_join("r?role=receive", 2000).await.unwrap();
        receiver.send(binary(&[2; 400])).await.unwrap();
        for client in [&mut sender, &mut receiver] {
            loop {
                match client.next().await.unwrap().unwrap() {
                    Message::Close(Some(frame)) => break assert_eq!(frame.reason.as_str(), SPENT),
                    Message::Binary(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    });
}

#[test]
fn who_does_not_read_the_goodbye_has_its_place_until_it_is_gone() {
    let stage = Stage::with_limits(None, Limits { sessions: 1, ..Limits::default() });
    stage.run(async {
        let mut sender = stage.try_join("r?role=send", 500).await.unwrap();
        let receiver = stage.try_join("r?role=receive", 500).await.unwrap();
        sender.close(None).await.unwrap();
        stage.settle().await;
        let _waits = stage.join("other?role=send").await;
        // The room is free, and the receiver, which neither reads nor goes, is still there.
        assert_eq!(stage.house.exchange.census().joined, 0);
        assert_eq!(stage.try_join("other?role=receive", 500).await.unwrap_err().0, 503);
        drop((sender, receiver));
        stage.settle().await;
        let _meets = stage.join("other?role=receive").await;
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
fn what_was_said_before_the_end_of_the_relay_is_delivered_before_it() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut sender = stage.try_join("r?role=send", 1000).await.unwrap();
        let mut receiver = stage.join("r?role=receive").await;
        // The receiver has not read a byte: the first of these is in the relay, the last still on its way there.
        for part in 0..3 {
            sender.send(binary(&[part; 400])).await.unwrap();
            stage.settle().await;
        }
        stage.house.exchange.shut_down();
        stage.settle().await;
        for part in 0..3 {
            expect_binary(&mut receiver, &[part; 400]).await;
        }
        expect_close(&mut receiver, CloseCode::Away, "the relay is going away").await;
        expect_close(&mut sender, CloseCode::Away, "the relay is going away").await;
    });
}

#[test]
fn a_goodbye_that_crosses_the_end_of_the_relay_is_answered() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut sender = stage.try_join("r?role=send", 500).await.unwrap();
        let mut receiver = stage.join("r?role=receive").await;
        sender.send(binary(&[1; 400])).await.unwrap();
        stage.settle().await;
        sender.send(binary(b"done")).await.unwrap();
        sender.close(None).await.unwrap();
        stage.house.exchange.shut_down();
        expect_binary(&mut receiver, &[1; 400]).await;
        expect_binary(&mut receiver, b"done").await;
        expect_close(&mut receiver, CloseCode::Away, "the relay is going away").await;
        while let Some(Ok(_)) = sender.next().await {}
    });
}

#[test]
fn a_listener_that_takes_nothing_stops_the_speaker() {
    let stage = Stage::new(None);
    stage.run(async {
        let (mut sender, mut receiver) = stage.pair().await;
        let long = vec![9; 4 * FRAGMENT_ROOM];
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
        receiver.send(binary(b"hello")).await.unwrap();
        expect_binary(&mut sender, b"hello").await;
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

/// Answers pings for so long; whether the relay let it.
async fn answer_pings(stage: &Stage, mut clients: [&mut Client; 2], ms: u64) -> bool {
    for _ in 0..ms / PING_MS {
        stage.pass(PING_MS).await;
        for client in &mut clients {
            if !matches!(client.next().await, Some(Ok(Message::Ping(_)))) || client.flush().await.is_err() {
                return false;
            }
        }
        stage.settle().await;
    }
    true
}

#[test]
fn who_only_answers_pings_does_not_keep_the_room() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut sender = stage.try_join("r?role=send", 500).await.unwrap();
        let mut mute = stage.try_join("r?role=receive", 500).await.unwrap();
        sender.send(binary(b"hello")).await.unwrap();
        expect_binary(&mut mute, b"hello").await;
        assert!(answer_pings(&stage, [&mut sender, &mut mute], FIRST_WORD_MS - PING_MS).await);
        stage.pass(PING_MS).await;
        expect_close(&mut mute, CloseCode::Policy, "said nothing to the other side in 30 s").await;
        expect_close(&mut sender, CloseCode::Normal, "the other side has left").await;
        let _ = stage.try_join("r?role=receive&new=1", 500).await.unwrap();
    });
}

#[test]
fn the_first_byte_of_a_message_is_a_first_word_and_so_is_one_said_while_waiting() {
    let stage = Stage::new(None);
    stage.run(async {
        let mut sender = stage.try_join("r?role=send", 500).await.unwrap();
        sender.send(binary(b"early")).await.unwrap();
        stage.settle().await;
        let mut receiver = stage.try_join("r?role=receive", 500).await.unwrap();
        expect_binary(&mut receiver, b"early").await;
        // Half a message of two bytes.
        receiver.get_mut().write_all(&[0x82, 0x82, 0, 0, 0, 0, b'o']).await.unwrap();
        stage.settle().await;
        stage.pass(FIRST_WORD_MS - PING_MS).await;
        stage.pass(PING_MS).await;
        receiver.get_mut().write_all(b"k").await.unwrap();
        expect_binary(&mut sender, b"ok").await;
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

#[test]
fn who_waits_too_long_and_who_says_nothing_is_told_why() {
    let limits = Limits { wait: Duration::from_secs(20), idle: Duration::from_secs(40), ..Limits::default() };
    let stage = Stage::with_limits(None, limits);
    stage.run(async {
        let mut waiting = stage.try_join("r?role=send", 500).await.unwrap();
        stage.pass(20_000).await;
        expect_close(&mut waiting, CloseCode::Policy, "waited too long for the other side").await;
        let mut pair = (
            stage.try_join("r?role=send", 500).await.unwrap(),
            stage.try_join("r?role=receive", 500).await.unwrap(),
        );
        pair.0.send(binary(b"hello")).await.unwrap();
        expect_binary(&mut pair.1, b"hello").await;
        pair.1.send(binary(b"hello")).await.unwrap();
        expect_binary(&mut pair.0, b"hello").await;
        assert!(answer_pings(&stage, [&mut pair.0, &mut pair.1], 30_000).await);
        // One word in a while is enough.
        pair.1.send(binary(b"still here")).await.unwrap();
        expect_binary(&mut pair.0, b"still here").await;
        assert!(answer_pings(&stage, [&mut pair.0, &mut pair.1], 30_000).await);
        stage.pass(10_000).await;
        for client in [&mut pair.0, &mut pair.1] {
            expect_close(client, CloseCode::Policy, "nobody said anything for too long").await;
        }
    });
}

/// One says all that is allowed, and never stops.
#[test]
fn under_a_rate_the_word_of_the_quieter_one_comes_through() {
    let limits = Limits { session_rate: crate::proto::pace::Rate::new(100_000), ..Limits::default() };
    let stage = Stage::with_limits(None, limits);
    stage.run(async {
        let sender = stage.try_join("r?role=send", 64 << 10).await.unwrap();
        let receiver = stage.try_join("r?role=receive", 64 << 10).await.unwrap();
        let (mut says, mut hears) = sender.split();
        let (mut answers, mut takes) = receiver.split();
        let flood = async {
            while says.send(binary(&[7; 8 << 10])).await.is_ok() {}
            false
        };
        let drain = async {
            while takes.next().await.is_some() {}
            false
        };
        let word = async {
            answers.send(binary(b"one word")).await.unwrap();
            while hears.next().await.unwrap().unwrap() != binary(b"one word") {}
            true
        };
        let late = async {
            pause(20_000).await;
            false
        };
        assert!(or(or(word, late), or(flood, drain)).await);
    });
}
