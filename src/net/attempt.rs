//! One connection to the code's room, and one run of the handshake on it.

use std::time::{Duration, Instant};

use futures_lite::future;
use smol::Timer;

use super::pair::{Origin, Pairing, before, random};
use super::pause::jittered;
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
    ) -> Result<Attempt> {
        let (handshake, first) = self.handshake(session == Session::Met)?;
        let mut run = Run { handshake, counts_for: (session != Session::None).then_some(self) };
        if say(&mut connection, first).await.is_err() {
            return Ok(Attempt::Nothing);
        }
        let Some(first) = before(until, opposite(&mut connection)).await?? else {
            return Ok(Attempt::Nothing);
        };
        // A seat of its own accord is taken anew again and again; one that was taken away is not.
        if session == Session::None
            && let Err(closed) = &first
            && closed.is_for(WAITED_TOO_LONG)
        {
            return Err(waited_too_long());
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
/// seat was given up for that.
pub(super) async fn opposite(connection: &mut Connection) -> Result<Option<Result<bytes::BytesMut, Closed>>> {
    let seat_until = Instant::now() + jittered(SEAT)?;
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
    Ok(first)
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

/// RFC 6455, section 7.4.1: the purpose of the connection is fulfilled.
const CLOSE_NORMAL: u16 = 1000;

/// RFC 6455, section 7.4.1: a message violates the policy.
const CLOSE_POLICY: u16 = 1008;
