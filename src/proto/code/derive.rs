//! From a code to the room the relay sees and the password the pairing proves.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::proto::kdf::{Kdf, hex};

/// What follows from a code.
pub struct Derived {
    /// The room: what the relay pairs on. Not secret.
    pub room: String,
    /// What both sides prove to know, without ever sending it.
    pub password: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // For one's own code even the room would do to test guesses on.
        f.write_str("Derived(..)")
    }
}

/// The two parts of a generated code are independent, and each is taken as it is.
pub(super) fn generated(room: &str, secret: &str) -> Derived {
    Derived { room: room.to_owned(), password: Zeroizing::new(secret.as_bytes().to_vec()) }
}

/// The relay sees the room that follows from the text, and can test guesses on it. So each guess shall cost
/// as much as an honest person can bear: one Argon2id, from which both room and password are expanded under
/// separate labels.
pub(super) fn own(text: &str) -> Result<Derived> {
    let mut stretched = Zeroizing::new([0; STRETCHED_BYTES]);
    Params::new(MEMORY_KIB, PASSES, ONE_LANE, Some(STRETCHED_BYTES))
        .and_then(|params| {
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
                text.as_bytes(),
                SALT,
                &mut *stretched,
            )
        })
        .map_err(|error| {
            Error::new(Kind::Internal, "cannot derive keys from the code")
                .caused_by(error.to_string())
                .hint("It takes 64 MiB of memory for a moment; a generated code does without.")
        })?;
    let keys = Kdf::new(SALT, &*stretched);
    let room = hex(&*keys.expand::<ROOM_BYTES>(b"room"));
    let password = Zeroizing::new(keys.expand::<PASSWORD_BYTES>(b"password").to_vec());
    Ok(Derived { room, password })
}

/// A fixed salt: both sides must arrive at the same room knowing the code alone. It keeps tables made for
/// other programs from serving here.
const SALT: &[u8] = b"p2pc v1 own code";

/// 64 MiB: dear on the cards that try passwords, and still there on a small server.
const MEMORY_KIB: u32 = 64 * 1024;

/// With 64 MiB, three passes are about 150 ms of one core: the wait nobody notices while dialling.
const PASSES: u32 = 3;

/// One lane, so that the result takes equally long everywhere.
const ONE_LANE: u32 = 1;

/// Argon2's output, from which everything else is expanded.
const STRETCHED_BYTES: usize = 64;

/// 40 hexadecimal digits: never a generated code's room, and no two codes share one.
const ROOM_BYTES: usize = 20;

const PASSWORD_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::*;

    fn derive(text: &str) -> Derived {
        Code::parse(text, false).unwrap().0.derive().unwrap()
    }

    #[test]
    fn a_generated_code_gives_its_room_and_its_words() {
        let derived = derive("48213 Acid Crane Otter");
        assert_eq!(derived.room, "48213");
        assert_eq!(derived.password.as_slice(), b"acid-crane-otter");
    }

    #[test]
    fn ones_own_code_gives_the_golden_room_and_password() {
        let derived = derive("Seven blue herons wade@relay.example");
        assert_eq!(derived.room, GOLDEN_ROOM);
        assert_eq!(*derived.password, GOLDEN_PASSWORD);
        assert!(derived.room.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn debug_shows_neither() {
        assert_eq!(format!("{:?}", derive("48213-acid-crane-otter")), "Derived(..)");
    }

    /// Made by `tests/vectors/code.py`, which uses other implementations.
    const GOLDEN_ROOM: &str = "c08f28a0cfe6e6bd7a3cd5c4340180a67f026949";
    const GOLDEN_PASSWORD: [u8; PASSWORD_BYTES] = [
        0x87, 0x50, 0xbd, 0x02, 0xd9, 0x88, 0xc1, 0x6a, 0xb5, 0x52, 0x2c, 0x6c, 0xc2, 0x07, 0x80, 0x82, 0x62,
        0x9d, 0xe6, 0xdf, 0x21, 0xc1, 0x1c, 0x94, 0x50, 0xac, 0xb4, 0x43, 0xa6, 0x09, 0xa7, 0x87,
    ];
}
