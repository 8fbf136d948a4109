//! The way to a relay, gone step by step, with what was found at each: for people who want to know what is in their way.
//!
//! ```text
//! proxy? → name → connection → (tunnel) → TLS → an answer with the time → two seats in a room → there and back → how fast
//! ```
//!
//! The steps are those of [`dial`], and so are the words in which they fail. To the relay it is three connections and one room that nobody
//! else can know, taken by both sides at once: less than any transfer.

mod found;

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_lite::future;
use futures_lite::io::AsyncWriteExt as _;
use smol::Timer;

use super::dial::{DialError, DialOptions, Dialer, Role, RoomRequest};
use super::http::{self, HeadError};
use super::pair::random;
use super::tcp::{self, BoxedIo, ConnectError};
use super::tls::{self, Certificate};
use super::url::{Host, RelayUrl};
use super::ws::{Closed, Connection};
use super::{dial, proxy};
use crate::proto::date::parse_http_date;
use crate::{Error, Kind, Result};
pub use found::{Found, Step, Trouble};

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
    let (mut one, mut other) = way.room(&mut found).await?;
    way.round_trips(&mut one, &mut other, &mut found).await?;
    way.speed(&mut one, &mut other, &mut found).await?;
    // The relay forgets the room at once; if it does not answer that, it does so a little later.
    let goodbye = future::zip(one.writer.close(NORMAL, ""), other.writer.close(NORMAL, ""));
    let _ = future::or(async { Some(goodbye.await) }, async {
        Timer::after(GOODBYE).await;
        None
    })
    .await;
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
        let unreachable = |error| match proxy {
            Some(proxy) => proxy::unreachable(proxy, error),
            None => dial::unreachable(self.relay, error),
        };
        let (host, port) =
            proxy.map_or((self.relay.host(), self.relay.port()), |proxy| (proxy.host(), proxy.port()));
        let begun = Instant::now();
        let resolving = async {
            tcp::resolve(host, port).await.map_err(|error| unreachable(ConnectError::Resolve(error)))
        };
        let addresses = self.patiently(Step::Name, resolving).await?;
        if let Host::Name(name) = host {
            found(Found::Name { name: name.clone(), addresses: addresses.clone(), took: begun.elapsed() });
        }
        let begun = Instant::now();
        let racing =
            async { tcp::race(addresses).await.map_err(|error| unreachable(ConnectError::Connect(error))) };
        let stream = self.patiently(Step::Connection, racing).await?;
        let to = stream
            .peer_addr()
            .map_err(|error| Trouble::at(Step::Connection)(unreachable(ConnectError::Connect(error))))?;
        found(Found::Connection { to, took: begun.elapsed() });
        let stream = tcp::buffered(stream);
        let Some(proxy) = proxy else { return Ok(stream) };
        let begun = Instant::now();
        let trust = self.dialer.trust();
        let tunnel = proxy::through(stream, proxy, trust, self.relay.host(), self.relay.port());
        let stream = self.patiently(Step::Tunnel, tunnel).await?;
        found(Found::Tunnel { took: begun.elapsed() });
        Ok(stream)
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
        let shaking = tls::connect(stream, &config, self.relay.host(), &who);
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
        let failed = |error: std::io::Error| {
            Error::new(Kind::Relay, format!("the relay {relay} did not answer the request"))
                .hint("Something on the way takes the connection and lets nothing through, or no relay runs there.")
                .caused_by(error)
        };
        let asking = async {
            stream.write_all(request.as_bytes()).await.map_err(failed)?;
            stream.flush().await.map_err(failed)?;
            match http::read_head(&mut stream).await {
                Ok(head) => Ok(head.header("date").and_then(parse_http_date)),
                Err(HeadError::Io(error)) => Err(failed(error)),
                Err(HeadError::NotHttp) => Ok(None),
            }
        };
        let theirs = self.patiently(Step::Answer, asking).await?;
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        found(Found::Answer { ahead_s: theirs.map(|theirs| ours.cast_signed() - theirs.cast_signed()) });
        Ok(())
    }

    async fn room(&self, found: &mut impl FnMut(Found)) -> Result<(Connection, Connection), Trouble> {
        let name = random_name().map_err(Trouble::at(Step::Room))?;
        let one = self.seat(RoomRequest { room: name.clone(), role: Role::Send, fresh: true }).await?;
        let other = self.seat(RoomRequest { room: name, role: Role::Receive, fresh: false }).await?;
        found(Found::Room { with_token: self.dialer.has_token() });
        Ok((one, other))
    }

    async fn seat(&self, request: RoomRequest) -> Result<Connection, Trouble> {
        let mut status = None;
        let taking = async {
            self.dialer.room(self.relay, &request).await.map_err(|error| {
                if let DialError::Refused { status: refused, .. } = &error {
                    status = Some(*refused);
                }
                Error::from(error)
            })
        };
        let taken = self.patiently(Step::Room, taking).await;
        taken.map_err(|trouble| Trouble { status, ..trouble })
    }

    async fn round_trips(
        &self,
        one: &mut Connection,
        other: &mut Connection,
        found: &mut impl FnMut(Found),
    ) -> Result<(), Trouble> {
        let word = Bytes::copy_from_slice(&*random().map_err(Trouble::at(Step::RoundTrip))?);
        let mut times = Vec::with_capacity(ROUND_TRIPS);
        for _ in 0..ROUND_TRIPS {
            let begun = Instant::now();
            let trip =
                async { there_and_back(&word, one, other).await.map_err(|closed| self.silenced(closed)) };
            let back = self.patiently(Step::RoundTrip, trip).await?;
            if back != word {
                let error = Error::new(Kind::Relay, format!("the relay {} changes what passes", self.relay))
                    .hint(
                        "It is no p2pc relay, or something between changes it. No transfer can go over it.",
                    );
                return Err(Trouble::at(Step::RoundTrip)(error));
            }
            times.push(begun.elapsed() / 2);
        }
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        found(Found::RoundTrip { median, worst: times.last().copied().unwrap_or_default() });
        Ok(())
    }

    /// One side says as much as goes for a while; what counts is what the other has heard by then.
    async fn speed(
        &self,
        one: &mut Connection,
        other: &mut Connection,
        found: &mut impl FnMut(Found),
    ) -> Result<(), Trouble> {
        let block = Bytes::from(vec![0x5a; BLOCK_BYTES]);
        let before = other.alive.heard().bytes;
        let begun = Instant::now();
        let talking = async {
            for _ in 0..SPEED_BYTES / BLOCK_BYTES {
                one.writer.send(block.clone()).await?;
            }
            one.writer.flush().await?;
            future::pending::<Result<(), Closed>>().await
        };
        let hearing = async {
            let mut heard = 0;
            while heard < SPEED_BYTES {
                heard += other.reader.next().await?.len();
            }
            Ok(())
        };
        let enough = async {
            Timer::after(SPEED_TIME).await;
            Ok(())
        };
        let done = future::or(future::or(hearing, talking), enough).await;
        match done {
            // A relay may count what a pair says, and say goodbye: that is its right, and enough was heard by then.
            Ok(()) | Err(Closed::Clean { .. }) => {}
            Err(closed) => return Err(Trouble::at(Step::Speed)(self.silenced(closed))),
        }
        let heard = other.alive.heard().bytes - before;
        let seconds = begun.elapsed().as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people, and never negative"
        )]
        let bytes_per_second = (heard as f64 / seconds) as u64;
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
    async fn patiently<T>(&self, step: Step, work: impl Future<Output = Result<T>>) -> Result<T, Trouble> {
        let late = async {
            Timer::after(self.patience).await;
            let (who, meaning) = step.silence();
            let seconds = self.patience.as_secs();
            Err(Error::new(Kind::Relay, format!("no answer from {who} within {seconds} s")).hint(meaning))
        };
        future::or(work, late).await.map_err(Trouble::at(step))
    }
}

async fn there_and_back(word: &Bytes, one: &mut Connection, other: &mut Connection) -> Result<Bytes, Closed> {
    one.writer.send(word.clone()).await?;
    one.writer.flush().await?;
    let heard = other.reader.next().await?;
    other.writer.send(heard.freeze()).await?;
    other.writer.flush().await?;
    Ok(one.reader.next().await?.freeze())
}

/// Nobody has a code whose room this is.
fn random_name() -> Result<String> {
    Ok(random()?.iter().take(16).fold(String::from("examined-"), |mut name, byte| {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    }))
}

/// Enough for a median that one hiccup does not move.
const ROUND_TRIPS: usize = 9;
/// One of the relay's fragments.
const BLOCK_BYTES: usize = 64 << 10;
/// What is sent at most to see how fast it goes: a relay that counts bytes should not notice.
const SPEED_BYTES: usize = 16 << 20;
/// A connection has found its pace by then, and nobody has begun to wonder.
const SPEED_TIME: Duration = Duration::from_secs(3);
/// RFC 6455, section 7.4.1: nothing is wrong.
const NORMAL: u16 = 1000;
/// A way there, on a slow link.
const GOODBYE: Duration = Duration::from_secs(1);
