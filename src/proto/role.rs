//! The two ends of a session.

use serde::{Deserialize, Serialize};

/// Which end of a session somebody is. There is exactly one of each, and no message works in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Offers files.
    Send,
    /// Takes them.
    Receive,
}

impl Role {
    /// The role of the other end.
    #[must_use]
    pub fn other(self) -> Role {
        match self {
            Role::Send => Role::Receive,
            Role::Receive => Role::Send,
        }
    }

    /// The role of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Role> {
        [Role::Send, Role::Receive].into_iter().find(|role| role.as_str() == word)
    }

    /// `send` or `receive`: the word for it in keys and addresses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Send => "send",
            Role::Receive => "receive",
        }
    }
}
