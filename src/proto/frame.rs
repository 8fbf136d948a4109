//! Frames.
/// Why an entry was not delivered.
#[derive(Clone, Debug)]
pub struct Failure;
