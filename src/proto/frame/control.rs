//! The session's conversation: what the two sides say to each other besides contents.

use serde::{Deserialize, Serialize};

use super::FrameError;
use super::failure::{Cancelled, WireFailure};
use crate::proto::limits::{LANES_MAX, LIST_MAX, TEXT_BYTES_MAX};
use crate::proto::manifest::Item;

/// The session's conversation. S→R: the sender says it; R→S: the receiver; both: either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control<'a> {
    /// S→R: the first thing said: how this transfer is cut.
    Begin {
        /// The chunk size in bytes, see [`ChunkSize`](crate::proto::chunk::ChunkSize).
        chunk_bytes: u32,
    },
    /// S→R: the next items of the manifest.
    Manifest(#[serde(borrow)] Vec<Item<'a>>),
    /// S→R: the manifest is complete; how many items it had.
    ManifestEnd {
        /// As many as were sent.
        items: u64,
    },
    /// R→S: the person accepted. `window` bytes of frames may be sent from now on.
    Accept {
        /// The first credit, see [`Control::Credit`].
        window: u64,
    },
    /// R→S: what to do about the next items, in the manifest's order.
    Plan(Vec<Verdict>),
    /// S→R: these files are complete.
    Ended(Vec<FileEnd>),
    /// S→R: this file will not be completed.
    Dropped {
        /// Its number in the manifest.
        entry: u64,
        /// Why.
        #[serde(borrow)]
        failure: WireFailure<'a>,
    },
    /// R→S: so much may be sent in all, counted by [`cost`](super::cost) from the beginning of the session.
    Credit {
        /// Bytes, never less than before.
        total: u64,
    },
    /// R→S: the end of these items: delivered, verified and durable, or not.
    Outcomes(#[serde(borrow)] Vec<Outcome<'a>>),
    /// R→S: every item has its outcome and everything delivered is durable. The only thing that lets a sender
    /// succeed.
    Complete {
        /// Files, links and directories delivered.
        delivered: u64,
        /// Those that were not.
        failed: u64,
    },
    /// S→R: `Complete` arrived.
    Receipt,
    /// Both: this side ends the transfer now.
    Cancel(#[serde(borrow)] Cancelled<'a>),
    /// R→S: what to say of these files: some chunks as bytes, of others the values. Each is answered by those
    /// pieces and `Ended`, or by `Dropped`; for one file the next comes after the answer to the one before.
    Get(Vec<Get>),
    /// S→R: this lane is wanted from now on, or no more.
    Lane {
        /// Its number, from 1.
        lane: u8,
        /// Whether both sides dial its room, or let go of its connection for good.
        up: bool,
    },
    /// R→S: this lane has no connection any more, and gets none before the sender wants it again. What it
    /// said there and the receiver has not taken it says on other lanes.
    LaneTaken {
        /// Its number, from 1.
        lane: u8,
        /// How many of its frames were taken, over all its connections.
        frames: u64,
    },
    /// S→R: what is offered is one text, to be shown and not to be written. Said before the manifest, where
    /// both sides can.
    Text,
}

/// What the receiver wants of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Send its contents.
    Send,
    /// Nothing needs to be sent; its outcome follows.
    Nothing,
    /// Something stands there that may be the same: say the values of all its chunks, in the session's chunk
    /// size.
    Compare,
    /// A `Get` or an outcome follows, maybe only when a person has answered.
    Wait,
}

/// What the receiver wants to be told of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Its number in the manifest.
    pub entry: u64,
    /// In what chunks `send` and `compare` count: a part file keeps the size it was begun with.
    pub chunk_bytes: u32,
    /// Chunks to be sent, first.
    pub send: Vec<Run>,
    /// Chunks to be named by their values, after those.
    pub compare: Vec<Run>,
}

/// Neighbouring chunks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The first of them, from 0.
    pub first: u64,
    /// How many, at least 1.
    pub count: u64,
}

/// The end of a file's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEnd {
    /// The file's number in the manifest.
    pub entry: u64,
    /// How long it was in the end, in bytes.
    pub size: u64,
    /// BLAKE3 of the whole: what `b3sum` prints.
    pub root: [u8; 32],
}

/// The end of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome<'a> {
    /// Its number in the manifest.
    pub entry: u64,
    /// `None`: delivered.
    #[serde(borrow)]
    pub failure: Option<WireFailure<'a>>,
}

impl Control<'_> {
    /// Checks what is bounded by more than the frame's length.
    pub(super) fn check(&self) -> Result<(), FrameError> {
        let fits = match self {
            Control::Manifest(items) => {
                items.len() <= LIST_MAX
                    && items
                        .iter()
                        .all(|item| !matches!(item, Item::Unsent { failure, .. } if !failure.is_bounded()))
            }
            Control::Plan(verdicts) => verdicts.len() <= LIST_MAX,
            Control::Ended(ends) => ends.len() <= LIST_MAX,
            Control::Dropped { failure, .. } => failure.is_bounded(),
            Control::Outcomes(outcomes) => {
                outcomes.len() <= LIST_MAX
                    && outcomes
                        .iter()
                        .all(|outcome| outcome.failure.as_ref().is_none_or(WireFailure::is_bounded))
            }
            Control::Cancel(cancelled) => cancelled.text.len() <= TEXT_BYTES_MAX,
            Control::Get(gets) => {
                let runs: usize = gets.iter().map(|get| get.send.len() + get.compare.len()).sum();
                gets.len() <= LIST_MAX && runs <= LIST_MAX
            }
            Control::Lane { lane, .. } | Control::LaneTaken { lane, .. } => (1..LANES_MAX).contains(lane),
            Control::Begin { .. }
            | Control::ManifestEnd { .. }
            | Control::Accept { .. }
            | Control::Credit { .. }
            | Control::Complete { .. }
            | Control::Receipt
            | Control::Text => true,
        };
        if fits { Ok(()) } else { Err(FrameError::TooMany) }
    }
}
