//! Coming back: how the two sides of a session whose connection was lost prove to each other, on a new one,
//! that they are those sides.
//!
//! ```text
//! both, at once            Rejoin{role, lane, nonce}     anybody can say it; with both nonces the keys of this connection are known
//! both, as it arrives      record 0: Received{frames}    only who has the session secret can seal it
//! ```
//!
//! Each step is a type of its own, so that none can be left out: [`Rejoin`] → [`Unproven`] → [`Proven`]. The
//! keys depend on a nonce of ours that was never used before: what was recorded on an earlier connection
//! opens nothing here. Whoever fails is a [`Stranger`]: the lane's room is nobody's secret from the relay, so
//! this happens, costs nothing, and is no guess.

use std::fmt;

use super::frame::Aside;
use super::handshake::{self, Message};
use super::role::Role;
use super::seal::{LaneContext, Mode, Opener, Sealer, SessionSecret};
use crate::defects::{self, Defect};
use crate::error::Result;

/// Our message is out, the other's is awaited.
#[derive(Debug)]
pub struct Rejoin {
    secret: SessionSecret,
    mode: Mode,
    lane: u8,
    role: Role,
    nonce: [u8; 32],
}

/// The keys are known. Nothing is known of the other side.
#[derive(Debug)]
pub struct Unproven {
    sealer: Sealer,
    opener: Opener,
}

/// The other side is that of our session, and told how much it has.
#[derive(Debug)]
pub struct Proven {
    /// Seals what we say next on this connection.
    pub sealer: Sealer,
    /// Opens what the other side says next.
    pub opener: Opener,
    /// How many data and control frames of ours have come to it on this lane.
    pub frames: u64,
}

/// Whoever is there is not the other side of our session, or what it says was altered on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// What it said is no message of one who comes back.
    Unintelligible,
    /// It has our role, or said what we said.
    Reflected,
    /// It looks for another lane.
    OtherLane,
    /// Its first record does not open, or does not say how much has come.
    Unproven,
}

impl Rejoin {
    /// Begins on a new connection in the room of this lane. `nonce` comes fresh from the system's random
    /// source. The second value is the first message: send it at once, without waiting for the other's.
    #[must_use]
    pub fn new(
        secret: SessionSecret,
        mode: Mode,
        lane: u8,
        role: Role,
        nonce: [u8; 32],
    ) -> (Rejoin, Vec<u8>) {
        let nonce = if defects::has(Defect::NonceReused) { [role as u8; 32] } else { nonce };
        let message = Message::Rejoin(handshake::Rejoin { role, lane, nonce }).encode();
        (Rejoin { secret, mode, lane, role, nonce }, message)
    }

    /// Takes the other side's message.
    ///
    /// # Errors
    /// It is a stranger: close the connection and look again.
    pub fn handle(self, message: &[u8]) -> Result<Unproven, Stranger> {
        let Ok(Message::Rejoin(theirs)) = Message::decode(message) else {
            return Err(Stranger::Unintelligible);
        };
        if theirs.role == self.role || theirs.nonce == self.nonce {
            return Err(Stranger::Reflected);
        }
        if theirs.lane != self.lane {
            return Err(Stranger::OtherLane);
        }
        let (sender_nonce, receiver_nonce) = match self.role {
            Role::Send => (self.nonce, theirs.nonce),
            Role::Receive => (theirs.nonce, self.nonce),
        };
        let context =
            LaneContext { mode: self.mode, lane: self.lane, role: self.role, sender_nonce, receiver_nonce };
        let (sealer, opener) = self.secret.lane(&context);
        Ok(Unproven { sealer, opener })
    }
}

impl Unproven {
    /// Our first record, which proves us to the other side: send it at once. `frames` is how many have come
    /// to us on this lane.
    ///
    /// # Errors
    /// Kind `Internal`, when it cannot be sealed: never in practice.
    pub fn prove(&mut self, frames: u64) -> Result<Vec<u8>> {
        let mut record = Aside::Received { frames }.encode()?;
        self.sealer.seal_in_place(&mut record, 0)?;
        Ok(record)
    }

    /// Takes the other side's first record. Nothing else may be sealed before.
    ///
    /// # Errors
    /// It is a stranger: close the connection and look again.
    pub fn handle(mut self, record: &mut [u8]) -> Result<Proven, Stranger> {
        let frame = self.opener.open_in_place(record).map_err(|_| Stranger::Unproven)?;
        let Some(Aside::Received { frames }) = Aside::peek(frame) else { return Err(Stranger::Unproven) };
        Ok(Proven { sealer: self.sealer, opener: self.opener, frames })
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stranger::Unintelligible => "somebody else is in the room of our lane",
            Stranger::Reflected => "what we said came back",
            Stranger::OtherLane => "the other side looks for another lane",
            Stranger::Unproven => "somebody in the room of our lane cannot prove that it is the other side",
        })
    }
}

impl std::error::Error for Stranger {}

#[cfg(test)]
mod tests;
