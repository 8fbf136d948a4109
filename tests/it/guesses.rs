//! Wrong codes, and attackers in the room who have none: what each side's person sees, and what a guess costs.

use p2pc::events::Event;
use p2pc::net::Connection;
use p2pc::net::dial::{DialOptions, Dialer, RoomRequest};
use p2pc::proto::handshake::{Capabilities, Handshake, Options, Params};
use p2pc::proto::role::Role;
use p2pc::proto::seal::Ciphers;
use p2pc::{Code, Kind, RelayUrl};

use crate::rig::{Side, TestRelay, code, contents, receiving, sending, some_files};

/// The same room with other words.
fn wrong(right: &Code) -> Code {
    code(&format!("{}-wrong-wrong-wrong", &right.reveal()[..5]))
}

fn guesses_left(side: &Side) -> u8 {
    side.wait_for(|event| match event {
        Event::WrongGuess { left, .. } => Some(*left),
        _ => None,
    })
}

/// Takes a seat in the room as a stranger.
fn sit(relay: &RelayUrl, right: &Code, role: Role) -> Connection {
    let room = right.reveal()[..5].to_string();
    let dialer = Dialer::new(&DialOptions::default()).unwrap();
    loop {
        // The side under test may still be on its way back to the room, or its last partner on the way out.
        match smol::block_on(dialer.room(relay, &RoomRequest { room: room.clone(), role, fresh: false })) {
            Ok(connection) => return connection,
            Err(error) => assert_eq!(p2pc::Error::from(error).kind(), Kind::Relay),
        }
    }
}

/// A stranger's half of a pairing, with words of their own.
fn guess(right: &Code, role: Role, made: bool) -> (Handshake, Vec<u8>) {
    Handshake::new(&Params {
        room: &right.reveal()[..5],
        password: b"a guess",
        role,
        made,
        options: Options::default(),
        in_session: false,
        capabilities: Capabilities::NONE,
        ciphers: Ciphers::here(),
        app: "attacker",
        nonce: [7; 32],
        pake_seed: &[9; 32],
    })
}

async fn say(connection: &mut Connection, message: Vec<u8>) {
    connection.writer.send(message.into()).await.unwrap();
    connection.writer.flush().await.unwrap();
}

#[test]
fn a_wrong_code_ends_the_taker_and_the_maker_waits_on() {
    let (relay, dir) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (source, out) = (some_files(dir.path()), dir.path().join("out"));
    let sender = Side::send(sending(&[&source], &relay.url));
    let (right, _) = sender.code();
    for left in [2, 1] {
        let taker = Side::receive(receiving(&wrong(&right), &out, &relay.url));
        assert_eq!(taker.end().unwrap_err().kind(), Kind::Authentication);
        assert_eq!(guesses_left(&sender), left);
    }
    assert!(!out.exists());
    let taker = Side::receive(receiving(&right, &out, &relay.url));
    assert_eq!(taker.end().unwrap().failed, 0);
    assert_eq!(sender.end().unwrap().failed, 0);
    assert_eq!(contents(&source), contents(&out.join("things")));
}

#[test]
fn the_third_wrong_guess_burns_the_code() {
    let (relay, dir) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let sender = Side::send(sending(&[&some_files(dir.path())], &relay.url));
    let (right, _) = sender.code();
    for _ in 0..3 {
        let taker = Side::receive(receiving(&wrong(&right), &dir.path().join("out"), &relay.url));
        assert_eq!(taker.end().unwrap_err().kind(), Kind::Authentication);
    }
    assert_eq!(sender.end().unwrap_err().kind(), Kind::Authentication);
}

#[test]
fn confirming_and_hanging_up_is_a_guess() {
    let (relay, dir) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let sender = Side::send(sending(&[&some_files(dir.path())], &relay.url));
    let (right, _) = sender.code();
    for left in [2, 1] {
        let mut connection = sit(&relay.url, &right, Role::Receive);
        let (mut attacker, first) = guess(&right, Role::Receive, false);
        smol::block_on(async {
            say(&mut connection, first).await;
            let theirs = connection.reader.next().await.unwrap();
            let confirmation = attacker.handle(&theirs).unwrap().send.unwrap();
            say(&mut connection, confirmation).await;
            // Hangs up without waiting for the answer.
            let _ = connection.writer.close(1000, "").await;
        });
        assert_eq!(guesses_left(&sender), left);
    }
    sender.cancel.cancel();
    assert_eq!(sender.end().unwrap_err().kind(), Kind::Interrupted);
}

#[test]
fn a_maker_who_hears_the_confirmation_and_hangs_up_ends_the_taker() {
    let (relay, dir) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let right = code("48213-acid-crane-otter");
    let taker = Side::receive(receiving(&right, &dir.path().join("out"), &relay.url));
    let mut connection = sit(&relay.url, &right, Role::Send);
    let (mut attacker, first) = guess(&right, Role::Send, true);
    smol::block_on(async {
        say(&mut connection, first).await;
        let theirs = connection.reader.next().await.unwrap();
        assert!(attacker.handle(&theirs).unwrap().send.is_none());
        // The taker's confirmation: one guess could be tested on it.
        connection.reader.next().await.unwrap();
        let _ = connection.writer.close(1000, "").await;
    });
    assert_eq!(taker.end().unwrap_err().kind(), Kind::Authentication);
}

#[test]
fn strangers_who_give_nothing_away_cost_no_guess() {
    let (relay, dir) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (source, out) = (some_files(dir.path()), dir.path().join("out"));
    let sender = Side::send(sending(&[&source], &relay.url));
    let (right, _) = sender.code();
    for stranger in 0..5 {
        let mut connection = sit(&relay.url, &right, Role::Receive);
        smol::block_on(async {
            match stranger {
                // Hangs up at once.
                0 => {}
                1 => say(&mut connection, b"garbage".to_vec()).await,
                // Reflects what the maker says.
                2 => {
                    let theirs = connection.reader.next().await.unwrap();
                    say(&mut connection, theirs.to_vec()).await;
                }
                // Comes as the wrong role.
                3 => say(&mut connection, guess(&right, Role::Send, false).1).await,
                // Claims to have made the code too.
                _ => say(&mut connection, guess(&right, Role::Receive, true).1).await,
            }
            let _ = connection.writer.close(1000, "").await;
        });
    }
    // No guess was counted: two wrong ones still leave the code good.
    for left in [2, 1] {
        let taker = Side::receive(receiving(&wrong(&right), &out, &relay.url));
        assert_eq!(taker.end().unwrap_err().kind(), Kind::Authentication);
        assert_eq!(guesses_left(&sender), left);
    }
    let taker = Side::receive(receiving(&right, &out, &relay.url));
    assert_eq!(taker.end().unwrap().failed, 0);
    assert_eq!(sender.end().unwrap().failed, 0);
}

#[test]
fn a_taker_tells_attackers_apart() {
    for (attack, kind) in [("reflects", Kind::Authentication), ("wrong role", Kind::Protocol)] {
        let (relay, dir) = (TestRelay::start(), tempfile::tempdir().unwrap());
        let right = code("48213-acid-crane-otter");
        let taker = Side::receive(receiving(&right, &dir.path().join("out"), &relay.url));
        let mut connection = sit(&relay.url, &right, Role::Send);
        smol::block_on(async {
            match attack {
                "reflects" => {
                    let theirs = connection.reader.next().await.unwrap();
                    say(&mut connection, theirs.to_vec()).await;
                }
                _ => say(&mut connection, guess(&right, Role::Receive, false).1).await,
            }
            // Stays until the other side has gone.
            while connection.reader.next().await.is_ok() {}
        });
        assert_eq!(taker.end().unwrap_err().kind(), kind, "{attack}");
    }
}

#[test]
fn garbage_ends_neither_side() {
    let (relay, dir) = (TestRelay::start(), tempfile::tempdir().unwrap());
    let (source, out) = (some_files(dir.path()), dir.path().join("out"));
    let right = code("48213-acid-crane-otter");
    let taker = Side::receive(receiving(&right, &out, &relay.url));
    let mut connection = sit(&relay.url, &right, Role::Send);
    smol::block_on(async {
        say(&mut connection, b"garbage".to_vec()).await;
        while connection.reader.next().await.is_ok() {}
    });
    let mut options = sending(&[&source], &relay.url);
    options.code = Some(right);
    let sender = Side::send(options);
    assert_eq!(taker.end().unwrap().failed, 0);
    assert_eq!(sender.end().unwrap().failed, 0);
}
