//! One who looks for the other side in a room, attempt after attempt: in the code's room by pairing, in a lane's room by proving the session.

use bytes::BytesMut;

use super::dice::Dice;
use super::net::{ConnId, Ended, Net, Notice, Refused};
use crate::proto::handshake::{Capabilities, Established, Fault, Handshake, Options, Params, Verdict};
use crate::proto::rejoin::{Proven, Rejoin, Unproven};
use crate::proto::role::Role;
use crate::proto::seal::{Ciphers, Mode, SessionSecret};

/// What two people share in this run.
#[derive(Clone)]
pub struct SharedCode {
    /// The code's room.
    pub room: String,
    /// The secret part.
    pub password: Vec<u8>,
}

impl std::fmt::Debug for SharedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "room {}", self.room)
    }
}

/// How the other side is to be known again.
#[derive(Debug)]
pub enum Proof {
    /// By the code.
    Code {
        /// Which.
        code: SharedCode,
        /// Whether this side made it.
        made: bool,
        /// Whether this side still has a session.
        in_session: bool,
        /// Asks for no encryption.
        no_encrypt: bool,
        /// What this side can do.
        can: Capabilities,
    },
    /// By the secret of the session.
    Session {
        /// It.
        secret: SessionSecret,
        /// What seals.
        mode: Mode,
        /// In the room of which lane.
        lane: u8,
        /// How many frames have come on the lane.
        frames: u64,
    },
}

/// Looks for the other side in one room.
#[derive(Debug)]
pub struct Seeker {
    role: Role,
    room: String,
    proof: Proof,
    pause_ms: u64,
    pause_max_ms: u64,
    /// How long the next seat is kept at most.
    seat_ms: u64,
    attempt: Attempt,
}

#[derive(Debug)]
enum Attempt {
    Rests { until_ms: u64 },
    Dials { conn: ConnId },
    Sits { conn: ConnId, since_ms: u64, until_ms: u64, talk: Talk },
    Over,
}

#[derive(Debug)]
enum Talk {
    Handshake { handshake: Box<Handshake>, confirmed: bool },
    Rejoin(Rejoin),
    Unproven(Box<Unproven>),
    Broken,
}

/// What came of something.
#[derive(Debug)]
pub enum Found {
    /// Nothing yet.
    Nothing,
    /// No seat.
    NoSeat(Refused),
    /// The other side, by the code.
    Paired(Box<Established>, ConnId),
    /// The other side of the session.
    Proven(Box<Proven>, ConnId),
    /// This attempt came to nothing; another one follows.
    Failed,
    /// Somebody tested a guess against us.
    GuessedWrong,
    /// We have shown our confirmation and saw none.
    Unanswered,
    /// The other side does what ends this one, which was given its code.
    Fault(Fault),
}

impl Seeker {
    /// Looks in the room that follows from the proof, at once or after a first pause.
    pub fn new(role: Role, proof: Proof, pause_max_ms: u64, first: Option<(u64, &mut Dice)>) -> Seeker {
        let room = match &proof {
            Proof::Code { code, .. } => code.room.clone(),
            Proof::Session { secret, lane, .. } => secret.lane_room(*lane),
        };
        let attempt = Attempt::Rests { until_ms: 0 };
        // Who looks for somebody that was lost does not keep the first seats for long.
        let seat_ms = if first.is_some() { SEAT_AFTER_LOSS_MS } else { SEAT_MS };
        let mut seeker = Seeker { role, room, proof, pause_ms: PAUSE_MIN_MS, pause_max_ms, seat_ms, attempt };
        if let Some((now_ms, dice)) = first {
            seeker.rest(now_ms, dice);
        }
        seeker
    }

    /// Whether this is its connection.
    pub fn is_on(&self, id: ConnId) -> bool {
        matches!(self.attempt, Attempt::Dials { conn } | Attempt::Sits { conn, .. } if conn == id)
    }

    /// Whether it has a seat.
    pub fn is_seated(&self) -> bool {
        matches!(self.attempt, Attempt::Sits { .. })
    }

    /// Does what is due now.
    pub fn poll(&mut self, net: &mut Net, dice: &mut Dice) -> Found {
        let now_ms = net.now_ms();
        match &self.attempt {
            Attempt::Rests { until_ms } if *until_ms <= now_ms => {
                self.attempt = match net.dial(self.role, &self.room, self.lane()) {
                    Some(conn) => Attempt::Dials { conn },
                    None => Attempt::Over,
                };
                Found::Nothing
            }
            Attempt::Sits { conn, until_ms, .. } if *until_ms <= now_ms => {
                net.close(*conn, CLOSE_NORMAL);
                self.end_attempt(now_ms, dice)
            }
            _ => Found::Nothing,
        }
    }

    /// The lane whose room it is; the code's counts as the first.
    fn lane(&self) -> u8 {
        if let Proof::Session { lane, .. } = self.proof { lane } else { 0 }
    }

    /// When there is something to do next, if not before.
    pub fn due_ms(&self) -> Option<u64> {
        match self.attempt {
            Attempt::Rests { until_ms } | Attempt::Sits { until_ms, .. } => Some(until_ms),
            Attempt::Dials { .. } | Attempt::Over => None,
        }
    }

    /// Something happened to its connection.
    pub fn notice(&mut self, notice: Notice, net: &mut Net, dice: &mut Dice) -> Found {
        let now_ms = net.now_ms();
        match (std::mem::replace(&mut self.attempt, Attempt::Over), notice) {
            (Attempt::Dials { conn }, Notice::Seated) => {
                let (talk, first) = self.talk(dice);
                net.say(conn, &first);
                let seat_ms = self.seat_ms / 2 + dice.roll(self.seat_ms / 2);
                self.seat_ms = (self.seat_ms * 2).min(SEAT_MS);
                self.attempt = Attempt::Sits { conn, since_ms: now_ms, until_ms: now_ms + seat_ms, talk };
                Found::Nothing
            }
            (Attempt::Dials { .. }, Notice::NotSeated(refused)) => {
                self.rest(now_ms, dice);
                Found::NoSeat(refused)
            }
            // It broke before the answer came.
            (Attempt::Dials { .. }, Notice::Ended(_)) => {
                self.rest(now_ms, dice);
                Found::NoSeat(Refused::Unreachable)
            }
            (Attempt::Sits { conn, since_ms, until_ms, talk }, Notice::Message(message)) => {
                self.heard((conn, since_ms, until_ms), talk, message, net, dice)
            }
            (sits @ Attempt::Sits { .. }, Notice::Clear) => {
                self.attempt = sits;
                Found::Nothing
            }
            (sits @ Attempt::Sits { .. }, Notice::Ended(Ended::Closed(_) | Ended::Lost | Ended::Broken)) => {
                self.attempt = sits;
                self.end_attempt(now_ms, dice)
            }
            (other, _) => {
                self.attempt = other;
                Found::Nothing
            }
        }
    }

    /// Looks no more.
    pub fn give_up(&mut self, net: &mut Net) {
        if let Attempt::Dials { conn } | Attempt::Sits { conn, .. } = self.attempt {
            net.drop(conn);
        }
        self.attempt = Attempt::Over;
    }

    /// A connection that comes to nothing: what that means, and a rest.
    fn end_attempt(&mut self, now_ms: u64, dice: &mut Dice) -> Found {
        let (found, since_ms) = match &self.attempt {
            Attempt::Sits { talk: Talk::Handshake { handshake, confirmed }, since_ms, .. } => {
                let found = match handshake.ended() {
                    Verdict::Nothing => Found::Failed,
                    Verdict::WrongGuess if *confirmed => Found::Unanswered,
                    Verdict::WrongGuess => Found::GuessedWrong,
                };
                (found, *since_ms)
            }
            Attempt::Sits { since_ms, .. } => (Found::Failed, *since_ms),
            _ => (Found::Failed, now_ms),
        };
        if now_ms - since_ms >= self.pause_max_ms {
            self.pause_ms = PAUSE_MIN_MS;
        }
        self.rest(now_ms, dice);
        found
    }

    fn rest(&mut self, now_ms: u64, dice: &mut Dice) {
        let pause_ms = self.pause_ms - dice.roll(self.pause_ms / 2 + 1);
        self.pause_ms = (self.pause_ms * 2).min(self.pause_max_ms);
        self.attempt = Attempt::Rests { until_ms: now_ms + pause_ms };
    }

    /// Our first message.
    fn talk(&self, dice: &mut Dice) -> (Talk, Vec<u8>) {
        match &self.proof {
            Proof::Code { code, made, in_session, no_encrypt, can } => {
                let (handshake, first) = Handshake::new(&Params {
                    room: &code.room,
                    password: &code.password,
                    role: self.role,
                    made: *made,
                    options: Options { no_encrypt: *no_encrypt, verify: false },
                    in_session: *in_session,
                    capabilities: *can,
                    ciphers: Ciphers::CHACHA20_POLY1305,
                    app: "sim",
                    nonce: dice.bytes(),
                    pake_seed: &dice.bytes(),
                });
                (Talk::Handshake { handshake: Box::new(handshake), confirmed: false }, first)
            }
            Proof::Session { secret, mode, lane, .. } => {
                let (rejoin, first) = Rejoin::new(secret.clone(), *mode, *lane, self.role, dice.bytes());
                (Talk::Rejoin(rejoin), first)
            }
        }
    }

    fn heard(
        &mut self,
        (conn, since_ms, until_ms): (ConnId, u64, u64),
        talk: Talk,
        mut message: BytesMut,
        net: &mut Net,
        dice: &mut Dice,
    ) -> Found {
        let now_ms = net.now_ms();
        // Once somebody speaks, the rest is up to machines.
        let until_ms = match talk {
            Talk::Handshake { confirmed: false, .. } | Talk::Rejoin(_) => now_ms + ANSWER_MS,
            _ => until_ms,
        };
        let talk = match talk {
            Talk::Handshake { mut handshake, confirmed } => match handshake.handle(&message) {
                Ok(step) => {
                    let confirmed = confirmed || step.send.is_some();
                    if let Some(reply) = step.send {
                        net.say(conn, &reply);
                    }
                    if let Some(established) = step.established {
                        return Found::Paired(established, conn);
                    }
                    Ok(Talk::Handshake { handshake, confirmed })
                }
                Err(fault) => {
                    if let Some(refusal) = fault.refusal() {
                        net.say(conn, &refusal);
                    }
                    Err((Some(fault), Talk::Handshake { handshake, confirmed }))
                }
            },
            Talk::Rejoin(rejoin) => match (rejoin.handle(&message), &self.proof) {
                (Ok(mut unproven), Proof::Session { frames, .. }) => match unproven.prove(*frames) {
                    Ok(record) => {
                        net.say(conn, &record);
                        Ok(Talk::Unproven(Box::new(unproven)))
                    }
                    Err(_) => Err((None, Talk::Broken)),
                },
                _ => Err((None, Talk::Broken)),
            },
            Talk::Unproven(unproven) => match unproven.handle(&mut message) {
                Ok(proven) => return Found::Proven(Box::new(proven), conn),
                Err(_) => Err((None, Talk::Broken)),
            },
            Talk::Broken => Err((None, Talk::Broken)),
        };
        match talk {
            Ok(talk) => {
                self.attempt = Attempt::Sits { conn, since_ms, until_ms, talk };
                Found::Nothing
            }
            Err((fault, talk)) => {
                net.close(conn, CLOSE_POLICY);
                self.attempt = Attempt::Sits { conn, since_ms, until_ms, talk };
                let found = self.end_attempt(now_ms, dice);
                match (found, fault) {
                    (Found::Failed, Some(fault)) => Found::Fault(fault),
                    (found, _) => found,
                }
            }
        }
    }
}

const PAUSE_MIN_MS: u64 = 50;

/// How long a seat is kept without a word from opposite, at most; half of that at least.
const SEAT_MS: u64 = 120_000;

/// As that, of the first one after a loss.
const SEAT_AFTER_LOSS_MS: u64 = 10_000;

/// How long whoever has begun to speak may take to finish.
const ANSWER_MS: u64 = 30_000;

/// RFC 6455, section 7.4.1.
const CLOSE_NORMAL: u16 = 1000;
const CLOSE_POLICY: u16 = 1008;
