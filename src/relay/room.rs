//! The names of rooms.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::ROOM_BYTES_MAX;
use crate::{Error, Kind, Result};

/// The name of a room: 1 to 128 characters of `[A-Za-z0-9_-]`. Never logged, so its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomName(Box<str>);

impl RoomName {
    /// The name, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<RoomName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let good = (1..=ROOM_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed);
        good.then(|| RoomName(text.into()))
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomName(..)")
    }
}

/// The rooms that an embedded relay serves, and no others: those of its own session. Clones share one set, which follows the session: the
/// code's room is there from the beginning, the rooms of its lanes only once there are keys to derive them from.
#[derive(Clone, Debug, Default)]
pub struct Rooms(Arc<Mutex<BTreeSet<RoomName>>>);

impl Rooms {
    /// Serves this room from now on.
    ///
    /// # Errors
    /// Kind `Internal`, when no room can be called so: p2pc makes these names itself.
    pub fn admit(&self, name: &str) -> Result<()> {
        // The name is a secret of the session: it is not shown.
        let bad = || Error::new(Kind::Internal, "a room of the session has a bad name");
        let name = RoomName::parse(name).ok_or_else(bad)?;
        self.lock().insert(name);
        Ok(())
    }

    /// Serves this room no longer. Who is in it stays.
    pub fn dismiss(&self, name: &str) {
        self.lock().retain(|room| *room.0 != *name);
    }

    /// Whether this room is served.
    #[must_use]
    pub fn has(&self, name: &RoomName) -> bool {
        self.lock().contains(name)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<RoomName>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        let longest = "x".repeat(ROOM_BYTES_MAX);
        for good in ["4", "48213", "a-B_9", longest.as_str()] {
            assert!(RoomName::parse(good).is_some(), "{good}");
        }
        let too_long = format!("{longest}x");
        for bad in ["", "a b", "a/b", "%41", "ä", "a.b", "..", too_long.as_str()] {
            assert!(RoomName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_name_does_not_show_itself() {
        assert_eq!(format!("{:?}", RoomName::parse("48213")), "Some(RoomName(..))");
    }

    #[test]
    fn rooms_come_and_go_for_every_clone() {
        let rooms = Rooms::default();
        let seen = rooms.clone();
        let name = RoomName::parse("48213").unwrap();
        assert!(!seen.has(&name));
        rooms.admit("48213").unwrap();
        rooms.admit("other").unwrap();
        assert!(seen.has(&name));
        rooms.dismiss("48213");
        assert!(!seen.has(&name));
        assert!(seen.has(&RoomName::parse("other").unwrap()));
        assert_eq!(rooms.admit("a b").unwrap_err().kind(), Kind::Internal);
    }
}
