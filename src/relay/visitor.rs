//! Who asks for a seat, as far as a relay knows.

use std::net::IpAddr;

/// Who asks for a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Where it comes from: its own address, also behind a server that is believed.
    pub address: IpAddr,
    /// What it may do.
    pub standing: Standing,
}

/// What somebody may do who asks for a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The relay knows no tokens: everybody may everything.
    Open,
    /// It has shown a token that the relay knows.
    Member,
    /// It has shown none: it may only meet a member.
    Guest,
}
