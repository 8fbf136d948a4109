//! Pairing: how two sides that share a code prove it to each other over a relay that must not learn it.
//!
//! ```text
//! taker (was given the code)                            maker (made it; the sender, where both were given it)
//!   First{hello, PAKE, commitment}  ─────────►  ◄─────────  First{hello, PAKE, commitment}
//!   Confirm{mac, opening}           ─────────►              checks it: invalid is a wrong guess, and nothing goes back
//!                                               ◄─────────  Confirm{mac, opening}
//!   checks it: invalid, or none, is a wrong guess
//! ```
//!
//! SPAKE2 turns the password into a key that whoever lacks the password cannot compute, nor test guesses on.
//! The confirmations are computed from that key and a hash over the room and both first messages exactly as
//! sent, so that no byte of what was negotiated can differ between the sides.
//!
//! A confirmation is what a guesser wants to see: with it, and a guessed password, the guess can be checked
//! at leisure. So the side that waits for people it does not know never confirms first, and each confirmation
//! that is not answered by a valid one counts as a guess.

mod capabilities;
mod established;
mod fault;
mod guesses;
mod keys;
mod message;

use spake2::{Ed25519Group, Identity, Password, Spake2};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub use super::role::Role;
use super::seal::{Ciphers, Mode};
pub use capabilities::Capabilities;
pub use established::Established;
pub use fault::{Fault, Malformed};
pub use guesses::{GUESSES_MAX, Guesses, GuessesLeft};
use keys::PairingKeys;
pub use message::{APP_BYTES_MAX, Hello, IN_SESSION, MESSAGE_MAX, Options, Reason, VERSION, refusal};
use message::{Confirm, First};
pub(super) use message::{Message, Rejoin};

/// One pairing attempt, over one connection. Feed it whole messages in the order they come.
pub struct Handshake {
    state: State,
    verdict: Verdict,
}

/// What one side brings to a pairing.
#[derive(Clone, Copy)]
pub struct Params<'a> {
    /// The room both met in.
    pub room: &'a str,
    /// The password that follows from the code.
    pub password: &'a [u8],
    /// Which end we are.
    pub role: Role,
    /// Whether this side made the code.
    pub made: bool,
    /// What this side's person asked for.
    pub options: Options,
    /// Whether this side still has a session of this code, whose connection it lost, and in which it has
    /// heard the other side.
    pub in_session: bool,
    /// What else this side can do.
    pub capabilities: Capabilities,
    /// What this machine can seal with.
    pub ciphers: Ciphers,
    /// This program's version, told to the other side. Kept to [`APP_BYTES_MAX`] printable ASCII characters.
    pub app: &'a str,
    /// Fresh from the system's random source for every connection.
    pub nonce: [u8; 32],
    /// Likewise, and secret.
    pub pake_seed: &'a [u8; 32],
}

/// What a message brought about.
#[derive(Debug, Default)]
pub struct Step {
    /// To be sent now, before anything else.
    pub send: Option<Vec<u8>>,
    /// The end of the pairing: what follows is records.
    pub established: Option<Box<Established>>,
}

/// What it means that a connection ended (closed, timed out, or with a [`Fault`]) where the pairing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was given away.
    Nothing,
    /// Somebody may have tested one guess: the taker ends, the maker counts it.
    WrongGuess,
}

enum State {
    /// Our first message is out.
    AwaitFirst(Box<Opened>),
    /// Both first messages are known. The taker has confirmed already.
    AwaitConfirm(Box<Proving>),
    /// Established, or failed.
    Over,
}

impl Handshake {
    /// Starts pairing. The second value is the first message: send it at once, without waiting for the
    /// other's.
    #[must_use]
    pub fn new(params: &Params<'_>) -> (Handshake, Vec<u8>) {
        let opened = Opened::new(params);
        let first = opened.first.clone();
        (Handshake { state: State::AwaitFirst(Box::new(opened)), verdict: Verdict::Nothing }, first)
    }

    /// Takes the next message of the other side.
    ///
    /// # Errors
    /// Any fault ends the pairing: send [`Fault::refusal`] if there is one, close, and act on
    /// [`Handshake::ended`].
    pub fn handle(&mut self, message: &[u8]) -> Result<Step, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitFirst(opened) => {
                let (proving, send) = opened.take_first(message)?;
                if send.is_some() {
                    self.verdict = Verdict::WrongGuess;
                }
                self.state = State::AwaitConfirm(Box::new(proving));
                Ok(Step { send, established: None })
            }
            State::AwaitConfirm(proving) => {
                let outcome = proving.take_confirm(message);
                match &outcome {
                    Ok(_) => self.verdict = Verdict::Nothing,
                    Err(Fault::WrongCode) => self.verdict = Verdict::WrongGuess,
                    Err(_) => {}
                }
                outcome
            }
            State::Over => Err(Fault::Malformed(Malformed::Unexpected)),
        }
    }

    /// What the end of the connection means now: `WrongGuess` where we sent a confirmation and no valid one
    /// came back, or (as the maker) were sent an invalid one.
    #[must_use]
    pub fn ended(&self) -> Verdict {
        self.verdict
    }
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::AwaitFirst(_) => "AwaitFirst",
            State::AwaitConfirm(_) => "AwaitConfirm",
            State::Over => "Over",
        };
        write!(f, "Handshake({state}, {:?})", self.verdict)
    }
}

/// Our half of the exchange, before the other's is known.
///
/// The `spake2` crate keeps the password and its scalars in memory that it does not wipe. It is dropped with
/// the first message that comes; every copy of ours is wiped.
struct Opened {
    room: String,
    hello: Hello,
    pake: Spake2<Ed25519Group>,
    /// Our contribution to the verify string, committed to in the first message.
    opening: Zeroizing<[u8; 32]>,
    /// The first message exactly as sent.
    first: Vec<u8>,
    pake_element: [u8; 32],
}

impl Opened {
    fn new(params: &Params<'_>) -> Opened {
        let password = Password::new(params.password);
        let (sender, receiver) = (Identity::new(b"p2pc v1 send"), Identity::new(b"p2pc v1 receive"));
        let rng = keys::SeededRng::new(params.pake_seed);
        let (pake, pake_message) = match params.role {
            Role::Send => Spake2::start_a_with_rng(&password, &sender, &receiver, rng),
            Role::Receive => Spake2::start_b_with_rng(&password, &sender, &receiver, rng),
        };
        // One byte that names the side, which the hello's role says already, and the group element. Were it
        // ever shorter, the confirmations would not match and nothing would be given away.
        let pake_element = pake_message.last_chunk().copied().unwrap_or_default();
        let opening = keys::opening(params.pake_seed);
        let hello = Hello::new(params);
        let first =
            First { hello: hello.clone(), pake: pake_element, commitment: keys::commitment(&opening) };
        let first = Message::First(first).encode();
        Opened { room: params.room.to_owned(), hello, pake, opening, first, pake_element }
    }

    /// Computes the shared key. The taker's confirmation, to be sent, comes with it.
    fn take_first(self, message: &[u8]) -> Result<(Proving, Option<Vec<u8>>), Fault> {
        if message == self.first {
            return Err(Fault::Reflected);
        }
        let theirs = match Message::decode(message)? {
            Message::First(first) => first,
            Message::Refuse(reason) => return Err(Fault::Refused(reason)),
            Message::Confirm(_) | Message::Rejoin(_) => {
                return Err(Fault::Malformed(Malformed::Unexpected));
            }
        };
        if theirs.pake == self.pake_element || theirs.hello.nonce == self.hello.nonce {
            return Err(Fault::Reflected);
        }
        if theirs.hello.role == self.hello.role {
            return Err(Fault::SameRole(self.hello.role));
        }
        if theirs.hello.made && self.hello.made {
            return Err(Fault::BothMade);
        }
        if theirs.hello.is_in_session() && self.hello.is_in_session() {
            return Err(Fault::BothInSession);
        }
        let both_ask = self.hello.options.no_encrypt && theirs.hello.options.no_encrypt;
        let mode = Mode::agree(both_ask, self.hello.ciphers, theirs.hello.ciphers).ok_or(Fault::NoCipher)?;
        let shared = self
            .pake
            .finish(&keys::with_side(theirs.hello.role, &theirs.pake))
            .map_err(|_| Fault::Malformed(Malformed::Element))?;
        let (sender_first, receiver_first) = match self.hello.role {
            Role::Send => (self.first.as_slice(), message),
            Role::Receive => (message, self.first.as_slice()),
        };
        let keys = PairingKeys::new(&self.room, sender_first, receiver_first, &Zeroizing::new(shared));
        let proving = Proving {
            is_maker: is_maker(&self.hello, &theirs.hello),
            keys,
            mode,
            opening: self.opening,
            commitment: theirs.commitment,
            ours: self.hello,
            theirs: theirs.hello,
        };
        let send = (!proving.is_maker).then(|| proving.confirmation());
        Ok((proving, send))
    }
}

/// Whether we made the code, or count as the one who did: the sender, where both were given it.
fn is_maker(ours: &Hello, theirs: &Hello) -> bool {
    ours.made || (!theirs.made && ours.role == Role::Send)
}

/// The shared key is computed; whether the other side has the same is open.
struct Proving {
    is_maker: bool,
    keys: PairingKeys,
    mode: Mode,
    opening: Zeroizing<[u8; 32]>,
    commitment: [u8; 32],
    ours: Hello,
    theirs: Hello,
}

impl Proving {
    fn confirmation(&self) -> Vec<u8> {
        Message::Confirm(Confirm { mac: *self.keys.mac(self.ours.role), opening: *self.opening }).encode()
    }

    fn take_confirm(self, message: &[u8]) -> Result<Step, Fault> {
        let confirm = match Message::decode(message) {
            Ok(Message::Confirm(confirm)) => confirm,
            // Our confirmation is out: whatever is not a valid one in return is alike to a wrong guess.
            _ if !self.is_maker => return Err(Fault::WrongCode),
            Ok(Message::Refuse(reason)) => return Err(Fault::Refused(reason)),
            Ok(Message::First(_) | Message::Rejoin(_)) => {
                return Err(Fault::Malformed(Malformed::Unexpected));
            }
            Err(fault) => return Err(fault),
        };
        let proves = self.keys.mac(self.theirs.role).ct_eq(&confirm.mac);
        let keeps_word = keys::commitment(&confirm.opening).ct_eq(&self.commitment);
        if !bool::from(proves & keeps_word) {
            return Err(Fault::WrongCode);
        }
        let send = self.is_maker.then(|| self.confirmation());
        Ok(Step { send, established: Some(Box::new(Established::proven(self, &confirm.opening))) })
    }
}

#[cfg(test)]
mod tests;
