//! Records: what crosses the relay, sealed so that it can be neither read nor altered on the way.
//!
//! ```text
//! session secret ──HKDF(mode, lane, direction, both nonces)──► key 0 ──► key 1 ──► …   one chain per lane and direction
//!
//! record = ciphertext (1..=FRAME_BYTES_MAX bytes) ‖ tag (16 bytes)
//! ```
//!
//! The number of a record is nowhere in it: both sides count, and the number is the nonce. So a record that
//! is dropped, repeated, moved, cut, or taken from another lane or direction does not open, and the first
//! that does not open ends the lane: its [`Opener`] never opens anything again.

mod cipher;
mod record;
mod schedule;
#[cfg(any(test, feature = "sim"))]
pub mod witness;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use cipher::is_fast;
pub use record::{OpenError, Opener, SealError, Sealer};
pub use schedule::{LaneContext, SessionSecret};

use super::limits::FRAME_BYTES_MAX;

/// What sealing adds to a record.
pub const TAG_BYTES: usize = 16;

/// The longest record on the wire: the longest frame, sealed. Anything longer is refused unread.
pub const RECORD_MAX: usize = FRAME_BYTES_MAX + TAG_BYTES;

/// The shortest record on the wire: one byte of content and the tag. Empty records are never sent.
pub const RECORD_MIN: usize = TAG_BYTES + 1;

/// What seals the records of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// AES-256-GCM.
    Aes256Gcm,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
    /// Readable, but tagged with a keyed BLAKE3: both sides asked for no encryption.
    Tagged,
}

impl Mode {
    /// What both sides use, from what both said: the tag alone where both asked for no encryption, else AES where both
    /// have it in hardware, else the other. `None` where one side lists no cipher that the other has.
    #[doc(hidden)]
    #[must_use]
    pub fn agree(both_ask_no_encrypt: bool, ours: Ciphers, theirs: Ciphers) -> Option<Mode> {
        let both = |cipher| ours.lists(cipher) && theirs.lists(cipher);
        if both_ask_no_encrypt {
            Some(Mode::Tagged)
        } else if both(Ciphers::AES_256_GCM) {
            Some(Mode::Aes256Gcm)
        } else if both(Ciphers::CHACHA20_POLY1305) {
            Some(Mode::ChaCha20Poly1305)
        } else {
            None
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Aes256Gcm => "AES-256-GCM",
            Mode::ChaCha20Poly1305 => "ChaCha20-Poly1305",
            Mode::Tagged => "BLAKE3 tags, not encrypted",
        })
    }
}

/// The ciphers a side is ready to use, one bit each. Bits that this version does not know are kept and mean
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ciphers(u8);

impl Ciphers {
    /// AES-256-GCM, to be listed only where the processor has it: in software it is slow, and on some
    /// processors its timing tells of the key.
    pub const AES_256_GCM: Ciphers = Ciphers(1);

    /// ChaCha20-Poly1305: every version has it.
    pub const CHACHA20_POLY1305: Ciphers = Ciphers(2);

    /// What this machine lists. Looks at the processor only.
    #[must_use]
    pub fn here() -> Ciphers {
        if hardware_aes() {
            Ciphers::AES_256_GCM.with(Ciphers::CHACHA20_POLY1305)
        } else {
            Ciphers::CHACHA20_POLY1305
        }
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, others: Ciphers) -> Ciphers {
        Ciphers(self.0 | others.0)
    }

    /// Whether all of `wanted` are among these.
    #[must_use]
    pub const fn lists(self, wanted: Ciphers) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// Whether the processor has the instructions that make AES-GCM fast and its timing even.
fn hardware_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_follows_from_what_both_say() {
        let aes = Ciphers::AES_256_GCM.with(Ciphers::CHACHA20_POLY1305);
        let chacha = Ciphers::CHACHA20_POLY1305;
        assert_eq!(Mode::agree(false, aes, aes), Some(Mode::Aes256Gcm));
        assert_eq!(Mode::agree(false, aes, chacha), Some(Mode::ChaCha20Poly1305));
        assert_eq!(Mode::agree(false, chacha, aes), Some(Mode::ChaCha20Poly1305));
        assert_eq!(Mode::agree(true, aes, aes), Some(Mode::Tagged));
        assert_eq!(Mode::agree(false, Ciphers(0), aes), None);
        assert_eq!(Mode::agree(false, Ciphers(0xfc), Ciphers(0xfc)), None);
    }

    #[test]
    fn every_machine_lists_chacha() {
        assert!(Ciphers::here().lists(Ciphers::CHACHA20_POLY1305));
        assert_eq!(Ciphers::here().lists(Ciphers::AES_256_GCM), hardware_aes());
    }
}
