//! How a relay ends: with patience, without, and at once.

use async_tungstenite::tungstenite::Message;
use rustix::process::Signal;

use super::Relay;
use super::scene::Scene;
use crate::relay::{join, next_binary};

/// A session must not hold the relay up for longer than the test.
const LONG: [&str; 4] = ["--listen", "127.0.0.1:0", "--drain", "1h"];

#[test]
fn sigterm_lets_a_session_finish() {
    let mut relay = Relay::with(&LONG);
    let address = relay.address();
    smol::block_on(async {
        let mut sender = join(address, "r?role=send").await.unwrap();
        let mut receiver = join(address, "r?role=receive").await.unwrap();
        relay.program.signal(Signal::TERM);
        relay.program.says("the relay drains");
        assert!(join(address, "other?role=send").await.is_err());
        sender.send(Message::binary("still here")).await.unwrap();
        assert_eq!(next_binary(&mut receiver).await, "still here");
    });
    let said = relay.program.exits(143).stderr;
    assert!(said.contains("the relay is going away"), "{said}");
}

#[test]
fn a_second_signal_waits_for_nobody_and_neither_does_the_first_sigint() {
    for (first, waits, status) in [(Signal::TERM, true, 143), (Signal::INT, false, 130)] {
        let mut relay = Relay::with(&LONG);
        let address = relay.address();
        smol::block_on(async {
            let _sender = join(address, "r?role=send").await.unwrap();
            let _receiver = join(address, "r?role=receive").await.unwrap();
            relay.program.signal(first);
            if waits {
                relay.program.says("the relay drains");
                relay.program.signal(first);
            }
            relay.program.exits(status);
        });
    }
}

#[test]
fn whom_a_relay_sends_away_meets_again_at_the_next_one() {
    let relay = Relay::with(&["--listen", "127.0.0.1:0", "--drain", "0"]);
    let scene = Scene { relay, ..Scene::with_file(20_000_000) };
    let halfway = scene.halfway(10_000_000);
    let address = scene.relay.address().to_string();
    scene.relay.program.signal(Signal::TERM);
    let log = scene.relay.program.exits(143).stderr;
    assert!(log.contains("reason=going_away"), "{log}");
    let scene = Scene { relay: Relay::with(&["--listen", &address]), ..scene };
    halfway.meets_again();
    scene.is_equal();
}
