//! Pairing: from a code to an established session, however many strangers come in between.
//!
//! Each attempt is one connection to the code's room and one run of the handshake on it. A side that was given the code ends at the
//! first wrong guess; the side that made it tells its person and waits on, until the third burns the code. What costs no guess (a
//! peer that vanished, garbage, a stranger in the wrong role) only begins a new attempt.

use std::time::{Duration, Instant};

use futures_lite::future;
use smol::Timer;
use zeroize::Zeroizing;

use super::RelayUrl;
use super::dial::{DialError, Dialer, RoomRequest};
use super::lane::{Lane, LaneIo, lane};
use super::ws::{Closed, Connection};
use crate::error::{Error, Kind, Result};
use crate::events::{Cancel, Event, Handler};
use crate::proto::code::{Code, Derived};
use crate::proto::handshake::{
    Established, Fault, Guesses, GuessesLeft, Handshake, Options, Params, Role, Verdict,
};
use crate::proto::seal::Ciphers;

/// What this side brings to the pairing.
pub struct Pairing<'a> {
    /// How the relay is reached.
    pub dialer: &'a Dialer,
    /// The relay this side dials.
    pub relay: RelayUrl,
    /// Which side this is.
    pub role: Role,
    /// The code.
    pub code: Code,
    /// What follows from it, see [`derive()`].
    pub derived: Derived,
    /// How the code came about on this side.
    pub origin: Origin,
    /// What this side's person asked for.
    pub options: Options,
    /// How long to wait for the other side; `None`: as long as it takes.
    pub wait: Option<Duration>,
    /// Who listens.
    pub handler: &'a dyn Handler,
    /// Ends the waiting.
    pub cancel: &'a Cancel,
}

/// How the code came about on this side.
#[derive(Clone, Debug)]
pub enum Origin {
    /// It was made here just now: its room must be empty, and may be changed as long as nobody knows it.
    Made,
    /// It was typed in here.
    Given,
    /// The room is in an embedded relay of this process, reachable at these addresses; the code was made here (`true`) or typed in.
    Embedded {
        /// Where the other side can dial.
        relays: Vec<RelayUrl>,
        /// Made here.
        made: bool,
    },
}

/// An established session on its first lane.
pub struct Paired {
    /// The session's end of it.
    pub lane: Lane,
    /// The socket's end of it, to be run beside the session.
    pub io: LaneIo,
    /// The string to compare, if either side asked for it.
    pub verify: Option<String>,
    /// Whether this side's person asked, and so must confirm.
    pub must_confirm: bool,
}

/// What came of one connection.
enum Attempt {
    Established(Box<Established>, Connection),
    /// Somebody tested a guess against us, the maker.
    GuessedWrong,
    /// Nobody learned anything; try again.
    Nothing,
}

impl Pairing<'_> {
    /// Waits for the other side and pairs with it. Cancel safe: a dropped pairing leaves nothing behind.
    ///
    /// # Errors
    /// Kind `Authentication` for a wrong or burnt code, `NobodyCame` when the time is over, `Relay` when the relay cannot be
    /// reached, `Protocol` when the other side speaks another version, `Interrupted` when cancelled.
    pub async fn pair(mut self) -> Result<Paired> {
        let cancel = self.cancel;
        let cancelled = async {
            cancel.cancelled().await;
            Err(Error::new(Kind::Interrupted, "interrupted"))
        };
        future::or(cancelled, self.attempts()).await
    }

    async fn attempts(&mut self) -> Result<Paired> {
        let until = self.wait.map(|wait| Instant::now() + wait);
        let mut guesses = Guesses::new();
        let mut pause = Pause::new();
        let mut connection = self.first_seat(until).await?;
        self.announce();
        loop {
            let began = Instant::now();
            match self.attempt(connection, until).await? {
                Attempt::Established(established, connection) => {
                    return Ok(self.paired(&established, connection));
                }
                Attempt::GuessedWrong => match guesses.count_wrong() {
                    GuessesLeft::Left(left) => self.handler.event(Event::WrongGuess { left }),
                    GuessesLeft::Burnt => {
                        return Err(Error::new(
                            Kind::Authentication,
                            "the code was guessed wrong three times and is burnt",
                        )
                        .hint("Start again: a new code is made. Somebody may be guessing, or mistyping."));
                    }
                },
                Attempt::Nothing => {}
            }
            if began.elapsed() >= PAUSE_MAX {
                pause = Pause::new();
            }
            connection = self.another_seat(until, &mut pause).await?;
        }
    }

    /// The first connection. A code made here takes another room while its own is taken, because nobody knows it yet. One that was
    /// given waits a little: a seat may be held by the ghost of this side, which the relay gives up after 15 s.
    async fn first_seat(&mut self, until: Option<Instant>) -> Result<Connection> {
        let began = Instant::now();
        let mut rooms = 0;
        let mut pause = Pause::new();
        loop {
            let fresh = matches!(self.origin, Origin::Made) && self.code.is_generated();
            match self.dial(fresh).await {
                Ok(connection) => return Ok(connection),
                Err(DialError::RoomTaken(_)) if fresh && rooms < ROOMS_MAX => {
                    rooms += 1;
                    if let Some(code) = self.code.with_new_room(&*random()?) {
                        self.code = code;
                        self.derived = derive(&self.code).await?;
                    }
                }
                Err(taken @ DialError::RoomTaken(_)) => {
                    if began.elapsed() >= GHOST {
                        return Err(Error::from(taken)
                            .hint("Somebody else uses this code on the same side right now."));
                    }
                    pause.rest(until).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A later connection: the relay has worked before, so what keeps us out now may pass. The person is told when it does not at
    /// once, and it is given up after a while.
    async fn another_seat(&self, until: Option<Instant>, pause: &mut Pause) -> Result<Connection> {
        let began = Instant::now();
        let mut is_told = false;
        loop {
            pause.rest(until).await?;
            let error = match before(until, self.dial(false)).await? {
                Ok(connection) => {
                    if is_told {
                        self.handler.event(Event::RelayBack);
                    }
                    return Ok(connection);
                }
                Err(DialError::RoomTaken(_)) if began.elapsed() < GHOST => continue,
                Err(error) => error,
            };
            let is_final = matches!(error, DialError::Refused { status: 400..=499, .. });
            let error = Error::from(error);
            if is_final || began.elapsed() >= RELAY_LOST_MAX {
                return Err(error);
            }
            if !is_told {
                is_told = true;
                self.handler.event(Event::RelayLost { what: error.to_string() });
            }
        }
    }

    async fn dial(&self, fresh: bool) -> Result<Connection, DialError> {
        let request = RoomRequest { room: self.derived.room.clone(), role: self.role, fresh };
        self.dialer.room(&self.relay, &request).await
    }

    fn announce(&self) {
        let event = match &self.origin {
            Origin::Given => Event::Waiting { code: self.code.clone(), relay: self.relay.clone() },
            Origin::Made => Event::CodeReady {
                code: self.code.clone(),
                relays: vec![self.relay.clone()],
                embedded: false,
            },
            Origin::Embedded { relays, .. } => {
                Event::CodeReady { code: self.code.clone(), relays: relays.clone(), embedded: true }
            }
        };
        self.handler.event(event);
    }

    /// One run of the handshake.
    async fn attempt(&self, mut connection: Connection, until: Option<Instant>) -> Result<Attempt> {
        let (mut handshake, first) = self.handshake()?;
        if say(&mut connection, first).await.is_err() {
            return Ok(Attempt::Nothing);
        }
        // The first message may take as long as a person does; the rest is up to machines. But no seat is kept for long: whoever
        // sits opposite and says nothing would keep the other side out, and a dead relay would not be noticed.
        let seat_until = Instant::now() + jittered(SEAT, 0.5)?;
        let first = future::or(async { Some(before(until, connection.reader.next()).await) }, async {
            Timer::at(seat_until).await;
            None
        });
        let Some(first) = first.await else {
            // It is given up politely, so that the relay knows at once.
            let _ = connection.writer.close(CLOSE_NORMAL, "").await;
            return Ok(Attempt::Nothing);
        };
        let mut message = first?;
        let answered_by = Instant::now() + HANDSHAKE;
        let mut confirmed = false;
        while let Ok(received) = &message {
            let step = match handshake.handle(received) {
                Ok(step) => step,
                Err(fault) => {
                    self.refuse(&mut connection, fault).await?;
                    break;
                }
            };
            if let Some(reply) = step.send {
                confirmed = true;
                if say(&mut connection, reply).await.is_err() {
                    break;
                }
            }
            if let Some(established) = step.established {
                return Ok(Attempt::Established(established, connection));
            }
            message = match before(Some(answered_by), connection.reader.next()).await {
                Ok(message) => message,
                Err(_) => break,
            };
        }
        match handshake.ended() {
            Verdict::Nothing => Ok(Attempt::Nothing),
            // Only the side that was given the code confirms before it has seen a valid confirmation.
            Verdict::WrongGuess if confirmed => Err(wrong_code()),
            Verdict::WrongGuess => Ok(Attempt::GuessedWrong),
        }
    }

    /// A new run of the handshake on this side, and its first message.
    fn handshake(&self) -> Result<(Handshake, Vec<u8>)> {
        Ok(Handshake::new(&Params {
            room: &self.derived.room,
            password: &self.derived.password,
            role: self.role,
            made: matches!(self.origin, Origin::Made | Origin::Embedded { made: true, .. }),
            options: self.options,
            ciphers: Ciphers::here(),
            app: env!("CARGO_PKG_VERSION"),
            nonce: *random()?,
            pake_seed: &*random()?,
        }))
    }

    /// Tells the other side what is wrong with it and hangs up. Fails where the fault ends the pairing too.
    async fn refuse(&self, connection: &mut Connection, fault: Fault) -> Result<()> {
        if let Some(refusal) = fault.refusal() {
            // Whoever has gone already cannot be told.
            let _ = say(connection, refusal).await;
        }
        let _ = connection.writer.close(CLOSE_POLICY, "").await;
        if self.ends_with(fault) { Err(fault.into()) } else { Ok(()) }
    }

    /// Whether a fault, which is no guess, ends this side. A stranger in the room shall not be able to: the other side's person reads
    /// why, and this one waits on. Only a receiver that was given its code has nobody to wait for but the one it found, and
    /// stops when that one speaks another version or does what no stranger would.
    fn ends_with(&self, fault: Fault) -> bool {
        let is_pure_taker = matches!(self.origin, Origin::Given) && self.role == Role::Receive;
        is_pure_taker && !matches!(fault, Fault::WrongCode | Fault::Malformed(_))
    }

    fn paired(&self, established: &Established, connection: Connection) -> Paired {
        let Established { mode, encryption_kept, verify_string, .. } = established;
        self.handler.event(Event::Paired { cipher: *mode, encryption_kept: *encryption_kept });
        let (sealer, opener) = established.first_lane();
        let (lane, io) = lane(connection, sealer, opener);
        Paired { lane, io, verify: verify_string.clone(), must_confirm: self.options.verify }
    }
}

/// Room and password of a code; the slow part for a code of one's own (Argon2id) away from the executor.
///
/// # Errors
/// When there is no memory for it.
pub async fn derive(code: &Code) -> Result<Derived> {
    let code = code.clone();
    if code.is_generated() { code.derive() } else { smol::unblock(move || code.derive()).await }
}

async fn say(connection: &mut Connection, message: Vec<u8>) -> Result<(), Closed> {
    connection.writer.send(message.into()).await?;
    connection.writer.flush().await
}

/// Waits for `what`, but not beyond `until`.
async fn before<T>(until: Option<Instant>, what: impl Future<Output = T>) -> Result<T> {
    let late = async {
        match until {
            Some(until) => Timer::at(until).await,
            None => future::pending().await,
        };
        Err(nobody_came())
    };
    future::or(async { Ok(what.await) }, late).await
}

fn wrong_code() -> Error {
    Error::new(Kind::Authentication, "the code is wrong, or the other side vanished while it was checked")
        .hint("Ask for the code again and type it exactly. After three wrong ones the other side has to make a new one.")
}

fn nobody_came() -> Error {
    Error::new(Kind::NobodyCame, "the other side did not come in time")
        .hint("Start both sides within the time to wait, or give it with --wait.")
}

/// 32 random bytes from the system, wiped when they are dropped.
///
/// # Errors
/// Kind `Internal` when the system gives none.
pub fn random() -> Result<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes)
        .map_err(|error| Error::new(Kind::Internal, "the system gives no random numbers").caused_by(error))?;
    Ok(bytes)
}

/// Pauses between attempts that double up to two seconds, each cut at random by up to half, so that neither two sides that lost each
/// other nor a stranger who comes again and again make the relay busy.
struct Pause {
    next: Duration,
}

impl Pause {
    fn new() -> Pause {
        Pause { next: PAUSE_MIN }
    }

    async fn rest(&mut self, until: Option<Instant>) -> Result<()> {
        let pause = jittered(self.next, 0.5)?;
        self.next = (self.next * 2).min(PAUSE_MAX);
        before(until, Timer::after(pause)).await.map(drop)
    }
}

/// A time that is shorter by a random part of it, `share` at most.
fn jittered(time: Duration, share: f64) -> Result<Duration> {
    let drawn = random()?;
    let random = f64::from(u16::from_le_bytes([drawn[0], drawn[1]])) / f64::from(u16::MAX);
    Ok(time.mul_f64(1.0 - share * random))
}

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Rooms tried for a code made here: of 90,000 so many are never all taken on a relay that works.
const ROOMS_MAX: u32 = 20;

/// How long a side that was given the code waits for its own ghost to lose its seat: the relay's 15 s and some.
const GHOST: Duration = Duration::from_secs(20);

/// How long a peer that has begun the handshake may take to finish it. A slow line and a slow machine need a few seconds.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// How long a seat is kept without a word from opposite, at most; half of that at least.
const SEAT: Duration = Duration::from_secs(120);

/// How long a relay that has worked before may be out of reach while this side waits: a restart or a network that comes back.
const RELAY_LOST_MAX: Duration = Duration::from_secs(600);

/// How long a lost connection is looked for unless somebody says otherwise: a restarted relay, a train in a tunnel, a lid that was closed.
pub const RETRY: Duration = Duration::from_secs(600);

/// RFC 6455, section 7.4.1: the purpose of the connection is fulfilled.
const CLOSE_NORMAL: u16 = 1000;

/// RFC 6455, section 7.4.1: a message violates the policy.
const CLOSE_POLICY: u16 = 1008;
