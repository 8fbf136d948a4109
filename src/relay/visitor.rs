//! Who asks for a seat, as far as a relay knows.

use std::net::IpAddr;

pub use super::switchboard::Standing;

/// Who asks for a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Where it comes from: its own address, also behind a server that is believed.
    pub address: IpAddr,
    /// What it may do.
    pub standing: Standing,
}
