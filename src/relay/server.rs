//! The relay as a whole: listening sockets, threads, and the order of its beginning and end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use futures_lite::future::or;
use futures_rustls::TlsAcceptor;
use smol::Timer;
use smol::channel::{Sender, bounded};
use smol::net::{TcpListener, TcpStream};

use super::certificate::Certificate;
use super::crew::Crew;
use super::door::{House, serve};
use super::exchange::Exchange;
use super::limits::{ACCEPT_PAUSE_MS, CONNECTIONS_MAX, HANDSHAKE_MS, PING_MS, SHUTDOWN_MS, TLS_BUFFER_MAX};
use super::options::RelayOptions;
use super::reload::{Keeper, Reload};
use super::socket::Socket;
use super::tokens::Tokens;
use crate::events::Cancel;
use crate::net::{self, Buffered, Unbuffered};
use crate::{Error, Kind, Result};

/// A relay that listens, and serves once it is run.
pub struct Relay {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    acceptor: Option<TlsAcceptor>,
    house: Arc<House<Socket>>,
    keeper: Keeper,
    reload: Reload,
}

impl Relay {
    /// Opens the listening sockets and reads the certificate.
    ///
    /// # Errors
    /// An address that cannot be listened on, a certificate or key that cannot be used.
    pub async fn bind(options: RelayOptions) -> Result<Relay> {
        // The certificate is read from a disk, which may be slow.
        smol::unblock(move || Relay::open(&options)).await
    }

    fn open(options: &RelayOptions) -> Result<Relay> {
        let certificate = options.tls.as_ref().map(Certificate::read).transpose()?;
        let acceptor = certificate.as_ref().map(acceptor).transpose()?;
        let tokens = options.tokens.as_deref().map(Tokens::read).transpose()?.map(Arc::new);
        if options.listen.is_empty() {
            let error = Error::new(Kind::Usage, "the relay has no address to listen on");
            return Err(error.hint("Say at least one, such as :443."));
        }
        let mut listeners = Vec::new();
        for wanted in &options.listen {
            let opened = net::listen(wanted).map_err(|error| {
                Error::new(Kind::Usage, format!("cannot listen on {wanted}"))
                    .hint("Choose an address of this machine and a free port; below 1024 needs privileges.")
                    .caused_by(error)
            })?;
            listeners.extend(opened);
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>();
        let addresses = addresses.map_err(|error| {
            Error::new(Kind::Internal, "cannot learn the address of a listening socket").caused_by(error)
        })?;
        let started = Instant::now();
        let clock = Box::new(move || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        let house = Arc::new(House {
            exchange: Arc::new(Exchange::new(clock)),
            only_rooms: options.only_rooms.clone(),
            tokens: tokens.clone(),
            trusted_proxies: options.trusted_proxies.clone(),
            patience: Duration::from_millis(HANDSHAKE_MS),
            closing: Cancel::new(),
        });
        let (keeper, reload) = Keeper::new(certificate, tokens);
        Ok(Relay { listeners, addresses, acceptor, house, keeper, reload })
    }

    /// Where it really listens: with the ports that the system chose for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How to have it read certificate, key and tokens again while it runs. Certificate and key it also looks at itself, every ten seconds.
    #[must_use]
    pub fn reloader(&self) -> Reload {
        self.reload.clone()
    }

    /// Serves until cancelled. Then it delivers what was said before, tells every client that it is going away, and returns:
    /// within six seconds, and at once when the clients are quick or gone.
    ///
    /// Dropping the future ends the relay at once, without goodbyes.
    ///
    /// # Errors
    /// No thread could be started.
    pub async fn run(self, cancel: Cancel) -> Result<()> {
        let Relay { listeners, addresses, acceptor, house, keeper, .. } = self;
        // One session fits on one thread; a relay of its own takes the machine.
        let threads = match house.only_rooms {
            Some(_) => 1,
            None => available_parallelism().map_or(1, usize::from),
        };
        let crew = Crew::start(threads)?;
        // Every connection holds a sender: when the last is dropped, everybody has left.
        let (present, everybody_left) = bounded(1);
        let clock = crew.spawn(keep_time(Arc::clone(&house)));
        let keeping = crew.spawn(keeper.keep());
        let accepting: Vec<_> = listeners
            .into_iter()
            .map(|listener| {
                let door =
                    Door { house: Arc::clone(&house), acceptor: acceptor.clone(), crew: crew.handle() };
                crew.spawn(accept(listener, door, present.clone()))
            })
            .collect();
        tracing::info!(?addresses, tls = acceptor.is_some(), "the relay listens");

        cancel.cancelled().await;
        tracing::info!("the relay is going away");
        for task in accepting {
            task.cancel().await;
        }
        drop(present);
        house.exchange.shut_down();
        house.closing.cancel();
        let left = async {
            // Nothing is ever sent: this is the end of the last sender.
            let _ = everybody_left.recv().await;
        };
        or(left, pause(SHUTDOWN_MS)).await;
        drop((clock, keeping));
        crew.stop().await;
        Ok(())
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// What an accepted socket is given to.
struct Door {
    house: Arc<House<Socket>>,
    acceptor: Option<TlsAcceptor>,
    crew: super::crew::Handle,
}

/// Accepts for ever. An error of one socket, or of a system that has none left, ends nothing.
async fn accept(listener: TcpListener, door: Door, present: Sender<()>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                pause(ACCEPT_PAUSE_MS).await;
                continue;
            }
        };
        if present.sender_count() > CONNECTIONS_MAX {
            tracing::warn!("too many connections: one was turned away");
            continue;
        }
        let (house, acceptor, present) = (Arc::clone(&door.house), door.acceptor.clone(), present.clone());
        door.crew.spawn(async move {
            if let Some(socket) = prepare(stream, acceptor, &house.closing).await {
                serve(socket, peer.ip(), house).await;
            }
            drop(present);
        });
    }
}

/// The socket as the house wants it, if TLS comes about in time.
async fn prepare(stream: TcpStream, acceptor: Option<TlsAcceptor>, closing: &Cancel) -> Option<Socket> {
    net::set_up(&stream);
    let stream = Unbuffered::new(stream);
    let Some(acceptor) = acceptor else {
        return Some(Socket::Plain(stream));
    };
    let late = async {
        pause(HANDSHAKE_MS).await;
        Err(std::io::ErrorKind::TimedOut.into())
    };
    let closed = async {
        closing.cancelled().await;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    };
    match or(acceptor.accept(Buffered::new(TLS_BUFFER_MAX, stream)), or(late, closed)).await {
        Ok(stream) => Some(Socket::Tls(Box::new(stream))),
        Err(error) => {
            tracing::debug!(%error, "no TLS came about");
            None
        }
    }
}

/// Lets time pass for the switchboard. A new seat is due one ping interval after it was taken at the earliest, so looking
/// that often misses none.
async fn keep_time(house: Arc<House<Socket>>) {
    loop {
        let due_ms = house.exchange.tick();
        let now_ms = house.exchange.now_ms();
        let wait_ms = due_ms.map_or(PING_MS, |due_ms| due_ms.saturating_sub(now_ms).min(PING_MS));
        pause(wait_ms).await;
    }
}

async fn pause(ms: u64) {
    Timer::after(Duration::from_millis(ms)).await;
}

fn acceptor(certificate: &Certificate) -> Result<TlsAcceptor> {
    Ok(TlsAcceptor::from(net::tls::server_config_resolved_by(certificate.in_force())?))
}
