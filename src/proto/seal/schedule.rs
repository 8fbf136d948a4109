//! Which key seals what: everything that tells two streams of records apart goes into their keys.

use std::fmt;

use zeroize::Zeroizing;

use super::record::{Opener, Sealer};
use super::{Mode, cipher};
use crate::proto::kdf::{Kdf, hex};
use crate::proto::role::Role;

/// What both sides of a session share once each has proved that it knows the code. Wiped when dropped.
#[derive(Clone)]
pub struct SessionSecret(Zeroizing<[u8; 32]>);

impl SessionSecret {
    pub(in crate::proto) fn new(secret: Zeroizing<[u8; 32]>) -> SessionSecret {
        SessionSecret(secret)
    }

    /// The two ends of a lane: what seals the records we send on it, and what opens those we get.
    #[must_use]
    pub fn lane(&self, context: &LaneContext) -> (Sealer, Opener) {
        let ours = self.first_key(context, context.role);
        let theirs = self.first_key(context, context.role.other());
        (Sealer::new(context.mode, ours), Opener::new(context.mode, theirs))
    }

    /// The room in which both sides look for each other when the connection of a lane was lost. Only they can
    /// know it, and it says nothing of the secret.
    #[must_use]
    pub fn lane_room(&self, lane: u8) -> String {
        hex(&*Kdf::new(SALT, &*self.0).expand_with::<20>(b"lane room", &[lane]))
    }

    /// The key that the chain of records from `from` starts with.
    fn first_key(&self, context: &LaneContext, from: Role) -> cipher::Key {
        let mut info = [0; 3 + 32 + 32];
        info[0] = mode_byte(context.mode);
        info[1] = context.lane;
        info[2] = direction_byte(from);
        info[3..35].copy_from_slice(&context.sender_nonce);
        info[35..].copy_from_slice(&context.receiver_nonce);
        Kdf::new(SALT, &*self.0).expand_with(b"record key", &info)
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(..)")
    }
}

/// What tells one connection's records from those of every other.
#[derive(Clone, Debug)]
pub struct LaneContext {
    /// What seals them.
    pub mode: Mode,
    /// The lane's number; the first is 0.
    pub lane: u8,
    /// Which end we are.
    pub role: Role,
    /// The sender's fresh nonce of this connection.
    pub sender_nonce: [u8; 32],
    /// The receiver's fresh nonce of this connection.
    pub receiver_nonce: [u8; 32],
}

/// The key after `key` in its chain. There is no way back: whoever takes the new one cannot open older
/// records.
pub(super) fn next_key(key: &cipher::Key) -> cipher::Key {
    Kdf::new(SALT, &**key).expand(b"next record key")
}

fn mode_byte(mode: Mode) -> u8 {
    match mode {
        Mode::Aes256Gcm => 1,
        Mode::ChaCha20Poly1305 => 2,
        Mode::Tagged => 3,
    }
}

fn direction_byte(from: Role) -> u8 {
    match from {
        Role::Send => 1,
        Role::Receive => 2,
    }
}

const SALT: &[u8] = b"p2pc v1 records";

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> LaneContext {
        LaneContext {
            mode: Mode::Aes256Gcm,
            lane: 0,
            role: Role::Send,
            sender_nonce: [1; 32],
            receiver_nonce: [2; 32],
        }
    }

    fn key(context: &LaneContext, from: Role) -> [u8; 32] {
        *SessionSecret::new(Zeroizing::new([7; 32])).first_key(context, from)
    }

    #[test]
    fn whatever_differs_changes_the_key() {
        let base = context();
        let mut keys = vec![
            key(&base, Role::Send),
            key(&base, Role::Receive),
            key(&LaneContext { mode: Mode::ChaCha20Poly1305, ..base.clone() }, Role::Send),
            key(&LaneContext { mode: Mode::Tagged, ..base.clone() }, Role::Send),
            key(&LaneContext { lane: 1, ..base.clone() }, Role::Send),
            key(&LaneContext { sender_nonce: [3; 32], ..base.clone() }, Role::Send),
            key(&LaneContext { receiver_nonce: [3; 32], ..base.clone() }, Role::Send),
            *SessionSecret::new(Zeroizing::new([8; 32])).first_key(&base, Role::Send),
            *next_key(&Zeroizing::new(key(&base, Role::Send))),
        ];
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn both_ends_arrive_at_the_same_key() {
        let receiver = LaneContext { role: Role::Receive, ..context() };
        assert_eq!(key(&context(), Role::Send), key(&receiver, Role::Send));
    }

    #[test]
    fn keys_are_the_golden_ones() {
        let first = key(&context(), Role::Send);
        assert_eq!(first, GOLDEN_FIRST);
        assert_eq!(*next_key(&Zeroizing::new(first)), GOLDEN_NEXT);
    }

    #[test]
    fn the_room_of_a_lane_is_golden_and_its_own() {
        let secret = SessionSecret::new(Zeroizing::new([7; 32]));
        assert_eq!(secret.lane_room(0), GOLDEN_ROOMS[0]);
        assert_eq!(secret.lane_room(15), GOLDEN_ROOMS[1]);
        assert_ne!(SessionSecret::new(Zeroizing::new([8; 32])).lane_room(0), GOLDEN_ROOMS[0]);
    }

    /// Made by `tests/vectors/seal.py`, which uses other implementations; so is what follows.
    const GOLDEN_ROOMS: [&str; 2] =
        ["c1fa1e5b74c68fd7fb02f82874c5aa9b8300b8c8", "3862b0c3684d36b17b79e7ea5e7d7d3a7d54c624"];
    const GOLDEN_FIRST: [u8; 32] = [
        0xbe, 0x87, 0x0a, 0x78, 0xfe, 0x33, 0x61, 0x87, 0xf5, 0x98, 0x39, 0xaf, 0x10, 0x2b, 0xdc, 0x62, 0xae,
        0x75, 0xc2, 0xa0, 0x25, 0x11, 0xec, 0xdc, 0x37, 0x54, 0x3b, 0xc9, 0xae, 0x7b, 0xdb, 0x42,
    ];
    const GOLDEN_NEXT: [u8; 32] = [
        0x4f, 0x2f, 0x04, 0xb1, 0x2c, 0x97, 0x56, 0xb5, 0xda, 0xac, 0xae, 0xa1, 0x72, 0x25, 0xb3, 0x17, 0x99,
        0x35, 0x92, 0xb3, 0xa2, 0x24, 0xd7, 0x1a, 0xb7, 0x5e, 0x47, 0x2c, 0x5b, 0xe9, 0x9e, 0x09,
    ];
}
