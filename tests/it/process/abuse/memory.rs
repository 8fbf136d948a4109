//! What a relay keeps for connections that say all they can and read nothing: so much for each, whatever they do.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_lite::AsyncWrite as _;

use super::super::Relay;
use super::super::tls::vector;
use super::siege::breathe;
use crate::load::client::{Dial, Line, message};
use crate::load::crowd::Crowd;

/// The most that a relay had for each of so many rooms in which everybody in `roles` says all that is taken.
fn of_each(rooms: usize, roles: &[&'static str], tls: bool) -> u64 {
    let cert = vector("p256.pem");
    let unlimited = [
        "--address-connections",
        "0",
        "--address-arrivals",
        "0",
        "--address-joins",
        "0",
        "--address-rooms",
        "0",
    ];
    let with_tls = ["--cert", &cert];
    let options = [&["--listen", "127.0.0.1:0"][..], &unlimited, if tls { &with_tls } else { &[] }].concat();
    let relay = Relay::with(&options);
    let crowd = Crowd::gather(1);
    let authority = tls.then(|| PathBuf::from(vector("ca.pem")));
    let dial = Dial::new(relay.address(), authority.as_deref()).unwrap();
    // What a relay needs once, for the first that comes and for the first pair, is not counted.
    let first = |role: &&'static str| smol::block_on(dial.join("warm", role)).unwrap();
    let mut first: Vec<Line> = roles.iter().map(first).collect();
    say_all(&mut first);
    let before = relay.program.peak_memory().unwrap();
    let mut lines: Vec<Line> =
        roles.iter().flat_map(|role| crowd.join(&dial, rooms, role).unwrap()).collect();
    say_all(&mut lines);
    let grown = relay.program.peak_memory().unwrap() - before;
    drop((first, lines));
    super::ends_well(relay.program);
    grown / rooms as u64
}

/// Everybody speaks until nothing more is taken of anybody for a while.
fn say_all(lines: &mut [Line]) {
    let (said, mut at) = (message(64 << 20), vec![0; lines.len()]);
    let mut quiet = 0;
    while quiet < QUIET {
        let mut moved = false;
        for (line, at) in lines.iter_mut().zip(&mut at) {
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(written) = Pin::new(&mut *line).poll_write(&mut cx, &said[*at..]) {
                *at += written.unwrap();
                assert!(*at < said.len(), "it was all taken");
                moved = true;
            }
        }
        quiet = if moved { 0 } else { quiet + 1 };
        breathe(10);
    }
}

#[test]
fn a_side_that_waits_has_little_whatever_it_says() {
    let (plain, tls) = (of_each(300, &["send"], false), of_each(300, &["send"], true));
    println!("{plain} bytes each, {tls} with TLS");
    assert!(plain < WAITING_MAX && tls < WAITING_TLS_MAX, "{plain}, {tls} bytes each");
}

#[test]
fn a_pair_that_reads_nothing_has_its_buffers_and_no_more() {
    let (plain, tls) = (of_each(40, &["send", "receive"], false), of_each(40, &["send", "receive"], true));
    println!("{plain} bytes each, {tls} with TLS");
    assert!(plain < PAIR_MAX && tls < PAIR_TLS_MAX, "{plain}, {tls} bytes each");
}

/// What docs/relay.md reckons with: one side that waits, and one pair.
const WAITING_MAX: u64 = 12 << 10;
const WAITING_TLS_MAX: u64 = 40 << 10;
const PAIR_MAX: u64 = 160 << 10;
const PAIR_TLS_MAX: u64 = 560 << 10;

/// After so many looks at which nobody got rid of anything, a hundredth of a second each, nobody will.
const QUIET: usize = 50;
