//! Deliberate defects, to see that the simulator finds them. In what ships there is none, and this is nothing: with the feature `bugs`, which
//! only `make teeth` sets, one of them at a time can be switched on for a thread.

/// Something done wrong on purpose, where the code asks `has`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Files are told as delivered before their contents are durable.
    AckBeforeSync,
    /// Names are told as delivered before they are durable.
    AckBeforeNames,
    /// A file gets its name before what an earlier session left of it has turned out to be what is sent.
    RenameBeforeVerify,
    /// What an earlier session left is believed.
    NoRecheck,
    /// The journal speaks of data that was not synced.
    JournalBeforeData,
    /// The journal stays when its file is there.
    JournalLeftBehind,
    /// What stands there is replaced though it should stay.
    ReplacesWhatStands,
    /// The same nonce on every connection of a lane.
    NonceReused,
    /// A record is opened whatever its tag says.
    TagUnchecked,
    /// What went out on a lost connection is not said again.
    OutboxNotRewound,
    /// What the other side has counted is said again.
    OutboxSaidTwice,
    /// Frames are counted as come before they have.
    CountedBeforeHandedOver,
    /// Control frames, credit among them, are not kept for the next connection.
    CreditLostAtReconnection,
    /// The sender takes the end of the connection for success.
    LostFinalAcknowledgement,
    /// What a lane that was let go of did not deliver is not said again.
    LaneNotSaidAgain,
    /// A lane that comes up again is counted on from nothing.
    LaneCountedAnew,
    /// The frames of a chunk go over any lanes.
    RunTorn,
    /// What is read of a chunk later goes to the lane that was let go of, though what was before it has moved.
    RunLeftBehind,
    /// The end of a file is believed before everything of it has come.
    EndBeforeData,
    /// What comes of a file after the sender has dropped it breaks the protocol.
    LateDataRefused,
    /// No credit is given for what came on a lane beside the first.
    LaneCreditLost,
    /// Lanes that were asked for before the receiver has accepted are not reckoned with: nothing may overtake anything.
    EarlyLaneInOrder,
    /// A seat at the relay is never given up, however silent its owner.
    SeatNeverGivenUp,
}

/// All of them.
#[cfg(feature = "bugs")]
pub const ALL: &[Defect] = &[
    Defect::AckBeforeSync,
    Defect::AckBeforeNames,
    Defect::RenameBeforeVerify,
    Defect::NoRecheck,
    Defect::JournalBeforeData,
    Defect::JournalLeftBehind,
    Defect::ReplacesWhatStands,
    Defect::NonceReused,
    Defect::TagUnchecked,
    Defect::OutboxNotRewound,
    Defect::OutboxSaidTwice,
    Defect::CountedBeforeHandedOver,
    Defect::CreditLostAtReconnection,
    Defect::LostFinalAcknowledgement,
    Defect::LaneNotSaidAgain,
    Defect::LaneCountedAnew,
    Defect::RunTorn,
    Defect::RunLeftBehind,
    Defect::EndBeforeData,
    Defect::LateDataRefused,
    Defect::LaneCreditLost,
    Defect::EarlyLaneInOrder,
    Defect::SeatNeverGivenUp,
];

/// Whether this is done wrong. Never, in what ships.
#[cfg(not(feature = "bugs"))]
#[inline]
pub(crate) const fn has(_: Defect) -> bool {
    false
}

#[cfg(feature = "bugs")]
mod switch {
    use std::cell::Cell;

    use super::Defect;

    thread_local! {
        static ON: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// Switches one on for this thread, and the others off.
    pub fn set(defect: Option<Defect>) {
        ON.set(defect);
    }

    pub(crate) fn has(defect: Defect) -> bool {
        ON.get() == Some(defect)
    }
}

#[cfg(feature = "bugs")]
pub(crate) use switch::has;
#[cfg(feature = "bugs")]
pub use switch::set;
