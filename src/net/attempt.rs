//! One connection to the code's room, and one run of the handshake on it.

use std::time::{Duration, Instant};

use futures_lite::future;
use smol::Timer;

use super::pair::{Origin, Pairing, before, random};
use super::pause::Pause;
use super::ws::{Closed, Connection};
use crate::error::{Error, Kind, Result};
use crate::events::Event;
use crate::proto::handshake::{Established, Fault, GuessesLeft, Handshake, Params, Role, Verdict};
use crate::proto::parting::WAITED_TOO_LONG;
use crate::proto::seal::Ciphers;

/// What came of one connection.
pub(super) enum Attempt {
    /// The other side knows the code. Whoever confirms first sees here how long its answer took; who answered has not waited at all.
    Established(Box<Established>, Connection, Duration),
    /// Somebody tested a guess against us, the maker.
    GuessedWrong,
    /// We, the taker, have shown our confirmation and saw none: a guess may have been tested on it.
    Unanswered,
    /// Nobody learned anything; try again.
    Nothing,
    /// As that; and the relay is gone, or the way to it, before anybody came.
    Unseated,
}

/// What a side has already when it meets somebody in the code's room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// Nothing: it pairs for the first time.
    None,
    /// A session in which it has not heard the other side yet. That may not have it: it confirms last who confirms without an answer.
    Unmet,
    /// A session that the other side has, or had, too: only a peer that was started again is looked for.
    Met,
}

/// One run of the handshake. Beside a session it counts itself however it ends: the search is dropped when the other side is found by
/// the keys, and whoever can bring that about could otherwise test a guess each time, as often as they like.
struct Run<'p> {
    handshake: Handshake,
    counts_for: Option<&'p Pairing<'p>>,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Some(pairing) = self.counts_for
            && self.handshake.ended() == Verdict::WrongGuess
        {
            let left = match pairing.guesses.count_wrong() {
                GuessesLeft::Left(left) => left,
                GuessesLeft::Burnt => 0,
            };
            pairing.handler.event(Event::WrongGuess { left });
        }
    }
}

impl Pairing<'_> {
    /// Runs the handshake. A side with a session is not ended by what somebody else does; a wrong guess at it is counted already when this
    /// returns, and also when this is dropped halfway.
    pub(super) async fn attempt(
        &self,
        mut connection: Connection,
        until: Option<Instant>,
        session: Session,
        seat: Duration,
    ) -> Result<Attempt> {
        let (handshake, first) = self.handshake(session == Session::Met)?;
        let mut run = Run { handshake, counts_for: (session != Session::None).then_some(self) };
        if say(&mut connection, first).await.is_err() {
            return Ok(Attempt::Nothing);
        }
        let Some(first) = before(until, opposite(&mut connection, seat)).await? else {
            return Ok(Attempt::Nothing);
        };
        // A seat of its own accord is taken anew again and again; one that was taken away is not.
        if session == Session::None
            && let Err(closed) = &first
            && closed.is_for(WAITED_TOO_LONG)
        {
            return Err(waited_too_long());
        }
        if first.as_ref().is_err_and(is_gone) {
            return Ok(Attempt::Unseated);
        }
        let mut message = first;
        let answered_by = Instant::now() + HANDSHAKE;
        let mut confirmed = None;
        while let Ok(received) = &message {
            let step = match run.handshake.handle(received) {
                Ok(step) => step,
                Err(fault) => {
                    refuse(&mut connection, fault).await;
                    if session == Session::None && self.ends_with(fault) {
                        return Err(fault.into());
                    }
                    break;
                }
            };
            if let Some(reply) = step.send {
                let said = say(&mut connection, reply).await;
                confirmed = Some(Instant::now());
                if said.is_err() {
                    break;
                }
            }
            if let Some(established) = step.established {
                let answered = confirmed.map_or(Duration::ZERO, |since| since.elapsed());
                return Ok(Attempt::Established(established, connection, answered));
            }
            message = match before(Some(answered_by), connection.reader.next()).await {
                Ok(message) => message,
                Err(_) => break,
            };
        }
        Ok(match run.handshake.ended() {
            Verdict::Nothing => Attempt::Nothing,
            // Only the side that was given the code confirms before it has seen a valid confirmation.
            Verdict::WrongGuess if confirmed.is_some() => Attempt::Unanswered,
            Verdict::WrongGuess => Attempt::GuessedWrong,
        })
    }

    /// A new run of the handshake on this side, and its first message.
    fn handshake(&self, in_session: bool) -> Result<(Handshake, Vec<u8>)> {
        Ok(Handshake::new(&Params {
            room: &self.derived.room,
            password: &self.derived.password,
            role: self.role,
            made: matches!(self.origin, Origin::Made | Origin::Embedded { made: true, .. }),
            options: self.options,
            in_session,
            capabilities: self.capabilities,
            ciphers: Ciphers::here(),
            app: env!("CARGO_PKG_VERSION"),
            nonce: *random()?,
            pake_seed: &*random()?,
        }))
    }

    /// Whether a fault, which is no guess, ends this side. A stranger in the room shall not be able to: the other side's person reads
    /// why, and this one waits on. Only a receiver that was given its code has nobody to wait for but the one it found, and
    /// stops when that one speaks another version or does what no stranger would.
    fn ends_with(&self, fault: Fault) -> bool {
        let is_pure_taker = matches!(self.origin, Origin::Given) && self.role == Role::Receive;
        is_pure_taker && !matches!(fault, Fault::WrongCode | Fault::Malformed(_))
    }
}

/// The first message of whoever sits opposite, or how the connection ended. It may take as long as a person does; but no seat is kept
/// for long: whoever sits opposite and says nothing would keep the other side out, and a dead relay would not be noticed. `None` when the
/// seat was given up for that, after the time that [`Keeping`] says.
pub(super) async fn opposite(
    connection: &mut Connection,
    seat: Duration,
) -> Option<Result<bytes::BytesMut, Closed>> {
    let seat_until = Instant::now() + seat;
    let first = async { Some(connection.reader.next().await) };
    let late = async {
        Timer::at(seat_until).await;
        None
    };
    let first = future::or(first, late).await;
    if first.is_none() {
        // It is given up politely, so that the relay knows at once.
        let _ = connection.writer.close(CLOSE_NORMAL, "").await;
    }
    first
}

/// Whether the end of a seat is that of the relay, or of the way to it.
fn is_gone(closed: &Closed) -> bool {
    matches!(closed, Closed::Lost(_) | Closed::Clean { code: CLOSE_GOING_AWAY, .. })
}

/// How long the next seats are kept: for long, or, when a relay has just gone, not for long at first. Behind a balancer the next one may be another
/// relay's, and the other side comes to ours as soon as that is back.
pub(super) struct Keeping(Pause);

impl Keeping {
    /// Nothing has happened.
    pub(super) fn long() -> Keeping {
        Keeping(Pause::between(SEAT, SEAT))
    }

    /// A seat, or a connection of two, was lost just now.
    pub(super) fn short_at_first() -> Keeping {
        Keeping(Pause::between(SEAT_AFTER_LOSS, SEAT))
    }

    /// How long to keep the next one.
    pub(super) fn next(&mut self) -> Result<Duration> {
        self.0.due()
    }
}

/// Tells the other side what is wrong with it and hangs up.
async fn refuse(connection: &mut Connection, fault: Fault) {
    if let Some(refusal) = fault.refusal() {
        // Whoever has gone already cannot be told.
        let _ = say(connection, refusal).await;
    }
    dismiss(connection).await;
}

/// Hangs up on somebody because of what they said.
pub(super) async fn dismiss(connection: &mut Connection) {
    let _ = connection.writer.close(CLOSE_POLICY, "").await;
}

pub(super) async fn say(connection: &mut Connection, message: Vec<u8>) -> Result<(), Closed> {
    connection.writer.send(message.into()).await?;
    connection.writer.flush().await
}

fn waited_too_long() -> Error {
    Error::new(Kind::NobodyCame, "the other side did not come in the time that the relay lets anybody wait")
        .hint("Start both sides closer together. With a token (--token, P2PC_TOKEN) it may be longer.")
}

/// How long a peer that has begun the handshake may take to finish it. A slow line and a slow machine need a few seconds.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// How long a seat is kept without a word from opposite, at most; half of that at least.
const SEAT: Duration = Duration::from_secs(120);

/// How long the first one after a loss is kept, at most; the next ones twice as long each. A relay is started again within seconds, and a balancer takes
/// some more to notice.
const SEAT_AFTER_LOSS: Duration = Duration::from_secs(10);

/// RFC 6455, section 7.4.1: the purpose of the connection is fulfilled.
const CLOSE_NORMAL: u16 = 1000;

/// The relay is going away.
const CLOSE_GOING_AWAY: u16 = 1001;

/// RFC 6455, section 7.4.1: a message violates the policy.
const CLOSE_POLICY: u16 = 1008;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_kept_for_long_but_not_at_once_after_a_loss() {
        let mut keeping = Keeping::long();
        let long = SEAT / 2..=SEAT;
        assert!((0..9).all(|_| long.contains(&keeping.next().unwrap())));
        let mut keeping = Keeping::short_at_first();
        for longest in [10, 20, 40, 80, 120, 120].map(Duration::from_secs) {
            let kept = keeping.next().unwrap();
            assert!((longest / 2..=longest).contains(&kept), "{kept:?} of {longest:?}");
        }
    }

    #[test]
    fn a_relay_that_goes_is_told_from_a_stranger_that_does() {
        let clean = |code| Closed::Clean { code, reason: String::new() };
        assert!(is_gone(&clean(CLOSE_GOING_AWAY)));
        assert!(is_gone(&Closed::Lost(std::io::ErrorKind::ConnectionReset.into())));
        assert!(!is_gone(&clean(CLOSE_NORMAL)) && !is_gone(&clean(CLOSE_POLICY)));
    }
}
