//! Why somebody is not let in: one plain list, for answers, for the log and for whoever counts.

/// Why somebody gets no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody alive has this seat.
    Taken,
    /// A fresh room was asked for, and somebody is in it.
    RoomOccupied,
    /// Neither of the two in this room would have shown a token.
    NoToken,
    /// There are as many rooms as there may be.
    TooManyRooms,
    /// In as many rooms as may be somebody waits.
    TooManyWaiting,
    /// As many pairs as may be are joined.
    TooManySessions,
    /// As many as may wait without a token do.
    TooManyGuests,
    /// There are as many connections as there may be.
    TooManyConnections,
    /// This address has as many connections as it may have.
    AddressConnections,
    /// This address has connected too often.
    AddressArrivals {
        /// When it may connect again, in seconds.
        again_s: u64,
    },
    /// This address has asked for seats too often.
    AddressJoins {
        /// When it may ask again, in seconds.
        again_s: u64,
    },
    /// This address has opened too many rooms.
    AddressRooms {
        /// When it may open one again, in seconds.
        again_s: u64,
    },
    /// The relay is about to end.
    GoingAway,
}

impl Refusal {
    /// After how many seconds it is worth while to ask again, where waiting is what helps.
    #[must_use]
    pub fn again_s(self) -> Option<u64> {
        match self {
            Refusal::AddressArrivals { again_s }
            | Refusal::AddressJoins { again_s }
            | Refusal::AddressRooms { again_s } => Some(again_s),
            Refusal::TooManyRooms
            | Refusal::TooManyWaiting
            | Refusal::TooManySessions
            | Refusal::TooManyGuests
            | Refusal::TooManyConnections
            | Refusal::AddressConnections => Some(FULL_AGAIN_S),
            Refusal::NoToken => Some(GUEST_AGAIN_S),
            Refusal::GoingAway => Some(GOING_AWAY_AGAIN_S),
            Refusal::Taken | Refusal::RoomOccupied => None,
        }
    }
}

/// When there may be a place again: somebody leaves a full relay every few seconds.
const FULL_AGAIN_S: u64 = 10;

/// When somebody else may be in the room: a stranger without a token keeps out others without one, and must not keep them out for good. So often
/// that whoever has a token does not wait long for who has none, and so seldom that it is a small part of what an address may ask for.
const GUEST_AGAIN_S: u64 = 5;

/// When there is another relay in the place of one that ends: a restart takes a second.
const GOING_AWAY_AGAIN_S: u64 = 2;
