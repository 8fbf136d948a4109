//! The way to a relay, gone step by step, with what was found at each: for people who want to know what is in their way.
//!
//! ```text
//! proxy? → name → connection → (tunnel) → TLS → an answer with the time → two seats in a room → there and back → how fast
//! ```
//!
//! The steps are those of [`dial`], and so are the words in which they fail. To the relay it is three connections and one room that nobody
//! else can know, taken by both sides at once: less than any transfer.

mod found;
mod meeting;
mod pace;

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_lite::future;
use futures_lite::io::AsyncWriteExt as _;
use smol::Timer;

use super::dial::{DialError, DialOptions, Dialer, Role, RoomRequest};
use super::http::{self, HeadError};
use super::pair::random;
use super::proxy::ProxyUrl;
use super::tcp::{self, BoxedIo, ConnectError};
use super::tls::{self, Certificate};
use super::upgrade::unanswered;
use super::url::{Host, RelayUrl};
use super::ws::{Closed, Connection};
use super::{dial, proxy};
use crate::proto::date::parse_http_date;
use crate::{Error, Kind, Result};
pub use found::{Cause, Found, Step, Trouble};
use meeting::{Meeting, Trips, Unheard};

/// Goes to `relay` under `options`, and tells what is `found` at each step as soon as it is known. No step takes longer than `patience`.
///
/// # Errors
/// The step that fails, as [`Trouble`].
pub async fn examine(
    options: &DialOptions,
    relay: &RelayUrl,
    patience: Duration,
    mut found: impl FnMut(Found),
) -> Result<(), Trouble> {
    let dialer = Dialer::new(options).map_err(Trouble::at(Step::Proxy))?;
    let way = Way { dialer: &dialer, relay, patience };
    let stream = way.connect(&mut found).await?;
    let (stream, certificate) = way.tls(stream, &mut found).await?;
    let also_certificate = |trouble| Trouble { certificate: certificate.clone(), ..trouble };
    way.ask(stream, &mut found).await.map_err(also_certificate)?;
    let mut meeting = way.room(&mut found).await?;
    let trips = way.round_trips(&mut meeting, &mut found).await?;
    way.speed(&mut meeting, &trips, &mut found).await?;
    meeting.end().await;
    Ok(())
}

struct Way<'a> {
    dialer: &'a Dialer,
    relay: &'a RelayUrl,
    patience: Duration,
}

impl Way<'_> {
    /// To whoever is dialled, and through it if that is a proxy.
    async fn connect(&self, found: &mut impl FnMut(Found)) -> Result<BoxedIo, Trouble> {
        let proxy = self.dialer.proxies().choose(self.relay);
        found(Found::Proxy(proxy.map(ToString::to_string)));
        let dialled = self.dial(proxy, found).await;
        let stream = dialled.map_err(|trouble| Trouble { at_proxy: proxy.is_some(), ..trouble })?;
        let Some(proxy) = proxy else { return Ok(stream) };
        let begun = Instant::now();
        let trust = self.dialer.trust();
        let tunnel = proxy::through(stream, proxy, trust, self.relay.host(), self.relay.port());
        let stream = self.patiently(Step::Tunnel, tunnel).await?;
        found(Found::Tunnel { took: begun.elapsed() });
        Ok(stream)
    }

    /// From a name to a connection: the relay's, or the proxy's.
    async fn dial(
        &self,
        proxy: Option<&ProxyUrl>,
        found: &mut impl FnMut(Found),
    ) -> Result<BoxedIo, Trouble> {
        let unreachable = |error| match proxy {
            Some(proxy) => proxy::unreachable(proxy, error),
            None => dial::unreachable(self.relay, error),
        };
        let (host, port) =
            proxy.map_or((self.relay.host(), self.relay.port()), |proxy| (proxy.host(), proxy.port()));
        let begun = Instant::now();
        let resolving = async { Ok::<_, Error>(tcp::resolve(host, port).await) };
        let addresses = self.patiently(Step::Name, resolving).await?.map_err(|error| {
            Trouble::unless_silent(Step::Name, begun.elapsed(), error, |error| {
                unreachable(ConnectError::Resolve(error))
            })
        })?;
        if let Host::Name(name) = host {
            found(Found::Name { name: name.clone(), addresses: addresses.clone(), took: begun.elapsed() });
        }
        let begun = Instant::now();
        let racing = async { Ok::<_, Error>(tcp::race(addresses).await) };
        let raced = self.patiently(Step::Connection, racing).await?;
        let met = raced.and_then(|stream| Ok((stream.peer_addr()?, stream)));
        let (to, stream) = met.map_err(|error| {
            Trouble::unless_silent(Step::Connection, begun.elapsed(), error, |error| {
                unreachable(ConnectError::Connect(error))
            })
        })?;
        found(Found::Connection { to, took: begun.elapsed() });
        Ok(tcp::buffered(stream))
    }

    async fn tls(
        &self,
        stream: BoxedIo,
        found: &mut impl FnMut(Found),
    ) -> Result<(BoxedIo, Option<Certificate>), Trouble> {
        if !self.relay.tls() {
            return Ok((stream, None));
        }
        let begun = Instant::now();
        let (config, witness) = self.dialer.trust().witnessed().map_err(Trouble::at(Step::Tls))?;
        let who = format!("the relay {}", self.relay);
        let shaking = async {
            let shaken = tls::connect(stream, &config, self.relay.host(), &who).await;
            shaken.map_err(|unshaken| dial::unshaken(self.relay, unshaken))
        };
        match self.patiently(Step::Tls, shaking).await {
            Ok(stream) => {
                found(Found::Tls { certificate: witness.certificate(), took: begun.elapsed() });
                Ok((stream, witness.certificate()))
            }
            Err(trouble) => Err(Trouble { certificate: witness.certificate(), ..trouble }),
        }
    }

    /// Asks for the page that says whether a relay is well. Whatever answers says what time it is there; what it is shows at the next step.
    async fn ask(&self, mut stream: BoxedIo, found: &mut impl FnMut(Found)) -> Result<(), Trouble> {
        let relay = self.relay;
        let request = format!(
            "GET {}/healthz HTTP/1.1\r\nHost: {}\r\nUser-Agent: p2pc/{}\r\nConnection: close\r\n\r\n",
            relay.prefix(),
            relay.host_header(),
            env!("CARGO_PKG_VERSION")
        );
        let failed = |error| unanswered(relay, error);
        let asking = async {
            stream.write_all(request.as_bytes()).await.map_err(failed)?;
            stream.flush().await.map_err(failed)?;
            match http::read_head(&mut stream).await {
                Ok(head) => Ok(head.header("date").and_then(parse_http_date)),
                Err(HeadError::Io(error)) => Err(failed(error)),
                // What it is instead, the next step shows.
                Err(HeadError::NotHttp) => Ok(None),
            }
        };
        let theirs = self.patiently(Step::Answer, asking).await?;
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        found(Found::Answer { ahead_s: theirs.map(|theirs| ours.cast_signed() - theirs.cast_signed()) });
        Ok(())
    }

    async fn room(&self, found: &mut impl FnMut(Found)) -> Result<Meeting, Trouble> {
        let name = random_name().map_err(Trouble::at(Step::Room))?;
        let one = self.seat(RoomRequest { room: name.clone(), role: Role::Send, fresh: true }).await?;
        let other = self.seat(RoomRequest { room: name, role: Role::Receive, fresh: false }).await?;
        found(Found::Room { with_token: self.dialer.has_token() });
        Ok(Meeting { one, other })
    }

    async fn seat(&self, request: RoomRequest) -> Result<Connection, Trouble> {
        self.patiently(Step::Room, self.dialer.room(self.relay, &request)).await
    }

    async fn round_trips(
        &self,
        meeting: &mut Meeting,
        found: &mut impl FnMut(Found),
    ) -> Result<Trips, Trouble> {
        let trips = async {
            meeting.trips().await?.map_err(|unheard| match unheard {
                Unheard::Closed(closed) => self.silenced(closed),
                Unheard::Changed => {
                    Error::new(Kind::Relay, format!("the relay {} changes what passes", self.relay)).hint(
                        "It is no p2pc relay, or something between changes it. No transfer can go over it.",
                    )
                }
            })
        };
        let trips = self.patiently(Step::RoundTrip, trips).await?;
        found(Found::RoundTrip { median: trips.median, worst: trips.worst });
        Ok(trips)
    }

    /// It bounds itself.
    async fn speed(
        &self,
        meeting: &mut Meeting,
        trips: &Trips,
        found: &mut impl FnMut(Found),
    ) -> Result<(), Trouble> {
        let speed = meeting.speed(trips.median).await;
        let bytes_per_second = speed.map_err(|closed| Trouble::at(Step::Speed)(self.silenced(closed)))?;
        found(Found::Speed { bytes_per_second });
        Ok(())
    }

    fn silenced(&self, closed: Closed) -> Error {
        Error::new(
            Kind::Relay,
            format!("the relay {} joins two sides and then ends the connection", self.relay),
        )
        .hint("A server or proxy between may not pass WebSockets on: ask who runs it.")
        .caused_by(closed)
    }

    /// `work`, or the trouble that it took too long.
    async fn patiently<T, E: Into<DialError>>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Trouble> {
        let done = async { work.await.map_err(|error| Trouble::of(step, error.into())) };
        let late = async {
            Timer::after(self.patience).await;
            Err(Trouble::silent(step, self.patience))
        };
        future::or(done, late).await
    }
}

/// Nobody has a code whose room this is.
fn random_name() -> Result<String> {
    Ok(random()?.iter().take(16).fold(String::from("examined-"), |mut name, byte| {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    }))
}
