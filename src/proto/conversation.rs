//! The numbering of control frames and the rules for ending, the same on both sides.

use super::frame::{CancelReason, Cancelled, Control, PackedBlock, encode_control};
use crate::error::{Error, Kind};

/// One direction each way of numbered control frames.
#[derive(Debug, Default)]
pub struct Conversation {
    sent: u64,
    received: u64,
}

impl Conversation {
    /// Numbers and encodes the next control frame.
    ///
    /// # Errors
    /// Kind `Internal`, when a list was not split small enough.
    pub fn say(&mut self, control: Control<'_>) -> Result<PackedBlock, Error> {
        let buffer = encode_control(self.sent, control).map_err(|error| {
            Error::new(Kind::Internal, "a control frame was built too long").caused_by(error)
        })?;
        self.sent += 1;
        Ok(PackedBlock { buffer, start: 0, cost: 0, run: 0 })
    }

    /// Checks the number of a control frame that arrived: each comes in order and once.
    ///
    /// # Errors
    /// Kind `Protocol`, when it is not the next.
    pub fn heard(&mut self, seq: u64) -> Result<(), Error> {
        if seq != self.received {
            return Err(broken("a control frame out of order"));
        }
        self.received += 1;
        Ok(())
    }
}

/// The other side did what the protocol forbids.
#[must_use]
pub fn broken(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Protocol, format!("the other side broke the protocol: {what}")).hint(
        "Use the same version of p2pc on both sides; if it happens again, something on the way interferes.",
    )
}

/// The person saw another string than the other side shows.
#[must_use]
pub fn strings_differ() -> Error {
    Error::new(Kind::Authentication, "the strings to compare are not the same")
        .hint("Somebody may sit between the two sides. Start again with a new code.")
}

/// What a cancellation by the other side means for this one.
#[must_use]
pub fn cancelled_by_peer(cancelled: &Cancelled<'_>) -> Error {
    let what = match cancelled.reason {
        CancelReason::Declined => "the other side declined",
        CancelReason::Interrupted => "the other side interrupted the transfer",
        CancelReason::Untrusted => "the other side does not trust the connection",
        CancelReason::Disk => "the other side stopped because of its disk",
        CancelReason::Protocol => "the other side says that the protocol was broken",
        CancelReason::Internal => "the other side stopped because of a defect",
    };
    let kind = match cancelled.reason {
        CancelReason::Untrusted => Kind::Authentication,
        CancelReason::Protocol => Kind::Protocol,
        _ => Kind::Refused,
    };
    if cancelled.text.is_empty() {
        Error::new(kind, what)
    } else {
        Error::new(kind, format!("{what}: {}", cancelled.text))
    }
}

/// What to tell the other side about an error of this side. The text is for its person.
#[must_use]
pub fn cancel_reason(error: &Error) -> CancelReason {
    match error.kind() {
        Kind::Refused => CancelReason::Declined,
        Kind::Interrupted => CancelReason::Interrupted,
        Kind::Authentication => CancelReason::Untrusted,
        Kind::Disk => CancelReason::Disk,
        Kind::Protocol => CancelReason::Protocol,
        _ => CancelReason::Internal,
    }
}
