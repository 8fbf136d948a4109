//! Why somebody was refused, and why a connection ended, in one word each: the words of the log and of the measurements. They stay as they
//! are, since people's alarms name them.

use super::refusal::Refusal;

/// Words that are counted one by one.
pub trait Reason: Copy + 'static {
    /// All of them, each at its own place.
    const ALL: &'static [Self];

    /// As it is written.
    fn word(self) -> &'static str;

    /// Its place in [`Reason::ALL`].
    fn place(self) -> usize;
}

/// An enum whose variants have words.
macro_rules! reasons {
    ($(#[$page:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$page])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$about])* $variant,)*
        }

        impl Reason for $name {
            const ALL: &'static [$name] = &[$($name::$variant),*];

            fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}

reasons! {
    /// Why somebody got no seat.
    Refused {
        /// What was asked for is nothing that a relay knows, or not asked for as it has to be.
        BadRequest = "bad_request",
        /// No such path, or a room that is not served here.
        NotFound = "not_found",
        /// What was shown is no token that is known here.
        UnknownToken = "unknown_token",
        /// More headers than a request may have.
        TooLarge = "too_large",
        /// The request did not come in time.
        TooSlow = "too_slow",
        /// Somebody alive has this seat.
        Taken = "taken",
        /// A room of one's own was asked for, and somebody is in it.
        Occupied = "occupied",
        /// Neither of two has shown a token.
        NoToken = "no_token",
        /// There are as many rooms as there may be.
        Rooms = "rooms",
        /// In as many rooms as may be somebody waits.
        Waiting = "waiting",
        /// As many pairs as may be are joined.
        Sessions = "sessions",
        /// As many as may wait without a token do.
        Guests = "guests",
        /// There are as many connections as there may be.
        Connections = "connections",
        /// This address has as many connections as it may have.
        AddressConnections = "address_connections",
        /// This address has connected too often.
        AddressArrivals = "address_arrivals",
        /// This address has asked for seats too often.
        AddressJoins = "address_joins",
        /// This address has opened too many rooms.
        AddressRooms = "address_rooms",
        /// As many fetch the client as may.
        Downloads = "downloads",
        /// As many at this address fetch the client as may.
        AddressDownloads = "address_downloads",
        /// The relay is about to end.
        GoingAway = "going_away",
    }
}

reasons! {
    /// Why a client's connection ended.
    Ended {
        /// It said goodbye.
        Left = "left",
        /// Its stream ended or broke without a word.
        Lost = "lost",
        /// It broke the protocol.
        Protocol = "protocol",
        /// It was silent, and a newcomer asked for its seat.
        Yielded = "yielded",
        /// It was silent for too long.
        Silent = "silent",
        /// It was paired, and said nothing to the other side.
        Wordless = "wordless",
        /// It waited alone for as long as it may.
        WaitedTooLong = "waited_too_long",
        /// It was paired, and neither side said anything for a long time.
        Idle = "idle",
        /// It was paired, and the two have said as much as they may.
        Spent = "spent",
        /// The relay ends.
        GoingAway = "going_away",
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        match refusal {
            Refusal::Taken => Refused::Taken,
            Refusal::RoomOccupied => Refused::Occupied,
            Refusal::NoToken => Refused::NoToken,
            Refusal::TooManyRooms => Refused::Rooms,
            Refusal::TooManyWaiting => Refused::Waiting,
            Refusal::TooManySessions => Refused::Sessions,
            Refusal::TooManyGuests => Refused::Guests,
            Refusal::TooManyConnections => Refused::Connections,
            Refusal::AddressConnections => Refused::AddressConnections,
            Refusal::AddressArrivals { .. } => Refused::AddressArrivals,
            Refusal::AddressJoins { .. } => Refused::AddressJoins,
            Refusal::AddressRooms { .. } => Refused::AddressRooms,
            Refusal::GoingAway => Refused::GoingAway,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_words<R: Reason>() {
        let mut seen = std::collections::BTreeSet::new();
        for (place, reason) in R::ALL.iter().enumerate() {
            assert_eq!(reason.place(), place);
            assert!(reason.word().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(seen.insert(reason.word()), "{}", reason.word());
        }
    }

    #[test]
    fn every_reason_has_a_word_and_a_place_of_its_own() {
        are_words::<Refused>();
        are_words::<Ended>();
    }
}
