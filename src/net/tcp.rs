//! A TCP connection to a host: names resolved, addresses tried side by side, the socket set up.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_lite::io::{AsyncBufRead, AsyncWrite};
use futures_lite::{FutureExt, StreamExt};
use futures_util::stream::FuturesUnordered;
use smol::Timer;
use smol::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::buffered::Buffered;
use super::unbuffered::Unbuffered;
use super::url::Host;

/// A byte stream of any make, as one layer hands it to the next. Buffered, so that a layer can read exactly what is its own.
pub(super) trait Io: AsyncBufRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncBufRead + AsyncWrite + Send + Unpin> Io for T {}

/// See [`Io`].
pub(super) type BoxedIo = Box<dyn Io>;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The name has no address, or no name server answers.
    Resolve(io::Error),
    /// No address answered; the first one's error.
    Connect(io::Error),
}

/// Connects to `host`. A further address is tried when those before it failed or have been silent for a moment; the
/// first that answers wins. Cancel safe: nothing stays open.
pub(super) async fn connect(host: &Host, port: u16) -> Result<BoxedIo, ConnectError> {
    let addresses = resolve(host, port).await.map_err(ConnectError::Resolve)?;
    let stream = race(addresses).await.map_err(ConnectError::Connect)?;
    Ok(buffered(stream))
}

/// A connection, set up and as the next layer takes it.
pub(super) fn buffered(stream: TcpStream) -> BoxedIo {
    set_up(&stream);
    Box::new(Buffered::new(READ_BUFFER_BYTES, Unbuffered::new(stream)))
}

/// `work`, or an error of kind `TimedOut` after `limit`.
pub(super) async fn within<T, E: From<io::Error>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let late = async {
        Timer::after(limit).await;
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs())).into())
    };
    work.or(late).await
}

/// Whether the other end has ended the connection, in one of the ways in which that is seen.
pub(super) fn is_hanging_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected)
}

/// Every address to be tried, in turn.
pub(super) async fn resolve(host: &Host, port: u16) -> io::Result<Vec<SocketAddr>> {
    let name = match host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => name.clone(),
    };
    let found = within(RESOLVE_TIMEOUT, smol::net::resolve((name, port))).await?;
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(alternate(found))
}

/// The two protocols in turn, beginning with the one the system puts first: if one of them is broken on the way, the
/// other is tried after one stagger, not after many.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    let mut mixed = Vec::new();
    while mixed.len() < ADDRESSES_MAX {
        let pair = [preferred.next(), other.next()];
        if pair == [None, None] {
            break;
        }
        mixed.extend(pair.into_iter().flatten());
    }
    mixed
}

/// Connects to one of several addresses. Cancel safe.
pub(super) async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut first_error = None;
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            attempts.push(within(CONNECT_TIMEOUT, TcpStream::connect(address)));
        }
        let more_to_come = waiting.len() > 0;
        let outcome = attempts.next().or(async {
            if more_to_come {
                Timer::after(STAGGER).await;
                None
            } else {
                futures_lite::future::pending().await
            }
        });
        match outcome.await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => {
                first_error.get_or_insert(error);
            }
            None => {}
        }
        if attempts.is_empty() && !more_to_come {
            return Err(first_error.unwrap_or_else(|| io::Error::from(io::ErrorKind::NotFound)));
        }
    }
}

/// Sets a socket up, dialled or accepted, as every connection of a session wants it. A system that offers less is no error: without any
/// of it things are slower, not wrong.
pub fn set_up(stream: &TcpStream) {
    // Small control messages must not wait for the acknowledgement of the data before them.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    let _ = socket.set_tcp_keepalive(&keepalive);
    if stream.peer_addr().is_ok_and(|peer| !peer.ip().to_canonical().is_loopback()) {
        hold_little(&socket);
        ask_for_bbr(&socket);
    }
}

/// What is written and cannot be sent yet waits where something better can still be made of it: on a lossy line the system would take
/// megabytes, while the line of another lane is free.
fn hold_little(socket: &SockRef<'_>) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // Others offer it not, or not by this name.
    let _ = socket;
}

/// Asks for the congestion control that goes by what a line carries and not by what it loses: with others one lost packet in a thousand
/// costs most of a long line. Not within one machine: there nothing is lost, and its timers cost more than they gain.
fn ask_for_bbr(socket: &SockRef<'_>) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // Where it is not loaded, or not for everyone, the system's own stays.
    let _ = socket.set_tcp_congestion(b"bbr");
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // Others offer none by name.
    let _ = socket;
}

/// As many addresses as are tried for one name: what a name has beyond that is load balancing.
const ADDRESSES_MAX: usize = 8;
/// For each address. Three lost SYN packets take seven seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Two name servers at the system's usual five seconds each.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// RFC 8305, section 5, recommends it.
const STAGGER: Duration = Duration::from_millis(250);
/// Half a record: enough for the next round of what a fast line sends at once, and small beside what is under way.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 128 << 10;
/// Below the idle time after which routers at home forget a connection.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// A few of these fit before our own liveness rules give up.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// rustls reads 4 KiB at a time: with this below it, a system call brings what the kernel has.
pub(super) const READ_BUFFER_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_protocols_take_turns() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let mixed = alternate(["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"].map(address).to_vec());
        assert_eq!(mixed, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(address));
        assert_eq!(alternate(vec![address("1.1.1.1:1"); 50]).len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_refusal_leads_to_the_next_address_at_once() {
        smol::block_on(async {
            let listener = smol::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let open = listener.local_addr().unwrap();
            let closed = {
                let gone = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                gone.local_addr().unwrap()
            };
            assert_eq!(race(vec![closed, open]).await.unwrap().peer_addr().unwrap(), open);
            assert_eq!(
                race(vec![closed, closed]).await.unwrap_err().kind(),
                io::ErrorKind::ConnectionRefused
            );
        });
    }

    #[test]
    fn sockets_are_set_up_on_both_ends() {
        smol::block_on(async {
            let listener = smol::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let dialled = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            for stream in [dialled, accepted] {
                assert!(!stream.nodelay().unwrap());
                set_up(&stream);
                assert!(stream.nodelay().unwrap());
                assert!(SockRef::from(&stream).keepalive().unwrap());
            }
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn bbr_is_asked_for_on_other_than_loopback() {
        let allowed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control").unwrap();
        let usual = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap();
        let outside = crate::net::local_addresses(0);
        let outside = outside.into_iter().find(|address| !address.ip().is_loopback() && address.is_ipv4());
        smol::block_on(async {
            for address in outside.into_iter().chain([(Ipv4Addr::LOCALHOST, 0).into()]) {
                let listener = smol::net::TcpListener::bind(address).await.unwrap();
                let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                set_up(&stream);
                let name = SockRef::from(&stream).tcp_congestion().unwrap();
                let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
                let may = !address.ip().is_loopback() && allowed.split_whitespace().any(|name| name == "bbr");
                assert_eq!(name, if may { "bbr" } else { usual.trim() }, "{address}");
            }
        });
    }

    #[test]
    fn what_takes_too_long_is_an_error() {
        let never = std::future::pending::<io::Result<()>>();
        let error = smol::block_on(within(Duration::from_millis(1), never)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
