//! How a pairing fails, and what a person is told of it.

use std::fmt;

use super::Role;
use super::message::{Reason, refusal};
use crate::error::{Error, Kind};

/// Why a pairing ended. Whether a guess was spent is for [`super::Handshake::ended`] to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The other side does not have our code, or something between us changes what we say.
    WrongCode,
    /// Both sides have this role.
    SameRole(Role),
    /// Our own message came back.
    Reflected,
    /// Both sides claim to have made the code.
    BothMade,
    /// Both sides still have a session: they find each other elsewhere.
    BothInSession,
    /// No cipher is known to both sides.
    NoCipher,
    /// The other side speaks another version.
    Incompatible {
        /// The version we speak.
        ours: u8,
        /// The version of the message that came.
        theirs: u8,
    },
    /// What came is no message of a pairing, or not the one due.
    Malformed(Malformed),
    /// The other side says it does not go on. Not authenticated: good for a message to the person only.
    Refused(Reason),
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It does not start as every message of a pairing does.
    Stranger,
    /// It is longer than any.
    TooLong,
    /// It ends early, goes on too long, or holds values that there are not.
    Undecodable,
    /// It is not due here.
    Unexpected,
    /// Its PAKE message is no element of the group.
    Element,
}

impl Fault {
    /// What to send before closing, so that the other side's person learns why. Strangers are told nothing.
    #[must_use]
    pub fn refusal(self) -> Option<Vec<u8>> {
        match self {
            Fault::WrongCode => Some(refusal(Reason::WrongCode)),
            Fault::SameRole(_) => Some(refusal(Reason::Role)),
            Fault::BothMade => Some(refusal(Reason::BothMade)),
            Fault::NoCipher => Some(refusal(Reason::Cipher)),
            Fault::Incompatible { .. } => Some(refusal(Reason::Version)),
            Fault::BothInSession | Fault::Reflected | Fault::Malformed(_) | Fault::Refused(_) => None,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Fault::WrongCode | Fault::Reflected | Fault::Refused(Reason::WrongCode) => Kind::Authentication,
            Fault::Refused(Reason::Busy) => Kind::Refused,
            Fault::SameRole(_)
            | Fault::BothMade
            | Fault::BothInSession
            | Fault::NoCipher
            | Fault::Incompatible { .. }
            | Fault::Malformed(_)
            | Fault::Refused(Reason::Role | Reason::Version | Reason::BothMade | Reason::Cipher) => {
                Kind::Protocol
            }
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Fault::WrongCode | Fault::Refused(Reason::WrongCode) => {
                "Check every word of the code; if it is right, somebody may be trying to get in between."
            }
            Fault::Reflected => "Try another relay: this one does not behave.",
            Fault::SameRole(_) | Fault::Refused(Reason::Role) => {
                "One side runs `p2pc send`, the other `p2pc receive`."
            }
            Fault::BothMade | Fault::Refused(Reason::BothMade) => {
                "Only one side makes the code; give it to the other one."
            }
            Fault::BothInSession => "Run both commands again.",
            Fault::Incompatible { ours, theirs } if theirs > ours => "Update p2pc on this machine.",
            Fault::Incompatible { .. } => "Update p2pc on the other machine.",
            Fault::NoCipher | Fault::Refused(Reason::Version | Reason::Cipher) => {
                "Use the same version of p2pc on both machines."
            }
            Fault::Malformed(_) => "Check that the room is used by p2pc alone, and both versions.",
            Fault::Refused(Reason::Busy) => "Somebody else is using this code; ask for a new one.",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::WrongCode => f.write_str("the other side does not have the same code"),
            Fault::SameRole(Role::Send) => f.write_str("both sides are sending"),
            Fault::SameRole(Role::Receive) => f.write_str("both sides are receiving"),
            Fault::Reflected => f.write_str("our own message came back instead of the other side's"),
            Fault::BothMade => f.write_str("both sides say that they made the code"),
            Fault::BothInSession => f.write_str("both sides have a session already"),
            Fault::NoCipher => f.write_str("no cipher is known to both sides"),
            Fault::Incompatible { ours, theirs } => {
                let age = if theirs > ours { "newer" } else { "older" };
                write!(f, "the other side speaks protocol {theirs}, which is {age} than our {ours}")
            }
            Fault::Malformed(malformed) => malformed.fmt(f),
            Fault::Refused(reason) => f.write_str(match reason {
                Reason::WrongCode => "the other side says that the code is wrong",
                Reason::Role => "the other side says that it has the same role",
                Reason::Version => "the other side does not understand our version",
                Reason::Busy => "the other side is busy with somebody else",
                Reason::BothMade => "the other side says that both made the code",
                Reason::Cipher => "the other side says that there is no cipher in common",
            }),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Stranger => "what came from the other side is not of p2pc",
            Malformed::TooLong => "the other side's message is longer than any in a pairing",
            Malformed::Undecodable => "the other side's message cannot be read",
            Malformed::Unexpected => "the other side's message is out of turn",
            Malformed::Element => "the other side's message holds no valid key",
        })
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::new(fault.kind(), fault.to_string()).hint(fault.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::super::VERSION;
    use super::*;

    #[test]
    fn an_incompatible_version_says_which_side_to_update() {
        let newer = Error::from(Fault::Incompatible { ours: VERSION, theirs: VERSION + 1 });
        assert_eq!(newer.hint_text(), Some("Update p2pc on this machine."));
        assert_eq!(newer.kind().exit_status(), 10);
        let older = Error::from(Fault::Incompatible { ours: VERSION, theirs: 0 });
        assert_eq!(older.hint_text(), Some("Update p2pc on the other machine."));
    }

    #[test]
    fn a_wrong_code_ends_with_status_four() {
        assert_eq!(Error::from(Fault::WrongCode).kind().exit_status(), 4);
        assert_eq!(Error::from(Fault::Refused(Reason::WrongCode)).kind().exit_status(), 4);
    }

    #[test]
    fn strangers_get_no_answer() {
        assert_eq!(Fault::Malformed(Malformed::Stranger).refusal(), None);
        assert_eq!(Fault::Reflected.refusal(), None);
        assert_eq!(Fault::Refused(Reason::Busy).refusal(), None);
    }
}
