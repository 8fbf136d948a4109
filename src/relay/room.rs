//! The names of rooms.

use std::fmt;

use super::limits::ROOM_BYTES_MAX;

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
}
