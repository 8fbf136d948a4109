//! What stands between us and a relay that is well: proxies, and servers that pass on less than they get.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use futures_lite::{AsyncWriteExt as _, io};
use p2pc::net::tls::server_config;

use super::{Relay, answering, checks, conclusion, examined, server, vector};
use crate::relay_stub::read_head;

#[test]
fn a_proxy_that_refuses_is_told_from_a_relay_that_does() {
    for (answer, user, told) in [
        ("HTTP/1.1 403 Forbidden", "me:hush@", "Many proxies allow port 443 only"),
        ("HTTP/1.1 407 Proxy Authentication Required", "", "http://USER:PASSWORD@HOST:PORT"),
        ("HTTP/1.1 407 Proxy Authentication Required", "me:hush@", "percent-encoded"),
        ("HTTP/1.1 502 Bad Gateway", "", "the proxy must be able to find its name"),
        ("SSH-2.0-OpenSSH_9.2", "", "http://, https:// or socks5://"),
    ] {
        let answer = format!("{answer}\r\nContent-Length: 0\r\n\r\n").leak();
        let proxy = format!("http://{user}{}", answering(answer));
        let printed = examined(&["ws://relay.test"], &[("ALL_PROXY", &proxy)], 5);
        assert_eq!(
            checks(&printed),
            ["ok    relay", "ok    proxy", "ok    connection", "wrong tunnel"],
            "{printed}"
        );
        let end = conclusion(&printed);
        assert!(end.starts_with("In the way: the proxy.") && end.contains(told), "{end}");
        assert!(!printed.contains("hush"), "{printed}");
    }
    let printed = examined(&["ws://relay.test"], &[("ALL_PROXY", "nonsense://x")], 2);
    assert_eq!(checks(&printed).last(), Some(&"wrong proxy"), "{printed}");
    assert!(
        conclusion(&printed).starts_with("In the way: what is set for the proxy, or for --ca."),
        "{printed}"
    );
}

#[test]
fn a_proxy_that_ends_it_or_says_nothing_is_found_out() {
    let ends = server(drop);
    let silent = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    for (proxy, told) in [(ends, "Check that its address and scheme are right."), (silent, "does not answer")]
    {
        let proxy = format!("http://{proxy}");
        let printed = examined(&["ws://relay.test", "--wait", "1s"], &[("ALL_PROXY", &proxy)], 5);
        assert_eq!(checks(&printed).last(), Some(&"wrong tunnel"), "{printed}");
        let end = conclusion(&printed);
        assert!(end.starts_with("In the way: the proxy.") && end.contains(told), "{end}");
    }
}

/// Passes on what comes for `relay`, the request's lines that `passes` lets through.
fn passing_on(relay: SocketAddr, passes: fn(&str) -> bool) -> SocketAddr {
    server(move |mut client| {
        let head = smol::block_on(async {
            let mut client = smol::Async::new(client.try_clone().unwrap()).unwrap();
            read_head(&mut client).await
        });
        client.set_nonblocking(false).unwrap();
        let mut relay = TcpStream::connect(relay).unwrap();
        for line in head.split_inclusive("\r\n").filter(|line| passes(line)) {
            relay.write_all(line.as_bytes()).unwrap();
        }
        let (mut from, mut to) = (client.try_clone().unwrap(), relay.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut relay, &mut client);
    })
}

#[test]
fn a_server_that_takes_the_upgrade_out_is_found_out() {
    let relay = Relay::start();
    let whole = passing_on(relay.address(), |_| true);
    examined(&[&format!("ws://{whole}")], &[], 0);
    let less =
        passing_on(relay.address(), |line| !line.starts_with("Upgrade") && !line.starts_with("Connection"));
    let printed = examined(&[&format!("ws://{less}")], &[], 5);
    assert!(printed.contains("got no upgrade request (426"), "{printed}");
    assert_eq!(
        conclusion(&printed),
        "In the way: what takes the upgrade to a WebSocket out of the request. A proxy in between may remove it: try a wss:// address."
    );
}

/// A relay whose clock is decades away from ours: that its certificate is good is luck.
#[test]
fn a_clock_that_is_off_is_said_where_certificates_matter() {
    let relay = Relay::start();
    let address = relay.address();
    let config = server_config(vector("p256.pem").as_ref(), None).unwrap();
    let acceptor = futures_rustls::TlsAcceptor::from(Arc::clone(&config));
    let front = server(move |client| {
        smol::block_on(async {
            let client = smol::Async::new(client).unwrap();
            let Ok(mut client) = acceptor.accept(client).await else { return };
            let head = read_head(&mut client).await;
            if head.starts_with("GET /healthz") {
                let answer =
                    b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok";
                client.write_all(answer).await.unwrap();
                client.flush().await.unwrap();
                return;
            }
            let mut relay = smol::Async::<TcpStream>::connect(address).await.unwrap();
            relay.write_all(head.as_bytes()).await.unwrap();
            let (from, to) = io::split(relay);
            let (near, far) = io::split(client);
            let _ = futures_lite::future::race(io::copy(near, to), io::copy(from, far)).await;
        });
    });
    let url = format!("wss://{front}");
    let printed = examined(&[&url, "--ca", &vector("ca.pem")], &[], 0);
    assert!(checks(&printed).contains(&"note  clock"), "{printed}");
    assert!(conclusion(&printed).starts_with("Nothing is in the way yet, but set the clock"), "{printed}");
}
