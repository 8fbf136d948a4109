//! Lanes through a proxy: every one of them is a tunnel of its own.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::program::Program;
use super::tls::{over_tls, vector};
use super::{Relay, p2pc, with_code};
use crate::cutting::Chance;

/// A proxy that knows one relay, by a name that nobody else knows.
struct Proxy {
    address: SocketAddr,
    tunnels: Arc<AtomicU64>,
}

/// How it is asked for a tunnel.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Connect,
    Socks,
}

impl Proxy {
    /// One that leads to `relay`. It ends with the test.
    fn to(relay: SocketAddr, manner: Manner) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, tunnels) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&tunnels);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, count) = (client.unwrap(), Arc::clone(&count));
                std::thread::spawn(move || {
                    match manner {
                        Manner::Connect => accept_connect(&client, relay),
                        Manner::Socks => accept_socks(&client, relay),
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                    tunnel(&client, &TcpStream::connect(relay).unwrap());
                });
            }
        });
        Proxy { address, tunnels }
    }

    fn url(&self, manner: Manner) -> String {
        let scheme = match manner {
            Manner::Connect => "http",
            // The name goes to the proxy: here it stands for nothing.
            Manner::Socks => "socks5h",
        };
        format!("{scheme}://{}", self.address)
    }
}

fn accept_connect(mut client: &TcpStream, relay: SocketAddr) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let asked = format!("CONNECT {NAME}:{} HTTP/1.1\r\n", relay.port());
    assert!(head.starts_with(asked.as_bytes()), "{}", String::from_utf8_lossy(&head));
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
}

fn accept_socks(mut client: &TcpStream, relay: SocketAddr) {
    assert_eq!(reads(client, 3), [5, 1, 0]);
    client.write_all(&[5, 0]).unwrap();
    assert_eq!(reads(client, 4), [5, 1, 0, 3], "by its name");
    let length = usize::from(reads(client, 1)[0]);
    assert_eq!(reads(client, length), NAME.as_bytes());
    assert_eq!(reads(client, 2), relay.port().to_be_bytes());
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
}

fn reads(mut client: &TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    client.read_exact(&mut read).unwrap();
    read
}

/// Copies both ways until both have ended. That one of them breaks is none of its business.
pub(super) fn tunnel(client: &TcpStream, relay: &TcpStream) {
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| copy(client, relay));
        copy(relay, client);
    });
}

/// Carries a stream over four lanes, both sides through a proxy each.
fn carries_over_lanes(relay: &Relay, manner: Manner, more: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let bytes = Chance::new(5).bytes(SIZE);
    let (scheme, port) = (relay.url.split_once("://").unwrap().0, relay.address().port());
    let url = format!("{scheme}://{NAME}:{port}");
    let proxies = [Proxy::to(relay.address(), manner), Proxy::to(relay.address(), manner)];
    let through = |subcommand: &str, proxy: &Proxy| {
        let mut command = with_code(p2pc(subcommand), &url);
        command.args(more).env("ALL_PROXY", proxy.url(manner));
        command
    };
    let mut send = through("send", &proxies[0]);
    let mut sender = Program::start(send.args(["--verbose", "--lanes", "4", "-"]).stdin(Stdio::piped()));
    let mut receive = through("receive", &proxies[1]);
    let receiver = Program::start(receive.args(["--yes", "--out"]).arg(dir.path()));
    let mut stdin = sender.stdin.take().unwrap();
    let (first, rest) = bytes.split_at(1000);
    stdin.write_all(first).unwrap();
    // Nothing but that goes before all of them are there.
    sender.says("4 lanes");
    stdin.write_all(rest).unwrap();
    drop(stdin);
    sender.exits(0);
    receiver.exits(0);
    assert!(std::fs::read(dir.path().join("stdin")).unwrap() == bytes);
    for proxy in proxies {
        assert_eq!(proxy.tunnels.load(Ordering::Relaxed), 4);
    }
}

#[test]
fn lanes_go_through_an_http_proxy_with_tls_and_without() {
    carries_over_lanes(&Relay::start(), Manner::Connect, &[]);
    carries_over_lanes(&over_tls("p256.pem"), Manner::Connect, &["--ca", &vector("ca.pem")]);
}

#[test]
fn lanes_go_through_a_socks_proxy_with_tls_and_without() {
    carries_over_lanes(&Relay::start(), Manner::Socks, &[]);
    carries_over_lanes(&over_tls("p256.pem"), Manner::Socks, &["--ca", &vector("ca.pem")]);
}

/// The relay's name, which its certificate has and no name server.
const NAME: &str = "relay.test";

const SIZE: usize = 4 << 20;
