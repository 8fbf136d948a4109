//! How both ends reach the relay.
pub mod dial;
/// A relay's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayUrl;
/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddr;
