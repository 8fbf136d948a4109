//! Walks and reads.
use crate::proto::frame::{Block, Failure, FileEnd};
use crate::proto::manifest::Meta;
use crate::proto::path::RelPath;
/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// n
    pub entry: u64,
    /// p
    pub path: RelPath,
    /// s
    pub size: Option<u64>,
    /// m
    pub meta: Meta,
}
/// What the reader says.
#[derive(Debug)]
pub enum SourceEvent {
    /// b
    Block(Block),
    /// e
    Ended(FileEnd),
    /// d
    Dropped {
        /// n
        entry: u64,
        /// f
        failure: Failure,
    },
}
