//! Chunks.
/// The unit of hashing: a power of two from 512 KiB to 4 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize(u32);
