//! Dialling through real proxies: tinyproxy and microsocks of Debian.
//!
//! They run where `P2PC_SYSTEM_TESTS=1` says that both are installed (`make test-system` does); elsewhere each test says that it
//! was skipped.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;

use futures_lite::future;
use p2pc::net::dial::{DialError, DialOptions, Dialer, Role, RoomRequest};
use p2pc::net::{ListenAddr, listen};
use p2pc::{Error, Kind};

use crate::foreign::{Server, free_port};
use crate::relay_stub::echo_once;
use crate::skipped::skipped;

#[test]
fn tinyproxy_opens_a_tunnel() {
    if skipped("tinyproxy_opens_a_tunnel") {
        return;
    }
    let proxy = Proxy::tinyproxy("");
    dial(&proxy.url("http://")).unwrap();
    // A port where nobody listens: the proxy's answer is passed on.
    let said = refused(dial_port(&proxy.url("http://"), free_port()));
    assert!(said.contains("the proxy http://127.0.0.1:") && said.contains("cannot reach"), "{said}");
}

#[test]
fn tinyproxy_asks_for_a_password() {
    if skipped("tinyproxy_asks_for_a_password") {
        return;
    }
    let proxy = Proxy::tinyproxy("BasicAuth me pass5\n");
    dial(&proxy.url("http://me:%70ass5@")).unwrap();
    let said = refused(dial(&proxy.url("http://me:hush@")));
    assert!(said.contains("does not accept the user name and password") && !said.contains("hush"), "{said}");
    let said = refused(dial(&proxy.url("http://")));
    assert!(said.contains("wants a user name and password"), "{said}");
}

#[test]
fn microsocks_opens_a_tunnel() {
    if skipped("microsocks_opens_a_tunnel") {
        return;
    }
    let proxy = Proxy::microsocks(&[]);
    dial(&proxy.url("socks5://")).unwrap();
    dial(&proxy.url("socks5h://")).unwrap();
    let said = refused(dial_port(&proxy.url("socks5://"), free_port()));
    assert!(said.contains("the proxy socks5://127.0.0.1:") && said.contains("cannot reach"), "{said}");
}

#[test]
fn microsocks_asks_for_a_password() {
    if skipped("microsocks_asks_for_a_password") {
        return;
    }
    let proxy = Proxy::microsocks(&["-u", "me", "-P", "p@ss"]);
    dial(&proxy.url("socks5://me:p%40ss@")).unwrap();
    let said = refused(dial(&proxy.url("socks5://me:hush@")));
    assert!(said.contains("does not accept the user name and password") && !said.contains("hush"), "{said}");
    let said = refused(dial(&proxy.url("socks5://")));
    assert!(said.contains("wants a user name and password"), "{said}");
}

/// A running proxy; it ends with the value.
struct Proxy(Server<Option<tempfile::NamedTempFile>>);

impl Proxy {
    fn tinyproxy(more: &str) -> Proxy {
        Proxy(Server::start(|port| {
            let mut config = tempfile::NamedTempFile::new().unwrap();
            write!(config, "Port {port}\nListen 127.0.0.1\nTimeout 30\n{more}").unwrap();
            let mut command = Command::new("tinyproxy");
            command.arg("-d").arg("-c").arg(config.path());
            (command, Some(config))
        }))
    }

    fn microsocks(more: &[&str]) -> Proxy {
        Proxy(Server::start(|port| {
            let mut command = Command::new("microsocks");
            command.args(["-i", "127.0.0.1", "-p", &port.to_string()]).args(more);
            (command, None)
        }))
    }

    fn url(&self, front: &str) -> String {
        format!("{front}127.0.0.1:{}", self.0.port)
    }
}

/// Exchanges a message with a relay on this machine through the proxy.
fn dial(proxy: &str) -> Result<(), DialError> {
    let listeners = listen(&ListenAddr::everywhere(0)).unwrap();
    let port = listeners[0].local_addr().map(|address: SocketAddr| address.port()).unwrap();
    smol::block_on(async {
        let relay = async {
            // The name may stand for an address of either protocol.
            let accepted = match &listeners[..] {
                [v4, v6] => future::or(v4.accept(), v6.accept()).await,
                one => one[0].accept().await,
            };
            echo_once(accepted.unwrap().0).await;
            future::pending().await
        };
        future::or(connect(proxy, port), relay).await
    })
}

fn dial_port(proxy: &str, port: u16) -> Result<(), DialError> {
    smol::block_on(connect(proxy, port))
}

async fn connect(proxy: &str, port: u16) -> Result<(), DialError> {
    let mut options = DialOptions::default();
    options.proxies.all_proxy = Some(proxy.to_owned());
    let dialer = Dialer::new(&options).unwrap();
    // By this machine's own name, which the proxy has to resolve: loopback would go past it.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let relay = format!("ws://{}:{port}", name.trim()).parse().unwrap();
    let request = RoomRequest { room: "48213".into(), role: Role::Receive, fresh: false };
    let mut connection = dialer.room(&relay, &request).await?;
    connection.writer.send("through".into()).await.unwrap();
    connection.writer.flush().await.unwrap();
    assert_eq!(&connection.reader.next().await.unwrap()[..], b"through");
    Ok(())
}

fn refused(outcome: Result<(), DialError>) -> String {
    let error = Error::from(outcome.unwrap_err());
    assert_eq!(error.kind(), Kind::Relay);
    error.to_string()
}
