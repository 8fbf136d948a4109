//! Dialling through real proxies: tinyproxy and microsocks of Debian.
//!
//! They run where `P2PC_SYSTEM_TESTS=1` says that both are installed (`make test-system` does); elsewhere each test says that it
//! was skipped, and all of them are named in [`SKIPPED_WITHOUT_SYSTEM`].

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_lite::future;
use p2pc::net::dial::{DialError, DialOptions, Dialer, Role, RoomRequest};
use p2pc::net::proxy::ProxyEnv;
use p2pc::net::{ListenAddr, listen};
use p2pc::{Error, Kind};

use crate::relay_stub::echo_once;

/// Every test of this file: what a run without the packages does not show.
const SKIPPED_WITHOUT_SYSTEM: [&str; 4] = [
    "tinyproxy_opens_a_tunnel",
    "tinyproxy_asks_for_a_password",
    "microsocks_opens_a_tunnel",
    "microsocks_asks_for_a_password",
];

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

fn skipped(test: &str) -> bool {
    assert!(SKIPPED_WITHOUT_SYSTEM.contains(&test), "{test} is missing on the list");
    let skip = std::env::var_os("P2PC_SYSTEM_TESTS").is_none_or(|value| value != "1");
    if skip {
        println!("skipped: {test} needs tinyproxy and microsocks (P2PC_SYSTEM_TESTS=1)");
    }
    skip
}

/// A running proxy; it ends with the value.
struct Proxy {
    child: Child,
    port: u16,
    _config: Option<tempfile::NamedTempFile>,
}

impl Proxy {
    fn tinyproxy(more: &str) -> Proxy {
        Proxy::start(|port| {
            let mut config = tempfile::NamedTempFile::new().unwrap();
            write!(config, "Port {port}\nListen 127.0.0.1\nTimeout 30\n{more}").unwrap();
            let mut command = Command::new("tinyproxy");
            command.arg("-d").arg("-c").arg(config.path());
            (command, Some(config))
        })
    }

    fn microsocks(more: &[&str]) -> Proxy {
        Proxy::start(|port| {
            let mut command = Command::new("microsocks");
            command.args(["-i", "127.0.0.1", "-p", &port.to_string()]).args(more);
            (command, None)
        })
    }

    /// Starts it on a free port, and on another where somebody else was quicker to take that.
    fn start(command_for: impl Fn(u16) -> (Command, Option<tempfile::NamedTempFile>)) -> Proxy {
        let mut proxies = (0..PORTS_MAX).filter_map(|_| {
            let port = free_port();
            let (mut command, config) = command_for(port);
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut proxy = Proxy { child, port, _config: config };
            proxy.comes_up().then_some(proxy)
        });
        proxies.next().expect("the proxy ends on every port")
    }

    /// Waits until it accepts a connection: neither says when it is ready. False when it ends instead.
    fn comes_up(&mut self) -> bool {
        let started = Instant::now();
        loop {
            // Who answers on the port of one that has ended is somebody else, so its end is looked for after the connection.
            let accepts = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if accepts {
                return true;
            }
            assert!(started.elapsed() < START_TIMEOUT, "the proxy does not listen");
            std::thread::yield_now();
        }
    }

    fn url(&self, front: &str) -> String {
        format!("{front}127.0.0.1:{}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago: neither proxy can choose one and say which.
fn free_port() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
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
    let proxies = ProxyEnv { all_proxy: Some(proxy.to_owned()), ..ProxyEnv::default() };
    let dialer = Dialer::new(&DialOptions { proxies, ..DialOptions::default() }).unwrap();
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

/// A port is lost to somebody else once in a while; this often in a row, the proxy itself does not work.
const PORTS_MAX: usize = 10;

/// Far more than either needs, even on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(20);
