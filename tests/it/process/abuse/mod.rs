//! What strangers do to a relay on the open internet. Whatever it is, an honest pair through the same relay keeps at least half of its speed, memory
//! keeps its bound, the relay answers, and nothing panics.

mod memory;
mod raw;
mod siege;

use std::io::{Read as _, Write as _};

use rustix::process::Signal;

use super::tls::vector;
use crate::cutting::Chance;
use crate::load::client::message;
use raw::{Raw, frame};
use siege::{ARRIVALS, breathe, withstands};

#[test]
fn slow_headers() {
    let options = ["--header-time", "1s"];
    withstands(&options, 100, |siege, number| {
        // Some at a time, each one byte after the other, until the relay has enough of it.
        let mut several: Vec<Raw> = (0..SEVERAL).map(|_| Raw::connect(siege, number)).collect();
        let request = Raw::request("slow", "send");
        for byte in request.bytes().take(TOO_SLOW) {
            if siege.is_over() || several.iter_mut().any(|one| one.socket.write_all(&[byte]).is_err()) {
                break;
            }
            breathe(100);
        }
        for one in several {
            siege.count_if(one.status().is_none_or(|status| status == 408));
        }
    });
}

#[test]
fn half_an_upgrade_and_gone() {
    withstands(&[], 2000, |siege, number| {
        let mut one = Raw::connect(siege, number);
        let request = Raw::request("half", "send");
        let _ = one.socket.write_all(&request.as_bytes()[..request.len() / 2]);
        siege.count_if(true);
    });
}

#[test]
fn garbage() {
    withstands(&[], 500, |siege, number| {
        let mut one = Raw::connect(siege, number);
        let _ = one.socket.write_all(&Chance::new(siege.ticket()).bytes(4000));
        siege.count_if(one.status().is_none_or(|status| status == 400));
    });
}

#[test]
fn garbage_where_tls_is_spoken() {
    let cert = vector("p256.pem");
    withstands(&["--cert", &cert, "--handshake-time", "1s"], 500, |siege, number| {
        let mut one = Raw::connect(siege, number);
        let ticket = siege.ticket();
        // Noise; or what begins as TLS does, and claims a whole record.
        let mut said = Chance::new(ticket).bytes(2000);
        if ticket.is_multiple_of(2) {
            said[..9].copy_from_slice(&[22, 3, 1, 0x3F, 0xFF, 1, 0, 0x3F, 0xF0]);
        }
        let _ = one.socket.write_all(&said);
        let _ = one.socket.shutdown(std::net::Shutdown::Write);
        let _ = one.socket.read_to_end(&mut Vec::new());
        siege.count_if(true);
    });
}

#[test]
fn beginnings_of_tls_without_end() {
    // What a client begins with, as far as one may hear it: a relay that reads it works out keys and signs.
    let hello = hello();
    let siege = withstands(&["--cert", &vector("p256.pem"), ARRIVALS, "100"], 2000, |siege, number| {
        let mut one = Raw::connect(siege, number);
        let _ = one.socket.write_all(&hello);
        if one.socket.read(&mut [0]).is_ok_and(|read| read > 0) {
            siege.note_seat();
        }
        siege.count_if(true);
    });
    // Of each of four addresses what it may begin in a minute, and what comes back while it goes on.
    assert!((400..=400 + 4 * 2 * 20).contains(&siege.seats()), "{}", siege.seats());
}

#[test]
fn receivers_that_never_read_and_slow_ones() {
    // So much that it would be seen if the relay kept any of it.
    withstands(&[], 40, |siege, number| {
        let room = format!("mute-{number}");
        let mut pairs: Vec<(Raw, Raw)> = (0..SEVERAL)
            .filter_map(|at| {
                let room = format!("{room}-{at}");
                Some((Raw::join(siege, number, &room, "send")?, Raw::join(siege, number, &room, "receive")?))
            })
            .collect();
        for (sender, _) in &pairs {
            sender.socket.set_nonblocking(true).unwrap();
        }
        siege.count_many(pairs.len());
        let (said, mut space) = (message(100_000), [0; 100]);
        while !siege.is_over() {
            for (at, (sender, receiver)) in pairs.iter_mut().enumerate() {
                // What is not taken is lost in the middle of a frame; nobody here reads that far.
                let _ = sender.socket.write(&said);
                if at % 2 == 0 {
                    let _ = receiver.socket.read(&mut space);
                }
            }
            breathe(20);
        }
    });
}

#[test]
fn messages_without_end_and_fragments_of_one_byte() {
    withstands(&[], 100, |siege, number| {
        let room = format!("endless-{number}-{}", siege.ticket());
        let (Some(mut sender), Some(mut receiver)) =
            (Raw::join(siege, number, &room, "send"), Raw::join(siege, number, &room, "receive"))
        else {
            return;
        };
        let fragments = [frame(0x02, b"a"), frame(0x00, b"b").repeat(5000), frame(0x80, b"c")].concat();
        // As long as a message can claim to be, of which some comes.
        let endless =
            [&[0x82, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4][..], &vec![7; 50_000]]
                .concat();
        let reading = std::thread::spawn(move || {
            let mut space = vec![0; 1 << 16];
            while receiver.socket.read(&mut space).is_ok_and(|read| read > 0) {}
        });
        let said = sender.socket.write_all(&fragments).and_then(|()| sender.socket.write_all(&endless));
        drop(sender);
        reading.join().unwrap();
        siege.count_if(said.is_ok());
    });
}

#[test]
fn frames_that_are_not_masked() {
    withstands(&[], 500, |siege, number| {
        let room = format!("bare-{number}-{}", siege.ticket());
        let Some(mut one) = Raw::join(siege, number, &room, "send") else { return };
        let _ = one.socket.write_all(&[0x82, 5, b'h', b'e', b'l', b'l', b'o']);
        let mut answer = Vec::new();
        let _ = one.socket.read_to_end(&mut answer);
        // Closed, and told why: 1002.
        siege.count_if(answer.first() == Some(&0x88) && answer[2..4] == [3, 234]);
    });
}

#[test]
fn pings_by_the_thousand_from_one_that_does_not_read() {
    withstands(&[], 200_000, |siege, number| {
        let room = format!("ping-{number}-{}", siege.ticket());
        let Some(mut one) = Raw::join(siege, number, &room, "send") else { return };
        one.socket.set_nonblocking(true).unwrap();
        let pings = frame(0x89, &[b'p'; 125]).repeat(100);
        let mut sent = 0;
        while !siege.is_over() {
            match one.socket.write(&pings[sent % pings.len()..]) {
                Ok(wrote) if wrote > 0 => {
                    siege.count_many((sent + wrote) / 131 - sent / 131);
                    sent += wrote;
                }
                // Its own sockets are full: the relay has stopped to listen, and that is all right.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && sent < 10_000_000 => {
                    breathe(1);
                }
                _ => return,
            }
        }
    });
}

#[test]
fn one_address_that_opens_every_room() {
    let siege = withstands(&[], 2000, |siege, number| {
        // All of them from one address, whichever thread it is.
        let room = format!("{}", 10_000 + siege.ticket());
        let mut held = Vec::new();
        match Raw::knock(siege, 9, &room, "send") {
            (Some(101), one) => {
                siege.note_seat();
                held.push(one);
            }
            (status, _) => assert!(status.is_none_or(|status| status == 429), "{number}: {status:?}"),
        }
        siege.count_if(true);
        siege.keep(held);
    });
    // What it may open in a minute, and what comes back while it goes on.
    assert!((100..=240 + 4 * 120).contains(&siege.seats()), "{}", siege.seats());
}

#[test]
fn one_address_that_walks_through_all_rooms_to_burn_codes() {
    let siege = withstands(&[], 2000, |siege, number| {
        let room = format!("{}", 10_000 + siege.ticket());
        let (status, mut one) = Raw::knock(siege, 9, &room, "receive");
        if status == Some(101) {
            siege.note_seat();
            // A guess for whoever sits there, and on to the next room.
            let _ = one.socket.write_all(&message(64));
        } else {
            assert!(status.is_none_or(|status| status == 429), "{number}: {status:?}");
        }
        siege.count_if(true);
    });
    assert!((100..=240 + 4 * 120).contains(&siege.seats()), "{}", siege.seats());
}

#[test]
fn more_connections_than_there_are_places() {
    let siege =
        withstands(&["--max-connections", "300", "--address-connections", "100"], 2000, |siege, number| {
            let (status, one) = Raw::knock(siege, number, &format!("full-{}", siege.ticket()), "send");
            if status == Some(101) {
                siege.keep(vec![one]);
                siege.note_seat();
            } else {
                assert!(status.is_none_or(|status| status == 429 || status == 503), "{status:?}");
            }
            siege.count_if(true);
        });
    assert!((100..=300).contains(&siege.seats()), "{}", siege.seats());
}

/// The first message of a client that speaks TLS.
fn hello() -> Vec<u8> {
    let config = p2pc::net::tls::client_config(Some(vector("ca.pem").as_ref())).unwrap();
    let name = std::net::IpAddr::from([127, 0, 0, 1]);
    let mut client = rustls::ClientConnection::new(config, name.into()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// What of a request comes in more time than the relay gives it, a byte each tenth of a second.
const TOO_SLOW: usize = 15;

/// So many connections one attacker has at once.
const SEVERAL: usize = 20;

/// The honest pair's relay ends in order, whatever it has been through.
fn ends_well(program: super::program::Program) {
    program.signal(Signal::INT);
    program.exits(130);
}
