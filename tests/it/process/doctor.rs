//! `p2pc doctor` before relays that are well, and before everything else that may answer in their place.

mod between;
mod refusing;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use async_tungstenite::tungstenite::protocol::Role;
use futures_lite::{AsyncWriteExt as _, StreamExt as _};
use rustix::process::Signal;

use super::program::{Program, p2pc};
use super::tls::{over_tls, vector};
use super::{Relay, with_code};
use crate::relay_stub::{echo_once, read_head};

/// What it printed, when it ended with this status.
fn examined(line: &[&str], variables: &[(&str, &str)], status: i32) -> String {
    let mut command = p2pc("doctor");
    command.args(line).env("P2PC_CONFIG", "/dev/null").envs(variables.iter().copied());
    let ended = Program::start(&mut command).exits(status);
    assert_eq!(ended.stderr, "");
    String::from_utf8(ended.stdout).unwrap()
}

/// The names of the checks, each with how it stands.
fn checks(printed: &str) -> Vec<&str> {
    printed.lines().take_while(|line| !line.is_empty()).map(|line| line[..18].trim()).collect()
}

/// What it says at the end, in one line.
fn conclusion(printed: &str) -> String {
    let (_, text) = printed.split_once("\n\n").unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A server that does `serve` with every connection, on a thread of its own. It ends with the test.
fn server(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

/// One that answers every request with these bytes.
fn answering(answer: &'static str) -> SocketAddr {
    server(move |mut stream| {
        let mut scratch = [0; 4096];
        if stream.read(&mut scratch).is_ok_and(|read| read > 0) {
            let _ = stream.write_all(answer.as_bytes());
        }
    })
}

#[test]
fn nothing_is_in_the_way_to_a_relay_that_is_well() {
    let relay = Relay::start();
    let printed = examined(&[&relay.url], &[], 0);
    let expected = [
        "ok    relay",
        "ok    proxy",
        "ok    connection",
        "ok    clock",
        "ok    room",
        "ok    round trip",
        "ok    speed",
    ];
    assert_eq!(checks(&printed), expected, "{printed}");
    assert!(printed.contains("as at the relay"), "{printed}");
    assert_eq!(conclusion(&printed), "Nothing is in the way.");
    let printed = examined(&["--json"], &[("P2PC_RELAY", &relay.url)], 0);
    assert!(printed.starts_with(r#"{"check":"relay","verdict":"ok","text":"127.0.0.1:"#), "{printed}");
    assert!(printed.contains("from P2PC_RELAY"), "{printed}");
    assert!(
        printed
            .ends_with("{\"check\":\"conclusion\",\"verdict\":\"ok\",\"text\":\"Nothing is in the way.\"}\n")
    );
}

#[test]
fn a_certificate_is_told_of() {
    let relay = over_tls("p256.pem");
    let printed = examined(&[&relay.url, "--ca", &vector("ca.pem")], &[], 0);
    assert!(
        printed.contains("the certificate is trusted: issued by p2pc test ca, valid until 2120-01-01"),
        "{printed}"
    );
}

/// Three connections, two seats and one room: fewer would do for no transfer.
#[test]
fn a_relay_with_narrow_limits_does_not_mind() {
    let limits = ["--address-connections", "3", "--address-joins", "2", "--address-rooms", "1"];
    let relay = Relay::with(&[&["--listen", "127.0.0.1:0"], &limits[..]].concat());
    examined(&[&relay.url], &[], 0);
    relay.program.signal(Signal::TERM);
    let said = relay.program.exits(143).stderr;
    assert!(!said.contains("refused") && !said.contains("examined-"), "{said}");
}

#[test]
fn a_closed_port_and_a_silent_one_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let printed = examined(&[&format!("ws://{closed}")], &[], 5);
    assert_eq!(checks(&printed), ["ok    relay", "ok    proxy", "wrong connection"], "{printed}");
    assert!(
        conclusion(&printed).starts_with("In the way: the way to the relay's port. Check host and port"),
        "{printed}"
    );
    // Whoever takes the connection and says nothing, with TLS and without.
    let silent = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    for (url, step) in [(format!("ws://{silent}"), "wrong answer"), (format!("wss://{silent}"), "wrong TLS")]
    {
        let printed = examined(&[&url, "--wait", "1s"], &[], 5);
        assert_eq!(checks(&printed).last(), Some(&step), "{printed}");
        assert!(printed.contains("within 1 s"), "{printed}");
        assert!(
            conclusion(&printed)
                .starts_with("In the way: what takes the connection and says nothing. Something takes"),
            "{printed}"
        );
    }
}

#[test]
fn a_login_page_is_taken_for_one() {
    let portal =
        answering("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>");
    let printed = examined(&[&format!("ws://{portal}")], &[], 5);
    assert_eq!(checks(&printed).last(), Some(&"wrong room"), "{printed}");
    assert!(printed.contains("is no p2pc relay (200)"), "{printed}");
    assert!(conclusion(&printed).contains("this network's login page"), "{printed}");
    assert!(conclusion(&printed).starts_with("In the way: what answers in the relay's place."), "{printed}");
    let elsewhere =
        answering("HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/\r\nContent-Length: 0\r\n\r\n");
    let printed = examined(&[&format!("ws://{elsewhere}")], &[], 5);
    assert!(printed.contains("302: go to http://login.hotel.example/"), "{printed}");
    assert!(conclusion(&printed).contains("this network's login page"), "{printed}");
}

#[test]
fn whoever_opens_tls_in_between_is_named() {
    let relay = over_tls("p256.pem");
    let printed = examined(&[&relay.url], &[], 5);
    assert_eq!(checks(&printed).last(), Some(&"wrong TLS"), "{printed}");
    let end = conclusion(&printed);
    assert!(end.starts_with("In the way: the certificate. If it comes from"), "{end}");
    assert!(
        end.contains("issued by \"p2pc test ca\"") && end.contains("something between opens the connection"),
        "{end}"
    );
    assert!(end.contains("--ca FILE"), "{end}");
}

#[test]
fn certificates_that_do_not_fit_are_told_apart() {
    let ca = vector("ca.pem");
    let old = over_tls("expired.pem");
    let printed = examined(&[&old.url, "--ca", &ca], &[], 5);
    assert!(printed.contains("has expired"), "{printed}");
    assert!(
        conclusion(&printed).contains("valid from 2020-01-01 to 2020-01-02; this machine's clock says 20"),
        "{printed}"
    );
    assert!(conclusion(&printed).starts_with(CLOCK_OR_CERTIFICATE), "{printed}");
    assert!(!conclusion(&printed).contains("something between"), "{printed}");
    // What it looks like where the clock is behind.
    let early = over_tls("not-yet.pem");
    let printed = examined(&[&early.url, "--ca", &ca], &[], 5);
    assert!(printed.contains("is not valid yet"), "{printed}");
    let end = conclusion(&printed);
    assert!(end.starts_with(CLOCK_OR_CERTIFICATE) && end.contains("valid from 2119-01-01"), "{end}");
    let other = over_tls("other-name.pem");
    let printed = examined(&[&other.url, "--ca", &ca], &[], 5);
    assert!(conclusion(&printed).contains("It is for other.example. Use that name."), "{printed}");
}

#[test]
fn plain_and_tls_that_are_mixed_up_are_said() {
    let plain = Relay::start();
    let printed = examined(&[&plain.url.replace("ws://", "wss://")], &[], 5);
    assert!(conclusion(&printed).contains("write its address as ws://HOST:PORT"), "{printed}");
    let tls = over_tls("p256.pem");
    let printed = examined(&[&tls.url.replace("wss://", "ws://")], &[], 5);
    assert_eq!(checks(&printed).last(), Some(&"wrong room"), "{printed}");
    assert!(conclusion(&printed).contains("If it speaks TLS, write wss://127.0.0.1:"), "{printed}");
    let ssh = answering("SSH-2.0-OpenSSH_9.2\r\n");
    let printed = examined(&[&format!("ws://{ssh}")], &[], 5);
    assert!(printed.contains("does not answer like a p2pc relay"), "{printed}");
}

#[test]
fn a_token_that_is_missing_or_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::write(&tokens, "anna anna-has-4c1b0f0f6d3e\n").unwrap();
    let relay = Relay::with(&["--listen", "127.0.0.1:0", "--token-file", tokens.to_str().unwrap()]);
    let url = relay.url.as_str();
    let printed = examined(&[], &[("P2PC_RELAY", url), ("P2PC_TOKEN", "anna-has-4c1b0f0f6d3e")], 0);
    assert!(printed.contains("two sides can meet there, with the token"), "{printed}");
    for (variables, said, told) in [
        (vec![], "409: one of the two", "none is shown here. Give yours with --token"),
        (vec![("P2PC_TOKEN", "ben-has-9f5c7be10a2d")], "401: ", "does not know the one that it is shown"),
        (
            vec![("P2PC_RELAY", "other.example"), ("P2PC_TOKEN", "anna-has-4c1b0f0f6d3e")],
            "409: one of the two",
            "set P2PC_RELAY to this one as well, or give it with --token.",
        ),
    ] {
        let printed = examined(&[url], &variables, 5);
        assert_eq!(checks(&printed).last(), Some(&"wrong room"), "{printed}");
        let end = conclusion(&printed);
        assert!(end.starts_with("In the way: the token. "), "{printed}");
        assert!(printed.contains(said) && end.contains(told) && end.contains("P2PC_TOKEN"), "{printed}");
        assert!(!printed.contains("ben-has") && !printed.contains("login page"), "{printed}");
    }
    // A token for another relay stays with us.
    let printed =
        examined(&[url], &[("P2PC_RELAY", "other.example"), ("P2PC_TOKEN", "anna-has-4c1b0f0f6d3e")], 5);
    assert!(printed.contains("note  token"), "{printed}");
    // Someone else's answer that wants to be shown something.
    let password = answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    let printed = examined(&[&format!("ws://{password}")], &[], 5);
    assert!(conclusion(&printed).contains("One is wanted there, and none is shown."), "{printed}");
}

#[test]
fn a_relay_that_passes_nothing_on_is_found_out() {
    // It echoes to each what it says itself: nobody hears the other.
    let echo = server(|stream| {
        smol::block_on(async {
            let mut stream = smol::Async::new(stream).unwrap();
            let mut first = [0; 12];
            stream.peek(&mut first).await.unwrap();
            if first.starts_with(b"GET /healthz") {
                read_head(&mut stream).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                return;
            }
            echo_once(stream).await;
        });
    });
    let printed = examined(&[&format!("ws://{echo}"), "--wait", "1s"], &[], 5);
    assert_eq!(checks(&printed).last(), Some(&"wrong round trip"), "{printed}");
    assert!(printed.contains("does not say what time it is"), "{printed}");
    assert!(conclusion(&printed).contains("does not arrive"), "{printed}");
}

#[test]
fn a_relay_that_changes_what_passes_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        smol::block_on(async {
            let listener = smol::Async::new(listener).unwrap();
            let (mut health, _) = listener.accept().await.unwrap();
            read_head(&mut health).await;
            health.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            let mut one = upgraded(listener.accept().await.unwrap().0).await;
            let mut other = upgraded(listener.accept().await.unwrap().0).await;
            let Some(Ok(Message::Binary(word))) = one.next().await else { return };
            let changed: Vec<u8> = word.iter().map(|byte| byte ^ 1).collect();
            other.send(Message::Binary(changed.into())).await.unwrap();
            let Some(Ok(word)) = other.next().await else { return };
            one.send(word).await.unwrap();
            let _ = one.next().await;
        });
    });
    let printed = examined(&[&format!("ws://{address}")], &[], 5);
    assert_eq!(checks(&printed).last(), Some(&"wrong round trip"), "{printed}");
    assert!(printed.contains("changes what passes"), "{printed}");
}

async fn upgraded(mut stream: smol::Async<TcpStream>) -> WebSocketStream<smol::Async<TcpStream>> {
    let request = read_head(&mut stream).await;
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: p2pc.v1\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    WebSocketStream::from_raw_socket(stream, Role::Server, None).await
}

#[test]
fn the_way_through_a_proxy_is_gone_as_well() {
    let relay = Relay::start();
    let target = relay.address();
    let proxy = server(move |mut client| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
        let mut relay = TcpStream::connect(target).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), relay.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut relay, &mut client);
    });
    let printed = examined(&["ws://relay.test"], &[("ALL_PROXY", &format!("http://{proxy}"))], 0);
    assert!(printed.contains("the proxy lets us through"), "{printed}");
}

#[test]
fn without_a_relay_it_says_what_is_needed() {
    let printed = examined(&[], &[], 0);
    assert_eq!(checks(&printed), ["ok    addresses"], "{printed}");
    assert!(conclusion(&printed).starts_with("No relay is named: give one"), "{printed}");
}

#[test]
fn a_name_that_does_not_exist_is_said() {
    let printed = examined(&["relay.invalid", "--wait", "5s"], &[], 5);
    assert_eq!(checks(&printed), ["ok    relay", "ok    proxy", "wrong name"], "{printed}");
    assert!(conclusion(&printed).starts_with("In the way: the name. Check its spelling"), "{printed}");
    let proxy = [("ALL_PROXY", "http://proxy.invalid:3128")];
    let printed = examined(&["relay.test", "--wait", "5s"], &proxy, 5);
    assert_eq!(checks(&printed), ["ok    relay", "ok    proxy", "wrong name"], "{printed}");
    assert!(
        conclusion(&printed).starts_with("In the way: the name of the proxy. Check HTTPS_PROXY"),
        "{printed}"
    );
}

/// What was typed and is no relay is said before anything is dialled or looked up.
#[test]
fn what_is_no_relay_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.invalid");
    std::fs::write(&file, "x").unwrap();
    let file = file.to_str().unwrap();
    for (line, what, hint) in [
        (&["foo", "bar"][..], "more than one RELAY is given", "one at a time"),
        (&["http://x"], "has a scheme p2pc does not speak", "Write ws://x instead."),
        (&["https://x/y"], "has a scheme p2pc does not speak", "Write wss://x/y instead."),
        (&["x:99999"], "has a port that is not a number from 1 to 65535", "443"),
        (&["wss://"], "has no host", "HOST:PORT"),
        (&[file], "is a path, and not that of a relay", "HOST:PORT"),
        (&["48213-acid-crane-otter"], "that is a code", "behind the @"),
    ] {
        let mut command = p2pc("doctor");
        let ended = Program::start(command.args(line).env("P2PC_CONFIG", "/dev/null")).exits(2);
        let (said, told) = ended.stderr.split_once("\nhint: ").unwrap();
        assert!(said.contains(what) && told.contains(hint), "{}", ended.stderr);
        assert!(ended.stdout.is_empty() && !ended.stderr.contains("acid"));
    }
    // A name that is that of a file could be a relay's as well.
    let mut command = p2pc("doctor");
    command.current_dir(dir.path()).arg("notes.invalid").env("P2PC_CONFIG", "/dev/null");
    let printed = String::from_utf8(Program::start(&mut command).exits(5).stdout).unwrap();
    assert!(conclusion(&printed).contains("There is a file of that name here"), "{printed}");
}

const CLOCK_OR_CERTIFICATE: &str = "In the way: the certificate, or the clock of this machine.";

/// What it finds out leaves the relay as it was: a transfer goes on there at once.
#[test]
fn nothing_of_it_stays_at_the_relay() {
    let relay = Relay::with(&["--listen", "127.0.0.1:0", "--max-rooms", "1", "--max-waiting", "1"]);
    for _ in 0..3 {
        examined(&[&relay.url], &[], 0);
    }
    let dir = tempfile::tempdir().unwrap();
    let file = super::small_file(dir.path());
    let sender = Program::start(with_code(p2pc("send"), &relay.url).arg(file).args(super::ONE_LANE));
    Program::start(&mut relay.receive(&dir.path().join("out"))).exits(0);
    sender.exits(0);
}
