//! Relays that are there, and do not let us in for now; and servers that are none.

use std::net::TcpStream;

use p2pc::net::Connection;
use p2pc::net::dial::{DialOptions, Dialer, RoomRequest};
use p2pc::proto::role::Role;
use rustix::process::Signal;

use super::{Relay, answering, checks, conclusion, examined};

/// Somebody in a room.
fn somebody(relay: &Relay, role: Role) -> Connection {
    let seat = RoomRequest { room: "10000".into(), role, fresh: false };
    let dialer = Dialer::new(&DialOptions::default()).unwrap();
    smol::block_on(dialer.room(&relay.url.parse().unwrap(), &seat)).unwrap()
}

fn limited(limits: &[&str]) -> Relay {
    Relay::with(&[&["--listen", "127.0.0.1:0"], limits].concat())
}

#[test]
fn a_relay_that_is_full_or_ends_is_not_at_fault_for_long() {
    let full = limited(&["--max-waiting", "1"]);
    let _somebody = somebody(&full, Role::Send);
    let printed = examined(&[&full.url], &[], 5);
    assert!(printed.contains("503: the relay is full"), "{printed}");
    assert_eq!(
        conclusion(&printed),
        "In the way: the relay itself, for the moment. It wants to be asked again in 10 s."
    );
    let mut ends = limited(&["--drain", "30s"]);
    let _pair = [Role::Send, Role::Receive].map(|role| somebody(&ends, role));
    ends.program.signal(Signal::TERM);
    ends.program.says("drain");
    let printed = examined(&[&ends.url], &[], 5);
    assert!(printed.contains("503: the relay is going away"), "{printed}");
    assert_eq!(
        conclusion(&printed),
        "In the way: the relay itself, for the moment. It wants to be asked again in 2 s."
    );
}

#[test]
fn an_address_that_asks_too_often_is_told_so() {
    let often = limited(&["--address-joins", "1"]);
    let printed = examined(&[&often.url], &[], 5);
    assert!(printed.contains("429: your address asks this relay for seats too often"), "{printed}");
    let end = conclusion(&printed);
    assert!(end.starts_with("In the way: how often this address asks the relay"), "{end}");
    assert!(end.contains("asked again in "), "{end}");
}

/// A relay closes these without a word, before TLS; so does much else.
#[test]
fn a_connection_that_is_ended_without_a_word_has_two_reasons() {
    for certificate in [None, Some(super::vector("p256.pem"))] {
        let tls: Vec<&str> = certificate.iter().flat_map(|pem| ["--cert", pem.as_str()]).collect();
        let often = limited(&[&["--address-arrivals", "2"], &tls[..]].concat());
        let ca = super::vector("ca.pem");
        // The third is one too many: that of the first seat's partner, or one of ours before.
        for step in ["wrong room", if tls.is_empty() { "wrong answer" } else { "wrong TLS" }] {
            let printed = examined(&[&often.url, "--ca", &ca], &[], 5);
            assert_eq!(checks(&printed).last(), Some(&step), "{printed}");
            assert!(printed.contains("takes the connection and ends it without an answer"), "{printed}");
            let end = conclusion(&printed);
            assert!(
                end.starts_with("In the way: what ends the connection without an answer. Either too many"),
                "{end}"
            );
            assert!(end.contains("no relay runs there, or something on the way cuts it off"), "{end}");
        }
    }
}

#[test]
fn an_embedded_relay_is_no_fault_of_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = super::p2pc("send");
    command.args(["--listen", "127.0.0.1:0"]).arg(super::super::small_file(dir.path()));
    let mut sender = super::Program::start(&mut command);
    let code = sender.prints();
    let (_, url) = code.split_once('@').unwrap();
    let printed = examined(&[url], &[], 5);
    assert!(printed.contains("404: this relay serves one session only"), "{printed}");
    assert!(conclusion(&printed).contains("if it is one, nothing is in the way to it"), "{printed}");
}

#[test]
fn servers_that_are_no_relay_are_told_from_those_that_stand_before_one() {
    for (answer, place) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>", "what answers there."),
        ("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "what answers there."),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "what answers there."),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "the web server before the relay."),
        ("HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n", "the web server before the relay."),
        ("SSH-2.0-OpenSSH_9.2\r\n", "what answers there."),
    ] {
        let printed = examined(&[&format!("ws://{}", answering(answer))], &[], 5);
        assert_eq!(checks(&printed).last(), Some(&"wrong room"), "{printed}");
        assert!(conclusion(&printed).starts_with(&format!("In the way: {place}")), "{answer}: {printed}");
    }
}

#[test]
fn a_slow_line_is_open_and_said_to_be_slow() {
    let slow = limited(&["--session-rate", "50k"]);
    let printed = examined(&[&slow.url], &[], 0);
    assert_eq!(checks(&printed).last(), Some(&"note  speed"), "{printed}");
    assert!(
        conclusion(&printed).starts_with("Nothing is in the way, but the line is slow: a gigabyte takes")
    );
}

/// A listener whose queue is full takes no connection and refuses none: as a firewall that drops what comes.
#[cfg(target_os = "linux")]
#[test]
fn a_firewall_that_swallows_everything_is_told_from_a_closed_port() {
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let _waits = TcpStream::connect(address).unwrap();
    let printed = examined(&[&format!("ws://{address}"), "--wait", "1s"], &[], 5);
    assert_eq!(checks(&printed).last(), Some(&"wrong connection"), "{printed}");
    assert!(printed.contains("no answer from the port within 1 s"), "{printed}");
    assert!(
        conclusion(&printed)
            .starts_with("In the way: the way to the relay's port. A firewall on the way drops"),
        "{printed}"
    );
    let proxy = format!("http://{address}");
    let printed = examined(&["relay.test", "--wait", "1s"], &[("ALL_PROXY", &proxy)], 5);
    assert!(conclusion(&printed).starts_with("In the way: the way to the proxy's port."), "{printed}");
}
