//! The relay as a whole: listening sockets, threads, and the order of its beginning and end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use async_executor::Task;
use futures_lite::future::{or, yield_now};
use futures_rustls::TlsAcceptor;
use smol::Timer;
use smol::channel::{Sender, bounded};
use smol::net::{TcpListener, TcpStream};

use super::caller::Caller;
use super::certificate::Certificate;
use super::crew::Crew;
use super::descriptors;
use super::door::{House, serve};
use super::exchange::Exchange;
use super::front::Front;
use super::limits::{
    ACCEPT_PAUSE_MS, LOOK_MS, SHUTDOWN_MS, TLS_EARLY_BUFFER_MAX, TLS_HANDSHAKE_BYTES_MAX, TLS_HEAD_BYTES_MAX,
};
use super::metrics;
use super::options::RelayOptions;
use super::porter::Porter;
use super::records::Records;
use super::reload::{Keeper, Reload};
use super::socket::Socket;
use super::tokens::Tokens;
use crate::events::Cancel;
use crate::net::{self, Buffered, ListenAddr, Unbuffered};
use crate::{Error, Kind, Result};

/// A relay that listens, and serves once it is run.
pub struct Relay {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    acceptor: Option<TlsAcceptor>,
    house: Arc<House<Socket>>,
    keeper: Keeper,
    reload: Reload,
    metrics: Vec<TcpListener>,
    patience: Duration,
}

impl Relay {
    /// Opens the listening sockets and reads the certificate.
    ///
    /// # Errors
    /// An address that cannot be listened on, a certificate or key that cannot be used.
    pub async fn bind(options: RelayOptions) -> Result<Relay> {
        Relay::bind_with(options, Vec::new()).await
    }

    /// Like [`Relay::bind`]; and listens on these sockets too, which somebody else has opened: a service manager that may do what this
    /// process may not. With them, the options need no address.
    ///
    /// # Errors
    /// As [`Relay::bind`].
    pub async fn bind_with(options: RelayOptions, opened: Vec<std::net::TcpListener>) -> Result<Relay> {
        // The certificate is read from a disk, which may be slow.
        smol::unblock(move || Relay::open(&options, opened)).await
    }

    fn open(options: &RelayOptions, opened: Vec<std::net::TcpListener>) -> Result<Relay> {
        let certificate = options.tls.as_ref().map(Certificate::read).transpose()?;
        let acceptor = certificate.as_ref().map(acceptor).transpose()?;
        let tokens = options.tokens.as_deref().map(Tokens::read).transpose()?.map(Arc::new);
        if options.listen.is_empty() && opened.is_empty() {
            let error = Error::new(Kind::Usage, "the relay has no address to listen on");
            return Err(error.hint("Say at least one, such as :443."));
        }
        let mut listeners = Vec::new();
        for socket in opened {
            listeners.push(TcpListener::try_from(socket).map_err(|error| {
                Error::new(Kind::Usage, "cannot listen on a socket that was passed").caused_by(error)
            })?);
        }
        for wanted in &options.listen {
            listeners.extend(listen(wanted)?);
        }
        let metrics = options.metrics.as_ref().map(listen).transpose()?.unwrap_or_default();
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>();
        let addresses = addresses.map_err(|error| {
            Error::new(Kind::Internal, "cannot learn the address of a listening socket").caused_by(error)
        })?;
        let front = options.front.as_ref().map(|front| Front::open(front, options.tls.is_some()));
        let front = front.transpose()?.map(Arc::new);
        let started = Instant::now();
        let clock = move || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let limits = options.limits.clone();
        // The descriptors of the process are its own to ask for, unless it runs within one side of a session.
        let connections_max = descriptors::connections_max(options.only_rooms.is_none(), listeners.len());
        let trusted = options.trusted_proxies.clone();
        let house = Arc::new(House {
            exchange: Arc::new(
                Exchange::new(&limits, Box::new(clock))
                    .with_records(Arc::new(Records::new(options.log_addresses))),
            ),
            only_rooms: options.only_rooms.clone(),
            porter: Arc::new(Porter::new(&limits, connections_max, trusted, Box::new(clock))),
            limits,
            tokens: tokens.clone(),
            trusted_proxies: options.trusted_proxies.clone(),
            front: front.clone(),
            draining: Cancel::new(),
            closing: Cancel::new(),
        });
        let (keeper, reload) = Keeper::new(certificate, tokens, front);
        let patience = options.drain;
        Ok(Relay { listeners, addresses, acceptor, house, keeper, reload, metrics, patience })
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

    /// Where it gives out measurements, if it does.
    #[must_use]
    pub fn metrics_addresses(&self) -> Vec<SocketAddr> {
        self.metrics.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until cancelled. Then it delivers what was said before, tells every client that it is going away, and returns:
    /// within six seconds, and at once when the clients are quick or gone.
    ///
    /// Dropping the future ends the relay at once, without goodbyes.
    ///
    /// # Errors
    /// No thread could be started.
    pub async fn run(self, cancel: Cancel) -> Result<()> {
        self.run_draining(Cancel::new(), cancel).await
    }

    /// Like [`Relay::run`], and knows a gentler end: once `drain` is cancelled it sends those away who wait and refuses whoever comes, but
    /// lets pairs go on for the time that the options give them. It ends when the last of them has, when that time is over, or when
    /// `cancel` is cancelled, and then as [`Relay::run`] does.
    ///
    /// # Errors
    /// No thread could be started.
    pub async fn run_draining(self, drain: Cancel, cancel: Cancel) -> Result<()> {
        let Relay { listeners, addresses, acceptor, house, metrics, patience, keeper, .. } = self;
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
        let measuring = measure(metrics, &house, &crew);
        tracing::info!(
            event = "start",
            addresses = shown(&addresses),
            tls = acceptor.is_some(),
            version = env!("CARGO_PKG_VERSION"),
            "the relay listens"
        );

        let drained = async {
            drain.cancelled().await;
            // What the log says is so already.
            house.draining.cancel();
            house.exchange.drain();
            let sessions = house.exchange.census().joined;
            tracing::info!(event = "drain", sessions, seconds = patience.as_secs(), "the relay drains");
            or(house.exchange.deserted(), async {
                Timer::after(patience).await;
            })
            .await;
        };
        or(cancel.cancelled(), drained).await;
        tracing::info!(event = "stop", sessions = house.exchange.census().joined, "the relay is going away");
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
        house.exchange.records.conclude();
        drop((clock, measuring, keeping));
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
        // A connection that is there already is accepted without waiting: a flood of them must not have the thread for itself.
        yield_now().await;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                door.house.exchange.records.not_accepted(&error);
                pause(ACCEPT_PAUSE_MS).await;
                continue;
            }
        };
        let arrival = match door.house.porter.receive(peer.ip()) {
            Ok(arrival) => arrival,
            Err(refusal) => {
                let caller = Caller { address: peer.ip(), token_name: None };
                door.house.exchange.records.refused(refusal.into(), &caller);
                continue;
            }
        };
        let (house, acceptor, present) = (Arc::clone(&door.house), door.acceptor.clone(), present.clone());
        door.crew.spawn(async move {
            let metrics = &house.exchange.records.metrics;
            metrics.accepted.add(1);
            let _entered = metrics.connections.enter();
            if let Some(socket) = prepare(stream, acceptor, &house).await {
                serve(socket, arrival, Arc::clone(&house)).await;
            }
            drop(present);
        });
    }
}

/// The socket as the house wants it, if TLS comes about in time.
async fn prepare(stream: TcpStream, acceptor: Option<TlsAcceptor>, house: &House<Socket>) -> Option<Socket> {
    net::set_up(&stream);
    let stream = Unbuffered::new(stream);
    let Some(acceptor) = acceptor else {
        return Some(Socket::Plain(stream));
    };
    let late = async {
        Timer::after(house.limits.handshake).await;
        Err(std::io::ErrorKind::TimedOut.into())
    };
    let closed = async {
        house.closing.cancelled().await;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    };
    let mut stream = Buffered::new(TLS_EARLY_BUFFER_MAX, stream);
    stream.read_at_most(TLS_HANDSHAKE_BYTES_MAX);
    match or(acceptor.accept(stream), or(late, closed)).await {
        Ok(mut stream) => {
            stream.get_mut().0.read_at_most(TLS_HEAD_BYTES_MAX);
            Some(Socket::Tls(Box::new(stream)))
        }
        Err(error) => {
            house.exchange.records.metrics.tls_failures.add(1);
            tracing::debug!(%error, "no TLS came about");
            None
        }
    }
}

/// Lets time pass for the switchboard.
async fn keep_time(house: Arc<House<Socket>>) {
    loop {
        let due_ms = house.exchange.tick();
        house.exchange.records.settle();
        let now_ms = house.exchange.now_ms();
        let wait_ms = due_ms.map_or(LOOK_MS, |due_ms| due_ms.saturating_sub(now_ms).min(LOOK_MS));
        pause(wait_ms).await;
    }
}

/// Gives measurements out, where somebody wants them.
fn measure(listeners: Vec<TcpListener>, house: &Arc<House<Socket>>, crew: &Crew) -> Vec<Task<()>> {
    let addresses: Vec<_> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    if !addresses.is_empty() {
        tracing::info!(event = "metrics", addresses = shown(&addresses), "measurements are at /metrics");
    }
    let house = Arc::clone(house);
    let page: Arc<dyn Fn() -> String + Send + Sync> = Arc::new(move || {
        let census = house.exchange.census();
        let now = metrics::text::Now {
            waiting: census.waiting,
            joined: census.joined,
            drains: house.draining.is_cancelled(),
            process: metrics::process::Process::look(),
        };
        metrics::text::page(&house.exchange.records.metrics, &now)
    });
    let serve = |listener| crew.spawn(metrics::server::serve(listener, crew.handle(), Arc::clone(&page)));
    listeners.into_iter().map(serve).collect()
}

/// Opens the sockets of one address.
fn listen(wanted: &ListenAddr) -> Result<Vec<TcpListener>> {
    net::listen(wanted).map_err(|error| {
        Error::new(Kind::Usage, format!("cannot listen on {wanted}"))
            .hint("Choose an address of this machine and a free port; below 1024 needs privileges.")
            .caused_by(error)
    })
}

fn shown(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

async fn pause(ms: u64) {
    Timer::after(Duration::from_millis(ms)).await;
}

fn acceptor(certificate: &Certificate) -> Result<TlsAcceptor> {
    Ok(TlsAcceptor::from(net::tls::server_config_resolved_by(certificate.in_force())?))
}
