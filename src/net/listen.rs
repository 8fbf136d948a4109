//! Where a relay listens: the address as typed, the sockets, and what this machine's own addresses are.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use if_addrs::Interface;
use smol::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

use super::url::parse_port;
use crate::{Error, Kind, Result};

/// Where to listen: `ADDR:PORT` is that address alone (`[::]` is IPv6 alone), `:PORT` is every interface over IPv4
/// and IPv6. Port 0 takes any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddr {
    address: Option<IpAddr>,
    port: u16,
}

impl ListenAddr {
    /// Every interface, IPv4 and IPv6.
    #[must_use]
    pub fn everywhere(port: u16) -> ListenAddr {
        ListenAddr { address: None, port }
    }

    /// The one address, or `None` for every interface.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The port; 0 is any free one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(address: SocketAddr) -> ListenAddr {
        ListenAddr { address: Some(address.ip()), port: address.port() }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => SocketAddr::new(address, self.port).fmt(f),
            None => write!(f, ":{}", self.port),
        }
    }
}

impl FromStr for ListenAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<ListenAddr> {
        if let Some(port) = text.strip_prefix(':').and_then(parse_port) {
            return Ok(ListenAddr::everywhere(port));
        }
        if let Ok(SocketAddr::V6(v6)) = text.parse::<SocketAddr>()
            && v6.scope_id() != 0
        {
            return Err(bad(text).hint("Zone names such as %eth0 are not supported."));
        }
        text.parse::<SocketAddr>().map(ListenAddr::from).map_err(|_| {
            bad(text).hint(
                "Write ADDRESS:PORT, for example 127.0.0.1:8080 or [::1]:8080, or :PORT for every interface.",
            )
        })
    }
}

/// Opens the listening sockets of `wanted`: one, or for `:PORT` one for IPv4 and one for IPv6 on the same port. A machine
/// without one of the two protocols gets the other alone.
///
/// # Errors
/// What the system says when an address cannot be had: in use, not of this machine, a port that needs privileges.
pub fn listen(wanted: &ListenAddr) -> io::Result<Vec<TcpListener>> {
    let Some(address) = wanted.address else {
        return listen_everywhere(wanted.port);
    };
    Ok(vec![into_async(bind(SocketAddr::new(address, wanted.port))?)?])
}

/// The addresses under which others can probably reach a listener on `port` of every interface, best guess first: IPv4 of
/// real interfaces, then IPv6, then bridges of containers and virtual machines; loopback only where there is nothing
/// else. Link-local IPv6 is left out, since it does not work without a zone name.
#[must_use]
pub fn local_addresses(port: u16) -> Vec<SocketAddr> {
    // A machine whose interfaces cannot be listed still has loopback.
    rank(if_addrs::get_if_addrs().unwrap_or_default())
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect()
}

fn listen_everywhere(port: u16) -> io::Result<Vec<TcpListener>> {
    let mut tries_left = if port == 0 { FREE_PORT_TRIES } else { 1 };
    loop {
        tries_left -= 1;
        match bind_both(port) {
            // The port that was free for IPv4 was taken for IPv6: let the system choose another.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries_left > 0 => {}
            Err(error) => return Err(error),
            Ok(sockets) => return sockets.into_iter().map(into_async).collect(),
        }
    }
}

fn bind_both(port: u16) -> io::Result<Vec<Socket>> {
    let v4 = match bind((Ipv4Addr::UNSPECIFIED, port).into()) {
        Err(error) if is_missing_protocol(&error) => {
            return Ok(vec![bind((Ipv6Addr::UNSPECIFIED, port).into())?]);
        }
        other => other?,
    };
    let port = v4.local_addr()?.as_socket().map_or(port, |address| address.port());
    match bind((Ipv6Addr::UNSPECIFIED, port).into()) {
        Ok(v6) => Ok(vec![v4, v6]),
        Err(error) if is_missing_protocol(&error) => Ok(vec![v4]),
        Err(error) => Err(error),
    }
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Systems differ in their default; said outright, `:PORT` can have both protocols everywhere.
        socket.set_only_v6(true)?;
    }
    // On Unix it lets a restarted relay have its port back at once; on Windows it would let others steal the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn into_async(socket: Socket) -> io::Result<TcpListener> {
    TcpListener::try_from(std::net::TcpListener::from(socket))
}

/// Whether the machine simply does not have this version of IP.
fn is_missing_protocol(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) {
        return true;
    }
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
}

fn rank(interfaces: Vec<Interface>) -> Vec<IpAddr> {
    let mut ranked: Vec<(Rank, IpAddr)> =
        interfaces.into_iter().filter_map(|interface| Some((rank_of(&interface)?, interface.ip()))).collect();
    // Stable: within a rank the system's own order stands.
    ranked.sort_by_key(|(rank, _)| *rank);
    if ranked.iter().any(|(rank, _)| *rank != Rank::Loopback) {
        ranked.retain(|(rank, _)| *rank != Rank::Loopback);
    }
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (_, address) in ranked {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        addresses.push(Ipv4Addr::LOCALHOST.into());
    }
    addresses.truncate(ADDRESSES_MAX);
    addresses
}

/// How likely another machine can use an address, likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    V4,
    V6,
    Tunnel,
    Bridge,
    SelfAssigned,
    Loopback,
}

fn rank_of(interface: &Interface) -> Option<Rank> {
    let name = interface.name.to_ascii_lowercase();
    match interface.ip() {
        address if address.is_loopback() => Some(Rank::Loopback),
        address if address.is_unspecified() => None,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => None,
        IpAddr::V4(v4) if v4.is_link_local() => Some(Rank::SelfAssigned),
        _ if BRIDGE_NAMES.iter().any(|prefix| name.starts_with(prefix)) => Some(Rank::Bridge),
        _ if interface.is_p2p() => Some(Rank::Tunnel),
        IpAddr::V4(_) => Some(Rank::V4),
        IpAddr::V6(_) => Some(Rank::V6),
    }
}

fn bad(text: &str) -> Error {
    Error::new(Kind::Usage, format!("\"{}\" is not an address to listen on", text.escape_debug()))
}

/// Connections the system completes before we accept them: a burst of both sides of many sessions.
const BACKLOG: i32 = 1024;
/// Each try fails only if somebody holds the very port for IPv6 that is free for IPv4.
const FREE_PORT_TRIES: u32 = 16;
/// How many addresses a person is shown at most.
const ADDRESSES_MAX: usize = 16;
/// How the bridges of container and virtual machine software begin.
const BRIDGE_NAMES: [&str; 12] = [
    "docker",
    "br-",
    "veth",
    "virbr",
    "vmnet",
    "vboxnet",
    "vethernet",
    "lxc",
    "lxd",
    "cni",
    "podman",
    "cali",
];

#[cfg(test)]
mod tests {
    use super::*;
    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr, Ifv6Addr};

    #[test]
    fn every_form_parses_and_comes_back() {
        for text in ["127.0.0.1:0", "0.0.0.0:443", "[::1]:0", "[::]:8080", ":443", ":0"] {
            assert_eq!(text.parse::<ListenAddr>().unwrap().to_string(), text);
        }
        for text in ["", ":", "443", "localhost:1", ":65536", ":+1", "::1:80", "1.2.3.4", "[fe80::1%3]:1"] {
            let error = text.parse::<ListenAddr>().unwrap_err();
            assert!(error.kind() == Kind::Usage && error.hint_text().is_some(), "{text}");
        }
    }

    #[test]
    fn every_interface_has_one_port_for_both_protocols() {
        let listeners = listen(&ListenAddr::everywhere(0)).unwrap();
        let addresses: Vec<SocketAddr> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
        assert!(addresses.iter().all(|a| a.port() == addresses[0].port() && a.port() != 0));
        assert!(addresses.iter().all(|a| a.ip().is_unspecified()));
        let same_again = listen(&ListenAddr::everywhere(addresses[0].port()));
        assert_eq!(same_again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn connections_arrive() {
        let listeners = listen(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listeners[0].local_addr().unwrap();
        smol::block_on(async {
            let _client = smol::net::TcpStream::connect(address).await.unwrap();
            listeners[0].accept().await.unwrap();
        });
    }

    fn interface(name: &str, address: &str) -> Interface {
        let addr = match address.parse().unwrap() {
            IpAddr::V4(ip) => {
                IfAddr::V4(Ifv4Addr { ip, netmask: Ipv4Addr::BROADCAST, prefixlen: 24, broadcast: None })
            }
            IpAddr::V6(ip) => {
                IfAddr::V6(Ifv6Addr { ip, netmask: Ipv6Addr::UNSPECIFIED, prefixlen: 64, broadcast: None })
            }
        };
        let oper_status = IfOperStatus::Up;
        Interface { name: name.into(), addr, index: None, oper_status, is_p2p: name.starts_with("tun") }
    }

    #[test]
    fn the_best_guess_comes_first() {
        let shown = rank(vec![
            interface("lo", "127.0.0.1"),
            interface("docker0", "172.17.0.1"),
            interface("tun0", "10.8.0.2"),
            interface("eth0", "fe80::1"),
            interface("eth0", "2001:db8::7"),
            interface("eth0", "192.168.1.7"),
            interface("eth0", "192.168.1.7"),
        ]);
        let expected = ["192.168.1.7", "2001:db8::7", "10.8.0.2", "172.17.0.1"];
        assert_eq!(shown, expected.map(|text| text.parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn loopback_is_what_is_left_when_there_is_nothing_else() {
        assert_eq!(rank(vec![interface("lo", "127.0.0.1")]), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
        assert_eq!(rank(Vec::new()), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
        assert!(local_addresses(7).iter().all(|address| address.port() == 7));
    }
}
