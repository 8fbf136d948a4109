//! Dialling.
/// How to reach the relay.
#[derive(Clone, Debug)]
pub struct DialOptions;
