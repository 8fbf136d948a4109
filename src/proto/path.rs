//! Names.
/// A checked path below the output directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelPath(Vec<u8>);
