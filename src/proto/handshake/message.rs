//! The messages of a pairing and their bytes.
//!
//! ```text
//! "p2pc" (4) ‖ version (1) ‖ postcard of Message
//!
//! First    00 ‖ role ‖ made ‖ nonce (32) ‖ no_encrypt ‖ verify ‖ ciphers ‖ capabilities (varint) ‖ app (length, text)
//!             ‖ PAKE element (32) ‖ commitment (32)
//! Confirm  01 ‖ mac (32) ‖ opening (32)
//! Refuse   02 ‖ reason
//! Rejoin   03 ‖ role ‖ lane ‖ nonce (32)         of two sides that paired before: see `proto::rejoin`
//! ```
//!
//! Variants are only ever added at the end, and what a side can do beyond this version is a bit of
//! `capabilities`, where unknown bits mean nothing. Anything else that changes these bytes is another
//! version.

use serde::{Deserialize, Serialize};

use super::capabilities::Capabilities;
use super::fault::{Fault, Malformed};
use super::{Params, Role};
use crate::proto::seal::Ciphers;

/// The version of everything both ends must agree on.
pub const VERSION: u8 = 1;

/// The longest message of a pairing. The longest real one has some 250 bytes.
pub const MESSAGE_MAX: usize = 512;

/// The longest version text of a program.
pub const APP_BYTES_MAX: usize = 64;

/// The capability bit of a side that lost the connection of its session and looks for a peer that was started
/// again. Two of them do not pair: they find each other by the keys they have.
pub const IN_SESSION: u64 = 1;

/// What every message of a pairing starts with, so that strangers in a room are told from other versions.
const MAGIC: &[u8; 4] = b"p2pc";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::proto) enum Message {
    First(First),
    Confirm(Confirm),
    Refuse(Reason),
    Rejoin(Rejoin),
}

/// What each side sends at once in a lane's room. It proves nothing: the first record does.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::proto) struct Rejoin {
    pub(in crate::proto) role: Role,
    pub(in crate::proto) lane: u8,
    /// Fresh for this connection.
    pub(in crate::proto) nonce: [u8; 32],
}

/// What each side sends at once.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::proto) struct First {
    pub(super) hello: Hello,
    pub(super) pake: [u8; 32],
    /// Hash of the opening that the confirmation brings. Since both are bound before either is known, nobody
    /// in between can search for a pair of keys with the same verify string.
    pub(super) commitment: [u8; 32],
}

/// The proof that the sender of it has the same key.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::proto) struct Confirm {
    pub(super) mac: [u8; 32],
    pub(super) opening: [u8; 32],
}

/// What a side says of itself. Part of what both confirm, so none of it can be changed on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Which end it is.
    pub role: Role,
    /// Whether it made the code.
    pub made: bool,
    /// Fresh for this connection.
    pub nonce: [u8; 32],
    /// What its person asked for.
    pub options: Options,
    /// What it can seal with.
    pub ciphers: Ciphers,
    /// What else it says of itself, see [`IN_SESSION`] and [`Capabilities`]; unknown bits mean nothing.
    pub capabilities: u64,
    /// The version of the program, printable ASCII.
    pub app: String,
}

/// What a person asked for that both sides must know of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Do not encrypt the content; takes both sides.
    pub no_encrypt: bool,
    /// Show both people a string to compare; takes one side.
    pub verify: bool,
}

/// Why a side does not go on. A courtesy that anybody on the way can forge: nothing is decided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The confirmation was not valid.
    WrongCode,
    /// Both sides send, or both receive.
    Role,
    /// The other version is not understood.
    Version,
    /// The session is running with somebody else.
    Busy,
    /// Both sides claim to have made the code.
    BothMade,
    /// No cipher is known to both sides.
    Cipher,
}

/// The message that tells the other side why we do not go on.
#[must_use]
pub fn refusal(reason: Reason) -> Vec<u8> {
    Message::Refuse(reason).encode()
}

impl Message {
    pub(in crate::proto) fn encode(&self) -> Vec<u8> {
        let start = [MAGIC.as_slice(), &[VERSION]].concat();
        // Writing plain data to a growing buffer has no way to fail; if it had, the other side would refuse
        // an empty message.
        postcard::to_extend(self, start).unwrap_or_default()
    }

    pub(in crate::proto) fn decode(bytes: &[u8]) -> Result<Message, Fault> {
        if bytes.len() > MESSAGE_MAX {
            return Err(Fault::Malformed(Malformed::TooLong));
        }
        let Some((&theirs, body)) = bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first) else {
            return Err(Fault::Malformed(Malformed::Stranger));
        };
        if theirs != VERSION {
            return Err(Fault::Incompatible { ours: VERSION, theirs });
        }
        match postcard::take_from_bytes::<Message>(body) {
            Ok((message, [])) if message.is_in_bounds() => Ok(message),
            Ok(_) | Err(_) => Err(Fault::Malformed(Malformed::Undecodable)),
        }
    }

    /// Whether texts, which may reach a terminal, are short and printable.
    fn is_in_bounds(&self) -> bool {
        match self {
            Message::First(First { hello, .. }) => {
                hello.app.len() <= APP_BYTES_MAX && hello.app.chars().all(is_printable)
            }
            Message::Confirm(_) | Message::Refuse(_) | Message::Rejoin(_) => true,
        }
    }
}

impl Hello {
    pub(super) fn new(params: &Params<'_>) -> Hello {
        Hello {
            role: params.role,
            made: params.made,
            nonce: params.nonce,
            options: params.options,
            ciphers: params.ciphers,
            capabilities: params.capabilities.bits() | if params.in_session { IN_SESSION } else { 0 },
            app: params.app.chars().filter(|&char| is_printable(char)).take(APP_BYTES_MAX).collect(),
        }
    }

    /// Whether it still has a session of this code, whose connection it lost.
    #[must_use]
    pub fn is_in_session(&self) -> bool {
        self.capabilities & IN_SESSION != 0
    }

    /// What it can do, as far as that means anything to this program.
    #[must_use]
    pub fn can(&self) -> Capabilities {
        Capabilities::of(self.capabilities)
    }
}

fn is_printable(char: char) -> bool {
    char == ' ' || char.is_ascii_graphic()
}
