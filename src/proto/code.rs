//! The code two people share.
/// A code, redacted in `Debug`.
#[derive(Clone, Debug)]
pub struct Code;
