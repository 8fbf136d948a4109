//! Writes and renames.
use crate::proto::frame::{Failure, FileEnd, Piece, Verdict};
use crate::proto::manifest::Entry;
use bytes::BytesMut;
/// What the sink does.
#[derive(Debug)]
pub enum Job {
    /// p
    Prepare(Entry),
    /// w
    Write {
        /// p
        pieces: Vec<Piece>,
        /// p
        payload: BytesMut,
        /// c
        cost: u64,
    },
    /// f
    Finish(FileEnd),
    /// d
    Drop {
        /// e
        entry: u64,
        /// f
        failure: Failure,
    },
}
/// What the sink says.
#[derive(Debug)]
pub enum SinkEvent {
    /// p
    Planned {
        /// e
        entry: u64,
        /// v
        verdict: Verdict,
    },
    /// t
    Taken {
        /// c
        cost: u64,
    },
    /// r
    Resolved {
        /// e
        entry: u64,
        /// f
        failure: Option<Failure>,
    },
}
