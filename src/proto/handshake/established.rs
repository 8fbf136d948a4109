//! What both sides have once each has seen the other's proof.

use super::capabilities::Capabilities;
use super::message::Hello;
use super::{Proving, Role};
use crate::proto::seal::{LaneContext, Mode, Opener, Sealer, SessionSecret};

/// Proof that the other side knows the code: there is no other way to one of these than a valid confirmation.
#[derive(Debug)]
pub struct Established {
    /// What all keys of the session follow from.
    pub secret: SessionSecret,
    /// What seals the records.
    pub mode: Mode,
    /// What we said.
    pub ours: Hello,
    /// What the other side said, now known to be what it really said.
    pub theirs: Hello,
    /// What both sides can do.
    pub both_can: Capabilities,
    /// What both people compare, where either asked for it: nine digits in three groups.
    pub verify_string: Option<String>,
    /// One side alone asked for no encryption, so it is encrypted: worth a notice.
    pub encryption_kept: bool,
    /// Whether we made the code, or count as the maker: the side that survives wrong guesses and waits on.
    pub is_maker: bool,
    proof: Proof,
}

#[derive(Debug)]
struct Proof;

impl Established {
    pub(super) fn proven(proving: Proving, their_opening: &[u8; 32]) -> Established {
        let Proving { is_maker, keys, mode, opening, ours, theirs, .. } = proving;
        let asked = ours.options.verify || theirs.options.verify;
        let verify_string = asked.then(|| match ours.role {
            Role::Send => keys.verify_string(&opening, their_opening),
            Role::Receive => keys.verify_string(their_opening, &opening),
        });
        Established {
            secret: keys.session_secret(),
            mode,
            encryption_kept: ours.options.no_encrypt != theirs.options.no_encrypt,
            both_can: ours.can() & theirs.can(),
            ours,
            theirs,
            verify_string,
            is_maker,
            proof: Proof,
        }
    }

    /// Seals and opens the records of the connection this pairing ran over: the session's first lane.
    #[must_use]
    pub fn first_lane(&self) -> (Sealer, Opener) {
        let Proof = self.proof;
        let (sender_nonce, receiver_nonce) = match self.ours.role {
            Role::Send => (self.ours.nonce, self.theirs.nonce),
            Role::Receive => (self.theirs.nonce, self.ours.nonce),
        };
        self.secret.lane(&LaneContext {
            mode: self.mode,
            lane: 0,
            role: self.ours.role,
            sender_nonce,
            receiver_nonce,
        })
    }
}
