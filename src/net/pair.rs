//! Pairing: from a code to an established session, however many strangers come in between.
//!
//! Each attempt is one connection to the code's room and one run of the handshake on it. A side that was given the code ends at the
//! first wrong guess; the side that made it tells its person and waits on, until the third burns the code. What costs no guess (a
//! peer that vanished, garbage, a stranger in the wrong role) only begins a new attempt.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_lite::future;
use smol::Timer;
use zeroize::Zeroizing;

use super::RelayUrl;
use super::attempt::{Attempt, Keeping, Session};
use super::awaiting::Awaiting;
use super::dial::{DialError, RoomRequest, Seats};
use super::knocking::Knocking;
use super::lane::{Lane, LaneIo, lane};
use super::pause::{Pause, draw, stretched};
use super::reunion::Reunion;
use super::ws::Connection;
use crate::error::{Error, Kind, Result};
use crate::events::{Cancel, Event, Handler};
use crate::proto::code::{Code, Derived};
use crate::proto::handshake::{Capabilities, Established, Guesses, GuessesLeft, Options, Role};

/// What this side brings to the pairing. It stays for as long as the transfer takes: a peer that was started again is paired with anew.
pub struct Pairing<'a> {
    /// Who takes seats at the relay.
    pub seats: &'a dyn Seats,
    /// The relay, as people know it.
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
    /// What this side can do.
    pub capabilities: Capabilities,
    /// How long to wait for the other side; `None`: as long as it takes.
    pub wait: Option<Duration>,
    /// How long a lost connection is looked for; zero: not at all.
    pub retry: Duration,
    /// The wrong guesses at the code so far.
    pub guesses: WrongGuesses,
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

/// The wrong guesses at one code, over all connections of this process.
#[derive(Debug, Default)]
pub struct WrongGuesses(Mutex<Guesses>);

/// An established session on its first lane.
pub struct Paired<'p> {
    /// The session's end of it.
    pub lane: Lane,
    /// The socket's end of it, to be run beside the session.
    pub io: LaneIo,
    /// The string to compare, if either side asked for it.
    pub verify: Option<String>,
    /// Whether this side's person asked, and so must confirm.
    pub must_confirm: bool,
    /// What both sides can do.
    pub both_can: Capabilities,
    /// How long this side has waited for the last word of the pairing; zero where it said that. Then the other side's first word in the session
    /// is the answer, see [`Lane::met_ms`].
    pub answered: Duration,
    /// How long the relay took to answer this side.
    pub relay_answered: Duration,
    /// How both sides find each other again.
    pub reunion: Reunion<'p>,
    /// Who listens.
    pub handler: &'p dyn Handler,
    /// Ends the session in order.
    pub cancel: &'p Cancel,
}

impl<'a> Pairing<'a> {
    /// Waits for the other side and pairs with it. Cancel safe: a dropped pairing leaves nothing behind.
    ///
    /// # Errors
    /// Kind `Authentication` for a wrong or burnt code, `NobodyCame` when the time is over, `Relay` when the relay cannot be
    /// reached, `Protocol` when the other side speaks another version, `Interrupted` when cancelled.
    pub async fn pair<'p>(&'p mut self) -> Result<Paired<'p>>
    where
        'a: 'p,
    {
        let cancel = self.cancel;
        let cancelled = async {
            cancel.cancelled().await;
            Err(Error::interrupted())
        };
        let pairing = async move {
            let until = self.wait.map(deadline);
            let connection = self.first_seat(until).await?;
            self.announce();
            let awaiting = Awaiting::begin(&connection, self);
            let this: &'p Pairing<'a> = self;
            this.attempts(connection, awaiting, until).await
        };
        future::or(cancelled, pairing).await
    }

    async fn attempts(
        &self,
        mut connection: Connection,
        mut awaiting: Awaiting,
        until: Option<Instant>,
    ) -> Result<Paired<'_>> {
        let mut pause = Pause::up_to(PAUSE_MAX);
        let mut keeping = Keeping::long();
        loop {
            let began = Instant::now();
            let attempt = self.attempt(connection, until, Session::None, keeping.next()?).await;
            match attempt.map_err(|error| awaiting.in_vain(error, until, self))? {
                Attempt::Established(established, connection, answered) => {
                    return Ok(self.paired(&established, connection, answered));
                }
                Attempt::Unanswered => return Err(wrong_code()),
                Attempt::GuessedWrong => match self.guesses.count_wrong() {
                    GuessesLeft::Left(left) => self.handler.event(Event::WrongGuess { left }),
                    GuessesLeft::Burnt => return Err(burnt()),
                },
                Attempt::Unseated => keeping = Keeping::short_at_first(),
                Attempt::Nothing => {}
            }
            pause.after(began.elapsed());
            let seat = self.another_seat(until, &mut pause).await;
            connection = seat.map_err(|error| awaiting.in_vain(error, until, self))?;
            awaiting.goes_on(&connection, self);
        }
    }

    /// The first connection. A code made here takes another room while its own is taken, because nobody knows it yet. One that was
    /// given waits a little, and says so: a seat may be held by the ghost of this side.
    async fn first_seat(&mut self, until: Option<Instant>) -> Result<Connection> {
        let began = Instant::now();
        let mut is_told = false;
        let mut busy = None;
        let mut rooms = 0;
        let mut pause = Pause::up_to(PAUSE_MAX);
        let mut knocking = Knocking::new();
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
                    if !std::mem::replace(&mut is_told, true) {
                        self.handler.event(Event::RelayLost { what: taken.to_string() });
                    }
                    before(until, pause.rest()).await??;
                }
                Err(error) => match knocking.again(&error, began.elapsed(), draw()?) {
                    Some(again) => self.stay_away(error, again, until, &mut busy).await?,
                    None => return Err(error.into()),
                },
            }
        }
    }

    /// Waits for as long as a relay wants that has no place now, if there is so much time. The person is told once of what is the same each time.
    async fn stay_away(
        &self,
        error: DialError,
        again: Duration,
        until: Option<Instant>,
        told: &mut Option<String>,
    ) -> Result<()> {
        let again = stretched(again)?;
        if until.is_some_and(|until| until.saturating_duration_since(Instant::now()) <= again) {
            return Err(error.into());
        }
        let what = error.to_string();
        if told.as_ref() != Some(&what) {
            self.handler.event(Event::RelayBusy { what: what.clone(), again });
            *told = Some(what);
        }
        Timer::after(again).await;
        Ok(())
    }

    /// A later connection: the relay has worked before, so what keeps us out now may pass. The person is told when it does not at
    /// once. It is given up when the relay is out of reach for long; who sits in the room meanwhile ends nobody's wait.
    async fn another_seat(&self, until: Option<Instant>, pause: &mut Pause) -> Result<Connection> {
        let began = Instant::now();
        let mut answered = began;
        let (mut lost, mut busy) = (false, None);
        loop {
            before(until, pause.rest()).await??;
            let error = match before(until, self.dial(false)).await? {
                Ok(connection) => {
                    if lost || busy.is_some() {
                        self.handler.event(Event::RelayBack);
                    }
                    return Ok(connection);
                }
                Err(error) => error,
            };
            if let Some(again) = error.again() {
                self.stay_away(error, again, until, &mut busy).await?;
                answered = Instant::now();
                continue;
            }
            if matches!(error, DialError::RoomTaken(_)) {
                answered = Instant::now();
                if began.elapsed() < GHOST {
                    continue;
                }
            }
            let is_final = matches!(error, DialError::Refused { status: 400..=499, .. });
            let error = Error::from(error);
            if is_final || answered.elapsed() >= RELAY_LOST_MAX {
                return Err(error);
            }
            if !std::mem::replace(&mut lost, true) {
                self.handler.event(Event::RelayLost { what: error.to_string() });
            }
        }
    }

    /// Takes this side's seat in the code's room.
    pub(super) async fn dial(&self, fresh: bool) -> Result<Connection, DialError> {
        self.seats.seat(RoomRequest { room: self.derived.room.clone(), role: self.role, fresh }).await
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

    pub(super) fn paired(
        &self,
        established: &Established,
        connection: Connection,
        answered: Duration,
    ) -> Paired<'_> {
        let Established { mode, encryption_kept, verify_string, .. } = established;
        self.handler.event(Event::Paired { cipher: *mode, encryption_kept: *encryption_kept });
        let (sealer, opener) = established.first_lane();
        let relay_answered = connection.answered;
        let (lane, io) = lane(connection, sealer, opener);
        Paired {
            lane,
            io,
            verify: verify_string.clone(),
            must_confirm: self.options.verify,
            both_can: established.both_can,
            answered,
            relay_answered,
            reunion: Reunion::new(self, established.secret.clone(), *mode),
            handler: self.handler,
            cancel: self.cancel,
        }
    }
}

impl WrongGuesses {
    /// Counts one.
    pub(super) fn count_wrong(&self) -> GuessesLeft {
        self.lock().count_wrong()
    }

    /// Whether nobody may pair with the code any more.
    pub(super) fn are_too_many(&self) -> bool {
        self.lock().is_burnt()
    }

    fn lock(&self) -> MutexGuard<'_, Guesses> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The end of a time that begins now. Who gives a time without end shall not meet that of the clock.
pub(super) fn deadline(time: Duration) -> Instant {
    Instant::now() + time.min(LONGEST)
}

/// Waits for `what`, but not beyond `until`.
pub(super) async fn before<T>(until: Option<Instant>, what: impl Future<Output = T>) -> Result<T> {
    let late = async {
        match until {
            Some(until) => Timer::at(until).await,
            None => future::pending().await,
        };
        Err(nobody_came())
    };
    future::or(async { Ok(what.await) }, late).await
}

fn burnt() -> Error {
    Error::new(Kind::Authentication, "the code was guessed wrong three times and is burnt")
        .hint("Start again: a new code is made. Somebody may be guessing, or mistyping.")
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

/// The longest pause between two attempts to pair, while a person may be waiting at the other end.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Rooms tried for a code made here: of 90,000 so many are never all taken on a relay that works.
const ROOMS_MAX: u32 = 20;

/// How long a side that was given the code waits for its own ghost to lose its seat. Mostly that takes the relay 15 s; but what a ghost said
/// last may still be on its way through the relay, on a slow line of the other side for longer than it takes to find out that one is dead.
const GHOST: Duration = Duration::from_secs(60);

/// How long a relay that has worked before may be out of reach while this side waits: a restart or a network that comes back.
const RELAY_LOST_MAX: Duration = Duration::from_secs(600);

/// The longest time that anything is waited for: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long a lost connection is looked for unless somebody says otherwise: a restarted relay, a train in a tunnel, a lid that was closed.
pub const RETRY: Duration = Duration::from_secs(600);
