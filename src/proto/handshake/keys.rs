//! What is computed from the shared key and the transcript of a pairing.

use rand_core::{CryptoRng, RngCore};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Role;
use crate::proto::kdf::{Kdf, SeedStream};
use crate::proto::seal::SessionSecret;

/// HKDF-SHA256 of the PAKE's key, salted with the hash of the transcript. Everything from here on depends on
/// every byte of it.
pub(super) struct PairingKeys(Kdf);

impl PairingKeys {
    /// `sender_first` and `receiver_first` are the first messages exactly as they were sent: hello and PAKE
    /// message.
    pub(super) fn new(room: &str, sender_first: &[u8], receiver_first: &[u8], shared: &[u8]) -> PairingKeys {
        let mut transcript = Sha256::new();
        for part in [b"p2pc v1 pairing", room.as_bytes(), sender_first, receiver_first] {
            transcript.update((part.len() as u64).to_le_bytes());
            transcript.update(part);
        }
        PairingKeys(Kdf::new(&transcript.finalize(), shared))
    }

    /// The confirmation of one side: an HMAC (which one block of HKDF is) that only who has the key can
    /// compute. Each role has its own, so that none can be sent back as an answer.
    pub(super) fn mac(&self, role: Role) -> Zeroizing<[u8; 32]> {
        self.0.expand(match role {
            Role::Send => b"confirm: sender",
            Role::Receive => b"confirm: receiver",
        })
    }

    pub(super) fn session_secret(&self) -> SessionSecret {
        SessionSecret::new(self.0.expand(b"session secret"))
    }

    /// Nine digits that both people compare. Both openings were committed to before either was known, so that
    /// somebody in between, who has a key with each side, has one chance in 10^9 and cannot search for a
    /// better one.
    pub(super) fn verify_string(&self, sender_opening: &[u8; 32], receiver_opening: &[u8; 32]) -> String {
        let openings = Zeroizing::new([*sender_opening, *receiver_opening].concat());
        let number = u64::from_le_bytes(*self.0.expand_with(b"verify string", &openings)) % 1_000_000_000;
        format!("{:03} {:03} {:03}", number / 1_000_000, number / 1_000 % 1_000, number % 1_000)
    }
}

/// This side's contribution to the verify string. Follows from the seed, apart from the PAKE's secret.
pub(super) fn opening(seed: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    SeedStream::new("p2pc v1 verify opening", seed).take()
}

/// What binds a side to its opening without telling it.
pub(super) fn commitment(opening: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(b"p2pc v1 commitment").chain_update(opening).finalize().into()
}

/// The PAKE message as the crate wants it: the byte that names the side, then the group element.
pub(super) fn with_side(role: Role, element: &[u8; 32]) -> Vec<u8> {
    let side = match role {
        Role::Send => b'A',
        Role::Receive => b'B',
    };
    [&[side], element.as_slice()].concat()
}

/// The PAKE's randomness, from a seed.
pub(super) struct SeededRng(SeedStream);

impl SeededRng {
    pub(super) fn new(seed: &[u8; 32]) -> SeededRng {
        SeededRng(SeedStream::new("p2pc v1 pake scalar", seed))
    }
}

impl RngCore for SeededRng {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(*self.0.take())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(*self.0.take())
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill(out);
        Ok(())
    }
}

impl CryptoRng for SeededRng {}
