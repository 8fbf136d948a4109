//! Finding each other again when the connection of a session was lost.
//!
//! ```text
//!                      ┌─ by keys: the lane's room ── Rejoin, both prove the session secret ──▶ the lane goes on
//! connection lost ─────┤
//!                      └─ by code: the code's room ── First, Confirm with a side without session ▶ a new session
//! ```
//!
//! Both are tried at once, for as long as the person allows (`retry`). A side that was not started again is found by the keys, and by nobody
//! else: whoever sits in the lane's room and does not have them is a stranger, dropped at no cost. A side that was started again has
//! lost its keys and has the code: it is paired with like the first time, and the session begins anew. Two sides that both still have
//! their session leave each other alone in the code's room; one that has never heard the other in its session does not count on it. Wrong guesses there count like all others; the third ends the looking by code, and
//! the session stays what it is.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_lite::future;
use smol::Timer;

use super::attempt::{Attempt, Keeping, Session, dismiss, opposite, say};
use super::dial::{DialError, RoomRequest};
use super::pair::{Paired, Pairing, before, random};
use super::pause::{Pause, stretched};
use super::ws::Connection;
use crate::error::{Error, Kind, Result};
use crate::events::Event;
use crate::proto::limits::LANES_MAX;
use crate::proto::rejoin::{Proven, Rejoin};
use crate::proto::seal::{Mode, SessionSecret};

/// What one side needs to find the other again.
pub struct Reunion<'p> {
    pairing: &'p Pairing<'p>,
    secret: SessionSecret,
    mode: Mode,
}

/// Who was found.
pub enum Found<'p> {
    /// The other side of this session, on a connection that can take the place of the lost one.
    Lane(Box<(Connection, Proven)>),
    /// The other side was started again: a new session is established.
    Restarted(Box<Paired<'p>>),
}

/// A lane beside the first has come to nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unmet {
    /// The relay does not want it.
    pub(super) is_refused: bool,
}

impl From<Error> for Unmet {
    fn from(_: Error) -> Unmet {
        Unmet { is_refused: false }
    }
}

impl<'p> Reunion<'p> {
    pub(super) fn new(pairing: &'p Pairing<'p>, secret: SessionSecret, mode: Mode) -> Reunion<'p> {
        Reunion { pairing, secret, mode }
    }

    /// The rooms where connections of the session's lanes are made, and renewed.
    pub fn rooms(&self) -> impl Iterator<Item = String> {
        let secret = self.secret.clone();
        (0..LANES_MAX).map(move |lane| secret.lane_room(lane))
    }

    /// How long a lost connection is looked for; zero: not at all.
    #[must_use]
    pub fn retry(&self) -> Duration {
        self.pairing.retry
    }

    /// Looks for the other side of a session of this kind, which has got `frames` frames on its lane. The first pauses are left out for each of
    /// the last connections that were found `in_vain`. Cancel safe: nobody is left half found.
    ///
    /// # Errors
    /// Kind `ConnectionLost` when nobody was found until `until`; `Internal` when the system gives no random numbers.
    pub(super) async fn search(
        &self,
        frames: u64,
        session: Session,
        until: Instant,
        in_vain: u32,
    ) -> Result<Found<'p>> {
        let hindrance = Hindrance::default();
        let late = async {
            Timer::at(until).await;
            Err(gone(self.retry(), hindrance.take()))
        };
        let by_keys = self.by_keys(frames, in_vain, &hindrance);
        let looking = future::or(by_keys, self.by_code(session, &hindrance));
        future::or(late, looking).await
    }

    /// Looks for the other side in the room of a lane beside the first, of which `frames` frames have come. It may come a little later, or not at
    /// all. Cancel safe.
    pub(super) async fn beside(&self, lane: u8, frames: u64) -> Result<(Connection, Proven), Unmet> {
        let seeking = async {
            let mut pause = Pause::up_to(PAUSE_MAX);
            loop {
                match self.pairing.seats.seat(self.request(lane)).await {
                    Ok(connection) => {
                        if let Ok(found) = self.rejoin(connection, lane, frames, PATIENCE).await? {
                            return Ok(found);
                        }
                    }
                    // Whoever says so says it again.
                    Err(DialError::Refused { .. }) => return Err(Unmet { is_refused: true }),
                    // The ghost of a connection that was lost may sit there still; or the network is not back yet.
                    Err(DialError::RoomTaken(_) | DialError::HungUp(_) | DialError::Failed(_)) => {}
                }
                pause.rest().await?;
            }
        };
        let late = async {
            Timer::after(PATIENCE).await;
            Err(Unmet { is_refused: false })
        };
        future::or(seeking, late).await
    }

    fn request(&self, lane: u8) -> RoomRequest {
        RoomRequest { room: self.secret.lane_room(lane), role: self.pairing.role, fresh: false }
    }

    async fn by_keys(&self, frames: u64, in_vain: u32, hindrance: &Hindrance) -> Result<Found<'p>> {
        let request = self.request(FIRST);
        let mut pause = Pause::after_some(PAUSE_MAX, in_vain);
        let mut keeping = Keeping::short_at_first();
        let mut told = None;
        loop {
            pause.rest().await?;
            let connection = match self.pairing.seats.seat(request.clone()).await {
                Ok(connection) => connection,
                Err(error) => {
                    if let Some(again) = hindrance.turned_away(error)? {
                        let what = hindrance.last();
                        // Once, of what is the same each time.
                        if told.as_ref() != Some(&what) {
                            self.pairing.handler.event(Event::RelayBusy { what: what.clone(), again });
                            told = Some(what);
                        }
                        Timer::after(again).await;
                    }
                    continue;
                }
            };
            let began = Instant::now();
            match self.rejoin(connection, FIRST, frames, keeping.next()?).await? {
                Ok(found) => return Ok(Found::Lane(Box::new(found))),
                Err(why) => hindrance.note_if(why),
            }
            pause.after(began.elapsed());
        }
    }

    /// One connection in the lane's room. The inner error is why nobody was found, where there is more to say than that nobody came.
    async fn rejoin(
        &self,
        mut connection: Connection,
        lane: u8,
        frames: u64,
        seat: Duration,
    ) -> Result<Result<(Connection, Proven), Option<String>>> {
        let (rejoin, message) =
            Rejoin::new(self.secret.clone(), self.mode, lane, self.pairing.role, *random()?);
        if let Err(closed) = say(&mut connection, message).await {
            return Ok(Err(Some(closed.to_string())));
        }
        let first = match opposite(&mut connection, seat).await {
            Some(Ok(first)) => first,
            Some(Err(closed)) => return Ok(Err(Some(closed.to_string()))),
            None => return Ok(Err(None)),
        };
        let stranger = match rejoin.handle(&first) {
            Err(stranger) => stranger,
            Ok(mut unproven) => {
                if let Err(closed) = say(&mut connection, unproven.prove(frames)?).await {
                    return Ok(Err(Some(closed.to_string())));
                }
                let record = before(Some(Instant::now() + PROOF), connection.reader.next()).await;
                match record {
                    Ok(Ok(mut record)) => match unproven.handle(&mut record) {
                        Ok(proven) => return Ok(Ok((connection, proven))),
                        Err(stranger) => stranger,
                    },
                    Ok(Err(closed)) => return Ok(Err(Some(closed.to_string()))),
                    Err(_) => {
                        return Ok(Err(Some("somebody in the room of our lane says nothing".to_owned())));
                    }
                }
            }
        };
        dismiss(&mut connection).await;
        Ok(Err(Some(stranger.to_string())))
    }

    async fn by_code(&self, session: Session, hindrance: &Hindrance) -> Result<Found<'p>> {
        let mut pause = Pause::up_to(PAUSE_MAX);
        let mut keeping = Keeping::short_at_first();
        while !self.pairing.guesses.are_too_many() {
            pause.rest().await?;
            let connection = match self.pairing.dial(false).await {
                Ok(connection) => connection,
                Err(error) => {
                    if let Some(again) = hindrance.turned_away(error)? {
                        Timer::after(again).await;
                    }
                    continue;
                }
            };
            let began = Instant::now();
            match self.pairing.attempt(connection, None, session, keeping.next()?).await? {
                Attempt::Established(established, connection, answered) => {
                    self.pairing.handler.event(Event::Restarted);
                    let paired = self.pairing.paired(&established, connection, answered);
                    return Ok(Found::Restarted(Box::new(paired)));
                }
                // What was a guess is counted.
                Attempt::GuessedWrong | Attempt::Unanswered | Attempt::Nothing | Attempt::Unseated => {}
            }
            pause.after(began.elapsed());
        }
        // The code is burnt. Whoever still has the keys is found by them.
        future::pending().await
    }
}

impl fmt::Debug for Reunion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reunion(..)")
    }
}

/// What stood in the way last.
#[derive(Default)]
struct Hindrance(Mutex<Option<String>>);

impl Hindrance {
    fn note(&self, error: &Error) {
        self.note_if(Some(error.to_string()));
    }

    fn note_if(&self, what: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// The relay gave no seat. Returns how long it wants us to stay away.
    ///
    /// # Errors
    /// It does not know our token, or wants one, and will say so again.
    fn turned_away(&self, error: DialError) -> Result<Option<Duration>> {
        if error.wants_token() {
            return Err(error.into());
        }
        let again = error.again().map(stretched).transpose()?;
        self.note(&Error::from(error));
        Ok(again)
    }

    fn last(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn gone(retry: Duration, hindrance: Option<String>) -> Error {
    let what = format!("the other side did not come back within {}", in_words(retry));
    let what = match hindrance {
        Some(hindrance) => format!("{what} ({hindrance})"),
        None => what,
    };
    Error::new(Kind::ConnectionLost, what).hint(GO_ON)
}

/// A time as a person gives it: whole minutes, else seconds.
fn in_words(time: Duration) -> String {
    let plural = |count: u64, word| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match time.as_secs() {
        0 => plural(crate::proto::time::millis(time), "millisecond"),
        seconds if seconds % 60 == 0 => plural(seconds / 60, "minute"),
        seconds => plural(seconds, "second"),
    }
}

/// What helps when a connection is lost for good.
pub(super) const GO_ON: &str =
    "Once the network is back, run the same commands again; a longer --retry waits for it.";

/// The lane that is found again, as long as that takes; the others are made anew.
const FIRST: u8 = 0;

/// How long the other side is awaited in the room of a lane beside the first: a ghost of this side may have to lose its seat there, which
/// takes 15 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest pause between two attempts. Thousands of sides that look for one relay for minutes ask it some hundred times a second at most.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long somebody who has begun to prove itself may take for it: as long as a pairing.
const PROOF: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_how_long_what_and_how_to_go_on() {
        let error = gone(Duration::from_secs(600), Some("the relay is full".to_owned()));
        assert_eq!(error.kind(), Kind::ConnectionLost);
        assert_eq!(
            error.to_string(),
            "the other side did not come back within 10 minutes (the relay is full)"
        );
        assert!(error.hint_text().unwrap().contains("run the same commands again"));
        assert!(gone(Duration::from_secs(1), None).to_string().ends_with("within 1 second"));
        assert!(gone(Duration::from_millis(90_500), None).to_string().ends_with("within 90 seconds"));
        assert!(gone(Duration::from_millis(200), None).to_string().ends_with("within 200 milliseconds"));
    }
}
