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
/// stub
#[derive(Debug)] pub struct Walk;
/// stub
#[derive(Debug)] pub struct Walked { /// e
 pub entry: crate::proto::manifest::Entry }
impl Walk { /// s
 pub fn new(_: &[std::path::PathBuf]) -> crate::Result<Walk> { Ok(Walk) } /// r
 pub fn roots(&self) -> u8 { 0 } }
impl Iterator for Walk { type Item = Walked; fn next(&mut self) -> Option<Walked> { None } }
/// stub
#[derive(Debug)] pub struct Reader;
impl Reader { /// s
 pub fn new(_: u8, _: crate::proto::chunk::ChunkSize) -> Reader { Reader } /// f
 pub fn flush(&mut self, _: &mut dyn FnMut(SourceEvent) -> bool) {} /// f
 pub fn fetch(&mut self, _: &Fetch, _: &mut dyn FnMut(SourceEvent) -> bool) -> bool { true } }
