//! Dialling a relay: from its address to a connection in one of its rooms.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_lite::future;

use super::proxy::{self, Proxies, ProxyEnv};
use super::tcp::{self, BoxedIo, ConnectError, within};
use super::tls::{self, Trust, Unshaken};
use super::upgrade::{Seated, unanswered, upgrade};
use super::url::RelayUrl;
use super::ws::Connection;
pub use crate::proto::role::Role;
pub use crate::proto::token::Token;
use crate::{Error, Kind, Result};

/// How to reach the relay. The default: no relay chosen, public certificate authorities, no proxy.
#[derive(Clone, Debug, Default)]
pub struct DialOptions {
    /// A PEM file with certificate authorities to trust besides the public ones.
    pub ca: Option<PathBuf>,
    /// The relay; `None` takes the one in the code, or runs an embedded relay.
    pub relay: Option<RelayUrl>,
    /// The proxies; [`ProxyEnv::from_env`] for what the environment says.
    pub proxies: ProxyEnv,
    /// What is shown to the relay, where it is not open to everybody, and to nobody else: not to a proxy, not to the other side. Over `ws://` whoever
    /// is on the way can read it. An embedded relay asks for none, and is shown none.
    pub token: Option<Token>,
}

/// A seat in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRequest {
    /// The room's name: 1 to 128 of `A-Z a-z 0-9 _ -`.
    pub room: String,
    /// Whose seat.
    pub role: Role,
    /// Only if nobody is in the room: for a code that was just made.
    pub fresh: bool,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// The seat is taken, or (with [`RoomRequest::fresh`]) somebody is in the room. With the relay's own words.
    RoomTaken(String),
    /// The relay, or what answers in its place, refused with an HTTP status.
    Refused {
        /// The status.
        status: u16,
        /// The first line it said, printable; may be empty.
        body: String,
        /// After how long we may ask again, if it said so.
        again: Option<Duration>,
        /// Who refused.
        relay: RelayUrl,
    },
    /// The connection came about and was ended without an answer. Where too many of them come from one address that is all that a relay says,
    /// so it may be another matter in a moment.
    HungUp(Error),
    /// It did not come to an answer.
    Failed(Error),
}

/// A way to a relay that is open, on which no seat was asked for yet.
pub struct Reached {
    stream: BoxedIo,
    since: Instant,
}

/// Dials one relay after another under the same options. Made once and shared: it remembers the TLS sessions that can be resumed.
pub struct Dialer {
    trust: Trust,
    proxies: Proxies,
    token: Option<Token>,
}

impl Dialer {
    /// Reads the certificates of `ca` and understands the proxies.
    ///
    /// # Errors
    /// `ca` cannot be used, or a proxy's address is malformed: kind [`Kind::Usage`].
    pub fn new(options: &DialOptions) -> Result<Dialer> {
        let (trust, proxies) = (Trust::new(options.ca.as_deref())?, Proxies::parse(&options.proxies)?);
        Ok(Dialer { trust, proxies, token: options.token.clone() })
    }

    /// Takes a seat in a room of `relay`. Cancel safe: a connection that was begun is dropped.
    ///
    /// # Errors
    /// The relay cannot be reached, or refuses.
    pub async fn room(&self, relay: &RelayUrl, request: &RoomRequest) -> Result<Connection, DialError> {
        let Reached { stream, .. } = self.reach(relay).await?;
        self.ask(stream, relay, request).await
    }

    /// Goes to `relay`, through proxy and TLS, and asks for nothing yet. Cancel safe.
    ///
    /// # Errors
    /// The relay cannot be reached.
    pub async fn reach(&self, relay: &RelayUrl) -> Result<Reached, DialError> {
        // The relay's own clock begins to run when it is there, which may be long before we know.
        let since = Instant::now();
        let mut stream = self.connect(relay).await?;
        if relay.tls() {
            let who = format!("the relay {relay}");
            let shaken = tls::connect(stream, self.trust.config()?, relay.host(), &who).await;
            stream = shaken.map_err(|unshaken| self::unshaken(relay, unshaken))?;
        }
        Ok(Reached { stream, since })
    }

    /// Takes a seat in a room of the relay that was reached; on a new connection if that was too long ago, or if the one there is has died
    /// meanwhile. Cancel safe.
    ///
    /// # Errors
    /// As [`Dialer::room`].
    pub async fn seat(
        &self,
        reached: Reached,
        relay: &RelayUrl,
        request: &RoomRequest,
    ) -> Result<Connection, DialError> {
        let Reached { stream, since } = reached;
        if since.elapsed() < REACHED_MAX {
            match self.ask(stream, relay, request).await {
                Err(DialError::HungUp(_)) => {}
                answered => return answered,
            }
        } else {
            drop(stream);
        }
        self.room(relay, request).await
    }

    /// Asks for the seat on a connection that is open.
    async fn ask(
        &self,
        mut stream: BoxedIo,
        relay: &RelayUrl,
        request: &RoomRequest,
    ) -> Result<Connection, DialError> {
        let asked = Instant::now();
        let answer = async { Ok(upgrade(&mut stream, relay, request, self.token.as_ref()).await) };
        let Seated { awaits_token } =
            within(UPGRADE_TIMEOUT, answer).await.map_err(|late| unanswered(relay, late))??;
        Ok(Connection { answered: asked.elapsed(), awaits_token, ..Connection::over(stream).await })
    }

    async fn connect(&self, relay: &RelayUrl) -> Result<BoxedIo> {
        if let Some(proxy) = self.proxies.choose(relay) {
            return proxy::tunnel(proxy, &self.trust, relay.host(), relay.port()).await;
        }
        tcp::connect(relay.host(), relay.port()).await.map_err(|error| unreachable(relay, error))
    }

    /// The proxies on the way.
    pub(super) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Whose certificates are believed.
    pub(super) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Whether a token is shown.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }
}

/// Why there is no connection to the relay itself, as a sentence.
pub(super) fn unreachable(relay: &RelayUrl, error: ConnectError) -> Error {
    match error {
        ConnectError::Resolve(error) => {
            Error::new(Kind::Relay, format!("cannot find the address of the relay {relay}"))
                .hint("Check its spelling and that this machine is online. Behind a proxy, set HTTPS_PROXY.")
                .caused_by(error)
        }
        ConnectError::Connect(error) => {
            Error::new(Kind::Relay, format!("cannot connect to the relay {relay}"))
                .hint("Check host and port, and that a relay runs there. Behind a proxy, set HTTPS_PROXY.")
                .caused_by(error)
        }
    }
}

/// Who takes seats in the rooms of one relay.
pub trait Seats: Send + Sync {
    /// Takes a seat. Cancel safe.
    fn seat(&self, request: RoomRequest) -> Seating<'_>;
}

/// A connection on its seat, later.
pub type Seating<'a> = Pin<Box<dyn Future<Output = Result<Connection, DialError>> + Send + 'a>>;

/// One relay, dialled.
pub struct AtRelay<'a> {
    dialer: &'a Dialer,
    relay: RelayUrl,
    // On its way already, for the first seat.
    ahead: Mutex<Option<Reaching<'a>>>,
}

/// A relay reached, later.
type Reaching<'a> = Pin<Box<dyn Future<Output = Result<Reached, DialError>> + Send + 'a>>;

impl<'a> AtRelay<'a> {
    /// Seats in the rooms of `relay`.
    #[must_use]
    pub fn new(dialer: &'a Dialer, relay: RelayUrl) -> AtRelay<'a> {
        AtRelay { dialer, relay, ahead: Mutex::new(None) }
    }

    /// Goes to the relay beside `work`, whose result the first seat has to wait for. How that went is for whoever takes the seat.
    pub async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let (dialer, relay) = (self.dialer, self.relay.clone());
        let mut reaching: Reaching<'a> = Box::pin(async move { dialer.reach(&relay).await });
        let mut reached = None;
        let going = async {
            reached = Some(reaching.as_mut().await);
            future::pending().await
        };
        let result = future::or(work, going).await;
        let ahead: Reaching<'a> = match reached {
            Some(reached) => Box::pin(future::ready(reached)),
            None => reaching,
        };
        self.ahead = Mutex::new(Some(ahead));
        result
    }
}

impl Seats for AtRelay<'_> {
    fn seat(&self, request: RoomRequest) -> Seating<'_> {
        // Nothing panics while it holds the lock.
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            match ahead {
                Some(ahead) => self.dialer.seat(ahead.await?, &self.relay, &request).await,
                None => self.dialer.room(&self.relay, &request).await,
            }
        })
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

impl DialError {
    /// How long the relay wants us to stay away, if that is all it wants. What a proxy refuses is none of this: it is a failure.
    #[must_use]
    pub fn again(&self) -> Option<Duration> {
        match self {
            DialError::Refused { status: CONFLICT | TOO_MANY_REQUESTS | UNAVAILABLE, again, .. } => {
                again.map(|again| again.clamp(AGAIN_LEAST, AGAIN_MOST))
            }
            _ => None,
        }
    }

    /// After how long to ask a server again that stands in front of relays and finds none now. It cannot say itself.
    #[must_use]
    pub fn absent(&self) -> Option<Duration> {
        let absent = matches!(
            self,
            DialError::Refused { status: BAD_GATEWAY | UNAVAILABLE | GATEWAY_TIMEOUT, again: None, .. }
        );
        absent.then_some(AGAIN_ABSENT)
    }

    /// Whether the relay does not know what we have shown, or wants to be shown something. It will not change its mind. That nobody else in the room has
    /// shown a token either is another matter: they may leave, and somebody else come.
    #[must_use]
    pub fn wants_token(&self) -> bool {
        matches!(self, DialError::Refused { status: UNAUTHORIZED, .. })
    }
}

impl From<Error> for DialError {
    fn from(error: Error) -> DialError {
        DialError::Failed(error)
    }
}

impl From<DialError> for Error {
    fn from(error: DialError) -> Error {
        match error {
            DialError::RoomTaken(body) if body.is_empty() => Error::new(Kind::Relay, "the room is taken"),
            DialError::RoomTaken(body) => Error::new(Kind::Relay, format!("the room is taken ({body})")),
            DialError::Refused { status, body, relay, .. } => refusal(status, &body, &relay),
            DialError::HungUp(error) | DialError::Failed(error) => error,
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::RoomTaken(body) => write!(f, "the room is taken ({body})"),
            DialError::Refused { status, body, relay, .. } => refusal(*status, body, relay).fmt(f),
            DialError::HungUp(error) | DialError::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DialError {}

/// There is no TLS with `relay`, for this reason.
pub(super) fn unshaken(relay: &RelayUrl, unshaken: Unshaken) -> DialError {
    match unshaken {
        Unshaken::HungUp(error) => hung_up(relay, error),
        Unshaken::Failed(error) => DialError::Failed(error),
    }
}

/// `relay`, or what answers in its place, took the connection and ended it without a word.
pub(super) fn hung_up(relay: &RelayUrl, error: std::io::Error) -> DialError {
    let what = format!("the relay {relay} takes the connection and ends it without an answer");
    DialError::HungUp(Error::new(Kind::Relay, what).hint(HUNG_UP_HINT).caused_by(error))
}

fn refusal(status: u16, body: &str, relay: &RelayUrl) -> Error {
    let said = if body.is_empty() { status.to_string() } else { format!("{status}: {body}") };
    let (what, hint) = match status {
        200..=299 => ("is no p2pc relay", "Check host, port and path: something else answers there."),
        300..=399 => ("sends us elsewhere", "If that is the relay, use its address."),
        401 => (
            "wants a token",
            "Give the one you have from its people: with --token, in P2PC_TOKEN or in the configuration.",
        ),
        409 => (
            "wants a token from one of the two sides, and neither shows one",
            "Give it with --token, in P2PC_TOKEN or in the configuration, or let the other side do so.",
        ),
        404 => ("has no rooms at this address", "Check host, port and path: it may not be a p2pc relay."),
        426 => ("got no upgrade request", "A proxy in between may remove it: try a wss:// address."),
        429 | 503 => ("cannot take us now", "Try again later."),
        502 | 504 => ("is not running behind its web server", "Ask who runs it."),
        _ => ("refused", "Ask who runs it."),
    };
    Error::new(Kind::Relay, format!("the relay {relay} {what} ({said})")).hint(hint)
}

/// The two reasons there are.
const HUNG_UP_HINT: &str = "Either too many connections came from this address within a minute, and it works again in a moment; or \
                            no relay runs there, or something on the way cuts it off: check host and port.";

const UNAUTHORIZED: u16 = 401;
/// With a time to ask again: who sits opposite is none to be joined with.
const CONFLICT: u16 = 409;
const TOO_MANY_REQUESTS: u16 = 429;
const BAD_GATEWAY: u16 = 502;
const UNAVAILABLE: u16 = 503;
const GATEWAY_TIMEOUT: u16 = 504;

/// A relay is started again within some of these.
const AGAIN_ABSENT: Duration = Duration::from_secs(3);

/// Nobody is asked more often than that, whatever it says.
const AGAIN_LEAST: Duration = Duration::from_secs(1);

/// Nobody keeps us away for longer at a time.
const AGAIN_MOST: Duration = Duration::from_secs(300);

/// How long a connection may wait for its first request: half of what our relays allow.
const REACHED_MAX: Duration = Duration::from_secs(5);

/// One round trip and the relay's look at its table; slow links take seconds for the first.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(15);
